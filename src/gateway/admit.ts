/**
 * Reserves what a call can cost at most before anything is sent upstream, and decides who pays: the plan or credit.
 * Comes after route, because the amount depends on the candidates' prices.
 */
import type { Principal, SpendLimit } from "../core/call.ts";
import type { Candidate, Model } from "../core/endpoint.ts";
import { GatewayError } from "../core/error.ts";
import { fits } from "../core/glob.ts";
import type { Head } from "../core/head.ts";
import { type Nano, nano, nanoToDollars, type Price, rate, roundUp, ZERO } from "../core/money.ts";
import type { TokenClass } from "../core/usage.ts";
import { creditAccount } from "../ledger/books.ts";
import { periodOf } from "../ledger/period.ts";
import { type Hold, HoldRefused, type HoldWish, type Payer, type PurseWish, type Wallet } from "../ledger/wallet.ts";
import { promptBound } from "./bounds.ts";

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
  const isTiered = price.tiers !== undefined && price.tiers.length > 0;
  for (const tokenClass of classes) {
    const one = rate(price, tokenClass, longest);
    if (one > most) most = one;
    if (!isTiered) continue;
    const other = rate(price, tokenClass, 0);
    if (other > most) most = other;
  }
  return most;
}

/** What a candidate can bill, in pico-dollars: the longest prompt in the dearest class it can fall into, and a price for each token out. */
interface Quote {
  readonly fixed: bigint;
  readonly perOutputToken: bigint;
  readonly outputTokens: number;
}

function quote({ endpoint }: Candidate, head: Head, requestBytes: number): Quote {
  const { price } = endpoint;
  const tokens = promptBound(head, endpoint, requestBytes);
  return {
    fixed: BigInt(tokens) * dearest(price, inputsOf(head), tokens) + (price.perRequest ?? 0n) + searching(price, head),
    perOutputToken: BigInt(head.candidates) * dearest(price, OUTPUTS, tokens),
    outputTokens: Math.min(head.maxOutputTokens ?? endpoint.maxOutputTokens, endpoint.maxOutputTokens),
  };
}

/** What the searches that the provider may run cost at most. */
function searching({ perWebSearch, perSearchedRequest }: Price, { searches, candidates }: Head): bigint {
  if (!searches) return 0n;
  return BigInt(searches) * (perWebSearch ?? 0n) + BigInt(candidates) * (perSearchedRequest ?? 0n);
}

/** The dearest of the candidates, each with so many tokens out at most. */
function dearestOf(quotes: readonly Quote[], most = Number.POSITIVE_INFINITY): Nano {
  let dear = 0n;
  for (const { fixed, perOutputToken, outputTokens } of quotes) {
    const amount = fixed + BigInt(Math.min(outputTokens, most)) * perOutputToken;
    if (amount > dear) dear = amount;
  }
  return roundUp(dear);
}

/** The most tokens out that an amount pays for at any of the candidates. */
function affordable(quotes: readonly Quote[], amount: Nano): number {
  let least = Number.MAX_SAFE_INTEGER;
  for (const { fixed, perOutputToken } of quotes) {
    if (perOutputToken === 0n) continue;
    const tokens = Number((amount * 1000n - fixed) / perOutputToken);
    if (tokens < least) least = tokens;
  }
  return least;
}

/** An answer is not cut shorter than this for want of credit: the call is refused instead. */
export const MIN_OUTPUT_TOKENS = 256;

/** What admission needs of the gateway. */
export interface AdmitScope {
  readonly wallet: Wallet;
  /** Throws `service_unavailable` while the books are wrong: nobody is charged then. */
  readonly checkBooks: () => void;
  /** Milliseconds since 1970. */
  readonly clockMs: () => number;
}

/** A call that may go on. */
export interface Admission {
  readonly hold: Hold;
  /** What is held covers no more than so many tokens for each answer. */
  readonly outputLimit?: number;
}

/** The question of a call: what it is, who asks. */
interface Asking {
  readonly principal: Principal;
  readonly models: readonly { readonly model: Model }[];
  readonly head: Head;
  readonly quotes: readonly Quote[];
  readonly nowMs: number;
}

/**
 * Holds the worst price among the candidates, or what there is of it when the caller left the output limit to us.
 * Answers at once (no promise) when this node has the money. Throws (or rejects with) `insufficient_credit` and
 * `key_limit_exceeded` saying what was needed and what was there, `rate_limit_exceeded` for a day's free calls, `service_unavailable`
 * while the books are wrong or out of reach.
 */
export function admit(
  scope: AdmitScope,
  principal: Principal,
  models: readonly { readonly model: Model }[],
  candidates: readonly Candidate[],
  head: Head,
  requestBytes: number,
): Admission | Promise<Admission> {
  const quotes = candidates.map((candidate) => quote(candidate, head, requestBytes));
  const asking = { principal, models, head, quotes, nowMs: scope.clockMs() };
  const full = dearestOf(quotes);
  const { includedPerDay, freePerDay } = principal.terms;
  if (principal.billing === "internal") return hold(scope, asking, full, "internal");
  if (full === 0n) return hold(scope, asking, full, "free", freePerDay);
  scope.checkBooks();
  if (includedPerDay === 0) return hold(scope, asking, full, "credit");
  return allowanceElseCredit(scope, asking, full, includedPerDay);
}

