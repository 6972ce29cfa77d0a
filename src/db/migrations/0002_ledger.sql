-- The ledger: double entry, append only. Amounts are bigint nano-US-dollars unless a column says otherwise.
-- Money is set aside for a node in leases; a node serves its calls' holds from them without asking again.
-- Rows are locked `for no key update`: the stronger lock would wait for every transaction that merely refers to a row,
-- and two settlements would wait for each other.

create table ledger_accounts (
  id text primary key,
  kind text not null,
  workspace_id uuid references workspaces (id),
  balance_nano bigint not null default 0,
  -- What nodes have leased of a credit account. It cannot be spent twice.
  held_nano bigint not null default 0 check (held_nano >= 0),
  -- What use has taken in all: beside the balance it tells what was ever credited.
  spent_nano bigint not null default 0,
  -- Only a refund or a dispute may take credit below what is held; spending is blocked until it is paid back.
  overdrawn boolean not null default false,
  -- A node found too little here while others held more: leases are to be returned, and no slices are given out.
  recalled_at timestamptz,
  created_at timestamptz not null default now(),
  constraint credit_is_never_overspent check (kind <> 'credit' or balance_nano >= held_nano or overdrawn)
);

create index ledger_accounts_by_workspace on ledger_accounts (workspace_id);

create table ledger_transactions (
  id uuid primary key,
  kind text not null,
  idempotency_key text not null unique,
  input_hash text not null,
  workspace_id uuid,
  reason text,
  reference text,
  actor text not null,
  created_at timestamptz not null default now()
);

create index ledger_transactions_by_workspace on ledger_transactions (workspace_id, created_at desc);

create table ledger_entries (
  transaction_id uuid not null references ledger_transactions (id),
  account_id text not null references ledger_accounts (id),
  amount_nano bigint not null check (amount_nano <> 0),
  primary key (transaction_id, account_id)
);

create index ledger_entries_by_account on ledger_entries (account_id, transaction_id);

-- A balance changes only here: with the entries, which sum to zero in each transaction. Accounts are locked in order.
create function ledger_apply() returns trigger language plpgsql as $$
begin
  if exists (select 1 from added group by transaction_id having sum(amount_nano) <> 0) then
    raise exception 'the entries of a ledger transaction do not sum to zero' using errcode = 'SLU01';
  end if;
  perform 1 from ledger_accounts where id in (select account_id from added) order by id for no key update;
  update ledger_accounts a
  set balance_nano = a.balance_nano + s.total, overdrawn = a.overdrawn and a.balance_nano + s.total < a.held_nano
  from (select account_id, sum(amount_nano)::bigint as total from added group by account_id) s
  where a.id = s.account_id;
  return null;
end $$;

create trigger ledger_entries_apply after insert on ledger_entries
  referencing new table as added for each statement execute function ledger_apply();

create function ledger_refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'the ledger is append only' using errcode = 'SLU02';
end $$;

create trigger ledger_entries_append_only before update or delete or truncate on ledger_entries
  for each statement execute function ledger_refuse_change();
create trigger ledger_transactions_append_only before update or delete or truncate on ledger_transactions
  for each statement execute function ledger_refuse_change();

-- What can be used up and is not credit: a key's spend limit, a workspace's budget (nano-dollars), a day's included or
-- free requests (a count). The limit itself is a setting of the key, workspace or plan and comes with each question.
create table purses (
  id text primary key,
  used bigint not null default 0,
  held bigint not null default 0 check (held >= 0),
  recalled_at timestamptz,
  -- The end of its period; it may be deleted a while after.
  expires_at timestamptz
);

create table nodes (
  id uuid primary key,
  started_at timestamptz not null default now(),
  heartbeat_at timestamptz not null default now(),
  -- The number of the last return of leases: one whose answer was lost is asked for again under its number.
  returned bigint not null default 0
);

-- What a node may spend of an account or a purse without asking.
create table leases (
  node_id uuid not null references nodes (id),
  purse text not null,
  amount bigint not null check (amount >= 0),
  primary key (node_id, purse)
);

