/**
 * What real tools were recorded to send, replayed through the whole server with models of every upstream format behind it.
 * Each answer must be a success that the official SDK of the tool's format reads to its end, and that says something.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { encodeVector, type Vector } from "../src/core/embedding.ts";
import { asArray, asNumber, asObject, asString, type JsonObject, tryParse } from "../src/core/json.ts";
import { FAMILIES, type Family, FOUR_FORMATS, type Sluice, startSluice } from "./support/server.ts";
import { type ClientRequest, clientRequests, haveRecordings, SKIP_REASON } from "./support/wire.ts";
import { READERS } from "./wire/clients.ts";
import { type MainDialect, table } from "./wire/exchanges.ts";
import { toldBy } from "./wire/replies.ts";

const present = haveRecordings();
const SLOW_MS = 120_000;
const EMBEDDING_FAMILIES = ["sim-embed-openai", "sim-embed-gemini"] as const;

const embeddings = (id: string, provider: string, model: string) =>
  `  - { id: ${id}, endpoints: [{ provider: ${provider}, model: ${model} }], price: { input: 0.02, output: 0 }, context: 8192, max_output: 0 }`;

const provider = (id: string, path: string) =>
  `  - { id: ${id}, type: custom, base_url: "\${SIMULATOR_URL}${path}", api_keys: [k], dialects: [${id}] }`;

const FILE = FOUR_FORMATS.replace(
  "models:\n",
  [
    provider("openai-embeddings", "/v1"),
    provider("gemini-embeddings", "/v1beta"),
    "models:",
    embeddings("sim-embed-openai", "openai-embeddings", "text-embedding-3-small"),
    embeddings("sim-embed-gemini", "gemini-embeddings", "gemini-embedding-001"),
    "",
  ].join("\n"),
);

let sluice: Sluice;
beforeAll(async () => {
  if (present) sluice = await startSluice({ file: FILE });
}, 60_000);
afterAll(() => sluice?.stop());

interface Route {
  readonly path: RegExp;
  readonly kind: MainDialect | "count" | "embedding";
}

/** The model routes that tools post to, the narrower first. */
const ROUTES: readonly Route[] = [
  { path: /\/messages\/count_tokens$/, kind: "count" },
  { path: /\/responses\/input_tokens$/, kind: "count" },
  { path: /:countTokens$/, kind: "count" },
  { path: /\/embeddings$/, kind: "embedding" },
  { path: /:(?:batchEmbedContents|embedContent)$/, kind: "embedding" },
  { path: /\/chat\/completions$/, kind: "openai-chat" },
  { path: /\/responses$/, kind: "openai-responses" },
  { path: /\/messages$/, kind: "anthropic-messages" },
  { path: /:(?:streamG|g)enerateContent$/, kind: "gemini" },
];

/** A base URL of the recording had a path of its own, which a proxy in front of a gateway would take away. */
const FOREIGN_BASE = /^\/gemini(?=\/v1beta\/)/;
const pathname = (path: string) => path.split("?")[0] ?? "";

function kindOf({ path }: ClientRequest): Route["kind"] | undefined {
  return ROUTES.find((route) => route.path.test(pathname(path)))?.kind;
}

/** Headers that belong to the recorded connection, not to the request. */
const CONNECTION = new Set(["host", "content-length", "connection", "accept-encoding", "transfer-encoding"]);
const CARRIERS = new Set(["authorization", "x-api-key", "x-goog-api-key"]);

/** The recorded headers, with a key that this server knows where the tool had put its own. */
function headersOf({ headers }: ClientRequest): Record<string, string> {
  const sent: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (CONNECTION.has(name)) continue;
    if (!CARRIERS.has(name)) sent[name] = value;
    else sent[name] = name === "authorization" ? `Bearer ${sluice.key}` : sluice.key;
  }
  return sent;
}

interface Replayed {
  status: number;
  type: string;
  text: string;
}

/** Sends the recorded request, asking for another model. */
async function replay(one: ClientRequest, model: string): Promise<Replayed> {
  const body = asObject(one.body) ?? {};
  const path = one.path.replace(FOREIGN_BASE, "").replace(/\/models\/[^:?]+:/, `/models/${model}:`);
  const answer = await fetch(sluice.url + path, {
    method: one.method,
    headers: { "content-type": "application/json", ...headersOf(one) },
    body: JSON.stringify("model" in body ? { ...body, model } : renamedInside(body, model)),
  });
  return { status: answer.status, type: answer.headers.get("content-type") ?? "", text: await answer.text() };
}

/** Gemini's batches name the model in each of their parts. */
function renamedInside(body: JsonObject, model: string): JsonObject {
  if (!Array.isArray(body.requests)) return body;
  return { ...body, requests: body.requests.map((part) => ({ ...asObject(part), model: `models/${model}` })) };
}

