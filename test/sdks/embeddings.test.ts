/**
 * Embeddings with the official clients through the whole server: each client in front of either upstream format, in every
 * encoding, with the record and the cost; and what is refused.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ApiError, GoogleGenAI } from "@google/genai";
import OpenAI, { APIError } from "openai";
import type { Json, JsonObject } from "../../src/core/json.ts";
import { vectorOf } from "../../src/simulator/plain.ts";
import { type Sluice, startSluice } from "../support/server.ts";
import { clientRequests, haveRecordings, SKIP_REASON } from "../support/wire.ts";
import { keepHeaders } from "./drivers/driver.ts";

interface Place {
  provider: string;
  model: string;
  priority?: number;
  quirks?: JsonObject;
}

function model(id: string, endpoints: Place[], over: JsonObject = {}): JsonObject {
  const price = { input: 20_000, output: 0 };
  return {
    id,
    endpoints: endpoints as unknown as Json[],
    price,
    context: 8192,
    max_output: 0,
    capabilities: [],
    ...over,
  };
}

const at = (path: string) => ({ base_url: `\${SIMULATOR_URL}${path}`, api_keys: ["sim-key"] });
const OPEN = { provider: "open", model: "text-embedding-simulated" };
const GEM = { provider: "gem", model: "gemini-embedding-simulated" };

/** JSON is YAML too. */
const FILE = JSON.stringify({
  providers: [
    { id: "open", type: "custom", ...at("/v1") },
    { id: "gem", type: "google", ...at("/v1beta") },
    { id: "gone", type: "custom", base_url: "http://127.0.0.1:9/v1" },
  ],
  models: [
    model("open-vectors", [OPEN]),
    model("gem-vectors", [GEM], { capabilities: ["images"] }),
    model("floats-only", [{ ...OPEN, quirks: { refuses: ["encoding"] } }]),
    model("failing-over", [
      { provider: "gone", model: "x" },
      { ...GEM, priority: 2 },
    ]),
    model("chat", [{ provider: "open", model: "gpt-simulated" }], { max_output: 1000 }),
  ],
  catalog: { curated: false },
});

const UPSTREAM = { "open-vectors": "text-embedding-simulated", "gem-vectors": "gemini-embedding-simulated" } as const;
type Model = keyof typeof UPSTREAM;
const MODELS = Object.keys(UPSTREAM) as Model[];
const TEXTS = ["A first text.", "日本語のテキスト", "And a third one, which is somewhat longer than the others."];
const DIMENSIONS = 16;

/** What the simulated provider makes of a text. */
function vector(model: Model, text: string): number[] {
  const seed = model === "gem-vectors" ? `${UPSTREAM[model]}|${text}` : text;
  return Array.from(vectorOf(seed, DIMENSIONS));
}

/** Base64 holds 32-bit floats, and so do the provider's vectors. */
const floats = (values: readonly number[] | undefined) => Array.from(Float32Array.from(values ?? []));

let sluice: Sluice;
let kept: ReturnType<typeof keepHeaders>;
let openai: OpenAI;
let google: GoogleGenAI;
beforeAll(async () => {
  sluice = await startSluice({ file: FILE });
  kept = keepHeaders();
  openai = new OpenAI({ apiKey: sluice.key, baseURL: `${sluice.url}/v1`, maxRetries: 0, fetch: kept.fetch });
  google = new GoogleGenAI({ apiKey: sluice.key, httpOptions: { baseUrl: sluice.url, fetch: kept.fetch } });
}, 60_000);
afterAll(() => sluice.stop());

