/**
 * What each path of the stand-in does to its state, and answers.
 * `server.ts` calls them; what the API refuses is thrown as an `ApiError`.
 */
import type { Stripe } from "stripe";
import { type Form, formOf, listIn, textOf, textsOf } from "./form.ts";
import { customer, listOf, paymentIntent, session } from "./objects.ts";
import { invoice, price, product, subscription } from "./recurring.ts";
import { ApiError, bill, confirmIntent, createWorld, type State } from "./state.ts";

export type Handle = (state: State, form: Form, id: string, other: string) => unknown;

const number = (form: Form, name: string) => Number(textOf(form, name) ?? 0);

const createSession: Handle = (state, form) => {
  const mode = textOf(form, "mode") as Stripe.Checkout.Session.Mode;
  const items = listIn(form, "line_items");
  const priceId = textOf(items[0] ?? {}, "price") ?? "";
  const total = priceId
    ? (state.prices.need(priceId).unit_amount ?? 0)
    : items.reduce(
        (sum, item) => sum + number(formOf(item, "price_data"), "unit_amount") * number(item, "quantity"),
        0,
      );
  const made = state.make("cs");
  const intentData = formOf(form, "payment_intent_data");
  state.pages.set(made.id, {
    saves: textOf(intentData, "setup_future_usage") === "off_session",
    metadata: textsOf(intentData, "metadata"),
    priceId,
  });
  return state.sessions.keep(
    session(made, {
      mode,
      customer: state.customers.need(textOf(form, "customer") ?? "").id,
      reference: textOf(form, "client_reference_id") ?? null,
      metadata: textsOf(form, "metadata"),
      total,
      successUrl: textOf(form, "success_url") ?? "",
      cancelUrl: textOf(form, "cancel_url") ?? "",
      url: `https://pay.example/${made.id}`,
    }),
  );
};

const listSessions: Handle = (state, form) => {
  const found = [...state.sessions.values()].filter(
    (one) => one.customer === textOf(form, "customer") && one.status === textOf(form, "status"),
  );
  return listOf(found, "/v1/checkout/sessions");
};

const expireSession: Handle = (state, _form, id) => {
  if (state.sessions.need(id).status !== "open") throw new ApiError(400, "invalid_request_error", "not_open");
  createWorld(state).expire(id);
  return state.sessions.need(id);
};

const createProduct: Handle = (state, form) => {
  const id = textOf(form, "id") ?? state.make("prod").id;
  if (state.products.has(id)) throw new ApiError(400, "invalid_request_error", "resource_already_exists");
  const made = { ...state.make("prod"), id };
  return state.products.keep(product(made, textOf(form, "name") ?? "", textsOf(form, "metadata")));
};

const createPrice: Handle = (state, form) => {
  const lookupKey = textOf(form, "lookup_key") ?? null;
  if ([...state.prices.values()].some((known) => known.lookup_key === lookupKey))
    throw new ApiError(400, "invalid_request_error", "resource_already_exists");
  return state.prices.keep(
    price(state.make("price"), {
      product: state.products.need(textOf(form, "product") ?? "").id,
      amount: number(form, "unit_amount"),
      currency: textOf(form, "currency") ?? "",
      interval: textOf(formOf(form, "recurring"), "interval") as Stripe.Price.Recurring.Interval,
      lookupKey,
      metadata: textsOf(form, "metadata"),
    }),
  );
};

const findPrices: Handle = (state, form) => {
  const keys = form.lookup_keys as string[];
  return listOf(
    [...state.prices.values()].filter(({ lookup_key }) => lookup_key !== null && keys.includes(lookup_key)),
    "/v1/prices",
  );
};

const listSubscriptions: Handle = (state, form) => {
  const found = [...state.subscriptions.values()].filter(
    (one) => one.customer === textOf(form, "customer") && one.status !== "canceled",
  );
  return listOf(found, "/v1/subscriptions");
};

/** Half of the present price back, half of the new one to pay: as if half of the period were over. */
function proration(current: Stripe.Subscription, next: Stripe.Price) {
  const half = (amount: number | null | undefined) => Math.floor((amount ?? 0) / 2);
  return [
    { description: "unused time", amount: -half(current.items.data[0]?.price.unit_amount), proration: true },
    { description: "remaining time", amount: half(next.unit_amount), proration: true },
  ];
}

const updateSubscription: Handle = (state, form, id) => {
  const current = state.subscriptions.need(id);
  const cancel = textOf(form, "cancel_at_period_end");
  const end = current.items.data[0]?.current_period_end ?? null;
  if (cancel !== undefined)
    Object.assign(current, {
      cancel_at_period_end: cancel === "true",
      cancel_at: cancel === "true" ? end : null,
    });
  const next = textOf(listIn(form, "items")[0] ?? {}, "price");
  if (next !== undefined) {
    const sold = state.prices.need(next);
    const lines = proration(current, sold);
    const atOnce = textOf(form, "proration_behavior") === "always_invoice";
    const held = state.card === "decline" && textOf(form, "payment_behavior") === "pending_if_incomplete";
    if (!held) {
      const made = { id: current.id, created: current.created, livemode: state.livemode };
      current.items = subscription(made, { customer: "", price: sold, metadata: {} }).items;
    }
    if (atOnce) bill(state, current, lines, !held);
  }
  state.emit("customer.subscription.updated", current);
  return current;
};

