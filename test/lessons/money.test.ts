/**
 * Lessons from other gateways' issues about money: tokens counted twice, streams for nothing, wrong rates, and who pays for
 * what broke off. Each test is named for its lesson and looks at the record that the ledger gets.
 */
import { describe, expect, test } from "bun:test";
import type { CallRecord } from "../../src/core/call.ts";
import { asObject, type JsonObject } from "../../src/core/json.ts";
import { nano, type Price, perMillionToPico } from "../../src/core/money.ts";
import { promptTokens } from "../../src/core/usage.ts";
import { chatStream, chunk, endpoint, model, sse, streamed } from "../support/calls.ts";
import { expectNothingLeft, until } from "../support/tcp-upstream.ts";
import { documents, MODELS, type ModelName, NAMES, type Stage, says, stage, turn } from "./upstreams.ts";

expectNothingLeft();

const CHAT = "/v1/chat/completions";
const MESSAGES = "/v1/messages";
const BALANCE = 10n ** 15n;
const dollars = (perMillion: string) => perMillionToPico(perMillion);

/** A dollar a million in, four out, a tenth for what was cached; written for five minutes or an hour. */
const PRICE: Price = {
  perToken: {
    input: dollars("1"),
    output: dollars("4"),
    cacheRead: dollars("0.1"),
    cacheWrite5m: dollars("1.25"),
    cacheWrite1h: dollars("2"),
  },
};

/** Models of every format at this price. */
function priced(price: Price) {
  return NAMES.map((name) =>
    model([endpoint({ id: `p/${name}`, dialects: [MODELS[name]], price, contextTokens: 1_000_000 })], {
      id: name,
      price,
    }),
  );
}

const chatBody = (name: ModelName, more: JsonObject = {}): JsonObject => ({
  model: name,
  messages: [{ role: "user", content: "Hi" }],
  ...more,
});

/** The one record of a call. */
function only({ records }: Stage): CallRecord {
  expect(records).toHaveLength(1);
  return records[0] as CallRecord;
}

describe("lesson 11: tokens read from a cache are counted once, whoever tells them", () => {
  const chat = {
    choices: [{ index: 0, message: { role: "assistant", content: "ok" }, finish_reason: "stop" }],
    usage: {
      prompt_tokens: 1000,
      completion_tokens: 10,
      total_tokens: 1010,
      prompt_tokens_details: { cached_tokens: 800 },
    },
  };
  const responses = {
    id: "resp_1",
    object: "response",
    status: "completed",
    output: [
      { type: "message", id: "m", role: "assistant", content: [{ type: "output_text", text: "ok", annotations: [] }] },
    ],
    usage: { input_tokens: 1000, input_tokens_details: { cached_tokens: 800 }, output_tokens: 10, total_tokens: 1010 },
  };
  const claude = {
    type: "message",
    role: "assistant",
    content: [{ type: "text", text: "ok" }],
    stop_reason: "end_turn",
    usage: { input_tokens: 200, cache_read_input_tokens: 800, cache_creation_input_tokens: 0, output_tokens: 10 },
  };
  const gemini = {
    candidates: [{ content: { parts: [{ text: "ok" }] }, finishReason: "STOP" }],
    usageMetadata: {
      promptTokenCount: 1000,
      cachedContentTokenCount: 800,
      candidatesTokenCount: 10,
      totalTokenCount: 1010,
    },
  };
  const replies = { chat, responses, claude, gemini } as unknown as Record<ModelName, JsonObject>;

  // 200 at $1, 800 at $0.1 and 10 at $4 for a million.
  const COST = nano(200_000n + 80_000n + 40_000n);

  test.each(NAMES)("by %s, and told to callers of both ways to count", async (name) => {
    const one = stage(says(replies[name]), { models: priced(PRICE) });
    const messages = await one.json(MESSAGES, turn(name, "Hi"));
    expect(only(one)).toMatchObject({ usage: { input: 200, cacheRead: 800, output: 10 }, costNano: COST });
    expect(messages.usage).toMatchObject({ input_tokens: 200, cache_read_input_tokens: 800 });
    const answer = await one.json(CHAT, chatBody(name));
    expect(one.records[1]).toMatchObject({ usage: { input: 200, cacheRead: 800, output: 10 }, costNano: COST });
    expect(answer.usage).toMatchObject({ prompt_tokens: 1000, prompt_tokens_details: { cached_tokens: 800 } });
  });
});

describe("lesson 12: streams are billed", () => {
  const stream = chatBody("chat", { stream: true });
  const hasUsage = (text: string) => documents(text).some((document) => asObject(document.usage) !== undefined);

  test("usage is asked for though the caller did not ask, who then gets none of it", async () => {
    const one = stage(() => streamed(chatStream("Hello")));
    const text = await one.text(CHAT, stream);
    expect(one.last().stream_options).toEqual({ include_usage: true });
    expect(hasUsage(text)).toBe(false);
    expect(documents(text).every(({ choices }) => Array.isArray(choices) && choices.length > 0)).toBe(true);
    expect(text).toContain("[DONE]");
    expect(only(one)).toMatchObject({ usage: { input: 10, output: 5, source: "measured" }, costNano: nano(30_000n) });
  });

  test("a caller who asks gets it, once", async () => {
    const one = stage(() => streamed(chatStream("Hello")));
    const text = await one.text(CHAT, { ...stream, stream_options: { include_usage: true } });
    expect(documents(text).filter((document) => asObject(document.usage))).toHaveLength(1);
  });

  test("usage: null on every chunk is no usage, and harms nothing", async () => {
    const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
    const chunks = [chunk({ content: "Hello" }), chunk({}, "stop")].map((one) => ({ ...one, usage: null }));
    const one = stage(() => streamed(sse(...chunks, { ...chunk({}), choices: [], usage })));
    await one.text(CHAT, stream);
    await one.text(MESSAGES, turn("chat", "Hi", { stream: true }));
    for (const record of one.records) expect(record.usage).toMatchObject({ input: 10, output: 5, source: "measured" });
    expect(one.records).toHaveLength(2);
  });

  test("an upstream that tells none at all is not free: what went by is counted", async () => {
    const one = stage(() => streamed(sse(chunk({ content: "x".repeat(500) }), chunk({}, "stop"))));
    await one.text(CHAT, stream);
    const { usage, costNano } = only(one);
    expect(usage).toMatchObject({ output: 100, source: "estimated" });
    expect(promptTokens(usage)).toBeGreaterThan(0);
    expect(costNano).toBeGreaterThan(0n);
  });
});

