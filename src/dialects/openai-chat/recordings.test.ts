/**
 * The dialect against every recorded exchange of Chat providers, and what real clients sent.
 * Usage is read a second time here, naively; round trips go through the dialect's own encoders.
 */
import { describe, expect, test } from "bun:test";
import { checkOrder } from "../../../test/support/order.ts";
import { clientRequests, haveRecordings, type Recording, recordings, SKIP_REASON } from "../../../test/support/wire.ts";
import type { Quirks } from "../../core/endpoint.ts";
import { GatewayError } from "../../core/error.ts";
import type { CanonicalEvent, Reply } from "../../core/event.ts";
import { CAPABILITIES } from "../../core/head.ts";
import { asArray, asObject, type Json, type JsonObject, tryParse } from "../../core/json.ts";
import { collect } from "../../core/reply.ts";
import { completionTokens, promptTokens } from "../../core/usage.ts";
import { createSseParser } from "../../upstream/sse.ts";
import type { EncodeContext } from "../dialect.ts";
import { openaiChat } from "./index.ts";
import { normalReply, normalRequest, strip } from "./recordings.normal.ts";

const ALL = recordings("openai.chat");
const present = haveRecordings();
const title = (name: string) => (present ? name : `${name} (${SKIP_REASON})`);

function context(reply: Reply, recording: Recording): EncodeContext {
  const isLegacy = recording.request?.body.functions !== undefined;
  return {
    id: "test",
    createdAt: 1,
    model: reply.model ?? "m",
    request: {
      model: "m",
      stream: true,
      messages: [],
      ...(isLegacy && { extras: { "openai-chat": { $functions: true } } }),
    },
    wantsStreamUsage: true,
  };
}

const bytes = new TextEncoder();

/** Decodes a stream that arrives cut at the given byte positions. */
function decodeStream(sse: string, cuts: number[] = []): CanonicalEvent[] {
  const parser = createSseParser();
  const decoder = openaiChat.streamDecoder({ id: "test" });
  const events: CanonicalEvent[] = [];
  const all = bytes.encode(sse);
  let from = 0;
  for (const cut of [...cuts, all.length]) {
    for (const frame of parser.push(all.subarray(from, cut))) events.push(...decoder.frame(frame));
    from = cut;
  }
  for (const frame of parser.end()) events.push(...decoder.frame(frame));
  events.push(...decoder.end());
  return events;
}

function decode(recording: Recording): CanonicalEvent[] {
  const { response } = recording;
  if (response.sse !== undefined) return decodeStream(response.sse);
  return openaiChat.decodeReply(response.body ?? null, { id: "test" });
}

const streams = ALL.filter((recording) => recording.response.sse !== undefined);
const replies = ALL.filter((recording) => recording.response.sse === undefined && recording.response.status < 400);
const errors = ALL.filter((recording) => recording.response.status >= 400);

/** The last usage object of a recording, wherever it stands. */
function recordedUsage(recording: Recording): JsonObject | undefined {
  const { body, sse } = recording.response;
  if (sse === undefined) return asObject(asObject(body)?.usage);
  let usage: JsonObject | undefined;
  for (const line of sse.split(/\r?\n/)) {
    if (!line.startsWith("data:")) continue;
    const chunk = asObject(tryParse(line.slice(5).trim()));
    usage = asObject(chunk?.usage) ?? asObject(asObject(chunk?.x_groq)?.usage) ?? usage;
  }
  return usage;
}

const number = (value: Json | undefined) => (typeof value === "number" ? value : 0);

/** What was used, read without the classes: everything in, of it from the cache; everything out, of it thinking. */
function naiveUsage(wire: JsonObject) {
  const prompt = asObject(wire.prompt_tokens_details) ?? {};
  const details = asObject(wire.completion_tokens_details) ?? {};
  const thinking = number(details.reasoning_tokens) || number(wire.reasoning_tokens);
  const audio = number(prompt.audio_tokens);
  const total = number(wire.total_tokens);
  const input = number(wire.prompt_tokens);
  const output = number(wire.completion_tokens);
  const excess = total - input - output;
  const out = excess > 0 && excess !== audio ? output + excess : output;
  const into = excess > 0 && excess === audio ? input + audio : input;
  const cached =
    number(prompt.cached_tokens) ||
    number(wire.prompt_cache_hit_tokens) ||
    number(wire.cached_tokens) ||
    number(wire.num_cached_tokens) ||
    number(wire.cache_read_input_tokens);
  const hidden = excess > 0 && excess !== audio ? excess : thinking;
  return { input: into, cached: Math.min(cached, into), output: out, thinking: Math.min(hidden, out) };
}

