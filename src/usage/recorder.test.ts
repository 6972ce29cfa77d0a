/**
 * Tests of the recorder on both databases: a record, its key's use and its workspace's balance are written together, once.
 * Nothing that a caller or an upstream can put into a record may stop the others from being written.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { record } from "../../test/support/calls.ts";
import { eachDatabase } from "../../test/support/postgres.ts";
import type { CallRecord } from "../core/call.ts";
import { type Nano, nano } from "../core/money.ts";
import { emptyUsage } from "../core/usage.ts";
import type { Database } from "../db/database.ts";
import { migrate } from "../db/migrate.ts";
import { openKeys } from "../identity/keys.ts";
import { openWorkspaces } from "../identity/workspaces.ts";
import { usageByKey } from "./by-key.ts";
import { createRecorder, type Settled } from "./recorder.ts";
import { findRecord } from "./records.ts";

const DRAIN_MS = 10_000;

/** A recorder of its own and a new payer on the database. */
async function setUp({ sql }: Database) {
  const workspaces = openWorkspaces(sql);
  const keys = openKeys(sql, "sk-sluice-");
  const settled: Settled[] = [];
  const errors: unknown[] = [];
  const broken = { now: false };
  // The recorder's way to the database, which a test can break.
  const line = {
    unsafe: (text: string, values: unknown[]) =>
      broken.now ? Promise.reject(new Error("away")) : sql.unsafe(text, values),
  } as unknown as typeof sql;
  const recorder = createRecorder({
    sql: line,
    onSettled: (one) => void settled.push(one),
    onError: (error) => void errors.push(error),
  });
  const newPayer = async (credit = 1_000_000n) => {
    const workspace = await workspaces.create({ name: "w", plan: "payg", welcomeCreditNano: nano(credit) });
    const { stored } = await keys.create({ workspaceId: workspace.id, name: "k" });
    return { workspaceId: workspace.id, keyId: stored.id, hash: stored.hash };
  };
  const payer = await newPayer();
  const of = (over: Partial<CallRecord> = {}) =>
    record({ workspaceId: payer.workspaceId, keyId: payer.keyId, ...over });
  const books = async (who = payer) => {
    const workspace = await workspaces.read(who.workspaceId);
    const key = await keys.read(who.hash);
    return [workspace?.balanceNano, workspace?.usedNano, key?.usedNano] as (Nano | undefined)[];
  };
  const read = (id: string, workspaceId = payer.workspaceId) => findRecord(sql, recorder, id, workspaceId);
  return { sql, recorder, settled, errors, broken, payer, newPayer, of, books, read };
}

eachDatabase((store) => {
  let database: Database;
  beforeAll(async () => {
    database = await store.open();
    await migrate(database);
  }, 60_000);

  describe("a batch", () => {
    test("writes records, the key's use and the balance together, and says what it settled", async () => {
      const { recorder, of, books, settled, newPayer, payer } = await setUp(database);
      const other = await newPayer(500n);
      for (const costNano of [10n, 20n, 30n]) recorder.push(of({ costNano: nano(costNano) }));
      recorder.push(record({ ...other, costNano: nano(700n) }));
      await recorder.drain(DRAIN_MS);
      expect(await books()).toEqual([nano(999_940n), nano(60n), nano(60n)]);
      expect(await books(other)).toEqual([nano(-200n), nano(700n), nano(700n)]);
      expect(settled.toSorted((a, b) => Number(a.settledNano - b.settledNano))).toEqual([
        { workspaceId: payer.workspaceId, balanceNano: nano(999_940n), settledNano: nano(60n) },
        { workspaceId: other.workspaceId, balanceNano: nano(-200n), settledNano: nano(700n) },
      ]);
    });

    test("a repeated record changes neither record nor balance", async () => {
      const { recorder, of, books, read } = await setUp(database);
      const one = of({ costNano: nano(10n) });
      recorder.push(one);
      await recorder.drain(DRAIN_MS);
      recorder.push({ ...one, costNano: nano(99n), status: 500 });
      await recorder.drain(DRAIN_MS);
      expect(await books()).toEqual([nano(999_990n), nano(10n), nano(10n)]);
      expect(await read(one.id)).toMatchObject({ costNano: nano(10n), status: 200 });
    });

    test("whose confirmation was lost is settled when it is written again", async () => {
      const { recorder, of, settled, sql, books } = await setUp(database);
      const one = of({ costNano: nano(10n) });
      const lost = createRecorder({ sql, onSettled() {}, onError() {} });
      lost.push(one);
      await lost.drain(DRAIN_MS);
      recorder.push(one);
      await recorder.drain(DRAIN_MS);
      expect(settled.map((each) => each.settledNano)).toEqual([nano(10n)]);
      expect((await books())[0]).toBe(nano(999_990n));
    });

    test("of more than one write takes holds everything", async () => {
      const { recorder, of, books, sql, payer } = await setUp(database);
      for (let i = 0; i < 1200; i++) recorder.push(of({ costNano: nano(1n) }));
      await recorder.drain(DRAIN_MS);
      expect((await books())[1]).toBe(nano(1200n));
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
      const { recorder, of, errors, sql, books, payer } = await setUp(database);
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
      expect((await books())[1]).toBe(nano(1000n * BigInt(texts.length)));
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
    const { recorder, of, errors, books } = await setUp(database);
    recorder.push(of({ id: "bad", keyId: "no-uuid" }));
    for (let i = 0; i < 5; i++) recorder.push(of());
    for (let i = 0; i < 400 && (await books())[1] !== nano(5000n); i++) await Bun.sleep(20);
    expect((await books())[1]).toBe(nano(5000n));
    expect(recorder.pending("bad")).toBeDefined();
    expect(errors.length).toBeGreaterThan(0);
  });

  describe("while the database is away", () => {
    test("records wait, and are written when it is back", async () => {
      const { recorder, of, broken, errors, books, read } = await setUp(database);
      broken.now = true;
      const one = of();
      recorder.push(one);
      for (let i = 0; i < 3; i++) recorder.push(of());
      await expect(recorder.drain(50)).rejects.toThrow("4 usage records");
      for (let i = 0; i < 400 && errors.length === 0; i++) await Bun.sleep(5);
      expect(await read(one.id)).toBe(one);
      expect((await books())[1]).toBe(nano(0n));
      broken.now = false;
      await recorder.drain(DRAIN_MS);
      expect((await books())[1]).toBe(nano(4000n));
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
        costNano: nano(123_456_789_012n),
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
