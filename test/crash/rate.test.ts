/**
 * Rate limits over two nodes that share a Redis, under load, and while Redis is killed, frozen and flushed.
 * Losing Redis costs accuracy within a bound that `src/limits/redis.ts` names, and nothing else: no error, no money.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { SQL } from "bun";
import {
  type Account,
  type Cluster,
  makeAccount,
  makeCluster,
  makeKey,
  manage,
  type Served,
  type Upstream,
} from "../support/cluster.ts";
import { missingPostgres, type PostgresServer } from "../support/postgres.ts";
import { type RedisServer, redisProgram, startRedis } from "../support/redis.ts";
import { configText, METERED } from "./config.ts";
import { auditBooks, joinJournal, joinSeen, readCalls } from "./join.ts";
import { drive, type Seen, shapeOf } from "./load.ts";
import { mustStartPostgres, postgresStore } from "./store.ts";

const RPM = 100;
const TIMEOUT_MS = 120_000;
const AT_A_TIME = 64;
/** Longer than the longest that nodes wait before they count each other and before they try Redis again. */
const SETTLE_MS = 6000;

const missing = missingPostgres() ?? (redisProgram === null ? "there is no redis-server" : undefined);
let cluster: Cluster;
let server: PostgresServer;
let redis: RedisServer;
let upstream: Upstream;
let nodes: Served[];
let account: Account;
let sql: SQL;
const all: Seen[] = [];

async function begin(): Promise<void> {
  cluster = makeCluster();
  server = await mustStartPostgres();
  redis = await startRedis();
  upstream = await cluster.startUpstream();
  const store = await postgresStore(server);
  const config = cluster.file(configText(upstream.url, "defaults: { welcome_credit_usd: 100 }"));
  const env = { ...store.env, REDIS_URL: redis.url };
  const start = async () => {
    const dataDir = await store.makeDataDirectory(cluster);
    return cluster.startNode({ config, dataDir, env });
  };
  nodes = [await start(), await start()];
  account = await makeAccount(nodes[0]!);
  sql = new SQL(store.databaseUrl, { max: 1, bigint: true });
  // The nodes say that they are there every five seconds; from then on each knows that it has half.
  await Bun.sleep(SETTLE_MS);
}

/** Load on both nodes with one key. What callers saw of it. */
async function load(key: string, count: number, meanwhile?: (begun: number) => void): Promise<Seen[]> {
  const seen = await drive({
    count,
    atATime: AT_A_TIME,
    next: (number) => {
      meanwhile?.(number);
      return {
        url: nodes[(number >> 3) % nodes.length]!.url,
        key,
        shape: shapeOf(number, METERED[(number >> 4) % METERED.length] ?? "", "Say words=4"),
      };
    },
  });
  all.push(...seen);
  return seen;
}

const granted = (seen: readonly Seen[]): number => seen.filter(({ complete }) => complete).length;

/** Every answer is the call's, or says that there were too many. */
function expectGrantedOrLimited(seen: readonly Seen[]): void {
  const odd = seen.filter(({ complete, status }) => !complete && status !== 429);
  expect(odd).toEqual([]);
  const silent = seen.filter(({ status, retryAfter }) => status === 429 && !(Number(retryAfter) >= 1));
  expect(silent).toEqual([]);
}

async function limitedKey(): Promise<string> {
  return (await makeKey(nodes[0]!, account.workspaceId, { rpm: RPM })).key;
}

async function logged(text: string): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!nodes.every(({ log }) => log.some((line) => line.includes(text)))) {
    if (performance.now() > deadline) throw new Error(`no node says: ${text}`);
    await Bun.sleep(50);
  }
}

describe.skipIf(missing !== undefined)("over two nodes (needs PostgreSQL and Redis)", () => {
  beforeAll(begin, 60_000);
  afterAll(async () => {
    await sql?.close({ timeout: 0 });
    await cluster?.stop();
    await redis?.stop();
    await server?.stop();
  });

  test(
    `of 2000 calls in a minute exactly ${RPM} are granted; refused ones go nowhere and cost nothing`,
    async () => {
      const key = await limitedKey();
      const seen = await load(key, 2000);
      expectGrantedOrLimited(seen);
      expect(granted(seen)).toBe(RPM);
      const ids = new Set((await upstream.journal()).map(({ id }) => id));
      expect(seen.filter(({ id, complete }) => ids.has(id ?? "") !== complete)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    "a flush of Redis amid the load lets at most as many pass once more",
    async () => {
      const key = await limitedKey();
      let flushing: Promise<void> | undefined;
      const seen = await load(key, 600, (begun) => {
        if (begun === 300) flushing = redis.flush();
      });
      await flushing;
      expectGrantedOrLimited(seen);
      expect(granted(seen)).toBeGreaterThanOrEqual(RPM);
      expect(granted(seen)).toBeLessThanOrEqual(2 * RPM);
    },
    TIMEOUT_MS,
  );

  test(
    "a Redis that freezes amid the load: nodes go on with their halves, and with Redis when it thaws",
    async () => {
      const key = await limitedKey();
      try {
        const seen = await load(key, 600, (begun) => {
          if (begun === 60) redis.freeze();
        });
        expectGrantedOrLimited(seen);
        expect(granted(seen)).toBeGreaterThanOrEqual(RPM / 2);
        redis.thaw();
        await logged("Redis is back");
        const later = await load(key, 300);
        expectGrantedOrLimited(later);
        expect(granted(seen) + granted(later)).toBeLessThanOrEqual(2 * RPM);
      } finally {
        redis.thaw();
      }
    },
    TIMEOUT_MS,
  );

  test(
    "a Redis that is killed amid the load and starts empty: within three times the limit, and no other error",
    async () => {
      const key = await limitedKey();
      let dying: Promise<void> | undefined;
      const seen = await load(key, 600, (begun) => {
        if (begun === 60) dying = redis.kill();
      });
      await dying;
      expectGrantedOrLimited(seen);
      for (const { log } of nodes) (log as string[]).length = 0;
      await redis.restart();
      await logged("Redis is back");
      const later = await load(key, 400);
      expectGrantedOrLimited(later);
      expect(granted(seen)).toBeGreaterThanOrEqual(RPM / 2);
      expect(granted(seen) + granted(later)).toBeLessThanOrEqual(3 * RPM);
    },
    TIMEOUT_MS,
  );

  test(
    "through all of that every call is in the books, once, for what it cost",
    async () => {
      const deadline = performance.now() + 20_000;
      while (Number((await sql`select count(*)::int as n from leases where amount > 0`)[0].n) > 0) {
        if (performance.now() > deadline) throw new Error("leases are still there");
        await Bun.sleep(100);
      }
      expect((await manage(nodes[0]!, "admin/ledger/check")).problems).toEqual([]);
      const calls = await readCalls(sql);
      const problems = [...joinJournal(calls, await upstream.journal(), all), ...joinSeen(calls, all)];
      expect([...problems, ...(await auditBooks(sql))]).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
