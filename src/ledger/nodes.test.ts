/**
 * Tests of several nodes that share what is left of one account, over a real database.
 * What one purse does by itself is tested beside it, over books in memory.
 */
import { expect, test } from "bun:test";
import { makeWorkspace } from "../../test/support/credits.ts";
import { eachDatabase } from "../../test/support/postgres.ts";
import { nano } from "../core/money.ts";
import { migrate } from "../db/migrate.ts";
import { creditAccount, openBooks } from "./books.ts";
import { type Hold, HoldRefused } from "./hold.ts";
import { openWallet } from "./wallet.ts";

eachDatabase((store) => {
  async function setUp(credit: bigint) {
    const database = await store.open();
    await migrate(database);
    const books = openBooks(database.sql);
    const { id } = await makeWorkspace(database.sql, books, credit);
    const timing = { beatMs: 20, pollMs: 10, recallMs: 1500, idleMs: 60_000 };
    const node = () => openWallet({ books, nowMs: () => performance.now(), onError: () => {}, timing });
    const wish = (amount: bigint) => ({
      paidBy: "credit" as const,
      wantedNano: nano(amount),
      leastNano: nano(amount),
      money: [{ id: creditAccount(id), limit: null }],
    });
    return { node, wish };
  }

  const refused = (error: unknown) => {
    if (error instanceof HoldRefused) return undefined;
    throw error;
  };

  test("two nodes that each have too little for the call that waits there don't keep it from each other", async () => {
    const { node, wish } = await setUp(28n);
    const [one, other, third] = [await node(), await node(), await node()];
    // With each of the first holds comes an eighth of what is left: three, then two; the third node takes all but three.
    const before: Hold[] = [await one.hold(wish(4n)), await other.hold(wish(4n)), await third.hold(wish(12n))];
    const wanted = [one, other].map((wallet) => Promise.resolve(wallet.hold(wish(8n))).catch(refused));
    const got = (await Promise.all(wanted)).filter((hold) => hold !== undefined);
    expect(got.length).toBe(1);
    for (const hold of [...before, ...got]) hold.void();
    for (const wallet of [one, other, third]) await wallet.close();
  }, 60_000);
});
