/**
 * The vocabulary of the old text completions: known field names and the notes that decoders leave for their own encoders.
 * Every other file of this dialect builds on it; errors, usage and small readers are those of the Chat format, which took them over.
 */
import type { JsonObject } from "../../core/json.ts";
import type { Extras } from "../../core/request.ts";

export const ID = "openai-completions" as const;

/** A request or reply that was read from this format says so, since some of its meaning is in who speaks it. */
export const OWN = "$own";
/** The caller wants the prompt back before the answer. */
export const ECHO = "$echo";
/** Fields of a stream that came after its first chunk. */
export const LATE = "$reply";

/** Top-level request fields that the decoder reads; every other one travels in extras. */
export const REQUEST_FIELDS: ReadonlySet<string> = new Set([
  "model",
  "prompt",
  "stream",
  "stream_options",
  "max_tokens",
  "n",
  "best_of",
  "echo",
  "logprobs",
  "stop",
  "temperature",
  "top_p",
  "top_k",
  "min_p",
  "frequency_penalty",
  "presence_penalty",
  "repetition_penalty",
  "seed",
  "logit_bias",
  "user",
]);

/** Fields of a choice that are read. */
export const CHOICE_FIELDS: ReadonlySet<string> = new Set(["text", "index", "finish_reason", "logprobs", "error"]);

/** Fields as this dialect's extras; undefined for none. */
export function extrasOf(fields: JsonObject | undefined): Extras | undefined {
  return fields && { [ID]: fields };
}