create index leases_by_purse on leases (purse);

-- One movement. Answers 'posted', or 'repeated' when the same key brought the same inputs before.
create function ledger_post(
  p_id uuid, p_kind text, p_key text, p_hash text, p_workspace uuid, p_reason text, p_reference text, p_actor text,
  p_accounts text[], p_amounts bigint[], p_overdraw boolean
) returns text language plpgsql as $$
declare
  known text;
begin
  insert into ledger_transactions (id, kind, idempotency_key, input_hash, workspace_id, reason, reference, actor)
  values (p_id, p_kind, p_key, p_hash, p_workspace, p_reason, p_reference, p_actor)
  on conflict (idempotency_key) do nothing;
  if not found then
    select input_hash into known from ledger_transactions where idempotency_key = p_key;
    if known is distinct from p_hash then
      raise exception 'the idempotency key was used with other inputs' using errcode = 'SLU03';
    end if;
    return 'repeated';
  end if;
  perform 1 from ledger_accounts where id = any (p_accounts) order by id for no key update;
  if p_overdraw then
    -- What nodes have leased and don't use is to come back.
    update ledger_accounts set overdrawn = true, recalled_at = now() where id = any (p_accounts) and kind = 'credit';
  elsif exists (
    select 1 from ledger_accounts a
    join (select account, sum(amount) as total from unnest(p_accounts, p_amounts) as u (account, amount) group by account) e
      on e.account = a.id
    where a.kind = 'credit' and e.total < 0 and a.balance_nano + e.total < a.held_nano) then
    raise exception 'the movement takes more than the free credit' using errcode = 'check_violation';
  end if;
  insert into ledger_entries (transaction_id, account_id, amount_nano)
  select p_id, account, sum(amount)::bigint from unnest(p_accounts, p_amounts) as e (account, amount)
  group by account having sum(amount) <> 0;
  return 'posted';
end $$;

-- A purse, and what was used of it before it was known or while calls did not note it: limits come, go and change. Use of
-- a key of all time is kept with the key; other use is summed from the records since a moment.
create function ledger_open_purse(p_id text, p_key uuid, p_workspace uuid, p_since timestamptz, p_expires timestamptz)
returns void language plpgsql as $$
declare
  found_used bigint;
begin
  insert into purses (id, expires_at) values (p_id, p_expires) on conflict (id) do nothing;
  perform 1 from purses where id = p_id for no key update;
  -- After the lock, so that what settles meanwhile is either in the sum or waits for this.
  if p_key is not null and p_since is null then
    select used_nano into found_used from api_keys where id = p_key;
  elsif p_key is not null then
    select sum(cost_nano) into found_used from requests
    where key_id = p_key and created_at >= p_since and paid_by in ('credit', 'internal');
  elsif p_workspace is not null then
    select sum(cost_nano) into found_used from requests
    where workspace_id = p_workspace and created_at >= coalesce(p_since, '-infinity') and paid_by in ('credit', 'internal');
  end if;
  update purses set used = found_used where id = p_id and used < found_used;
end $$;

-- Sets money (or a count) aside for a node: what is needed, and a slice more when there is plenty; all that is left when
-- that is at least `p_least`; else nothing, and leases of other nodes are recalled. A null limit means a credit account.
create function ledger_take(
  p_node uuid, p_purse text, p_limit bigint, p_needed bigint, p_least bigint, p_extra bigint
) returns table (granted bigint, available bigint, elsewhere bigint) language plpgsql as $$
declare
  recalled timestamptz;
