/**
 * Citations in both directions: `groundingMetadata` of the wire, which counts bytes of UTF-8, and annotations of the canon,
 * which count UTF-16 units. The reply decoder and encoder use it.
 */
import { asArray, asNumber, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import type { Annotation, FoundPage } from "../../core/request.ts";
import type { Searches } from "./server-parts.ts";

/** How many web searches the metadata tells of. */
export function webSearches(metadata: JsonObject | undefined): number {
  return asArray(metadata?.webSearchQueries).length;
}

interface Source {
  url: string;
  title?: string;
  cited?: string;
}

function sourceOf(chunk: Json | undefined): Source | undefined {
  const object = asObject(chunk);
  const place = asObject(object?.web) ?? asObject(object?.retrievedContext) ?? asObject(object?.maps);
  const url = asString(place?.uri);
  if (!url) return undefined;
  const title = asString(place?.title);
  const cited = asString(place?.text);
  return { url, ...(title !== undefined && { title }), ...(cited !== undefined && { cited }) };
}

/** The annotations of a text. Supports that speak of another text are left out; sources without supports stand without a place. */
export function readGrounding(metadata: JsonObject, text: string): Annotation[] {
  const sources = asArray(metadata.groundingChunks).map(sourceOf);
  const supports = asArray(metadata.groundingSupports);
  if (supports.length === 0) {
    return sources.filter((source) => source !== undefined).map((source) => ({ type: "url", ...source }));
  }
  const annotations: Annotation[] = [];
  const place = createPlacer(text);
  for (const entry of supports) {
    const support = asObject(entry);
    const range = place(asObject(support?.segment) ?? {});
    if (!range) continue;
    for (const index of asArray(support?.groundingChunkIndices)) {
      const source = typeof index === "number" ? sources[index] : undefined;
      if (source) annotations.push({ type: "url", ...source, ...range });
    }
  }
  return annotations;
}

/** Finds where a segment stands in the text: by its byte offsets when they fit, else by its own text. */
function createPlacer(text: string): (segment: JsonObject) => { start: number; end: number } | undefined {
  let bytes: Buffer | undefined;
  return (segment) => {
    const wanted = asString(segment.text);
    const from = asNumber(segment.startIndex) ?? 0;
    const to = asNumber(segment.endIndex) ?? 0;
    bytes ??= Buffer.from(text, "utf8");
    if (to > from && from >= 0 && to <= bytes.length) {
      const cut = bytes.toString("utf8", from, to);
      if (wanted === undefined || cut === wanted) {
        const start = bytes.toString("utf8", 0, from).length;
        return { start, end: start + cut.length };
      }
    }
    const start = wanted ? text.indexOf(wanted) : -1;
    return wanted && start >= 0 ? { start, end: start + wanted.length } : undefined;
  };
}

/** An annotation and the text of its part. `before`: the bytes of the answer's text before that part, which places count too. */
export interface Note {
  annotation: Annotation;
  text: string;
  before: number;
}

/**
 * The metadata for annotations and searches that came from another format; each source is listed once. What was found
 * counts as a source only where the text cites none.
 */
export function writeGrounding(notes: readonly Note[], searches: Searches = NO_SEARCHES): JsonObject | undefined {
  const { queries, pages } = searches;
  if (notes.length === 0 && queries.length === 0 && pages.length === 0) return undefined;
  const indexes = new Map<string, number>();
  const groundingChunks: JsonObject[] = [];
  const groundingSupports: JsonObject[] = [];
  for (const { annotation, text, before } of notes) {
    const { url, title, start = 0, end } = annotation;
    let index = indexes.get(url);
    if (index === undefined) {
      index = groundingChunks.length;
      indexes.set(url, index);
      groundingChunks.push(webChunk({ url, title }));
    }
    // Some upstreams tell a place from 0 to 0 for none.
    if (end === undefined || end <= start) continue;
    const startIndex = before + Buffer.byteLength(text.slice(0, start));
    const cut = text.slice(start, end);
    const segment = { startIndex, endIndex: startIndex + Buffer.byteLength(cut), text: cut };
    groundingSupports.push({ segment, groundingChunkIndices: [index] });
  }
  if (notes.length === 0) groundingChunks.push(...pages.map(webChunk));
  return {
    ...(queries.length > 0 && { webSearchQueries: queries }),
    groundingChunks,
    ...(groundingSupports.length > 0 && { groundingSupports }),
  };
}

const NO_SEARCHES: Searches = { queries: [], pages: [] };

function webChunk({ url, title }: FoundPage): JsonObject {
  return { web: { uri: url, ...(title !== undefined && { title }) } };
}
