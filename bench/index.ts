/**
 * `npm run bench`: what the gateway costs beside a bare proxy in the same run, against the same upstream.
 * Prints CPU time per request and per live chunk, added latency, start-up time and memory; ratios are what to quote.
 *
 * Both are warmed up first, then measured in short turns, one after the other; every figure is the median of the turns,
 * so that whatever else the machine does hits both alike. Parameters:
 * `--quick`          a smoke test: few requests, figures without meaning
 * `--only TEXT`      only the rows whose name holds the text (`relay`, `stream`, `live`, `many`, `route`, `settle` …)
 * `--postgres URL`   keeps the database in another process, whose work is then in no figure
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { latencies, load, type Shape } from "./load.ts";
import { type Measured, type Shares, start, total } from "./process.ts";
import { CHUNKS, liveRows, longRow, type Row, rows } from "./requests.ts";
import { routeRows, timeRoute } from "./route.ts";
import { benchSettlement } from "./settle.ts";

const quick = process.argv.includes("--quick");
const scale = quick ? 20 : 1;
/** Compilers need some twenty thousand requests before a figure holds. */
const WARM_REQUESTS = 20_000 / scale;
const WARM_ROW_REQUESTS = 3_000 / scale;
const WARM_ROW_STREAMS = 600 / scale;
const TURNS = quick ? 3 : 11;
const REQUESTS = 1_000 / scale;
const STREAMS = 300 / scale;
const LIVE_TURNS = quick ? 1 : 5;
const LIVE_STREAMS = 200 / scale;
const MANY_STREAMS = 2_000 / scale;
const SETTLED = 100_000 / scale;
const LATENCIES = 400 / scale;
const DECISIONS = 2_000 / scale;
const CONCURRENCY = 32;
const ROOT = join(import.meta.dir, "..");
const rootKey = "bench-root-key-bench-root-key-bench-root-key";

const option = (name: string) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
};
const only = option("--only");
const wanted = (name: string) => only === undefined || name.includes(only);

function config(upstream: string): string {
  const price = "price: { input: 0.15, output: 0.60 }, context: 128000, max_output: 16384";
  const model = (name: string) =>
    `  - { id: bench-${name}, endpoints: [ { provider: up-${name}, model: bench-1, priority: 1 } ], ${price} }`;
  const provider = (name: string, dialect: string) =>
    `  - { id: up-${name}, type: custom, base_url: "${upstream}/v1", api_keys: [ bench ], dialects: [ ${dialect} ] }`;
  return [
    "providers:",
    provider("chat", "openai-chat"),
    provider("messages", "anthropic-messages"),
    "defaults: { welcome_credit_usd: 1000000 }",
    "models:",
    model("chat"),
    model("messages"),
    "",
  ].join("\n");
}

/** CPU time of one turn, in microseconds per unit. A pause at its end lets records be written and garbage be collected. */
async function turn(
  target: Measured,
  shape: Shape,
  count: number,
  concurrency: number,
  units: number,
): Promise<Shares> {
  const before = target.shares();
  await load(target.url, shape, count, concurrency);
  await Bun.sleep(60);
  const after = target.shares();
  const per = (kind: keyof Shares) => ((after[kind] - before[kind]) / units) * 1000;
  return { path: per("path"), database: per("database"), runtime: per("runtime") };
}

