/**
 * The recorded exchanges and clients' requests by dialect, and the settings under which they are converted.
 * What `requests.ts`, `replies.ts` and `relays.ts` have in common; only the tests of whole conversions use it.
 */
import { GatewayError } from "../../src/core/error.ts";
import type { CanonicalEvent } from "../../src/core/event.ts";
import { CAPABILITIES } from "../../src/core/head.ts";
import { asObject, type JsonObject } from "../../src/core/json.ts";
import type { CanonicalRequest, DialectId } from "../../src/core/request.ts";
import type { EncodeContext, EncodeTarget, PathFacts } from "../../src/dialects/dialect.ts";
import { DIALECTS } from "../../src/dialects/index.ts";
import { createSseParser } from "../../src/upstream/sse.ts";
import { clientRequests, type Recording, recordings } from "../support/wire.ts";

/** The dialects of conversations, of which there are recordings. */
export const MAIN = ["openai-chat", "openai-responses", "anthropic-messages", "gemini"] as const satisfies DialectId[];
export type MainDialect = (typeof MAIN)[number];

/** A name in the recordings for each dialect, and the paths at which clients speak it. */
const APIS: Record<MainDialect, { api: string; path: RegExp }> = {
  "openai-chat": { api: "openai.chat", path: /\/chat\/completions$/ },
  "openai-responses": { api: "openai.responses", path: /\/responses$/ },
  "anthropic-messages": { api: "anthropic.messages", path: /\/messages$/ },
  gemini: { api: "gemini.generateContent", path: /:(?:streamG|g)enerateContent$/ },
};

export interface SourceRequest {
  from: MainDialect;
  file: string;
  body: JsonObject;
  path: PathFacts;
}

/** Every ordered pair of different dialects. */
export const PAIRS: readonly (readonly [MainDialect, MainDialect])[] = MAIN.flatMap((from) =>
  MAIN.filter((to) => to !== from).map((to) => [from, to] as const),
);

const cache = new Map<MainDialect, Recording[]>();

/** The recordings of a dialect, read once. */
export function recordingsOf(id: MainDialect): Recording[] {
  const known = cache.get(id) ?? recordings(APIS[id].api);
  cache.set(id, known);
  return known;
}

/** Every request that was recorded in a dialect, and every one that a client sent in it. */
export function requestsOf(id: MainDialect): SourceRequest[] {
  const found: SourceRequest[] = [];
  const add = (file: string, path: string, body: unknown) => {
    const object = asObject(body);
    // Clouds that host a provider's models keep the model in the path, which is no surface of ours.
    const named = object && id !== "gemini" ? { ...object, model: object.model ?? "test-model" } : object;
    if (named) found.push({ from: id, file, body: named, path: pathFacts(path) });
  };
  for (const { file, request } of recordingsOf(id)) if (request) add(file, request.path, request.body);
  for (const { file, method, path, body } of clientRequests()) {
    if (method === "POST" && APIS[id].path.test(path.split("?")[0] ?? "")) add(file, path, body);
  }
  return found;
}

/** What a surface finds in the URL: Gemini's model and streaming wish. */
function pathFacts(path: string): PathFacts {
  const call = /models\/([^:?]+):(stream)?/.exec(path);
  return call ? { model: call[1] ?? "", stream: call[2] !== undefined } : {};
}

/** The request in the canon; undefined when its own dialect refuses it as wrong. */
export function decodeRequest({ from, body, path }: SourceRequest): CanonicalRequest | undefined {
  try {
    return DIALECTS[from].decodeRequest(body, path);
  } catch (error) {
    if (error instanceof GatewayError) return undefined;
    throw error;
  }
}

/** A target that can do everything and has no oddities. */
export function targetFor(request: CanonicalRequest): EncodeTarget {
  return {
    model: "test-model",
    stream: request.stream,
    maxOutputTokens: 128_000,
    capabilities: new Set(CAPABILITIES),
    quirks: {},
  };
}

export const REQUEST_ID = "req_1";

/** What an encoder of replies is told. */
export function contextFor(request?: CanonicalRequest): EncodeContext {
  return {
    id: REQUEST_ID,
    createdAt: 1_700_000_000,
    model: "test-model",
    request: request ?? { model: "test-model", stream: true, messages: [] },
    wantsStreamUsage: true,
  };
}

/** The events of an upstream's stream. */
export function decodeStream(id: DialectId, pieces: Iterable<Uint8Array>): CanonicalEvent[] {
  const parser = createSseParser();
  const decoder = DIALECTS[id].streamDecoder({ id: REQUEST_ID });
  const events: CanonicalEvent[] = [];
  for (const piece of pieces) for (const frame of parser.push(piece)) events.push(...decoder.frame(frame));
  for (const frame of parser.end()) events.push(...decoder.frame(frame));
  return [...events, ...decoder.end()];
}

/** The events of a recorded answer, streamed or not. */
export function decodeRecording(id: DialectId, { response }: Recording): CanonicalEvent[] {
  if (response.sse !== undefined) return decodeStream(id, [Buffer.from(response.sse)]);
  return DIALECTS[id].decodeReply(response.body ?? null, { id: REQUEST_ID });
}

/** Rows of text under each other, for a test's output. */
export function table(title: string, head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: string[]) =>
    row.map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)));
  return [title, ...cells.map((row) => `  ${line(row).join("  ")}`)].join("\n");
}
