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
  constraint api_keys_hash_key UNIQUE (hash),
  constraint api_keys_kind_check CHECK ((kind = ANY (ARRAY['inference'::text, 'provisioning'::text]))),
  constraint api_keys_limit_reset_check CHECK ((limit_reset = ANY (ARRAY['daily'::text, 'weekly'::text, 'monthly'::text]))),
  constraint api_keys_pkey PRIMARY KEY (id),
  constraint api_keys_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES workspaces(id)
);
CREATE INDEX api_keys_by_workspace ON public.api_keys USING btree (workspace_id, created_at);

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

create table workspaces (
  id uuid not null,
  name text not null,
  plan text not null default 'payg'::text,
  billing text not null,
  balance_nano bigint not null default 0,
  granted_nano bigint not null default 0,
  used_nano bigint not null default 0,
  created_at timestamp with time zone not null default now(),
  suspended_at timestamp with time zone,
  constraint workspaces_billing_check CHECK ((billing = ANY (ARRAY['internal'::text, 'prepaid'::text]))),
  constraint workspaces_pkey PRIMARY KEY (id)
);
