/**
 * Anything at all as a request, a reply or a stream: nothing throws but what is promised, and the order of events holds.
 * Values are arbitrary, or built from the format's own names so that they reach further.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { checkOrder } from "../../../test/support/order.ts";
import { GatewayError } from "../../core/error.ts";
import { CAPABILITIES } from "../../core/head.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import { collect } from "../../core/reply.ts";
import type { CanonicalRequest } from "../../core/request.ts";
import { openaiChat } from "./index.ts";
import { CHOICE_FIELDS, MESSAGE_FIELDS, REPLY_FIELDS } from "./reply-decode.ts";
import { REQUEST_FIELDS } from "./wire.ts";

const NAMES = [
  ...REQUEST_FIELDS,
  ...REPLY_FIELDS,
  ...CHOICE_FIELDS,
  ...MESSAGE_FIELDS,
  ...["type", "text", "function", "custom", "name", "arguments", "input", "tool_call_id", "image_url", "url", "file"],
  ...["data", "signature", "extra_content", "google", "prompt_tokens", "cache_control", "__proto__", "$reply", "$role"],
];
const WORDS = [
  ...["system", "user", "assistant", "tool", "function", "custom", "text", "image_url", "stop", "tool_calls", "error"],
  ...[
    "reasoning.text",
    "reasoning.encrypted",
    "json_schema",
    "data:image/png;base64,AA",
    "sluice.gemini.x",
    "thinking",
  ],
];

const scalar = fc.oneof(
  fc.constantFrom(...WORDS),
  fc.string(),
  fc.double(),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
);
const { value: anything } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    scalar as fc.Arbitrary<Json>,
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...NAMES), tie("value"), { maxKeys: 5 }) as fc.Arbitrary<Json>,
  ),
}));

const url = fc.constantFrom("data:image/png;base64,AA", "data:video/mp4;base64,AA", "https://e.org/a", "data:,", "");
const mark = fc.option(fc.constantFrom<Json>({ type: "ephemeral" }, { type: "ephemeral", ttl: "1h" }, {}), { freq: 3 });
const likelyPart = fc.oneof(
  fc.record(
    { type: fc.constant("text"), text: fc.string(), cache_control: mark, more: anything },
    { requiredKeys: ["type", "text"] },
  ),
  fc.record({ type: fc.constant("image_url"), image_url: fc.oneof(url, fc.record({ url })), cache_control: mark }),
  fc.record({ type: fc.constant("video_url"), video_url: fc.record({ url }) }),
  fc.record({
    type: fc.constant("input_audio"),
    input_audio: fc.oneof(url, fc.record({ data: fc.string(), format: fc.constantFrom("wav", "mp3", "pcm16") })),
  }),
  fc.record({
    type: fc.constant("file"),
    file: fc.record({ file_data: url, file_id: fc.string(), filename: fc.string() }, { requiredKeys: [] }),
  }),
  fc.record({ type: fc.constant("thinking"), thinking: anything }),
  fc.dictionary(fc.constantFrom(...NAMES, "toString", "valueOf"), anything),
);
const content = fc.oneof(fc.string(), fc.constant(null), fc.array(likelyPart, { maxLength: 3 }));
const name = fc.constantFrom("f", "g", "a.b", "x".repeat(80));
const likelyCall = fc.oneof(
  fc.record({
    id: fc.constantFrom("a", "b", ""),
    function: fc.record({ name, arguments: fc.string() }),
    extra_content: anything,
  }),
  fc.record({
    id: fc.constantFrom("a", "b"),
    type: fc.constant("custom"),
    custom: fc.record({ name, input: fc.string() }),
  }),
);
const likelyDetail = fc.record(
  {
    type: fc.constantFrom("reasoning.text", "reasoning.summary", "reasoning.encrypted"),
    text: fc.string(),
    data: fc.string(),
    signature: fc.constantFrom("S", "sluice.gemini.S", "sluice.x"),
  },
  { requiredKeys: ["type"] },
);
const likelyMessage = fc.oneof(
  fc.record({
    role: fc.constantFrom("user", "user", "system", "developer"),
    content: fc.oneof(fc.string(), content),
    cache_control: mark,
    more: anything,
  }),
  fc.record(
    {
      role: fc.constant("assistant"),
      content,
      refusal: fc.option(fc.string()),
      tool_calls: fc.array(likelyCall, { maxLength: 2 }),
      function_call: fc.record({ name, arguments: fc.string() }),
      reasoning_content: fc.string(),
      reasoning_details: fc.array(likelyDetail, { maxLength: 2 }),
      audio: anything,
      cache_control: mark,
    },
    { requiredKeys: ["role"] },
  ),
  fc.record({ role: fc.constant("tool"), tool_call_id: fc.constantFrom("a", "b"), content, cache_control: mark }),
  fc.record({ role: fc.constant("function"), name, content }),
);
const likelyTool = fc.oneof(
  fc.record({
    type: fc.constant("function"),
    function: fc.record({ name, description: fc.string() }),
    cache_control: mark,
  }),
  fc.record({
    type: fc.constant("custom"),
    custom: fc.record({
      name,
      format: fc.constantFrom<Json>(null, { type: "grammar", grammar: { syntax: "lark", definition: "x" } }),
    }),
  }),
  fc.record({ type: fc.constantFrom("web_search", "odd"), more: anything }),
);
/** A request that is mostly in order, so that it is decoded to its end. */
const likelyRequest = fc.record(
  {
    model: fc.constant("m"),
    messages: fc.array(likelyMessage, { maxLength: 5 }),
    tools: fc.array(likelyTool, { maxLength: 3 }),
    functions: fc.array(fc.record({ name }), { maxLength: 1 }),
    tool_choice: fc.constantFrom<Json>(
      "auto",
      "any",
      { type: "function", function: { name: "f" } },
      { type: "allowed_tools", allowed_tools: { mode: "auto", tools: [{ function: { name: "f" } }] } },
    ),
    reasoning_effort: fc.constantFrom("none", "high", "odd"),
    reasoning: fc.constantFrom<Json>(null, { max_tokens: 0 }, { effort: "low", exclude: true }, { enabled: false }),
    thinking: fc.constantFrom<Json>(null, { type: "enabled", more: 1 }, { type: "disabled" }),
    response_format: fc.constantFrom<Json>(
      { type: "text" },
      { type: "json_object" },
      { type: "odd" },
      { type: "json_schema", json_schema: { schema: {}, more: 1 } },
    ),
    stop: fc.oneof(fc.string(), fc.array(fc.string(), { maxLength: 6 })),
    modalities: fc.subarray(["text", "audio", "image"]),
    user: fc.string({ maxLength: 100 }),
    safety_identifier: fc.string(),
    service_tier: fc.constantFrom("standard", "auto"),
    more: anything,
  },
  { requiredKeys: ["model", "messages"] },
);

