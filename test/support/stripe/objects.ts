/**
 * Stripe's objects as the stand-in makes them: every field that the API promises, typed by the official package.
 * The stand-in fills in what differs; tests read them as the program does.
 */
import type { Stripe } from "stripe";

/** What all objects of a stand-in share. */
export interface Made {
  readonly id: string;
  readonly created: number;
  readonly livemode: boolean;
}

export function listOf<T>(data: T[], url: string): Stripe.ApiList<T> {
  return { object: "list", data, has_more: false, url };
}

export function customer(made: Made, metadata: Stripe.Metadata): Stripe.Customer {
  return {
    ...made,
    object: "customer",
    balance: 0,
    default_source: null,
    description: null,
    email: null,
    invoice_settings: { custom_fields: null, default_payment_method: null, footer: null, rendering_options: null },
    metadata,
    shipping: null,
  };
}

export interface SessionFields {
  readonly mode: Stripe.Checkout.Session.Mode;
  readonly customer: string;
  readonly reference: string | null;
  readonly metadata: Stripe.Metadata;
  readonly total: number;
  readonly successUrl: string;
  readonly cancelUrl: string;
  readonly url: string;
}

/** What a page has that nobody here asked for. */
const PLAIN_SESSION = {
  object: "checkout.session",
  adaptive_pricing: null,
  after_expiration: null,
  allow_promotion_codes: null,
  allowed_payment_method_types: null,
  automatic_tax: { enabled: false, liability: null, provider: null, status: null },
  billing_address_collection: null,
  client_secret: null,
  collected_information: null,
  consent: null,
  consent_collection: null,
  currency_conversion: null,
  custom_text: { after_submit: null, shipping_address: null, submit: null, terms_of_service_acceptance: null },
  customer_account: null,
  customer_creation: null,
  customer_details: null,
  customer_email: null,
  discounts: null,
  integration_identifier: null,
  invoice: null,
  invoice_creation: null,
  locale: null,
  managed_payments: null,
  origin_context: null,
  payment_intent: null,
  payment_link: null,
  payment_method_collection: null,
  payment_method_configuration_details: null,
  payment_method_options: null,
  permissions: null,
  recovered_from: null,
  saved_payment_method_options: null,
  setup_intent: null,
  shipping_address_collection: null,
  shipping_cost: null,
  submit_type: null,
  subscription: null,
  total_details: null,
  ui_mode: null,
  wallet_options: null,
} as const;

export function session(made: Made, fields: SessionFields): Stripe.Checkout.Session {
  const { mode, customer: owner, reference, metadata, total, successUrl, cancelUrl, url } = fields;
  return {
    ...PLAIN_SESSION,
    ...made,
    amount_subtotal: total,
    amount_total: total,
    cancel_url: cancelUrl,
    client_reference_id: reference,
    currency: "usd",
    custom_fields: [],
    customer: owner,
    expires_at: made.created + 86_400,
    metadata,
    mode,
    payment_method_types: ["card"],
    payment_status: "unpaid",
    shipping_options: [],
    status: "open",
    success_url: successUrl,
    url,
  };
}

export interface IntentFields {
  readonly amount: number;
  readonly currency: string;
  readonly customer: string;
  readonly metadata: Stripe.Metadata;
  readonly method: string | null;
  readonly saves: boolean;
}

export function paymentIntent(made: Made, fields: IntentFields): Stripe.PaymentIntent {
  return {
    ...made,
    object: "payment_intent",
    allowed_payment_method_types: null,
    amount: fields.amount,
    amount_capturable: 0,
    amount_received: 0,
    application: null,
    application_fee_amount: null,
    automatic_payment_methods: null,
    canceled_at: null,
    cancellation_reason: null,
    capture_method: "automatic",
    client_secret: null,
    confirmation_method: "automatic",
    currency: fields.currency,
    customer: fields.customer,
    customer_account: null,
    description: null,
    excluded_payment_method_types: null,
    last_payment_error: null,
    latest_charge: null,
    managed_payments: null,
    metadata: fields.metadata,
    next_action: null,
    on_behalf_of: null,
    payment_method: fields.method,
    payment_method_configuration_details: null,
    payment_method_options: null,
    payment_method_types: ["card"],
    payment_record: null,
    processing: null,
    receipt_email: null,
    review: null,
    setup_future_usage: fields.saves ? "off_session" : null,
    shipping: null,
    source: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: "requires_payment_method",
    transfer_group: null,
  };
}

export function charge(made: Made, intent: Stripe.PaymentIntent): Stripe.Charge {
  return {
    ...made,
    object: "charge",
    amount: intent.amount,
    amount_captured: intent.amount,
    amount_refunded: 0,
    application: null,
    application_fee: null,
    application_fee_amount: null,
    balance_transaction: null,
    billing_details: { address: null, email: null, name: null, phone: null, tax_id: null },
    calculated_statement_descriptor: null,
    captured: true,
    currency: intent.currency,
    customer: intent.customer,
    description: null,
    disputed: false,
    failure_balance_transaction: null,
    failure_code: null,
    failure_message: null,
    fraud_details: null,
    metadata: intent.metadata,
    on_behalf_of: null,
    outcome: null,
    paid: true,
    payment_intent: intent.id,
    payment_method: intent.payment_method as string | null,
    payment_method_details: null,
    receipt_email: null,
    receipt_number: null,
    receipt_url: `https://pay.example/receipts/${made.id}`,
    refunded: false,
    review: null,
    shipping: null,
    source: null,
    source_transfer: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: "succeeded",
    transfer_data: null,
    transfer_group: null,
  };
}

export function refund(made: Omit<Made, "livemode">, paid: Stripe.Charge, amount: number): Stripe.Refund {
  return {
    ...made,
    object: "refund",
    amount,
    balance_transaction: null,
    charge: paid.id,
    currency: paid.currency,
    customer: paid.customer,
    customer_account: null,
    metadata: {},
    payment_intent: paid.payment_intent,
    payment_method: null,
    reason: null,
    receipt_number: null,
    source_transfer_reversal: null,
    status: "succeeded",
    transfer_reversal: null,
  };
}

export function dispute(made: Made, paid: Stripe.Charge, amount: number, status: string): Stripe.Dispute {
  const evidence = {} as Stripe.Dispute.Evidence;
  return {
    ...made,
    object: "dispute",
    amount,
    balance_transactions: [],
    charge: paid.id,
    currency: paid.currency,
    enhanced_eligibility_types: [],
    evidence,
    evidence_details: {
      due_by: null,
      enhanced_eligibility: {},
      has_evidence: false,
      past_due: false,
      submission_count: 0,
      submission_method: "manual",
    },
    intended_submission_method: null,
    is_charge_refundable: false,
    metadata: {},
    payment_intent: paid.payment_intent,
    reason: "fraudulent",
    status: status as Stripe.Dispute.Status,
  };
}