describe.skipIf(!present)(title("recorded Chat exchanges"), () => {
  test("every response decodes in legal order with the usage that was recorded", () => {
    let equal = 0;
    for (const recording of [...streams, ...replies]) {
      const events = decode(recording);
      try {
        checkOrder(events);
      } catch (error) {
        throw new Error(`${recording.file}: ${(error as Error).message}`);
      }
      const reply = collect(events);
      const wire = recordedUsage(recording);
      if (wire) {
        const { usage } = reply;
        if (!usage) throw new Error(`${recording.file}: no usage`);
        const seen = {
          input: promptTokens(usage),
          cached: usage.cacheRead,
          output: completionTokens(usage),
          thinking: usage.thinking,
        };
        expect({ file: recording.file, ...seen }).toEqual({ file: recording.file, ...naiveUsage(wire) });
      }
      equal += 1;
    }
    counts.decoded = equal;
    expect(equal).toBeGreaterThanOrEqual(293);
  });

  test("replies keep what was said", () => {
    for (const recording of replies) {
      const message = asObject(asObject(asArray(asObject(recording.response.body)?.choices)[0])?.message);
      const [choice] = collect(decode(recording)).choices;
      const text = choice?.parts.map((part) => (part.type === "text" ? part.text : "")).join("");
      if (typeof message?.content === "string") expect(text).toBe(message.content);
      const calls = choice?.parts.filter((part) => part.type === "tool-call") ?? [];
      expect(calls.length).toBe(asArray(message?.tool_calls).length + (asObject(message?.function_call)?.name ? 1 : 0));
      if (calls.length > 0 && choice?.finish.reason !== "length") expect(choice?.finish.reason).toBe("tool-calls");
    }
  });

  test("streams say the same however their bytes are cut", () => {
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed % below;
    };
    for (const recording of streams) {
      const sse = recording.response.sse as string;
      const whole = decodeStream(sse);
      const length = bytes.encode(sse).length;
      const cuts = Array.from({ length: 40 }, () => random(length)).sort((a, b) => a - b);
      expect(decodeStream(sse, cuts)).toEqual(whole);
    }
    const short = streams.filter((recording) => (recording.response.sse as string).length < 6000).slice(0, 8);
    expect(short.length).toBeGreaterThan(0);
    for (const recording of short) {
      const sse = recording.response.sse as string;
      const whole = decodeStream(sse);
      const every = Array.from({ length: bytes.encode(sse).length - 1 }, (_, index) => index + 1);
      expect(decodeStream(sse, every)).toEqual(whole);
    }
  });

  test("streams and replies survive being encoded and decoded again", () => {
    let survived = 0;
    const bad: string[] = [];
    for (const recording of [...streams, ...replies]) {
      const reply = collect(decode(recording));
      if (reply.failure) {
        survived += 1;
        continue;
      }
      const again = recording.response.sse === undefined ? replyAgain(reply, recording) : streamAgain(recording);
      if (Bun.deepEquals(comparable(again, reply), comparable(reply, reply))) survived += 1;
      else bad.push(recording.file);
    }
    counts.survived = survived;
    expect(bad).toEqual([]);
  });

  test("an encoded reply is the recorded body", () => {
    const bad: string[] = [];
    for (const recording of replies) {
      const reply = collect(decode(recording));
      const body = openaiChat.encodeReply(reply, context(reply, recording));
      const wanted = normalReply(recording.response.body as JsonObject);
      if (!Bun.deepEquals(normalReply(body), wanted)) bad.push(recording.file);
    }
    expect(bad).toEqual([]);
  });

  test("every error is understood", () => {
    for (const recording of errors) {
      const { status, headers, body } = recording.response;
      const text = typeof body === "string" ? body : JSON.stringify(body);
      const failure = openaiChat.decodeError(status, new Headers(headers), text ?? "");
      expect({ file: recording.file, message: failure.message }).not.toEqual({ file: recording.file, message: "" });
      expect(failure.status).toBe(status);
      const wanted: string = /too long|maximum context length/i.test(failure.message)
        ? "context-length"
        : (KINDS[status] ?? "server");
      expect({ file: recording.file, kind: failure.kind as string }).toEqual({ file: recording.file, kind: wanted });
    }
    expect(errors.length).toBeGreaterThanOrEqual(46);
  });

  test("every request keeps its meaning", () => {
    let kept = 0;
    let asked = 0;
    const bad: string[] = [];
    for (const recording of ALL) {
      if (!recording.request) continue;
      asked += 1;
      const { body } = recording.request;
      if (recording.response.status >= 400 && !decodes(body)) {
        kept += 1;
        continue;
      }
      const isKept = Bun.deepEquals(normalRequest(reencode(body)), normalRequest(body));
      if (isKept) kept += 1;
      else bad.push(recording.file);
    }
    counts.requests = `${kept} of ${asked}`;
    expect(bad).toEqual([]);
    expect(asked).toBeGreaterThanOrEqual(328);
    console.log(
      `openai-chat: ${counts.decoded} responses decoded with equal usage, ` +
        `${counts.survived} of ${streams.length + replies.length} survive the round trip, ${counts.requests} requests`,
    );
  });

  test("requests of real clients keep their meaning", () => {
    const requests = clientRequests().filter((request) => request.path.includes("/chat/completions"));
    expect(requests.length).toBeGreaterThanOrEqual(10);
    for (const request of requests) {
      const body = request.body as JsonObject;
      expect(openaiChat.peek(body, {}).model).toBe(body.model as string);
      expect(normalRequest(reencode(body))).toEqual(normalRequest(body));
    }
  });
});

