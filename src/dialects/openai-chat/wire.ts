/**
 * The vocabulary of Chat Completions: known field names, media spellings, small readers and the shapes we write.
 * Every other file of this dialect builds on it; it knows nothing of requests or replies as a whole.
 */
import { asObject, asString, type Json, type JsonObject, setOwn } from "../../core/json.ts";
import type { CacheMark, Extras, MediaSource } from "../../core/request.ts";

export const ID = "openai-chat" as const;

/** Top-level request fields that the decoder reads; every other one travels in extras. */
export const REQUEST_FIELDS: ReadonlySet<string> = new Set([
  "model",
  "messages",
  "stream",
  "stream_options",
  "tools",
  "functions",
  "tool_choice",
  "function_call",
  "parallel_tool_calls",
  "max_tokens",
  "max_completion_tokens",
  "temperature",
  "top_p",
  "top_k",
  "min_p",
  "frequency_penalty",
  "presence_penalty",
  "repetition_penalty",
  "seed",
  "stop",
  "n",
  "logprobs",
  "top_logprobs",
  "logit_bias",
  "response_format",
  "modalities",
  "reasoning_effort",
  "reasoning",
  "thinking",
  "verbosity",
  "user",
  "safety_identifier",
  "metadata",
  "prompt_cache_key",
  "service_tier",
]);

/** The object's other fields without nulls, which count as absent; undefined when nothing is left. */
export function leftovers(object: JsonObject, known: ReadonlySet<string>): JsonObject | undefined {
  let left: JsonObject | undefined;
  for (const key in object) {
    const value = object[key];
    if (value === undefined || value === null || known.has(key)) continue;
    left ??= {};
    setOwn(left, key, value);
  }
  return left;
}

/** Fields as this dialect's extras; undefined for none. */
export function extrasOf(fields: JsonObject | undefined): Extras | undefined {
  return fields && { [ID]: fields };
}

/** Copies the fields that are said on the wire: not the decoder's `$` notes, nothing that is already there. */
export function addExtras(object: JsonObject, fields: JsonObject | undefined): void {
  if (!fields) return;
  for (const key in fields) {
    if (key.startsWith("$") || fields[key] === undefined || Object.hasOwn(object, key)) continue;
    setOwn(object, key, fields[key]);
  }
}

/** `cache_control` as OpenRouter-style clients send it; anything unreadable counts as absent. */
export function readCacheMark(value: Json | undefined): CacheMark | undefined {
  const mark = asObject(value);
  if (mark?.type !== "ephemeral") return undefined;
  return { ttl: mark.ttl === "1h" ? "1h" : "5m" };
}

/** The wire's form of a mark; the five minutes are the default and stay unsaid. */
export function writeCacheMark(mark: CacheMark): JsonObject {
  return mark.ttl === "1h" ? { type: "ephemeral", ttl: "1h" } : { type: "ephemeral" };
}

/** A `data:` URL with base64 content as its parts; any other URL stays one. */
export function readUrl(url: string): MediaSource {
  if (!url.startsWith("data:")) return { type: "url", url };
  const comma = url.indexOf(",");
  const head = comma < 0 ? "" : url.slice(5, comma);
  if (!head.endsWith(";base64")) return { type: "url", url };
  const mediaType = head.slice(0, -";base64".length);
  return { type: "base64", mediaType: mediaType || "application/octet-stream", data: url.slice(comma + 1) };
}

/** Base64 content as a `data:` URL. */
export function dataUrl(source: Extract<MediaSource, { type: "base64" }>): string {
  return `data:${source.mediaType};base64,${source.data}`;
}

const AUDIO_TYPES: Readonly<Record<string, string>> = {
  mp3: "audio/mpeg",
  pcm16: "audio/pcm",
  m4a: "audio/mp4",
};

/** Other names of formats. */
const AUDIO_FORMATS: Readonly<Record<string, string>> = {
  wave: "wav",
  "vnd.wave": "wav",
  mpeg3: "mp3",
  "mpeg-3": "mp3",
};

/** The media type of one of OpenAI's audio formats. */
export function audioMediaType(format: string): string {
  return AUDIO_TYPES[format] ?? `audio/${format}`;
}

/** OpenAI's name of an audio media type. */
export function audioFormat(mediaType: string): string {
  const bare = (mediaType.split(";")[0] as string).trim();
  for (const format in AUDIO_TYPES) if (AUDIO_TYPES[format] === bare) return format;
  const format = bare.slice(bare.indexOf("/") + 1).replace(/^x-/, "");
  return (Object.hasOwn(AUDIO_FORMATS, format) ? AUDIO_FORMATS[format] : format) || "wav";
}

/** The media type that the first bytes of base64 audio tell; replies do not say it. */
export function sniffAudio(data: string): string {
  if (data.startsWith("UklGR")) return "audio/wav";
  if (data.startsWith("SUQz") || data.startsWith("//")) return "audio/mpeg";
  if (data.startsWith("T2dnU")) return "audio/ogg";
  if (data.startsWith("ZkxhQ")) return "audio/flac";
  return "audio/pcm";
}

/** Text of a value that is a string or an array of text parts (Mistral's `thinking`, tool content). */
export function joinedText(value: Json | undefined): string {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return "";
  let text = "";
  for (const item of value) text += typeof item === "string" ? item : (asString(asObject(item)?.text) ?? "");
  return text;
}