const previewInvoice: Handle = (state, form) => {
  const current = state.subscriptions.need(textOf(form, "subscription") ?? "");
  const next = textOf(listIn(formOf(form, "subscription_details"), "items")[0] ?? {}, "price") ?? "";
  const lines = proration(current, state.prices.need(next));
  return invoice(state.make("upcoming_in"), {
    customer: current.customer as string,
    subscription: current.id,
    lines,
    status: "draft",
  });
};

const openPortal: Handle = (state, form) => ({
  ...state.make("bps"),
  object: "billing_portal.session",
  configuration: "bpc",
  customer: state.customers.need(textOf(form, "customer") ?? "").id,
  customer_account: null,
  flow: null,
  locale: null,
  on_behalf_of: null,
  return_url: textOf(form, "return_url") ?? null,
  url: "https://pay.example/portal",
});

const createIntent: Handle = (state, form) => {
  const owner = state.customers.need(textOf(form, "customer") ?? "").id;
  const method = textOf(form, "payment_method") ?? "";
  if (!state.methods.get(owner)?.includes(method))
    throw new ApiError(400, "invalid_request_error", "resource_missing", { param: "payment_method" });
  const fields = { amount: number(form, "amount"), currency: textOf(form, "currency") ?? "", customer: owner };
  const metadata = textsOf(form, "metadata");
  const intent = paymentIntent(state.make("pi"), { ...fields, metadata, method, saves: false });
  state.intents.keep(intent);
  if (textOf(form, "confirm") === "true") confirmIntent(state, intent);
  return intent;
};

const listIntents: Handle = (state, form) => {
  const found = [...state.intents.values()].filter((one) => one.customer === textOf(form, "customer"));
  return listOf(found, "/v1/payment_intents");
};

const cancelIntent: Handle = (state, _form, id) => {
  const intent = state.intents.need(id);
  if (intent.status === "succeeded")
    throw new ApiError(400, "invalid_request_error", "payment_intent_unexpected_state");
  intent.status = "canceled";
  state.emit("payment_intent.canceled", intent);
  return intent;
};

const readMethod: Handle = (state, _form, id, method) => {
  if (!state.methods.get(id)?.includes(method)) throw new ApiError(404, "invalid_request_error", "resource_missing");
  return { id: method, object: "payment_method", customer: id };
};

const createCustomer: Handle = (state, form) =>
  state.customers.keep(customer(state.make("cus"), textsOf(form, "metadata")));

const createRefund: Handle = (state, form) =>
  createWorld(state).refund(textOf(form, "payment_intent") ?? "", number(form, "amount"));

/** Method and path, with what stands for ids, and who answers. */
export const ROUTES: readonly (readonly [RegExp, Handle])[] = [
  [/^POST \/v1\/customers$/, createCustomer],
  [/^GET \/v1\/customers\/(\w+)$/, (state, _, id) => state.customers.need(id)],
  [/^GET \/v1\/customers\/(\w+)\/payment_methods\/(\w+)$/, readMethod],
  [/^POST \/v1\/checkout\/sessions$/, createSession],
  [/^GET \/v1\/checkout\/sessions$/, listSessions],
  [/^GET \/v1\/checkout\/sessions\/(\w+)$/, (state, _, id) => state.sessions.need(id)],
  [/^POST \/v1\/checkout\/sessions\/(\w+)\/expire$/, expireSession],
  [/^POST \/v1\/products$/, createProduct],
  [/^GET \/v1\/products\/([\w-]+)$/, (state, _, id) => state.products.need(id)],
  [/^POST \/v1\/prices$/, createPrice],
  [/^GET \/v1\/prices$/, findPrices],
  [/^GET \/v1\/subscriptions$/, listSubscriptions],
  [/^GET \/v1\/subscriptions\/(\w+)$/, (state, _, id) => state.subscriptions.need(id)],
  [/^POST \/v1\/subscriptions\/(\w+)$/, updateSubscription],
  [/^POST \/v1\/invoices\/create_preview$/, previewInvoice],
  [/^GET \/v1\/invoices\/(\w+)$/, (state, _, id) => state.invoices.need(id)],
  [/^POST \/v1\/billing_portal\/sessions$/, openPortal],
  [/^POST \/v1\/payment_intents$/, createIntent],
  [/^GET \/v1\/payment_intents$/, listIntents],
  [/^GET \/v1\/payment_intents\/(\w+)$/, (state, _, id) => state.intents.need(id)],
  [/^POST \/v1\/payment_intents\/(\w+)\/cancel$/, cancelIntent],
  [/^POST \/v1\/refunds$/, createRefund],
  [/^GET \/v1\/events$/, (state) => listOf(state.events.toReversed(), "/v1/events")],
];
