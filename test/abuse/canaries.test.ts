/**
 * Canary secrets in every slot that holds one, and upstreams that repeat all they were sent, in every way an upstream can fail.
 * No byte that leaves (answers, headers, log, database, usage records) may hold a canary.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Sluice, startSluice } from "../support/server.ts";
import { RAW_SURFACES, type RawSurface } from "../support/surfaces.ts";

const KEY = "plainwordsthatlooklikenokey";
const CANARIES = {
  apiKey: `${KEY}-first`,
  secondKey: `${KEY}-second`,
  header: "another secret in plain words",
  rootKey: "canary-root-key-0123456789-0123456789-0123456789",
  encryption: "canary-encryption-key-0123456789-0123456789-012345",
};

/** What an upstream does with everything it was sent. */
const MODES = {
  "status-400": (echo: string) => refuse(400, echo),
  "status-401": (echo: string) => refuse(401, echo),
  "status-402": (echo: string) => refuse(402, echo),
  "status-403": (echo: string) => refuse(403, echo),
  "status-404": (echo: string) => refuse(404, echo),
  "status-413": (echo: string) => refuse(413, echo),
  "status-422": (echo: string) => refuse(422, echo),
  "status-429": (echo: string) => refuse(429, echo),
  "status-500": (echo: string) => refuse(500, echo),
  "error-with-200": (echo: string) => Response.json(errorOf(echo)),
  "error-first": (echo: string) => events(`data: ${JSON.stringify(errorOf(echo))}\n\n`),
  "error-later": (echo: string, path: string) =>
    events(`${beginningOf(path)}data: ${JSON.stringify(errorOf(echo))}\n\n`),
  "error-named": (echo: string, path: string) =>
    events(`${beginningOf(path)}event: error\ndata: ${JSON.stringify(errorOf(echo))}\n\n`),
  "error-bare": (echo: string, path: string) => events(`${beginningOf(path)}${JSON.stringify(errorOf(echo))}`),
  page: (echo: string) =>
    new Response(`<html>${echo}</html>`, { status: 502, headers: { "content-type": "text/html" } }),
  text: (echo: string) => new Response(echo, { status: 400 }),
  nothing: (echo: string) => new Response("", { headers: { "x-echo": echo.slice(0, 500).replace(/[^ -~]/g, "") } }),
  redirect: (echo: string) =>
    new Response(null, { status: 302, headers: { location: `http://127.0.0.1/?${encodeURI(echo.slice(0, 500))}` } }),
} satisfies Record<string, (echo: string, path: string) => Response>;
type Mode = keyof typeof MODES;

function errorOf(echo: string) {
  const error = { message: `Refused: ${echo}`, type: "invalid_request_error", code: echo, param: echo, status: echo };
  return { type: "error", error, request_id: echo };
}

function refuse(status: number, echo: string): Response {
  return Response.json(errorOf(echo), { status, headers: { "retry-after": "1", "x-echo": "see body" } });
}

