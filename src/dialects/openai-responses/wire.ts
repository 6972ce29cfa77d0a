/**
 * Small facts of the OpenAI Responses wire format that all files of this dialect share: its id, notes in extras, media URLs.
 * Nothing here reads or writes a whole body.
 */
import { asObject, type JsonObject, setOwn } from "../../core/json.ts";
import type { DialectId, Extras, MediaSource, Part } from "../../core/request.ts";

/** This dialect's id. */
export const OWN = "openai-responses" as const satisfies DialectId;

/** What an assistant's turn and a reply consist of. */
export type OutputPart = Exclude<Part, { type: "tool-result" }>;

/**
 * Notes of the decoders to the encoders of this dialect, in `extras`. `$item`: an item's own fields (id, status, phase) on
 * the first part that it became. `$whole`: an opaque part is an item, not a piece of content. `$content` and `$summary`:
 * a reasoning item's arrays where the part's text does not tell them. `$instructions`: the text stood in `instructions`.
 * `$compact`: the answer is to be a summary. `$compacted`: the turn tells one. `$transport`: fields of the request that say nothing to a model, and that other formats therefore do not miss.
 */
export type Note =
  | "$item"
  | "$whole"
  | "$content"
  | "$summary"
  | "$instructions"
  | "$role"
  | "$strict"
  | "$namespace"
  | "$additional"
  | "$transport"
  | "$compact"
  | "$compacted"
  | "$user";

/** This dialect's extras of a part, a message, a tool or a request. */
export function own(of: { extras?: Extras }): JsonObject | undefined {
  return of.extras?.[OWN];
}

/** Fields as this dialect's extras, or nothing. */
export function asExtras(fields: JsonObject | undefined): { extras?: Extras } {
  return fields ? { extras: { [OWN]: fields } } : {};
}

/** The object with one more field, made when there is none yet. */
export function withField(fields: JsonObject | undefined, name: string, value: JsonObject[string]): JsonObject {
  const made = fields ?? {};
  made[name] = value;
  return made;
}

/** What is left of an object without the known fields and without what a caller named like a note. */
export function leftover(object: JsonObject, known: ReadonlySet<string>): JsonObject | undefined {
  let left: JsonObject | undefined;
  for (const key in object) {
    if (known.has(key) || object[key] === undefined || key.startsWith("$")) continue;
    left ??= {};
    setOwn(left, key, object[key]);
  }
  return left;
}

/** Puts this dialect's extras but for the notes back into a wire object; what is there already stays. */
export function restoreFields(target: JsonObject, fields: JsonObject | undefined): void {
  for (const key in fields) {
    if (key.startsWith("$") || target[key] !== undefined) continue;
    setOwn(target, key, fields[key]);
  }
}

/** The `$transport` note of a request. */
export function transportOf(request: { extras?: Extras }): JsonObject {
  return asObject(own(request)?.$transport) ?? {};
}

/** The `$item` note of a part or message. */
export function itemNote(of: { extras?: Extras }): JsonObject | undefined {
  return asObject(own(of)?.$item);
}

const BASE64_MARK = ";base64,";
const MAX_MEDIA_TYPE_LENGTH = 256;

/** A URL as a media source: base64 data URLs are taken apart, all others stay URLs. */
export function sourceOfUrl(url: string): MediaSource {
  if (url.startsWith("data:")) {
    const end = url.slice(0, MAX_MEDIA_TYPE_LENGTH).indexOf(BASE64_MARK);
    if (end > 5) return { type: "base64", mediaType: url.slice(5, end), data: url.slice(end + BASE64_MARK.length) };
  }
  return { type: "url", url };
}

/** The data URL of a base64 source. */
export function dataUrl(source: { data: string; mediaType: string }): string {
  return `data:${source.mediaType}${BASE64_MARK}${source.data}`;
}

/** The body of a made-up id: the gateway's request id without its own prefix, of plain characters, bounded. */
export function idBody(requestId: string): string {
  return requestId.slice(requestId.indexOf("_") + 1).slice(0, 40) || "0";
}
