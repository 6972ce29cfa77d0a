/**
 * Pictures, sounds and files in both directions: `inlineData` and `fileData` of the wire, typed parts of the canon.
 * Requests, replies and the media inside function responses all use it.
 */
import { type JsonObject, tryParse } from "../../core/json.ts";
import { optionalString, requiredString, toObject } from "../../core/read.ts";
import type { AudioPart, Extras, FilePart, ImagePart, MediaSource } from "../../core/request.ts";
import { camelKeys, others } from "./keys.ts";
import { GEMINI } from "./wire.ts";

export type MediaPart = ImagePart | AudioPart | FilePart;

/** What a part of this media type is in the canon. Video and documents are files. */
export function mediaKind(mediaType: string): MediaPart["type"] {
  if (mediaType.startsWith("image/")) return "image";
  return mediaType.startsWith("audio/") ? "audio" : "file";
}

/** Extras of this dialect, or undefined when there are none. */
export function ownExtras(fields: JsonObject | undefined): Extras | undefined {
  return fields && Object.keys(fields).length > 0 ? { [GEMINI]: fields } : undefined;
}

const INLINE_KNOWN = new Set(["mimeType", "data"]);
const FILE_KNOWN = new Set(["mimeType", "fileUri"]);

/** Whether only the API itself can resolve the address: an uploaded file or an object in cloud storage. */
function isUploaded(uri: string): boolean {
  return uri.startsWith("gs://") || uri.startsWith("files/") || /\/v1(?:beta|alpha)?\/files\//.test(uri);
}

/** Reads a part that has `inlineData` or `fileData` (camelCase keys). Throws `invalid_request` for a wrong type. */
export function decodeMedia(part: JsonObject, partExtras: JsonObject | undefined, path: string): MediaPart {
  const isInline = part.inlineData !== undefined && part.inlineData !== null;
  const field = isInline ? "inlineData" : "fileData";
  const blob = camelKeys(toObject(part[field], `${path}.${field}`));
  const mediaType = optionalString(blob, "mimeType", `${path}.${field}`);
  const type = mediaKind(mediaType ?? "");
  const fields: JsonObject = { ...partExtras };
  let source: MediaSource;
  if (isInline) {
    const data = requiredString(blob, "data", `${path}.${field}`);
    source = { type: "base64", data, mediaType: mediaType ?? "application/octet-stream" };
  } else {
    const uri = requiredString(blob, "fileUri", `${path}.${field}`);
    if (isUploaded(uri)) source = { type: "file-id", id: uri, origin: GEMINI };
    else source = { type: "url", url: uri, ...(mediaType !== undefined && { mediaType }) };
    if (source.type === "file-id" && mediaType) fields.fileData = { mimeType: mediaType };
  }
  const { displayName, ...left } = others(blob, isInline ? INLINE_KNOWN : FILE_KNOWN) ?? {};
  const filename = type === "file" && typeof displayName === "string" ? displayName : undefined;
  if (displayName !== undefined && filename === undefined) left.displayName = displayName;
  if (Object.keys(left).length > 0) fields[field] = { ...(fields[field] as JsonObject | undefined), ...left };
  const extras = ownExtras(fields);
  return { type, source, ...(filename !== undefined && { filename }), ...(extras && { extras }) } as MediaPart;
}

/** Media types by file ending, for addresses that come without one: the wire wants to be told. */
const TYPE_BY_ENDING: Readonly<Record<string, string>> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  heic: "image/heic",
  pdf: "application/pdf",
  txt: "text/plain",
  mp4: "video/mp4",
  mov: "video/quicktime",
  webm: "video/webm",
  mp3: "audio/mp3",
  wav: "audio/wav",
  flac: "audio/flac",
  ogg: "audio/ogg",
};

function guessType(url: string, type: MediaPart["type"]): string | undefined {
  const ending = /\.([a-z0-9]+)(?:[?#]|$)/i.exec(url)?.[1]?.toLowerCase() ?? "";
  if (Object.hasOwn(TYPE_BY_ENDING, ending)) return TYPE_BY_ENDING[ending];
  return type === "image" ? "image/jpeg" : undefined;
}

/** The wire's part, without extras beside the blob; undefined when only another provider can resolve the source. */
export function encodeMedia(part: MediaPart): JsonObject | undefined {
  const { source } = part;
  const own = part.extras?.[GEMINI];
  switch (source.type) {
    case "base64":
      return { inlineData: { ...blobExtras(own, "inlineData"), mimeType: source.mediaType, data: source.data } };
    case "url": {
      const inline = dataUrl(source.url);
      if (inline) return { inlineData: inline };
      const mimeType = source.mediaType ?? guessType(source.url, part.type);
      return { fileData: { ...blobExtras(own, "fileData"), ...(mimeType && { mimeType }), fileUri: source.url } };
    }
    case "file-id":
      if (source.origin !== GEMINI) return undefined;
      return { fileData: { ...blobExtras(own, "fileData"), fileUri: source.id } };
    case "text":
      return { text: source.text };
  }
}

function blobExtras(own: JsonObject | undefined, field: string): JsonObject {
  return (own?.[field] as JsonObject | undefined) ?? {};
}

/** A `data:` address as inline data; undefined for any other address. */
function dataUrl(url: string): JsonObject | undefined {
  if (!url.startsWith("data:")) return undefined;
  const comma = url.indexOf(",");
  const header = url.slice(5, comma);
  if (comma < 0) return undefined;
  const mimeType = header.split(";")[0] || "text/plain";
  if (header.endsWith(";base64")) return { mimeType, data: url.slice(comma + 1) };
  return { mimeType, data: Buffer.from(decodeText(url.slice(comma + 1)), "utf8").toString("base64") };
}

function decodeText(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The text as a JSON object, or undefined: what a function response may carry as it is. */
export function jsonObjectText(text: string): JsonObject | undefined {
  if (!text.startsWith("{")) return undefined;
  const value = tryParse(text);
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
}
