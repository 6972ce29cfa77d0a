/**
 * Whether a caller's body can go to a Gemini upstream as it is, given what that upstream is known to refuse.
 * `translate` asks before it relays; a body that does not fit is decoded and encoded again, which mends or names it.
 */
import { asObject, type JsonObject } from "../../core/json.ts";
import type { RelayTarget } from "../dialect.ts";
import { crowdsOut } from "../fits.ts";
import { camelObject } from "./keys.ts";
import { configKey } from "./peek.ts";

/** True where no known deviation of the upstream concerns this body. */
export function fitsUpstream(body: JsonObject, { maxOutputTokens }: RelayTarget): boolean {
  if (maxOutputTokens === undefined) return true;
  // Which of two objects of settings counts is the upstream's secret; so is where a limit would have to stand.
  if (body.generationConfig !== undefined && body.generation_config !== undefined) return false;
  const thinking = camelObject(camelObject(asObject(body[configKey(body)]))?.thinkingConfig);
  return !crowdsOut(thinking?.thinkingBudget, maxOutputTokens);
}
