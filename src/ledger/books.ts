/**
 * The double-entry books in the database: movements, balances, leases for nodes, and the check that everything adds up.
 * Calls reach it through the wallet and the recorder; grants, payments and the console post movements directly.
 */
import { createHash } from "node:crypto";
import type { SQL } from "bun";
import { type Nano, nano } from "../core/money.ts";

/** Anything that runs statements: the pool, or a transaction that a movement is to be part of. */
export type Statements = Pick<SQL, "unsafe">;

/** The accounts that are not a workspace's. What customers are owed is positive; what they paid with is negative. */
export const ACCOUNTS = [
  "revenue",
  "loss",
  "allowance",
  "cost-of-sales",
  "promotions",
  "fees",
  "stripe-clearing",
  "expired-credit",
  "subscriptions",
  "disputes",
] as const;

export type AccountId = (typeof ACCOUNTS)[number] | `credit:${string}` | `internal:${string}` | `payable:${string}`;

/** The account of a workspace's prepaid credit. */
export function creditAccount(workspaceId: string): AccountId {
  return `credit:${workspaceId}`;
}

/** What a movement is; `usage` is written by settlement only. */
export type MovementKind =
  | "welcome"
  | "grant"
  | "coupon"
  | "top-up"
  | "refund"
  | "dispute"
  | "dispute-won"
  | "expiry"
  | "subscription"
  | "adjustment";

export interface Movement {
  readonly kind: MovementKind;
  /** One movement is posted once for each key, however often it is asked for. */
  readonly idempotencyKey: string;
  /** Their amounts add up to zero. */
  readonly entries: readonly { readonly account: AccountId; readonly amountNano: Nano }[];
  readonly workspaceId?: string;
  readonly reason?: string;
  /** What it is about outside the ledger: a payment's id, a coupon's code. */
  readonly reference?: string;
  /** Who caused it: `root`, `system`, `stripe`, `key:<hash>`, `user:<id>` … */
  readonly actor: string;
  /** Refunds and disputes only: credit may go below zero, and spending is blocked until it is paid back. */
  readonly overdraw?: boolean;
}

/** Why a movement was not posted. */
export class LedgerError extends Error {
  override readonly name = "LedgerError";
  /** `conflict`: the idempotency key was used with other inputs. `overspent`: more than the free credit. */
  readonly reason: "conflict" | "overspent";

  constructor(reason: LedgerError["reason"], message: string, cause?: unknown) {
    super(message, { cause });
    this.reason = reason;
  }
}

/** A workspace's credit. */
export interface CreditBalance {
  readonly balanceNano: Nano;
  /** Of that, what nodes have set aside for calls. */
  readonly heldNano: Nano;
  /** What use has taken in all. */
  readonly spentNano: Nano;
  readonly overdrawn: boolean;
}

/** The state of the books. `problems` is empty when `balanced`. */
export interface BooksCheck {
  readonly balanced: boolean;
  readonly entries: number;
  readonly accounts: number;
  readonly openHolds: number;
  readonly problems: readonly string[];
}

/** What a lease was asked for, in nano-dollars or a count. */
export interface LeaseWish {
  readonly purse: string;
  /** Null for a credit account, whose limit is its balance. */
  readonly limit: bigint | null;
  readonly needed: bigint;
  /** Less than needed will do, but not less than this. */
  readonly least: bigint;
  /** So much more, when there is plenty. */
  readonly extra: bigint;
}

export interface LeaseAnswer {
  readonly granted: bigint;
  /** What was free before. */
  readonly available: bigint;
  /** What other nodes hold, should that not have been enough; they were asked to return what they don't use. */
  readonly elsewhere: bigint;
}

/** What a purse that is not credit has used without being asked. */
export interface PurseSeed {
  readonly keyId?: string;
  readonly workspaceId?: string;
  /** Use before this moment does not count. Absent: a key's use of all time. */
  readonly since?: Date;
  readonly expiresAt?: Date;
}

