/**
 * Runs the recorded exchanges of the real API, and the requests of real tools, through the dialect in both directions.
 * They stand beside the project; without them these tests are skipped by name.
 */
import { describe, expect, test } from "bun:test";
import { checkOrder } from "../../../test/support/order.ts";
import { clientRequests, haveRecordings, type Recording, recordings, SKIP_REASON } from "../../../test/support/wire.ts";
import type { CanonicalEvent } from "../../core/event.ts";
import { CAPABILITIES } from "../../core/head.ts";
import { asArray, asObject, type Json, type JsonObject } from "../../core/json.ts";
import { collect } from "../../core/reply.ts";
import { createSseParser } from "../../upstream/sse.ts";
import type { EncodeContext, EncodeTarget } from "../dialect.ts";
import { anthropicMessages as dialect } from "./index.ts";
import { constrainedSchema, toolSchema } from "./schema.ts";

const all = recordings("anthropic.messages");
const answered = all.filter(({ response }) => response.status < 400);
const failed = all.filter(({ response }) => response.status >= 400);
const skip = !haveRecordings();
const note = skip ? ` (skipped: ${SKIP_REASON})` : "";

function decodeStream(pieces: Iterable<Uint8Array>): CanonicalEvent[] {
  const parser = createSseParser();
  const decoder = dialect.streamDecoder({ id: "req_1" });
  const events: CanonicalEvent[] = [];
  for (const piece of pieces) for (const frame of parser.push(piece)) events.push(...decoder.frame(frame));
  for (const frame of parser.end()) events.push(...decoder.frame(frame));
  events.push(...decoder.end());
  return events;
}

function decode({ response }: Recording): CanonicalEvent[] {
  if (response.sse !== undefined) return decodeStream([Buffer.from(response.sse)]);
  return dialect.decodeReply(response.body ?? null, { id: "req_1" });
}

/** The recorded usage, read naively: of every count the last that is not null, and the iterations that come on top. */
function recordedUsage({ response }: Recording) {
  const last: Record<string, unknown> = {};
  const see = (usage: unknown) => {
    for (const [key, value] of Object.entries(asObject(usage) ?? {})) if (value !== null) last[key] = value;
  };
  see(asObject(response.body)?.usage);
  for (const line of (response.sse ?? "").split("\n")) {
    if (!line.startsWith("data: {")) continue;
    const data = JSON.parse(line.slice(6));
    see(data.message?.usage);
    see(data.usage);
    // One fixture is several streams glued together.
    if (data.type === "message_stop") break;
  }
  const extra = ((last.iterations ?? []) as Record<string, number | string>[]).filter(({ type }) => type !== "message");
  const total = (key: string) =>
    Number(last[key] ?? 0) + extra.reduce((sum, entry) => sum + Number(entry[key] ?? 0), 0);
  const hour = Number((last.cache_creation as Record<string, number>)?.ephemeral_1h_input_tokens ?? 0);
  const thinking = Number((last.output_tokens_details as Record<string, number>)?.thinking_tokens ?? 0);
  return {
    input: total("input_tokens"),
    cacheRead: total("cache_read_input_tokens"),
    cacheWrite5m: total("cache_creation_input_tokens") - hour,
    cacheWrite1h: hour,
    output: total("output_tokens") - thinking,
    thinking,
    webSearches: Number((last.server_tool_use as Record<string, number>)?.web_search_requests ?? 0),
  };
}

function contextOf(model: string | undefined, request: Recording["request"]): EncodeContext {
  const body = request?.body ?? { messages: [] };
  const decoded = dialect.decodeRequest({ ...body, model: "any" }, {});
  return { id: "req_1", createdAt: 0, model: model ?? "any", request: decoded, wantsStreamUsage: true };
}

function encodeStream(events: readonly CanonicalEvent[], context: EncodeContext): string {
  const encoder = dialect.streamEncoder(context, "sse");
  let text = "";
  for (const event of events) if (event.type !== "error") text += encoder.event(event);
  return text + encoder.end();
}

const plain = <T>(value: T): T => JSON.parse(JSON.stringify(value));

/** Without what says nothing: nulls, empty lists and objects, and counts of zero in `usage`. */
function telling(value: Json | undefined, inUsage = false): Json | undefined {
  if (value === null || value === undefined || (inUsage && value === 0)) return undefined;
  if (Array.isArray(value)) {
    return value.length === 0 ? undefined : value.map((item) => telling(item, inUsage) ?? null);
  }
  if (typeof value !== "object") return value;
  const kept = Object.entries(value).map(([key, inner]) => [key, telling(inner, inUsage || key === "usage")] as const);
  const told = kept.filter(([, inner]) => inner !== undefined);
  return told.length === 0 ? undefined : Object.fromEntries(told);
}

