/**
 * Reserves what a call can cost at most before anything is sent upstream.
 * Comes after route, because the amount depends on the candidates' prices.
 */
import type { Principal } from "../core/call.ts";
import type { Candidate, Endpoint } from "../core/endpoint.ts";
import type { Head } from "../core/head.ts";
import { type Nano, type Price, rate, roundUp, ZERO } from "../core/money.ts";
import type { TokenClass } from "../core/usage.ts";
import type { Credit, Hold } from "../ledger/credit.ts";

const OUTPUTS: readonly TokenClass[] = ["output", "thinking", "imageOutput", "audioOutput"];

/** The classes that this request's tokens can fall into. A video's sound and a file's pages may be billed as either medium. */
function inputsOf({ needs }: Head): TokenClass[] {
  const classes: TokenClass[] = ["input", "cacheRead", "cacheWrite5m", "cacheWrite1h"];
  const mixed = needs.includes("files") || needs.includes("video");
  if (mixed || needs.includes("images")) classes.push("imageInput");
  if (mixed || needs.includes("audio")) classes.push("audioInput");
  return classes;
}

/** The highest rate of any of these classes, whether the prompt turns out short or as long as it can. */
function dearest(price: Price, classes: readonly TokenClass[], longest: number): bigint {
  let most = 0n;
  for (const tokenClass of classes) {
    for (const prompt of [0, longest]) {
      const one = rate(price, tokenClass, prompt);
      if (one > most) most = one;
    }
  }
  return most;
}

/** What providers add to a prompt that offers tools: 346 tokens were billed for one small tool, 588 for a body of 450 bytes. */
const TOOL_TOKENS = 1000;
/** What pictures that the request only points to may come to. */
const PICTURE_TOKENS = 10_000;

/**
 * The longest prompt that a request can make. A text's token is at least one of its bytes; what stands behind a file's
 * address or id can be as long as the model's context, beyond which nothing is billed.
 */
function promptBound({ needs }: Head, { contextTokens }: Endpoint, requestBytes: number): number {
  if (needs.some((need) => need === "files" || need === "audio" || need === "video")) {
    return Math.max(contextTokens, requestBytes);
  }
  let tokens = requestBytes;
  if (needs.includes("tools")) tokens += TOOL_TOKENS;
  if (needs.includes("images")) tokens += PICTURE_TOKENS;
  return tokens;
}

/** The most that one candidate can bill: the longest prompt in the dearest class it can fall into, and the whole output limit. */
function worst({ endpoint }: Candidate, head: Head, requestBytes: number): Nano {
  const { price } = endpoint;
  const tokens = promptBound(head, endpoint, requestBytes);
  const output = Math.min(head.maxOutputTokens ?? endpoint.maxOutputTokens, endpoint.maxOutputTokens);
  const answers = BigInt(output) * BigInt(head.candidates) * dearest(price, OUTPUTS, tokens);
  const prompt = BigInt(tokens) * dearest(price, inputsOf(head), tokens);
  return roundUp(answers + prompt + (price.perRequest ?? 0n));
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
