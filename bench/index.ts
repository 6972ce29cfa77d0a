/**
 * `npm run bench`: what the gateway costs beside a bare proxy in the same run, against the same upstream.
 * Prints CPU time per request and per live chunk, added latency, start-up time and memory; ratios are what to quote.
 * Parameters: `--quick` for a tenth of the requests, `--only TEXT` for rows whose name holds it, `--postgres URL` to keep the database in another process.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { latencies, load, type Shape } from "./load.ts";
import { type Measured, start } from "./process.ts";

const quick = process.argv.includes("--quick");
const scale = quick ? 10 : 1;
const REQUESTS = 10_000 / scale;
const STREAMS = 3_000 / scale;
const CHUNKS = 64;
const LIVE_STREAMS = 200 / scale;
const MANY_STREAMS = 2_000 / scale;
const CONCURRENCY = 32;
const ROOT = join(import.meta.dir, "..");
const rootKey = "bench-root-key-bench-root-key-bench-root-key";

const text = "Write a few words about a fox. ".repeat(20);
const json = { "content-type": "application/json" };

function chat(model: string, stream: boolean, wish = ""): string {
  const body = {
    model,
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: text + wish },
    ],
    max_tokens: 500,
  };
  return JSON.stringify(stream ? { ...body, stream, stream_options: { include_usage: true } } : body);
}

function messages(model: string, stream: boolean): string {
  return JSON.stringify({
    model,
    max_tokens: 500,
    system: "Be brief.",
    messages: [{ role: "user", content: text }],
    ...(stream ? { stream } : {}),
  });
}

/** One row: a request shape at the gateway, and the bare proxy's counterpart. */
interface Row {
  readonly name: string;
  readonly count: number;
  readonly gateway: Shape;
  readonly bare: Shape;
}

function rows(key: string): Row[] {
  const headers = { ...json, authorization: `Bearer ${key}` };
  const row = (
    name: string,
    path: string,
    body: (model: string, stream: boolean) => string,
    model: string,
    stream: boolean,
  ): Row => ({
    name: `${name}, ${stream ? `stream of ${CHUNKS}` : "plain"}`,
    count: stream ? STREAMS : REQUESTS,
    gateway: { path, headers, body: body(model, stream) },
    bare: { path, headers: json, body: body("bench-1", stream) },
  });
  return [false, true].flatMap((stream) => [
    row("relay chat", "/v1/chat/completions", chat, "bench-chat", stream),
    row("chat -> messages", "/v1/chat/completions", chat, "bench-messages", stream),
    row("messages -> chat", "/v1/messages", messages, "bench-chat", stream),
  ]);
}

/** Only rows whose name holds this text, if given. */
const only = process.argv[process.argv.indexOf("--only") + 1] ?? "";
const wanted = (name: string) => !process.argv.includes("--only") || name.includes(only);

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
    "models:",
    model("chat"),
    model("messages"),
    "",
  ].join("\n");
}

async function cpuPer(target: Measured, shape: Shape, count: number): Promise<number> {
  await load(target.url, shape, Math.min(count, 500), CONCURRENCY);
  const before = target.cpuMs();
  await load(target.url, shape, count, CONCURRENCY);
  await Bun.sleep(100);
  return ((target.cpuMs() - before) / count) * 1000;
}

const fixed = (value: number, digits = 1) => value.toFixed(digits).padStart(8);

async function compare(gateway: Measured, bare: Measured, upstream: Measured, key: string): Promise<void> {
  console.log(
    `${"".padEnd(32)}${"bare µs".padStart(9)}${"ours µs".padStart(9)}${"ratio".padStart(7)}   added ms p50, p99`,
  );
  for (const row of rows(key).filter((one) => wanted(one.name))) {
    const [bareCpu, ourCpu] = [await cpuPer(bare, row.bare, row.count), await cpuPer(gateway, row.gateway, row.count)];
    const [direct, ours] = await latencies(
      [
        { url: upstream.url, shape: row.bare },
        { url: gateway.url, shape: row.gateway },
      ],
      Math.max(50, 400 / scale),
    );
    const added = `${fixed((ours?.p50Ms ?? 0) - (direct?.p50Ms ?? 0), 2)} ${fixed((ours?.p99Ms ?? 0) - (direct?.p99Ms ?? 0), 2)}`;
    console.log(
      `${row.name.padEnd(32)}${fixed(bareCpu)} ${fixed(ourCpu)} ${fixed(ourCpu / bareCpu, 2).slice(1)}   ${added}`,
    );
  }
}

