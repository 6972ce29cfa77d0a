/**
 * What the stand-in remembers, and what people, banks and Stripe itself do to it: pay, fail, refund, dispute, renew.
 * Each of these changes objects and emits the events that Stripe would, without delivering them.
 */
import type { Stripe } from "stripe";
import { charge, dispute, type Made, paymentIntent, refund } from "./objects.ts";
import { type InvoiceFields, invoice, invoicePayment, subscription } from "./recurring.ts";

/** What a charge without anybody present does next. */
export type CardBehaviour = "succeed" | "decline" | "needs-action" | "process";

/** An error of the API. */
export class ApiError extends Error {
  readonly status: number;
  readonly body: Record<string, unknown>;

  constructor(status: number, type: string, code: string, more: Record<string, unknown> = {}) {
    super(code);
    this.status = status;
    this.body = { error: { type, code, message: `the stand-in says: ${code}`, ...more } };
  }
}

function missing(id: string): ApiError {
  return new ApiError(404, "invalid_request_error", "resource_missing", { param: id.slice(0, 20) });
}

/** A table of objects by id. */
export class Shelf<T extends { id: string }> extends Map<string, T> {
  /** The object. Throws what the API answers for one that is not there. */
  need(id: string): T {
    const found = this.get(id);
    if (!found) throw missing(id);
    return found;
  }

  keep(object: T): T {
    this.set(object.id, object);
    return object;
  }
}

let made = 0;

export function createState(livemode: boolean) {
  let clock = 1_800_000_000;
  const tick = () => {
    clock += 1;
    return clock;
  };
  const make = (prefix: string): Made => {
    made += 1;
    return { id: `${prefix}_${String(made).padStart(8, "0")}`, created: tick(), livemode };
  };
  const state = {
    livemode,
    make,
    customers: new Shelf<Stripe.Customer>(),
    sessions: new Shelf<Stripe.Checkout.Session>(),
    /** What the API does not show of a page: whether it keeps the card, the metadata of its payment, what it sells. */
    pages: new Map<string, { saves: boolean; metadata: Stripe.Metadata; priceId: string }>(),
    intents: new Shelf<Stripe.PaymentIntent>(),
    charges: new Shelf<Stripe.Charge>(),
    products: new Shelf<Stripe.Product>(),
    prices: new Shelf<Stripe.Price>(),
    subscriptions: new Shelf<Stripe.Subscription>(),
    invoices: new Shelf<Stripe.Invoice>(),
    /** Payment methods by customer. */
    methods: new Map<string, string[]>(),
    events: [] as Stripe.Event[],
    card: "succeed" as CardBehaviour,
    emit: (type: string, object: unknown): Stripe.Event => {
      const event = {
        ...make("evt"),
        object: "event",
        api_version: null,
        data: { object: structuredClone(object) },
        pending_webhooks: 1,
        request: null,
        type,
      } as unknown as Stripe.Event;
      state.events.push(event);
      return event;
    },
  };
  return state;
}

export type State = ReturnType<typeof createState>;

/** Settles a payment intent: a charge is made. */
export function settleIntent(state: State, intent: Stripe.PaymentIntent): Stripe.Charge {
  const paid = state.charges.keep(charge(state.make("ch"), intent));
  Object.assign(intent, { status: "succeeded", amount_received: intent.amount, latest_charge: paid.id });
  state.emit("charge.succeeded", paid);
  state.emit("payment_intent.succeeded", intent);
  return paid;
}

/** What the card does that a payment intent was confirmed with. Throws the API's answer when it declines. */
export function confirmIntent(state: State, intent: Stripe.PaymentIntent): void {
  if (state.card === "succeed") settleIntent(state, intent);
  else if (state.card === "process") intent.status = "processing";
  else {
    const code = state.card === "decline" ? "card_declined" : "authentication_required";
    intent.last_payment_error = { type: "card_error", code } as Stripe.PaymentIntent.LastPaymentError;
    state.emit("payment_intent.payment_failed", intent);
    throw new ApiError(402, "card_error", code, { payment_intent: structuredClone(intent) });
  }
}

/** What can happen outside, by whoever is named. */
export function createWorld(state: State) {
  return { ...customers(state), ...banks(state), ...subscribers(state) };
}

function complete(state: State, sessionId: string, paid: boolean): Stripe.Checkout.Session {
  const session = state.sessions.need(sessionId);
  if (session.status !== "open") throw new Error(`the page is ${session.status}`);
  return Object.assign(session, { status: "complete", payment_status: paid ? "paid" : "unpaid" });
}

function customers(state: State) {
  return {
    /** The customer pays on the page. `later`: by a method that takes its time. */
    pay(sessionId: string, later = false): Stripe.PaymentIntent {
      const session = complete(state, sessionId, !later);
      const { saves = false, metadata = {} } = state.pages.get(sessionId) ?? {};
      const owner = session.customer as string;
      const method = state.make("pm").id;
      const fields = { amount: session.amount_total ?? 0, currency: session.currency ?? "", customer: owner };
      const intent = state.intents.keep(paymentIntent(state.make("pi"), { ...fields, metadata, method, saves }));
      session.payment_intent = intent.id;
      state.methods.set(owner, [...(state.methods.get(owner) ?? []), method]);
      if (later) {
        intent.status = "processing";
        state.emit("payment_intent.processing", intent);
      } else settleIntent(state, intent);
      state.emit("checkout.session.completed", session);
      return intent;
    },
    /** The money of a slow method came, or did not. */
    settleLater(sessionId: string, succeeds: boolean): void {
      const session = state.sessions.need(sessionId);
      const intent = state.intents.need(session.payment_intent as string);
      if (succeeds) {
        settleIntent(state, intent);
        session.payment_status = "paid";
        state.emit("checkout.session.async_payment_succeeded", session);
      } else {
        intent.status = "requires_payment_method";
        state.emit("payment_intent.payment_failed", intent);
        state.emit("checkout.session.async_payment_failed", session);
      }
    },
    expire(sessionId: string): void {
      const session = state.sessions.need(sessionId);
      session.status = "expired";
      state.emit("checkout.session.expired", session);
    },
  };
}

