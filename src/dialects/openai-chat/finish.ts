/**
 * Why an answer ended, log probabilities, citations and images: the small pieces that replies and streams share.
 * The decoders and encoders of both build on it, so that a field is read and written in one place.
 */
import type { Finish, FinishReason, TokenLogprob } from "../../core/event.ts";
import { asArray, asNumber, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import type { Annotation, ImagePart } from "../../core/request.ts";
import { addExtras, dataUrl, extrasOf, ID, leftovers, readUrl } from "./wire.ts";

const REASONS: Readonly<Record<string, FinishReason>> = {
  "": "stop",
  stop: "stop",
  eos: "stop",
  end_turn: "stop",
  stop_sequence: "stop",
  length: "length",
  max_tokens: "length",
  model_length: "length",
  tool_calls: "tool-calls",
  tool_call: "tool-calls",
  function_call: "tool-calls",
  content_filter: "content-filter",
  refusal: "refusal",
};

/** The canonical reason. What was said decides between stop, refusal and tool calls, whichever of them the wire names. */
export function decodeFinish(word: string | undefined, hasCalls: boolean, hasRefusal: boolean): Finish {
  const native = word === undefined ? undefined : { dialect: ID, value: word };
  let reason = word === undefined ? "stop" : (REASONS[word] ?? "other");
  if (reason === "stop" || reason === "tool-calls") reason = hasCalls ? "tool-calls" : hasRefusal ? "refusal" : "stop";
  return native ? { reason, native } : { reason };
}

const WORDS: Readonly<Record<FinishReason, string>> = {
  stop: "stop",
  length: "length",
  "tool-calls": "tool_calls",
  "content-filter": "content_filter",
  refusal: "stop",
  pause: "stop",
  "context-length": "length",
  "malformed-tool-call": "stop",
  other: "stop",
};

/** The wire's word: its own again where it came from here. */
export function encodeFinish(finish: Finish, isLegacy: boolean): string {
  if (finish.native?.dialect === ID && typeof finish.native.value === "string") return finish.native.value;
  return isLegacy && finish.reason === "tool-calls" ? "function_call" : WORDS[finish.reason];
}

/** Tokens with their log probabilities; what is none is left out. */
export function decodeLogprobs(value: Json | undefined): TokenLogprob[] {
  const tokens: TokenLogprob[] = [];
  for (const item of asArray(value)) {
    const wire = asObject(item);
    if (!wire) continue;
    const token: TokenLogprob = { token: asString(wire.token) ?? "", logprob: asNumber(wire.logprob) ?? 0 };
    if (wire.bytes !== undefined) token.bytes = wire.bytes as number[] | null;
    if (wire.top_logprobs !== undefined) {
      token.top = decodeLogprobs(wire.top_logprobs).map(({ top: _, ...others }) => others);
    }
    tokens.push(token);
  }
  return tokens;
}

/** The same in OpenAI's shape, in which nothing may be absent. */
export function encodeLogprobs(tokens: readonly TokenLogprob[]): Json[] {
  return tokens.map(({ token, logprob, bytes, top }) => ({
    token,
    logprob,
    bytes: bytes ?? null,
    top_logprobs: (top ?? []).map((other) => ({
      token: other.token,
      logprob: other.logprob,
      bytes: other.bytes ?? null,
    })),
  }));
}

const CITATION = new Set(["url", "title", "start_index", "end_index", "content"]);

/** A `url_citation`; undefined for any other annotation. */
export function decodeAnnotation(value: Json | undefined): Annotation | undefined {
  const wire = asObject(value);
  const citation = asObject(wire?.url_citation) ?? (wire?.type === "url_citation" ? wire : undefined);
  const url = asString(citation?.url);
  if (!citation || url === undefined) return undefined;
  const annotation: Annotation = { type: "url", url };
  const title = asString(citation.title);
  const start = asNumber(citation.start_index);
  const end = asNumber(citation.end_index);
  const cited = asString(citation.content);
  if (title !== undefined) annotation.title = title;
  // A place from 0 to 0 stands for what nobody told.
  if (start !== undefined && (start || end)) annotation.start = start;
  if (end) annotation.end = end;
  if (cited !== undefined) annotation.cited = cited;
  const extras = extrasOf(leftovers(citation, CITATION));
  if (extras) annotation.extras = extras;
  return annotation;
}

/** The wire's form; `shift` is the length of the text before the annotation's own part. */
export function encodeAnnotation(annotation: Annotation, shift: number): JsonObject {
  const citation: JsonObject = {
    url: annotation.url,
    title: annotation.title ?? "",
    start_index: shift + (annotation.start ?? 0),
    end_index: shift + (annotation.end ?? 0),
  };
  if (annotation.cited !== undefined) citation.content = annotation.cited;
  addExtras(citation, annotation.extras?.[ID]);
  return { type: "url_citation", url_citation: citation };
}

/** An image in a reply, as OpenRouter and others send it; undefined when it has no address. */
export function decodeImage(value: Json | undefined): ImagePart | undefined {
  const wire = asObject(value);
  const url = asString(asObject(wire?.image_url)?.url) ?? asString(wire?.image_url);
  return url === undefined ? undefined : { type: "image", source: readUrl(url) };
}

/** The same towards a caller; undefined for a source that is no address. */
export function encodeImage({ source }: ImagePart): JsonObject | undefined {
  if (source.type !== "base64" && source.type !== "url") return undefined;
  return { type: "image_url", image_url: { url: source.type === "url" ? source.url : dataUrl(source) } };
}
