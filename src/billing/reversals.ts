/**
 * Refunds and disputes as facts: each kept under its own id in whatever order it is told, summed up when asked.
 * Every fact only grows (an amount, a latest moment, "it failed"), so all orders of telling end in the same sums.
 */
import { eq, inArray, sql as raw } from "drizzle-orm";
import type { Stripe } from "stripe";
import { schema } from "../db/schema.ts";
import type { Transaction } from "../db/transaction.ts";
import { bounded, NO_REVERSAL, type Reversal } from "./amounts.ts";
import { idOf, lock } from "./parts.ts";

const { payments, stripeCharges, stripeDisputes, stripeInvoicePayments, stripeRefunds } = schema;

export type Payment = typeof payments.$inferSelect;

/** Keeps a refund. Once failed or cancelled it stays so. Returns its payment intent. */
export async function keepRefund({ orm }: Transaction, refund: Stripe.Refund): Promise<string | undefined> {
  const paymentIntentId = idOf(refund.payment_intent);
  if (paymentIntentId === undefined) return undefined;
  const failed = refund.status === "failed" || refund.status === "canceled";
  await orm
    .insert(stripeRefunds)
    .values({ id: refund.id, paymentIntentId, amountCents: BigInt(refund.amount), failed })
    .onConflictDoUpdate({ target: stripeRefunds.id, set: { failed: raw`${stripeRefunds.failed} or excluded.failed` } });
  return paymentIntentId;
}

/** Keeps how much of a charge was refunded, and its receipt. */
export async function keepCharge({ orm }: Transaction, charge: Stripe.Charge): Promise<string | undefined> {
  const paymentIntentId = idOf(charge.payment_intent);
  if (paymentIntentId === undefined) return undefined;
  const refundedCents = BigInt(charge.amount_refunded);
  await orm
    .insert(stripeCharges)
    .values({ id: charge.id, paymentIntentId, refundedCents, receiptUrl: charge.receipt_url })
    .onConflictDoUpdate({
      target: stripeCharges.id,
      set: {
        refundedCents: raw`greatest(${stripeCharges.refundedCents}, excluded.refunded_cents)`,
        receiptUrl: raw`coalesce(${stripeCharges.receiptUrl}, excluded.receipt_url)`,
      },
    });
  return paymentIntentId;
}

/** Inquiries of a bank take no money; neither do disputes that were kept from beginning. */
function takesNoMoney(status: string): boolean {
  return status.startsWith("warning_") || status === "prevented";
}

/** Keeps what an event tells of a dispute: when the money went, came back, or was lost for good. */
export async function keepDispute(
  { orm }: Transaction,
  dispute: Stripe.Dispute,
  event: { type: string; at: Date },
): Promise<string | undefined> {
  const paymentIntentId = idOf(dispute.payment_intent);
  if (paymentIntentId === undefined) return undefined;
  const { status } = dispute;
  const back = event.type === "charge.dispute.funds_reinstated" || status === "won";
  const gone = !back && (event.type === "charge.dispute.funds_withdrawn" || !takesNoMoney(status));
  const latest = (column: string) => raw.raw(`greatest(stripe_disputes.${column}, excluded.${column})`);
  const newer = (column: string) =>
    raw.raw(
      `case when (excluded.status_at, excluded.status) > (stripe_disputes.status_at, stripe_disputes.status)
        then excluded.${column} else stripe_disputes.${column} end`,
    );
  await orm
    .insert(stripeDisputes)
    .values({
      id: dispute.id,
      paymentIntentId,
      amountCents: BigInt(dispute.amount),
      reason: dispute.reason,
      status,
      statusAt: event.at,
      withdrawnAt: gone ? event.at : null,
      reinstatedAt: back ? event.at : null,
      lostAt: status === "lost" ? event.at : null,
    })
    .onConflictDoUpdate({
      target: stripeDisputes.id,
      set: {
        amountCents: latest("amount_cents"),
        status: newer("status"),
        statusAt: latest("status_at"),
        withdrawnAt: latest("withdrawn_at"),
        reinstatedAt: latest("reinstated_at"),
        lostAt: latest("lost_at"),
      },
    });
  return paymentIntentId;
}

/** Keeps which payment paid an invoice. */
export async function keepInvoicePayment({ orm }: Transaction, paid: Stripe.InvoicePayment): Promise<boolean> {
  const paymentIntentId = idOf(paid.payment.payment_intent);
  const invoiceId = idOf(paid.invoice);
  if (paymentIntentId === undefined || invoiceId === undefined) return false;
  await orm.insert(stripeInvoicePayments).values({ paymentIntentId, invoiceId }).onConflictDoNothing();
  return true;
}