begin
  perform 1 from nodes where id = p_node for key share;
  if not found then
    raise exception 'the node is not registered' using errcode = 'SLU04';
  end if;
  if p_limit is null then
    select balance_nano - held_nano, recalled_at into available, recalled
    from ledger_accounts where id = p_purse for no key update;
  else
    select p_limit - used - held, recalled_at into available, recalled from purses where id = p_purse for no key update;
  end if;
  available := greatest(coalesce(available, 0), 0);
  granted := 0;
  elsewhere := 0;
  if available >= p_needed then
    granted := p_needed;
    if recalled is null or recalled < now() - interval '10 seconds' then
      granted := granted + greatest(0, least(p_extra, (available - p_needed) / 8));
    end if;
  elsif available > 0 and available >= p_least then
    granted := available;
  end if;
  if granted < p_needed then
    select coalesce(sum(amount), 0) into elsewhere from leases where purse = p_purse and node_id <> p_node;
    if elsewhere > 0 then
      update ledger_accounts set recalled_at = now() where id = p_purse;
      update purses set recalled_at = now() where id = p_purse;
    end if;
  end if;
  if granted > 0 then
    update ledger_accounts set held_nano = held_nano + granted where id = p_purse;
    update purses set held = held + granted where id = p_purse;
    insert into leases (node_id, purse, amount) values (p_node, p_purse, granted)
    on conflict (node_id, purse) do update set amount = leases.amount + excluded.amount;
  end if;
  return next;
end $$;

-- Gives back what a node does not use of its leases, once for each number of the node's; without a number, each time.
create function ledger_return(p_node uuid, p_number bigint, p_purses text[], p_amounts bigint[])
returns void language plpgsql as $$
declare
  one record;
  given bigint;
begin
  update nodes set returned = coalesce(p_number, returned) where id = p_node and (p_number is null or returned < p_number);
  if not found then
    return;
  end if;
  for one in select purse, amount from unnest(p_purses, p_amounts) as u (purse, amount) order by purse like 'credit:%', purse loop
    perform 1 from ledger_accounts where id = one.purse for no key update;
    perform 1 from purses where id = one.purse for no key update;
    select least(l.amount, one.amount) into given from leases l where node_id = p_node and purse = one.purse for no key update;
    if given > 0 then
      update leases set amount = amount - given where node_id = p_node and purse = one.purse;
      update ledger_accounts
      set held_nano = held_nano - given, overdrawn = overdrawn and balance_nano < held_nano - given
      where id = one.purse;
      update purses set held = held - given where id = one.purse;
    end if;
  end loop;
  delete from leases where node_id = p_node and amount = 0;
end $$;

-- A node's sign of life. Answers the purses it has leases of that others wait for; fails when the node was given up.
create function ledger_beat(p_node uuid) returns setof text language plpgsql as $$
begin
  update nodes set heartbeat_at = now() where id = p_node;
  if not found then
    raise exception 'the node is not registered' using errcode = 'SLU04';
  end if;
  return query
    select l.purse from leases l
    left join ledger_accounts a on a.id = l.purse left join purses p on p.id = l.purse
    where l.node_id = p_node and coalesce(a.recalled_at, p.recalled_at) > now() - interval '5 seconds';
end $$;

-- Ends nodes that gave no sign of life for so long (or these at once): what they had leased can be spent again.
-- The strong lock of the node waits for what takes or settles its leases (`for key share`), which a beat does not disturb.
create function ledger_give_up(p_silent interval, p_nodes uuid[]) returns integer language plpgsql as $$
declare
  node uuid;
  one record;
  ended integer := 0;
begin
  for node in
    select id from nodes where id = any (p_nodes) or heartbeat_at < now() - p_silent order by id for update skip locked
  loop
    for one in select purse, amount from leases where node_id = node order by purse like 'credit:%', purse loop
      update ledger_accounts
      set held_nano = held_nano - one.amount, overdrawn = overdrawn and balance_nano < held_nano - one.amount
      where id = one.purse;
      update purses set held = held - one.amount where id = one.purse;
    end loop;
    delete from leases where node_id = node;
    delete from nodes where id = node;
    ended := ended + 1;
  end loop;
  return ended;
end $$;

alter table requests
  add column outcome text not null default 'posted' check (outcome in ('posted', 'voided', 'expired', 'refused')),
  add column paid_by text not null default 'credit' check (paid_by in ('credit', 'allowance', 'free', 'internal', 'none')),
  add column hold_nano bigint not null default 0,
  add column loss_nano bigint not null default 0,
  add column provider_cost_nano bigint not null default 0,
  add column clamped boolean not null default false,
  add column settlement_id uuid;

