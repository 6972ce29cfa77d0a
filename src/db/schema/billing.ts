/**
 * Payments, subscriptions and what Stripe told, as Drizzle sees them.
 * Part of `schema.ts`.
 */
import { bigint, boolean, index, integer, pgTable, primaryKey, text, timestamp, uuid } from "drizzle-orm/pg-core";

const nano = (name: string) => bigint(name, { mode: "bigint" });
const cents = (name: string) => bigint(name, { mode: "bigint" });
const time = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });

/** A workspace's customer at Stripe, one for test mode and one for live mode. */
export const billingCustomers = pgTable(
  "billing_customers",
  {
    workspaceId: uuid("workspace_id").notNull(),
    livemode: boolean("livemode").notNull(),
    customerId: text("customer_id").notNull().unique(),
    paymentMethodId: text("payment_method_id"),
    paymentMethodAt: time("payment_method_at"),
    checkoutGeneration: integer("checkout_generation").notNull().default(0),
    createdAt: time("created_at").notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.workspaceId, table.livemode] })],
);

/** Everything that is or was to be paid. */
export const payments = pgTable(
  "payments",
  {
    id: uuid("id").primaryKey(),
    workspaceId: uuid("workspace_id").notNull(),
    kind: text("kind", { enum: ["top-up", "auto-top-up", "subscription"] }).notNull(),
    status: text("status", { enum: ["open", "processing", "failed", "expired", "paid"] })
      .notNull()
      .default("open"),
    livemode: boolean("livemode").notNull(),
    currency: text("currency").notNull(),
    amountCents: cents("amount_cents").notNull(),
    feeCents: cents("fee_cents").notNull().default(0n),
    creditNano: nano("credit_nano").notNull(),
    packageId: text("package_id"),
    customerId: text("customer_id"),
    paymentMethodId: text("payment_method_id"),
    sessionId: text("session_id").unique(),
    paymentIntentId: text("payment_intent_id").unique(),
    invoiceId: text("invoice_id").unique(),
    error: text("error"),
    creditedAt: time("credited_at"),
    refundedCents: cents("refunded_cents").notNull().default(0n),
    disputedCents: cents("disputed_cents").notNull().default(0n),
    chargedBackCents: cents("charged_back_cents").notNull().default(0n),
    disputed: boolean("disputed").notNull().default(false),
    corrections: integer("corrections").notNull().default(0),
    checkedAt: time("checked_at"),
    createdAt: time("created_at").notNull().defaultNow(),
    updatedAt: time("updated_at").notNull().defaultNow(),
  },
  (table) => [index("payments_by_workspace").on(table.workspaceId, table.createdAt.desc())],
);

/** Every event that was taken, once. */
export const stripeEvents = pgTable(
  "stripe_events",
  {
    id: text("id").primaryKey(),
    type: text("type").notNull(),
    createdAt: time("created_at").notNull(),
    receivedAt: time("received_at").notNull().defaultNow(),
    outcome: text("outcome", { enum: ["pending", "applied", "ignored", "refused"] }).notNull(),
    detail: text("detail"),
    workspaceId: uuid("workspace_id"),
    paymentId: uuid("payment_id"),
  },
  (table) => [index("stripe_events_by_receipt").on(table.receivedAt)],
);

/** Refunds, whether or not their payment is known yet. */
export const stripeRefunds = pgTable(
  "stripe_refunds",
  {
    id: text("id").primaryKey(),
    paymentIntentId: text("payment_intent_id").notNull(),
    amountCents: cents("amount_cents").notNull(),
    failed: boolean("failed").notNull().default(false),
  },
  (table) => [index("stripe_refunds_by_payment_intent").on(table.paymentIntentId)],
);

/** Charges, for what was refunded of them and for their receipts. */
export const stripeCharges = pgTable(
  "stripe_charges",
  {
    id: text("id").primaryKey(),
    paymentIntentId: text("payment_intent_id").notNull(),
    refundedCents: cents("refunded_cents").notNull().default(0n),
    receiptUrl: text("receipt_url"),
  },
  (table) => [index("stripe_charges_by_payment_intent").on(table.paymentIntentId)],
);

/** Disputes, whether or not their payment is known yet. */
export const stripeDisputes = pgTable(
  "stripe_disputes",
  {
    id: text("id").primaryKey(),
    paymentIntentId: text("payment_intent_id").notNull(),
    amountCents: cents("amount_cents").notNull(),
    reason: text("reason"),
    status: text("status").notNull(),
    statusAt: time("status_at").notNull(),
    withdrawnAt: time("withdrawn_at"),
    reinstatedAt: time("reinstated_at"),
    lostAt: time("lost_at"),
  },
  (table) => [index("stripe_disputes_by_payment_intent").on(table.paymentIntentId)],
);

/** Which payment paid an invoice. */
export const stripeInvoicePayments = pgTable(
  "stripe_invoice_payments",
  { paymentIntentId: text("payment_intent_id").primaryKey(), invoiceId: text("invoice_id").notNull() },
  (table) => [index("stripe_invoice_payments_by_invoice").on(table.invoiceId)],
);

/** Subscriptions as they were last read from Stripe. */
export const subscriptions = pgTable(
  "subscriptions",
  {
    id: text("id").primaryKey(),
    workspaceId: uuid("workspace_id").notNull(),
    livemode: boolean("livemode").notNull(),
    customerId: text("customer_id").notNull(),
    itemId: text("item_id"),
    priceId: text("price_id"),
    plan: text("plan"),
    interval: text("interval"),
    amountCents: cents("amount_cents"),
    status: text("status").notNull(),
    cancelAtPeriodEnd: boolean("cancel_at_period_end").notNull().default(false),
    cancelAt: time("cancel_at"),
    periodStart: time("period_start"),
    periodEnd: time("period_end"),
    pastDueSince: time("past_due_since"),
    endedAt: time("ended_at"),
    startedAt: time("started_at").notNull(),
    version: integer("version").notNull().default(0),
    updatedAt: time("updated_at").notNull().defaultNow(),
  },
  (table) => [index("subscriptions_by_workspace").on(table.workspaceId, table.startedAt.desc())],
);

/** Invoices, to be listed. */
export const invoices = pgTable(
  "invoices",
  {
    id: text("id").primaryKey(),
    workspaceId: uuid("workspace_id").notNull(),
    subscriptionId: text("subscription_id"),
    number: text("number"),
    status: text("status").notNull(),
    currency: text("currency").notNull(),
    totalCents: cents("total_cents").notNull(),
    paidCents: cents("paid_cents").notNull(),
    dueCents: cents("due_cents").notNull(),
    hostedUrl: text("hosted_url"),
    pdfUrl: text("pdf_url"),
    periodStart: time("period_start"),
    periodEnd: time("period_end"),
    createdAt: time("created_at").notNull(),
    toldAt: time("told_at").notNull(),
  },
  (table) => [index("invoices_by_workspace").on(table.workspaceId, table.createdAt.desc())],
);

/** Which workspaces buy credit by themselves, and when. */
export const autoTopUps = pgTable("auto_top_ups", {
  workspaceId: uuid("workspace_id").primaryKey(),
  enabled: boolean("enabled").notNull(),
  thresholdNano: nano("threshold_nano").notNull(),
  creditNano: nano("credit_nano").notNull(),
  paymentMethodId: text("payment_method_id").notNull(),
  failures: integer("failures").notNull().default(0),
  nextAttemptAt: time("next_attempt_at").notNull().defaultNow(),
  lastError: text("last_error"),
  updatedAt: time("updated_at").notNull().defaultNow(),
});
