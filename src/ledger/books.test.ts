/**
 * Tests of the books on both databases: what a movement may do, what it may never do, and what leases hold.
 * The database itself refuses what would unbalance them, whoever asks.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { eachDatabase } from "../../test/support/postgres.ts";
import { type Nano, nano } from "../core/money.ts";
import type { Database } from "../db/database.ts";
import { migrate } from "../db/migrate.ts";
import { openWorkspaces } from "../identity/workspaces.ts";
import { creditAccount, LedgerError, type Movement, NodeGivenUp, openBooks } from "./books.ts";

eachDatabase((store) => {
  let database: Database;
  beforeAll(async () => {
    database = await store.open();
    await migrate(database);
  }, 60_000);

  async function setUp(credit = 1000n) {
    const { sql } = database;
    const books = openBooks(sql);
    const workspace = await openWorkspaces(sql, books).create({
      name: "w",
      plan: "payg",
      welcomeCreditNano: nano(credit),
    });
    const nodeId = crypto.randomUUID();
    await books.register(nodeId);
    const account = creditAccount(workspace.id);
    const wish = (needed: bigint, over: { least?: bigint; extra?: bigint } = {}) => ({
      purse: account,
      limit: null,
      needed,
      least: over.least ?? needed,
      extra: over.extra ?? 0n,
    });
    const grant = (amount: bigint, over: Partial<Movement> = {}): Movement => ({
      kind: "grant",
      idempotencyKey: crypto.randomUUID(),
      workspaceId: workspace.id,
      actor: "root",
      entries: [
        { account, amountNano: nano(amount) },
        { account: "promotions", amountNano: nano(-amount) },
      ],
      ...over,
    });
    const state = async () => {
      const found = await books.balance(workspace.id);
      return [found?.balanceNano, found?.heldNano] as (Nano | undefined)[];
    };
    const balanced = async () => expect((await books.check()).problems).toEqual([]);
    return { sql, books, workspace, nodeId, account, wish, grant, state, balanced };
  }

  describe("a movement", () => {
    test("changes both balances, once for its key", async () => {
      const { books, grant, state, balanced } = await setUp();
      const one = grant(500n);
      expect(await books.post(one)).toBe("posted");
      expect(await books.post(one)).toBe("repeated");
      expect(await state()).toEqual([nano(1500n), nano(0n)]);
      await balanced();
    });

    test("with the key of another one is refused and changes nothing", async () => {
      const { books, grant, state } = await setUp();
      const one = grant(500n);
      await books.post(one);
      const other = { ...grant(700n), idempotencyKey: one.idempotencyKey };
      const error = await books.post(other).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(LedgerError);
      expect((error as LedgerError).reason).toBe("conflict");
      expect(await state()).toEqual([nano(1500n), nano(0n)]);
    });

    test("posted by many at once is posted once", async () => {
      const { books, grant, state } = await setUp();
      const one = grant(500n);
      const outcomes = await Promise.all(Array.from({ length: 20 }, () => books.post(one)));
      expect(outcomes.filter((outcome) => outcome === "posted")).toHaveLength(1);
      expect(await state()).toEqual([nano(1500n), nano(0n)]);
    });

    test("that does not add up to zero is refused here and by the database", async () => {
      const { sql, books, account, grant, balanced } = await setUp();
      const lopsided = { ...grant(5n), entries: [{ account, amountNano: nano(5n) }] };
      expect(books.post(lopsided)).rejects.toThrow(RangeError);
      const id = Bun.randomUUIDv7();
      const direct = sql.begin(async (transaction) => {
        await transaction`
          insert into ledger_transactions (id, kind, idempotency_key, input_hash, actor) values (${id}, 'grant', ${id}, 'x', 't')`;
        await transaction`insert into ledger_entries (transaction_id, account_id, amount_nano) values (${id}::uuid, ${account}, 5)`;
      });
      expect(direct).rejects.toThrow("do not sum to zero");
      await direct.catch(() => {});
      await balanced();
    });

    test("takes no more than the free credit, unless it is a refund: then spending is blocked until it is paid back", async () => {
      const { books, grant, state, nodeId, wish, balanced } = await setUp();
      const error = await books.post(grant(-1001n, { kind: "expiry" })).catch((thrown: unknown) => thrown);
      expect((error as LedgerError).reason).toBe("overspent");
      await books.post(grant(-1200n, { kind: "refund", overdraw: true }));
      expect(await state()).toEqual([nano(-200n), nano(0n)]);
      expect((await books.take(nodeId, wish(1n))).granted).toBe(0n);
      await books.post(grant(300n, { kind: "top-up" }));
      expect((await books.take(nodeId, wish(100n))).granted).toBe(100n);
      const again = await books.post(grant(-1n, { kind: "expiry" })).catch((thrown: unknown) => thrown);
      expect((again as LedgerError).reason).toBe("overspent");
      await balanced();
    });
  });

  test("what a refund took too much of can't be taken again by anything else, and is made good by leases that come back", async () => {
    const { books, grant, nodeId, wish, account, workspace, balanced } = await setUp(1000n);
    await books.take(nodeId, wish(900n));
    await books.post(grant(-400n, { kind: "refund", overdraw: true }));
    expect(await books.balance(workspace.id)).toMatchObject({ balanceNano: nano(600n), overdrawn: true });
    expect(await books.beat(nodeId)).toEqual([account]);
    const error = await books.post(grant(-1n, { kind: "adjustment" })).catch((thrown: unknown) => thrown);
    expect((error as LedgerError).reason).toBe("overspent");
    await books.giveBack(nodeId, new Map([[account, 900n]]));
    expect(await books.balance(workspace.id)).toMatchObject({ balanceNano: nano(600n), overdrawn: false });
    const more = await books.post(grant(-601n, { kind: "adjustment" })).catch((thrown: unknown) => thrown);
    expect((more as LedgerError).reason).toBe("overspent");
    await books.post(grant(-600n, { kind: "adjustment" }));
    await balanced();
  });

  test("entries and transactions can neither be changed nor removed", async () => {
    const { sql } = await setUp();
    for (const statement of [
      "update ledger_entries set amount_nano = 1",
      "delete from ledger_entries",
      "truncate ledger_entries",
      "update ledger_transactions set actor = 'x'",
      "delete from ledger_transactions",
    ]) {
      const error = await sql.unsafe(statement).catch((thrown: unknown) => thrown);
      expect(String(error)).toContain("append only");
    }
  });

  describe("the check", () => {
    test("finds a balance that was changed without an entry", async () => {
      const { sql, books, account } = await setUp();
      await sql`update ledger_accounts set balance_nano = balance_nano + 1 where id = ${account}`;
      const found = await books.check();
      expect(found.balanced).toBe(false);
      expect(found.problems.join()).toContain(account);
      await sql`update ledger_accounts set balance_nano = balance_nano - 1 where id = ${account}`;
      expect((await books.check()).balanced).toBe(true);
    });

    test("finds money that is held by nobody", async () => {
      const { sql, books, account } = await setUp();
      await sql`update ledger_accounts set held_nano = 5 where id = ${account}`;
      expect((await books.check()).problems.join()).toContain("leased");
      await sql`update ledger_accounts set held_nano = 0 where id = ${account}`;
    });
  });

  describe("a lease", () => {
    test("is never more than what is free, on any number of nodes at once", async () => {
      const { books, nodeId, wish, state, balanced } = await setUp(1000n);
      const other = crypto.randomUUID();
      await books.register(other);
      const nodes = [nodeId, other];
      const answers = await Promise.all(
        Array.from({ length: 30 }, (_, index) => books.take(nodes[index % 2] as string, wish(70n))),
      );
      expect(answers.filter(({ granted }) => granted === 70n)).toHaveLength(14);
      expect(answers.filter(({ granted }) => granted === 0n)).toHaveLength(16);
      expect(await state()).toEqual([nano(1000n), nano(980n)]);
      await balanced();
    });

    test("comes with a slice when there is plenty, with the rest when that will do, else with nothing", async () => {
      const { books, nodeId, wish } = await setUp(1000n);
      expect((await books.take(nodeId, wish(100n, { extra: 900n }))).granted).toBe(100n + 900n / 8n);
      expect((await books.take(nodeId, wish(1000n, { least: 500n }))).granted).toBe(1000n - 212n);
      expect((await books.take(nodeId, wish(1n, { least: 1n }))).granted).toBe(0n);
    });

    test("can be returned, and is not returned twice", async () => {
      const { books, nodeId, wish, account, state, balanced } = await setUp(1000n);
      await books.take(nodeId, wish(600n));
      await books.giveBack(nodeId, new Map([[account, 400n]]));
      expect(await state()).toEqual([nano(1000n), nano(200n)]);
      await books.giveBack(nodeId, new Map([[account, 400n]]));
      expect(await state()).toEqual([nano(1000n), nano(0n)]);
      await balanced();
    });

    test("comes back once for each number of its node, and can be looked up", async () => {
      const { books, nodeId, wish, account, state, balanced } = await setUp(1000n);
      await books.take(nodeId, wish(600n));
      await books.giveBack(nodeId, new Map([[account, 100n]]), 1);
      await books.giveBack(nodeId, new Map([[account, 100n]]), 1);
      expect(await state()).toEqual([nano(1000n), nano(500n)]);
      await books.giveBack(nodeId, new Map([[account, 100n]]), 2);
      expect(await books.leases(nodeId, [account, "none"])).toEqual(new Map([[account, 400n]]));
      await books.giveBack(crypto.randomUUID(), new Map([[account, 100n]]), 1);
      expect(await state()).toEqual([nano(1000n), nano(400n)]);
      await balanced();
    });

    test("that another node lacks is asked back for", async () => {
      const { books, nodeId, wish, account } = await setUp(1000n);
      const other = crypto.randomUUID();
      await books.register(other);
      await books.take(nodeId, wish(900n));
      expect(await books.beat(nodeId)).toEqual([]);
      expect(await books.take(other, wish(200n))).toEqual({ granted: 0n, available: 100n, elsewhere: 900n });
      expect(await books.beat(nodeId)).toEqual([account]);
      await books.giveBack(nodeId, new Map([[account, 900n]]));
      expect((await books.take(other, wish(200n, { extra: 700n }))).granted).toBe(200n);
    });

    test("of a node that fell silent comes back, and the node hears of it", async () => {
      const { sql, books, nodeId, wish, state, balanced } = await setUp(1000n);
      await books.take(nodeId, wish(900n));
      expect(await books.giveUp(30_000)).toBe(0);
      await sql`update nodes set heartbeat_at = now() - interval '31 seconds' where id = ${nodeId}::uuid`;
      expect(await books.giveUp(30_000)).toBe(1);
      expect(await state()).toEqual([nano(1000n), nano(0n)]);
      expect(await books.beat(nodeId).catch((error: unknown) => error)).toBeInstanceOf(NodeGivenUp);
      expect(await books.take(nodeId, wish(1n)).catch((error: unknown) => error)).toBeInstanceOf(NodeGivenUp);
      await balanced();
    });

    test("of a purse keeps to the limit, which may change, and counts what was used before it was first asked for", async () => {
      const { books, nodeId, balanced } = await setUp();
      const purse = `key:${crypto.randomUUID()}:2026-11-20`;
      const wish = (needed: bigint, limit: bigint) => ({ purse, limit, needed, least: needed, extra: 0n });
      await books.openPurse(purse, { keyId: crypto.randomUUID(), since: new Date() });
      expect((await books.take(nodeId, wish(60n, 100n))).granted).toBe(60n);
      expect((await books.take(nodeId, wish(60n, 100n))).granted).toBe(0n);
      expect((await books.take(nodeId, wish(60n, 120n))).granted).toBe(60n);
      expect((await books.take(nodeId, wish(1n, 50n))).granted).toBe(0n);
      await balanced();
    });

    test("of a purse that is opened again counts what was used beside it, and never less than before", async () => {
      const { sql, books, nodeId, workspace } = await setUp();
      const keyId = crypto.randomUUID();
      const purse = `key:${keyId}:all`;
      const left = async () =>
        (await books.take(nodeId, { purse, limit: 100n, needed: 1000n, least: 1000n, extra: 0n })).available;
      await sql`
        insert into api_keys (id, workspace_id, hash, label, name, used_nano)
        values (${keyId}::uuid, ${workspace.id}::uuid, ${keyId}, 'k', 'k', 30)`;
      await books.openPurse(purse, { keyId });
      expect(await left()).toBe(70n);
      await sql`update api_keys set used_nano = 50 where id = ${keyId}::uuid`;
      await books.openPurse(purse, { keyId });
      expect(await left()).toBe(50n);
      await sql`update api_keys set used_nano = 20 where id = ${keyId}::uuid`;
      await books.openPurse(purse, { keyId });
      expect(await left()).toBe(50n);
    });
  });
});
