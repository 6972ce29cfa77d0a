/**
 * What a workspace does with its subscription: begin one, change its plan with proration, end it, take that back.
 * The console's routes call it. What comes of it is read from Stripe, here and when the webhooks arrive.
 */
import { eq, sql as raw } from "drizzle-orm";
import { GatewayError, invalidRequest } from "../core/error.ts";
import { schema } from "../db/schema.ts";
import { ensureCustomer, findCustomer } from "./customers.ts";
import { type Parts, payingWorkspace, returnUrl } from "./parts.ts";
import { METADATA } from "./payments.ts";
import { type FindPrice, type Interval, type PlanPrice, planPrice } from "./prices.ts";
import { type RefreshSubscription, type Subscription, subscriptionsOf } from "./subscription-state.ts";

const { billingCustomers } = schema;

/** What the functions here need besides `Parts`. */
export interface Subscribing {
  readonly parts: Parts;
  readonly findPrice: FindPrice;
  readonly refresh: RefreshSubscription;
}

export interface SubscribeWish {
  readonly plan: string;
  readonly interval: Interval;
  /** The moment that a preview was made for, in Unix seconds: the charge is then what the preview said. */
  readonly prorationDate?: number;
  readonly successUrl?: string;
  readonly cancelUrl?: string;
}

/** Either a page to pay on, or the subscription after its change. */
export type Subscribed = { readonly url: string } | { readonly subscription: Subscription };

/** Statuses in which a subscription can be changed, and those in which it must first be paid or ended. */
const CHANGEABLE = ["active", "trialing", "past_due"];
const STUCK = ["unpaid", "paused"];
const MAX_PAGES = 100;

/** The subscription that a workspace has now. */
export async function currentSubscription(parts: Parts, workspaceId: string): Promise<Subscription | undefined> {
  const all = await subscriptionsOf(parts, parts.database.orm, workspaceId);
  return all.find(({ status }) => CHANGEABLE.includes(status)) ?? all.find(({ status }) => STUCK.includes(status));
}

async function changeable(parts: Parts, workspaceId: string): Promise<Subscription | undefined> {
  const current = await currentSubscription(parts, workspaceId);
  if (current && STUCK.includes(current.status))
    throw invalidRequest("The present subscription is not paid: pay or end it on the customer portal first.");
  return current;
}

async function existing(parts: Parts, workspaceId: string): Promise<Subscription> {
  const found = await currentSubscription(parts, workspaceId);
  if (!found) throw new GatewayError("not_found", "The workspace has no subscription.");
  return found;
}

/** Begins a subscription on a page of Stripe's, or changes the present one. */
export async function subscribe(tools: Subscribing, workspaceId: string, wish: SubscribeWish): Promise<Subscribed> {
  const { parts } = tools;
  await payingWorkspace(parts, workspaceId);
  const price = planPrice(parts, wish.plan, wish.interval);
  const current = await changeable(parts, workspaceId);
  if (!current) return { url: await openSubscription(tools, workspaceId, price, wish) };
  return { subscription: await change(tools, current, price, wish.prorationDate) };
}

async function change(
  { parts, findPrice, refresh }: Subscribing,
  current: Subscription,
  price: PlanPrice,
  prorationDate: number | undefined,
): Promise<Subscription> {
  const priceId = await findPrice(price);
  if (priceId === current.priceId && !current.cancelAtPeriodEnd)
    throw invalidRequest("The workspace has this plan already.", "plan");
  const { proration } = parts.settings;
  await parts.stripe.ask(async (stripe) => {
    if (current.cancelAtPeriodEnd) await stripe.subscriptions.update(current.id, { cancel_at_period_end: false });
    if (priceId === current.priceId) return;
    await stripe.subscriptions.update(current.id, {
      items: [{ id: current.itemId ?? "", price: priceId }],
      proration_behavior: proration,
      ...(prorationDate !== undefined && { proration_date: prorationDate }),
      // What is charged at once takes effect when it is paid, not before.
      ...(proration === "always_invoice" && { payment_behavior: "pending_if_incomplete" as const }),
    });
  });
  await refresh(current.id);
  return readAgain(parts, current);
}

async function readAgain(parts: Parts, { id, workspaceId }: Subscription): Promise<Subscription> {
  const all = await subscriptionsOf(parts, parts.database.orm, workspaceId);
  return all.find((subscription) => subscription.id === id)!;
}

/**
 * Opens a page for a first subscription. Only the newest page stays open, so that nobody pays for two: whoever opens one
 * takes a number, ends the pages before it, and ends its own when another number was taken meanwhile.
 */
