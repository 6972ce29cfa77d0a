/**
 * Property tests: whatever comes in, the dialect throws nothing but the caller's own mistakes and keeps the order of events.
 * They stand beside the dialect, away from the path of a call.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { checkOrder } from "../../../test/support/order.ts";
import { GatewayError } from "../../core/error.ts";
import type { CanonicalEvent } from "../../core/event.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import { collect } from "../../core/reply.ts";
import type { EncodeTarget } from "../dialect.ts";
import { anthropicMessages as dialect } from "./index.ts";

const TARGET: EncodeTarget = {
  model: "m",
  stream: true,
  maxOutputTokens: 4096,
  capabilities: new Set(["thinking", "structured-output", "tools"]),
  quirks: {},
};
const CONTEXT = { id: "req_1", createdAt: 0, model: "m", wantsStreamUsage: true } as const;
const REQUEST = { model: "m", stream: true, messages: [] };

const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>;
const word = fc.constantFrom(
  "text",
  "thinking",
  "tool_use",
  "tool_result",
  "image",
  "document",
  "redacted_thinking",
  "x",
);
const block = fc.record(
  {
    type: fc.oneof(word, json),
    text: fc.oneof(fc.string(), json),
    thinking: fc.string(),
    signature: fc.string(),
    data: fc.string(),
    id: fc.constantFrom("a", "b", "", "c:d"),
    tool_use_id: fc.constantFrom("a", "b", "zz"),
    name: fc.string(),
    input: json,
    content: json,
    citations: json,
    cache_control: json,
    source: fc.oneof(
      json,
      fc.record({ type: fc.constantFrom("base64", "url", "text", "file", "content"), data: json, url: json }),
    ),
  },
  { requiredKeys: [] },
);
const message = fc.record(
  {
    role: fc.constantFrom("user", "assistant", "system"),
    content: fc.oneof(fc.string(), fc.array(block, { maxLength: 4 })),
  },
  { requiredKeys: ["role", "content"] },
);
const body = fc.record(
  {
    model: fc.string(),
    messages: fc.oneof({ weight: 5, arbitrary: fc.array(message, { maxLength: 5 }) }, { weight: 1, arbitrary: json }),
    system: fc.oneof(fc.string(), json),
    tools: json,
    tool_choice: json,
    max_tokens: json,
    thinking: json,
    output_config: json,
    metadata: json,
    stop_sequences: json,
    extra: json,
  },
  { requiredKeys: ["model", "messages"] },
);

function attempt(run: () => void): void {
  try {
    run();
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(GatewayError);
    expect((thrown as GatewayError).code).toBe("invalid_request");
  }
}

test("any request decodes or is the caller's mistake, and what decodes encodes", () => {
  fc.assert(
    fc.property(fc.oneof(body, json), (value) => {
      const object = typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
      attempt(() => void dialect.peek(object, {}));
      let decoded: ReturnType<typeof dialect.decodeRequest> | undefined;
      attempt(() => {
        decoded = dialect.decodeRequest(object, {});
      });
      if (!decoded) return;
      const { body: encoded } = dialect.encodeRequest(decoded, TARGET);
      const again = dialect.decodeRequest(JSON.parse(JSON.stringify(encoded)), {});
      expect(again.messages.length).toBeGreaterThan(0);
    }),
    { numRuns: 500 },
  );
});

const index = fc.integer({ min: 0, max: 2 });
const piece = fc.record(
  {
    type: fc.constantFrom(
      "text_delta",
      "thinking_delta",
      "signature_delta",
      "input_json_delta",
      "citations_delta",
      "x",
    ),
    text: fc.oneof(fc.string(), json),
    thinking: fc.string(),
    signature: fc.string(),
    partial_json: fc.oneof(fc.string(), json),
    citation: json,
    stop_reason: fc.constantFrom("end_turn", "tool_use", null, 5),
  },
  { requiredKeys: ["type"] },
);
const frame = fc.record(
  {
    type: fc.constantFrom(
      "message_start",
      "content_block_start",
      "content_block_delta",
      "content_block_stop",
      "message_delta",
      "ping",
      "x",
    ),
    index,
    delta: fc.oneof({ weight: 5, arbitrary: piece }, { weight: 1, arbitrary: json }),
    content_block: fc.oneof({ weight: 5, arbitrary: block }, { weight: 1, arbitrary: json }),
    message: json,
    usage: json,
  },
  { requiredKeys: ["type"] },
);
const last = fc.constantFrom<JsonObject>({ type: "message_stop" }, { type: "error", error: {} }, { type: "ping" });

function encodeAndDecode(events: CanonicalEvent[]): void {
  const encoder = dialect.streamEncoder({ ...CONTEXT, request: REQUEST }, "sse");
  let text = "";
  for (const event of events) if (event.type !== "error") text += encoder.event(event);
  text += encoder.end();
  const decoder = dialect.streamDecoder({ id: "req_1" });
  const again = text
    .split("\n\n")
    .flatMap((part) => decoder.frame({ event: undefined, data: part.slice(part.indexOf("data: ") + 6) }));
  checkOrder([...again, ...decoder.end()]);
}

test("any stream gives events in order, and these encode to a stream that does so again", () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 12 }), last, (frames, ending) => {
      const decoder = dialect.streamDecoder({ id: "req_1" });
      const events = [...frames, ending].flatMap((data) =>
        decoder.frame({ event: undefined, data: JSON.stringify(data) }),
      );
      events.push(...decoder.end());
      checkOrder(events);
      encodeAndDecode(events);
      JSON.stringify(dialect.encodeReply(collect(events), { ...CONTEXT, request: REQUEST }));
    }),
    { numRuns: 500 },
  );
});

test("any reply and any text in a frame or an error body is survived", () => {
  const reply = fc.record(
    { content: fc.array(fc.oneof(block, json)), usage: json, stop_reason: json },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(reply, json), fc.string(), fc.integer({ min: 100, max: 599 }), (value, text, status) => {
      const events = dialect.decodeReply(value as Json, { id: "req_1" });
      checkOrder(events);
      JSON.stringify(dialect.encodeReply(collect(events), { ...CONTEXT, request: REQUEST }));
      dialect.streamDecoder({ id: "req_1" }).frame({ event: text, data: text });
      expect(dialect.decodeError(status, new Headers(), text).status).toBe(status);
    }),
    { numRuns: 500 },
  );
});

test("a thousand levels of nesting overflow nothing", () => {
  const deep = JSON.parse(`${'{"a":['.repeat(500)}${"]}".repeat(500)}`) as JsonObject;
  const decoded = dialect.decodeRequest(
    {
      model: "m",
      tools: [{ name: "f", input_schema: deep, strict: true }],
      output_config: { format: { type: "json_schema", schema: deep } },
      messages: [{ role: "assistant", content: [{ type: "tool_use", id: "a", name: "f", input: deep }] }],
    },
    {},
  );
  expect(JSON.stringify(dialect.encodeRequest(decoded, TARGET).body).length).toBeGreaterThan(3000);
  const events = dialect.decodeReply({ content: [{ type: "tool_use", id: "a", name: "f", input: deep }] }, { id: "r" });
  expect(JSON.stringify(dialect.encodeReply(collect(events), { ...CONTEXT, request: REQUEST })).length).toBeGreaterThan(
    3000,
  );
});