/** A chunk or reply that has choices, so that deltas are looked at. */
const likelyReply = fc.record(
  {
    id: anything,
    usage: anything,
    error: fc.option(anything, { freq: 5 }),
    choices: fc.array(
      fc.record({
        index: fc.constantFrom(0, 0, 1, -1, 1e9, null),
        delta: anything,
        message: anything,
        finish_reason: anything,
        logprobs: anything,
      }),
      { maxLength: 2 },
    ),
  },
  { requiredKeys: ["choices"] },
);
const likelyDelta = fc.record(
  {
    content: fc.oneof(fc.string(), anything),
    reasoning_content: fc.string(),
    reasoning_details: fc.array(anything, { maxLength: 2 }),
    tool_calls: fc.array(
      fc.record({
        index: fc.constantFrom(0, 1, undefined),
        id: fc.constantFrom("a", "b", undefined),
        function: anything,
        extra_content: anything,
      }),
      { maxLength: 2 },
    ),
    annotations: anything,
    refusal: fc.string(),
    audio: anything,
    images: anything,
  },
  { requiredKeys: [] },
);
const likelyChunk = fc
  .tuple(likelyDelta, fc.constantFrom(null, null, "stop", "tool_calls"), fc.constantFrom(0, 0, 1))
  .map(([delta, finish_reason, index]) => ({ choices: [{ index, delta, finish_reason }] }));

