/**
 * Automatic top-ups: settings of a workspace, and the one payment that may be under way for it.
 * The row of the payment is written first, and Stripe is asked with its id as the key, so a crash in between charges once.
 */
import { and, count, eq, gt, inArray } from "drizzle-orm";
import type { Stripe } from "stripe";
import { invalidRequest } from "../core/error.ts";
import { type Nano, nano } from "../core/money.ts";
import { schema } from "../db/schema.ts";
import { type Transaction, transact } from "../db/transaction.ts";
import { priceOf, quote } from "./amounts.ts";
import { chargeableMethod, findCustomer } from "./customers.ts";
import { newsOfIntent } from "./events.ts";
import { idOf, type Parts, payingWorkspace } from "./parts.ts";
import { applyNews, METADATA, type Payment, type PaymentNews } from "./payments.ts";
import { failureOf } from "./stripe.ts";

const { autoTopUps, billingCustomers, ledgerAccounts, payments, workspaces } = schema;

const DAY_MS = 86_400_000;
/** Stripe remembers a key for at least a day; after less than that it is no longer relied on. */
const KEY_LIVES_MS = 23 * 3_600_000;
const MAX_INTENTS = 100;

export type AutoTopUp = typeof autoTopUps.$inferSelect;

export interface AutoTopUpWish {
  readonly enabled: boolean;
  /** Below this balance credit is bought. */
  readonly thresholdNano?: Nano;
  readonly amountUsd?: number | string;
  readonly paymentMethod?: string;
}

export async function readAutoTopUp({ database }: Parts, workspaceId: string): Promise<AutoTopUp | undefined> {
  const [found] = await database.orm.select().from(autoTopUps).where(eq(autoTopUps.workspaceId, workspaceId));
  return found;
}

/** Changes the settings; switching on starts without the failures of before. Throws `invalid_request`. */
export async function changeAutoTopUp(parts: Parts, workspaceId: string, wish: AutoTopUpWish): Promise<AutoTopUp> {
  await payingWorkspace(parts, workspaceId);
  const known = await readAutoTopUp(parts, workspaceId);
  const customer = await findCustomer(parts, workspaceId);
  const amount = wish.amountUsd === undefined ? undefined : quote(parts.settings, { amountUsd: wish.amountUsd });
  const thresholdNano = wish.thresholdNano ?? known?.thresholdNano;
  const creditNano = amount?.creditNano ?? known?.creditNano;
  if (thresholdNano === undefined || creditNano === undefined)
    throw invalidRequest("threshold_usd and amount_usd are needed at first.", "threshold_usd");
  if (!customer) throw invalidRequest("There is no saved payment method: pay a top-up with save_payment_method first.");
  const wanted = wish.paymentMethod ?? known?.paymentMethodId;
  const checked = wish.enabled || wish.paymentMethod !== undefined || !known;
  const paymentMethodId = checked ? await chargeableMethod(parts, customer, wanted) : known.paymentMethodId;
  const { enabled } = wish;
  const now = parts.now();
  const fresh = enabled ? { failures: 0, nextAttemptAt: now, lastError: null } : {};
  const row = { enabled, thresholdNano, creditNano, paymentMethodId, updatedAt: now, ...fresh };
  const [changed] = await parts.database.orm
    .insert(autoTopUps)
    .values({ workspaceId, ...row })
    .onConflictDoUpdate({ target: autoTopUps.workspaceId, set: row })
    .returning();
  return changed!;
}

/**
 * Buys credit for a workspace if its balance is below its threshold, none is being bought, and nothing forbids it.
 * Returns the payment that was begun. Rejects only when the database cannot be used.
 */
export async function checkAutoTopUp(parts: Parts, workspaceId: string): Promise<Payment | undefined> {
  const settings = await readAutoTopUp(parts, workspaceId);
  if (!settings?.enabled || settings.nextAttemptAt > parts.now()) return undefined;
  const payment = await transact(parts.database.sql, (transaction) => begin(parts, transaction, workspaceId));
  if (payment) await pursue(parts, payment);
  return payment;
}

/** Writes down a payment if one is due. The lock on the settings' row lets one node do so at a time. */
async function begin(parts: Parts, { orm }: Transaction, workspaceId: string): Promise<Payment | undefined> {
  const here = eq(autoTopUps.workspaceId, workspaceId);
  const [settings] = await orm.select().from(autoTopUps).where(here).for("update");
  const now = parts.now();
  if (!settings?.enabled || settings.nextAttemptAt > now) return undefined;
  const [state] = await orm
    .select({ balance: ledgerAccounts.balanceNano, suspended: workspaces.suspendedAt })
    .from(ledgerAccounts)
    .innerJoin(workspaces, eq(workspaces.id, ledgerAccounts.workspaceId))
    .where(and(eq(ledgerAccounts.workspaceId, workspaceId), eq(ledgerAccounts.kind, "credit")));
  if (!state || state.suspended !== null || state.balance >= settings.thresholdNano) return undefined;
  const automatic = and(eq(payments.workspaceId, workspaceId), eq(payments.kind, "auto-top-up"));
  const [underWay] = await orm
    .select({ id: payments.id })
    .from(payments)
    .where(and(automatic, inArray(payments.status, ["open", "processing"])));
  if (underWay) return undefined;
  const [today] = await orm
    .select({ count: count() })
    .from(payments)
    .where(and(automatic, gt(payments.createdAt, new Date(now.getTime() - DAY_MS))));
  if ((today?.count ?? 0) >= parts.settings.autoTopUp.maxPerDay) {
    parts.log.warn("a workspace has had as many automatic top-ups as a day may have", { workspace: workspaceId });
    await orm
      .update(autoTopUps)
      .set({ nextAttemptAt: new Date(now.getTime() + DAY_MS / 24) })
      .where(here);
    return undefined;
  }
  return insert(parts, orm, settings);
}