/** Streams whose chunks come one by one: what a chunk costs while models talk. */
async function liveChunks(gateway: Measured, bare: Measured, key: string): Promise<void> {
  const headers = { ...json, authorization: `Bearer ${key}` };
  const wish = ` chunks=${CHUNKS} gap=20`;
  const path = "/v1/chat/completions";
  const targets: [string, Measured, Shape][] = [
    ["bare", bare, { path, headers: json, body: chat("bench-1", true, wish) }],
    ["relay", gateway, { path, headers, body: chat("bench-chat", true, wish) }],
    ["convert", gateway, { path, headers, body: chat("bench-messages", true, wish) }],
  ];
  let base = 0;
  for (const [name, target, shape] of targets) {
    const before = target.cpuMs();
    await load(target.url, shape, LIVE_STREAMS * 3, LIVE_STREAMS);
    const perChunk = ((target.cpuMs() - before) / (LIVE_STREAMS * 3 * CHUNKS)) * 1000;
    if (name === "bare") base = perChunk;
    console.log(`live chunk, ${name.padEnd(20)}${fixed(perChunk)} µs, ratio ${(perChunk / base).toFixed(2)}`);
  }
}

async function manyStreams(gateway: Measured, key: string): Promise<void> {
  const headers = { ...json, authorization: `Bearer ${key}` };
  const shape = { path: "/v1/chat/completions", headers, body: chat("bench-chat", true, " chunks=6 gap=1000") };
  const idle = gateway.memoryMiB();
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, gateway.memoryMiB());
  }, 200);
  await load(gateway.url, shape, MANY_STREAMS, MANY_STREAMS);
  clearInterval(watch);
  console.log(`${MANY_STREAMS} live streams: ${most.toFixed(0)} MiB at most (${idle.toFixed(0)} MiB before)`);
}

async function createKey(url: string): Promise<string> {
  const answer = await fetch(`${url}/api/v1/keys`, {
    method: "POST",
    headers: { ...json, authorization: `Bearer ${rootKey}` },
    body: JSON.stringify({ name: "bench" }),
  });
  return ((await answer.json()) as { key: string }).key;
}

async function startGateway(folder: string): Promise<Measured> {
  const at = process.argv.indexOf("--postgres");
  const env: Record<string, string> = {
    PORT: "0",
    SLUICE_DATA: join(folder, "data"),
    SLUICE_CONFIG: join(folder, "sluice.yaml"),
    SLUICE_ROOT_KEY: rootKey,
  };
  if (at > 0) env.DATABASE_URL = process.argv[at + 1] ?? "";
  return start(join(ROOT, "src/main.ts"), ["serve"], env, /ready at (http:\/\/[\d.:]+)/);
}

const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
const upstream = await start(join(ROOT, "bench/upstream.ts"), [], {}, /ready (\d+)/);
const bare = await start(join(ROOT, "bench/bare.ts"), [upstream.url], {}, /ready (\d+)/);
writeFileSync(join(folder, "sluice.yaml"), config(upstream.url));
const first = await startGateway(folder);
await first.stop();
const gateway = await startGateway(folder);
try {
  const idle = gateway.memoryMiB();
  console.log(`ready after ${first.startMs.toFixed(0)} ms (first start), ${gateway.startMs.toFixed(0)} ms (later)`);
  console.log(`resident when idle: ${idle.toFixed(0)} MiB; bare proxy ${bare.memoryMiB().toFixed(0)} MiB\n`);
  const key = await createKey(gateway.url);
  await compare(gateway, bare, upstream, key);
  if (wanted("live")) await liveChunks(gateway, bare, key);
  if (wanted("many")) await manyStreams(gateway, key);
  console.log(
    `resident after all: ${gateway.memoryMiB().toFixed(0)} MiB; bare proxy ${bare.memoryMiB().toFixed(0)} MiB`,
  );
  const threads = [...gateway.threads()].sort((a, b) => b[1] - a[1]).slice(0, 6);
  console.log(`CPU by thread: ${threads.map(([name, ms]) => `${name} ${(ms / 1000).toFixed(1)} s`).join(", ")}`);
} finally {
  await Promise.all([gateway.stop(), bare.stop(), upstream.stop()]);
  rmSync(folder, { recursive: true, force: true });
}