function banks(state: State) {
  const chargeOf = (intentId: string) => {
    const found = [...state.charges.values()].find(({ payment_intent }) => payment_intent === intentId);
    if (!found) throw new Error(`nothing was charged for ${intentId}`);
    return found;
  };
  return {
    refund(intentId: string, amount: number): Stripe.Refund {
      const paid = chargeOf(intentId);
      paid.amount_refunded += amount;
      paid.refunded = paid.amount_refunded === paid.amount;
      const { id, created } = state.make("re");
      const made = refund({ id, created }, paid, amount);
      state.emit("charge.refunded", paid);
      state.emit("refund.created", made);
      return made;
    },
    /** The refund did not reach its card. */
    failRefund(made: Stripe.Refund): void {
      const paid = state.charges.need(made.charge as string);
      paid.amount_refunded -= made.amount;
      made.status = "failed";
      state.emit("refund.failed", made);
    },
    dispute(intentId: string, amount: number): Stripe.Dispute {
      const paid = chargeOf(intentId);
      const made = dispute(state.make("dp"), paid, amount, "needs_response");
      state.emit("charge.dispute.created", made);
      state.emit("charge.dispute.funds_withdrawn", made);
      return made;
    },
    /** A bank only asks: no money moves. */
    inquire(intentId: string, amount: number): Stripe.Dispute {
      const made = dispute(state.make("dp"), chargeOf(intentId), amount, "warning_needs_response");
      state.emit("charge.dispute.created", made);
      return made;
    },
    closeDispute(made: Stripe.Dispute, won: boolean): void {
      made.status = won ? "won" : "lost";
      state.emit("charge.dispute.closed", made);
      if (won) state.emit("charge.dispute.funds_reinstated", made);
    },
  };
}

function subscribers(state: State) {
  return {
    /** The customer subscribes on the page and pays the first invoice. */
    subscribe(sessionId: string): Stripe.Subscription {
      const session = complete(state, sessionId, true);
      const sold = state.prices.need(state.pages.get(sessionId)?.priceId ?? "");
      const made = subscription(state.make("sub"), {
        customer: session.customer as string,
        price: sold,
        metadata: session.metadata ?? {},
      });
      state.subscriptions.keep(made);
      session.subscription = made.id;
      state.emit("customer.subscription.created", made);
      bill(state, made, [{ description: "first", amount: sold.unit_amount ?? 0, proration: false }], true);
      state.emit("checkout.session.completed", session);
      return made;
    },
    /** The next period begins: its invoice is paid, or not. */
    renew(id: string, paid: boolean): Stripe.Invoice {
      const renewed = state.subscriptions.need(id);
      const amount = renewed.items.data[0]?.price.unit_amount ?? 0;
      const made = bill(state, renewed, [{ description: "renewal", amount, proration: false }], paid);
      renewed.status = paid ? "active" : "past_due";
      state.emit("customer.subscription.updated", renewed);
      return made;
    },
    end(id: string, status: Stripe.Subscription.Status = "canceled"): void {
      const ended = state.subscriptions.need(id);
      Object.assign(ended, { status, ended_at: status === "canceled" ? ended.created + 1 : null });
      state.emit(status === "canceled" ? "customer.subscription.deleted" : "customer.subscription.updated", ended);
    },
  };
}

/** An invoice of a subscription, paid by a charge of its own or not paid. */
export function bill(
  state: State,
  owner: Stripe.Subscription,
  lines: InvoiceFields["lines"],
  paid: boolean,
): Stripe.Invoice {
  const customer = owner.customer as string;
  const open = invoice(state.make("in"), { customer, subscription: owner.id, lines, status: "open" });
  state.invoices.keep(open);
  owner.latest_invoice = open.id;
  state.emit("invoice.finalized", open);
  if (!paid) {
    state.emit("invoice.payment_failed", open);
    return open;
  }
  return payInvoice(state, open);
}

/** Takes the money of an open invoice. */
export function payInvoice(state: State, open: Stripe.Invoice): Stripe.Invoice {
  Object.assign(open, { status: "paid", amount_paid: open.amount_due, amount_remaining: 0 });
  if (open.amount_due > 0) {
    const customer = open.customer as string;
    const fields = { amount: open.amount_due, currency: open.currency, customer, metadata: {} };
    const intent = paymentIntent(state.make("pi"), { ...fields, method: "pm_default", saves: false });
    settleIntent(state, state.intents.keep(intent));
    state.emit("invoice_payment.paid", invoicePayment(state.make("inpay"), open, intent.id));
  }
  state.emit("invoice.paid", open);
  return open;
}
