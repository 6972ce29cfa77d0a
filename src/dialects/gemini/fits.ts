/**
 * Whether a caller's body can go to a Gemini upstream as it is, given what that upstream is known to refuse.
 * `translate` asks before it relays; a body that does not fit is decoded and encoded again, which mends or names it.
 */
import { asArray, asObject, type JsonObject } from "../../core/json.ts";
import type { RelayTarget } from "../dialect.ts";
import { crowdsOut, hasRefused, isSaid, type WireNames } from "../fits.ts";
import { camelObject } from "./keys.ts";
import { configKey } from "./peek.ts";
import { isThirdGeneration } from "./wire.ts";

/** Names of settings in `generationConfig`. */
const SETTINGS: WireNames = {
  maxOutputTokens: ["maxOutputTokens"],
  temperature: ["temperature"],
  topP: ["topP"],
  topK: ["topK"],
  frequencyPenalty: ["frequencyPenalty"],
  presencePenalty: ["presencePenalty"],
  seed: ["seed"],
  stop: ["stopSequences"],
  candidates: ["candidateCount"],
  logprobs: ["responseLogprobs"],
  topLogprobs: ["logprobs"],
  outputFormat: ["responseSchema", "responseJsonSchema"],
  modalities: ["responseModalities"],
  reasoning: ["thinkingConfig"],
};

const WIRE_NAMES: WireNames = {
  tools: ["tools"],
  toolChoice: ["toolConfig", "tool_config"],
  serviceTier: ["serviceTier", "service_tier"],
};

/** True where no known deviation of the upstream or of the model's generation concerns this body. Never looks at its contents. */
export function fitsUpstream(body: JsonObject, { model, quirks, maxOutputTokens }: RelayTarget): boolean {
  if (hasRefused(body, quirks, WIRE_NAMES)) return false;
  // Which of two objects of settings counts is the upstream's secret, and so is where a limit would have to stand.
  const isTwice = body.generationConfig !== undefined && body.generation_config !== undefined;
  if (maxOutputTokens !== undefined && isTwice) return false;
  const settings = camelObject(asObject(body[configKey(body)]));
  if (!settings) return true;
  if (hasRefused(settings, quirks, SETTINGS)) return false;
  const thinking = camelObject(settings.thinkingConfig);
  if (crowdsOut(thinking?.thinkingBudget, maxOutputTokens)) return false;
  return isThirdGeneration(model) || fitsEarlier(body, settings, thinking);
}

/** Models before generation 3 refuse thinking levels, and JSON answers together with functions. */
function fitsEarlier(body: JsonObject, settings: JsonObject, thinking: JsonObject | undefined): boolean {
  if (isSaid(thinking?.thinkingLevel)) return false;
  if (settings.responseMimeType !== "application/json") return true;
  return !asArray(body.tools).some((group) => isSaid(camelObject(group)?.functionDeclarations));
}
