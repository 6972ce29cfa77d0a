/**
 * Parts of a call for tests of the gateway: endpoints, models, inquiries, principals, small upstreams on the loopback.
 * Each has plain defaults, of which a test names only what it is about.
 */
import type { CallRecord, Principal } from "../../src/core/call.ts";
import type { EmbeddingDialectId } from "../../src/core/embedding.ts";
import type { Candidate, Endpoint, Model } from "../../src/core/endpoint.ts";
import { CAPABILITIES } from "../../src/core/head.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { nano, pico } from "../../src/core/money.ts";
import type { WireFormatId } from "../../src/core/operation.ts";
import type { DialectId } from "../../src/core/request.ts";
import { emptyUsage } from "../../src/core/usage.ts";
import type { Framing, PathFacts } from "../../src/dialects/dialect.ts";
import { DIALECTS, EMBEDDING_DIALECTS } from "../../src/dialects/index.ts";
import { type EmbeddingInquiry, type GenerationInquiry, inquire } from "../../src/gateway/inquiry.ts";
import { byDialect, type Provider } from "../../src/providers/provider.ts";
import { afterThisTest } from "./tcp-upstream.ts";

export function endpoint(over: Partial<Endpoint> = {}): Endpoint {
  const price = over.price ?? { perToken: { input: pico(1_000_000n), output: pico(4_000_000n) } };
  return {
    id: "p/up",
    modelId: "m",
    provider: "p",
    upstreamModel: "up",
    dialects: ["openai-chat"],
    priority: 1,
    price,
    cost: price,
    capabilities: new Set(CAPABILITIES),
    contextTokens: 100_000,
    maxOutputTokens: 1000,
    quirks: {},
    ...over,
  };
}

export function model(endpoints: Endpoint[], over: Partial<Model> = {}): Model {
  const first = endpoints[0] ?? endpoint();
  return {
    id: "m",
    aliases: [],
    name: "M",
    contextTokens: 100_000,
    maxOutputTokens: 1000,
    capabilities: first.capabilities,
    price: first.price,
    endpoints,
    ...over,
  };
}

/** A candidate that speaks the dialect. */
export function candidate<F extends WireFormatId = "openai-chat">(
  dialect: F = "openai-chat" as F,
  over: Partial<Endpoint> = {},
): Candidate<F> {
  return { endpoint: endpoint({ dialects: [dialect], ...over }), dialect };
}

export function provider(id: string, baseUrl: string, over: Partial<Provider> = {}): Provider {
  const type = { type: "test", name: "Test", keyVariables: [], dialects: [], authorize: byDialect };
  return { id, type, baseUrl, credentials: [], dialects: [], headers: {}, timeouts: {}, ...over };
}

export function principal(over: Partial<Principal> = {}): Principal {
  return {
    keyId: "00000000-0000-4000-8000-000000000001",
    keyHash: "0".repeat(64),
    workspaceId: "00000000-0000-4000-8000-000000000002",
    keyName: "test",
    kind: "inference",
    rate: {},
    terms: { id: "payg", includedPerDay: 0 },
    billing: "prepaid",
    ...over,
  };
}

/** A small request in each format. */
export const SMALL: Partial<Record<DialectId, JsonObject>> = {
  "openai-chat": { model: "m", messages: [{ role: "user", content: "Hi" }] },
  "openai-responses": { model: "m", input: "Hi" },
  "openai-completions": { model: "m", prompt: "Hi" },
  "anthropic-messages": { model: "m", max_tokens: 100, messages: [{ role: "user", content: "Hi" }] },
  gemini: { contents: [{ role: "user", parts: [{ text: "Hi" }] }] },
};

export interface InquiryOptions {
  body?: JsonObject;
  stream?: boolean;
  framing?: Framing;
  headers?: Record<string, string>;
  strict?: boolean;
}

/** What a caller asks in a dialect, read as `handle` reads it. */
export function inquiryIn(dialectId: DialectId, options: InquiryOptions = {}): GenerationInquiry {
  const dialect = DIALECTS[dialectId];
  const stream = options.stream ?? false;
  const isGemini = dialectId === "gemini";
  const body = { ...(isGemini || !stream ? {} : { stream }), ...(options.body ?? SMALL[dialectId]) };
  const path: PathFacts = isGemini ? { model: "m", stream } : {};
  return inquire(
    {
      id: "req_1",
      createdAt: 1_700_000_000,
      dialect,
      framing: options.framing ?? "sse",
      headers: new Headers(options.headers),
      bytes: new TextEncoder().encode(JSON.stringify(body)),
      head: dialect.peek(body, path),
      strict: options.strict ?? false,
    },
    body,
    path,
  ) as GenerationInquiry;
}

/** What a caller asks for in a dialect of embeddings, read as `handle` reads it. */
export function embeddingInquiry(
  dialectId: EmbeddingDialectId,
  body: JsonObject,
  path: PathFacts = {},
): EmbeddingInquiry {
  const dialect = EMBEDDING_DIALECTS[dialectId];
  const facts = {
    id: "req_1",
    createdAt: 1_700_000_000,
    dialect,
    framing: "sse" as const,
    headers: new Headers(),
    bytes: new TextEncoder().encode(JSON.stringify(body)),
    head: dialect.peek(body, path),
    strict: false,
  };
  return inquire(facts, body, path) as EmbeddingInquiry;
}

/** A server that answers with `handler` until the running test ends; gives its base URL. */
export function httpUpstream(handler: (request: Request) => Response | Promise<Response>): string {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, idleTimeout: 0, development: false, fetch: handler });
  afterThisTest(() => server.stop(true));
  return `http://127.0.0.1:${server.port}/v1`;
}

/** Server-sent events of these JSON documents, with Chat's end mark. */
export function sse(...documents: unknown[]): string {
  return `${documents.map((document) => `data: ${JSON.stringify(document)}\n\n`).join("")}data: [DONE]\n\n`;
}

/** A chunk of a Chat stream. */
export function chunk(delta: JsonObject, finish: string | null = null): JsonObject {
  const choices = [{ index: 0, delta, finish_reason: finish }];
  return { id: "c1", object: "chat.completion.chunk", created: 1, model: "up", choices };
}

/** A whole Chat stream that says the text and reports usage. */
export function chatStream(text: string): string {
  const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
  return sse(chunk({ role: "assistant", content: "" }), chunk({ content: text }), chunk({}, "stop"), {
    ...chunk({}),
    choices: [],
    usage,
  });
}

/** An answer that is an event stream. */
export function streamed(body: string | ReadableStream): Response {
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

/** A finished call. */
export function record(over: Partial<CallRecord> = {}): CallRecord {
  return {
    id: `req_${crypto.randomUUID().replaceAll("-", "")}`,
    createdAt: new Date(),
    workspaceId: principal().workspaceId,
    keyId: principal().keyId,
    surface: "openai-chat",
    dialect: "openai-chat",
    path: "relay",
    modelRequested: "m",
    streamed: false,
    status: 200,
    usage: emptyUsage("measured"),
    costNano: nano(1000n),
    outcome: "posted",
    paidBy: "credit",
    holdNano: nano(1000n),
    lossNano: nano(0n),
    providerCostNano: nano(0n),
    clamped: false,
    durationMs: 5,
    attempts: [],
    losses: [],
    cancelled: false,
    ...over,
  };
}
