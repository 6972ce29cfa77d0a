/**
 * Stripe's objects of subscriptions as the stand-in makes them: products, prices, subscriptions, invoices.
 * Beside `objects.ts`, which has those of single payments.
 */
import type { Stripe } from "stripe";
import { listOf, type Made } from "./objects.ts";

const DAY = 86_400;

export function product(made: Made, name: string, metadata: Stripe.Metadata): Stripe.Product {
  return {
    ...made,
    object: "product",
    active: true,
    description: null,
    images: [],
    marketing_features: [],
    metadata,
    name,
    package_dimensions: null,
    shippable: null,
    tax_details: null,
    type: "service",
    updated: made.created,
    url: null,
  };
}

export interface PriceFields {
  readonly product: string;
  readonly amount: number;
  readonly currency: string;
  readonly interval: Stripe.Price.Recurring.Interval;
  readonly lookupKey: string | null;
  readonly metadata: Stripe.Metadata;
}

export function price(made: Made, fields: PriceFields): Stripe.Price {
  return {
    ...made,
    object: "price",
    active: true,
    billing_scheme: "per_unit",
    currency: fields.currency,
    custom_unit_amount: null,
    lookup_key: fields.lookupKey,
    metadata: fields.metadata,
    nickname: null,
    product: fields.product,
    recurring: {
      interval: fields.interval,
      interval_count: 1,
      meter: null,
      trial_period_days: null,
      usage_type: "licensed",
    },
    tax_behavior: null,
    tiers_mode: null,
    transform_quantity: null,
    type: "recurring",
    unit_amount: fields.amount,
    unit_amount_decimal: null,
  };
}

function item(made: Made, subscription: string, sold: Stripe.Price): Stripe.SubscriptionItem {
  const days = sold.recurring?.interval === "year" ? 365 : 30;
  return {
    id: `si_${made.id}`,
    object: "subscription_item",
    billing_thresholds: null,
    created: made.created,
    current_period_end: made.created + days * DAY,
    current_period_start: made.created,
    current_trial: null,
    discounts: [],
    metadata: {},
    plan: {} as Stripe.Plan,
    price: sold,
    quantity: 1,
    subscription,
    tax_rates: null,
  };
}

export function subscription(
  made: Made,
  fields: { readonly customer: string; readonly price: Stripe.Price; readonly metadata: Stripe.Metadata },
): Stripe.Subscription {
  return {
    ...made,
    object: "subscription",
    application: null,
    application_fee_percent: null,
    automatic_tax: { disabled_reason: null, enabled: false, liability: null },
    billing_cycle_anchor: made.created,
    billing_cycle_anchor_config: null,
    billing_mode: { flexible: null, type: "classic" },
    billing_schedules: [],
    billing_thresholds: null,
    cancel_at: null,
    cancel_at_period_end: false,
    canceled_at: null,
    cancellation_details: null,
    collection_method: "charge_automatically",
    currency: "usd",
    customer: fields.customer,
    customer_account: null,
    days_until_due: null,
    default_payment_method: null,
    default_source: null,
    description: null,
    discounts: [],
    ended_at: null,
    invoice_settings: {} as Stripe.Subscription.InvoiceSettings,
    items: listOf([item(made, made.id, fields.price)], "/v1/subscription_items"),
    latest_invoice: null,
    managed_payments: null,
    metadata: fields.metadata,
    next_pending_invoice_item_invoice: null,
    on_behalf_of: null,
    pause_collection: null,
    payment_settings: null,
    pending_invoice_item_interval: null,
    pending_setup_intent: null,
    pending_update: null,
    schedule: null,
    start_date: made.created,
    status: "active",
    test_clock: null,
    transfer_data: null,
    trial_end: null,
    trial_settings: null,
    trial_start: null,
  };
}

export interface InvoiceFields {
  readonly customer: string;
  readonly subscription: string | null;
  readonly lines: readonly { readonly description: string; readonly amount: number; readonly proration: boolean }[];
  readonly status: Stripe.Invoice.Status;
}