async function allowanceElseCredit(
  scope: AdmitScope,
  asking: Asking,
  full: Nano,
  includedPerDay: number,
): Promise<Admission> {
  try {
    return await hold(scope, asking, full, "allowance", includedPerDay);
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== "rate_limit_exceeded") throw error;
    return hold(scope, asking, full, "credit");
  }
}

function hold(
  { wallet }: AdmitScope,
  asking: Asking,
  full: Nano,
  paidBy: Payer,
  perDay?: number,
): Admission | Promise<Admission> {
  const { principal, head, quotes, nowMs } = asking;
  const cap = capOf(asking);
  const money = paidBy === "allowance" || paidBy === "free" ? [] : moneyOf(principal, paidBy, nowMs);
  const needsMoney = money.length > 0 || cap !== undefined;
  const flexible = needsMoney && head.maxOutputTokens === undefined;
  const leastNano = flexible ? dearestOf(quotes, MIN_OUTPUT_TOKENS) : full;
  if (cap !== undefined && cap < leastNano) throw overCap(leastNano, cap);
  const wantedNano = cap !== undefined && cap < full ? cap : full;
  const wish = {
    paidBy,
    wantedNano,
    leastNano,
    money,
    count: perDay === undefined ? undefined : countOf(asking, paidBy, perDay),
  };
  const admitted = (held: Hold): Admission =>
    held.amountNano < full && needsMoney
      ? { hold: held, outputLimit: affordable(quotes, held.amountNano) }
      : { hold: held };
  try {
    const held = wallet.hold(wish);
    if (!(held instanceof Promise)) return admitted(held);
    return held.then(admitted, (error) => {
      throw refusal(error, wish, nowMs);
    });
  } catch (error) {
    throw refusal(error, wish, nowMs);
  }
}

/** What is spent from: credit before the limits on spending it. */
function moneyOf(principal: Principal, paidBy: Payer, nowMs: number): PurseWish[] {
  const money: PurseWish[] = [];
  const { workspaceId, keyId, limit, budget } = principal;
  if (paidBy === "credit") money.push({ id: creditAccount(workspaceId), limit: null });
  if (limit) money.push(limited(`key:${keyId}`, { keyId }, limit, nowMs));
  if (budget) money.push(limited(`budget:${workspaceId}`, { workspaceId }, budget, nowMs));
  return money;
}

function limited(
  id: string,
  owner: { keyId?: string; workspaceId?: string },
  { nano: most, reset }: SpendLimit,
  nowMs: number,
): PurseWish {
  if (reset === null) return { id: `${id}:all`, limit: most, seed: owner };
  const { name, start, end } = periodOf(reset, nowMs);
  return { id: `${id}:${name}`, limit: most, seed: { ...owner, since: start, expiresAt: end } };
}

function countOf({ principal, nowMs }: Asking, paidBy: Payer, perDay: number): PurseWish {
  const { name, start, end } = periodOf("daily", nowMs);
  const prefix = paidBy === "free" ? "free" : "included";
  // Nothing is seeded: calls are counted here only.
  return {
    id: `${prefix}:${principal.workspaceId}:${name}`,
    limit: BigInt(perDay),
    seed: { since: start, expiresAt: end },
  };
}

/** The key's own cap on what one call may cost: the lowest among those of the models that may answer. */
function capOf({ principal, models }: Asking): Nano | undefined {
  const caps = principal.modelCaps;
  if (!caps) return undefined;
  let lowest: Nano | undefined;
  for (const { model } of models) {
    const cap = caps.find(({ glob }) => fits(glob, model.id) || model.aliases.some((alias) => fits(glob, alias)));
    if (cap && (lowest === undefined || cap.capNano < lowest)) lowest = cap.capNano;
  }
  return lowest;
}

function overCap(needed: Nano, cap: Nano): GatewayError {
  return new GatewayError(
    "key_limit_exceeded",
    `This call may cost up to $${nanoToDollars(needed)}, and this key allows at most $${nanoToDollars(cap)} for a call of this model. Lower the output limit or shorten the prompt.`,
  );
}

const DAY_MS = 86_400_000;

/** What a caller is told of the purse that lacked something. */
function refusal(error: unknown, wish: HoldWish, nowMs: number): unknown {
  if (!(error instanceof HoldRefused)) return error;
  const { purse, available } = error.refusal;
  const needed = `This request may cost up to $${nanoToDollars(wish.leastNano)}`;
  const left = `$${nanoToDollars(available > 0n ? nano(available) : ZERO)}`;
  if (purse.startsWith("key:"))
    return new GatewayError("key_limit_exceeded", `${needed}, and ${left} is left of this key's spend limit.`);
  if (purse.startsWith("budget:"))
    return new GatewayError("key_limit_exceeded", `${needed}, and ${left} is left of the workspace's budget.`);
  if (purse.startsWith("free:") || purse.startsWith("included:"))
    return new GatewayError(
      "rate_limit_exceeded",
      "Today's requests to free models are used up. They begin anew at midnight UTC.",
      {
        retryAfterMs: DAY_MS - (nowMs % DAY_MS),
      },
    );
  return new GatewayError(
    "insufficient_credit",
    `${needed}, and ${left} of credit is available. Add credit or lower the output limit.`,
  );
}
