-- Generated from the migrations; a test compares it.

create table api_keys (
  id uuid not null,
  workspace_id uuid not null,
  hash text not null,
  label text not null,
  name text not null,
  kind text not null default 'inference'::text,
  disabled boolean not null default false,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone,
  models text[],
  limit_nano bigint,
  limit_reset text,
  rpm integer,
  rpd integer,
  used_nano bigint not null default 0,
  last_used_at timestamp with time zone,
  deleted_at timestamp with time zone,
  providers text[],
  ip_allow text[],
  model_caps jsonb,
  tpm integer,
  previous_hash text,
  previous_expires_at timestamp with time zone,
  constraint api_keys_hash_key UNIQUE (hash),
  constraint api_keys_kind_check CHECK ((kind = ANY (ARRAY['inference'::text, 'provisioning'::text]))),
  constraint api_keys_limit_reset_check CHECK ((limit_reset = ANY (ARRAY['daily'::text, 'weekly'::text, 'monthly'::text]))),
  constraint api_keys_pkey PRIMARY KEY (id),
  constraint api_keys_previous_hash_key UNIQUE (previous_hash),
  constraint api_keys_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES workspaces(id)
);
CREATE INDEX api_keys_by_workspace ON public.api_keys USING btree (workspace_id, created_at);

create table audit_log (
  id uuid not null,
  at timestamp with time zone not null default now(),
  actor text not null,
  action text not null,
  workspace_id uuid,
  target text,
  details jsonb not null default '{}'::jsonb,
  constraint audit_log_pkey PRIMARY KEY (id)
);
CREATE INDEX audit_log_by_workspace ON public.audit_log USING btree (workspace_id, id);

create table auto_top_ups (
  workspace_id uuid not null,
  enabled boolean not null,
  threshold_nano bigint not null,
  credit_nano bigint not null,
  payment_method_id text not null,
  failures integer not null default 0,
  next_attempt_at timestamp with time zone not null default now(),
  last_error text,
  updated_at timestamp with time zone not null default now(),
  constraint auto_top_ups_credit_nano_check CHECK ((credit_nano > 0)),
  constraint auto_top_ups_pkey PRIMARY KEY (workspace_id),
  constraint auto_top_ups_threshold_nano_check CHECK ((threshold_nano >= 0)),
  constraint auto_top_ups_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES workspaces(id)
);
CREATE INDEX auto_top_ups_enabled ON public.auto_top_ups USING btree (next_attempt_at) WHERE enabled;

create table billing_customers (
  workspace_id uuid not null,
  livemode boolean not null,
  customer_id text not null,
  payment_method_id text,
  payment_method_at timestamp with time zone,
  checkout_generation integer not null default 0,
  created_at timestamp with time zone not null default now(),
  constraint billing_customers_customer_id_key UNIQUE (customer_id),
  constraint billing_customers_pkey PRIMARY KEY (workspace_id, livemode),
  constraint billing_customers_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES workspaces(id)
);

create table coupon_redemptions (
  coupon_id uuid not null,
  workspace_id uuid not null,
  redeemed_at timestamp with time zone not null default now(),
  constraint coupon_redemptions_coupon_id_fkey FOREIGN KEY (coupon_id) REFERENCES coupons(id),
  constraint coupon_redemptions_pkey PRIMARY KEY (coupon_id, workspace_id),
  constraint coupon_redemptions_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES workspaces(id)
);
CREATE INDEX coupon_redemptions_by_workspace ON public.coupon_redemptions USING btree (workspace_id);

create table coupons (
  id uuid not null,
  code text not null,
  amount_nano bigint not null,
  max_redemptions integer not null,
  redemptions integer not null default 0,
  expires_at timestamp with time zone,
  credit_days integer,
  note text,
  disabled_at timestamp with time zone,
  created_at timestamp with time zone not null default now(),
  constraint coupon_is_not_used_too_often CHECK (((redemptions >= 0) AND (redemptions <= max_redemptions))),
  constraint coupons_amount_nano_check CHECK ((amount_nano > 0)),
  constraint coupons_code_check CHECK ((code = upper(code))),
  constraint coupons_code_key UNIQUE (code),
  constraint coupons_credit_days_check CHECK ((credit_days > 0)),
  constraint coupons_max_redemptions_check CHECK ((max_redemptions > 0)),
  constraint coupons_pkey PRIMARY KEY (id)
);