const RUNS = { numRuns: 300 };
const target = { model: "m", stream: true, maxOutputTokens: 10, capabilities: new Set(CAPABILITIES), quirks: {} };
const request: CanonicalRequest = { model: "m", stream: true, messages: [] };
const context = { id: "r", createdAt: 1, model: "m", request, wantsStreamUsage: true };

function reencode(body: Json): void {
  let decoded: CanonicalRequest;
  try {
    decoded = openaiChat.decodeRequest(body as JsonObject, {});
  } catch (error) {
    if (error instanceof GatewayError) return;
    throw error;
  }
  for (const quirks of [
    {},
    { cacheControl: true, customTools: true, flattenText: true, reasoningField: "reasoning" } as const,
    {
      thoughtSignatures: true,
      extendedSampling: true,
      reasoningField: "content",
      reasoningRequest: "thinking",
    } as const,
  ]) {
    JSON.stringify(openaiChat.encodeRequest(decoded, { ...target, quirks }));
  }
}

function tryPeek(body: Json): void {
  try {
    openaiChat.peek(body as JsonObject, {});
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
  }
}

function decodeFrames(chunks: Json[]) {
  const decoder = openaiChat.streamDecoder({ id: "r" });
  const events = chunks.flatMap((chunk) => decoder.frame({ event: undefined, data: JSON.stringify(chunk) }));
  return [...events, ...decoder.end()];
}

describe("anything at all", () => {
  test("as a request is read or refused", () => {
    const body = fc.oneof(
      fc.dictionary(fc.constantFrom(...NAMES), anything),
      likelyRequest as fc.Arbitrary<JsonObject>,
    );
    fc.assert(
      fc.property(body, (value) => {
        tryPeek(value as Json);
        reencode(value as Json);
      }),
      RUNS,
    );
  });

  test("as a reply gives events in legal order that can be written again", () => {
    fc.assert(
      fc.property(fc.oneof(anything, likelyReply as fc.Arbitrary<Json>), (value) => {
        const events = openaiChat.decodeReply(value, { id: "r" });
        checkOrder(events);
        JSON.stringify(openaiChat.encodeReply(collect(events), context));
      }),
      RUNS,
    );
  });

  test("as a stream gives events in legal order that can be written again", () => {
    const chunk = fc.oneof(anything, likelyReply, likelyChunk, likelyChunk) as fc.Arbitrary<Json>;
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 8 }), (chunks) => {
        const events = decodeFrames(chunks);
        checkOrder(events);
        const encoder = openaiChat.streamEncoder(context, "sse");
        let text = "";
        for (const event of events) if (event.type !== "error") text += encoder.event(event);
        for (const frame of (text + encoder.end()).split("\n\n")) {
          if (frame !== "" && frame !== "data: [DONE]") JSON.parse(frame.slice(6));
        }
      }),
      RUNS,
    );
  });

  test("as an error is understood", () => {
    fc.assert(
      fc.property(fc.integer({ min: 400, max: 599 }), fc.oneof(fc.string(), anything), (status, value) => {
        const body = typeof value === "string" ? value : JSON.stringify(value);
        expect(openaiChat.decodeError(status, new Headers(), body).status).toBe(status);
      }),
      RUNS,
    );
  });

  test("a thousand levels deep overflows nothing", () => {
    let deep: Json = "x";
    for (let level = 0; level < 1000; level++) deep = level % 2 ? [deep] : { content: deep };
    reencode({
      model: "m",
      messages: [{ role: "user", content: [{ type: "odd", deep }] }],
      tools: [{ deep }],
      x: deep,
    });
    checkOrder(openaiChat.decodeReply({ choices: [{ message: { content: deep, x: deep } }] }, { id: "r" }));
    checkOrder(decodeFrames([{ choices: [{ delta: { content: deep, tool_calls: deep } }] }]));
  });
});