-- Part of what calls of one settlement cost is not billed after all: the operator's loss.
create function ledger_shed(p_calls text[], p_workspace uuid, p_amount bigint) returns void language plpgsql as $$
declare
  one record;
  remaining bigint := p_amount;
  part bigint;
begin
  for one in
    select id, cost_nano from requests
    where id = any (p_calls) and workspace_id = p_workspace and paid_by = 'credit' and cost_nano > 0
    order by cost_nano desc, id
  loop
    exit when remaining = 0;
    part := least(one.cost_nano, remaining);
    update requests set cost_nano = cost_nano - part, loss_nano = loss_nano + part where id = one.id;
    remaining := remaining - part;
  end loop;
end $$;

-- What calls of one batch have in common, and their sums.
create type settled_group as (
  workspace_id uuid,
  key_id uuid,
  provider text,
  paid_by text,
  -- A key's spend limit and a workspace's budget, which the cost uses up; a day's count of included or free requests.
  key_purse text,
  budget_purse text,
  count_purse text,
  cost_nano bigint,
  loss_nano bigint,
  provider_cost_nano bigint,
  counted bigint
);

-- Takes as much of a node's lease as there is, up to the amount, and says how much. Empty leases are left alone: whoever
-- returns a lease removes them without holding the locks of their purses.
create function ledger_use_lease(p_node uuid, p_purse text, p_amount bigint) returns bigint language plpgsql as $$
declare
  covered bigint;
begin
  select least(amount, p_amount) into covered from leases where node_id = p_node and purse = p_purse and amount > 0 for no key update;
  if coalesce(covered, 0) > 0 then
    update leases set amount = amount - covered where node_id = p_node and purse = p_purse;
  end if;
  return coalesce(covered, 0);
end $$;

-- Books finished calls, which were inserted by the same statement. Their cost is taken from the node's leases; where
-- these are gone (the node was given up), from what credit is left, and the rest is a loss: use never takes credit
-- below zero. Rows are locked in one order everywhere: keys, purses, credit, the other accounts.
create function ledger_settle(p_node uuid, p_id uuid, p_groups settled_group[], p_calls text[]) returns void
language plpgsql as $$
declare
  one record;
  covered bigint;
  spare bigint;
  lost bigint;
  accounts text[] := '{}';
  amounts bigint[] := '{}';