create table credit_lots (
  id uuid not null,
  workspace_id uuid not null,
  transaction_id uuid not null,
  amount_nano bigint not null,
  remaining_nano bigint not null,
  expires_at timestamp with time zone not null,
  warned_at timestamp with time zone,
  created_at timestamp with time zone not null default now(),
  constraint credit_lots_amount_nano_check CHECK ((amount_nano > 0)),
  constraint credit_lots_check CHECK (((remaining_nano >= 0) AND (remaining_nano <= amount_nano))),
  constraint credit_lots_pkey PRIMARY KEY (id),
  constraint credit_lots_transaction_id_fkey FOREIGN KEY (transaction_id) REFERENCES ledger_transactions(id),
  constraint credit_lots_transaction_id_key UNIQUE (transaction_id),
  constraint credit_lots_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES workspaces(id)
);
CREATE INDEX credit_lots_to_expire ON public.credit_lots USING btree (expires_at, id) WHERE (remaining_nano > 0);
CREATE INDEX credit_lots_to_use ON public.credit_lots USING btree (workspace_id, expires_at, id) WHERE (remaining_nano > 0);

create table invoices (
  id text not null,
  workspace_id uuid not null,
  subscription_id text,
  number text,
  status text not null,
  currency text not null,
  total_cents bigint not null,
  paid_cents bigint not null,
  due_cents bigint not null,
  hosted_url text,
  pdf_url text,
  period_start timestamp with time zone,
  period_end timestamp with time zone,
  created_at timestamp with time zone not null,
  told_at timestamp with time zone not null,
  constraint invoices_pkey PRIMARY KEY (id),
  constraint invoices_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES workspaces(id)
);
CREATE INDEX invoices_by_workspace ON public.invoices USING btree (workspace_id, created_at DESC);

create table leases (
  node_id uuid not null,
  purse text not null,
  amount bigint not null,
  constraint leases_amount_check CHECK ((amount >= 0)),
  constraint leases_node_id_fkey FOREIGN KEY (node_id) REFERENCES nodes(id),
  constraint leases_pkey PRIMARY KEY (node_id, purse)
);
CREATE INDEX leases_by_purse ON public.leases USING btree (purse);

create table ledger_accounts (
  id text not null,
  kind text not null,
  workspace_id uuid,
  balance_nano bigint not null default 0,
  held_nano bigint not null default 0,
  spent_nano bigint not null default 0,
  overdrawn boolean not null default false,
  recalled_at timestamp with time zone,
  created_at timestamp with time zone not null default now(),
  constraint credit_is_never_overspent CHECK (((kind <> 'credit'::text) OR (balance_nano >= held_nano) OR overdrawn)),
  constraint ledger_accounts_held_nano_check CHECK ((held_nano >= 0)),
  constraint ledger_accounts_pkey PRIMARY KEY (id),
  constraint ledger_accounts_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES workspaces(id)
);
CREATE INDEX ledger_accounts_by_workspace ON public.ledger_accounts USING btree (workspace_id);

create table ledger_days (
  account_id text not null,
  day date not null,
  used_nano bigint not null,
  constraint ledger_days_account_id_fkey FOREIGN KEY (account_id) REFERENCES ledger_accounts(id),
  constraint ledger_days_pkey PRIMARY KEY (account_id, day)
);

create table ledger_entries (
  transaction_id uuid not null,
  account_id text not null,
  amount_nano bigint not null,
  constraint ledger_entries_account_id_fkey FOREIGN KEY (account_id) REFERENCES ledger_accounts(id),
  constraint ledger_entries_amount_nano_check CHECK ((amount_nano <> 0)),
  constraint ledger_entries_pkey PRIMARY KEY (transaction_id, account_id),
  constraint ledger_entries_transaction_id_fkey FOREIGN KEY (transaction_id) REFERENCES ledger_transactions(id)
);
CREATE INDEX ledger_entries_by_account ON public.ledger_entries USING btree (account_id, transaction_id);

create table ledger_transactions (
  id uuid not null,
  kind text not null,
  idempotency_key text not null,
  input_hash text not null,
  workspace_id uuid,
  reason text,
  reference text,
  actor text not null,
  created_at timestamp with time zone not null default now(),
  constraint ledger_transactions_idempotency_key_key UNIQUE (idempotency_key),
  constraint ledger_transactions_pkey PRIMARY KEY (id)
);
CREATE INDEX ledger_transactions_by_workspace ON public.ledger_transactions USING btree (workspace_id, created_at DESC);

create table nodes (
  id uuid not null,
  started_at timestamp with time zone not null default now(),
  heartbeat_at timestamp with time zone not null default now(),
  returned bigint not null default 0,
  constraint nodes_pkey PRIMARY KEY (id)
);

create table notifications (
  id uuid not null,
  workspace_id uuid not null,
  kind text not null,
  dedupe_key text not null,
  details jsonb not null default '{}'::jsonb,
  created_at timestamp with time zone not null default now(),
  read_at timestamp with time zone,
  sent_at timestamp with time zone,
  constraint notifications_dedupe_key_key UNIQUE (dedupe_key),
  constraint notifications_pkey PRIMARY KEY (id),
  constraint notifications_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES workspaces(id)
);
CREATE INDEX notifications_by_workspace ON public.notifications USING btree (workspace_id, created_at DESC);
CREATE INDEX notifications_to_send ON public.notifications USING btree (created_at) WHERE (sent_at IS NULL);

