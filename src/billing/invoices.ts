/**
 * Invoices: kept to be listed, and booked as revenue of subscriptions once, when they are paid.
 * The webhook's events come here; invoices of anything but a subscription are only listed.
 */
import { desc, eq } from "drizzle-orm";
import type { Stripe } from "stripe";
import { schema } from "../db/schema.ts";
import type { Transaction } from "../db/transaction.ts";
import { notify } from "../ledger/notify.ts";
import { type Customer, customerById } from "./customers.ts";
import { FOREIGN, fromSeconds, idOf, lock, type Outcome, type Parts } from "./parts.ts";
import { correctBooks } from "./payments.ts";
import { paymentOfInvoice } from "./reversals.ts";

const { invoices, payments } = schema;

export type StoredInvoice = typeof invoices.$inferSelect;

/** A status never goes back in this order. */
const ORDER = ["draft", "open", "uncollectible", "void", "paid"];
const PAGE = 100;

/** Takes what an event says of an invoice. Idempotent, and the same in any order. */
export async function takeInvoice(
  parts: Parts,
  transaction: Transaction,
  invoice: Stripe.Invoice,
  event: { type: string; at: Date },
): Promise<Outcome> {
  const customer = await customerById(transaction, idOf(invoice.customer) ?? "");
  if (!customer || !invoice.id) return FOREIGN;
  const { workspaceId } = customer;
  if (invoice.livemode !== customer.livemode || invoice.currency !== parts.settings.currency) {
    parts.log.error("an invoice that does not fit was refused", { invoice: invoice.id });
    return { outcome: "refused", detail: "the mode or the currency is not ours", workspaceId };
  }
  await lock(transaction, invoice.id);
  await keep(transaction, invoice, workspaceId, event.at);
  if (event.type === "invoice.payment_failed") await tellOfFailure(transaction, invoice, workspaceId);
  const paymentId = invoice.status === "paid" ? await book(parts, transaction, invoice, customer) : undefined;
  return { outcome: "applied", workspaceId, paymentId };
}

async function keep({ orm }: Transaction, invoice: Stripe.Invoice, workspaceId: string, at: Date): Promise<void> {
  const row = toRow(invoice, workspaceId, at);
  const [known] = await orm.select().from(invoices).where(eq(invoices.id, row.id)).for("update");
  if (!known) {
    await orm.insert(invoices).values(row);
    return;
  }
  const later = rank(row.status) - rank(known.status) || row.toldAt.getTime() - known.toldAt.getTime();
  if (later > 0) await orm.update(invoices).set(row).where(eq(invoices.id, row.id));
}

const rank = (status: string) => ORDER.indexOf(status);

function subscriptionOf(invoice: Stripe.Invoice): string | undefined {
  return idOf(invoice.parent?.subscription_details?.subscription);
}

function toRow(invoice: Stripe.Invoice, workspaceId: string, at: Date): StoredInvoice {
  return {
    id: invoice.id,
    workspaceId,
    subscriptionId: subscriptionOf(invoice) ?? null,
    number: invoice.number,
    status: invoice.status ?? "draft",
    currency: invoice.currency,
    totalCents: BigInt(invoice.total),
    paidCents: BigInt(invoice.amount_paid),
    dueCents: BigInt(invoice.amount_due),
    hostedUrl: invoice.hosted_invoice_url ?? null,
    pdfUrl: invoice.invoice_pdf ?? null,
    periodStart: fromSeconds(invoice.period_start),
    periodEnd: fromSeconds(invoice.period_end),
    createdAt: fromSeconds(invoice.created),
    toldAt: at,
  };
}

async function tellOfFailure({ sql }: Transaction, invoice: Stripe.Invoice, workspaceId: string): Promise<void> {
  const dedupeKey = `invoice-failed:${invoice.id}:${invoice.attempt_count}`;
  const details = { invoice: invoice.id, url: invoice.hosted_invoice_url ?? null };
  await notify(sql, { workspaceId, kind: "subscription-payment-failed", dedupeKey, details });
}

/** Books what Stripe took for a subscription. What was paid outside Stripe is not in its clearing account. */
async function book(
  parts: Parts,
  transaction: Transaction,
  invoice: Stripe.Invoice,
  { workspaceId, customerId, livemode }: Customer,
): Promise<string | undefined> {
  const amountCents = BigInt(invoice.amount_paid - (invoice.amount_paid_off_stripe ?? 0));
  if (subscriptionOf(invoice) === undefined || amountCents <= 0n) return undefined;
  await transaction.orm
    .insert(payments)
    .values({
      id: Bun.randomUUIDv7(),
      workspaceId,
      kind: "subscription",
      status: "paid",
      livemode,
      currency: invoice.currency,
      amountCents,
      creditNano: 0n,
      customerId,
      invoiceId: invoice.id,
      createdAt: parts.now(),
    })
    .onConflictDoNothing({ target: payments.invoiceId });
  const payment = await paymentOfInvoice(transaction, invoice.id);
  if (payment) await correctBooks(parts, transaction, payment);
  return payment?.id;
}

/** The newest invoices of a workspace. */
export function listInvoices({ database }: Parts, workspaceId: string): Promise<StoredInvoice[]> {
  return database.orm
    .select()
    .from(invoices)
    .where(eq(invoices.workspaceId, workspaceId))
    .orderBy(desc(invoices.createdAt), desc(invoices.id))
    .limit(PAGE);
}