function events(body: string): Response {
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

/** The first half of a stream in the format of the path. */
function beginningOf(path: string): string {
  const known = {
    "/messages": "anthropic-messages",
    "/responses": "openai-responses",
    "/chat/completions": "openai-chat",
  };
  const dialect = Object.entries(known).find(([end]) => path.endsWith(end))?.[1] ?? "gemini";
  const stream = readFileSync(join(import.meta.dir, `../cases/text/${dialect}.stream.sse`), "utf8");
  const frames = stream.split("\n\n");
  return frames
    .slice(0, frames.length >> 1)
    .map((frame) => `${frame}\n\n`)
    .join("");
}

let sluice: Sluice;
let upstream: ReturnType<typeof Bun.serve>;
const asked = new Set<string>();
const leaving: string[] = [];

async function answer(request: Request): Promise<Response> {
  const body = await request.text();
  const path = new URL(request.url).pathname;
  const mode = /mode:([a-z0-9-]+)/.exec(body)?.[1] as Mode;
  const sent = JSON.stringify(Object.fromEntries(request.headers));
  if (sent.includes(KEY) && sent.includes(CANARIES.header)) asked.add(`${mode} ${path}`);
  return MODES[mode](`you sent ${sent} to ${request.url}`, path);
}

const DIALECTS = ["openai-chat", "openai-responses", "anthropic-messages", "gemini"];

function configuration(port: number): string {
  const providers = DIALECTS.map((dialect) =>
    [
      `  - id: ${dialect}`,
      "    type: custom",
      `    base_url: "http://127.0.0.1:${port}/v1"`,
      `    api_keys: ["${CANARIES.apiKey}", "${CANARIES.secondKey}"]`,
      `    headers: { x-secret: "${CANARIES.header}" }`,
      `    dialects: [${dialect}]`,
    ].join("\n"),
  );
  const models = DIALECTS.map(
    (dialect) =>
      `  - { id: on-${dialect}, endpoints: [{ provider: ${dialect}, model: up }], price: { input: 1, output: 1 }, context: 1000, max_output: 100 }`,
  );
  return [
    "providers:",
    ...providers,
    "models:",
    ...models,
    "catalog: { curated: false }",
    // Upstreams fail on purpose, many in a row.
    "circuits: { failures: 0, retry_percent: 1000 }",
    "log: { level: debug }",
  ].join("\n");
}

beforeAll(async () => {
  upstream = Bun.serve({ hostname: "127.0.0.1", port: 0, development: false, fetch: answer });
  sluice = await startSluice({
    file: configuration(upstream.port ?? 0),
    env: { SLUICE_ROOT_KEY: CANARIES.rootKey, SLUICE_SECRET: CANARIES.encryption },
  });
}, 60_000);
afterAll(async () => {
  await sluice?.stop();
  await upstream?.stop(true);
});

function expectNone(where: string, text: string): void {
  for (const [name, canary] of Object.entries(CANARIES)) {
    if (text.includes(canary)) throw new Error(`the canary ${name} is in ${where}: ${text.slice(0, 2000)}`);
  }
  expect(text).not.toContain(KEY);
  // The upstream's own address is nobody's business either.
  expect(text).not.toContain(`127.0.0.1:${upstream.port}`);
}

async function call(surface: RawSurface, model: string, mode: Mode, stream: boolean): Promise<void> {
  const response = await fetch(sluice.url + surface.path(model, stream), {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${sluice.key}` },
    body: JSON.stringify(surface.body(model, `mode:${mode}`, stream)),
    redirect: "manual",
  });
  const text = `${JSON.stringify([...response.headers])} ${await response.text()}`;
  leaving.push(response.headers.get("x-request-id") ?? "");
  expectNone(`the answer to ${surface.name} on ${model} with ${mode}`, text);
}

for (const surface of RAW_SURFACES) {
  test(`answers of ${surface.name}, relayed and converted, hold no canary however the upstream fails`, async () => {
    for (const dialect of DIALECTS) {
      for (const mode of Object.keys(MODES) as Mode[]) {
        for (const stream of [false, true]) await call(surface, `on-${dialect}`, mode, stream);
      }
    }
  }, 60_000);
}

test("the upstreams really had the canaries to repeat", () => {
  expect(asked.size).toBeGreaterThanOrEqual(Object.keys(MODES).length * DIALECTS.length);
});

test("refusals of the gateway itself, to keys of every kind, hold no canary", async () => {
  const paths = [
    "/v1/chat/completions",
    "/v1/models",
    "/api/v1/keys",
    "/api/v1/key",
    "/api/admin/workspaces",
    "/nothing",
  ];
  for (const path of paths) {
    for (const key of ["", "nope", `${CANARIES.rootKey}x`, sluice.key]) {
      for (const method of ["GET", "POST", "PUT"]) {
        const body = method === "GET" ? {} : { body: "{" };
        const response = await fetch(sluice.url + path, {
          method,
          headers: { authorization: `Bearer ${key}` },
          ...body,
        });
        expectNone(`${method} ${path}`, `${JSON.stringify([...response.headers])} ${await response.text()}`);
      }
    }
  }
});

test("the log holds no canary and no caller's key", () => {
  const text = sluice.log.join("\n");
  expect(sluice.log.length).toBeGreaterThan(100);
  expectNone("the log", text);
  expect(text).not.toContain(sluice.key);
});

test("usage records hold no canary, as they are read and as they are stored", async () => {
  const last = leaving.slice(-40);
  for (const id of last) {
    const response = await fetch(`${sluice.url}/api/v1/generation?id=${id}`, { headers: { "x-api-key": sluice.key } });
    expectNone("a usage record", await response.text());
  }
  await sluice.app.gateway.recorder.drain(20_000);
  const { sql } = sluice.app.database;
  for (const table of ["requests", "api_keys", "workspaces", "settings"]) {
    const rows = (await sql.unsafe(`select row_to_json(t)::text as line from ${table} t`)) as { line: string }[];
    for (const { line } of rows) {
      expectNone(`the table ${table}`, line);
      expect(line).not.toContain(sluice.key);
    }
  }
  const stored = await sql`select count(*)::int as count from requests`;
  expect(stored[0].count).toBeGreaterThanOrEqual(leaving.length);
});
