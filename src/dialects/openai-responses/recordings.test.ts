/**
 * Runs every recorded Responses exchange through the dialect, both ways.
 * What providers really sent is the judge here; behaviour in single cases is tested in the files beside this one.
 */
import { describe, expect, test } from "bun:test";
import { checkOrder } from "../../../test/support/order.ts";
import { clientRequests, haveRecordings, type Recording, recordings, SKIP_REASON } from "../../../test/support/wire.ts";
import type { CanonicalEvent } from "../../core/event.ts";
import { CAPABILITIES } from "../../core/head.ts";
import { asArray, asObject, asString, type JsonObject, tryParse } from "../../core/json.ts";
import { collect } from "../../core/reply.ts";
import { emptyUsage, type Usage } from "../../core/usage.ts";
import { createSseParser } from "../../upstream/sse.ts";
import type { EncodeContext, EncodeTarget } from "../dialect.ts";
import { openaiResponses as dialect } from "./index.ts";
import { normalReply, normalRequest } from "./recordings.normal.ts";

const all = recordings("openai.responses");
const answers = all.filter(({ response }) => response.status < 400);
const streams = answers.filter(({ response }) => response.sse !== undefined);
const asked = all.filter(({ request }) => typeof request?.body?.model === "string");
const context = { id: "req_test" };

const TARGET: EncodeTarget = {
  model: "upstream-model",
  stream: false,
  maxOutputTokens: 1_000_000,
  capabilities: new Set(CAPABILITIES),
  quirks: {},
};

function decodeStream(bytes: Uint8Array, cuts: readonly number[] = []): CanonicalEvent[] {
  const parser = createSseParser();
  const decoder = dialect.streamDecoder(context);
  const events: CanonicalEvent[] = [];
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    for (const frame of parser.push(bytes.subarray(from, cut))) events.push(...decoder.frame(frame));
    from = cut;
  }
  for (const frame of parser.end()) events.push(...decoder.frame(frame));
  return [...events, ...decoder.end()];
}

function decode({ response }: Recording): CanonicalEvent[] {
  if (response.sse !== undefined) return decodeStream(Buffer.from(response.sse));
  return dialect.decodeReply(response.body ?? null, context);
}

/** The response objects and finished items of a recording, read naively. */
function naive({ response }: Recording): { final: JsonObject | undefined; items: JsonObject[] } {
  if (response.sse === undefined) {
    const final = asObject(response.body);
    return { final, items: asArray(final?.output).filter((item) => asObject(item)) as JsonObject[] };
  }
  let final: JsonObject | undefined;
  const items: JsonObject[] = [];
  for (const line of response.sse.split(/\r?\n/)) {
    const data = line.startsWith("data:") ? asObject(tryParse(line.slice(5))) : undefined;
    if (data?.type === "response.output_item.done") items.push(data.item as JsonObject);
    if (/^response\.(completed|incomplete|failed)$/.test(asString(data?.type) ?? "")) {
      // A fixture has two answers in one file; a real stream ends with its first.
      final = asObject(data?.response);
      break;
    }
  }
  return { final, items };
}

/** Usage as OpenAI documents it, without the decoder's tolerance. */
function naiveUsage(recording: Recording): Usage | undefined {
  const { final, items } = naive(recording);
  const wire = asObject(final?.usage);
  if (!wire) return undefined;
  const count = (value: unknown) => (value === undefined ? 0 : (value as number));
  const cached = count(asObject(wire.input_tokens_details)?.cached_tokens);
  const written = count(asObject(wire.input_tokens_details)?.cache_write_tokens);
  const thinking = count(asObject(wire.output_tokens_details)?.reasoning_tokens);
  const searches = items.filter(
    ({ type, action }) => type === "web_search_call" && (asObject(action)?.type ?? "search") === "search",
  ).length;
  const usage = emptyUsage("measured");
  usage.cacheRead = cached;
  usage.cacheWrite5m = written;
  usage.input = count(wire.input_tokens) - cached - written;
  usage.thinking = thinking;
  usage.output = count(wire.output_tokens) - thinking;
  usage.webSearches = searches;
  return usage;
}

function contextFor(recording: Recording): EncodeContext {
  const body = recording.request?.body ?? {};
  const request = dialect.decodeRequest({ model: "unknown", input: [], ...body }, {});
  return { id: "req_test", createdAt: 1, model: "seen-model", request, wantsStreamUsage: true };
}

function encodeStream(events: readonly CanonicalEvent[], to: EncodeContext): string {
  const encoder = dialect.streamEncoder(to, "sse");
  let text = "";
  for (const event of events) if (event.type !== "error") text += encoder.event(event);
  return text + encoder.end();
}

/** A reply without what a round trip may rename or add: ids that were not there, the echo of the request. */
function meaning(events: readonly CanonicalEvent[], isRotating: boolean): unknown {
  const { id: _, model: __, createdAt: ___, extras: ____, choices, ...reply } = collect(events);
  const said = choices.map(({ extras: _, ...choice }) => choice);
  return JSON.parse(JSON.stringify({ ...reply, said }), (key, value) =>
    key === "id" && (isRotating || /_test_\d+$/.test(value)) ? undefined : value,
  );
}

