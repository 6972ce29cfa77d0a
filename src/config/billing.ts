/**
 * The settings of payments: their schema, what they mean to the program, and the checks between them.
 * Part of the configuration's schema, build and cross-check; `src/billing` is handed what comes out.
 */
import { z } from "zod";
import { asArray, asObject, asString, type JsonObject } from "../core/json.ts";
import { dollarsToNano, type Nano } from "../core/money.ts";
import { choice, dollars, flag, group, list, matching, says, setting, text, wholeNumber } from "./leaf.ts";
import type { Path } from "./walk.ts";

const MAX_FEE_PERCENT = 100;
const MAX_EXPIRY_DAYS = 3650;
const MAX_GRACE_DAYS = 365;
const MAX_TOP_UPS_A_DAY = 1000;

/** A package of credit with a price of its own. */
export interface PackageConfig {
  readonly id: string;
  readonly name?: string;
  /** Whole cents. */
  readonly payNano: Nano;
  readonly creditNano: Nano;
}

export interface BillingConfig {
  readonly currency: "usd";
  readonly topUp: {
    /** Whole cents, all three. */
    readonly minNano: Nano;
    readonly maxNano: Nano;
    readonly feeMinNano: Nano;
    /** Millionths of the amount. */
    readonly feePpm: bigint;
  };
  readonly packages: readonly PackageConfig[];
  /** Credit that was paid for is gone after so many days; absent: never. */
  readonly creditExpiresDays?: number;
  /** When a disputed payment's credit is taken back. */
  readonly disputes: { readonly reverse: "opened" | "lost" };
  /** How long a plan is kept while its payment is being tried again. */
  readonly pastDueGraceDays: number;
  /** How a change of plan is charged: at once, or with the next invoice. */
  readonly proration: "always_invoice" | "create_prorations";
  readonly autoTopUp: { readonly maxPerDay: number };
  readonly allowEmbeddedLive: boolean;
}

function feePercentage() {
  const fits = (value: number | string): boolean => {
    try {
      const parsed = dollarsToNano(value);
      return parsed >= 0n && parsed <= BigInt(MAX_FEE_PERCENT) * 1_000_000_000n && parsed % 100_000n === 0n;
    } catch {
      return false;
    }
  };
  return says(
    z.union([z.number(), z.string()]).refine(fits),
    `a percentage from 0 to ${MAX_FEE_PERCENT} with at most 4 places`,
  );
}

const slug = () => matching(/^[a-z0-9-]{1,63}$/, "1 to 63 of a-z, 0-9 and -");

const creditPackage = group({
  id: setting(slug(), "The package's name, unique in the file."),
  name: setting(text(100), "The name people read.").optional(),
  pay_usd: setting(dollars("charge"), "What it costs, all in all: no fee is added."),
  credit_usd: setting(dollars("amount"), "The credit it gives; what is more than the price is a promotion."),
});

/** The fields of `billing`. */
export const billingFields = group({
  currency: setting(choice(["usd"]), "The currency of all payments.").default("usd"),
  top_up: group({
    min_usd: setting(dollars("charge"), "The least credit that can be bought at a time.").default("5"),
    max_usd: setting(dollars("charge"), "The most credit that can be bought at a time.").default("1000"),
    fee_percent: setting(feePercentage(), "A fee on top of the credit that is bought, rounded up to the cent.").default(
      0,
    ),
    fee_min_usd: setting(dollars("charge"), "The least fee.").default("0"),
  }).prefault({}),
  packages: list(creditPackage, 50).default([]),
  credit_expires_days: setting(
    wholeNumber(1, MAX_EXPIRY_DAYS),
    "Days after which credit that was paid for expires; without it never.",
  ).optional(),
  disputes: group({
    reverse: setting(
      choice(["opened", "lost"]),
      "When a disputed payment's credit is taken back: when the bank takes the money, or when the dispute is lost.",
    ).default("opened"),
  }).prefault({}),
  past_due_grace_days: setting(
    wholeNumber(0, MAX_GRACE_DAYS),
    "Days for which a plan is kept while its payment is being tried again.",
  ).default(14),
  proration: setting(
    choice(["always_invoice", "create_prorations"]),
    "How a change of plan is charged: at once, or with the next invoice.",
  ).default("always_invoice"),
  auto_top_up: group({
    max_per_day: setting(
      wholeNumber(1, MAX_TOP_UPS_A_DAY),
      "The most automatic top-ups of a workspace in 24 hours.",
    ).default(10),
  }).prefault({}),
  allow_embedded_live: setting(
    flag(),
    "Take real payments (a live Stripe key) although the embedded database keeps the books.",
  ).default(false),
});

