/**
 * More calls at once than there is money for, over two nodes that share PostgreSQL and Redis: exactly those that are paid for go upstream.
 * The balance is looked at all the while and is never below zero, nor below what is held.
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
import { CAPPED, CENT, configText, FIXED, FREE, METERED } from "./config.ts";
import { auditBooks, readCalls } from "./join.ts";
import { drive, type Seen, shapeOf } from "./load.ts";
import { mustStartPostgres, postgresStore } from "./store.ts";

const PARALLEL = 500;
const TIMEOUT_MS = 120_000;
const INCLUDED = 20;
const FREE_A_DAY = 15;
const SAMPLE_MS = 5;
const TEXT = "Say words=40 ttfb=30ms";

const missing = missingPostgres() ?? (redisProgram === null ? "there is no redis-server" : undefined);
let cluster: Cluster;
let server: PostgresServer;
let redis: RedisServer;
let upstream: Upstream;
let sql: SQL;
let nodes: Served[];
let grants = 0;

async function begin(): Promise<void> {
  cluster = makeCluster();
  server = await mustStartPostgres();
  redis = await startRedis();
  upstream = await cluster.startUpstream();
  const store = await postgresStore(server);
  const plans = `plans: [{ id: daily, included_requests_per_day: ${INCLUDED} }, { id: light, free_requests_per_day: ${FREE_A_DAY} }]`;
  const config = cluster.file(configText(upstream.url, plans));
  const env = { ...store.env, REDIS_URL: redis.url };
  const start = async () => {
    const dataDir = await store.makeDataDirectory(cluster);
    return cluster.startNode({ config, dataDir, env });
  };
  nodes = [await start(), await start()];
  sql = new SQL(store.databaseUrl, { max: 1, bigint: true });
}

async function grant(account: Account, cents: bigint | number): Promise<void> {
  if (Number(cents) === 0) return;
  const body = { workspace: account.workspaceId, amount_usd: (Number(cents) / 100).toFixed(2), reason: "test" };
  await manage(nodes[0]!, "admin/credits", { ...body, idempotency_key: `grant-${++grants}` });
}

/** Looks at an account until it is told to stop. What was wrong with it, if anything. */
function watch(workspaceId: string): () => Promise<{ looks: number; wrong: string[] }> {
  const wrong: string[] = [];
  let looks = 0;
  let over = false;
  const looking = (async () => {
    while (!over) {
      const [row] =
        await sql`select balance_nano, held_nano from ledger_accounts where id = ${`credit:${workspaceId}`}`;
      looks += 1;
      if (row.balance_nano < 0n || row.held_nano < 0n || row.balance_nano < row.held_nano)
        wrong.push(`balance ${row.balance_nano}, held ${row.held_nano}`);
      await Bun.sleep(SAMPLE_MS);
    }
  })();
  return async () => {
    over = true;
    await looking;
    return { looks, wrong };
  };
}

/** All calls at once, over both nodes and all formats. What callers saw, and the ids that reached the upstream. */
async function burst(
  key: string,
  models: readonly string[],
  count = PARALLEL,
): Promise<{ seen: Seen[]; ids: string[] }> {
  await upstream.forget();
  const seen = await drive({
    count,
    atATime: count,
    next: (number) => ({
      url: nodes[(number >> 3) % nodes.length]!.url,
      key,
      shape: shapeOf(number, models[(number >> 4) % models.length] ?? "", TEXT),
    }),
  });
  const ids = (await upstream.journal()).map(({ id }) => id ?? "");
  return { seen, ids };
}

/** What each format says when there is too little credit. */
const REFUSED: Readonly<Record<string, { status: number; says: string }>> = {
  chat: { status: 402, says: '"insufficient_quota"' },
  responses: { status: 429, says: '"insufficient_quota"' },
  messages: { status: 402, says: '"billing_error"' },
  gemini: { status: 402, says: '"QUOTA_EXHAUSTED"' },
};

function expectRefused(seen: readonly Seen[]): void {
  for (const { surface, status, error } of seen) {
    const { status: wanted, says } = REFUSED[surface]!;
    expect({ surface, status, error }).toEqual({ surface, status: wanted, error: expect.stringContaining(says) });
  }
}

/** Everything in the books: no call runs, and what is left of the leases has been returned. */
async function settled(): Promise<void> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const [{ n }] = await sql`select count(*)::int as n from leases where amount > 0`;
    if (Number(n) === 0) break;
    if (performance.now() > deadline) throw new Error(`${n} leases are still there`);
    await Bun.sleep(100);
  }
  const books = await manage(nodes[0]!, "admin/ledger/check");
  expect(books.problems).toEqual([]);
  expect(await auditBooks(sql)).toEqual([]);
}

