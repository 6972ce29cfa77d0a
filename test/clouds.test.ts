/**
 * Clouds through the whole server: what Vertex AI and Bedrock are sent (paths, bodies, tokens, signatures), and that their
 * answers reach a caller of each format as any other provider's do. The clouds are a server on this machine.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createHash, createHmac, generateKeyPairSync, verify } from "node:crypto";
import { crc32 } from "node:zlib";
import { asObject, type JsonObject } from "../src/core/json.ts";
import { createSseParser } from "../src/upstream/sse.ts";
import { type Sluice, startSluice } from "./support/server.ts";
import { haveRecordings, recordings, SKIP_REASON } from "./support/wire.ts";

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ACCOUNT = JSON.stringify({
  type: "service_account",
  project_id: "my-project",
  private_key_id: "k1",
  private_key: privateKey.export({ type: "pkcs8", format: "pem" }),
  client_email: "gateway@my-project.example",
});
const OTHER_ACCOUNT = ACCOUNT.replace("gateway@", "other@");
const SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN = "ya29.canary-access-token";

const MESSAGE = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-simulated",
  content: [{ type: "text", text: "Hello" }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage: { input_tokens: 10, output_tokens: 3 },
};
const EVENTS: JsonObject[] = [
  { type: "message_start", message: { ...MESSAGE, content: [], stop_reason: null } },
  { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
  { type: "ping" },
  { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hel" } },
  { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "lo" } },
  { type: "content_block_stop", index: 0 },
  { type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 3 } },
  { type: "message_stop" },
];
const CHUNK = {
  candidates: [{ content: { role: "model", parts: [{ text: "Hello" }] }, finishReason: "STOP" }],
  usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 3, totalTokenCount: 13 },
  modelVersion: "gemini-2.5-flash",
};
const sse = (events: readonly JsonObject[]) =>
  events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("");

/** A message of a binary event stream, built by the specification. */
function frame(headers: Record<string, string>, payload: string): Buffer {
  const uint = (value: number, bytes: number) => {
    const buffer = Buffer.alloc(bytes);
    buffer.writeUIntBE(value, 0, bytes);
    return buffer;
  };
  const head = Buffer.concat(
    Object.entries(headers).map(([name, value]) =>
      Buffer.concat([uint(name.length, 1), Buffer.from(name), uint(7, 1), uint(value.length, 2), Buffer.from(value)]),
    ),
  );
  const body = Buffer.from(payload);
  const prelude = Buffer.concat([uint(16 + head.length + body.length, 4), uint(head.length, 4)]);
  const all = Buffer.concat([prelude, uint(crc32(prelude), 4), head, body]);
  return Buffer.concat([all, uint(crc32(all), 4)]);
}

const chunkFrame = (text: string) =>
  frame(
    { ":event-type": "chunk", ":content-type": "application/json", ":message-type": "event" },
    JSON.stringify({ bytes: Buffer.from(text).toString("base64"), p: "abcdef" }),
  );
const METRICS = { "amazon-bedrock-invocationMetrics": { inputTokenCount: 10, invocationLatency: 5 } };
const binary = (events: readonly JsonObject[]) =>
  Buffer.concat(
    events.map((event) => chunkFrame(JSON.stringify(event.type === "message_stop" ? { ...event, ...METRICS } : event))),
  );

interface Seen {
  path: string;
  headers: Headers;
  body: JsonObject;
  text: string;
}

let sluice: Sluice;
let cloud: Bun.Server<undefined>;
let seen: Seen[] = [];
let tokensAsked: URLSearchParams[] = [];
/** What the next streamed call of Bedrock is answered with. */
let stream: Uint8Array = new Uint8Array();
/** What the token endpoint answers. */
let tokenAnswer: () => Response;

const granted = () => Response.json({ access_token: TOKEN, expires_in: 3600, token_type: "Bearer" });

async function answer(request: Request): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const text = await request.text();
  if (pathname === "/token") {
    tokensAsked.push(new URLSearchParams(text));
    return tokenAnswer();
  }
  seen.push({ path: pathname + search, headers: request.headers, body: JSON.parse(text) as JsonObject, text });
  const events = { headers: { "content-type": "text/event-stream" } };
  if (pathname.endsWith(":streamGenerateContent"))
    return new Response(`data: ${JSON.stringify(CHUNK)}\r\n\r\n`, events);
  if (pathname.endsWith(":generateContent")) return Response.json(CHUNK);
  if (pathname.endsWith(":streamRawPredict")) return new Response(sse(EVENTS), events);
  if (!pathname.endsWith("/invoke-with-response-stream")) return Response.json(MESSAGE);
  const bytes = stream;
  const pieces = new ReadableStream({
    async pull(controller) {
      // In pieces that no boundary of the format falls together with.
      for (let at = 0; at < bytes.length; at += 61) controller.enqueue(bytes.subarray(at, at + 61));
      controller.close();
    },
  });
  return new Response(pieces, { headers: { "content-type": "application/vnd.amazon.eventstream" } });
}