describe.skipIf(!haveRecordings())(`recorded Responses exchanges (${SKIP_REASON})`, () => {
  test("every answer decodes in legal order and counts what the provider counted", () => {
    let equal = 0;
    for (const recording of answers) {
      const events = decode(recording);
      checkOrder(events);
      const usage = events.findLast((event) => event.type === "usage");
      expect({ file: recording.file, usage: usage?.usage }).toEqual({
        file: recording.file,
        usage: naiveUsage(recording),
      });
      equal++;
    }
    console.log(`openai-responses: ${equal} responses decoded with equal usage`);
    expect(equal).toBeGreaterThanOrEqual(287);
  });

  test("a stream's deltas tell the same as the object that ends it", () => {
    let same = 0;
    for (const recording of streams) {
      const { final, items } = naive(recording);
      if (!final || final.status === "failed") continue;
      const output = asArray(final.output).length > 0 ? final.output : items;
      const whole = dialect.decodeReply({ ...final, output } as JsonObject, context);
      const streamed = decode(recording);
      const tell = (events: CanonicalEvent[]) => {
        const told = collect(events).choices.map(({ parts, finish }) => ({ parts, finish }));
        // Encrypted content is sealed anew in every event, at Copilot an item's id too.
        const isSealed = (key: string) =>
          key === "value" || key === "encrypted_content" || (recording.provider === "github-copilot" && key === "id");
        return JSON.parse(JSON.stringify(told), (key, value) =>
          isSealed(key) && typeof value === "string" ? "" : value,
        );
      };
      expect([recording.file, tell(streamed)]).toEqual([recording.file, tell(whole)]);
      same++;
    }
    expect(same).toBeGreaterThanOrEqual(134);
  });

  test("a stream cut anywhere reads the same", () => {
    const short = streams.filter(({ response }) => (response.sse as string).length < 12_000).slice(0, 3);
    expect(short.length).toBeGreaterThan(0);
    for (const { response } of short) {
      const bytes = Buffer.from(response.sse as string);
      const whole = decodeStream(bytes);
      for (let cut = 1; cut < bytes.length; cut++) expect(decodeStream(bytes, [cut])).toEqual(whole);
    }
    for (const { response } of streams) {
      const bytes = Buffer.from(response.sse as string);
      const cuts = Array.from({ length: 40 }, (_, index) => Math.floor((bytes.length * (index * 7919 + 13)) / 316_800));
      expect(
        decodeStream(
          bytes,
          cuts.sort((a, b) => a - b),
        ),
      ).toEqual(decodeStream(bytes));
    }
  });

  test("what was decoded survives being encoded and decoded again", () => {
    let survived = 0;
    for (const recording of answers) {
      const events = decode(recording);
      if (events.some((event) => event.type === "error")) continue;
      const to = contextFor(recording);
      // Copilot changes an item's id between its beginning and its end.
      const isRotating = recording.provider === "github-copilot";
      const streamed = decodeStream(Buffer.from(encodeStream(events, to)));
      checkOrder(streamed);
      expect([recording.file, meaning(streamed, isRotating)]).toEqual([recording.file, meaning(events, isRotating)]);
      const again = dialect.decodeReply(dialect.encodeReply(collect(events), to), context);
      expect([recording.file, meaning(again, isRotating)]).toEqual([recording.file, meaning(events, isRotating)]);
      survived++;
    }
    console.log(`openai-responses: ${survived} of ${answers.length} survive the round trip`);
    expect(survived).toBeGreaterThanOrEqual(284);
  });

  test("a plain answer is written as it was read", () => {
    for (const recording of answers) {
      const { final, items } = naive(recording);
      if (!final || final.status === "failed") continue;
      const body = { ...final, output: asArray(final.output).length > 0 ? final.output : items };
      const written = dialect.encodeReply(collect(dialect.decodeReply(body, context)), contextFor(recording));
      expect([recording.file, normalReply(written)]).toEqual([recording.file, normalReply(body)]);
    }
  });

  test("every request is written with the meaning it was read with, without a loss", () => {
    let kept = 0;
    for (const { file, request } of asked) {
      const body = request?.body as JsonObject;
      const { body: written, losses } = dialect.encodeRequest(dialect.decodeRequest(body, {}), TARGET);
      expect([file, losses]).toEqual([file, []]);
      expect([file, normalRequest(written)]).toEqual([file, normalRequest(body)]);
      kept++;
    }
    console.log(`openai-responses: ${kept} of ${asked.length} requests`);
    expect(kept).toBeGreaterThanOrEqual(271);
  });

  test("every request of a real client is written with the meaning it was read with", () => {
    let kept = 0;
    for (const { file, body, path } of clientRequests()) {
      const wire = asObject(body);
      if (!path.includes("/responses") || typeof wire?.model !== "string") continue;
      // A wish to be compacted is decoded into the request for a summary: see `compaction.ts`.
      if (dialect.peek(wire, {}).compacts) continue;
      const { body: written, losses } = dialect.encodeRequest(dialect.decodeRequest(wire, {}), TARGET);
      expect([file, losses]).toEqual([file, []]);
      expect([file, normalRequest(written)]).toEqual([file, normalRequest(wire)]);
      expect(dialect.peek(wire, {}).model).toBe(wire.model);
      kept++;
    }
    expect(kept).toBeGreaterThanOrEqual(30);
  });
});
