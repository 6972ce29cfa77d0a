/**
 * The oracle: the upstream's journal, what callers saw, and the gateway's own books, laid side by side.
 * Each answers a list of sentences, one for everything that has no explanation; an empty one is what the tests expect.
 */
import type { SQL } from "bun";
import type { JournalEntry } from "../../src/simulator/index.ts";
import { isOdd, type Seen } from "./load.ts";

type Row = Record<string, unknown>;

/** A call's row in the database. */
export interface CallRow {
  readonly id: string;
  readonly outcome: string;
  readonly paidBy: string;
  readonly costNano: bigint;
  readonly usageSource: string;
  readonly attempts: number;
  readonly workspaceId: string;
}

export async function readCalls(sql: SQL): Promise<Map<string, CallRow>> {
  const rows = (await sql`
    select id, outcome, paid_by, cost_nano, usage_source, workspace_id::text as workspace_id,
      jsonb_array_length(attempts)::int as attempts from requests`) as Row[];
  return new Map(
    rows.map((row) => [
      row.id as string,
      {
        id: row.id as string,
        outcome: row.outcome as string,
        paidBy: row.paid_by as string,
        costNano: BigInt(row.cost_nano as bigint),
        usageSource: row.usage_source as string,
        attempts: Number(row.attempts),
        workspaceId: row.workspace_id as string,
      },
    ]),
  );
}

const ENDED = ["posted", "voided", "expired"];

/** What a metered call costs by the upstream's own account. */
function costOf({ usage }: JournalEntry): bigint {
  return usage === null ? 0n : BigInt(usage.input) * 1000n + BigInt(usage.output) * 4000n;
}

/** Lays the upstream's journal beside the rows. Calls that went well, as far as callers saw, cost what it says. */
export function joinJournal(
  calls: ReadonlyMap<string, CallRow>,
  journal: readonly JournalEntry[],
  seen: readonly Seen[],
): string[] {
  const problems: string[] = [];
  const good = new Set(seen.filter(({ complete, text }) => complete && !isOdd(text)).map(({ id }) => id));
  const accepted = new Set<string>();
  for (const entry of journal) {
    const { id } = entry;
    if (id === null) {
      problems.push("the upstream was called without an id");
      continue;
    }
    accepted.add(id);
    const row = calls.get(id);
    if (!row) problems.push(`${id} reached the upstream and has no row`);
    else if (!ENDED.includes(row.outcome)) problems.push(`${id} reached the upstream and is ${row.outcome}`);
    else if (row.costNano > 0n && row.outcome !== "posted") problems.push(`${id} is ${row.outcome} and cost something`);
    else if (good.has(id) && row.costNano !== costOf(entry))
      problems.push(`${id} cost ${row.costNano}, by the upstream's account ${costOf(entry)}`);
  }
  for (const { id, outcome } of calls.values()) {
    if (outcome === "posted" && !accepted.has(id)) problems.push(`${id} is posted and never reached the upstream`);
  }
  return problems;
}

/** Lays what callers saw beside the rows: whoever got the end pays for it, once, and its row says so. */
export function joinSeen(calls: ReadonlyMap<string, CallRow>, all: readonly Seen[]): string[] {
  const problems: string[] = [];
  for (const { id, status, complete, stuck, surface, streamed, text } of all) {
    if (stuck) problems.push(`${id} (${surface}, ${text}) neither ended nor broke`);
    if (!complete || id === undefined) continue;
    const row = calls.get(id);
    const what = `${id} (${surface}, ${streamed ? "streamed" : "whole"}, ${text})`;
    if (!row) problems.push(`${what} was answered with ${status} to the end and has no row`);
    else if (row.outcome !== "posted") problems.push(`${what} was answered to the end and is ${row.outcome}`);
    else if (row.costNano === 0n && row.paidBy === "credit")
      problems.push(`${what} was answered to the end for nothing`);
  }
  return problems;
}

/** What the books say of themselves beyond their own check: balances, holds and purses against the rows. */
export async function auditBooks(sql: SQL): Promise<string[]> {
  const found: string[] = [];
  for (const [what, question] of QUESTIONS) {
    const rows = (await sql.unsafe(question)) as Row[];
    for (const row of rows) found.push(`${what}: ${Object.values(row).join(" ")}`);
  }
  return found;
}

const QUESTIONS: readonly (readonly [what: string, sql: string])[] = [
  ["money is held though no call runs", "select id, held_nano from ledger_accounts where held_nano <> 0"],
  ["a limit is held though no call runs", "select id, held from purses where held <> 0"],
  [
    "a balance is not what was given less what calls cost",
    `select a.id, a.balance_nano, coalesce(given.total, 0), coalesce(cost.total, 0) from ledger_accounts a
     left join (select e.account_id, sum(e.amount_nano) as total from ledger_entries e
       join ledger_transactions t on t.id = e.transaction_id and t.kind <> 'usage' group by 1) given on given.account_id = a.id
     left join (select 'credit:' || workspace_id as id, sum(cost_nano) as total from requests
       where outcome = 'posted' and paid_by = 'credit' group by 1) cost on cost.id = a.id
     where a.kind = 'credit' and a.balance_nano <> coalesce(given.total, 0) - coalesce(cost.total, 0)`,
  ],
  [
    "a key's limit has used what its calls did not cost",
    `select p.id, p.used, cost.total from purses p
     join (select key_id, sum(cost_nano) as total from requests where paid_by = 'credit' group by 1) cost
       on p.id = 'key:' || cost.key_id || ':all' where p.used <> cost.total`,
  ],
  [
    "a count is not that of the calls",
    `select p.id, p.used, calls.n from purses p
     join (select workspace_id, paid_by, (created_at at time zone 'utc')::date as day, count(*) as n from requests
       where outcome = 'posted' group by 1, 2, 3) calls
       on p.id = case calls.paid_by when 'allowance' then 'included:' when 'free' then 'free:' end
         || calls.workspace_id || ':' || to_char(calls.day, 'YYYY-MM-DD')
     where p.used <> calls.n`,
  ],
];
