/**
 * Chat's usage object in both directions, with every imitator's spelling of cached and hidden tokens.
 * Reply and stream decoders read it into classes that never overlap; encoders write the standard form.
 */
import { asObject, type JsonObject } from "../../core/json.ts";
import { completionTokens, emptyUsage, promptTokens, split, tokenCount, type Usage } from "../../core/usage.ts";
import { addExtras, leftovers } from "./wire.ts";

const KNOWN = new Set([
  "prompt_tokens",
  "completion_tokens",
  "total_tokens",
  "prompt_tokens_details",
  "completion_tokens_details",
]);
const PROMPT_KNOWN = new Set(["cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens", "text_tokens"]);
const COMPLETION_KNOWN = new Set(["reasoning_tokens", "audio_tokens", "image_tokens", "text_tokens"]);

/** The first of the values that is a number above zero, as a token count. */
function firstCount(...values: unknown[]): number {
  for (const value of values) {
    const count = tokenCount(value);
    if (count > 0) return count;
  }
  return 0;
}

/** Cached prompt tokens: read, written for five minutes, written for an hour. */
function cacheCounts(wire: JsonObject, details: JsonObject): [number, number, number] {
  const written = asObject(wire.cache_creation);
  const read = firstCount(
    details.cached_tokens,
    wire.prompt_cache_hit_tokens,
    wire.cache_read_input_tokens,
    wire.cached_tokens,
    wire.num_cached_tokens,
  );
  const total = firstCount(
    details.cache_write_tokens,
    details.cache_creation_tokens,
    wire.cache_creation_input_tokens,
    tokenCount(written?.ephemeral_5m_input_tokens) + tokenCount(written?.ephemeral_1h_input_tokens),
  );
  const hour = Math.min(total, tokenCount(written?.ephemeral_1h_input_tokens));
  return [read, total - hour, hour];
}

/**
 * The usage, or undefined when the object counts nothing. Totals include cached, audio, image and reasoning tokens,
 * unless the grand total shows that reasoning (xAI) or audio (Mistral) came on top, or that thinking is counted nowhere
 * else (Gemini's compatible endpoint).
 */
export function decodeUsage(wire: JsonObject): Usage | undefined {
  if (typeof wire.prompt_tokens !== "number" && typeof wire.completion_tokens !== "number") return undefined;
  const promptDetails = asObject(wire.prompt_tokens_details) ?? {};
  const details = asObject(wire.completion_tokens_details) ?? {};
  let prompt = tokenCount(wire.prompt_tokens);
  let completion = tokenCount(wire.completion_tokens);
  let thinking = firstCount(details.reasoning_tokens, wire.reasoning_tokens);
  const audio = firstCount(promptDetails.audio_tokens, wire.audio_prompt_tokens);
  const excess = tokenCount(wire.total_tokens) - prompt - completion;
  if (excess > 0) {
    if (excess === thinking) completion += thinking;
    else if (excess === audio) prompt += audio;
    else if (thinking === 0 && audio === 0) {
      completion += excess;
      thinking = excess;
    }
  }
  const [read, write5m, write1h] = cacheCounts(wire, promptDetails);
  const image = tokenCount(promptDetails.image_tokens);
  const [input, cacheRead, cacheWrite5m, cacheWrite1h, audioInput, imageInput] = split(
    prompt,
    read,
    write5m,
    write1h,
    audio,
    image,
  ) as [number, number, number, number, number, number];
  const [output, thought, audioOutput, imageOutput] = split(
    completion,
    thinking,
    tokenCount(details.audio_tokens),
    tokenCount(details.image_tokens),
  ) as [number, number, number, number];
  const searches = asObject(wire.server_tool_use_details) ?? asObject(wire.server_tool_use);
  return {
    ...emptyUsage("measured"),
    input,
    cacheRead,
    cacheWrite5m,
    cacheWrite1h,
    audioInput,
    imageInput,
    output,
    thinking: thought,
    audioOutput,
    imageOutput,
    webSearches: firstCount(searches?.web_search_requests, wire.num_search_queries),
  };
}

/** What the object says besides the standard fields; the details' own unknown fields stay nested. */
export function usageExtras(wire: JsonObject): JsonObject | undefined {
  const extras = leftovers(wire, KNOWN);
  const prompt = leftovers(asObject(wire.prompt_tokens_details) ?? {}, PROMPT_KNOWN);
  const completion = leftovers(asObject(wire.completion_tokens_details) ?? {}, COMPLETION_KNOWN);
  if (!extras && !prompt && !completion) return undefined;
  return {
    ...extras,
    ...(prompt && { prompt_tokens_details: prompt }),
    ...(completion && { completion_tokens_details: completion }),
  };
}

/** The standard form, with what the same format's upstream said besides. */
export function encodeUsage(usage: Usage, extras: JsonObject | undefined): JsonObject {
  const prompt = promptTokens(usage);
  const completion = completionTokens(usage);
  const written = usage.cacheWrite5m + usage.cacheWrite1h;
  const promptDetails: JsonObject = { cached_tokens: usage.cacheRead, audio_tokens: usage.audioInput };
  if (written > 0) promptDetails.cache_write_tokens = written;
  if (usage.imageInput > 0) promptDetails.image_tokens = usage.imageInput;
  const details: JsonObject = { reasoning_tokens: usage.thinking, audio_tokens: usage.audioOutput };
  if (usage.imageOutput > 0) details.image_tokens = usage.imageOutput;
  addExtras(promptDetails, asObject(extras?.prompt_tokens_details));
  addExtras(details, asObject(extras?.completion_tokens_details));
  details.accepted_prediction_tokens ??= 0;
  details.rejected_prediction_tokens ??= 0;
  const wire: JsonObject = {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: promptDetails,
    completion_tokens_details: details,
  };
  addExtras(wire, extras);
  if (usage.cacheWrite1h > 0 && wire.cache_creation === undefined) {
    wire.cache_creation = {
      ephemeral_5m_input_tokens: usage.cacheWrite5m,
      ephemeral_1h_input_tokens: usage.cacheWrite1h,
    };
  }
  if (usage.webSearches > 0 && wire.server_tool_use_details === undefined && wire.num_search_queries === undefined) {
    wire.server_tool_use_details = { web_search_requests: usage.webSearches };
  }
  return wire;
}