create table payments (
  id uuid not null,
  workspace_id uuid not null,
  kind text not null,
  status text not null default 'open'::text,
  livemode boolean not null,
  currency text not null,
  amount_cents bigint not null,
  fee_cents bigint not null default 0,
  credit_nano bigint not null,
  package_id text,
  customer_id text,
  payment_method_id text,
  session_id text,
  payment_intent_id text,
  invoice_id text,
  error text,
  credited_at timestamp with time zone,
  refunded_cents bigint not null default 0,
  disputed_cents bigint not null default 0,
  charged_back_cents bigint not null default 0,
  disputed boolean not null default false,
  corrections integer not null default 0,
  checked_at timestamp with time zone,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  constraint payments_amount_cents_check CHECK ((amount_cents > 0)),
  constraint payments_credit_nano_check CHECK ((credit_nano >= 0)),
  constraint payments_fee_cents_check CHECK ((fee_cents >= 0)),
  constraint payments_invoice_id_key UNIQUE (invoice_id),
  constraint payments_kind_check CHECK ((kind = ANY (ARRAY['top-up'::text, 'auto-top-up'::text, 'subscription'::text]))),
  constraint payments_payment_intent_id_key UNIQUE (payment_intent_id),
  constraint payments_pkey PRIMARY KEY (id),
  constraint payments_session_id_key UNIQUE (session_id),
  constraint payments_status_check CHECK ((status = ANY (ARRAY['open'::text, 'processing'::text, 'failed'::text, 'expired'::text, 'paid'::text]))),
  constraint payments_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES workspaces(id)
);
CREATE INDEX payments_by_workspace ON public.payments USING btree (workspace_id, created_at DESC);
CREATE UNIQUE INDEX payments_one_automatic_at_a_time ON public.payments USING btree (workspace_id) WHERE ((kind = 'auto-top-up'::text) AND (status = ANY (ARRAY['open'::text, 'processing'::text])));
CREATE INDEX payments_under_way ON public.payments USING btree (created_at) WHERE (status = ANY (ARRAY['open'::text, 'processing'::text]));

create table price_overrides (
  endpoint_id text not null,
  price jsonb not null,
  source text not null,
  effective_at timestamp with time zone not null,
  applied_at timestamp with time zone not null default now(),
  constraint price_overrides_pkey PRIMARY KEY (endpoint_id)
);

create table purses (
  id text not null,
  used bigint not null default 0,
  held bigint not null default 0,
  recalled_at timestamp with time zone,
  expires_at timestamp with time zone,
  constraint purses_held_check CHECK ((held >= 0)),
  constraint purses_pkey PRIMARY KEY (id)
);

create table requests (
  id text not null,
  created_at timestamp with time zone not null,
  workspace_id uuid not null,
  key_id uuid not null,
  surface text not null,
  dialect text not null,
  path text not null,
  model_requested text not null,
  model text,
  provider text,
  endpoint text,
  upstream_model text,
  upstream_id text,
  streamed boolean not null,
  status integer not null,
  error_code text,
  finish_reason text,
  tokens_input bigint not null default 0,
  tokens_cache_read bigint not null default 0,
  tokens_cache_write_5m bigint not null default 0,
  tokens_cache_write_1h bigint not null default 0,
  tokens_output bigint not null default 0,
  tokens_thinking bigint not null default 0,
  tokens_image_input bigint not null default 0,
  tokens_image_output bigint not null default 0,
  tokens_audio_input bigint not null default 0,
  tokens_audio_output bigint not null default 0,
  web_searches bigint not null default 0,
  usage_source text not null,
  cost_nano bigint not null default 0,
  first_token_ms integer,
  duration_ms integer not null,
  attempts jsonb not null default '[]'::jsonb,
  losses jsonb not null default '[]'::jsonb,
  client text,
  cancelled boolean not null default false,
  outcome text not null default 'posted'::text,
  paid_by text not null default 'credit'::text,
  hold_nano bigint not null default 0,
  loss_nano bigint not null default 0,
  provider_cost_nano bigint not null default 0,
  clamped boolean not null default false,
  settlement_id uuid,
  routing jsonb,
  constraint requests_outcome_check CHECK ((outcome = ANY (ARRAY['posted'::text, 'voided'::text, 'expired'::text, 'refused'::text]))),
  constraint requests_paid_by_check CHECK ((paid_by = ANY (ARRAY['credit'::text, 'allowance'::text, 'free'::text, 'internal'::text, 'none'::text]))),
  constraint requests_path_check CHECK ((path = ANY (ARRAY['relay'::text, 'convert'::text]))),
  constraint requests_pkey PRIMARY KEY (id),
  constraint requests_usage_source_check CHECK ((usage_source = ANY (ARRAY['measured'::text, 'estimated'::text, 'none'::text])))
);
CREATE INDEX requests_by_key ON public.requests USING btree (key_id, created_at DESC);
CREATE INDEX requests_by_workspace ON public.requests USING btree (workspace_id, created_at DESC);

