/**
 * What each kind of Stripe's events means: which facts it brings, and which payment, invoice or subscription they belong to.
 * The webhook has verified the event and opened the transaction; every handler can be repeated and comes in any order.
 */
import type { Stripe } from "stripe";
import type { Transaction } from "../db/transaction.ts";
import { customerById, keepPaymentMethod } from "./customers.ts";
import { takeInvoice } from "./invoices.ts";
import { FOREIGN, fromSeconds, idOf, lock, type Outcome, type Parts } from "./parts.ts";
import { applyNews, correctBooks, METADATA, type Payment, type PaymentNews } from "./payments.ts";
import {
  keepCharge,
  keepDispute,
  keepInvoicePayment,
  keepRefund,
  paymentOfIntent,
  paymentOfInvoice,
} from "./reversals.ts";

/** The subscription whose state an event is about, if it is about one. */
export function subscriptionOf(event: Stripe.Event): string | undefined {
  switch (event.type) {
    case "customer.subscription.created":
    case "customer.subscription.updated":
    case "customer.subscription.deleted":
    case "customer.subscription.paused":
    case "customer.subscription.resumed":
      return event.data.object.id;
    case "checkout.session.completed":
      return event.data.object.mode === "subscription" ? idOf(event.data.object.subscription) : undefined;
    default:
      return undefined;
  }
}

/** Applies an event that is not about a subscription's state. */
export async function applyEvent(parts: Parts, transaction: Transaction, event: Stripe.Event): Promise<Outcome> {
  switch (event.type) {
    case "checkout.session.completed":
    case "checkout.session.async_payment_succeeded":
    case "checkout.session.async_payment_failed":
    case "checkout.session.expired":
      return takeSession(parts, transaction, event.data.object, event.type);
    case "payment_intent.succeeded":
    case "payment_intent.processing":
    case "payment_intent.payment_failed":
    case "payment_intent.canceled":
      return takeIntent(parts, transaction, event.data.object, fromSeconds(event.created));
    case "charge.succeeded":
    case "charge.updated":
    case "charge.refunded":
    case "refund.created":
    case "refund.updated":
    case "refund.failed":
    case "charge.refund.updated":
    case "charge.dispute.created":
    case "charge.dispute.updated":
    case "charge.dispute.funds_withdrawn":
    case "charge.dispute.funds_reinstated":
    case "charge.dispute.closed":
      return takeReversal(parts, transaction, event);
    case "invoice.finalized":
    case "invoice.updated":
    case "invoice.paid":
    case "invoice.payment_failed":
    case "invoice.marked_uncollectible":
    case "invoice.voided":
      return takeInvoice(parts, transaction, event.data.object, {
        type: event.type,
        at: fromSeconds(event.created),
      });
    case "invoice_payment.paid":
      return takeInvoicePayment(parts, transaction, event.data.object);
    default:
      return { outcome: "ignored", detail: "of no interest" };
  }
}

/** What a checkout page says of its payment. */
export function newsOfSession(session: Stripe.Checkout.Session, type?: string): PaymentNews {
  return {
    paymentId: session.metadata?.[METADATA.payment],
    workspaceId: session.metadata?.[METADATA.workspace],
    reference: session.client_reference_id,
    status: statusOfSession(session, type),
    amountCents: session.amount_total,
    currency: session.currency,
    livemode: session.livemode,
    customerId: idOf(session.customer),
    sessionId: session.id,
    paymentIntentId: idOf(session.payment_intent),
  };
}

/** Only `paid` is paid: some methods tell days after the page was completed whether the money came. */
function statusOfSession({ status, payment_status }: Stripe.Checkout.Session, type?: string): Payment["status"] {
  if (payment_status === "paid") return "paid";
  if (type === "checkout.session.async_payment_failed") return "failed";
  if (status === "expired") return "expired";
  return status === "complete" ? "processing" : "open";
}

async function takeSession(
  parts: Parts,
  transaction: Transaction,
  session: Stripe.Checkout.Session,
  type: string,
): Promise<Outcome> {
  return session.mode === "payment" ? applyNews(parts, transaction, newsOfSession(session, type)) : FOREIGN;
}