async function openSubscription(
  tools: Subscribing,
  workspaceId: string,
  price: PlanPrice,
  wish: SubscribeWish,
): Promise<string> {
  const { parts, findPrice } = tools;
  const { publicUrl, stripe, database } = parts;
  const success_url = returnUrl(publicUrl, wish.successUrl, "/console/billing?subscription=success", "success_url");
  const cancel_url = returnUrl(publicUrl, wish.cancelUrl, "/console/billing?subscription=cancelled", "cancel_url");
  const priceId = await findPrice(price);
  const { customerId } = await ensureCustomer(parts, workspaceId);
  const { checkoutGeneration } = billingCustomers;
  const mine = eq(billingCustomers.customerId, customerId);
  const [taken] = await database.orm
    .update(billingCustomers)
    .set({ checkoutGeneration: raw`${checkoutGeneration} + 1` })
    .where(mine)
    .returning();
  const generation = taken?.checkoutGeneration ?? 0;
  await endOpenPages(tools, customerId);
  const metadata = { [METADATA.workspace]: workspaceId, [METADATA.plan]: price.plan };
  const session = await stripe.ask((api) =>
    api.checkout.sessions.create(
      {
        mode: "subscription",
        customer: customerId,
        client_reference_id: workspaceId,
        metadata,
        line_items: [{ price: priceId, quantity: 1 }],
        subscription_data: { metadata },
        success_url,
        cancel_url,
      },
      { idempotencyKey: `subscribe:${customerId}:${generation}` },
    ),
  );
  const [latest] = await database.orm.select({ checkoutGeneration }).from(billingCustomers).where(mine);
  if (latest?.checkoutGeneration === generation) return session.url ?? "";
  await stripe.ask((api) => api.checkout.sessions.expire(session.id));
  throw new GatewayError("service_unavailable", "Another subscription is being opened.");
}

/** Ends pages that could still be paid. Throws `invalid_request` when one just was. */
async function endOpenPages({ parts: { stripe }, refresh }: Subscribing, customer: string): Promise<void> {
  const live = await stripe.ask(async (api) => {
    const open = await api.checkout.sessions.list({ customer, status: "open", limit: MAX_PAGES });
    for (const session of open.data.filter(({ mode }) => mode === "subscription"))
      await api.checkout.sessions.expire(session.id);
    return api.subscriptions.list({ customer, limit: MAX_PAGES });
  });
  const paid = live.data.find(({ status }) => CHANGEABLE.includes(status));
  if (!paid) return;
  await refresh(paid.id);
  throw invalidRequest("The workspace has just subscribed.", "plan");
}

/** What a change would cost. */
export interface Preview {
  readonly prorationDate: number;
  readonly totalCents: bigint;
  readonly dueCents: bigint;
  readonly lines: readonly { readonly description: string; readonly cents: bigint; readonly proration: boolean }[];
}

/** What the next invoice would be after `subscribe`; nothing changes. */
export async function previewChange(tools: Subscribing, workspaceId: string, wish: SubscribeWish): Promise<Preview> {
  const { parts, findPrice } = tools;
  await payingWorkspace(parts, workspaceId);
  const price = planPrice(parts, wish.plan, wish.interval);
  const current = await changeable(parts, workspaceId);
  const prorationDate = wish.prorationDate ?? Math.floor(parts.now().getTime() / 1000);
  if (!current) {
    const line = { description: `${price.plan} (${price.interval})`, cents: price.cents, proration: false };
    return { prorationDate, totalCents: price.cents, dueCents: price.cents, lines: [line] };
  }
  const priceId = await findPrice(price);
  const invoice = await parts.stripe.ask((stripe) =>
    stripe.invoices.createPreview({
      customer: current.customerId,
      subscription: current.id,
      subscription_details: {
        items: [{ id: current.itemId ?? "", price: priceId }],
        proration_behavior: parts.settings.proration,
        proration_date: prorationDate,
      },
    }),
  );
  return {
    prorationDate,
    totalCents: BigInt(invoice.total),
    dueCents: BigInt(invoice.amount_due),
    lines: invoice.lines.data.map((line) => ({
      description: line.description ?? "",
      cents: BigInt(line.amount),
      proration: line.parent?.subscription_item_details?.proration ?? false,
    })),
  };
}

/** Ends the subscription with the period that is paid, or takes that back. */
export async function setCancelled(tools: Subscribing, workspaceId: string, cancel: boolean): Promise<Subscription> {
  const { parts, refresh } = tools;
  const current = await existing(parts, workspaceId);
  await parts.stripe.ask((stripe) => stripe.subscriptions.update(current.id, { cancel_at_period_end: cancel }));
  await refresh(current.id);
  return readAgain(parts, current);
}

/** A page of Stripe's where the customer sees invoices and changes payment methods. */
export async function openPortal(parts: Parts, workspaceId: string, wanted: string | undefined): Promise<string> {
  const return_url = returnUrl(parts.publicUrl, wanted, "/console/billing", "return_url");
  const customer = await findCustomer(parts, workspaceId);
  if (!customer) throw new GatewayError("not_found", "The workspace has not paid anything yet.");
  const session = await parts.stripe.ask((stripe) =>
    stripe.billingPortal.sessions.create({ customer: customer.customerId, return_url }),
  );
  return session.url;
}
