/**
 * Whether a caller's Chat body can go to a Chat upstream as it is, given what that upstream is known to refuse.
 * `translate` asks before it relays; a body that does not fit is decoded and encoded again, which mends or names it.
 */
import type { Quirks } from "../../core/endpoint.ts";
import { asArray, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import type { RelayTarget } from "../dialect.ts";
import { crowdsOut, hasRefused, isSaid, lacksEffort, type WireNames } from "../fits.ts";

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

/** Sampling that only imitators know. */
const EXTENDED = ["top_k", "min_p", "repetition_penalty"];

const NINE_SIGNS = /^[A-Za-z0-9]{9}$/;

/** True where no known deviation of the upstream concerns this body. Looks at no message when there are none. */
export function fitsUpstream(body: JsonObject, { quirks, maxOutputTokens }: RelayTarget): boolean {
  if (hasRefused(body, quirks, WIRE_NAMES)) return false;
  if (crowdsOut(asObject(body.reasoning)?.max_tokens, maxOutputTokens)) return false;
  if (crowdsOut(asObject(body.thinking)?.budget_tokens, maxOutputTokens)) return false;
  if (isSaid(body.reasoning_effort)) {
    if (lacksEffort(body.reasoning_effort, quirks) || quirks.reasoningRequest === "reasoning") return false;
  }
  if (quirks.extendedSampling === false && EXTENDED.some((name) => isSaid(body[name]))) return false;
  if (!asArrayIf(looksAtTools(quirks), body.tools).every((tool) => toolFits(asObject(tool), quirks))) return false;
  return !looksAtMessages(quirks) || asArray(body.messages).every((message) => fits(asObject(message), quirks));
}

function asArrayIf(wanted: boolean, value: Json | undefined): readonly Json[] {
  return wanted ? asArray(value) : [];
}

function looksAtTools({ customTools, cacheControl }: Quirks): boolean {
  return customTools === false || cacheControl === false;
}

function toolFits(tool: JsonObject | undefined, { customTools, cacheControl }: Quirks): boolean {
  if (customTools === false && tool?.type === "custom") return false;
  return cacheControl !== false || !isSaid(tool?.cache_control);
}

function looksAtMessages({ systemRole, flattenText, reasoningField, callIds, cacheControl }: Quirks): boolean {
  if (systemRole === "system" || flattenText === true || cacheControl === false) return true;
  return reasoningField !== undefined || callIds !== undefined;
}

function fits(message: JsonObject | undefined, quirks: Quirks): boolean {
  if (!message) return true;
  if (quirks.systemRole === "system" && message.role === "developer") return false;
  if (quirks.flattenText && Array.isArray(message.content)) return false;
  if (quirks.cacheControl === false && isMarked(message)) return false;
  if (quirks.callIds === "nine" && !callIds(message).every((id) => NINE_SIGNS.test(id))) return false;
  return message.role !== "assistant" || thoughtsFit(message, quirks);
}

function isMarked(message: JsonObject): boolean {
  if (isSaid(message.cache_control)) return true;
  return Array.isArray(message.content) && message.content.some((part) => isSaid(asObject(part)?.cache_control));
}

/**
 * Thoughts of earlier turns go back only under the name that the upstream knows. That `reasoning` repeats them beside
 * `reasoning_content` is recorded to do no harm; the other way round is answered with 400.
 */
function thoughtsFit(message: JsonObject, { reasoningField = "none", reasoningDetails }: Quirks): boolean {
  const older = said(message.reasoning_content);
  if (older && reasoningField !== "reasoning_content") return false;
  if (said(message.reasoning) && !older && reasoningField !== "reasoning") return false;
  return !said(message.reasoning_details) || reasoningDetails === true;
}

function said(value: Json | undefined): boolean {
  return isSaid(value) && value !== "";
}

function callIds(message: JsonObject): string[] {
  const ids = asArray(message.tool_calls).map((call) => asString(asObject(call)?.id));
  return [...ids, asString(message.tool_call_id)].filter((id) => id !== undefined);
}
