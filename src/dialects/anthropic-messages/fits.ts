/**
 * Whether a caller's Messages body can go to a Messages upstream as it is, given what that upstream is known to refuse.
 * `translate` asks before it relays; a body that does not fit is decoded and encoded again, which mends or names it.
 */
import { asObject, type JsonObject } from "../../core/json.ts";
import type { RelayTarget } from "../dialect.ts";
import { crowdsOut } from "../fits.ts";

/** True where no known deviation of the upstream concerns this body. */
export function fitsUpstream(body: JsonObject, { maxOutputTokens }: RelayTarget): boolean {
  return !crowdsOut(asObject(body.thinking)?.budget_tokens, maxOutputTokens);
}