function splitAddsUp(usage: JsonObject | undefined): boolean {
  const split = Object.values(asObject(usage?.cache_creation) ?? {}).reduce(
    (sum: number, count) => sum + Number(count),
    0,
  );
  return split === Number(usage?.cache_creation_input_tokens ?? 0);
}

describe(`recorded replies${note}`, () => {
  test.skipIf(skip)("every one decodes in order, with the usage that was recorded", () => {
    for (const recording of answered) {
      const events = decode(recording);
      checkOrder(events);
      expect(events.at(-1)?.type, recording.file).toBe("message-end");
      const { usage } = collect(events);
      expect({ ...usage, file: recording.file }).toMatchObject({ ...recordedUsage(recording), file: recording.file });
    }
    expect(answered.length).toBeGreaterThanOrEqual(319);
  });

  test.skipIf(skip)("every stream gives the same events encoded and decoded again", () => {
    for (const recording of answered) {
      if (recording.response.sse === undefined) continue;
      const events = decode(recording);
      const start = events[0];
      const context = contextOf(start?.type === "message-start" ? start.model : undefined, recording.request);
      const again = decodeStream([Buffer.from(encodeStream(events, context))]);
      expect(plain(again), recording.file).toEqual(plain(events));
    }
  });

  test.skipIf(skip)("every JSON reply is encoded back to the recorded body", () => {
    for (const { file, response, request } of answered) {
      if (response.sse !== undefined) continue;
      const body = asObject(response.body) ?? {};
      const reply = collect(dialect.decodeReply(body, { id: "req_1" }));
      const encoded = dialect.encodeReply(reply, contextOf(String(body.model), request));
      // The split by lifetime is newer than some recordings, and does not add up to the total in a few.
      if (!splitAddsUp(asObject(body.usage))) {
        for (const message of [encoded, body]) delete asObject(message.usage)?.cache_creation;
      }
      expect(telling(encoded), file).toEqual(telling(body));
    }
  });

  test.skipIf(skip)("streams cut anywhere give the same events", () => {
    let random = 7;
    const next = (limit: number) => {
      random = (random * 1103515245 + 12345) % 2147483648;
      return random % limit;
    };
    for (const { response, file } of answered) {
      if (response.sse === undefined) continue;
      const bytes = Buffer.from(response.sse);
      const whole = decodeStream([bytes]);
      const cuts = [0, ...Array.from({ length: 5 }, () => next(bytes.length)), bytes.length].sort((a, b) => a - b);
      const pieces = cuts.slice(1).map((to, index) => bytes.subarray(cuts[index], to));
      expect(decodeStream(pieces), file).toEqual(whole);
      if (bytes.length > 1500) continue;
      for (let cut = 1; cut < bytes.length; cut++) {
        expect(decodeStream([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(whole);
      }
    }
  });

  test.skipIf(skip)("every recorded error is understood", () => {
    const kinds = { 400: "invalid-request", 401: "authentication", 404: "not-found" } as Record<number, string>;
    for (const { file, response } of failed) {
      const failure = dialect.decodeError(
        response.status,
        new Headers(response.headers),
        JSON.stringify(response.body),
      );
      const message = String(asObject(asObject(response.body)?.error)?.message);
      const kind = message.startsWith("prompt is too long") ? "context-length" : kinds[response.status];
      expect({ file, ...failure }).toMatchObject({ file, kind, message, status: response.status });
    }
    expect(failed.length).toBeGreaterThanOrEqual(21);
  });
});

const TARGET: EncodeTarget = {
  model: "any",
  stream: false,
  maxOutputTokens: 1_000_000,
  capabilities: new Set(CAPABILITIES),
  quirks: {},
};

/** A request without the differences that mean nothing; each is a way in which the encoder writes the same thing. */
function meaning(body: JsonObject): JsonObject {
  const { stream: _, model: __, output_format, ...fields } = withoutNulls(body) as JsonObject;
  const result: JsonObject = { ...fields, messages: mergeTurns(asArray(fields.messages)) };
  // The older name of the same wish.
  if (output_format) result.output_config = { ...asObject(fields.output_config), format: output_format };
  const config = asObject(result.output_config);
  const format = asObject(config?.format);
  if (config && format) {
    const { schema } = constrainedSchema(asObject(format.schema) ?? {});
    result.output_config = { ...config, format: { ...format, schema } };
  }
  if (typeof fields.system === "string") result.system = [{ type: "text", text: fields.system }];
  // Only single calls are worth a word where there are no tools, and an empty list is none.
  if (asArray(fields.tools).length === 0) {
    delete result.tools;
    delete result.tool_choice;
  } else result.tools = asArray(fields.tools).map(toolMeaning);
  // Current models refuse the two together.
  if (result.temperature !== undefined) delete result.top_p;
  return result;
}

function toolMeaning(item: Json): Json {
  const tool = asObject(item) ?? {};
  if (tool.type !== undefined && tool.type !== "custom") return item;
  const { type: _, strict, input_schema, ...fields } = tool;
  const schema = toolSchema(asObject(input_schema));
  // More than twenty strict tools are refused.
  return { ...fields, input_schema: strict ? constrainedSchema(schema).schema : schema };
}

/** Neighbours of one role are one turn, with tool results first; strings are one text block; empty texts are nothing. */
function mergeTurns(messages: readonly Json[]): Json[] {
  const turns: { role: Json | undefined; content: JsonObject[] }[] = [];
  for (const item of messages) {
    const { role, content } = asObject(item) ?? {};
    const blocks = typeof content === "string" ? [{ type: "text", text: content }] : asArray(content);
    const told = blocks.map((block) => blockMeaning(asObject(block) ?? {}));
    const kept = told.filter((block) => block.type !== "text" || String(block.text).trim() !== "");
    const last = turns.at(-1);
    if (last && last.role === role && role !== "system") last.content.push(...kept);
    else turns.push({ role, content: kept });
  }
  return turns.map(({ role, content }) => {
    const rank = (block: JsonObject) => (block.type === "tool_result" ? 0 : 1);
    return { role, content: content.sort((a, b) => rank(a) - rank(b)) };
  });
}

function blockMeaning(block: JsonObject): JsonObject {
  const { is_error, content, citations, ...fields } = block;
  if (Array.isArray(citations) && citations.length > 0) fields.citations = citations;
  else if (citations !== undefined && !Array.isArray(citations)) fields.citations = citations;
  if (block.type !== "tool_result") return content === undefined ? fields : { ...fields, content };
  if (is_error === true) fields.is_error = true;
  const blocks = typeof content === "string" ? [{ type: "text", text: content }] : asArray(content);
  const told = blocks.map((inner) => blockMeaning(asObject(inner) ?? {})).filter(({ text }) => text !== "");
  return told.length === 0 ? fields : { ...fields, content: told };
}

/** Nulls count as absent, and five minutes are the usual life of a cache mark. Data of tools and servers stays as it is. */
function withoutNulls(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  const { ttl, ...mark } = value as JsonObject;
  if (mark.type === "ephemeral" && ttl === "5m") return mark;
  const opaque = /tool_(use|result)$/.test(String(value.type)) && value.type !== "tool_result";
  const entries = Object.entries(value).filter(([, inner]) => inner !== null || opaque);
  const verbatim = (key: string) => opaque || key === "input_schema" || key === "schema";
  return Object.fromEntries(entries.map(([key, inner]) => [key, verbatim(key) ? inner : withoutNulls(inner ?? null)]));
}

function checkRequest(file: string, body: JsonObject): void {
  const request = dialect.decodeRequest(body, {});
  const { body: encoded, losses } = dialect.encodeRequest(request, TARGET);
  const expected = meaning(plain(body));
  // Some were recorded against a server that never signed a thought: the real API refuses to think on from there.
  if (losses.some(({ field }) => field === "reasoning")) delete expected.thinking;
  expect(meaning(plain(encoded)), file).toEqual(expected);
}

describe(`recorded requests${note}`, () => {
  // Its tool has `true` for a schema, which the real API refused too.
  const refused = ["anthropic.messages/anthropic.error400.rig.85817b9300.json"];

  test.skipIf(skip)("every one is encoded back to the same meaning", () => {
    let count = 0;
    for (const { file, request } of all) {
      if (!request || refused.includes(file)) continue;
      // The clouds put the model into the path.
      checkRequest(file, { model: "any", ...request.body });
      count += 1;
    }
    const replies = `${answered.length} of ${answered.length} replies decoded with equal usage and survive the round trip`;
    console.info(`anthropic-messages: ${replies}, ${count} of ${count + refused.length} requests`);
    expect(count).toBeGreaterThanOrEqual(305);
  });

  test.skipIf(skip)("every request of a real tool is encoded back to the same meaning", () => {
    let count = 0;
    for (const { file, path, body } of clientRequests()) {
      const json = asObject(body);
      if (!path.includes("/messages") || path.includes("count_tokens") || !json) continue;
      expect(dialect.peek(json, {}).model).toBe(String(json.model));
      checkRequest(file, json);
      count += 1;
    }
    expect(count).toBeGreaterThanOrEqual(40);
  });
});
