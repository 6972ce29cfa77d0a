/**
 * Ends that are asked for, and a disk that fills: what runs is settled, what cannot be written down is not begun.
 * On the embedded store; the same code runs over PostgreSQL.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { type Cluster, makeAccount, makeCluster, manage, type Served, type Upstream } from "../support/cluster.ts";
import { RAW_SURFACES } from "../support/surfaces.ts";
import { configText, METERED } from "./config.ts";
import { auditBooks, type CallRow, joinJournal, joinSeen, readCalls } from "./join.ts";
import { call, drive, type Seen, type Shape, shapeOf } from "./load.ts";
import { EMBEDDED, openStore } from "./store.ts";

const TIMEOUT_MS = 120_000;
const STREAMS = 8;
/** What a first start makes is on the disk by then. */
const BEGIN_MS = 600;

let cluster: Cluster;
let upstream: Upstream;

beforeAll(async () => {
  cluster = makeCluster();
  upstream = await cluster.startUpstream();
}, 60_000);
afterAll(() => cluster?.stop());

/** A gateway of its own with an account that has credit. */
async function startOne(env: Readonly<Record<string, string>> = {}) {
  const config = cluster.file(configText(upstream.url, "defaults: { welcome_credit_usd: 10 }"));
  const dataDir = await EMBEDDED.makeDataDirectory(cluster);
  const options = { config, dataDir, env: { ...EMBEDDED.env, ...env } };
  const node = await cluster.startNode(options);
  const { key } = await makeAccount(node);
  await upstream.forget();
  return { node, key, options };
}

/** A stream in each format, twice, of so many words with such pauses. */
function streams(node: Served, key: string, orders: string): Promise<Seen[]> {
  return drive({
    count: STREAMS,
    atATime: STREAMS,
    next: (number) => {
      const surface = RAW_SURFACES[number % RAW_SURFACES.length]!;
      const model = METERED[(number >> 1) % METERED.length]!;
      return { url: node.url, key, shape: { surface, streamed: true, model, text: `Say ${orders}` } satisfies Shape };
    },
  });
}

/** What is in a store that no process has, and everything in it that has no explanation. */
async function look(dataDir: string, seen: readonly Seen[]): Promise<{ calls: CallRow[]; problems: string[] }> {
  const { sql, close } = await openStore(EMBEDDED, dataDir);
  const calls = await readCalls(sql);
  const journal = await upstream.journal();
  const problems = [...joinJournal(calls, journal, seen), ...joinSeen(calls, seen), ...(await auditBooks(sql))];
  await close();
  return { calls: [...calls.values()], problems };
}

const outcomes = (calls: readonly CallRow[]): Set<string> => new Set(calls.map(({ outcome }) => outcome));

test(
  "SIGTERM: it is unready at once, live streams come to their ends and are settled, and it exits with 0",
  async () => {
    const { node, key, options } = await startOne();
    const running = streams(node, key, "words=60 gap=30ms");
    await Bun.sleep(BEGIN_MS);
    node.signal("SIGTERM");
    await Bun.sleep(100);
    const { status } = await fetch(`${node.url}/readyz`);
    expect(status).toBe(503);
    const seen = await running;
    expect(seen.filter(({ complete }) => !complete)).toEqual([]);
    expect(await node.exited).toBe(0);
    const { calls, problems } = await look(options.dataDir, seen);
    expect(problems).toEqual([]);
    expect(calls.length).toBe(STREAMS);
    expect(outcomes(calls)).toEqual(new Set(["posted"]));
  },
  TIMEOUT_MS,
);

test(
  "streams that outlive the drain time are cut and settled before it exits with 0",
  async () => {
    const { node, key, options } = await startOne({ SLUICE_TIMEOUTS_DRAIN_MS: "500" });
    const running = streams(node, key, "words=600 gap=50ms");
    await Bun.sleep(BEGIN_MS);
    node.signal("SIGTERM");
    expect(await node.exited).toBe(0);
    const seen = await running;
    expect(seen.filter(({ complete }) => complete)).toEqual([]);
    const { calls, problems } = await look(options.dataDir, seen);
    expect(problems).toEqual([]);
    expect(calls.length).toBe(STREAMS);
    expect(outcomes(calls)).toEqual(new Set(["posted"]));
    expect(calls.every(({ costNano }) => costNano > 0n)).toBe(true);
  },
  TIMEOUT_MS,
);

test(
  "a second SIGTERM ends it soon; what ran then is closed by the next start",
  async () => {
    const { node, key, options } = await startOne();
    const running = streams(node, key, "words=2000 gap=50ms");
    await Bun.sleep(BEGIN_MS);
    node.signal("SIGTERM");
    await Bun.sleep(300);
    node.signal("SIGTERM");
    expect(await node.exited).toBe(0);
    const seen = await running;
    const next = await cluster.startNode(options);
    expect(await manage(next, "admin/ledger/check")).toMatchObject({ balanced: true, open_holds: 0 });
    next.signal("SIGTERM");
    expect(await next.exited).toBe(0);
    const { calls, problems } = await look(options.dataDir, seen);
    expect(problems).toEqual([]);
    expect(calls.length).toBe(STREAMS);
  },
  TIMEOUT_MS,
);

test(
  "a disk that fills up: paid work is refused with 503 under the floor, and taken on again when there is space",
  async () => {
    const { bavail, bsize } = statfsSync(cluster.directory);
    const free = bavail * bsize;
    // Other programs use the same disk: the floor and the file that breaks it are far from what they move.
    const floor = Math.floor(free * 0.7);
    const filler = join(cluster.directory, "filler");
    const config = cluster.file(configText(upstream.url, "defaults: { welcome_credit_usd: 10 }"));
    const dataDir = join(cluster.directory, "data");
    const made = await EMBEDDED.makeDataDirectory(cluster);
    Bun.spawnSync(["mkdir", dataDir]);
    Bun.spawnSync(["cp", "-Rp", join(made, "postgres"), dataDir]);
    const node = await cluster.startNode({ config, dataDir, env: { SLUICE_DATABASE_MIN_FREE_BYTES: String(floor) } });
    const { key } = await makeAccount(node);
    await upstream.forget();
    const seen = [await call(node.url, key, shapeOf(0, "sim-chat", "Say words=5"))];
    try {
      const filled = Bun.spawnSync(["fallocate", "-l", String(Math.floor(free * 0.5)), filler]);
      expect(filled.success).toBe(true);
      await until(async () => (await fetch(`${node.url}/readyz`)).status === 503);
      const refused = await drive({
        count: 16,
        atATime: 4,
        next: (number) => ({ url: node.url, key, shape: shapeOf(number, "sim-messages", "Say words=5") }),
      });
      expect(refused.filter(({ status, retryAfter }) => status !== 503 || !(Number(retryAfter) >= 1))).toEqual([]);
      expect((await upstream.journal()).length).toBe(1);
    } finally {
      rmSync(filler, { force: true });
    }
    await until(async () => (await fetch(`${node.url}/readyz`)).status === 200);
    seen.push(await call(node.url, key, shapeOf(0, "sim-chat", "Say words=6")));
    expect(seen.map(({ complete }) => complete)).toEqual([true, true]);
    node.signal("SIGTERM");
    expect(await node.exited).toBe(0);
    expect((await look(dataDir, seen)).problems).toEqual([]);
  },
  TIMEOUT_MS,
);

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error("it never came to that");
    await Bun.sleep(100);
  }
}
