/**
 * Tests of the recorder on both databases: a record, its key's use and its workspace's balance are written together, once.
 * Nothing that a caller or an upstream can put into a record may stop the others from being written.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { record } from "../../test/support/calls.ts";
import { eachDatabase } from "../../test/support/postgres.ts";
import { afterThisTest } from "../../test/support/tcp-upstream.ts";
import type { CallRecord } from "../core/call.ts";
import { type Nano, nano } from "../core/money.ts";
import { emptyUsage } from "../core/usage.ts";
import type { Database } from "../db/database.ts";
import { migrate } from "../db/migrate.ts";
import { openKeys } from "../identity/keys.ts";
import { openWorkspaces } from "../identity/workspaces.ts";
import { creditAccount, openBooks } from "../ledger/books.ts";
import { usageByKey } from "./by-key.ts";
import { openJournal, openJournalFolder } from "./journal.ts";
import { createRecorder } from "./recorder.ts";
import { findRecord } from "./records.ts";

const DRAIN_MS = 10_000;

type Row = Record<string, unknown>;

/** A recorder of its own, with a node that has leased all the credit of a new payer. */
async function setUp({ sql }: Database) {
  const books = openBooks(sql);
  const workspaces = openWorkspaces(sql, books);
  const keys = openKeys(sql, "sk-sluice-");
  const errors: unknown[] = [];
  const broken = { now: false };
  // The recorder's way to the database, which a test can break.
  const line = {
    unsafe: (text: string, values: unknown[]) =>
      broken.now ? Promise.reject(new Error("away")) : sql.unsafe(text, values),
  } as unknown as typeof sql;
  const nodeId = crypto.randomUUID();
  await books.register(nodeId);
  const data = mkdtempSync(join(tmpdir(), "sluice-recorder-"));
  afterThisTest(() => rmSync(data, { recursive: true, force: true }));
  const folder = openJournalFolder(data);
  const journal = openJournal(folder.directory, () => `N${nodeId}`);
  const recorder = createRecorder({
    sql: line,
    journal,
    nodeId: () => nodeId,
    onError: (error) => void errors.push(error),
  });
  const newPayer = async (credit = 1_000_000n) => {
    const workspace = await workspaces.create({ name: "w", plan: "payg", welcomeCreditNano: nano(credit) });
    const { stored } = await keys.create({ workspaceId: workspace.id, name: "k" });
    const purse = creditAccount(workspace.id);
    await books.take(nodeId, { purse, limit: null, needed: credit, least: credit, extra: 0n });
    return { workspaceId: workspace.id, keyId: stored.id, hash: stored.hash };
  };
  const payer = await newPayer();
  const of = (over: Partial<CallRecord> = {}) =>
    record({ workspaceId: payer.workspaceId, keyId: payer.keyId, provider: "p", ...over });
  /** Balance, what is leased of it, the workspace's spending, the key's. */
  const state = async (who = payer) => {
    const balance = await books.balance(who.workspaceId);
    const key = await keys.read(who.hash);
    return [balance?.balanceNano, balance?.heldNano, balance?.spentNano, key?.usedNano] as (Nano | undefined)[];
  };
  const balanced = async () => expect((await books.check()).problems).toEqual([]);
  const read = (id: string, workspaceId = payer.workspaceId) => findRecord(sql, recorder, id, workspaceId);
  const crash = () => folder.release();
  return { sql, books, recorder, errors, broken, payer, newPayer, of, state, balanced, read, nodeId, data, crash };
}

const hold = (nodeId: string, written: () => void = () => {}) => ({ nodeId, written });

