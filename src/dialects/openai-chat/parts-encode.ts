/**
 * Content parts of a request in Chat's form: text, images, files, audio, video.
 * Used by `messages-encode.ts` for user turns and for what tools return.
 */
import type { Quirks } from "../../core/endpoint.ts";
import type { JsonObject } from "../../core/json.ts";
import type { Losses } from "../../core/loss.ts";
import type { AudioPart, FilePart, ImagePart, Part, TextPart } from "../../core/request.ts";
import { loseForeignExtras } from "../dialect.ts";
import { textOf } from "../text-media.ts";
import { addExtras, audioFormat, dataUrl, ID, writeCacheMark } from "./wire.ts";

export type MediaPart = ImagePart | FilePart | AudioPart;

interface PartScope {
  readonly quirks: Quirks;
  readonly losses: Losses;
}

function finished(wire: JsonObject, part: Part, scope: PartScope): JsonObject {
  if (part.cache) {
    if (scope.quirks.cacheControl) wire.cache_control = writeCacheMark(part.cache);
    else scope.losses.add("cache");
  }
  addExtras(wire, loseForeignExtras(part.extras, ID, scope.losses, "messages"));
  return wire;
}

/** A text part; fields of its own message that the decoder kept on it are the message's business. */
export function encodeText(part: TextPart, scope: PartScope): JsonObject {
  const wire = finished({ type: "text", text: part.text }, part, scope);
  delete wire.name;
  if (part.signature) scope.losses.add("messages.signature");
  return wire;
}

/** A part with media, or undefined and a loss when Chat has no form for its source. */
export function encodeMedia(part: MediaPart, scope: PartScope): JsonObject | undefined {
  const wire = part.type === "image" ? image(part) : part.type === "audio" ? audio(part) : file(part);
  if (!wire) {
    scope.losses.add(`messages.${part.type}`);
    return undefined;
  }
  if (wire.type === "text" && part.source.type !== "text") scope.losses.add("messages.file", "altered");
  return finished(wire, part, scope);
}

function image({ source, detail }: ImagePart): JsonObject | undefined {
  if (source.type !== "base64" && source.type !== "url") return undefined;
  const url = source.type === "url" ? source.url : dataUrl(source);
  return { type: "image_url", image_url: detail === undefined ? { url } : { url, detail } };
}

function audio({ source, extras }: AudioPart): JsonObject | undefined {
  if (extras?.[ID]?.$bare) {
    if (source.type === "url") return { type: "input_audio", input_audio: source.url };
    if (source.type === "base64") return { type: "input_audio", input_audio: source.data };
  }
  if (source.type !== "base64") return undefined;
  return { type: "input_audio", input_audio: { data: source.data, format: audioFormat(source.mediaType) } };
}

function file(part: FilePart): JsonObject | undefined {
  const { source, filename } = part;
  const inner = part.extras?.[ID]?.file;
  switch (source.type) {
    case "text":
      return { type: "text", text: namedText(source.text, filename) };
    case "file-id":
      if (source.origin !== ID && source.origin !== "openai-responses") return undefined;
      return { type: "file", file: { file_id: source.id, ...(filename && { filename }), ...(inner as JsonObject) } };
    case "url":
      if (source.mediaType?.startsWith("video/")) return { type: "video_url", video_url: { url: source.url } };
      return undefined;
    case "base64": {
      if (source.mediaType.startsWith("video/")) {
        return { type: "video_url", video_url: { url: dataUrl(source) } };
      }
      // OpenAI takes no files but PDFs here, and imitators few of any kind: what is text goes as text.
      const text = textOf(source);
      if (text !== undefined) return { type: "text", text: namedText(text, filename) };
      const name = filename ?? defaultName(source.mediaType);
      return { type: "file", file: { filename: name, file_data: dataUrl(source), ...(inner as JsonObject) } };
    }
  }
}

function namedText(text: string, filename: string | undefined): string {
  return filename ? `${filename}:\n${text}` : text;
}

/** OpenAI wants a name with content, and goes by its ending. */
function defaultName(mediaType: string): string {
  const kind = mediaType.slice(mediaType.indexOf("/") + 1).replace(/[^a-z0-9].*$/, "");
  return `file.${kind || "bin"}`;
}