interface Comparison {
  readonly bare: number;
  readonly ours: Shares;
  readonly ratio: number;
  /** Without the database's thread. */
  readonly ratioBesideDatabase: number;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

async function compare(
  bare: Measured,
  gateway: Measured,
  row: Row,
  plan: { turns: number; count: number; concurrency: number; units: number },
): Promise<Comparison> {
  const { turns, count, concurrency, units } = plan;
  const pairs: { bare: Shares; ours: Shares }[] = [];
  for (let index = 0; index < turns; index++) {
    pairs.push({
      bare: await turn(bare, row.bare, count, concurrency, units),
      ours: await turn(gateway, row.gateway, count, concurrency, units),
    });
  }
  const ours = (kind: keyof Shares) => median(pairs.map((pair) => pair.ours[kind]));
  return {
    bare: median(pairs.map((pair) => total(pair.bare))),
    ours: { path: ours("path"), database: ours("database"), runtime: ours("runtime") },
    ratio: median(pairs.map((pair) => total(pair.ours) / total(pair.bare))),
    ratioBesideDatabase: median(pairs.map((pair) => (total(pair.ours) - pair.ours.database) / total(pair.bare))),
  };
}

const column = (text: string | number, width = 9) =>
  (typeof text === "number" ? text.toFixed(1) : text).padStart(width);

function printHead(): void {
  const names = ["bare µs", "ours µs", "ratio", "no db", "path", "database", "GC, JIT"].map((name) => column(name));
  console.log(`${"CPU time, median of turns".padEnd(32)}${names.join("")}   added ms p50, p99`);
}

function print(name: string, { bare, ours, ratio, ratioBesideDatabase }: Comparison, added = ""): void {
  const ratios = [ratio, ratioBesideDatabase].map((value) => column(value.toFixed(2)));
  const parts = [ours.path, ours.database, ours.runtime].map((value) => column(value));
  console.log(`${name.padEnd(32)}${column(bare)}${column(total(ours))}${ratios.join("")}${parts.join("")}   ${added}`);
}

async function addedLatency(upstream: Measured, gateway: Measured, row: Row): Promise<string> {
  const targets = [
    { url: upstream.url, shape: row.bare },
    { url: gateway.url, shape: row.gateway },
  ];
  const [direct, ours] = await latencies(targets, LATENCIES);
  const added = (kind: "p50Ms" | "p99Ms") => ((ours?.[kind] ?? 0) - (direct?.[kind] ?? 0)).toFixed(2);
  return `${added("p50Ms")}, ${added("p99Ms")}`;
}

async function warmUp(bare: Measured, gateway: Measured, every: readonly Row[]): Promise<void> {
  const [first] = every;
  if (!first) return;
  const warm = (row: Row, count: number) =>
    Promise.all([load(bare.url, row.bare, count, CONCURRENCY), load(gateway.url, row.gateway, count, CONCURRENCY)]);
  await warm(first, WARM_REQUESTS);
  for (const row of every) await warm(row, row.stream ? WARM_ROW_STREAMS : WARM_ROW_REQUESTS);
}

async function compareAll(upstream: Measured, bare: Measured, gateway: Measured, key: string): Promise<void> {
  const chosen = rows(key).filter((row) => wanted(row.name));
  const live = liveRows(key).filter((row) => wanted(row.name));
  if (chosen.length + live.length === 0) return;
  await warmUp(bare, gateway, chosen.length > 0 ? chosen : rows(key));
  printHead();
  for (const row of chosen) {
    const count = row.stream ? STREAMS : REQUESTS;
    const found = await compare(bare, gateway, row, { turns: TURNS, count, concurrency: CONCURRENCY, units: count });
    print(row.name, found, await addedLatency(upstream, gateway, row));
  }
  for (const row of live) {
    const streams = { count: LIVE_STREAMS, concurrency: LIVE_STREAMS, units: LIVE_STREAMS * CHUNKS };
    print(row.name, await compare(bare, gateway, row, { turns: LIVE_TURNS, ...streams }));
  }
}

/** Decisions are made in this process, alone. */
function timeRoutes(): void {
  for (const row of routeRows()) {
    timeRoute(row, TURNS, DECISIONS);
    console.log(`${row.name.padEnd(32)}${column(timeRoute(row, TURNS, DECISIONS).toFixed(2))} µs`);
  }
}

async function manyStreams(gateway: Measured, key: string): Promise<void> {
  const idle = gateway.memoryMiB();
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, gateway.memoryMiB());
  }, 200);
  await load(gateway.url, longRow(key).gateway, MANY_STREAMS, MANY_STREAMS);
  clearInterval(watch);
  console.log(`${MANY_STREAMS} live streams: ${most.toFixed(0)} MiB at most (${idle.toFixed(0)} MiB before)`);
}

async function manage(url: string, path: string, body: unknown): Promise<{ id: string; key: string }> {
  const answer = await fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${rootKey}` },
    body: JSON.stringify(body),
  });
  return (await answer.json()) as { id: string; key: string };
}

/** A key with everything on: prepaid credit, a spend limit, limits of requests and tokens. */
async function createKey(url: string): Promise<string> {
  const { id } = await manage(url, "/api/admin/workspaces", { name: "bench" });
  const limits = { limit: 100_000, limit_reset: "daily", rpm: 10_000_000, rpd: 10_000_000 };
  return (await manage(url, "/api/v1/keys", { name: "bench", workspace: id, ...limits })).key;
}

async function startGateway(folder: string): Promise<Measured> {
  const env: Record<string, string> = {
    // As the launchers set it.
    BUN_JSC_useConcurrentGC: "0",
    PORT: "0",
    SLUICE_DATA: join(folder, "data"),
    SLUICE_CONFIG: join(folder, "sluice.yaml"),
    SLUICE_ROOT_KEY: rootKey,
    DATABASE_URL: option("--postgres") ?? "",
  };
  return start(join(ROOT, "src/main.ts"), ["serve"], env, /ready at (http:\/\/[\d.:]+)/);
}

const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
const upstream = await start(join(ROOT, "bench/upstream.ts"), [], {}, /ready (\d+)/);
const bare = await start(join(ROOT, "bench/bare.ts"), [upstream.url], {}, /ready (\d+)/);
writeFileSync(join(folder, "sluice.yaml"), config(upstream.url));
const first = await startGateway(folder);
await first.stop();
const gateway = await startGateway(folder);
const memory = () => `${gateway.memoryMiB().toFixed(0)} MiB; bare proxy ${bare.memoryMiB().toFixed(0)} MiB`;
try {
  console.log(`ready after ${first.startMs.toFixed(0)} ms (first start), ${gateway.startMs.toFixed(0)} ms (later)`);
  console.log(`resident when idle: ${memory()}\n`);
  const key = await createKey(gateway.url);
  await compareAll(upstream, bare, gateway, key);
  if (wanted("many")) await manyStreams(gateway, key);
  if (wanted("route")) timeRoutes();
  if (wanted("settle")) await benchSettlement(SETTLED);
  console.log(`resident after all: ${memory()}`);
} finally {
  await Promise.all([gateway.stop(), bare.stop(), upstream.stop()]);
  rmSync(folder, { recursive: true, force: true });
}
