/**
 * The prices of plans at Stripe: found by a key made of plan, interval and amount, or created under it.
 * A changed amount is another price, so subscriptions keep what they were sold for until they change.
 */
import { createHash } from "node:crypto";
import type { Stripe } from "stripe";
import { GatewayError, invalidRequest } from "../core/error.ts";
import { toCents } from "./amounts.ts";
import type { Parts } from "./parts.ts";
import { METADATA } from "./payments.ts";
import { isMissing } from "./stripe.ts";

export const INTERVALS = ["month", "year"] as const;
export type Interval = (typeof INTERVALS)[number];

/** A plan's price for an interval. */
export interface PlanPrice {
  readonly plan: string;
  readonly interval: Interval;
  readonly cents: bigint;
}

/** What a plan costs. Throws `invalid_request` when it cannot be had for that interval. */
export function planPrice({ plans }: Parts, id: string, interval: Interval): PlanPrice {
  const plan = plans.find((candidate) => candidate.id === id);
  if (!plan) throw invalidRequest("plan: there is no such plan.", "plan");
  const price = interval === "month" ? plan.priceNano : plan.priceAnnualNano;
  if (!price) throw invalidRequest(`The plan has no price for a ${interval}.`, "interval");
  return { plan: id, interval, cents: toCents(price) };
}

/** Gives the id of a plan's price at Stripe, which is there afterwards. Remembers what it found. */
export type FindPrice = (price: PlanPrice) => Promise<string>;

export function createPriceFinder(parts: Parts): FindPrice {
  const known = new Map<string, string>();
  return async (price) => {
    const key = `sluice-${price.plan}-${price.interval}-${price.cents}`;
    const found = known.get(key) ?? (await lookUp(parts, price, key)) ?? (await create(parts, price, key));
    known.set(key, found);
    return found;
  };
}

async function lookUp({ stripe, settings }: Parts, price: PlanPrice, key: string): Promise<string | undefined> {
  const page = await stripe.ask((api) => api.prices.list({ lookup_keys: [key], active: true, limit: 1 }));
  const [found] = page.data;
  if (!found) return undefined;
  const fits =
    found.unit_amount === Number(price.cents) &&
    found.currency === settings.currency &&
    found.recurring?.interval === price.interval &&
    found.recurring.interval_count === 1 &&
    found.metadata[METADATA.plan] === price.plan;
  if (!fits)
    throw new GatewayError("internal_error", "The price of this plan is not set up right.", {
      detail: `the price ${found.id} at Stripe has the lookup key ${key} but not what it stands for`,
    });
  return found.id;
}

async function create({ stripe, settings, brandName, plans }: Parts, price: PlanPrice, key: string): Promise<string> {
  const title = plans.find(({ id }) => id === price.plan)?.name ?? price.plan;
  const made = await stripe.ask(async (api) =>
    api.prices.create(
      {
        currency: settings.currency,
        unit_amount: Number(price.cents),
        recurring: { interval: price.interval },
        product: await ensureProduct(api, price.plan, `${brandName} ${title}`),
        lookup_key: key,
        metadata: { [METADATA.plan]: price.plan },
      },
      { idempotencyKey: `price:${key}` },
    ),
  );
  return made.id;
}

async function ensureProduct(api: Stripe, plan: string, name: string): Promise<string> {
  const id = `sluice-plan-${plan}`;
  try {
    return (await api.products.retrieve(id)).id;
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  const digest = createHash("sha256").update(name).digest("hex").slice(0, 16);
  const made = await api.products.create(
    { id, name, metadata: { [METADATA.plan]: plan } },
    { idempotencyKey: `product:${id}:${digest}` },
  );
  return made.id;
}
