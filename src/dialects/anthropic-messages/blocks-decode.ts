/**
 * Reads content blocks of Messages as canonical parts: text, thinking, media, tool calls; whatever else stays opaque.
 * Requests and replies share it; it is lenient, and requests are checked strictly before.
 */
import { asArray, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import type {
  Annotation,
  FilePart,
  ImagePart,
  MediaSource,
  OpaquePart,
  TextPart,
  ThinkingPart,
  ToolCallPart,
} from "../../core/request.ts";
import { readSignature, readSlot } from "../../core/signature.ts";
import type { ServerPart } from "../server-tools.ts";
import { decodeServerBlock, isOwnCipher } from "./server-blocks.ts";
import { OWN, ownExtras, readBase } from "./wire.ts";

export type DecodedBlock = TextPart | ThinkingPart | ToolCallPart | ImagePart | FilePart | ServerPart | OpaquePart;

const TEXT_FIELDS = new Set(["type", "text", "citations"]);
const THINKING_FIELDS = new Set(["type", "thinking", "signature"]);
const REDACTED_FIELDS = new Set(["type", "data"]);
const TOOL_USE_FIELDS = new Set(["type", "id", "name", "input"]);
const IMAGE_FIELDS = new Set(["type", "source"]);
const DOCUMENT_FIELDS = new Set(["type", "source", "title"]);

/** One block as a part. Never throws: fields of a wrong type count as absent. */
export function decodeBlock(block: JsonObject): DecodedBlock {
  switch (block.type) {
    case "text":
      return decodeText(block);
    case "thinking":
      return decodeThinking(block);
    case "redacted_thinking":
      return {
        type: "thinking",
        text: "",
        redacted: true,
        signature: readSignature(asString(block.data) ?? "", OWN),
        ...readBase(block, REDACTED_FIELDS),
      };
    case "tool_use":
      return {
        type: "tool-call",
        id: asString(block.id) ?? "",
        name: asString(block.name) ?? "",
        kind: "function",
        arguments: JSON.stringify(block.input ?? {}),
        ...readBase(block, TOOL_USE_FIELDS),
      };
    case "image":
    case "document":
      return decodeMedia(block) ?? opaque(block);
    default:
      return decodeServerBlock(block) ?? opaque(block);
  }
}

/** A block that only this dialect knows. */
export function opaque(block: JsonObject): OpaquePart {
  return { type: "opaque", dialect: OWN, value: block };
}

function decodeText(block: JsonObject): TextPart {
  const text = asString(block.text) ?? "";
  const base = readBase(block, TEXT_FIELDS);
  const citations = asArray(block.citations);
  if (citations.length === 0) return { type: "text", text, ...base };
  const { annotations, others } = sortCitations(citations, text.length);
  const extras = others ? { ...base.extras, [OWN]: { ...base.extras?.[OWN], citations: others } } : base.extras;
  return { type: "text", text, ...(annotations && { annotations }), ...base, ...(extras && { extras }) };
}

/** Citations of web pages become annotations over the whole block; other kinds stay verbatim. */
export function sortCitations(
  citations: readonly Json[],
  length: number,
): { annotations?: Annotation[]; others?: Json[] } {
  let annotations: Annotation[] | undefined;
  let others: Json[] | undefined;
  for (const citation of citations) {
    const annotation = decodeUrlCitation(asObject(citation), length);
    if (annotation) annotations = [...(annotations ?? []), annotation];
    else others = [...(others ?? []), citation];
  }
  return { annotations, others };
}

const CITATION_FIELDS = new Set(["type", "url", "title", "cited_text"]);

function decodeUrlCitation(citation: JsonObject | undefined, length: number): Annotation | undefined {
  if (citation?.type !== "web_search_result_location" || typeof citation.url !== "string") return undefined;
  const title = asString(citation.title);
  const cited = asString(citation.cited_text);
  const { encrypted_index: cipher, ...fields } = citation;
  // A citation of another provider's has no cipher, or one that says so.
  const { extras } = readBase(isOwnCipher(cipher) ? citation : fields, CITATION_FIELDS);
  return {
    type: "url",
    url: citation.url,
    ...(title !== undefined && { title }),
    start: 0,
    end: length,
    ...(cited !== undefined && { cited }),
    ...(extras && { extras }),
  };
}

function decodeThinking(block: JsonObject): ThinkingPart {
  const signature = readSlot(asString(block.signature), OWN);
  return {
    type: "thinking",
    text: asString(block.thinking) ?? "",
    ...(signature && { signature }),
    ...readBase(block, THINKING_FIELDS),
  };
}

function decodeMedia(block: JsonObject): ImagePart | FilePart | undefined {
  const source = asObject(block.source);
  const media = source && decodeSource(source);
  if (!source || !media) return undefined;
  if (block.type === "image") {
    return media.type === "text" ? undefined : { type: "image", source: media, ...readBase(block, IMAGE_FIELDS) };
  }
  const base = readBase(block, DOCUMENT_FIELDS);
  const filename = asString(block.title);
  // Blocks inside a document have no canonical form: others get their text, the own format all of it.
  const extras = source.type === "content" ? ownExtras({ ...base.extras?.[OWN], source }) : {};
  return { type: "file", source: media, ...(filename !== undefined && { filename }), ...base, ...extras };
}

function decodeSource(source: JsonObject): MediaSource | undefined {
  const data = asString(source.data);
  switch (source.type) {
    case "base64":
      return data === undefined
        ? undefined
        : { type: "base64", data, mediaType: asString(source.media_type) ?? "application/octet-stream" };
    case "text":
      return data === undefined ? undefined : { type: "text", text: data };
    case "url":
      return typeof source.url === "string" ? { type: "url", url: source.url } : undefined;
    case "file":
      return typeof source.file_id === "string" ? { type: "file-id", id: source.file_id, origin: OWN } : undefined;
    case "content":
      return { type: "text", text: innerText(source.content) };
    default:
      return undefined;
  }
}

function innerText(content: Json | undefined): string {
  if (typeof content === "string") return content;
  const texts = asArray(content).map((block) => asString(asObject(block)?.text));
  return texts.filter((text) => text !== undefined).join("\n");
}
