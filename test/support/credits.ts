/**
 * Workspaces with credit for tests of the ledger: made, spent from as settlement spends, and read.
 * Spending goes through the statement that settlement uses, so that triggers and checks see what they see in service.
 */
import type { SQL } from "bun";
import { type Nano, nano } from "../../src/core/money.ts";
import { openWorkspaces, type Workspace } from "../../src/identity/workspaces.ts";
import type { Books } from "../../src/ledger/books.ts";

/** A new workspace with this much welcome credit, which lasts so many days or for ever. */
export function makeWorkspace(sql: SQL, books: Books, credit: bigint, days?: number): Promise<Workspace> {
  const wish = { name: "w", plan: "payg", welcomeCreditNano: nano(credit), welcomeCreditDays: days };
  return openWorkspaces(sql, books).create(wish);
}

/** Settles a call that cost so much. What is more than the free credit becomes a loss, as in service. */
export async function spend(sql: SQL, workspaceId: string, cost: bigint): Promise<void> {
  await sql`
    select ledger_settle(${crypto.randomUUID()}::uuid, ${Bun.randomUUIDv7()}::uuid,
      array[row(${workspaceId}::uuid, ${crypto.randomUUID()}::uuid, null, 'credit', null, null, null,
        ${cost}::bigint, 0::bigint, 0::bigint, 0::bigint)::settled_group], '{}'::text[])`;
}

/** What is left of a workspace's lots, those that expire first at the beginning. */
export async function lotsOf(sql: SQL, workspaceId: string): Promise<Nano[]> {
  const rows = (await sql`
    select remaining_nano from credit_lots where workspace_id = ${workspaceId}::uuid order by expires_at, id`) as {
    remaining_nano: bigint;
  }[];
  return rows.map((row) => nano(BigInt(row.remaining_nano)));
}
