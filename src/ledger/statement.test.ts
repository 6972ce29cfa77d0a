/**
 * Tests of a workspace's statement on both databases: its lines, their order, the balances beside them, and its pages.
 * However it is cut into pages, it is the same statement.
 */
import { beforeAll, expect, test } from "bun:test";
import { makeWorkspace, spend } from "../../test/support/credits.ts";
import { eachDatabase } from "../../test/support/postgres.ts";
import { nano } from "../core/money.ts";
import type { Database } from "../db/database.ts";
import { migrate } from "../db/migrate.ts";
import { type Books, creditAccount, openBooks } from "./books.ts";
import { grantCredit } from "./grants.ts";
import { readStatement, type StatementLine } from "./statement.ts";

eachDatabase((store) => {
  let database: Database;
  let books: Books;
  beforeAll(async () => {
    database = await store.open();
    await migrate(database);
    books = openBooks(database.sql);
  }, 60_000);

  function give(workspaceId: string, amount: bigint, reason = "r") {
    const idempotencyKey = crypto.randomUUID();
    const wish = { workspaceId, amountNano: nano(amount), reason, idempotencyKey, end: null, actor: "root" };
    return grantCredit(database.sql, books, wish);
  }

  /** Use of an earlier day, as its settlement summed it. */
  async function useOn(id: string, day: string, amount: bigint) {
    await database.sql`insert into ledger_days (account_id, day, used_nano) values (${creditAccount(id)}, ${day}::date, ${amount}::bigint)`;
    await database.sql`update ledger_accounts set balance_nano = balance_nano - ${amount}::bigint where id = ${creditAccount(id)}`;
  }

  async function pages(id: string, limit: number): Promise<StatementLine[]> {
    const lines: StatementLine[] = [];
    let cursor: string | undefined;
    do {
      const page = await readStatement(database.sql, creditAccount(id), { cursor, limit });
      expect(page.lines.length).toBeLessThanOrEqual(limit);
      lines.push(...page.lines);
      cursor = page.cursor;
    } while (cursor !== undefined);
    return lines;
  }

  test("shows movements newest first, a day's use as one line, and the balance after each", async () => {
    const { id } = await makeWorkspace(database.sql, books, 100n);
    await spend(database.sql, id, 30n);
    await give(id, 50n, "sorry");
    await spend(database.sql, id, 5n);
    const shown = (await pages(id, 10)).map((line) => [line.kind, line.amountNano, line.balanceNano, line.reason]);
    expect(shown as unknown[]).toEqual([
      ["usage", -35n, 115n, null],
      ["grant", 50n, 150n, "sorry"],
      ["welcome", 100n, 100n, null],
    ]);
  });

  test("is the same however it is cut into pages, also where many movements have the same moment", async () => {
    const { id } = await makeWorkspace(database.sql, books, 1_000_000n);
    await database.sql`
      with t as (insert into ledger_transactions (id, kind, idempotency_key, input_hash, workspace_id, actor, created_at)
        select gen_random_uuid(), 'grant', ${id} || n, 'x', ${id}::uuid, 't', '2026-01-02T00:00:00.000001Z'::timestamptz + (n / 3) * interval '1 microsecond'
        from generate_series(1, 10) n returning id)
      insert into ledger_entries (transaction_id, account_id, amount_nano)
      select id, a, v from t cross join lateral (values ('credit:' || ${id}, 7), ('promotions', -7)) as x (a, v)`;
    await useOn(id, "2026-01-01", 11n);
    await useOn(id, "2026-01-02", 13n);
    await spend(database.sql, id, 17n);
    const whole = await pages(id, 100);
    expect(whole).toHaveLength(14);
    expect(new Set(whole.map((line) => line.id)).size).toBe(14);
    for (const limit of [1, 2, 3, 5, 13]) expect(await pages(id, limit)).toEqual(whole);
    for (const [index, line] of whole.entries()) {
      const below: bigint = whole[index + 1]?.balanceNano ?? 0n;
      // The lines that were written here without a welcome before them begin at nothing.
      expect((line.balanceNano as bigint) - line.amountNano).toBe(below);
    }
    expect(whole.map(({ kind }) => kind).filter((kind) => kind === "usage")).toHaveLength(3);
    expect(whole[1]?.kind).toBe("welcome");
    expect(whole[2]?.id).toBe("usage:2026-01-02");
    expect(whole.at(-1)?.id).toBe("usage:2026-01-01");
    await database.sql`update ledger_accounts set balance_nano = balance_nano + 24 where id = ${creditAccount(id)}`;
  });

  test("a movement of another workspace is on no page, and a made-up cursor is refused", async () => {
    const [mine, other] = [await makeWorkspace(database.sql, books, 1n), await makeWorkspace(database.sql, books, 2n)];
    expect((await pages(mine.id, 10)).map((line) => line.amountNano)).toEqual([nano(1n)]);
    expect((await pages(other.id, 10)).map((line) => line.amountNano)).toEqual([nano(2n)]);
    const made = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    for (const cursor of ["x", "", made(null), made([1, "a"]), made(["1e9", "a", "0"]), made(["1", "a'--", "0"])]) {
      const work = readStatement(database.sql, creditAccount(mine.id), { cursor, limit: 5 });
      expect(work).rejects.toThrow("cursor");
    }
  });

  test("of the operator's own workspace shows its use, without a balance", async () => {
    const { sql } = database;
    const account = `internal:${crypto.randomUUID()}` as const;
    await sql`insert into ledger_accounts (id, kind) values (${account}, 'internal')`;
    await sql`insert into ledger_days (account_id, day, used_nano) values (${account}, '2026-03-04', 9)`;
    const { lines } = await readStatement(sql, account, { limit: 5 });
    expect(lines).toMatchObject([{ kind: "usage", amountNano: -9n, balanceNano: undefined }]);
    expect(lines[0]?.createdAt).toEqual(new Date("2026-03-04T00:00:00Z"));
  });
});
