/**
 * Takes a call's place in the windows of its key: requests and tokens per minute, requests per day.
 * Right after authentication on the path of a call, so that the caller's own mistakes count and nothing is read for a refused one.
 */
import type { Principal, RateLimits } from "../core/call.ts";
import { GatewayError } from "../core/error.ts";
import type { RateDecision, RateLimiter, RateRefused, RateState } from "../limits/limiter.ts";

/** A token is about so many bytes of a request, as long as nobody has counted. */
const BYTES_PER_TOKEN = 4;

/** The decision on a call, taken at once (no promise) when the windows are in memory; undefined where nothing is limited. */
export function takePlace(
  limiter: RateLimiter,
  principal: Principal,
  requestBytes: number,
): RateDecision | undefined | Promise<RateDecision> {
  const limits = tighter(principal.rate, principal.terms);
  if (!limits) return undefined;
  const tokens = Math.max(1, Math.ceil(requestBytes / BYTES_PER_TOKEN));
  return limiter.take([{ id: `key:${principal.keyId}`, ...limits }], tokens);
}

/** Both hold: the key's own limits and the plan's. Undefined when there are none. */
function tighter(own: RateLimits, plan: RateLimits): RateLimits | undefined {
  const rpm = least(own.rpm, plan.rpm);
  const rpd = least(own.rpd, plan.rpd);
  const tpm = least(own.tpm, plan.tpm);
  if (rpm === undefined && rpd === undefined && tpm === undefined) return undefined;
  return { rpm, rpd, tpm };
}

function least(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined) return other;
  return other === undefined ? one : Math.min(one, other);
}

const WINDOW = { minute: "60 seconds", day: "24 hours" } as const;

/** Why a call has no place, with the time after which it has. Nothing was consumed. */
export function noPlace({ what, window, limit, retryAfterMs }: RateRefused): GatewayError {
  const seconds = Math.ceil(retryAfterMs / 1000);
  const wait = `${seconds} ${seconds === 1 ? "second" : "seconds"}`;
  const message = `This key is limited to ${limit} ${what} in ${WINDOW[window]}. Try again in ${wait}.`;
  return new GatewayError("rate_limit_exceeded", message, { retryAfterMs });
}

/** The tightest window, under the names that clients know from OpenAI. */
export function rateHeaders({ what, limit, remaining, resetMs }: RateState): Record<string, string> {
  return {
    [`x-ratelimit-limit-${what}`]: String(limit),
    [`x-ratelimit-remaining-${what}`]: String(remaining),
    [`x-ratelimit-reset-${what}`]: `${Math.ceil(resetMs / 1000)}s`,
  };
}
