/**
 * Reserves what a call can cost at most before anything is sent upstream.
 * Comes after route, because the amount depends on the candidates' prices.
 */
import type { Principal } from "../core/call.ts";
import type { Candidate } from "../core/endpoint.ts";
import type { Head } from "../core/head.ts";
import { cost, type Nano, ZERO } from "../core/money.ts";
import { emptyUsage } from "../core/usage.ts";
import type { Credit, Hold } from "../ledger/credit.ts";

/**
 * The most that one candidate can bill: a token is at least one byte of the request, the dearest class it can fall into is a
 * cache write, and every answer may use the whole output limit.
 */
function worst(candidate: Candidate, head: Head, requestBytes: number): Nano {
  const { endpoint } = candidate;
  const output = Math.min(head.maxOutputTokens ?? endpoint.maxOutputTokens, endpoint.maxOutputTokens);
  const tokens = { output: output * head.candidates };
  const asInput = cost(endpoint.price, { ...emptyUsage("estimated"), ...tokens, input: requestBytes });
  const asWrite = cost(endpoint.price, { ...emptyUsage("estimated"), ...tokens, cacheWrite1h: requestBytes });
  return asInput > asWrite ? asInput : asWrite;
}

/** Holds the worst price among the candidates. Throws `insufficient_credit` saying what was needed and what was there. */
export function admit(
  credit: Credit,
  principal: Principal,
  candidates: readonly Candidate[],
  head: Head,
  requestBytes: number,
): Hold {
  if (principal.billing === "internal") return credit.hold(principal, ZERO);
  let most = ZERO;
  for (const candidate of candidates) {
    const amount = worst(candidate, head, requestBytes);
    if (amount > most) most = amount;
  }
  return credit.hold(principal, most);
}
