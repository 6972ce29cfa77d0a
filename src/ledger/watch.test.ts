/**
 * Tests of the watch over the books: when it looks at all of them, what it says while they are wrong, and how that ends.
 * The glance itself is tested on both databases against what it must find.
 */
import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { eachDatabase } from "../../test/support/postgres.ts";
import { GatewayError } from "../core/error.ts";
import { nano } from "../core/money.ts";
import type { Database } from "../db/database.ts";
import { migrate } from "../db/migrate.ts";
import { openWorkspaces } from "../identity/workspaces.ts";
import { creditAccount, openBooks } from "./books.ts";
import { type BooksWatch, watchBooks } from "./watch.ts";

const running: BooksWatch[] = [];
afterEach(async () => {
  for (const watch of running.splice(0)) await watch.stop();
});

function setUp(wholeEveryMs = 1000) {
  const seen: string[] = [];
  const state = { nowMs: 0, whole: [] as string[], glance: [] as string[], away: false };
  const answer = <T>(kind: string, value: () => T) => {
    if (state.away) return Promise.reject(new Error("away"));
    seen.push(kind);
    return Promise.resolve(value());
  };
  const watch = watchBooks({
    books: {
      check: () =>
        answer("whole", () => {
          const { whole: problems } = state;
          return { balanced: problems.length === 0, entries: 0, accounts: 0, openHolds: 0, problems };
        }),
      glance: () => answer("glance", () => state.glance),
    },
    nowMs: () => state.nowMs,
    everyMs: 2 ** 30,
    wholeEveryMs,
    onProblem: (problems) => seen.push(`problem: ${problems}`),
    onRecovery: () => seen.push("recovery"),
    onError: (error) => seen.push(String(error)),
  });
  running.push(watch);
  return { watch, state, seen };
}

describe("the watch", () => {
  test("begins with the whole check, glances after that, and checks the whole once a day", async () => {
    const { watch, state, seen } = setUp(1000);
    await watch.look();
    await watch.look();
    state.nowMs = 1000;
    await watch.look();
    await watch.look();
    expect(seen).toEqual(["whole", "glance", "whole", "glance"]);
    expect(watch.state()).toEqual({ ok: true });
    watch.refuseWhenWrong();
  });

  test("has calls refused from a problem on, until the whole check is clean", async () => {
    const { watch, state, seen } = setUp();
    await watch.look();
    state.glance = ["held by nobody"];
    state.whole = ["held by nobody", "and more"];
    await watch.look();
    expect(watch.state()).toEqual({ ok: false, problems: ["held by nobody"] });
    let thrown: unknown;
    try {
      watch.refuseWhenWrong();
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(GatewayError);
    expect((thrown as GatewayError).code).toBe("service_unavailable");
    expect((thrown as GatewayError).message).not.toContain("held by nobody");
    expect((thrown as GatewayError).detail).toContain("held by nobody");
    state.glance = [];
    await watch.look();
    await watch.look();
    expect(watch.state().ok).toBe(false);
    state.whole = [];
    await watch.look();
    expect(watch.state()).toEqual({ ok: true });
    watch.refuseWhenWrong();
    const told = seen.filter((line) => line !== "whole" && line !== "glance");
    expect(told).toEqual(["problem: held by nobody", "problem: held by nobody,and more", "recovery"]);
  });

  test("counts a check that was asked for like its own", async () => {
    const { watch, state } = setUp();
    await watch.look();
    state.whole = ["wrong"];
    expect(await watch.check()).toMatchObject({ balanced: false, problems: ["wrong"] });
    expect(watch.state().ok).toBe(false);
    state.whole = [];
    await watch.check();
    expect(watch.state().ok).toBe(true);
  });

  test("keeps to what it saw while the database is away", async () => {
    const { watch, state, seen } = setUp();
    await watch.look();
    state.away = true;
    await watch.look();
    expect(watch.state().ok).toBe(true);
    expect(seen.at(-1)).toBe("Error: away");
    state.away = false;
    state.glance = ["wrong"];
    state.whole = ["wrong"];
    await watch.look();
    state.away = true;
    await watch.look();
    expect(watch.state().ok).toBe(false);
    expect(watch.check()).rejects.toThrow("away");
  });
});

eachDatabase((store) => {
  let database: Database;
  beforeAll(async () => {
    database = await store.open();
    await migrate(database);
  }, 60_000);

  test("a glance finds balances, holds and overspending that cannot be, and nothing else", async () => {
    const { sql } = database;
    const books = openBooks(sql);
    const { id } = await openWorkspaces(sql, books).create({ name: "w", plan: "payg", welcomeCreditNano: nano(1000n) });
    const account = creditAccount(id);
    const node = crypto.randomUUID();
    await books.register(node);
    await books.openPurse("key:x:all", {});
    for (const [purse, limit] of [
      [account, null],
      ["key:x:all", 500n],
    ] as const)
      await books.take(node, { purse, limit, needed: 300n, least: 300n, extra: 0n });
    expect(await books.glance()).toEqual([]);
    const wrongs = [
      ["balances add up", `update ledger_accounts set balance_nano = balance_nano + 1 where id = '${account}'`],
      ["leased", `update ledger_accounts set held_nano = held_nano - 1 where id = '${account}'`],
      ["leased", `update purses set held = held + 1 where id = 'key:x:all'`],
      ["leased", `update leases set purse = 'nothing' where purse = '${account}'`],
    ] as const;
    for (const [rule, statement] of wrongs) {
      const found: string[] = [];
      const undone = sql.begin(async (transaction) => {
        await transaction.unsafe(statement);
        found.push(...(await openBooks(transaction as unknown as typeof sql).glance()));
        throw new Error("undo");
      });
      expect(undone).rejects.toThrow("undo");
      await undone.catch(() => {});
      expect(found.join("\n")).toContain(rule);
    }
    expect(await books.glance()).toEqual([]);
  });
});