describe("lesson 13: callers who leave, and upstreams that fail", () => {
  /** A stream that says something and then nothing more, and whether it was let go. */
  function endless() {
    const seen = { released: false };
    const answer = () =>
      streamed(
        new ReadableStream({
          start: (controller) => controller.enqueue(`data: ${JSON.stringify(chunk({ content: "x".repeat(500) }))}\n\n`),
          cancel() {
            seen.released = true;
          },
        }),
      );
    return { seen, answer };
  }

  test.each([
    ["relayed", CHAT, chatBody("chat", { stream: true })],
    ["converted", MESSAGES, turn("chat", "Hi", { stream: true })],
  ])("leaving a %s stream ends it upstream, and costs what was said until then", async (_, path, body) => {
    const { seen, answer } = endless();
    const one = stage(answer);
    const reader = (await one.ask(path, body)).body?.getReader();
    await reader?.read();
    await reader?.cancel();
    await until(() => seen.released && one.records.length > 0);
    const { costNano, ...record } = only(one);
    expect(record).toMatchObject({ cancelled: true, usage: { source: "estimated", output: 100 } });
    expect(costNano).toBeGreaterThan(0n);
    expect(one.credit.left()).toBe(nano(BALANCE - costNano));
  });

  test("an upstream that fails before it says anything costs nothing, and no credit stays held", async () => {
    const failures = [
      () => Response.json({ error: { message: "no" } }, { status: 500 }),
      () => streamed(`data: ${JSON.stringify({ error: { message: "overloaded", code: 503 } })}\n\n`),
      () => streamed(""),
    ];
    for (const failure of failures) {
      const one = stage(failure);
      const answer = await one.ask(CHAT, chatBody("chat", { stream: true }));
      await answer.text();
      expect(answer.status).toBe(503);
      expect(only(one).costNano).toBe(nano(0n));
      expect(one.credit.left()).toBe(nano(BALANCE));
    }
  });
});

describe("lesson 25: rates", () => {
  const TIERED: Price = {
    perToken: { ...PRICE.perToken },
    tiers: [
      {
        abovePromptTokens: 200_000,
        perToken: { input: dollars("2"), output: dollars("6"), cacheRead: dollars("0.2") },
      },
    ],
  };
  const reply = (usage: JsonObject) =>
    says({
      type: "message",
      role: "assistant",
      content: [{ type: "text", text: "ok" }],
      stop_reason: "end_turn",
      usage,
    });

  /** What a call with this usage costs, in nano-dollars. The usage is larger than the request, which a prepaid key would never pay. */
  async function costOf(price: Price, usage: JsonObject): Promise<bigint> {
    const one = stage(reply(usage), { models: priced(price), principal: { billing: "internal" } });
    // What tools bring in is not in the request, so such a usage is believed.
    const tools = [{ type: "function", function: { name: "search", parameters: { type: "object" } } }];
    await one.json(CHAT, chatBody("claude", { tools }));
    return only(one).costNano;
  }

  test("a long prompt is billed whole at the higher tier, cached tokens included in its length", async () => {
    expect(await costOf(TIERED, { input_tokens: 200_000, output_tokens: 10 })).toBe(200_000_000n + 40_000n);
    expect(await costOf(TIERED, { input_tokens: 200_001, output_tokens: 10 })).toBe(400_002_000n + 60_000n);
    const cached = { input_tokens: 1000, cache_read_input_tokens: 250_000, output_tokens: 10 };
    expect(await costOf(TIERED, cached)).toBe(2_000_000n + 50_000_000n + 60_000n);
  });

  test("what is written to the cache for an hour costs more than what is written for five minutes", async () => {
    const written = (minutes: number, hour: number): JsonObject => ({
      input_tokens: 0,
      output_tokens: 0,
      cache_creation_input_tokens: minutes + hour,
      cache_creation: { ephemeral_5m_input_tokens: minutes, ephemeral_1h_input_tokens: hour },
    });
    const output = 4000n;
    const withOutput = (usage: JsonObject): JsonObject => ({ ...usage, output_tokens: 1 });
    expect(await costOf(PRICE, withOutput(written(1000, 0)))).toBe(1_250_000n + output);
    expect(await costOf(PRICE, withOutput(written(0, 1000)))).toBe(2_000_000n + output);
    expect(await costOf(PRICE, withOutput(written(1000, 1000)))).toBe(3_250_000n + output);
  });

  test("written tokens without a ttl are those of five minutes", async () => {
    const usage = { input_tokens: 1, output_tokens: 1, cache_creation_input_tokens: 1000 };
    expect(await costOf(PRICE, usage)).toBe(1000n + 1_250_000n + 4000n);
  });
});