interface Foreign {
  readonly family: Family;
  readonly files: RegExp;
  readonly complaint: RegExp;
  /** The field that holds what another server issued, and what the tool would send had it got none. */
  readonly field: string;
  readonly instead: string | undefined;
}

/** Thoughts go back to the provider as they came; this client was served by the recording's own server. */
const GEMINI_SIGNATURES = {
  files:
    /^(?:gemini-cli\/gemini-cli-(?:(?:base-subpath|bearer|main)-03|(?:model-flash|model-gpt|model-slash)-02)|opencode\/opencode-google-03)-/,
  complaint: /Corrupted thought signature/,
  field: "thoughtSignature",
  instead: "skip_thought_signature_validator",
};

/** What the simulated provider refuses, as the real one would: signatures and encrypted reasoning that it did not issue. */
const REFUSED: readonly Foreign[] = [
  {
    family: "sim-responses",
    files: /^codex\/codex-(?:codemode-exec(?:-nons)?|m-gpt55)-02-/,
    complaint: /The encrypted content for item rs_\w+ could not be verified/,
    field: "encrypted_content",
    instead: undefined,
  },
  { family: "sim-gemini", ...GEMINI_SIGNATURES },
  { family: "sim-gemini-3", ...GEMINI_SIGNATURES },
];

/** The request without what another server issued. */
function withoutForeign(one: ClientRequest, { field, instead }: Foreign): ClientRequest {
  const text = JSON.stringify(one.body, (name, value: unknown) => (name === field ? instead : value));
  return { ...one, body: JSON.parse(text) as JsonObject };
}

/** Replays a conversation; what is wrong with the answer, in words. What must be refused must also be taken once it is whole. */
async function converse(kind: MainDialect, one: ClientRequest, family: Family): Promise<string | undefined> {
  const foreign = REFUSED.find((case_) => case_.family === family && case_.files.test(one.file));
  const answer = await replay(one, family);
  const told = `${answer.status} ${answer.text.slice(0, 300)}`;
  if (!foreign) return answer.status === 200 ? faultOf(kind, one, answer) : told;
  if (answer.status !== 400 || !foreign.complaint.test(answer.text)) return `not refused: ${told}`;
  const again = await replay(withoutForeign(one, foreign), family);
  return again.status === 200 ? faultOf(kind, one, again) : `refused again: ${again.text.slice(0, 300)}`;
}

const isStreamed = (one: ClientRequest) =>
  asObject(one.body)?.stream === true || one.path.includes(":streamGenerateContent");

/** How a stream of each format ends when nothing went wrong. */
const ENDS: Record<MainDialect, RegExp> = {
  "openai-chat": /data: \[DONE\]\n\n$/,
  "openai-responses": /event: response\.(?:completed|incomplete)\ndata: [^\n]+\n\n$/,
  "anthropic-messages": /event: message_stop\ndata: [^\n]+\n\n$/,
  gemini: /"finishReason":\s*"[A-Z_]+"[^\n]*\s+$/,
};

/** What is wrong with an answer of generation, in words. */
async function faultOf(kind: MainDialect, one: ClientRequest, answer: Replayed) {
  const wantsStream = isStreamed(one);
  if (answer.type.startsWith("text/event-stream") !== wantsStream) return `answered as ${answer.type}`;
  if (wantsStream && !ENDS[kind].test(answer.text)) return `the stream ends with ${answer.text.slice(-200)}`;
  try {
    const whole = wantsStream ? await READERS[kind](answer.text) : (JSON.parse(answer.text) as JsonObject);
    const told = toldBy(kind, whole);
    const hasContent = told.choices.some(({ text, calls }) => text !== "" || calls.length > 0);
    return hasContent || isCompaction(one, whole) ? undefined : `says nothing: ${answer.text.slice(0, 300)}`;
  } catch (error) {
    return `not to be read: ${error}`;
  }
}

/** Whether what was asked for is the conversation in little, and the answer is that. */
function isCompaction(one: ClientRequest, answer: JsonObject): boolean {
  const last = asObject(asArray(asObject(one.body)?.input).at(-1));
  const items = asArray(answer.output).map(asObject);
  return (
    last?.type === "compaction_trigger" &&
    items.length === 1 &&
    items[0]?.type === "compaction" &&
    asString(items[0].encrypted_content) !== undefined
  );
}

/** The number in an answer of a counting route. */
function counted(text: string): number | undefined {
  const body = asObject(tryParse(text));
  return asNumber(body?.input_tokens) ?? asNumber(body?.totalTokens);
}

