/**
 * How fast finished calls reach the database: records pushed as settlement pushes them, until the backlog is gone.
 * A throw-away PostgreSQL server that waits for the disk; its CPU time is on the same machine.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CallRecord } from "../src/core/call.ts";
import { nano } from "../src/core/money.ts";
import { emptyUsage } from "../src/core/usage.ts";
import { openDatabase } from "../src/db/database.ts";
import { migrate } from "../src/db/migrate.ts";
import { openKeys } from "../src/identity/keys.ts";
import { openWorkspaces } from "../src/identity/workspaces.ts";
import { creditAccount, openBooks } from "../src/ledger/books.ts";
import { openJournal, openJournalFolder } from "../src/usage/journal.ts";
import { createRecorder, LINES } from "../src/usage/recorder.ts";
import { startPostgres, testDatabaseSettings } from "../test/support/postgres.ts";

const WORKSPACES = 20;
const CREDIT = nano(10n ** 15n);

/** Prints how many records a second were written and booked. */
export async function benchSettlement(count: number): Promise<void> {
  const server = await startPostgres(true);
  if ("missing" in server) return console.log(`settled records: not measured, ${server.missing}`);
  const folder = mkdtempSync(join(tmpdir(), "sluice-settle-"));
  const database = await openDatabase({ ...testDatabaseSettings, databaseUrl: await server.createDatabase() });
  try {
    await migrate(database);
    const { perSecond, backlogMs, balanced } = await run(database.sql, folder, count);
    console.log(
      `settled records on PostgreSQL: ${Math.round(perSecond)} a second (${count} records of ${WORKSPACES} workspaces, ` +
        `the last ${Math.round(backlogMs)} ms after they were pushed; books ${balanced ? "balanced" : "WRONG"})`,
    );
  } finally {
    await database.close();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function run(sql: Parameters<typeof openBooks>[0], folder: string, count: number) {
  const books = openBooks(sql);
  const nodeId = crypto.randomUUID();
  await books.register(nodeId);
  const owners = await Promise.all(Array.from({ length: WORKSPACES }, () => newOwner(sql, nodeId)));
  const journalFolder = openJournalFolder(folder);
  const journal = openJournal(journalFolder.directory, () => LINES.node + nodeId);
  const recorder = createRecorder({ sql, journal, nodeId: () => nodeId, onError: (error) => console.error(error) });
  const began = performance.now();
  for (let index = 0; index < count; index++) {
    while (recorder.full()) await Bun.sleep(1);
    const record = recordOf(owners[index % WORKSPACES]!, index);
    recorder.push(record, recorder.open(record), { nodeId, written() {} });
    if (index % 100 === 0) await Bun.sleep(0);
  }
  const pushed = performance.now();
  await recorder.drain(60_000);
  const ended = performance.now();
  journal.close();
  journalFolder.release();
  const { balanced } = await books.check();
  return { perSecond: (count / (ended - began)) * 1000, backlogMs: ended - pushed, balanced };
}

interface Owner {
  readonly workspaceId: string;
  readonly keyId: string;
}

async function newOwner(sql: Parameters<typeof openBooks>[0], nodeId: string): Promise<Owner> {
  const workspace = await openWorkspaces(sql).create({ name: "bench", plan: "payg", welcomeCreditNano: CREDIT });
  const { stored } = await openKeys(sql, "sk-sluice-").create({ workspaceId: workspace.id, name: "bench" });
  const wish = { purse: creditAccount(workspace.id), limit: null, needed: CREDIT, least: CREDIT, extra: 0n };
  await openBooks(sql).take(nodeId, wish);
  return { workspaceId: workspace.id, keyId: stored.id };
}

function recordOf(owner: Owner, index: number): CallRecord {
  return {
    id: `req_${Bun.randomUUIDv7().replaceAll("-", "")}`,
    createdAt: new Date(),
    ...owner,
    surface: "openai-chat",
    dialect: "openai-chat",
    path: "relay",
    modelRequested: "bench",
    model: "bench",
    provider: "up",
    endpoint: "up/bench-1",
    upstreamModel: "bench-1",
    upstreamId: `chatcmpl-${index}`,
    streamed: index % 2 === 0,
    status: 200,
    finishReason: "stop",
    usage: { ...emptyUsage("measured"), input: 40, output: 90 },
    costNano: nano(60_000n),
    outcome: "posted",
    paidBy: "credit",
    holdNano: nano(300_000n),
    lossNano: nano(0n),
    providerCostNano: nano(50_000n),
    clamped: false,
    firstTokenMs: 5,
    durationMs: 9,
    attempts: [
      { endpoint: "up/bench-1", provider: "up", dialect: "openai-chat", status: 200, durationMs: 5, outcome: "served" },
    ],
    losses: [],
    client: "bench/1",
    cancelled: false,
  };
}
