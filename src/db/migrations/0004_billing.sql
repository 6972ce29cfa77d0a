-- Payments through Stripe. What Stripe charges is in whole cents; what it buys is in nano-US-dollars.
-- Facts that Stripe tells (refunds, disputes) are kept as they come, in any order; the books follow from all of them.

create table billing_customers (
  workspace_id uuid not null references workspaces (id),
  livemode boolean not null,
  customer_id text not null unique,
  -- The payment method that was saved last, for automatic top-ups.
  payment_method_id text,
  payment_method_at timestamptz,
  -- Counts the pages that were opened to begin a subscription: only the last one may stay open.
  checkout_generation integer not null default 0,
  created_at timestamptz not null default now(),
  primary key (workspace_id, livemode)
);

-- Everything that is or was to be paid. A top-up's row is there before Stripe is asked.
create table payments (
  id uuid primary key,
  workspace_id uuid not null references workspaces (id),
  kind text not null check (kind in ('top-up', 'auto-top-up', 'subscription')),
  -- Only ever moves on: open, processing, failed or expired, paid.
  status text not null default 'open' check (status in ('open', 'processing', 'failed', 'expired', 'paid')),
  livemode boolean not null,
  currency text not null,
  amount_cents bigint not null check (amount_cents > 0),
  fee_cents bigint not null default 0 check (fee_cents >= 0),
  credit_nano bigint not null check (credit_nano >= 0),
  package_id text,
  customer_id text,
  payment_method_id text,
  session_id text unique,
  payment_intent_id text unique,
  invoice_id text unique,
  error text,
  credited_at timestamptz,
  -- What the books show as given back: to the customer, held back by a dispute, and of that taken from the customer.
  refunded_cents bigint not null default 0,
  disputed_cents bigint not null default 0,
  charged_back_cents bigint not null default 0,
  -- A bank took money back at least once, whatever came of it.
  disputed boolean not null default false,
  -- How many corrections were posted: the number is part of their keys.
  corrections integer not null default 0,
  -- When Stripe was last asked about it.
  checked_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create index payments_by_workspace on payments (workspace_id, created_at desc);
create index payments_under_way on payments (created_at) where status in ('open', 'processing');
create unique index payments_one_automatic_at_a_time on payments (workspace_id)
  where kind = 'auto-top-up' and status in ('open', 'processing');

-- Each event once: its row is written in the transaction that has its effect.
create table stripe_events (
  id text primary key,
  type text not null,
  created_at timestamptz not null,
  received_at timestamptz not null default now(),
  outcome text not null check (outcome in ('pending', 'applied', 'ignored', 'refused')),
  detail text,
  workspace_id uuid,
  payment_id uuid
);

create index stripe_events_by_receipt on stripe_events (received_at);
create index stripe_events_refused on stripe_events (received_at desc) where outcome = 'refused';

create table stripe_refunds (
  id text primary key,
  payment_intent_id text not null,
  amount_cents bigint not null,
  -- Failed or cancelled: the money came back.
  failed boolean not null default false
);

create index stripe_refunds_by_payment_intent on stripe_refunds (payment_intent_id);

create table stripe_charges (
  id text primary key,
  payment_intent_id text not null,
  -- The most that was ever refunded of it.
  refunded_cents bigint not null default 0,
  receipt_url text
);

create index stripe_charges_by_payment_intent on stripe_charges (payment_intent_id);

create table stripe_disputes (
  id text primary key,
  payment_intent_id text not null,
  amount_cents bigint not null,
  reason text,
  status text not null,
  status_at timestamptz not null,
  -- The latest news that the money was taken, that it came back, and that the dispute was lost.
  withdrawn_at timestamptz,
  reinstated_at timestamptz,
  lost_at timestamptz
);

create index stripe_disputes_by_payment_intent on stripe_disputes (payment_intent_id);

create table stripe_invoice_payments (
  payment_intent_id text primary key,
  invoice_id text not null
);

create index stripe_invoice_payments_by_invoice on stripe_invoice_payments (invoice_id);

create table subscriptions (
  id text primary key,
  workspace_id uuid not null references workspaces (id),
  livemode boolean not null,
  customer_id text not null,
  item_id text,
  price_id text,
  -- Null when the price is none of ours.
  plan text,
  interval text,
  amount_cents bigint,
  status text not null,
  cancel_at_period_end boolean not null default false,
  cancel_at timestamptz,
  period_start timestamptz,
  period_end timestamptz,
  past_due_since timestamptz,
  ended_at timestamptz,
  started_at timestamptz not null,
  -- Counts the times it was read from Stripe: a reading that began before another one ended is not written.
  version integer not null default 0,
  updated_at timestamptz not null default now()
);

create index subscriptions_by_workspace on subscriptions (workspace_id, started_at desc);
create index subscriptions_past_due on subscriptions (past_due_since) where status = 'past_due';

create table invoices (
  id text primary key,
  workspace_id uuid not null references workspaces (id),
  subscription_id text,
  number text,
  status text not null,
  currency text not null,
  total_cents bigint not null,
  paid_cents bigint not null,
  due_cents bigint not null,
  hosted_url text,
  pdf_url text,
  period_start timestamptz,
  period_end timestamptz,
  created_at timestamptz not null,
  -- When the event happened that this row was last written from.
  told_at timestamptz not null
);

create index invoices_by_workspace on invoices (workspace_id, created_at desc);

create table auto_top_ups (
  workspace_id uuid primary key references workspaces (id),
  enabled boolean not null,
  threshold_nano bigint not null check (threshold_nano >= 0),
  credit_nano bigint not null check (credit_nano > 0),
  payment_method_id text not null,
  -- In a row; a payment that succeeds ends them.
  failures integer not null default 0,
  next_attempt_at timestamptz not null default now(),
  last_error text,
  updated_at timestamptz not null default now()
);

create index auto_top_ups_enabled on auto_top_ups (next_attempt_at) where enabled;
