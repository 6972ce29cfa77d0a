/**
 * Content parts, tool calls and tool results of a Chat request, read strictly.
 * `messages-decode.ts` puts them into turns.
 */
import { asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import { at, optionalString, requiredString, toObject, toText } from "../../core/read.ts";
import type {
  AudioPart,
  CacheMark,
  FilePart,
  ImagePart,
  OpaquePart,
  TextPart,
  ThinkingPart,
  ToolCallPart,
} from "../../core/request.ts";
import { readSignature } from "../../core/signature.ts";
import { audioMediaType, extrasOf, ID, joinedText, leftovers, readCacheMark, readUrl } from "./wire.ts";

export type ContentPart = TextPart | ImagePart | FilePart | AudioPart | OpaquePart;

const TEXT = new Set(["type", "text", "cache_control", "image_url"]);
const IMAGE = new Set(["type", "image_url", "cache_control", "text"]);
const FILE = new Set(["type", "file", "cache_control"]);
const AUDIO = new Set(["type", "input_audio", "cache_control"]);
const VIDEO = new Set(["type", "video_url", "cache_control"]);
const FILE_INNER = new Set(["file_data", "file_id", "filename"]);

/** The part with its cache mark and unknown fields, where there are any. */
function finished<P extends ContentPart>(part: P, wire: JsonObject, known: ReadonlySet<string>, notes?: JsonObject): P {
  const cache = readCacheMark(wire.cache_control);
  if (cache) part.cache = cache;
  const others = leftovers(wire, known);
  if (others || notes) part.extras = extrasOf({ ...others, ...notes });
  return part;
}

function imagePart(wire: JsonObject, path: string): ImagePart {
  const value = wire.image_url;
  if (typeof value === "string") return finished({ type: "image", source: readUrl(value) }, wire, IMAGE);
  const image = toObject(value, at(path, "image_url"));
  const part: ImagePart = { type: "image", source: readUrl(requiredString(image, "url", at(path, "image_url"))) };
  const detail = optionalString(image, "detail", at(path, "image_url"));
  if (detail !== undefined) part.detail = detail;
  return finished(part, wire, IMAGE);
}

function filePart(wire: JsonObject, path: string): FilePart | OpaquePart {
  const inside = at(path, "file");
  const file = toObject(wire.file, inside);
  const data = optionalString(file, "file_data", inside);
  const id = optionalString(file, "file_id", inside);
  const filename = optionalString(file, "filename", inside);
  if (data === undefined && id === undefined) return { type: "opaque", dialect: ID, value: wire };
  const part: FilePart = { type: "file", source: fileSource(data, id ?? "") };
  if (filename !== undefined) part.filename = filename;
  const inner = leftovers(file, FILE_INNER);
  return finished(part, wire, FILE, inner && { file: inner });
}

function fileSource(data: string | undefined, id: string): FilePart["source"] {
  if (data === undefined) return { type: "file-id", id, origin: ID };
  if (/^(?:data:|https?:\/\/)/.test(data)) return readUrl(data);
  return { type: "base64", mediaType: "application/pdf", data };
}

function audioPart(wire: JsonObject, path: string): AudioPart {
  const value = wire.input_audio;
  if (typeof value === "string") {
    const source = /^(?:data:|https?:)/.test(value) ? readUrl(value) : null;
    return finished({ type: "audio", source: source ?? bareAudio(value) }, wire, AUDIO, { $bare: true });
  }
  const inside = at(path, "input_audio");
  const audio = toObject(value, inside);
  const data = requiredString(audio, "data", inside);
  const format = optionalString(audio, "format", inside) ?? "wav";
  return finished({ type: "audio", source: { type: "base64", data, mediaType: audioMediaType(format) } }, wire, AUDIO);
}

function bareAudio(data: string): AudioPart["source"] {
  return { type: "base64", data, mediaType: "audio/wav" };
}

function videoPart(wire: JsonObject, path: string): FilePart {
  const value = wire.video_url;
  const inside = at(path, "video_url");
  const url = typeof value === "string" ? value : requiredString(toObject(value, inside), "url", inside);
  const source = readUrl(url);
  if (source.type === "url") source.mediaType = "video/*";
  return finished({ type: "file", source }, wire, VIDEO);
}

/** One part of a content array; a kind that only Chat knows stays as it is. Throws `invalid_request` for wrong types. */
export function decodePart(value: Json | undefined, path: string): ContentPart | ThinkingPart {
  if (typeof value === "string") return { type: "text", text: value };
  const wire = toObject(value, path);
  switch (wire.type) {
    case "text":
      return finished({ type: "text", text: toText(wire.text, at(path, "text")) }, wire, TEXT);
    case "image_url":
      return imagePart(wire, path);
    case "file":
      return filePart(wire, path);
    case "input_audio":
      return audioPart(wire, path);
    case "video_url":
      return videoPart(wire, path);
    case "thinking":
      return { type: "thinking", text: joinedText(wire.thinking) };
    default:
      return { type: "opaque", dialect: ID, value: wire };
  }
}

/** A message's content, string or array, as parts; empty for null. Throws `invalid_request` for other types. */
export function decodeContent(value: Json | undefined, path: string): (ContentPart | ThinkingPart)[] {
  if (value === undefined || value === null) return [];
  if (typeof value === "string") return [{ type: "text", text: value }];
  if (!Array.isArray(value)) return [decodePart(value, path)];
  return value.map((part, index) => decodePart(part, at(path, index)));
}

/** The mark of a whole message, put where it stands: at the end of its last part. */
export function markLast(parts: { cache?: CacheMark }[], wire: JsonObject): void {
  const mark = readCacheMark(wire.cache_control);
  const last = parts.at(-1);
  if (mark && last) last.cache ??= mark;
}

const CALL = new Set(["id", "type", "function", "custom", "cache_control", "extra_content", "index"]);

/** A call of an earlier turn. `fallbackId` names one that came without an id. */
export function decodeToolCall(value: Json | undefined, path: string, fallbackId: string): ToolCallPart {
  const wire = toObject(value, path);
  const id = optionalString(wire, "id", path) || fallbackId;
  const custom = wire.type === "custom" ? asObject(wire.custom) : undefined;
  const inside = at(path, custom ? "custom" : "function");
  const call = custom ?? toObject(wire.function, inside);
  const name = requiredString(call, "name", inside);
  const part: ToolCallPart = { type: "tool-call", id, name, kind: "function", arguments: callInput(call, inside) };
  if (custom) {
    part.kind = "custom";
    part.arguments = optionalString(custom, "input", inside) ?? "";
  }
  const cache = readCacheMark(wire.cache_control);
  if (cache) part.cache = cache;
  const google = asObject(asObject(wire.extra_content)?.google);
  const thought = asString(google?.thought_signature);
  if (thought) part.signature = readSignature(thought, "gemini");
  const extras = extrasOf(leftovers(wire, CALL));
  if (extras) part.extras = extras;
  return part;
}

/** `arguments` as text; some clients send the object itself. */
function callInput(call: JsonObject, path: string): string {
  const value = call.arguments;
  if (asObject(value)) return JSON.stringify(value);
  return optionalString(call, "arguments", path) ?? "";
}
