/**
 * What the stream decoder makes of streams that differ from OpenAI's own: missing deltas, ids, endings, and errors.
 * The recorded streams are in `recordings.test.ts`.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { checkOrder } from "../../../test/support/order.ts";
import type { CanonicalEvent } from "../../core/event.ts";
import type { JsonObject } from "../../core/json.ts";
import { collect } from "../../core/reply.ts";
import { openaiResponses as dialect } from "./index.ts";

function decode(frames: readonly unknown[]): CanonicalEvent[] {
  const decoder = dialect.streamDecoder({ id: "x" });
  const events = frames.flatMap((data) => [
    ...decoder.frame({ event: undefined, data: typeof data === "string" ? data : JSON.stringify(data) }),
  ]);
  return [...events, ...decoder.end()];
}

const created = {
  type: "response.created",
  response: { id: "resp_1", model: "m", created_at: 5, status: "in_progress" },
};
const usage = { input_tokens: 10, output_tokens: 4, total_tokens: 14 };
const completed = (output: unknown[] = []) => ({
  type: "response.completed",
  response: { id: "resp_1", status: "completed", output, usage },
});
const message = (text: string) => ({
  type: "message",
  id: "msg_1",
  role: "assistant",
  status: "completed",
  content: [{ type: "output_text", text, annotations: [] }],
});
const call = { type: "function_call", id: "fc_1", call_id: "c1", name: "f", arguments: '{"a":1}' };

describe("what is missing", () => {
  test("items that come only whole read like streamed ones", () => {
    const events = decode([
      created,
      { type: "response.output_item.done", output_index: 0, item: message("hi") },
      completed(),
    ]);
    checkOrder(events);
    expect(collect(events)).toMatchObject({ id: "resp_1", createdAt: 5, choices: [{ parts: [{ text: "hi" }] }] });
  });

  test("items that come only in the completed response are told then", () => {
    const events = decode([created, completed([message("hi"), call])]);
    checkOrder(events);
    const [choice] = collect(events).choices;
    expect(choice?.parts).toMatchObject([{ text: "hi" }, { id: "c1", arguments: '{"a":1}' }]);
    expect(choice?.finish.reason).toBe("tool-calls");
  });

  test("the rest of a text or of arguments that deltas did not tell is told at the item's end", () => {
    const events = decode([
      created,
      { type: "response.output_item.added", output_index: 0, item: { ...message(""), content: [] } },
      { type: "response.output_text.delta", output_index: 0, content_index: 0, delta: "h" },
      { type: "response.output_item.done", output_index: 0, item: message("hi") },
      { type: "response.output_item.added", output_index: 1, item: { ...call, arguments: "" } },
      { type: "response.output_item.done", output_index: 1, item: call },
      completed(),
    ]);
    checkOrder(events);
    expect(collect(events).choices[0]?.parts).toMatchObject([{ text: "hi" }, { arguments: '{"a":1}' }]);
  });

  test("deltas of items that nobody announced begin them", () => {
    const events = decode([
      { type: "response.output_text.delta", output_index: 0, delta: "hi" },
      { type: "response.completed", response: { status: "completed" } },
    ]);
    checkOrder(events);
    expect(collect(events).choices[0]?.parts).toMatchObject([{ text: "hi" }]);
  });

  test("an item whose id changes on the way is one item", () => {
    const events = decode([
      created,
      { type: "response.output_item.added", output_index: 0, item: { ...message(""), id: "a", content: [] } },
      { type: "response.output_text.delta", output_index: 0, item_id: "b", content_index: 0, delta: "hi" },
      { type: "response.output_item.done", output_index: 0, item: { ...message("hi"), id: "c" } },
      completed([{ ...message("hi"), id: "d" }]),
    ]);
    checkOrder(events);
    expect(collect(events).choices[0]?.parts).toHaveLength(1);
  });

  test("[DONE], comments' leftovers, keepalives and unknown events are passed over", () => {
    const events = decode([
      created,
      { type: "keepalive" },
      { type: "response.new" },
      "[DONE]",
      "nonsense",
      completed([message("a")]),
      "[DONE]",
    ]);
    checkOrder(events);
    expect(events.filter(({ type }) => type === "message-end")).toHaveLength(1);
  });
});

describe("reasoning", () => {
  test("encrypted content is taken from the item's end, summaries in pieces are one text", () => {
    const item = {
      type: "reasoning",
      id: "rs_1",
      encrypted_content: "final",
      summary: [
        { type: "summary_text", text: "one" },
        { type: "summary_text", text: "two" },
      ],
    };
    const events = decode([
      created,
      {
        type: "response.output_item.added",
        output_index: 0,
        item: { ...item, summary: [], encrypted_content: "early" },
      },
      { type: "response.reasoning_summary_text.delta", output_index: 0, summary_index: 0, delta: "one" },
      { type: "response.reasoning_summary_text.delta", output_index: 0, summary_index: 1, delta: "two" },
      { type: "response.output_item.done", output_index: 0, item },
      completed([item]),
    ]);
    checkOrder(events);
    const part = { type: "thinking", text: "one\n\ntwo", signature: { origin: "openai-responses", value: "final" } };
    expect(collect(events).choices[0]?.parts).toMatchObject([part]);
  });

  test("an item that only names reasoning kept at the provider is opaque", () => {
    const events = decode([created, completed([{ type: "reasoning", id: "rs_1", summary: [] }, message("a")])]);
    expect(collect(events).choices[0]?.parts.map(({ type }) => type)).toEqual(["opaque", "text"]);
  });
});

describe("errors and ends", () => {
  const failed = {
    type: "response.failed",
    response: {
      status: "failed",
      error: { code: "rate_limit_exceeded", message: "Please try again in 1.2s." },
      output: [],
    },
  };
  const error = {
    type: "error",
    error: { type: "tokens", code: "rate_limit_exceeded", message: "Please try again in 1.2s." },
  };

  test("an error event and the failed response after it are one error", () => {
    for (const frames of [[created, error, failed], [created, error], [created, failed], [error], [failed]]) {
      const events = decode(frames);
      checkOrder(events);
      const errors = events.filter((event) => event.type === "error");
      expect(errors).toHaveLength(1);
      expect(errors[0]?.failure).toMatchObject({
        kind: "rate-limit",
        status: 429,
        code: "rate_limit_exceeded",
        retryAfterMs: 1200,
      });
    }
  });

  test("flat and nameless errors are understood", () => {
    const flat = decode([{ type: "error", code: "server_error", message: "Oh" }]).at(-1);
    expect(flat).toMatchObject({ type: "error", failure: { kind: "server", message: "Oh" } });
    const bare = decode([{ error: { message: "No", code: 402 } }]).at(-1);
    expect(bare).toMatchObject({ type: "error", failure: { kind: "billing", status: 402 } });
  });

  test("a stream that breaks off is incomplete", () => {
    expect(decode([created]).at(-1)).toMatchObject({ type: "error", failure: { code: "incomplete_stream" } });
    expect(decode([]).at(-1)).toMatchObject({ type: "error", failure: { code: "incomplete_stream" } });
  });

  test("why a response is incomplete is its finish, and usage comes before it", () => {
    for (const [why, reason] of [
      ["max_output_tokens", "length"],
      ["content_filter", "content-filter"],
      ["new", "other"],
    ]) {
      const response = { status: "incomplete", incomplete_details: { reason: why }, usage, output: [] };
      const events = decode([created, { type: "response.incomplete", response }]);
      checkOrder(events);
      expect(events.at(-1)).toMatchObject({ type: "message-end", finish: { reason } });
      expect(events.at(-2)).toMatchObject({ type: "usage", usage: { input: 10, output: 4 } });
    }
  });
});

describe("anything at all", () => {
  const types = [
    "response.created",
    "response.output_item.added",
    "response.output_item.done",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.annotation.added",
    "response.refusal.delta",
    "response.reasoning_text.delta",
    "response.reasoning_summary_text.delta",
    "response.function_call_arguments.delta",
    "response.custom_tool_call_input.delta",
    "response.completed",
    "response.failed",
    "error",
  ];
  const piece = fc.oneof(
    fc.record({ type: fc.constantFrom("output_text", "refusal", "x"), text: fc.string(), refusal: fc.string() }),
    fc.jsonValue(),
  );
  const item = fc.oneof(
    fc.record(
      {
        type: fc.constantFrom(
          "message",
          "function_call",
          "custom_tool_call",
          "reasoning",
          "image_generation_call",
          "web_search_call",
        ),
        id: fc.string(),
        call_id: fc.string(),
        name: fc.string(),
        arguments: fc.oneof(fc.string(), fc.jsonValue()),
        input: fc.string(),
        encrypted_content: fc.oneof(fc.string(), fc.constant("sluice.gemini.x")),
        content: fc.oneof(fc.array(piece), fc.jsonValue()),
        summary: fc.oneof(fc.array(piece), fc.jsonValue()),
        result: fc.string(),
      },
      { requiredKeys: ["type"] },
    ),
    fc.jsonValue(),
  );
  const frame = fc.record(
    {
      type: fc.constantFrom(...types),
      output_index: fc.oneof(fc.nat(3), fc.jsonValue()),
      content_index: fc.oneof(fc.nat(3), fc.jsonValue()),
      delta: fc.oneof(fc.string(), fc.jsonValue()),
      item,
      part: piece,
      annotation: fc.jsonValue(),
      response: fc.oneof(
        fc.record({ output: fc.array(item), status: fc.string(), usage: fc.jsonValue() }),
        fc.jsonValue(),
      ),
      error: fc.jsonValue(),
    },
    { requiredKeys: ["type"] },
  );

  test("never throws and keeps the order", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof({ weight: 9, arbitrary: frame }, { weight: 1, arbitrary: fc.jsonValue() })),
        (frames) => {
          const events = decode(frames);
          checkOrder(events);
          const context = {
            id: "r",
            createdAt: 1,
            model: "m",
            request: { model: "m", stream: true, messages: [] },
            wantsStreamUsage: true,
          };
          const encoder = dialect.streamEncoder(context, "sse");
          for (const event of events) if (event.type !== "error") encoder.event(event);
          dialect.encodeReply(collect(events), context);
        },
      ),
      { numRuns: 200 },
    );
  });

  test("a plain body never throws and keeps the order", () => {
    const body = fc.oneof(
      fc.jsonValue(),
      fc.record({
        output: fc.oneof(fc.array(item), fc.jsonValue()),
        status: fc.jsonValue(),
        error: fc.jsonValue(),
        usage: fc.jsonValue(),
      }),
    );
    fc.assert(
      fc.property(body, (value) => {
        checkOrder(dialect.decodeReply(JSON.parse(JSON.stringify(value)), { id: "x" }));
      }),
      { numRuns: 300 },
    );
  });

  test("deep nesting does not overflow", () => {
    const nest = (key: string) => {
      let deep: JsonObject = {};
      for (let depth = 0; depth < 1000; depth++) deep = { [key]: [deep] };
      return deep;
    };
    const deep = { content: [nest("content")], error: nest("error") };
    checkOrder(
      dialect.decodeReply({ ...deep, output: [{ type: "message", content: [deep], summary: [deep] }] }, { id: "x" }),
    );
    checkOrder(
      decode([created, { type: "response.output_item.done", output_index: 0, item: { type: "x", deep } }, completed()]),
    );
  });
});