async function post(path: string, body: JsonObject, headers: Record<string, string> = {}) {
  const response = await fetch(sluice.url + path, {
    method: "POST",
    headers: { authorization: `Bearer ${sluice.key}`, ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as JsonObject };
}

const journal = () => sluice.journal(kept.headers().get("x-request-id") ?? "");

describe.each(MODELS)("%s", (model) => {
  const wanted = TEXTS.map((text) => floats(vector(model, text)));

  test("the openai client, which asks for base64 unless told otherwise", async () => {
    const reply = await openai.embeddings.create({ model, input: TEXTS, dimensions: DIMENSIONS });
    expect(reply.data.map((one) => floats(one.embedding))).toEqual(wanted);
    expect(reply.data.map((one) => one.index)).toEqual([0, 1, 2]);
    expect(reply.usage.prompt_tokens).toBe(journal()?.usage?.input ?? -1);
    expect(kept.headers().get("x-sluice-losses")).toBeNull();
  });

  test("the openai client, asking for numbers or for the text of base64", async () => {
    const request = { model, input: TEXTS, dimensions: DIMENSIONS };
    const numbers = await openai.embeddings.create({ ...request, encoding_format: "float" });
    expect(numbers.data.map((one) => floats(one.embedding))).toEqual(wanted);
    const texts = await openai.embeddings.create({ ...request, encoding_format: "base64" });
    const bytes = texts.data.map((one) => Buffer.from(one.embedding as unknown as string, "base64"));
    expect(bytes.map((one) => Array.from(new Float32Array(Uint8Array.from(one).buffer)))).toEqual(wanted);
  });

  test("the openai client with a single text", async () => {
    const reply = await openai.embeddings.create({ model, input: TEXTS[0] ?? "", dimensions: DIMENSIONS });
    expect(reply.data.map((one) => floats(one.embedding))).toEqual(wanted.slice(0, 1));
    expect(reply.object).toBe("list");
  });

  test("Google's client, with one text and with several", async () => {
    const config = { outputDimensionality: DIMENSIONS };
    const one = await google.models.embedContent({ model, contents: TEXTS[0] ?? "", config });
    expect(one.embeddings?.map((each) => floats(each.values))).toEqual(wanted.slice(0, 1));
    const many = await google.models.embedContent({ model, contents: TEXTS, config });
    expect(many.embeddings?.map((each) => floats(each.values))).toEqual(wanted);
    expect(many.usageMetadata?.promptTokenCount).toBe(journal()?.usage?.input ?? -1);
  });

  test("the route for one text answers with one vector, under either version", async () => {
    const body = { content: { parts: [{ text: TEXTS[0] ?? "" }] }, output_dimensionality: DIMENSIONS };
    for (const version of ["v1beta", "v1"]) {
      const reply = await post(`/${version}/models/${model}:embedContent`, body);
      const { embedding } = reply.body as { embedding: { values: number[] } };
      expect(floats(embedding.values)).toEqual(wanted[0] as number[]);
      const path = model === "gem-vectors" ? `/v1beta/models/${UPSTREAM[model]}:embedContent` : "/v1/embeddings";
      expect(sluice.journal(reply.headers.get("x-request-id") ?? "")?.path).toBe(path);
    }
  });

  test("a task and a title are lost to OpenAI's format, and a strict caller is refused", async () => {
    const body = {
      requests: [{ model: `models/${model}`, content: { parts: [{ text: "a" }] }, taskType: "CLUSTERING", title: "t" }],
    };
    const path = `/v1beta/models/${model}:batchEmbedContents`;
    const reply = await post(path, body);
    expect(reply.headers.get("x-sluice-losses")).toBe(model === "gem-vectors" ? null : "task, title");
    const strict = await post(path, body, { "x-sluice-strict": "true" });
    expect(strict.status).toBe(model === "gem-vectors" ? 200 : 400);
  });

  test("a call has a record with what it cost", async () => {
    await openai.embeddings.create({ model, input: TEXTS, dimensions: DIMENSIONS });
    const headers = { "x-api-key": sluice.key };
    const id = kept.headers().get("x-request-id");
    const tokens = journal()?.usage?.input ?? -1;
    const answer = await fetch(`${sluice.url}/api/v1/generation?id=${id}`, { headers });
    const { data } = (await answer.json()) as { data: JsonObject };
    const provider = model === "gem-vectors" ? "gem" : "open";
    expect(data).toMatchObject({ api_type: "embeddings", model, provider, streamed: false, status: 200 });
    expect(data).toMatchObject({ tokens_prompt: tokens, tokens_completion: 0, usage_source: "measured" });
    expect(data.path).toBe(model === "gem-vectors" ? "convert" : "relay");
    expect(data.total_cost).toBeCloseTo(tokens * 0.02, 9);
    expect(Number(kept.headers().get("x-sluice-cost-usd"))).toBeCloseTo(tokens * 0.02, 9);
  });

  for (const [order, status, words] of [
    ["status=400", 400, "invalid (simulated)"],
    ["status=404", 404, "does not exist"],
    ["status=401", 503, "provider"],
    ["status=429", 503, "overloaded"],
    ["status=500", 503, "provider"],
  ] as const) {
    test(`${order} is told as ${status} to both clients`, async () => {
      const asked = openai.embeddings.create({ model, input: ["x", order] });
      const thrown = (await asked.catch((error: unknown) => error)) as APIError;
      expect(thrown).toBeInstanceOf(APIError);
      expect(thrown).toMatchObject({ status });
      expect(thrown.message).toContain(words);
      const other = google.models.embedContent({ model, contents: ["x", order] });
      const failure = (await other.catch((error: unknown) => error)) as ApiError;
      expect(failure).toBeInstanceOf(ApiError);
      expect(failure).toMatchObject({ status });
      expect(failure.message).toContain(words);
      expect(sluice.app.gateway.running).toBe(0);
    });
  }
});

test("an upstream that has only numbers is no reason to give base64's reader any", async () => {
  const reply = await openai.embeddings.create({ model: "floats-only", input: TEXTS, dimensions: DIMENSIONS });
  expect(reply.data.map((one) => floats(one.embedding))).toEqual(
    TEXTS.map((text) => floats(vector("open-vectors", text))),
  );
});

test("the next endpoint is tried, in its own format", async () => {
  const reply = await openai.embeddings.create({ model: "failing-over", input: TEXTS, dimensions: DIMENSIONS });
  expect(reply.data).toHaveLength(3);
  expect(kept.headers().get("x-sluice-provider")).toBe("gem");
});

test("tokens in place of texts are passed on, or refused where nobody can read them", async () => {
  const tokens = [
    [1, 2, 3],
    [4, 5],
  ] as unknown as number[][];
  const reply = await openai.embeddings.create({ model: "open-vectors", input: tokens, dimensions: DIMENSIONS });
  expect(reply.usage.prompt_tokens).toBe(5);
  const refused = await post("/v1/embeddings", { model: "gem-vectors", input: tokens });
  expect(refused).toMatchObject({ status: 400, body: { error: { param: "input", code: "invalid_request" } } });
});

test("a picture goes to a model that sees, and to no other", async () => {
  const parts = [{ text: "logo" }, { inlineData: { mimeType: "image/png", data: "iVBORw0KGgo=" } }];
  const body = { content: { parts } };
  expect((await post("/v1beta/models/gem-vectors:embedContent", body)).status).toBe(200);
  const refused = await post("/v1beta/models/open-vectors:embedContent", body);
  expect(refused.status).toBe(404);
  expect((refused.body.error as JsonObject).message).toContain("what this request needs: images");
});

test("a chat model makes no embeddings, and a model for embeddings does not chat", async () => {
  const chat = { message: "chat makes no embeddings. Choose a model for embeddings.", code: "no_matching_provider" };
  expect(await post("/v1/embeddings", { model: "chat", input: "a" })).toMatchObject({
    status: 404,
    body: { error: chat },
  });
  const question = { model: "open-vectors", messages: [{ role: "user", content: "a" }], max_tokens: 10 };
  for (const path of ["/v1/chat/completions", "/v1/messages"]) {
    const refused = await post(path, question);
    expect(refused.status).toBe(404);
    expect((refused.body.error as JsonObject).message).toContain("open-vectors is a model for embeddings");
  }
});

test("bad requests are refused in the caller's format", async () => {
  expect(await post("/v1/embeddings", { model: "open-vectors" })).toMatchObject({
    status: 400,
    body: { error: { param: "input" } },
  });
  expect(await post("/v1/embeddings", { model: "nope", input: "a" })).toMatchObject({
    status: 404,
    body: { error: { code: "model_not_available" } },
  });
  const gemini = await post("/v1beta/models/gem-vectors:batchEmbedContents", { requests: [] });
  expect(gemini).toMatchObject({ status: 400, body: { error: { code: 400, status: "INVALID_ARGUMENT" } } });
});

test("lists say what a model is for", async () => {
  const headers = { "x-api-key": sluice.key };
  const list = (await (await fetch(`${sluice.url}/v1/models`, { headers })).json()) as { data: JsonObject[] };
  const entry = (id: string) => list.data.find((one) => one.id === id);
  expect(entry("gem-vectors")).toMatchObject({
    operations: ["embedding"],
    max_output_tokens: 0,
    pricing: { completion: "0" },
  });
  expect(entry("chat")).toMatchObject({ operations: ["generation"] });
  const one = await (await fetch(`${sluice.url}/v1beta/models/gem-vectors`, { headers })).json();
  expect(one).toMatchObject({
    supportedGenerationMethods: ["embedContent", "batchEmbedContents"],
    outputTokenLimit: 0,
  });
});

describe("requests that real tools sent, at a start without any setting", () => {
  if (!haveRecordings()) test.skip(SKIP_REASON, () => {});
  const wanted = clientRequests().filter(({ path }) => /\/embeddings$|mbedContents?$/.test(path));
  let plain: Sluice;
  beforeAll(async () => {
    plain = await startSluice({ file: "{}" });
  }, 60_000);
  afterAll(() => plain.stop());

  for (const { file, path, headers, body } of wanted) {
    test(file, async () => {
      const own = Object.entries(headers).map(([name, value]) => [name, value.replace("<KEY>", plain.key)] as const);
      const init = { method: "POST", headers: Object.fromEntries(own), body: JSON.stringify(body) };
      const response = await fetch(plain.url + path, init);
      expect(response.status).toBe(200);
      const reply = (await response.json()) as { data?: { embedding: unknown }[]; embeddings?: { values: number[] }[] };
      const vectors = reply.data?.map((one) => one.embedding) ?? reply.embeddings?.map((one) => one.values) ?? [];
      const isText = (body as JsonObject).encoding_format === "base64";
      expect(vectors.length).toBeGreaterThan(0);
      for (const one of vectors) expect(typeof one === "string").toBe(isText);
    });
  }
});