type BillingSettings = z.output<typeof billingFields>;

/** Millionths for a percentage: 10⁻⁹ of a percent are 10⁻¹¹ of the whole. */
const NANO_PERCENT_PER_PPM = 100_000n;

/** Validated settings as the program uses them. */
export function buildBilling(settings: BillingSettings): BillingConfig {
  return {
    currency: settings.currency,
    topUp: {
      minNano: dollarsToNano(settings.top_up.min_usd),
      maxNano: dollarsToNano(settings.top_up.max_usd),
      feeMinNano: dollarsToNano(settings.top_up.fee_min_usd),
      feePpm: dollarsToNano(settings.top_up.fee_percent) / NANO_PERCENT_PER_PPM,
    },
    packages: settings.packages.map(({ id, name, pay_usd, credit_usd }) => ({
      id,
      name,
      payNano: dollarsToNano(pay_usd),
      creditNano: dollarsToNano(credit_usd),
    })),
    creditExpiresDays: settings.credit_expires_days,
    disputes: settings.disputes,
    pastDueGraceDays: settings.past_due_grace_days,
    proration: settings.proration,
    autoTopUp: { maxPerDay: settings.auto_top_up.max_per_day },
    allowEmbeddedLive: settings.allow_embedded_live,
  };
}

/** Whether a secret or restricted key of Stripe moves real money. */
export function isLiveKey(key: string): boolean {
  return /^(sk|rk)_live_/.test(key);
}

const EMBEDDED_LIVE =
  "is a live key, but the embedded database would keep the books: one machine's disk, without a replica. " +
  "Set database_url, or billing.allow_embedded_live: true to accept that.";

/** The mistakes between the settings of payments. Values of a wrong form are skipped: the schema speaks of those. */
export function checkBilling(tree: JsonObject, report: (path: Path, problem: string) => void): void {
  const billing = asObject(tree.billing);
  const stripe = asObject(tree.stripe);
  const key = asString(stripe?.secret_key);
  const allowed = [true, "true"].includes(billing?.allow_embedded_live as boolean | string);
  if (key !== undefined && isLiveKey(key) && !tree.database_url && !allowed)
    report(["stripe", "secret_key"], EMBEDDED_LIVE);
  const base = asString(stripe?.api_base);
  if (base !== undefined && URL.canParse(base) && new URL(base).pathname !== "/")
    report(["stripe", "api_base"], "must not have a path.");
  checkAmounts(billing, report);
}

function checkAmounts(billing: JsonObject | undefined, report: (path: Path, problem: string) => void): void {
  const topUp = asObject(billing?.top_up);
  if (Number(topUp?.min_usd ?? 0) > Number(topUp?.max_usd ?? Number.POSITIVE_INFINITY))
    report(["billing", "top_up", "max_usd"], "must not be less than min_usd: no amount would do.");
  const seen = new Set<string>();
  for (const [index, item] of asArray(billing?.packages).entries()) {
    const id = asString(asObject(item)?.id);
    if (Number(asObject(item)?.pay_usd) === 0)
      report(["billing", "packages", index, "pay_usd"], "must be more than nothing: credit is given by grants.");
    if (id === undefined) continue;
    if (seen.has(id))
      report(["billing", "packages", index, "id"], `the package id ${JSON.stringify(id)} is there twice.`);
    seen.add(id);
  }
}