const model = (id: string, provider: string, upstream: string) =>
  `  - { id: ${id}, endpoints: [{ provider: ${provider}, model: "${upstream}" }], price: { input: 1, output: 4 }, context: 200000, max_output: 32000 }`;

beforeAll(async () => {
  cloud = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answer });
  const url = `http://127.0.0.1:${cloud.port}`;
  const at = `base_url: "${url}", token_url: "${url}/token"`;
  sluice = await startSluice({
    env: { VERTEX_KEY: ACCOUNT, OTHER_KEY: OTHER_ACCOUNT, AWS_KEYS: `AKIDEXAMPLE:${SECRET}` },
    file: [
      "providers:",
      `  - { id: vertex, type: vertex, ${at}, location: europe-west1, api_keys: ["\${VERTEX_KEY}"] }`,
      `  - { id: refused, type: vertex, ${at}, project: other, api_keys: ["\${OTHER_KEY}"] }`,
      `  - { id: bedrock, type: bedrock, base_url: "${url}", location: us-east-1, api_keys: ["\${AWS_KEYS}"] }`,
      `  - { id: bedrock-key, type: bedrock, base_url: "${url}", location: us-east-1, api_keys: [ABSKexample] }`,
      "models:",
      model("v-gemini", "vertex", "gemini-2.5-flash"),
      model("v-claude", "vertex", "claude-sonnet-4-5@20250929"),
      model("b-claude", "bedrock", "global.anthropic.claude-sonnet-4-5-20250929-v1:0"),
      model("b-key", "bedrock-key", "anthropic.claude-v2"),
      model("refused", "refused", "claude-opus-5"),
      model("moves-on", "refused", "claude-opus-5").replace(
        "[",
        "[{ provider: bedrock, model: second, priority: 2 }, ",
      ),
      "catalog: { curated: false }",
      "",
    ].join("\n"),
  });
}, 60_000);
afterAll(async () => {
  await sluice.stop();
  await cloud.stop(true);
});
beforeEach(() => {
  seen = [];
  stream = binary(EVENTS);
  tokenAnswer = granted;
});