export interface Books {
  /** Posts a movement. `repeated`: it had been posted before. Throws LedgerError. */
  post(movement: Movement, within?: Statements): Promise<"posted" | "repeated">;
  /** Undefined for a workspace without a credit account. */
  balance(workspaceId: string): Promise<CreditBalance | undefined>;
  check(): Promise<BooksCheck>;
  /** A look that costs little however much was booked: what of the books is wrong at a glance; empty when nothing is. */
  glance(): Promise<string[]>;
  register(nodeId: string): Promise<void>;
  /** A sign of life; answers the purses that others wait for. Throws `NodeGivenUp`. */
  beat(nodeId: string): Promise<string[]>;
  /** Sets aside for a node. Throws `NodeGivenUp`. */
  take(nodeId: string, wish: LeaseWish): Promise<LeaseAnswer>;
  /** Returns leases: once for each number of the node's, which go up; without one, each time it is asked. */
  giveBack(nodeId: string, amounts: ReadonlyMap<string, bigint>, number?: number): Promise<void>;
  /** What a node has leased of these purses; those of which it has nothing are left out. */
  leases(nodeId: string, purses: readonly string[]): Promise<ReadonlyMap<string, bigint>>;
  /** Makes a purse, or sees to it that what was used without it counts. */
  openPurse(id: string, seed: PurseSeed): Promise<void>;
  /** Ends nodes silent for so long, and these whatever they did. Their leases can be spent again. Returns how many. */
  giveUp(silentMs: number, nodes?: readonly string[]): Promise<number>;
  /** Removes purses whose period ended a while ago. */
  tidy(): Promise<void>;
}

/** This node was silent for too long: its leases are void. */
export class NodeGivenUp extends Error {
  override readonly name = "NodeGivenUp";
}

type Row = Record<string, unknown>;

/** The books over an open, migrated database. */
export function openBooks(sql: SQL): Books {
  return {
    post: (movement, within = sql) => post(within, movement),
    async balance(workspaceId) {
      const rows = (await sql`
        select balance_nano, held_nano, spent_nano, overdrawn from ledger_accounts
        where id = ${creditAccount(workspaceId)}`) as Row[];
      return rows[0] && toBalance(rows[0]);
    },
    check: () => check(sql),
    glance: () => glance(sql),
    async register(nodeId) {
      await sql`insert into nodes (id) values (${nodeId}::uuid) on conflict (id) do update set heartbeat_at = now()`;
    },
    async beat(nodeId) {
      const rows = await unlessGivenUp(sql`select ledger_beat(${nodeId}::uuid) as purse`);
      return rows.map((row) => row.purse as string);
    },
    async take(nodeId, { purse, limit, needed, least, extra }) {
      const [row] = await unlessGivenUp(sql`
        select granted, available, elsewhere
        from ledger_take(${nodeId}::uuid, ${purse}, ${limit}::bigint, ${needed}::bigint, ${least}::bigint, ${extra}::bigint)`);
      const amount = (name: string) => BigInt((row?.[name] ?? 0n) as bigint);
      return { granted: amount("granted"), available: amount("available"), elsewhere: amount("elsewhere") };
    },
    async giveBack(nodeId, amounts, number) {
      if (amounts.size === 0) return;
      const pairs = JSON.stringify([...amounts].map(([purse, amount]) => ({ purse, amount: String(amount) })));
      await sql`
        select ledger_return(${nodeId}::uuid, ${number ?? null}::bigint, array_agg(purse), array_agg(amount))
        from json_to_recordset(${pairs}::text::json) as r (purse text, amount bigint)`;
    },
    async leases(nodeId, purses) {
      const rows = (await sql`
        select purse, amount from leases where node_id = ${nodeId}::uuid
          and purse in (select json_array_elements_text(${JSON.stringify(purses)}::text::json))`) as Row[];
      return new Map(rows.map((row) => [row.purse as string, BigInt(row.amount as bigint)]));
    },
    openPurse: (id, seed) => openPurse(sql, id, seed),
    async giveUp(silentMs, nodes = []) {
      const rows = (await sql`
        select ledger_give_up(make_interval(secs => ${silentMs / 1000}::double precision),
          array(select value::uuid from json_array_elements_text(${JSON.stringify(nodes)}::text::json))) as ended`) as Row[];
      return Number(rows[0]?.ended ?? 0);
    },
    async tidy() {
      await sql`delete from purses where expires_at < now() - interval '7 days' and held = 0`;
    },
  };
}

