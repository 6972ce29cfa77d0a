/**
 * A PostgreSQL server that is killed, frozen, read-only or full amid the load: callers are told to come back, nobody is billed wrongly.
 * The gateway is never started anew: when the server is back, calls go on.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { SQL } from "bun";
import { type Cluster, makeAccount, makeCluster, manage, type Served, type Upstream } from "../support/cluster.ts";
import { missingPostgres, type PostgresServer, startPostgres } from "../support/postgres.ts";
import { configText, METERED } from "./config.ts";
import { auditBooks, joinJournal, joinSeen, readCalls } from "./join.ts";
import { anyShape, call, type Seen } from "./load.ts";
import { postgresStore } from "./store.ts";

const TIMEOUT_MS = 180_000;
/** A third of this is how long a node goes on with what it has set aside after the last word from the database. */
const SILENCE_MS = 6000;
const GOES_ON_MS = SILENCE_MS / 3;
/** A call is noted as begun here a little before the gateway sees it. */
const SLACK_MS = 1500;
const FAULT_MS = GOES_ON_MS + SLACK_MS + 3500;
/** Long enough for those who wait for their key to be told that it takes too long. */
const FROZEN_MS = 12_000;
const AT_A_TIME = 8;
const MAX_CALLS = 4000;
const PAUSE_MS = 20;

const missing = missingPostgres();
let cluster: Cluster;
let server: PostgresServer;
let upstream: Upstream;
let databaseUrl: string;
let node: Served;
let key: string;
const all: Seen[] = [];

async function begin(): Promise<void> {
  cluster = makeCluster();
  const started = await startPostgres(true);
  if ("missing" in started) throw new Error(started.missing);
  server = started;
  upstream = await cluster.startUpstream();
  const store = await postgresStore(server);
  databaseUrl = store.databaseUrl;
  const config = cluster.file(configText(upstream.url, "defaults: { welcome_credit_usd: 1000 }"));
  const dataDir = await store.makeDataDirectory(cluster);
  const env = { ...store.env, SLUICE_DATABASE_NODE_SILENCE_MS: String(SILENCE_MS) };
  node = await cluster.startNode({ config, dataDir, env });
  key = (await makeAccount(node)).key;
}

interface Timed extends Seen {
  readonly begunMs: number;
  readonly endedMs: number;
}

/** Calls that go well for as long as the upstream is asked, until `over` is called. */
function loadUntil(): { over(): Promise<Timed[]> } {
  const seen: Timed[] = [];
  let stopped = false;
  const worker = async () => {
    while (!stopped && seen.length < MAX_CALLS) {
      const begunMs = performance.now();
      const one = await call(node.url, key, anyShape(METERED, true));
      seen.push({ ...one, begunMs, endedMs: performance.now() });
      await Bun.sleep(PAUSE_MS);
    }
  };
  const working = Promise.all(Array.from({ length: AT_A_TIME }, worker));
  return {
    async over() {
      stopped = true;
      await working;
      all.push(...seen);
      return seen;
    },
  };
}

async function untilServing(): Promise<void> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const seen = await call(node.url, key, anyShape(METERED, true));
    all.push(seen);
    if (seen.complete) return;
    expect(seen.status).toBe(503);
    if (performance.now() > deadline) throw new Error(`it does not come back: ${seen.error}`);
    await Bun.sleep(100);
  }
}

/** Runs SQL on the database with a connection of its own. */
async function run(text: string, url = databaseUrl): Promise<void> {
  const sql = new SQL(url, { max: 1 });
  try {
    for (const statement of text.split(";;")) await sql.unsafe(statement);
  } finally {
    await sql.close({ timeout: 0 });
  }
}

/** The whole story of a fault: load, the fault, load, the end of the fault, and everything serves again. */
async function survive(fault: {
  begin(): void | Promise<void>;
  end(): void | Promise<void>;
  forMs?: number;
}): Promise<void> {
  const load = loadUntil();
  await Bun.sleep(700);
  await fault.begin();
  const brokenMs = performance.now();
  let mendedMs = 0;
  let before = 0;
  let after = 0;
  try {
    await Bun.sleep(GOES_ON_MS + SLACK_MS);
    before = (await upstream.journal()).length;
    await Bun.sleep((fault.forMs ?? FAULT_MS) - GOES_ON_MS - SLACK_MS);
    after = (await upstream.journal()).length;
  } finally {
    mendedMs = performance.now();
    await fault.end();
  }
  await untilServing();
  const seen = await load.over();
  // Never a caller's fault, never a mistake of ours: whoever is not served is told when to come back.
  const failed = seen.filter(({ complete }) => !complete);
  expect(failed.filter(({ status }) => status !== 503)).toEqual([]);
  expect(failed.filter(({ retryAfter }) => !(Number(retryAfter) >= 1))).toEqual([]);
  expect(failed.length).toBeGreaterThan(0);
  // What was set aside lasts only so long.
  expect(after - before).toBe(0);
  const late = seen.filter(({ begunMs, endedMs }) => begunMs > brokenMs + GOES_ON_MS + SLACK_MS && endedMs < mendedMs);
  expect(late.filter(({ status }) => status !== 503)).toEqual([]);
  expect(late.length).toBeGreaterThan(0);
  expect(await Promise.race([node.exited, "running"])).toBe("running");
}

describe.skipIf(missing !== undefined)("PostgreSQL under load (needs PostgreSQL)", () => {
  beforeAll(begin, 60_000);
  afterAll(async () => {
    await cluster?.stop();
    await server?.stop();
  });

  test(
    "killed and started again",
    () => survive({ begin: () => server.kill(), end: () => server.restart() }),
    TIMEOUT_MS,
  );

  test(
    "frozen",
    () => survive({ begin: () => server.freeze(), end: () => server.thaw(), forMs: FROZEN_MS }),
    TIMEOUT_MS,
  );

  test(
    "read-only",
    () =>
      survive({
        begin: () => run("alter system set default_transaction_read_only = on;; select pg_reload_conf()", server.url),
        end: () =>
          run(
            "set default_transaction_read_only = off;; alter system reset default_transaction_read_only;; select pg_reload_conf()",
            server.url,
          ),
      }),
    TIMEOUT_MS,
  );

  test("full", () => survive({ begin: () => run(FULL), end: () => run(ROOM) }), TIMEOUT_MS);

  test(
    "through all of that nothing was lost: each call is in the books, once, for what it cost",
    async () => {
      const sql = new SQL(databaseUrl, { max: 1, bigint: true });
      const deadline = performance.now() + 30_000;
      while (Number((await sql`select count(*)::int as n from leases where amount > 0`)[0].n) > 0) {
        if (performance.now() > deadline) throw new Error("leases are still there");
        await Bun.sleep(100);
      }
      expect((await manage(node, "admin/ledger/check")).problems).toEqual([]);
      const calls = await readCalls(sql);
      const problems = [...joinJournal(calls, await upstream.journal(), all), ...joinSeen(calls, all)];
      expect([...problems, ...(await auditBooks(sql))]).toEqual([]);
      expect([...calls.values()].filter(({ outcome }) => outcome === "expired")).toEqual([]);
      await sql.close();
    },
    TIMEOUT_MS,
  );
});

/** Every write fails as on a full disk. */
const FULL = `
create or replace function disk_full() returns trigger language plpgsql as $$
  begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$;;
do $$ declare t text; begin
  for t in select tablename from pg_tables where schemaname = 'public' loop
    execute format('create trigger disk_full before insert or update or delete on %I for each statement execute function disk_full()', t);
  end loop; end $$`;

const ROOM = "drop function disk_full cascade";
