-- Accounts, keys, the record of each request, and settings that are changed while running.
-- Money is a bigint of nano-US-dollars in columns named *_nano.

create table workspaces (
  id uuid primary key,
  name text not null,
  plan text not null default 'payg',
  billing text not null check (billing in ('internal', 'prepaid')),
  balance_nano bigint not null default 0,
  granted_nano bigint not null default 0,
  used_nano bigint not null default 0,
  created_at timestamptz not null default now(),
  suspended_at timestamptz
);

create table api_keys (
  id uuid primary key,
  workspace_id uuid not null references workspaces (id),
  hash text not null unique,
  label text not null,
  name text not null,
  kind text not null default 'inference' check (kind in ('inference', 'provisioning')),
  disabled boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  expires_at timestamptz,
  models text[],
  limit_nano bigint,
  limit_reset text check (limit_reset in ('daily', 'weekly', 'monthly')),
  rpm integer,
  rpd integer,
  used_nano bigint not null default 0,
  last_used_at timestamptz,
  deleted_at timestamptz
);

create index api_keys_by_workspace on api_keys (workspace_id, created_at);

create table requests (
  id text primary key,
  created_at timestamptz not null,
  workspace_id uuid not null,
  key_id uuid not null,
  surface text not null,
  dialect text not null,
  path text not null check (path in ('relay', 'convert')),
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
  usage_source text not null check (usage_source in ('measured', 'estimated', 'none')),
  cost_nano bigint not null default 0,
  first_token_ms integer,
  duration_ms integer not null,
  attempts jsonb not null default '[]',
  losses jsonb not null default '[]',
  client text,
  cancelled boolean not null default false
);

create index requests_by_workspace on requests (workspace_id, created_at desc);
create index requests_by_key on requests (key_id, created_at desc);

create table settings (
  key text primary key,
  value jsonb not null,
  updated_at timestamptz not null default now()
);
