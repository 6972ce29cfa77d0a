/**
 * Whether a caller's Chat body can go to a Chat upstream as it is, given what that upstream is known to refuse.
 * `translate` asks before it relays; a body that does not fit is decoded and encoded again, which mends or names it.
 */
import type { Quirks } from "../../core/endpoint.ts";
import { asArray, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import type { RelayTarget } from "../dialect.ts";
import { crowdsOut, hasRefused, isSaid, type WireNames } from "../fits.ts";

/** The wire's names of canonical fields that upstreams are known to refuse. */
const WIRE_NAMES: WireNames = {
  maxOutputTokens: ["max_completion_tokens", "max_tokens"],
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
  logprobs: ["logprobs"],
  topLogprobs: ["top_logprobs"],
  logitBias: ["logit_bias"],
  parallelToolCalls: ["parallel_tool_calls"],
  reasoning: ["reasoning_effort", "reasoning", "thinking"],
  verbosity: ["verbosity"],
  endUser: ["user", "safety_identifier"],
  metadata: ["metadata"],
  cacheKey: ["prompt_cache_key"],
  serviceTier: ["service_tier"],
};

const NINE_SIGNS = /^[A-Za-z0-9]{9}$/;

/** True where no known deviation of the upstream concerns this body. Looks at no message when there are none. */
export function fitsUpstream(body: JsonObject, { quirks, maxOutputTokens }: RelayTarget): boolean {
  if (hasRefused(body, quirks, WIRE_NAMES)) return false;
  if (crowdsOut(asObject(body.reasoning)?.max_tokens, maxOutputTokens)) return false;
  if (crowdsOut(asObject(body.thinking)?.budget_tokens, maxOutputTokens)) return false;
  for (const name in quirks.adds) if (body[name] === undefined) return false;
  const effort = asString(body.reasoning_effort);
  if (effort !== undefined) {
    if (quirks.efforts && !(quirks.efforts as readonly string[]).includes(effort)) return false;
    if (quirks.reasoningRequest !== undefined && quirks.reasoningRequest !== "effort") return false;
  }
  return !looksAtMessages(quirks) || asArray(body.messages).every((message) => fits(asObject(message), quirks));
}

function looksAtMessages({ systemRole, flattenText, reasoningField, callIds }: Quirks): boolean {
  return systemRole === "system" || flattenText === true || reasoningField !== undefined || callIds !== undefined;
}

function fits(message: JsonObject | undefined, quirks: Quirks): boolean {
  if (!message) return true;
  if (quirks.systemRole === "system" && message.role === "developer") return false;
  if (quirks.flattenText && Array.isArray(message.content)) return false;
  if (quirks.callIds === "nine" && !callIds(message).every((id) => NINE_SIGNS.test(id))) return false;
  return message.role !== "assistant" || thoughtsFit(message, quirks);
}

/** Thoughts of earlier turns go back only under the name that the upstream knows. */
function thoughtsFit(message: JsonObject, { reasoningField = "none", reasoningDetails }: Quirks): boolean {
  if (said(message.reasoning_content) && reasoningField !== "reasoning_content") return false;
  if (said(message.reasoning) && reasoningField !== "reasoning") return false;
  return !said(message.reasoning_details) || reasoningDetails === true;
}

function said(value: Json | undefined): boolean {
  return isSaid(value) && value !== "";
}

function callIds(message: JsonObject): string[] {
  const ids = asArray(message.tool_calls).map((call) => asString(asObject(call)?.id));
  return [...ids, asString(message.tool_call_id)].filter((id) => id !== undefined);
}