begin
  if p_groups is null then
    return;
  end if;
  perform 1 from nodes where id = p_node for key share;

  perform 1 from api_keys where id in (select key_id from unnest(p_groups)) order by id for no key update;
  update api_keys k set used_nano = k.used_nano + s.total, last_used_at = now()
  from (select key_id, sum(cost_nano)::bigint as total from unnest(p_groups) where paid_by in ('credit', 'internal') group by 1) s
  where k.id = s.key_id;

  for one in
    select purse, sum(amount)::bigint as amount from (
      select key_purse as purse, cost_nano as amount from unnest(p_groups)
      union all select budget_purse, cost_nano from unnest(p_groups)
      union all select count_purse, counted from unnest(p_groups)) u
    where purse is not null and amount > 0 group by purse order by purse
  loop
    perform 1 from purses where id = one.purse for no key update;
    covered := ledger_use_lease(p_node, one.purse, one.amount);
    update purses set used = used + one.amount, held = held - covered where id = one.purse;
  end loop;

  for one in
    select 'credit:' || workspace_id as account, workspace_id, sum(cost_nano)::bigint as cost
    from unnest(p_groups) where paid_by = 'credit' and cost_nano > 0 group by workspace_id order by 1
  loop
    select balance_nano - held_nano into spare from ledger_accounts where id = one.account for no key update;
    covered := ledger_use_lease(p_node, one.account, one.cost);
    lost := greatest(0, one.cost - covered - greatest(0, coalesce(spare, 0)));
    if lost > 0 then
      perform ledger_shed(p_calls, one.workspace_id, lost);
    end if;
    update ledger_accounts set held_nano = held_nano - covered, spent_nano = spent_nano + one.cost - lost
    where id = one.account;
    accounts := accounts || array[one.account, 'revenue', 'loss'];
    amounts := amounts || array[lost - one.cost, one.cost, -lost];
  end loop;

  for one in
    select case paid_by when 'internal' then 'internal:' || workspace_id else 'allowance' end as account,
      sum(cost_nano)::bigint as cost
    from unnest(p_groups) where paid_by in ('internal', 'allowance') group by 1 order by 1
  loop
    update ledger_accounts set spent_nano = spent_nano + one.cost where id = one.account;
    accounts := accounts || array[one.account, 'revenue'];
    amounts := amounts || array[-one.cost, one.cost];
  end loop;

  for one in
    select 'payable:' || provider as account, sum(provider_cost_nano)::bigint as cost
    from unnest(p_groups) where provider is not null group by 1 order by 1
  loop
    accounts := accounts || array[one.account, 'cost-of-sales'];
    amounts := amounts || array[one.cost, -one.cost];
  end loop;

  select coalesce(sum(loss_nano), 0) into lost from unnest(p_groups);
  accounts := accounts || array['loss', 'revenue'];
  amounts := amounts || array[-lost, lost];
  if not exists (select 1 from unnest(accounts, amounts) as e (account, amount) group by account having sum(amount) <> 0) then
    return;
  end if;
  insert into ledger_accounts (id, kind)
  select distinct account, split_part(account, ':', 1) from unnest(accounts) as e (account)
  where account like 'payable:%' on conflict (id) do nothing;
  insert into ledger_transactions (id, kind, idempotency_key, input_hash, actor)
  values (p_id, 'usage', 'usage:' || p_id, md5(p_groups::text), 'node:' || p_node);
  insert into ledger_entries (transaction_id, account_id, amount_nano)
  select p_id, account, sum(amount)::bigint from unnest(accounts, amounts) as e (account, amount)
  group by account having sum(amount) <> 0;
end $$;

-- Prices that were synced and accepted by the operator; they go before the catalogue's own. `price` is as written in files.
create table price_overrides (
  endpoint_id text primary key,
  price jsonb not null,
  source text not null,
  effective_at timestamptz not null,
  applied_at timestamptz not null default now()
);

insert into ledger_accounts (id, kind) values
  ('revenue', 'revenue'), ('loss', 'loss'), ('allowance', 'allowance'), ('cost-of-sales', 'cost-of-sales'),
  ('promotions', 'promotions'), ('fees', 'fees'), ('stripe-clearing', 'stripe-clearing'), ('expired-credit', 'expired-credit'),
  ('subscriptions', 'subscriptions'), ('disputes', 'disputes'), ('opening', 'opening');

insert into ledger_accounts (id, kind, workspace_id, spent_nano)
select case billing when 'internal' then 'internal:' else 'credit:' end || id,
  case billing when 'internal' then 'internal' else 'credit' end, id, used_nano from workspaces;

-- Balances that were kept before there was a ledger. A debt from before is forgiven, not carried on.
with opened as (
  insert into ledger_transactions (id, kind, idempotency_key, input_hash, workspace_id, actor)
  select gen_random_uuid(), 'opening', 'opening:' || id, md5(balance_nano::text), id, 'migration'
  from workspaces where billing = 'prepaid' and balance_nano > 0
  returning id, workspace_id)
insert into ledger_entries (transaction_id, account_id, amount_nano)
select o.id, e.account, e.amount
from opened o join workspaces w on w.id = o.workspace_id
cross join lateral (values ('credit:' || w.id, w.balance_nano), ('opening', -w.balance_nano)) as e (account, amount);

update requests set paid_by = w.billing from workspaces w where w.id = requests.workspace_id and w.billing = 'internal';
update requests set outcome = 'voided' where provider is null;

alter table workspaces drop column balance_nano, drop column granted_nano, drop column used_nano;