/** What an invoice has that nobody here asked for. */
const PLAIN_INVOICE = {
  object: "invoice",
  account_country: "US",
  account_name: null,
  account_tax_ids: null,
  amount_overpaid: 0,
  amount_shipping: 0,
  application: null,
  attempt_count: 1,
  attempted: true,
  automatic_tax: { disabled_reason: null, enabled: false, liability: null, provider: null, status: null },
  automatically_finalizes_at: null,
  billing_reason: "subscription_cycle",
  collection_method: "charge_automatically",
  currency: "usd",
  custom_fields: null,
  customer_account: null,
  customer_address: null,
  customer_email: null,
  customer_name: null,
  customer_phone: null,
  customer_shipping: null,
  customer_tax_exempt: null,
  default_payment_method: null,
  default_source: null,
  description: null,
  due_date: null,
  effective_at: null,
  ending_balance: null,
  footer: null,
  from_invoice: null,
  issuer: { type: "self" },
  last_finalization_error: null,
  latest_revision: null,
  metadata: {},
  next_payment_attempt: null,
  on_behalf_of: null,
  post_payment_credit_notes_amount: 0,
  pre_payment_credit_notes_amount: 0,
  receipt_number: null,
  rendering: null,
  shipping_cost: null,
  shipping_details: null,
  starting_balance: 0,
  statement_descriptor: null,
  status_transitions: { finalized_at: null, marked_uncollectible_at: null, paid_at: null, voided_at: null },
  test_clock: null,
  total_discount_amounts: null,
  total_pretax_credit_amounts: null,
  total_taxes: null,
  webhooks_delivered_at: null,
} as const;

export function invoice(made: Made, fields: InvoiceFields): Stripe.Invoice {
  const total = fields.lines.reduce((sum, line) => sum + line.amount, 0);
  const paid = fields.status === "paid" ? total : 0;
  const lines = fields.lines.map((line, index) => invoiceLine(made, index, line, fields.subscription));
  return {
    ...PLAIN_INVOICE,
    ...made,
    amount_due: Math.max(0, total),
    amount_paid: paid,
    amount_remaining: Math.max(0, total) - paid,
    customer: fields.customer,
    default_tax_rates: [],
    discounts: [],
    hosted_invoice_url: `https://pay.example/invoices/${made.id}`,
    invoice_pdf: `https://pay.example/invoices/${made.id}.pdf`,
    lines: listOf(lines, "/v1/invoices/lines"),
    number: `N-${made.id.slice(-6)}`,
    parent: fields.subscription === null ? null : parentOf(fields.subscription),
    payment_settings: {} as Stripe.Invoice.PaymentSettings,
    period_end: made.created,
    period_start: made.created,
    status: fields.status,
    subtotal: total,
    subtotal_excluding_tax: total,
    total,
    total_excluding_tax: total,
  };
}

function parentOf(id: string): Stripe.Invoice.Parent {
  return {
    type: "subscription_details",
    quote_details: null,
    subscription_details: { metadata: {}, subscription: id },
  } as Stripe.Invoice.Parent;
}

function invoiceLine(
  made: Made,
  index: number,
  line: InvoiceFields["lines"][number],
  subscriptionId: string | null,
): Stripe.InvoiceLineItem {
  const details = {
    invoice_item: null,
    proration: line.proration,
    proration_details: null,
    subscription: subscriptionId,
    subscription_item: "si",
  };
  return {
    id: `il_${made.id}_${index}`,
    object: "line_item",
    amount: line.amount,
    currency: "usd",
    description: line.description,
    discount_amounts: null,
    discountable: false,
    discounts: [],
    invoice: made.id,
    livemode: made.livemode,
    metadata: {},
    parent: {
      type: "subscription_item_details",
      invoice_item_details: null,
      subscription_item_details: details as unknown as Stripe.InvoiceLineItem.Parent.SubscriptionItemDetails,
    },
    period: { start: made.created, end: made.created },
    pretax_credit_amounts: null,
    pricing: null,
    quantity: 1,
    quantity_decimal: null,
    subscription: subscriptionId,
    subtotal: line.amount,
    taxes: null,
  };
}

export function invoicePayment(made: Made, bill: Stripe.Invoice, intent: string): Stripe.InvoicePayment {
  return {
    ...made,
    object: "invoice_payment",
    amount_paid: bill.amount_paid,
    amount_requested: bill.amount_due,
    currency: bill.currency,
    invoice: bill.id,
    is_default: true,
    payment: { type: "payment_intent", payment_intent: intent },
    status: "paid",
    status_transitions: { canceled_at: null, paid_at: made.created },
  };
}
