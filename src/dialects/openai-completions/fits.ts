/**
 * Whether a caller's completions body can go to such an upstream as it is, given what that upstream is known to refuse.
 * `translate` asks before it relays; a body that does not fit is decoded and encoded again, which names what it loses.
 */
import type { JsonObject } from "../../core/json.ts";
import type { RelayTarget } from "../dialect.ts";
import { hasRefused, type WireNames } from "../fits.ts";

const WIRE_NAMES: WireNames = {
  maxOutputTokens: ["max_tokens"],
  temperature: ["temperature"],
  topP: ["top_p"],
  topK: ["top_k"],
  minP: ["min_p"],
  frequencyPenalty: ["frequency_penalty"],
  presencePenalty: ["presence_penalty"],
  repetitionPenalty: ["repetition_penalty"],
  seed: ["seed"],
  stop: ["stop"],
  candidates: ["n"],
  topLogprobs: ["logprobs"],
  logitBias: ["logit_bias"],
  endUser: ["user"],
};

/** True where no known deviation of the upstream concerns this body. */
export function fitsUpstream(body: JsonObject, { quirks }: RelayTarget): boolean {
  return !hasRefused(body, quirks, WIRE_NAMES);
}