function toBalance(row: Row): CreditBalance {
  const amount = (name: string) => nano(BigInt(row[name] as bigint));
  return {
    balanceNano: amount("balance_nano"),
    heldNano: amount("held_nano"),
    spentNano: amount("spent_nano"),
    overdrawn: row.overdrawn as boolean,
  };
}

const NODE_UNKNOWN = "SLU04";
const KEY_REUSED = "SLU03";
const CHECK_VIOLATION = "23514";

async function unlessGivenUp(query: Promise<unknown>): Promise<Row[]> {
  try {
    return (await query) as Row[];
  } catch (error) {
    if (codeOf(error) === NODE_UNKNOWN) throw new NodeGivenUp("this node's leases were given up", { cause: error });
    throw error;
  }
}

/** The SQLSTATE of the driver's error. */
function codeOf(error: unknown): string | undefined {
  const { errno, code } = (error ?? {}) as { errno?: unknown; code?: unknown };
  return [errno, code].find((value): value is string => typeof value === "string" && /^[0-9A-Z]{5}$/.test(value));
}

async function post(sql: Statements, movement: Movement): Promise<"posted" | "repeated"> {
  const { entries } = movement;
  if (entries.reduce((sum, { amountNano }) => sum + amountNano, 0n) !== 0n)
    throw new RangeError("the entries of a movement must add up to zero");
  try {
    const rows = (await sql.unsafe(POST, [
      Bun.randomUUIDv7(),
      movement.kind,
      movement.idempotencyKey,
      inputHash(movement),
      movement.workspaceId ?? null,
      movement.reason ?? null,
      movement.reference ?? null,
      movement.actor,
      JSON.stringify(entries.map(({ account, amountNano }) => ({ account, amount: String(amountNano) }))),
      movement.overdraw ?? false,
    ])) as Row[];
    return rows[0]?.outcome as "posted" | "repeated";
  } catch (error) {
    const code = codeOf(error);
    if (code === KEY_REUSED)
      throw new LedgerError("conflict", "This idempotency key was used with other inputs.", error);
    if (code === CHECK_VIOLATION)
      throw new LedgerError("overspent", "There is not enough free credit for that.", error);
    throw error;
  }
}

const POST = `
  select ledger_post($1::uuid, $2, $3, $4, $5::uuid, $6, $7, $8, array_agg(account), array_agg(amount), $10) as outcome
  from json_to_recordset($9::text::json) as e (account text, amount bigint)`;

/** What makes two movements the same: everything but who asked and in what words. */
function inputHash({ kind, workspaceId, reference, entries }: Movement): string {
  const sorted = entries.map(({ account, amountNano }) => `${account} ${amountNano}`).sort();
  return createHash("sha256")
    .update(JSON.stringify([kind, workspaceId ?? null, reference ?? null, sorted]))
    .digest("hex");
}

async function openPurse(sql: SQL, id: string, seed: PurseSeed): Promise<void> {
  await sql`
    select ledger_open_purse(${id}, ${seed.keyId ?? null}::uuid, ${seed.workspaceId ?? null}::uuid,
      ${seed.since ?? null}::timestamptz, ${seed.expiresAt ?? null}::timestamptz)`;
}

