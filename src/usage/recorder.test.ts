/**
 * Tests of the usage recorder on both kinds of database: what is written is what is read back, once, with its balance.
 * They stand for the promise that no finished call is lost or billed twice.
 */
import { beforeAll, expect, test } from "bun:test";
import { eachDatabase } from "../../test/support/postgres.ts";
import type { CallRecord } from "../core/call.ts";
import { nano } from "../core/money.ts";
import { emptyUsage } from "../core/usage.ts";
import type { Database } from "../db/database.ts";
import { migrate } from "../db/migrate.ts";
import { createRecorder, type Settled } from "./recorder.ts";
import { findRecord } from "./records.ts";

const workspaceId = "0198a000-0000-7000-8000-000000000001";
const keyId = "0198a000-0000-7000-8000-000000000002";

const rich: CallRecord = {
  id: "req_rich",
  createdAt: new Date("2026-03-04T05:06:07.891Z"),
  workspaceId,
  keyId,
  surface: "openai-chat",
  dialect: "anthropic-messages",
  path: "convert",
  modelRequested: 'a "name" with, odd {characters} and ümläute',
  model: "some/model",
  provider: "somewhere",
  endpoint: "somewhere/model",
  upstreamModel: "model",
  upstreamId: "msg_1",
  streamed: true,
  status: 499,
  errorCode: "upstream_timeout",
  finishReason: "tool-calls",
  usage: {
    input: 1,
    cacheRead: 2,
    cacheWrite5m: 3,
    cacheWrite1h: 4,
    imageInput: 5,
    audioInput: 6,
    output: 7,
    thinking: 8,
    imageOutput: 9,
    audioOutput: 10,
    webSearches: 0,
    source: "measured",
  },
  costNano: nano(9_007_199_254_740_993n),
  firstTokenMs: 12,
  durationMs: 345,
  attempts: [
    {
      endpoint: "a",
      provider: "b",
      dialect: "gemini",
      status: 0,
      durationMs: 3,
      outcome: "failed",
      reason: "connect",
    },
  ],
  losses: [{ field: "seed", kind: "dropped" }] as CallRecord["losses"],
  client: "test/1",
  cancelled: true,
};

const bare: CallRecord = {
  id: "req_bare",
  createdAt: new Date("2026-03-04T05:06:08Z"),
  workspaceId,
  keyId,
  surface: "gemini",
  dialect: "gemini",
  path: "relay",
  modelRequested: "",
  streamed: false,
  status: 400,
  usage: emptyUsage(),
  costNano: nano(0n),
  durationMs: 0,
  attempts: [],
  losses: [],
  cancelled: false,
};

eachDatabase((store) => {
  let database: Database;
  beforeAll(async () => {
    database = await store.open();
    await migrate(database);
    await database.sql`insert into workspaces (id, name, billing, balance_nano) values (${workspaceId}, 'w', 'prepaid', 10000000000000000)`;
    await database.sql`insert into api_keys (id, workspace_id, hash, label, name) values (${keyId}, ${workspaceId}, 'h', 'l', 'n')`;
  }, 60_000);

  function recorder(settled: Settled[], errors: unknown[] = []) {
    return createRecorder({
      sql: database.sql,
      onSettled: (one) => settled.push(one),
      onError: (error) => errors.push(error),
    });
  }

  test("records of different shapes come back as they were pushed, and the balance falls once", async () => {
    const settled: Settled[] = [];
    const written = recorder(settled);
    const many = Array.from({ length: 1200 }, (_, n): CallRecord => ({ ...bare, id: `req_${n}`, costNano: nano(5n) }));
    for (const record of [rich, bare, ...many]) written.push(record);
    expect(written.pending("req_rich")).toBe(rich);
    await written.drain(20_000);
    for (const record of [rich, bare, many[1100] as CallRecord]) {
      const found = await findRecord(database.sql, written, record.id, workspaceId);
      expect(JSON.parse(JSON.stringify({ ...found, costNano: String(found?.costNano) }))).toEqual(
        JSON.parse(JSON.stringify({ ...record, costNano: String(record.costNano) })),
      );
    }
    const spent = 9_007_199_254_740_993n + 6000n;
    expect(settled.at(-1)?.balanceNano).toBe(nano(10_000_000_000_000_000n - spent));
    expect(settled.reduce((sum, one) => sum + one.settledNano, 0n)).toBe(spent);
    const again = recorder([]);
    again.push(rich);
    await again.drain(20_000);
    const [row] = await database.sql`select used_nano from api_keys where id = ${keyId}`;
    expect(row.used_nano).toBe(spent);
  }, 60_000);

  test("text that Postgres cannot hold does not block the queue", async () => {
    const errors: unknown[] = [];
    const written = recorder([], errors);
    written.push({ ...bare, id: "req_odd", modelRequested: `a\0b\ud800${"x".repeat(2000)}` });
    await written.drain(20_000);
    expect(errors).toEqual([]);
    const found = await findRecord(database.sql, written, "req_odd", workspaceId);
    expect(found?.modelRequested).toBe(`ab\ufffd${"x".repeat(496)}`);
  }, 60_000);
});