/** The payment that a payment intent made, locked; undefined while it is not known, or when it is none of ours. */
export async function paymentOfIntent(transaction: Transaction, paymentIntentId: string): Promise<Payment | undefined> {
  const { orm } = transaction;
  const [direct] = await orm.select().from(payments).where(eq(payments.paymentIntentId, paymentIntentId)).for("update");
  if (direct) return direct;
  const [link] = await orm
    .select()
    .from(stripeInvoicePayments)
    .where(eq(stripeInvoicePayments.paymentIntentId, paymentIntentId));
  if (!link) return undefined;
  await lock(transaction, link.invoiceId);
  return paymentOfInvoice(transaction, link.invoiceId);
}

/** The payment that an invoice became, locked. */
export async function paymentOfInvoice({ orm }: Transaction, invoiceId: string): Promise<Payment | undefined> {
  const [found] = await orm.select().from(payments).where(eq(payments.invoiceId, invoiceId)).for("update");
  return found;
}

/** What is reversed of a payment by all that was told so far, and whether a bank ever took money back. */
export async function readReversal(
  { orm }: Transaction,
  payment: Payment,
  chargeBack: "opened" | "lost",
): Promise<{ reversal: Reversal; disputed: boolean }> {
  const intents = payment.paymentIntentId === null ? [] : [payment.paymentIntentId];
  if (payment.invoiceId !== null) {
    const { paymentIntentId } = stripeInvoicePayments;
    const links = await orm
      .select({ paymentIntentId })
      .from(stripeInvoicePayments)
      .where(eq(stripeInvoicePayments.invoiceId, payment.invoiceId));
    intents.push(...links.map((link) => link.paymentIntentId));
  }
  if (intents.length === 0) return { reversal: NO_REVERSAL, disputed: false };
  const refunds = await orm.select().from(stripeRefunds).where(inArray(stripeRefunds.paymentIntentId, intents));
  const charges = await orm.select().from(stripeCharges).where(inArray(stripeCharges.paymentIntentId, intents));
  const disputes = await orm.select().from(stripeDisputes).where(inArray(stripeDisputes.paymentIntentId, intents));
  const refundedCents = refundedOf(refunds, charges);
  const reversal = bounded(payment.amountCents, { refundedCents, ...disputedOf(disputes, chargeBack) });
  return { reversal, disputed: disputes.some(({ withdrawnAt }) => withdrawnAt !== null) };
}

type RefundFacts = { readonly amountCents: bigint; readonly failed: boolean };
type ChargeFacts = { readonly refundedCents: bigint };

const sum = (amounts: readonly bigint[]) => amounts.reduce((total, amount) => total + amount, 0n);

/**
 * What is refunded. The sum of the refunds is exact once all were told; until then a charge's own total may know of more.
 * That total counts refunds that failed later, so these are taken off: it is then never too much.
 */
export function refundedOf(refunds: readonly RefundFacts[], charges: readonly ChargeFacts[]): bigint {
  const standing = sum(refunds.filter(({ failed }) => !failed).map(({ amountCents }) => amountCents));
  const failed = sum(refunds.filter((refund) => refund.failed).map(({ amountCents }) => amountCents));
  const told = sum(charges.map(({ refundedCents }) => refundedCents)) - failed;
  return told > standing ? told : standing;
}

interface DisputeFacts {
  readonly amountCents: bigint;
  readonly withdrawnAt: Date | null;
  readonly reinstatedAt: Date | null;
  readonly lostAt: Date | null;
}

/** What banks hold back, and what of that is taken from the customer's credit. The latest news counts; equal ones favour the money being back. */
export function disputedOf(
  disputes: readonly DisputeFacts[],
  chargeBack: "opened" | "lost",
): Pick<Reversal, "disputedCents" | "chargedBackCents"> {
  const after = (a: Date | null, b: Date | null) => a !== null && (b === null || a.getTime() > b.getTime());
  const open = disputes.filter((dispute) => after(dispute.withdrawnAt, dispute.reinstatedAt));
  const charged = open.filter((dispute) => chargeBack === "opened" || after(dispute.lostAt, dispute.reinstatedAt));
  return {
    disputedCents: sum(open.map(({ amountCents }) => amountCents)),
    chargedBackCents: sum(charged.map(({ amountCents }) => amountCents)),
  };
}