/** Each rule of the books as a question whose answer must be no rows. */
const RULES: readonly (readonly [rule: string, sql: string])[] = [
  [
    "all entries add up to zero",
    "select sum(amount_nano)::text as found from ledger_entries having sum(amount_nano) <> 0",
  ],
  [
    "each transaction's entries add up to zero",
    "select transaction_id::text as found from ledger_entries group by 1 having sum(amount_nano) <> 0 limit 3",
  ],
  [
    "each balance is the sum of its entries",
    `select a.id as found from ledger_accounts a left join
       (select account_id, sum(amount_nano) as total from ledger_entries group by 1) e on e.account_id = a.id
     where a.balance_nano <> coalesce(e.total, 0) limit 3`,
  ],
  [
    "what is held is what nodes have leased",
    `select id as found from (
       select id, held_nano as held from ledger_accounts union all select id, held from purses) h
     left join (select purse, sum(amount) as leased from leases group by 1) l on l.purse = h.id
     where h.held <> coalesce(l.leased, 0) limit 3`,
  ],
  [
    "credit is never below zero through use",
    "select id as found from ledger_accounts where kind = 'credit' and balance_nano < held_nano and not overdrawn limit 3",
  ],
  [
    "each transaction has entries",
    `select id::text as found from ledger_transactions t
     where not exists (select 1 from ledger_entries e where e.transaction_id = t.id) limit 3`,
  ],
  [
    "what calls cost is what was taken from credit",
    `select r.id as found from (
       select 'credit:' || workspace_id as id, sum(cost_nano) as total from requests
       where paid_by = 'credit' and settlement_id is not null group by 1) r
     left join (
       select e.account_id, -sum(e.amount_nano) as total from ledger_entries e
       join ledger_transactions t on t.id = e.transaction_id and t.kind = 'usage' group by 1) e on e.account_id = r.id
     where r.total <> coalesce(e.total, 0) limit 3`,
  ],
];

/** Reads accounts and leases, not entries; what the triggers make impossible is left to the whole check. One snapshot. */
const GLANCE = `
  with leased as (select purse, sum(amount)::bigint as amount from leases group by purse)
  select 'all balances add up to zero' as rule, sum(balance_nano)::text as found
  from ledger_accounts having sum(balance_nano) <> 0
  union all
  (select 'what is held is what nodes have leased', coalesce(a.id, l.purse)
   from (select id, held_nano from ledger_accounts where held_nano <> 0) a
   full join (select * from leased where purse not in (select id from purses)) l on l.purse = a.id
   where coalesce(a.held_nano, 0) <> coalesce(l.amount, 0) limit 3)
  union all
  (select 'what is held is what nodes have leased', p.id
   from leased l join purses p on p.id = l.purse where p.held <> l.amount limit 3)
  union all
  (select 'credit is never below zero through use', id
   from ledger_accounts where kind = 'credit' and balance_nano < held_nano and not overdrawn limit 3)`;

async function glance(sql: SQL): Promise<string[]> {
  const rows = (await sql.unsafe(GLANCE)) as Row[];
  return rows.map(({ rule, found }) => `not true: ${rule} (${found})`);
}

async function check(sql: SQL): Promise<BooksCheck> {
  return sql.begin("isolation level repeatable read read only", async (transaction) => {
    await transaction`set local statement_timeout = 0`;
    const problems: string[] = [];
    for (const [rule, question] of RULES) {
      const found = (await transaction.unsafe(question)) as Row[];
      if (found.length > 0) problems.push(`not true: ${rule} (${found.map((row) => row.found).join(", ")})`);
    }
    const [counts] = (await transaction`
      select (select count(*) from ledger_entries)::int as entries, (select count(*) from ledger_accounts)::int as accounts,
        (select count(*) from leases where amount > 0)::int as holds`) as Row[];
    return {
      balanced: problems.length === 0,
      entries: Number(counts?.entries),
      accounts: Number(counts?.accounts),
      openHolds: Number(counts?.holds),
      problems,
    };
  });
}
