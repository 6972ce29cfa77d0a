/**
 * SIGKILL under load, on both stores and with two nodes on one database: what must be true of the money afterwards.
 * `npm run soak:kill` runs many more of the same rounds.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Cluster, makeAccount, makeCluster, makeKey, manage, type Served } from "../support/cluster.ts";
import { missingPostgres, type PostgresServer } from "../support/postgres.ts";
import { configText, METERED } from "./config.ts";
import { auditBooks, joinJournal, joinSeen, readCalls } from "./join.ts";
import { anyShape, drive, type Seen } from "./load.ts";
import { median, type RoundsReport, runRounds } from "./rounds.ts";
import { EMBEDDED, mustStartPostgres, openStore, postgresStore } from "./store.ts";

const ROUNDS = 50;
const TIMEOUT_MS = 600_000;
/** Half of the starts are sooner than this, even on a machine that is twice as busy as it should be. */
const READY_MS = { embedded: 20_000, postgres: 10_000 };
/** The two-node test waits until one node takes the other for dead. */
const SILENCE_MS = 4000;

const missing = missingPostgres();
let cluster: Cluster;
let server: PostgresServer | undefined;
let onEmbedded: Promise<RoundsReport>;
let onPostgres: Promise<RoundsReport> | undefined;

beforeAll(async () => {
  cluster = makeCluster();
  if (missing === undefined) server = await mustStartPostgres();
  // Side by side: a round is mostly waiting for a process to start.
  onEmbedded = runRounds(cluster, EMBEDDED, ROUNDS);
  onEmbedded.catch(() => {});
  onPostgres = server && runRounds(cluster, await postgresStore(server), ROUNDS);
  onPostgres?.catch(() => {});
}, 60_000);

afterAll(async () => {
  await cluster.stop();
  await server?.stop();
});

function expectExplained(report: RoundsReport, readyWithinMs: number): void {
  expect(report.problems).toEqual([]);
  expect(report.outcomes.refused).toBeUndefined();
  expect(report.outcomes.posted).toBeGreaterThan(ROUNDS);
  expect(report.outcomes.expired).toBeGreaterThan(0);
  expect(report.complete).toBeGreaterThan(ROUNDS);
  expect(median(report.readyMs)).toBeLessThan(readyWithinMs);
}

test(
  `${ROUNDS} kills on the embedded store: every call is in the books once, balances and holds are right at each start`,
  async () => expectExplained(await onEmbedded, READY_MS.embedded),
  TIMEOUT_MS,
);

test.skipIf(missing !== undefined)(
  `${ROUNDS} kills on PostgreSQL: every call is in the books once, balances and holds are right at each start (needs PostgreSQL)`,
  async () => expectExplained(await onPostgres!, READY_MS.postgres),
  TIMEOUT_MS,
);

/** Load on these nodes for so long. */
async function loadOn(nodes: readonly Served[], keys: readonly string[], forMs: number, good = false): Promise<Seen[]> {
  let over = false;
  void Bun.sleep(forMs).then(() => {
    over = true;
  });
  return drive({
    count: 400,
    atATime: 16,
    stopped: () => over,
    next: (number) => ({
      url: nodes[number % nodes.length]?.url ?? "",
      key: keys[number % keys.length] ?? "",
      shape: anyShape(METERED, good),
    }),
  });
}

async function untilNothingIsHeld(node: Served, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const books = await manage(node, "admin/ledger/check");
    expect(books.problems).toEqual([]);
    if (books.open_holds === 0) return;
    if (performance.now() > deadline) throw new Error(`${books.open_holds} holds are open after all that time`);
    await Bun.sleep(200);
  }
}

test.skipIf(missing !== undefined)(
  "of two nodes on one database one is killed: the other goes on, and what the dead one had set aside comes back, at its next start or without one (needs PostgreSQL)",
  async () => {
    const store = await postgresStore(server!);
    const upstream = await cluster.startUpstream();
    const config = cluster.file(configText(upstream.url, "defaults: { welcome_credit_usd: 1000 }"));
    const env = { ...store.env, SLUICE_DATABASE_NODE_SILENCE_MS: String(SILENCE_MS) };
    const folders = [await store.makeDataDirectory(cluster), await store.makeDataDirectory(cluster)] as const;
    const start = (index: 0 | 1) => cluster.startNode({ config, dataDir: folders[index], env });
    const stays = await start(0);
    let dies = await start(1);
    const account = await makeAccount(stays);
    const { key: limited } = await makeKey(stays, account.workspaceId, { limit: 500 });
    const keys = [account.key, limited];
    const seen: Seen[] = [];
    const { sql, close } = await openStore(store, "");
    const nodeCount = async () => Number((await sql`select count(*)::int as n from nodes`)[0].n);
    const killUnderLoad = async () => {
      const both = loadOn([stays, dies], keys, 1200);
      await Bun.sleep(300 + Math.random() * 300);
      await dies.kill();
      seen.push(...(await both));
      const after = await loadOn([stays], keys, 500, true);
      // The survivor serves as before: nothing is refused because the other one died.
      expect(after.filter(({ complete }) => !complete)).toEqual([]);
      seen.push(...after);
    };

    await killUnderLoad();
    expect(await nodeCount()).toBe(2);
    dies = await start(1);
    // What is open now can only be the survivor's: the dead node is not waited for.
    expect(await nodeCount()).toBe(2);
    await untilNothingIsHeld(stays, SILENCE_MS / 2 + 5000);

    await killUnderLoad();
    await untilNothingIsHeld(stays, SILENCE_MS * 5);
    expect(await nodeCount()).toBe(1);
    // Its calls are booked though its leases are long gone.
    dies = await start(1);
    await untilNothingIsHeld(dies, 5000);
    const calls = await readCalls(sql);
    const journal = await upstream.journal();
    expect([...joinJournal(calls, journal, seen), ...joinSeen(calls, seen), ...(await auditBooks(sql))]).toEqual([]);
    await close();
  },
  TIMEOUT_MS,
);