async function balanceOf({ workspaceId }: Account): Promise<bigint> {
  const [row] = await sql`select balance_nano from ledger_accounts where id = ${`credit:${workspaceId}`}`;
  return BigInt(row.balance_nano);
}

describe.skipIf(missing !== undefined)("over two nodes (needs PostgreSQL and Redis)", () => {
  beforeAll(begin, 60_000);
  afterAll(async () => {
    await sql?.close({ timeout: 0 });
    await cluster?.stop();
    await redis?.stop();
    await server?.stop();
  });

  for (const paidFor of [0, 1, 7, 100, 499]) {
    test(
      `${PARALLEL} calls at once with credit for ${paidFor}: exactly ${paidFor} go upstream and the others are refused`,
      async () => {
        const account = await makeAccount(nodes[0]!);
        await grant(account, paidFor);
        const stop = watch(account.workspaceId);
        // What is held is what such a call costs: the price is by the call, or the answer is as long as it may be.
        const { seen, ids } = await burst(
          account.key,
          paidFor === 7 || paidFor === 100 ? [...FIXED, ...CAPPED] : FIXED,
        );
        const { looks, wrong } = await stop();
        expect(wrong).toEqual([]);
        expect(looks).toBeGreaterThan(0);
        expectRefused(seen.filter(({ complete }) => !complete));
        const answered = seen.filter(({ complete }) => complete);
        expect(answered.map(({ id }) => id).sort()).toEqual(ids.sort());
        expect(new Set(ids).size).toBe(paidFor);
        expect(ids.length).toBe(paidFor);
        await settled();
        expect(await balanceOf(account)).toBe(0n);
      },
      TIMEOUT_MS,
    );
  }

  test(
    "answers of any length against little credit: some are shortened, none is unpaid",
    async () => {
      const account = await makeAccount(nodes[0]!);
      await grant(account, 5);
      const stop = watch(account.workspaceId);
      const { seen } = await burst(account.key, METERED);
      expect((await stop()).wrong).toEqual([]);
      expect(seen.filter(({ complete }) => complete).length).toBeGreaterThan(5);
      expectRefused(seen.filter(({ complete }) => !complete));
      await settled();
      const calls = [...(await readCalls(sql)).values()].filter((call) => call.workspaceId === account.workspaceId);
      const cost = calls.reduce((sum, { costNano }) => sum + costNano, 0n);
      expect(await balanceOf(account)).toBe(5n * CENT - cost);
    },
    TIMEOUT_MS,
  );

  test(
    "a key's spend limit: exactly as many calls go upstream as it pays for, however rich the workspace",
    async () => {
      const account = await makeAccount(nodes[0]!);
      await grant(account, 10_000);
      for (const limit of [1, 33]) {
        const { key } = await makeKey(nodes[0]!, account.workspaceId, { limit: limit / 100 });
        const { seen, ids } = await burst(key, FIXED, 300);
        expect(seen.filter(({ complete }) => complete).length).toBe(limit);
        expect(ids.length).toBe(limit);
        expect(new Set(seen.filter(({ complete }) => !complete).map(({ status }) => status))).toEqual(new Set([403]));
      }
      await settled();
      expect(await balanceOf(account)).toBe((10_000n - 34n) * CENT);
    },
    TIMEOUT_MS,
  );

  test(
    "a plan's included calls: exactly so many a day without credit, and free models have their own count",
    async () => {
      const planned = await makeAccount(nodes[0]!, { plan: "daily" });
      const included = await burst(planned.key, METERED, 300);
      expect(included.ids.length).toBe(INCLUDED);
      expect(included.seen.filter(({ complete }) => complete).length).toBe(INCLUDED);
      expectRefused(included.seen.filter(({ complete }) => !complete));

      const light = await makeAccount(nodes[0]!, { plan: "light" });
      const free = await burst(light.key, FREE, 300);
      expect(free.ids.length).toBe(FREE_A_DAY);
      expect(free.seen.filter(({ complete }) => complete).length).toBe(FREE_A_DAY);
      expect(new Set(free.seen.filter(({ complete }) => !complete).map(({ status }) => status))).toEqual(
        new Set([429]),
      );
      await settled();
    },
    TIMEOUT_MS,
  );
});