eachDatabase((store) => {
  let database: Database;
  beforeAll(async () => {
    database = await store.open();
    await migrate(database);
  }, 60_000);

  describe("a batch", () => {
    test("writes records, takes their cost from the lease and the credit, books it, and tells the holds", async () => {
      const { recorder, of, state, newPayer, balanced, nodeId } = await setUp(database);
      const other = await newPayer(500n);
      const written: bigint[] = [];
      for (const costNano of [10n, 20n, 30n])
        recorder.push(
          of({ costNano: nano(costNano) }),
          undefined,
          hold(nodeId, () => void written.push(costNano)),
        );
      recorder.push(record({ ...other, costNano: nano(400n) }), undefined, hold(nodeId));
      await recorder.drain(DRAIN_MS);
      expect(await state()).toEqual([nano(999_940n), nano(999_940n), nano(60n), nano(60n)]);
      expect(await state(other)).toEqual([nano(100n), nano(100n), nano(400n), nano(400n)]);
      expect(written).toEqual([10n, 20n, 30n]);
      await balanced();
    });

    test("takes what the lease does not have from free credit, and what there is not is a loss of the operator's", async () => {
      const { recorder, of, state, balanced, sql, payer, books, nodeId, read } = await setUp(database);
      await books.giveBack(nodeId, new Map([[creditAccount(payer.workspaceId), 999_990n]]));
      const [one, two] = [of({ costNano: nano(700_000n) }), of({ costNano: nano(500_000n) })];
      for (const each of [one, two]) recorder.push(each, undefined, hold(nodeId));
      await recorder.drain(DRAIN_MS);
      expect(await state()).toEqual([nano(0n), nano(0n), nano(1_000_000n), nano(1_200_000n)]);
      expect(await read(one.id)).toMatchObject({ costNano: nano(500_000n), lossNano: nano(200_000n) });
      expect(await read(two.id)).toMatchObject({ costNano: nano(500_000n), lossNano: nano(0n) });
      const [loss] = (await sql`
        select sum(e.amount_nano)::bigint as total from ledger_entries e where account_id = 'loss' and transaction_id in
          (select settlement_id from requests where id = ${one.id})`) as { total: bigint }[];
      expect(BigInt(loss!.total)).toBe(-200_000n);
      await balanced();
    });

    test("of a node that was given up is settled without its leases", async () => {
      const { recorder, of, state, balanced, books, nodeId } = await setUp(database);
      await books.giveUp(3_600_000, [nodeId]);
      recorder.push(of({ costNano: nano(100n) }), undefined, hold(nodeId));
      await recorder.drain(DRAIN_MS);
      expect(await state()).toEqual([nano(999_900n), nano(0n), nano(100n), nano(100n)]);
      await balanced();
    });

    test("books what the operator and plans pay for, losses and what providers charge, and touches no credit", async () => {
      const { recorder, of, state, balanced, sql } = await setUp(database);
      const provider = crypto.randomUUID();
      const costs = { costNano: nano(100n), providerCostNano: nano(80n), provider };
      recorder.push(of({ ...costs, paidBy: "allowance" }));
      recorder.push(of({ ...costs, paidBy: "credit", lossNano: nano(7n) }));
      recorder.push(of({ ...costs, paidBy: "free", costNano: nano(0n) }));
      await recorder.drain(DRAIN_MS);
      expect((await state())[0]).toBe(nano(999_900n));
      const [payable] =
        (await sql`select balance_nano from ledger_accounts where id = ${`payable:${provider}`}`) as Row[];
      expect(BigInt(payable!.balance_nano as bigint)).toBe(240n);
      await balanced();
    });

    test("uses up the limits that its calls were held against", async () => {
      const { recorder, of, books, sql, nodeId, balanced } = await setUp(database);
      const [keyPurse, countPurse] = [`key:${crypto.randomUUID()}:all`, `included:${crypto.randomUUID()}:2026-11-20`];
      for (const purse of [keyPurse, countPurse]) {
        await books.openPurse(purse, { since: new Date() });
        await books.take(nodeId, { purse, limit: 1000n, needed: 1000n, least: 1000n, extra: 0n });
      }
      for (const outcome of ["posted", "posted", "voided"] as const) {
        const costNano = nano(outcome === "posted" ? 150n : 0n);
        recorder.push(of({ costNano, outcome, keyPurse, countPurse }), undefined, hold(nodeId));
      }
      await recorder.drain(DRAIN_MS);
      const rows = (await sql`select id, used, held from purses where id = ${keyPurse} or id = ${countPurse}`) as Row[];
      const found = Object.fromEntries(
        rows.map((row) => [row.id, [BigInt(row.used as bigint), BigInt(row.held as bigint)]]),
      );
      expect(found).toEqual({ [keyPurse]: [300n, 700n], [countPurse]: [2n, 998n] });
      await balanced();
    });

    test("a repeated record changes neither record nor balance", async () => {
      const { recorder, of, state, read } = await setUp(database);
      const one = of({ costNano: nano(10n) });
      recorder.push(one);
      await recorder.drain(DRAIN_MS);
      recorder.push({ ...one, costNano: nano(99n), status: 500 });
      await recorder.drain(DRAIN_MS);
      expect(await state()).toEqual([nano(999_990n), nano(999_990n), nano(10n), nano(10n)]);
      expect(await read(one.id)).toMatchObject({ costNano: nano(10n), status: 200 });
    });

    test("of more than one write takes holds everything", async () => {
      const { recorder, of, state, sql, payer } = await setUp(database);
      for (let i = 0; i < 1200; i++) recorder.push(of({ costNano: nano(1n) }));
      await recorder.drain(DRAIN_MS);
      expect((await state())[2]).toBe(nano(1200n));
      expect(await sql`select count(*)::int as count from requests where key_id = ${payer.keyId}::uuid`).toEqual([
        { count: 1200 },
      ] as never);
    });
  });

  describe("text that nobody should have sent", () => {
    const HOSTILE = [
      "\0",
      "a\0b",
      "\ud800",
      "x\udc00y",
      "\\u0000",
      "'; drop table requests; --",
      "$1",
      "%s",
      "\x1b[31m",
    ];
    test("does not stop the others from being written, in whatever field it stands", async () => {
      const { recorder, of, errors, sql, state, payer } = await setUp(database);
      const texts = [...HOSTILE, "n".repeat(1_000_000), "\ud83d\ude00".repeat(400)];
      for (const text of texts) {
        const attempt = { provider: "p", dialect: "gemini", status: 500, durationMs: 1, outcome: "failed" } as const;
        recorder.push(
          of({
            modelRequested: text,
            model: text,
            upstreamModel: text,
            upstreamId: text,
            endpoint: text,
            client: text,
            attempts: [{ ...attempt, endpoint: text, reason: text }],
            losses: [{ field: text, kind: "dropped" }],
          }),
        );
      }
      await recorder.drain(DRAIN_MS);
      expect(errors).toEqual([]);
      expect((await state())[2]).toBe(nano(1000n * BigInt(texts.length)));
      const [row] = await sql`
        select max(length(model_requested))::int as most from requests where key_id = ${payer.keyId}::uuid`;
      expect(row.most).toBeLessThanOrEqual(500);
    });

    test("any text comes back, but for what no database holds", async () => {
      const { recorder, of, read } = await setUp(database);
      const texts = fc.sample(fc.string({ unit: "grapheme", maxLength: 60 }), 40).concat(["ü 🙂 \n\t"]);
      const written = texts.map((text) => of({ modelRequested: text, losses: [{ field: text, kind: "altered" }] }));
      for (const one of written) recorder.push(one);
      await recorder.drain(DRAIN_MS);
      for (const [index, { id }] of written.entries()) {
        const text = texts[index]?.replaceAll("\0", "").toWellFormed() ?? "";
        expect(await read(id)).toMatchObject({ modelRequested: text, losses: [{ field: text, kind: "altered" }] });
      }
    });
  });

  test("numbers beyond what a column holds do not stop the queue", async () => {
    const { recorder, of, errors, read } = await setUp(database);
    const usage = { ...emptyUsage("measured"), input: 1e300, output: Number.NaN, thinking: 1.5, cacheRead: -4 };
    const one = of({ usage, durationMs: 1e12, firstTokenMs: Number.NaN, status: 1e10 });
    recorder.push(one);
    recorder.push(of({ durationMs: Number.POSITIVE_INFINITY }));
    await recorder.drain(DRAIN_MS);
    expect(errors).toEqual([]);
    const written = await read(one.id);
    expect(written?.usage).toMatchObject({ input: 2 ** 31 - 1, output: 0, cacheRead: 0 });
  });

  test("a record that the database refuses does not keep the others", async () => {
    const { recorder, of, errors, state } = await setUp(database);
    recorder.push(of({ id: "bad", keyId: "no-uuid" }));
    for (let i = 0; i < 5; i++) recorder.push(of());
    for (let i = 0; i < 400 && (await state())[2] !== nano(5000n); i++) await Bun.sleep(20);
    expect((await state())[2]).toBe(nano(5000n));
    expect(recorder.pending("bad")).toBeDefined();
    expect(errors.length).toBeGreaterThan(0);
  });

  describe("while the database is away", () => {
    test("records wait, and are written when it is back", async () => {
      const { recorder, of, broken, errors, state, read } = await setUp(database);
      broken.now = true;
      const one = of();
      recorder.push(one);
      for (let i = 0; i < 3; i++) recorder.push(of());
      await expect(recorder.drain(50)).rejects.toThrow("4 usage records");
      for (let i = 0; i < 400 && errors.length === 0; i++) await Bun.sleep(5);
      expect(await read(one.id)).toBe(one);
      expect((await state())[2]).toBe(nano(0n));
      broken.now = false;
      await recorder.drain(DRAIN_MS);
      expect((await state())[2]).toBe(nano(4000n));
    });

    test("it says when no more work should be taken on, and takes what comes all the same", async () => {
      const { recorder, of, broken } = await setUp(database);
      broken.now = true;
      for (let i = 0; i < 19_999; i++) recorder.push(of());
      expect(recorder.full()).toBe(false);
      recorder.push(of());
      expect(recorder.full()).toBe(true);
      recorder.push(of());
      expect(recorder.pending("unknown")).toBeUndefined();
    });
  });

  describe("reading a record", () => {
    test("gives back everything that was written", async () => {
      const { recorder, of, read } = await setUp(database);
      const usage = { ...emptyUsage("estimated"), input: 1, cacheRead: 2, cacheWrite5m: 3, cacheWrite1h: 4, output: 5 };
      Object.assign(usage, {
        thinking: 6,
        imageInput: 7,
        imageOutput: 8,
        audioInput: 9,
        audioOutput: 10,
        webSearches: 11,
      });
      const attempts: CallRecord["attempts"] = [
        { endpoint: "p/up", provider: "p", dialect: "gemini", status: 200, durationMs: 3, outcome: "served" },
      ];
      const whole = of({
        usage,
        attempts,
        losses: [{ field: "topK", kind: "dropped" }],
        model: "m",
        provider: "p",
        endpoint: "p/up",
        upstreamModel: "up",
        upstreamId: "u1",
        errorCode: "upstream_timeout",
        finishReason: "length",
        firstTokenMs: 4,
        client: "curl/8",
        cancelled: true,
        streamed: true,
        path: "convert",
        routing: {
          candidates: [{ endpoint: "p/up", score: 0.1235 }],
          excluded: [{ endpoint: 'q"\\', reason: "cannot do images" }],
          wishes: ["sort"],
          more: 3,
        },
        costNano: nano(123_456n),
      });
      recorder.push(whole);
      await recorder.drain(DRAIN_MS);
      expect(await read(whole.id)).toEqual(whole);
      const bare = of();
      recorder.push(bare);
      await recorder.drain(DRAIN_MS);
      expect(await read(bare.id)).toEqual(bare);
    });

    test("of another workspace is as if there were none, queued or written", async () => {
      const { recorder, of, read, newPayer } = await setUp(database);
      const other = await newPayer();
      const one = of();
      recorder.push(one);
      expect(await read(one.id, other.workspaceId)).toBeUndefined();
      await recorder.drain(DRAIN_MS);
      expect(await read(one.id, other.workspaceId)).toBeUndefined();
      for (const id of ["req_unknown", "", "a\0b", "\ud800", "x".repeat(100_000)]) {
        expect(await read(id)).toBeUndefined();
      }
    });
  });

  test("recent use is summed by key, and only that of the keys asked for", async () => {
    const { recorder, of, sql, payer, newPayer } = await setUp(database);
    const other = await newPayer();
    const longAgo = new Date(Date.now() - 40 * 86_400_000);
    recorder.push(of({ costNano: nano(5n) }));
    recorder.push(of({ costNano: nano(7n) }));
    recorder.push(of({ costNano: nano(100n), createdAt: longAgo }));
    recorder.push(record({ ...other, costNano: nano(9n) }));
    await recorder.drain(DRAIN_MS);
    const found = await usageByKey(sql, [payer.keyId]);
    expect([...found]).toEqual([[payer.keyId, { dayNano: nano(12n), weekNano: nano(12n), monthNano: nano(12n) }]]);
    expect((await usageByKey(sql, [])).size).toBe(0);
    expect((await usageByKey(sql, [crypto.randomUUID()])).size).toBe(0);
    expect((await usageByKey(sql, [payer.keyId, other.keyId])).size).toBe(2);
  });
});