/** The vectors of an answer of either format of embeddings. */
function vectorsOf(text: string): number[][] {
  const body = asObject(tryParse(text)) ?? {};
  return asArray(body.data ?? body.embeddings).map((entry) => {
    const vector = (asObject(entry)?.embedding ?? asObject(entry)?.values) as Vector;
    return encodeVector(vector, "float") as number[];
  });
}

const posts = clientRequests().filter((one) => one.method === "POST");
const ofKind = (wanted: (kind: Route["kind"]) => boolean) =>
  posts.flatMap((one) => {
    const kind = kindOf(one);
    return kind && wanted(kind) ? [{ one, kind }] : [];
  });

/** Counts of what each client got of each model, for the table. */
const tally = new Map<string, Map<string, { good: number; all: number }>>();

function note(client: string, model: string, isGood: boolean): void {
  const row = tally.get(client) ?? new Map<string, { good: number; all: number }>();
  tally.set(client, row);
  const cell = row.get(model) ?? { good: 0, all: 0 };
  row.set(model, cell);
  cell.all += 1;
  if (isGood) cell.good += 1;
}

describe.skipIf(!present)(present ? "recorded requests of real tools" : `real tools (${SKIP_REASON})`, () => {
  for (const family of FAMILIES) {
    test(
      `${family} answers every conversation`,
      async () => {
        const faults: string[] = [];
        for (const { one, kind } of ofKind((kind) => kind !== "count" && kind !== "embedding")) {
          const fault = await converse(kind as MainDialect, one, family);
          note(one.client, family, fault === undefined);
          if (fault) faults.push(`${one.file}: ${fault}`);
        }
        expect(faults).toEqual([]);
      },
      SLOW_MS,
    );

    test(`${family} is counted for`, async () => {
      const counts = ofKind((kind) => kind === "count");
      expect(counts.length).toBeGreaterThan(0);
      for (const { one } of counts) {
        const { status, text } = await replay(one, family);
        note(one.client, family, status === 200);
        expect({ file: one.file, status, text: status === 200 ? "" : text }).toMatchObject({ status: 200 });
        expect(counted(text)).toBeGreaterThan(0);
      }
    });
  }

  for (const model of EMBEDDING_FAMILIES) {
    test(`${model} answers every request for embeddings with one vector for each input`, async () => {
      const asked = ofKind((kind) => kind === "embedding");
      expect(asked.length).toBeGreaterThan(0);
      for (const { one } of asked) {
        const { status, text } = await replay(one, model);
        note(one.client, model, status === 200);
        expect({ file: one.file, status, text: status === 200 ? "" : text }).toMatchObject({ status: 200 });
        const body = asObject(one.body) ?? {};
        const inputs = Array.isArray(body.input) ? body.input : (body.requests ?? [body.input]);
        const vectors = vectorsOf(text);
        expect(vectors).toHaveLength(asArray(inputs).length);
        for (const vector of vectors) expect(vector.some((value) => Math.abs(value) > 1e-6)).toBe(true);
      }
    });
  }

  test("lists of models and single ones come in the shape that each tool reads", async () => {
    const gets = clientRequests().filter(({ method, path }) => method === "GET" && path.includes("/models"));
    expect(gets.length).toBeGreaterThan(3);
    for (const one of gets) {
      const path = one.path.replace(/\/models\/.+/, "/models/sim-chat");
      const answer = await fetch(sluice.url + path, { headers: headersOf(one) });
      const body = (await answer.json()) as JsonObject;
      expect({ file: one.file, status: answer.status }).toEqual({ file: one.file, status: 200 });
      if (path.endsWith("/models/sim-chat")) expect(body).toMatchObject({ name: "models/sim-chat" });
      else if (path.includes("v1beta")) expect(names(body.models, "name")).toContain("models/sim-chat");
      else if (one.client === "codex") expect(names(body.models, "slug")).toContain("sim-chat");
      else expect(names(body.data, "id")).toContain("sim-chat");
    }
  });

  test("no recorded request to a model is left out, and the numbers", () => {
    const others = posts.filter((one) => kindOf(one) === undefined).map(({ path }) => path);
    // Claude Code asks servers of tools too.
    expect([...new Set(others)]).toEqual(["/mcp"]);
    const models = [...FAMILIES, ...EMBEDDING_FAMILIES];
    const rows = [...tally].map(([client, row]) => [
      client,
      ...models.map((model) => {
        const cell = row.get(model);
        return cell ? `${cell.good} of ${cell.all}` : "-";
      }),
    ]);
    console.log(table("recorded requests answered", ["client", ...models], rows));
    expect(rows.length).toBeGreaterThan(3);
  });
});

function names(list: unknown, field: string): unknown[] {
  return (Array.isArray(list) ? list : []).map((entry) => asObject(entry)?.[field]);
}