/** What a payment intent says of its payment. On a checkout page a declined card can be followed by another one, so only its success counts. */
export function newsOfIntent(intent: Stripe.PaymentIntent): PaymentNews {
  return {
    paymentId: intent.metadata[METADATA.payment],
    workspaceId: intent.metadata[METADATA.workspace],
    status: statusOfIntent(intent),
    amountCents: intent.amount,
    currency: intent.currency,
    livemode: intent.livemode,
    customerId: idOf(intent.customer),
    paymentIntentId: intent.id,
    error: intent.last_payment_error?.decline_code ?? intent.last_payment_error?.code ?? intent.status,
  };
}

function statusOfIntent(intent: Stripe.PaymentIntent): Payment["status"] {
  if (intent.status === "succeeded" && intent.amount_received === intent.amount) return "paid";
  if (intent.metadata[METADATA.automatic] !== "true") return "open";
  return intent.status === "processing" || intent.status === "succeeded" ? "processing" : "failed";
}

async function takeIntent(
  parts: Parts,
  transaction: Transaction,
  intent: Stripe.PaymentIntent,
  at: Date,
): Promise<Outcome> {
  const outcome = await applyNews(parts, transaction, newsOfIntent(intent));
  const method = idOf(intent.payment_method);
  const customer = idOf(intent.customer);
  const saved = intent.status === "succeeded" && intent.setup_future_usage === "off_session";
  if (outcome.outcome === "applied" && saved && method && customer)
    await keepPaymentMethod(transaction, customer, method, at);
  return outcome;
}

type ReversalEvent =
  | Stripe.ChargeSucceededEvent
  | Stripe.ChargeUpdatedEvent
  | Stripe.ChargeRefundedEvent
  | Stripe.RefundCreatedEvent
  | Stripe.RefundUpdatedEvent
  | Stripe.RefundFailedEvent
  | Stripe.ChargeRefundUpdatedEvent
  | Stripe.ChargeDisputeCreatedEvent
  | Stripe.ChargeDisputeUpdatedEvent
  | Stripe.ChargeDisputeFundsWithdrawnEvent
  | Stripe.ChargeDisputeFundsReinstatedEvent
  | Stripe.ChargeDisputeClosedEvent;

/** Keeps a refund, a charge or a dispute, then corrects the books of its payment if that is known. */
async function takeReversal(parts: Parts, transaction: Transaction, event: ReversalEvent): Promise<Outcome> {
  const { object } = event.data;
  const intent = idOf(object.payment_intent);
  if (intent === undefined) return FOREIGN;
  if (object.object === "charge" && !(await customerById(transaction, idOf(object.customer) ?? ""))) return FOREIGN;
  await lock(transaction, intent);
  if (object.object === "refund") await keepRefund(transaction, object);
  else if (object.object === "charge") await keepCharge(transaction, object);
  else await keepDispute(transaction, object, { type: event.type, at: fromSeconds(event.created) });
  const payment = await paymentOfIntent(transaction, intent);
  return correct(parts, transaction, payment);
}

async function correct(parts: Parts, transaction: Transaction, payment: Payment | undefined): Promise<Outcome> {
  if (!payment) return { outcome: "applied", detail: "kept until its payment is known" };
  await correctBooks(parts, transaction, payment);
  return { outcome: "applied", paymentId: payment.id, workspaceId: payment.workspaceId };
}

async function takeInvoicePayment(
  parts: Parts,
  transaction: Transaction,
  paid: Stripe.InvoicePayment,
): Promise<Outcome> {
  const intent = idOf(paid.payment.payment_intent);
  const invoice = idOf(paid.invoice);
  if (intent === undefined || invoice === undefined) return FOREIGN;
  await lock(transaction, intent);
  await lock(transaction, invoice);
  await keepInvoicePayment(transaction, paid);
  return correct(parts, transaction, await paymentOfInvoice(transaction, invoice));
}