create table schema_migrations (
  id integer not null,
  name text not null,
  sha256 text not null,
  applied_at timestamp with time zone not null default now(),
  constraint schema_migrations_pkey PRIMARY KEY (id)
);

create table settings (
  key text not null,
  value jsonb not null,
  updated_at timestamp with time zone not null default now(),
  constraint settings_pkey PRIMARY KEY (key)
);

create table stripe_charges (
  id text not null,
  payment_intent_id text not null,
  refunded_cents bigint not null default 0,
  receipt_url text,
  constraint stripe_charges_pkey PRIMARY KEY (id)
);
CREATE INDEX stripe_charges_by_payment_intent ON public.stripe_charges USING btree (payment_intent_id);

create table stripe_disputes (
  id text not null,
  payment_intent_id text not null,
  amount_cents bigint not null,
  reason text,
  status text not null,
  status_at timestamp with time zone not null,
  withdrawn_at timestamp with time zone,
  reinstated_at timestamp with time zone,
  lost_at timestamp with time zone,
  constraint stripe_disputes_pkey PRIMARY KEY (id)
);
CREATE INDEX stripe_disputes_by_payment_intent ON public.stripe_disputes USING btree (payment_intent_id);

create table stripe_events (
  id text not null,
  type text not null,
  created_at timestamp with time zone not null,
  received_at timestamp with time zone not null default now(),
  outcome text not null,
  detail text,
  workspace_id uuid,
  payment_id uuid,
  constraint stripe_events_outcome_check CHECK ((outcome = ANY (ARRAY['pending'::text, 'applied'::text, 'ignored'::text, 'refused'::text]))),
  constraint stripe_events_pkey PRIMARY KEY (id)
);
CREATE INDEX stripe_events_by_receipt ON public.stripe_events USING btree (received_at);
CREATE INDEX stripe_events_refused ON public.stripe_events USING btree (received_at DESC) WHERE (outcome = 'refused'::text);

create table stripe_invoice_payments (
  payment_intent_id text not null,
  invoice_id text not null,
  constraint stripe_invoice_payments_pkey PRIMARY KEY (payment_intent_id)
);
CREATE INDEX stripe_invoice_payments_by_invoice ON public.stripe_invoice_payments USING btree (invoice_id);

create table stripe_refunds (
  id text not null,
  payment_intent_id text not null,
  amount_cents bigint not null,
  failed boolean not null default false,
  constraint stripe_refunds_pkey PRIMARY KEY (id)
);
CREATE INDEX stripe_refunds_by_payment_intent ON public.stripe_refunds USING btree (payment_intent_id);

create table subscriptions (
  id text not null,
  workspace_id uuid not null,
  livemode boolean not null,
  customer_id text not null,
  item_id text,
  price_id text,
  plan text,
  interval text,
  amount_cents bigint,
  status text not null,
  cancel_at_period_end boolean not null default false,
  cancel_at timestamp with time zone,
  period_start timestamp with time zone,
  period_end timestamp with time zone,
  past_due_since timestamp with time zone,
  ended_at timestamp with time zone,
  started_at timestamp with time zone not null,
  version integer not null default 0,
  updated_at timestamp with time zone not null default now(),
  constraint subscriptions_pkey PRIMARY KEY (id),
  constraint subscriptions_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES workspaces(id)
);
CREATE INDEX subscriptions_by_workspace ON public.subscriptions USING btree (workspace_id, started_at DESC);
CREATE INDEX subscriptions_past_due ON public.subscriptions USING btree (past_due_since) WHERE (status = 'past_due'::text);

create table workspaces (
  id uuid not null,
  name text not null,
  plan text not null default 'payg'::text,
  billing text not null,
  created_at timestamp with time zone not null default now(),
  suspended_at timestamp with time zone,
  suspended_reason text,
  budget_nano bigint,
  budget_reset text,
  constraint workspaces_billing_check CHECK ((billing = ANY (ARRAY['internal'::text, 'prepaid'::text]))),
  constraint workspaces_budget_nano_check CHECK ((budget_nano >= 0)),
  constraint workspaces_budget_reset_check CHECK ((budget_reset = ANY (ARRAY['daily'::text, 'weekly'::text, 'monthly'::text]))),
  constraint workspaces_pkey PRIMARY KEY (id)
);
