-- Credit that expires, coupons, what workspaces may spend, notifications, and who did what.

alter table workspaces
  add column suspended_reason text,
  add column budget_nano bigint check (budget_nano >= 0),
  add column budget_reset text check (budget_reset in ('daily', 'weekly', 'monthly'));

-- Credit with an end: what is left of each amount that was given until a day. A balance's rest has no end.
-- What remains is changed only by whoever holds the lock on the workspace's credit account.
create table credit_lots (
  id uuid primary key,
  workspace_id uuid not null references workspaces (id),
  -- The movement that brought it.
  transaction_id uuid not null unique references ledger_transactions (id),
  amount_nano bigint not null check (amount_nano > 0),
  remaining_nano bigint not null check (remaining_nano between 0 and amount_nano),
  expires_at timestamptz not null,
  warned_at timestamptz,
  created_at timestamptz not null default now()
);

create index credit_lots_to_use on credit_lots (workspace_id, expires_at, id) where remaining_nano > 0;
create index credit_lots_to_expire on credit_lots (expires_at, id) where remaining_nano > 0;

-- What use took of each workspace's account on each day (UTC): the batches of settlement would be too many lines to read.
create table ledger_days (
  account_id text not null references ledger_accounts (id),
  day date not null,
  used_nano bigint not null,
  primary key (account_id, day)
);

insert into ledger_days (account_id, day, used_nano)
select e.account_id, (t.created_at at time zone 'utc')::date, -sum(e.amount_nano)
from ledger_entries e
join ledger_transactions t on t.id = e.transaction_id and t.kind = 'usage'
join ledger_accounts a on a.id = e.account_id and a.kind in ('credit', 'internal')
group by 1, 2;

-- Gives an amount that was just credited its end. A debt that it paid back does not come again, so that is not part of it.
create function credit_lots_add(p_id uuid, p_workspace uuid, p_transaction uuid, p_amount bigint, p_expires timestamptz)
returns void language plpgsql as $$
declare
  balance bigint;
begin
  select balance_nano into strict balance from ledger_accounts where id = 'credit:' || p_workspace for no key update;
  insert into credit_lots (id, workspace_id, transaction_id, amount_nano, remaining_nano, expires_at)
  values (p_id, p_workspace, p_transaction, p_amount, least(p_amount, greatest(0, balance)), p_expires);
end $$;

-- Takes an amount from what expires first; what is beyond all of it was credit without an end.
create function credit_lots_use(p_workspace uuid, p_amount bigint) returns void language sql as $$
  update credit_lots l set remaining_nano = l.remaining_nano - u.taken
  from (
    select id, least(remaining_nano, p_amount - before) as taken
    from (
      select id, remaining_nano,
        sum(remaining_nano) over (order by expires_at, id) - remaining_nano as before
      from credit_lots where workspace_id = p_workspace and remaining_nano > 0) o
    where before < p_amount) u
  where l.id = u.id;
$$;

-- Follows each movement: what left a credit account is taken from its lots (an expiry takes from its own lot itself), and
-- use is summed by day. It runs after `ledger_entries_apply`, which has locked the accounts: triggers run by name.
create function ledger_follow() returns trigger language plpgsql as $$
begin
  perform credit_lots_use(a.workspace_id, -n.amount_nano)
  from added n
  join ledger_accounts a on a.id = n.account_id and a.kind = 'credit'
  join ledger_transactions t on t.id = n.transaction_id and t.kind <> 'expiry'
  where n.amount_nano < 0
    and exists (select 1 from credit_lots l where l.workspace_id = a.workspace_id and l.remaining_nano > 0);
  insert into ledger_days as d (account_id, day, used_nano)
  select n.account_id, (t.created_at at time zone 'utc')::date, -sum(n.amount_nano)::bigint
  from added n
  join ledger_transactions t on t.id = n.transaction_id and t.kind = 'usage'
  join ledger_accounts a on a.id = n.account_id and a.kind in ('credit', 'internal')
  group by 1, 2 order by 1, 2
  on conflict (account_id, day) do update set used_nano = d.used_nano + excluded.used_nano;
  return null;
end $$;

create trigger ledger_entries_follow after insert on ledger_entries
  referencing new table as added for each statement execute function ledger_follow();

create table coupons (
  id uuid primary key,
  -- In capitals: codes are compared without regard to case.
  code text not null unique check (code = upper(code)),
  amount_nano bigint not null check (amount_nano > 0),
  max_redemptions integer not null check (max_redemptions > 0),
  redemptions integer not null default 0,
  -- When it can no longer be redeemed.
  expires_at timestamptz,
  -- How long the credit lasts once it is redeemed; null: for ever.
  credit_days integer check (credit_days > 0),
  note text,
  disabled_at timestamptz,
  created_at timestamptz not null default now(),
  constraint coupon_is_not_used_too_often check (redemptions between 0 and max_redemptions)
);

create table coupon_redemptions (
  coupon_id uuid not null references coupons (id),
  workspace_id uuid not null references workspaces (id),
  redeemed_at timestamptz not null default now(),
  primary key (coupon_id, workspace_id)
);

create index coupon_redemptions_by_workspace on coupon_redemptions (workspace_id);

-- What a workspace is to be told. One is written once for each key.
create table notifications (
  id uuid primary key,
  workspace_id uuid not null references workspaces (id),
  kind text not null,
  dedupe_key text not null unique,
  details jsonb not null default '{}',
  created_at timestamptz not null default now(),
  read_at timestamptz,
  sent_at timestamptz
);

create index notifications_by_workspace on notifications (workspace_id, created_at desc);
create index notifications_to_send on notifications (created_at) where sent_at is null;

create table audit_log (
  -- Ordered by time, so pages are read by it.
  id uuid primary key,
  at timestamptz not null default now(),
  actor text not null,
  action text not null,
  workspace_id uuid,
  -- What was acted on: an id.
  target text,
  -- Never holds a secret.
  details jsonb not null default '{}'
);

create index audit_log_by_workspace on audit_log (workspace_id, id);

create function audit_refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'the audit log is append only' using errcode = 'SLU05';
end $$;

create trigger audit_log_append_only before update or delete or truncate on audit_log
  for each statement execute function audit_refuse_change();
