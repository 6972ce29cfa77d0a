/**
 * Pieces of content of the OpenAI Responses format: texts, refusals, images, files, audio, in both directions.
 * Items (`items.ts`) and requests hold lists of them. Decoding never throws; `request-decode.ts` has checked types before.
 */
import { asArray, asNumber, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import type { Losses } from "../../core/loss.ts";
import type {
  Annotation,
  AudioPart,
  FilePart,
  ImagePart,
  OpaquePart,
  RefusalPart,
  TextPart,
  ToolResultContent,
} from "../../core/request.ts";
import { loseForeignExtras } from "../dialect.ts";
import { opaqueText } from "../opaque-text.ts";
import { asExtras, dataUrl, leftover, OWN, own, restoreFields, sourceOfUrl, withField } from "./wire.ts";

const TEXT_FIELDS = new Set(["type", "text", "annotations", "logprobs"]);
const REFUSAL_FIELDS = new Set(["type", "refusal"]);
const IMAGE_FIELDS = new Set(["type", "image_url", "file_id", "detail"]);
const FILE_FIELDS = new Set(["type", "file_data", "file_url", "file_id", "filename"]);
const AUDIO_FIELDS = new Set(["type", "input_audio"]);
const CITATION_FIELDS = new Set(["type", "url", "title", "start_index", "end_index"]);

/** A piece of an assistant's message; undefined for kinds that only this format has. */
export function decodeOutputContent(value: JsonObject): TextPart | RefusalPart | undefined {
  switch (value.type) {
    case "output_text":
    case "input_text":
    case "text":
      return decodeText(value);
    case "refusal":
      return {
        type: "refusal",
        text: asString(value.refusal) ?? "",
        ...asExtras(leftover(value, REFUSAL_FIELDS)),
      };
    default:
      return undefined;
  }
}

function decodeText(value: JsonObject): TextPart {
  const part: TextPart = { type: "text", text: asString(value.text) ?? "" };
  let extras = leftover(value, TEXT_FIELDS);
  const notes = asArray(value.annotations);
  const annotations = notes.map(decodeAnnotation).filter((annotation) => annotation !== undefined);
  if (annotations.length > 0) part.annotations = annotations;
  if (annotations.length < notes.length) extras = withField(extras, "annotations", notes);
  return { ...part, ...asExtras(extras) };
}

/** A citation of a URL; undefined for citations of files, which only this format has. */
export function decodeAnnotation(value: Json): Annotation | undefined {
  const note = asObject(value);
  const url = asString(note?.url);
  if (note?.type !== "url_citation" || url === undefined) return undefined;
  const annotation: Annotation = { type: "url", url };
  const title = asString(note.title);
  const start = asNumber(note.start_index);
  const end = asNumber(note.end_index);
  // An empty title and a span from 0 to 0 stand for what nobody told.
  if (title) annotation.title = title;
  if (start !== undefined && (start || end)) annotation.start = start;
  if (end) annotation.end = end;
  return { ...annotation, ...asExtras(leftover(note, CITATION_FIELDS)) };
}

/** A citation on the wire. Places that nobody told are 0, since the official types require numbers. */
export function encodeAnnotation(annotation: Annotation): JsonObject {
  const note: JsonObject = {
    type: "url_citation",
    start_index: annotation.start ?? 0,
    end_index: annotation.end ?? 0,
    url: annotation.url,
    title: annotation.title ?? "",
  };
  restoreFields(note, own(annotation));
  return note;
}

/** A piece of a user's message or of a tool's output. Unknown kinds become opaque parts. */
export function decodeInputContent(value: JsonObject): ToolResultContent {
  switch (value.type) {
    case "input_text":
    case "output_text":
    case "text":
    case "summary_text":
      return decodeText(value);
    case "input_image":
      return decodeImage(value) ?? opaque(value);
    case "input_file":
      return decodeFile(value) ?? opaque(value);
    case "input_audio":
      return decodeAudio(value) ?? opaque(value);
    default:
      return opaque(value);
  }
}

function opaque(value: JsonObject): OpaquePart {
  return { type: "opaque", dialect: OWN, value };
}

function decodeImage(value: JsonObject): ImagePart | undefined {
  const nested = asObject(value.image_url);
  const url = asString(nested?.url) ?? asString(value.image_url);
  const id = asString(value.file_id);
  if (url === undefined && id === undefined) return undefined;
  const part: ImagePart = {
    type: "image",
    source: url !== undefined ? sourceOfUrl(url) : { type: "file-id", id: id as string, origin: OWN },
  };
  const detail = asString(value.detail) ?? asString(nested?.detail);
  if (detail !== undefined) part.detail = detail;
  return { ...part, ...asExtras(leftover(value, IMAGE_FIELDS)) };
}

function decodeFile(value: JsonObject): FilePart | undefined {
  const data = asString(value.file_data);
  const url = asString(value.file_url);
  const id = asString(value.file_id);
  const filename = asString(value.filename);
  let part: FilePart;
  if (data !== undefined) {
    const source = sourceOfUrl(data);
    const isRaw = source.type === "url" && !data.startsWith("data:");
    part = {
      type: "file",
      source: isRaw ? { type: "base64", data, mediaType: mediaTypeOf(filename) } : source,
    };
  } else if (url !== undefined) part = { type: "file", source: { type: "url", url } };
  else if (id !== undefined) part = { type: "file", source: { type: "file-id", id, origin: OWN } };
  else return undefined;
  if (filename !== undefined) part.filename = filename;
  return { ...part, ...asExtras(leftover(value, FILE_FIELDS)) };
}

function decodeAudio(value: JsonObject): AudioPart | undefined {
  const audio = asObject(value.input_audio);
  const data = asString(audio?.data);
  if (data === undefined) return undefined;
  const mediaType = `audio/${asString(audio?.format) ?? "wav"}`;
  return {
    type: "audio",
    source: { type: "base64", data, mediaType },
    ...asExtras(leftover(value, AUDIO_FIELDS)),
  };
}

const MEDIA_TYPES: Record<string, string> = {
  ".txt": "text/plain",
  ".csv": "text/csv",
  ".json": "application/json",
  ".html": "text/html",
  ".md": "text/markdown",
};

function mediaTypeOf(filename: string | undefined): string {
  const dot = filename?.lastIndexOf(".") ?? -1;
  return MEDIA_TYPES[(dot < 0 ? "" : (filename as string).slice(dot)).toLowerCase()] ?? "application/pdf";
}

/** A piece of a user's message or tool output on the wire; undefined, with a loss, for what the format cannot say. */
export function encodeInputContent(part: ToolResultContent, losses: Losses): JsonObject | undefined {
  if (part.type === "opaque") {
    return part.dialect === OWN ? part.value : encodeForeign(part, losses);
  }
  const fields = loseForeignExtras(part.extras, OWN, losses, "messages");
  const encoded =
    part.type === "text"
      ? { type: "input_text", text: part.text }
      : part.type === "image"
        ? encodeImage(part, losses)
        : part.type === "file"
          ? encodeFile(part, losses)
          : encodeAudio(part, losses);
  if (encoded) restoreFields(encoded, fields);
  return encoded;
}

/** Of what other formats say in a word of their own, the few kinds that the model has to read are told in words. */
function encodeForeign(part: OpaquePart, losses: Losses): JsonObject | undefined {
  const text = opaqueText(part);
  losses.add(`messages.${asString(part.value.type) ?? "opaque"}`, text === undefined ? "dropped" : "altered");
  return text === undefined ? undefined : { type: "input_text", text };
}

function encodeImage(part: ImagePart, losses: Losses): JsonObject | undefined {
  const { source } = part;
  const image: JsonObject = { type: "input_image" };
  if (source.type === "base64") image.image_url = dataUrl(source);
  else if (source.type === "url") image.image_url = source.url;
  else if (source.type === "file-id" && source.origin === OWN) image.file_id = source.id;
  else {
    losses.add("messages.image");
    return undefined;
  }
  if (part.detail !== undefined) image.detail = part.detail;
  return image;
}

function encodeFile(part: FilePart, losses: Losses): JsonObject | undefined {
  const { source, filename } = part;
  switch (source.type) {
    case "text":
      losses.add("messages.file", "altered");
      return { type: "input_text", text: source.text };
    case "url":
      return source.url.startsWith("data:")
        ? { type: "input_file", filename: filename ?? "file", file_data: source.url }
        : { type: "input_file", ...(filename !== undefined && { filename }), file_url: source.url };
    case "base64":
      return { type: "input_file", filename: filename ?? defaultName(source.mediaType), file_data: dataUrl(source) };
    case "file-id":
      if (source.origin === OWN)
        return { type: "input_file", ...(filename !== undefined && { filename }), file_id: source.id };
      losses.add("messages.file");
      return undefined;
  }
}

function defaultName(mediaType: string): string {
  if (mediaType === "application/pdf") return "file.pdf";
  const known = Object.entries(MEDIA_TYPES).find(([, type]) => mediaType.startsWith(type));
  return `file${known?.[0] ?? ""}`;
}

function encodeAudio(part: AudioPart, losses: Losses): JsonObject | undefined {
  if (part.source.type !== "base64") {
    losses.add("messages.audio");
    return undefined;
  }
  const subtype = part.source.mediaType.slice(part.source.mediaType.indexOf("/") + 1);
  const format = subtype === "mpeg" ? "mp3" : subtype.replace(/^x-/, "").replace(/;.*$/, "");
  return { type: "input_audio", input_audio: { data: part.source.data, format } };
}