const post = (path: string, body: JsonObject, headers: Record<string, string> = {}) =>
  fetch(sluice.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${sluice.key}`, ...headers },
    body: JSON.stringify(body),
  });
const messages = (name: string, more: JsonObject = {}, headers: Record<string, string> = {}) =>
  post("/v1/messages", { model: name, max_tokens: 50, messages: [{ role: "user", content: "Hi" }], ...more }, headers);
const gemini = (verb: string) =>
  post(`/v1beta/models/v-gemini:${verb}`, { contents: [{ role: "user", parts: [{ text: "Hi" }] }] });
const last = () => {
  const found = seen.at(-1);
  if (!found) throw new Error("nothing was sent");
  return found;
};
const dataOf = (text: string) =>
  createSseParser()
    .push(Buffer.from(text))
    .map(({ data }) => JSON.parse(data) as JsonObject);

const PLACE = "/v1/projects/my-project/locations/europe-west1/publishers";

describe("Vertex AI", () => {
  test("is called with a token for the key, which is asked for once", async () => {
    tokensAsked = [];
    const answers = await Promise.all([gemini("generateContent"), messages("v-claude"), messages("v-claude")]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(seen.map(({ headers }) => headers.get("authorization"))).toEqual(Array(3).fill(`Bearer ${TOKEN}`));
    expect(seen.some(({ headers }) => headers.has("x-api-key") || headers.has("x-goog-api-key"))).toBe(false);
    expect(tokensAsked).toHaveLength(1);
    const [head, claims, signature] = tokensAsked[0]?.get("assertion")?.split(".") ?? [];
    const signed = Buffer.from(`${head}.${claims}`);
    expect(verify("sha256", signed, publicKey, Buffer.from(signature ?? "", "base64url"))).toBe(true);
  });

  test("serves Gemini, plain and streamed", async () => {
    const plain = (await (await gemini("generateContent")).json()) as typeof CHUNK;
    expect(plain.candidates).toEqual(CHUNK.candidates);
    expect(last().path).toBe(`${PLACE}/google/models/gemini-2.5-flash:generateContent`);
    const streamed = await (await gemini("streamGenerateContent?alt=sse")).text();
    expect(dataOf(streamed).at(-1)?.usageMetadata).toEqual(CHUNK.usageMetadata);
    expect(last().path).toBe(`${PLACE}/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse`);
  });

  test("serves Claude, plain and streamed: the version in the body, the model in the path", async () => {
    const plain = (await (await messages("v-claude", {}, { "anthropic-beta": "one,two" })).json()) as typeof MESSAGE;
    expect(plain.content).toEqual(MESSAGE.content);
    expect(last().path).toBe(`${PLACE}/anthropic/models/claude-sonnet-4-5@20250929:rawPredict`);
    const messagesSent = [{ role: "user", content: "Hi" }];
    expect(last().body).toEqual({ anthropic_version: "vertex-2023-10-16", max_tokens: 50, messages: messagesSent });
    expect(last().headers.get("anthropic-beta")).toBe("one,two");
    expect(last().headers.has("anthropic-version")).toBe(false);
    const streamed = await (await messages("v-claude", { stream: true })).text();
    expect(dataOf(streamed).map(({ type }) => type)).toEqual(EVENTS.map(({ type }) => type));
    expect(last().path).toBe(`${PLACE}/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict`);
    expect(last().body).toMatchObject({ anthropic_version: "vertex-2023-10-16", stream: true });
  });

  test("serves each model in its own format to callers of another", async () => {
    const chat = (name: string) =>
      post("/v1/chat/completions", { model: name, messages: [{ role: "user", content: "Hi" }] });
    for (const name of ["v-gemini", "v-claude", "b-claude"]) {
      const said = asObject((await (await chat(name)).json()) as JsonObject);
      expect(JSON.stringify(said?.choices)).toContain("Hello");
    }
    const crossed = (await (await messages("v-gemini")).json()) as typeof MESSAGE;
    expect(crossed.content).toEqual(MESSAGE.content);
    expect(last().path).toContain("/publishers/google/");
  });
});

describe("tokens of a prompt", () => {
  test("are asked of Vertex for Gemini, and counted here for Claude, for which the clouds have other routes", async () => {
    const asked = await gemini("countTokens");
    expect(asked.status).toBe(200);
    expect(last().path).toBe(`${PLACE}/google/models/gemini-2.5-flash:countTokens`);
    seen = [];
    for (const name of ["v-claude", "b-claude"]) {
      const body = { model: name, messages: [{ role: "user", content: "Hi" }] };
      const counted = (await (await post("/v1/messages/count_tokens", body)).json()) as JsonObject;
      expect(counted.input_tokens).toBeGreaterThan(0);
    }
    expect(seen).toEqual([]);
  });
});

describe("a key that the token endpoint refuses", () => {
  test("moves the call on to the next endpoint", async () => {
    tokenAnswer = () => Response.json({ error: "invalid_grant", error_description: "canary" }, { status: 400 });
    const response = await messages("moves-on");
    expect(response.status).toBe(200);
    expect(seen.map(({ path }) => path)).toEqual(["/model/second/invoke"]);
    await response.text();
  });

  test("is no fault of the caller's, who is told nothing of it", async () => {
    for (const answer of [400, 503]) {
      tokenAnswer = () => Response.json({ error: "canary", error_description: "canary" }, { status: answer });
      const response = await messages("refused");
      expect(response.status).toBeGreaterThanOrEqual(500);
      expect(await response.text()).not.toMatch(/canary|other@|PRIVATE|token endpoint/);
    }
    expect(seen).toEqual([]);
  });

  test("is asked about anew by the next call", async () => {
    expect((await messages("refused")).status).toBe(200);
    expect(last().path).toBe(
      "/v1/projects/other/locations/global/publishers/anthropic/models/claude-opus-5:rawPredict",
    );
  });
});

/** Signature Version 4 of a request as it arrived, by the specification. */
function signatureOf({ path, headers, text }: Seen): string {
  const [, date = "", names = ""] =
    /Credential=AKIDEXAMPLE\/(\d{8})\/us-east-1\/bedrock\/aws4_request, SignedHeaders=([^,]+),/.exec(
      headers.get("authorization") ?? "",
    ) ?? [];
  const sha = (value: string) => createHash("sha256").update(value).digest("hex");
  const canonical = [
    "POST",
    // A path that is encoded once in the URL is encoded once more.
    path.split("/").map(encodeURIComponent).join("/"),
    "",
    ...names.split(";").map((name) => `${name}:${headers.get(name)}`),
    "",
    names,
    sha(text),
  ].join("\n");
  const moment = headers.get("x-amz-date") ?? "";
  const toSign = ["AWS4-HMAC-SHA256", moment, `${date}/us-east-1/bedrock/aws4_request`, sha(canonical)].join("\n");
  const key = [date, "us-east-1", "bedrock", "aws4_request"].reduce<string | Buffer>(
    (from, part) => createHmac("sha256", from).update(part).digest(),
    `AWS4${SECRET}`,
  );
  return createHmac("sha256", key).update(toSign).digest("hex");
}

describe("Bedrock", () => {
  test("is sent what its signature says", async () => {
    expect((await messages("b-claude")).status).toBe(200);
    expect(last().headers.get("authorization")).toEndWith(`Signature=${signatureOf(last())}`);
    expect(last().headers.get("authorization")).not.toContain(SECRET);
  });

  test("is sent an API key as it is", async () => {
    expect((await messages("b-key")).status).toBe(200);
    expect(last().headers.get("authorization")).toBe("Bearer ABSKexample");
    expect(last().headers.has("x-amz-date")).toBe(false);
  });

  test("serves Claude, plain: model and version change places, beta flags go into the body", async () => {
    const plain = (await (await messages("b-claude", {}, { "anthropic-beta": "one, two" })).json()) as typeof MESSAGE;
    expect(plain.content).toEqual(MESSAGE.content);
    expect(last().path).toBe("/model/global.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke");
    expect(last().body).toEqual({
      anthropic_version: "bedrock-2023-05-31",
      anthropic_beta: ["one", "two"],
      max_tokens: 50,
      messages: [{ role: "user", content: "Hi" }],
    });
    expect(["anthropic-beta", "anthropic-version"].filter((name) => last().headers.has(name))).toEqual([]);
  });

  test("serves Claude, streamed: binary messages reach the caller as events, without the cloud's own figures", async () => {
    const response = await messages("b-claude", { stream: true });
    expect(response.headers.get("content-type")).toStartWith("text/event-stream");
    const text = await response.text();
    expect(dataOf(text)).toEqual(EVENTS);
    expect(text).not.toContain("invocationMetrics");
    expect(last().path).toBe("/model/global.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke-with-response-stream");
    expect(last().body.stream).toBeUndefined();
    expect(last().headers.get("authorization")).toEndWith(`Signature=${signatureOf(last())}`);
  });

  test("says in a stream why it broke off, before content and after", async () => {
    const exception = frame(
      { ":exception-type": "throttlingException", ":message-type": "exception" },
      '{"message":"Too many tokens"}',
    );
    stream = exception;
    const refused = await messages("b-claude", { stream: true });
    expect(refused.status).toBeGreaterThanOrEqual(429);
    await refused.text();
    stream = Buffer.concat([binary(EVENTS.slice(0, 4)), exception]);
    const events = dataOf(await (await messages("b-claude", { stream: true })).text());
    expect(events.at(-1)?.type).toBe("error");
    expect(events.map(({ type }) => type)).toContain("content_block_delta");
  });

  test("that breaks off or sends damaged messages ends the caller's stream with an error", async () => {
    const whole = binary(EVENTS.slice(0, 5));
    const damaged = Buffer.concat([whole, chunkFrame("{}")]);
    damaged[damaged.length - 10] = 0;
    for (const bytes of [whole.subarray(0, whole.length - 7), damaged]) {
      stream = bytes;
      const events = dataOf(await (await messages("b-claude", { stream: true })).text());
      expect(events.at(-1)?.type).toBe("error");
    }
  });

  const present = haveRecordings();
  test.skipIf(!present)(
    present ? "replays recorded streams unchanged" : `replays recorded streams (${SKIP_REASON})`,
    async () => {
      const recorded = recordings("anthropic.messages").filter(
        ({ provider, response }) => provider === "anthropic" && response.status === 200 && response.sse !== undefined,
      );
      const some = recorded.filter((_, index) => index % 6 === 0).slice(0, 15);
      expect(some.length).toBeGreaterThan(5);
      for (const { file, response } of some) {
        const events = dataOf(response.sse ?? "");
        stream = binary(events);
        const text = await (await messages("b-claude", { stream: true })).text();
        expect({ file, events: dataOf(text) }).toEqual({ file, events });
      }
    },
    60_000,
  );
});
