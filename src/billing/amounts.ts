/**
 * The arithmetic of payments: what credit costs with its fee, and what a payment and its reversals are in the books.
 * Pure functions over integers; whoever opens, credits or corrects a payment asks them.
 */
import { invalidRequest } from "../core/error.ts";
import { dollarsToNano, type Nano, nano, nanoToDollars } from "../core/money.ts";
import { type AccountId, creditAccount } from "../ledger/books.ts";
import type { BillingSettings } from "./parts.ts";

const NANO_PER_CENT = 10_000_000n;
const MILLION = 1_000_000n;

export function centsToNano(cents: bigint): Nano {
  return nano(cents * NANO_PER_CENT);
}

/** Whole cents of an amount that has no fractions of them. */
export function toCents(amount: Nano): bigint {
  if (amount % NANO_PER_CENT !== 0n) throw new RangeError("An amount with fractions of a cent cannot be charged.");
  return amount / NANO_PER_CENT;
}

export function centsToDollars(cents: bigint): string {
  return nanoToDollars(centsToNano(cents));
}

/** What a purchase of credit is, before it is paid. */
export interface Quote {
  readonly creditNano: Nano;
  readonly feeCents: bigint;
  readonly totalCents: bigint;
  readonly packageId?: string;
  readonly name?: string;
}

/** The fee for so many cents, rounded up to the cent. */
export function feeOf(cents: bigint, { feePpm, feeMinNano }: BillingSettings["topUp"]): bigint {
  const share = (cents * feePpm + MILLION - 1n) / MILLION;
  const least = toCents(feeMinNano);
  return share > least ? share : least;
}

/** The price of an amount of credit, or of a package. Throws `invalid_request`. */
export function quote(settings: BillingSettings, wish: { amountUsd?: number | string; packageId?: string }): Quote {
  if ((wish.amountUsd === undefined) === (wish.packageId === undefined))
    throw invalidRequest("Either amount_usd or package is needed.", "amount_usd");
  if (wish.packageId !== undefined) {
    const found = settings.packages.find(({ id }) => id === wish.packageId);
    if (!found) throw invalidRequest("package: there is no such package.", "package");
    const { creditNano, payNano, name } = found;
    return { creditNano, feeCents: 0n, totalCents: toCents(payNano), packageId: found.id, name };
  }
  const { minNano, maxNano } = settings.topUp;
  const creditNano = wholeCents(wish.amountUsd ?? "");
  if (creditNano < minNano || creditNano > maxNano) {
    const sentence = `from ${nanoToDollars(minNano)} to ${nanoToDollars(maxNano)} US dollars.`;
    throw invalidRequest(`amount_usd: expected an amount ${sentence}`, "amount_usd");
  }
  return priceOf(settings.topUp, creditNano);
}

/** The price of an amount of credit in whole cents, whatever the limits are now. */
export function priceOf(topUp: BillingSettings["topUp"], creditNano: Nano): Quote {
  const cents = toCents(creditNano);
  const feeCents = feeOf(cents, topUp);
  return { creditNano, feeCents, totalCents: cents + feeCents };
}

function wholeCents(amount: number | string): Nano {
  try {
    const parsed = dollarsToNano(amount);
    toCents(parsed);
    return parsed;
  } catch {
    throw invalidRequest("amount_usd: expected US dollars with at most two decimals.", "amount_usd");
  }
}

/** What of a payment is no longer the operator's, in cents. */
export interface Reversal {
  readonly refundedCents: bigint;
  /** Held back by the bank in a dispute. */
  readonly disputedCents: bigint;
  /** Of the disputed part, what was taken from the customer's credit. */
  readonly chargedBackCents: bigint;
}

export const NO_REVERSAL: Reversal = { refundedCents: 0n, disputedCents: 0n, chargedBackCents: 0n };

const least = (a: bigint, b: bigint) => (a < b ? a : b);

/** A reversal of no more than was paid: a refund and a dispute of the same money count once. */
export function bounded(amountCents: bigint, { refundedCents, disputedCents, chargedBackCents }: Reversal): Reversal {
  const refunded = least(refundedCents, amountCents);
  const disputed = least(disputedCents, amountCents - refunded);
  return { refundedCents: refunded, disputedCents: disputed, chargedBackCents: least(chargedBackCents, disputed) };
}

/** What the books must know of a payment. */
export interface PaidAmounts {
  readonly kind: "top-up" | "auto-top-up" | "subscription";
  readonly workspaceId: string;
  readonly amountCents: bigint;
  readonly creditNano: bigint;
}

type Entries = { readonly account: AccountId; readonly amountNano: Nano }[];

/** Where the part of a payment goes that is not credit: a fee, a promotion when there is more credit than money, a plan. */
function restAccount({ kind, amountCents, creditNano }: PaidAmounts): AccountId {
  if (kind === "subscription") return "subscriptions";
  return centsToNano(amountCents) >= creditNano ? "fees" : "promotions";
}

/** The entries of a payment that came in. */
export function paidEntries(payment: PaidAmounts): Entries {
  const paid = centsToNano(payment.amountCents);
  return nonZero([
    { account: creditAccount(payment.workspaceId), amountNano: nano(payment.creditNano) },
    { account: restAccount(payment), amountNano: nano(paid - payment.creditNano) },
    { account: "stripe-clearing", amountNano: nano(-paid) },
  ]);
}

/**
 * The entries that take the books from one reversal of a payment to another. Each state is a function of its amounts
 * alone, so that whatever way led there, the sums are the same; credit goes in proportion, rounded in the customer's favour.
 */
export function reversalEntries(payment: PaidAmounts, from: Reversal, to: Reversal): Entries {
  const before = reversed(payment, from);
  const after = reversed(payment, to);
  return nonZero(
    after.map(({ account, amountNano }, index) => ({
      account,
      amountNano: nano(amountNano - (before[index]?.amountNano ?? 0n)),
    })),
  );
}

function reversed(payment: PaidAmounts, { refundedCents, disputedCents, chargedBackCents }: Reversal): Entries {
  const fromCustomer = refundedCents + chargedBackCents;
  const credit = (payment.creditNano * fromCustomer) / payment.amountCents;
  return [
    { account: creditAccount(payment.workspaceId), amountNano: nano(-credit) },
    { account: restAccount(payment), amountNano: nano(credit - centsToNano(fromCustomer)) },
    { account: "disputes", amountNano: centsToNano(chargedBackCents - disputedCents) },
    { account: "stripe-clearing", amountNano: centsToNano(refundedCents + disputedCents) },
  ];
}

function nonZero(entries: Entries): Entries {
  return entries.filter(({ amountNano }) => amountNano !== 0n);
}