const counts = { decoded: 0, survived: 0, requests: "" };
const KINDS: Record<number, string> = {
  400: "invalid-request",
  401: "authentication",
  403: "permission",
  404: "not-found",
  429: "rate-limit",
};

function decodes(body: JsonObject): boolean {
  try {
    openaiChat.decodeRequest(body, {});
    return true;
  } catch (error) {
    if (error instanceof GatewayError) return false;
    throw error;
  }
}

/** The quirks of an upstream that takes exactly what this body holds. */
function quirksFor(body: JsonObject): Quirks {
  const assistants = asArray(body.messages).map(asObject);
  const has = (field: string) => assistants.some((message) => message?.[field] !== undefined);
  const inContent = assistants.some((message) =>
    asArray(message?.content).some((part) => asObject(part)?.type === "thinking"),
  );
  return {
    maxTokensField: body.max_tokens === undefined ? "max_completion_tokens" : "max_tokens",
    reasoningField: inContent ? "content" : has("reasoning_content") ? "reasoning_content" : "reasoning",
    reasoningRequest: body.reasoning ? "reasoning" : body.thinking ? "thinking" : "effort",
    reasoningDetails: true,
    cacheControl: true,
    customTools: true,
    extendedSampling: true,
    thoughtSignatures: true,
  };
}

function reencode(body: JsonObject): JsonObject {
  const request = openaiChat.decodeRequest(body, {});
  const { body: encoded } = openaiChat.encodeRequest(request, {
    model: request.model,
    stream: request.stream,
    maxOutputTokens: 1_000_000,
    capabilities: new Set(CAPABILITIES),
    quirks: quirksFor(body),
  });
  return JSON.parse(JSON.stringify(encoded)) as JsonObject;
}

function replyAgain(reply: Reply, recording: Recording): Reply {
  const body = openaiChat.encodeReply(reply, context(reply, recording));
  return collect(openaiChat.decodeReply(JSON.parse(JSON.stringify(body)) as Json, { id: "test" }));
}

function streamAgain(recording: Recording): Reply {
  const events = decode(recording);
  const encoder = openaiChat.streamEncoder(context(collect(events), recording), "sse");
  let sse = "";
  for (const event of events) if (event.type !== "error") sse += encoder.event(event);
  return collect(decodeStream(sse + encoder.end()));
}

/** Usage extras are compared without zeros: the standard form has them, imitators may not. */
function comparable(reply: Reply, first: Reply): unknown {
  const { usageExtras, createdAt: _, id: __, model: ___, ...others } = reply;
  const choices = reply.choices.map((choice, index) => {
    const { native, ...finish } = choice.finish;
    // A choice that ended without a reason is given one.
    return { ...choice, finish: first.choices[index]?.finish.native ? { ...finish, native } : finish };
  });
  return { ...others, choices, usageExtras: strip((usageExtras ?? {}) as Json) };
}