async function insert(parts: Parts, orm: Transaction["orm"], settings: AutoTopUp): Promise<Payment | undefined> {
  const { livemode } = parts.stripe;
  const { workspaceId, paymentMethodId, creditNano } = settings;
  const [customer] = await orm
    .select()
    .from(billingCustomers)
    .where(and(eq(billingCustomers.workspaceId, workspaceId), eq(billingCustomers.livemode, livemode)));
  if (!customer) return undefined;
  const bought = priceOf(parts.settings.topUp, nano(creditNano));
  const now = parts.now();
  const [payment] = await orm
    .insert(payments)
    .values({
      id: Bun.randomUUIDv7(),
      workspaceId,
      kind: "auto-top-up",
      livemode,
      currency: parts.settings.currency,
      amountCents: bought.totalCents,
      feeCents: bought.feeCents,
      creditNano: bought.creditNano,
      customerId: customer.customerId,
      paymentMethodId,
      checkedAt: now,
      createdAt: now,
    })
    .returning();
  return payment;
}

/**
 * Asks Stripe for a payment that was written down, or what became of it, and applies the answer. Without an answer the
 * payment stays under way, to be asked again.
 */
export async function pursue(parts: Parts, payment: Payment): Promise<void> {
  try {
    const intent = await ask(parts, payment);
    await take(parts, intent ? newsOfIntent(intent) : failed(payment, "not_charged", undefined));
    if (intent && !SETTLED.includes(intent.status)) await abandon(parts, intent.id);
  } catch (error) {
    const failure = failureOf(error);
    const refused = failure?.type === "StripeCardError" || failure?.type === "StripeInvalidRequestError";
    if (!refused || failure.code === "idempotency_key_in_use") {
      parts.log.warn("an automatic top-up is without an answer", { payment: payment.id, error: String(error) });
      return;
    }
    const intent = idOf((error as { payment_intent?: { id: string } }).payment_intent);
    await take(parts, failed(payment, failure.code ?? "declined", intent));
    if (intent) await abandon(parts, intent);
  }
}

/** Statuses of a payment intent that nobody needs to end. */
const SETTLED = ["succeeded", "processing", "canceled"];

async function take(parts: Parts, news: PaymentNews): Promise<void> {
  await transact(parts.database.sql, (transaction) => applyNews(parts, transaction, news));
}

function failed(payment: Payment, error: string, paymentIntentId: string | undefined): PaymentNews {
  return {
    paymentId: payment.id,
    workspaceId: payment.workspaceId,
    status: "failed",
    amountCents: Number(payment.amountCents),
    currency: payment.currency,
    livemode: payment.livemode,
    customerId: payment.customerId ?? undefined,
    paymentIntentId,
    error,
  };
}

/** Ends a payment that failed, so that it cannot succeed when it is no longer expected. */
async function abandon(parts: Parts, intentId: string): Promise<void> {
  try {
    const stripe = await parts.stripe.client();
    await stripe.paymentIntents.cancel(intentId);
  } catch (error) {
    parts.log.warn("a failed payment could not be cancelled", { intent: intentId, error: String(error) });
  }
}

/** The payment intent; undefined when it is certain that there is none. Rejects as Stripe's package does. */
async function ask(parts: Parts, payment: Payment): Promise<Stripe.PaymentIntent | undefined> {
  const stripe = await parts.stripe.client();
  if (payment.paymentIntentId !== null) return stripe.paymentIntents.retrieve(payment.paymentIntentId);
  const ageMs = parts.now().getTime() - payment.createdAt.getTime();
  const customer = payment.customerId ?? "";
  if (ageMs < KEY_LIVES_MS) return stripe.paymentIntents.create(intentOf(payment), { idempotencyKey: payment.id });
  const since = Math.floor(payment.createdAt.getTime() / 1000) - 60;
  const found = await stripe.paymentIntents.list({ customer, created: { gte: since }, limit: MAX_INTENTS });
  return found.data.find((intent) => intent.metadata[METADATA.payment] === payment.id);
}

/** Made of the payment's row alone: the same key must always bring the same request. */
function intentOf(payment: Payment): Stripe.PaymentIntentCreateParams {
  return {
    amount: Number(payment.amountCents),
    currency: payment.currency,
    customer: payment.customerId ?? "",
    payment_method: payment.paymentMethodId ?? "",
    confirm: true,
    off_session: true,
    description: "Automatic top-up",
    metadata: {
      [METADATA.payment]: payment.id,
      [METADATA.workspace]: payment.workspaceId,
      [METADATA.automatic]: "true",
    },
  };
}
