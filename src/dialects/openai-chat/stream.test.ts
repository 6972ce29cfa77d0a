/**
 * Chat streams read and written: the habits of imitators, and what callers of this format get.
 * Each behaviour by its name; the recordings' test has the breadth.
 */
import { describe, expect, test } from "bun:test";
import { checkOrder } from "../../../test/support/order.ts";
import { GatewayError } from "../../core/error.ts";
import type { CanonicalEvent } from "../../core/event.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import { collect } from "../../core/reply.ts";
import type { CanonicalRequest } from "../../core/request.ts";
import { emptyUsage } from "../../core/usage.ts";
import type { EncodeContext } from "../dialect.ts";
import { openaiChat } from "./index.ts";

function decode(...chunks: (JsonObject | string)[]): CanonicalEvent[] {
  const decoder = openaiChat.streamDecoder({ id: "r" });
  const events = chunks.flatMap((chunk) => {
    const data = typeof chunk === "string" ? chunk : JSON.stringify(chunk);
    return decoder.frame({ event: undefined, data });
  });
  return [...events, ...decoder.end()];
}

const delta = (fields: JsonObject, more: JsonObject = {}): JsonObject => ({
  id: "chatcmpl-1",
  model: "m",
  choices: [{ index: 0, delta: fields, ...more }],
});
const call = (fields: JsonObject, more: JsonObject = {}) => delta({ tool_calls: [fields as Json] }, more);
const stop = delta({}, { finish_reason: "stop" });

function reply(...chunks: (JsonObject | string)[]) {
  const events = decode(...chunks);
  checkOrder(events);
  return collect(events);
}

describe("decoding", () => {
  test("usage on the finish chunk, after it, and repeated: the last one counts", () => {
    const usage = (tokens: number) => ({ prompt_tokens: 3, completion_tokens: tokens, total_tokens: 3 + tokens });
    const decoded = reply(
      delta({ content: "a" }, {}),
      { ...stop, usage: usage(1) },
      stop,
      { choices: [], usage: usage(2) },
      "[DONE]",
    );
    expect(decoded.usage).toMatchObject({ input: 3, output: 2, source: "measured" });
    expect(decoded.choices[0]?.finish.reason).toBe("stop");
  });

  test("a second finish reason is not a second end", () => {
    const events = decode(delta({ content: "a" }), stop, stop, "[DONE]");
    expect(events.filter((event) => event.type === "message-end")).toHaveLength(1);
  });

  test("a first chunk without choices only adds to the beginning", () => {
    const decoded = reply(
      { id: "", model: "", choices: [], prompt_filter_results: [{ prompt_index: 0 }] },
      delta({ content: "a" }),
      stop,
    );
    expect(decoded).toMatchObject({ id: "chatcmpl-1", model: "m" });
    expect(decoded.extras).toEqual({ "openai-chat": { prompt_filter_results: [{ prompt_index: 0 }] } });
  });

  test("tool calls interleave by index, and come without one", () => {
    const fn = (name: string, args: string) => ({ function: { name, arguments: args } });
    const interleaved = reply(
      call({ index: 0, id: "a", ...fn("f", "") }),
      call({ index: 1, id: "b", ...fn("g", "") }),
      call({ index: 0, function: { arguments: "{}" } }),
      call({ index: 1, function: { arguments: "[]" } }),
      delta({}, { finish_reason: "tool_calls" }),
    );
    expect(interleaved.choices[0]?.parts).toMatchObject([
      { id: "a", name: "f", arguments: "{}" },
      { id: "b", name: "g", arguments: "[]" },
    ]);
    const bare = reply(call({ id: "a", ...fn("f", "{}") }), call({ id: "b", ...fn("g", "{}") }), stop);
    expect(bare.choices[0]?.parts).toMatchObject([{ id: "a" }, { id: "b" }]);
    const sameIndex = reply(
      call({ index: 0, id: "a", ...fn("f", "{}") }),
      call({ index: 0, id: "b", ...fn("g", "{}") }),
      stop,
    );
    expect(sameIndex.choices[0]?.parts).toMatchObject([{ id: "a" }, { id: "b" }]);
    expect(sameIndex.choices[0]?.finish).toMatchObject({ reason: "tool-calls", native: { value: "stop" } });
  });

  test("a call without an id gets one made of the request's", () => {
    const decoded = reply(call({ index: 0, function: { name: "f", arguments: "" } }), stop);
    expect(decoded.choices[0]?.parts).toMatchObject([{ id: "call_r_0_0", name: "f", arguments: "" }]);
  });

  test("arguments before the name wait for it", () => {
    const decoded = reply(
      call({ index: 0, id: "a", function: { arguments: "{" } }),
      call({ index: 0, function: { name: "f", arguments: "}" } }),
      stop,
    );
    expect(decoded.choices[0]?.parts).toMatchObject([{ id: "a", name: "f", arguments: "{}" }]);
  });

  test("length stays length although calls were begun", () => {
    const decoded = reply(
      call({ index: 0, id: "a", function: { name: "f", arguments: "{" } }),
      delta({}, { finish_reason: "length" }),
    );
    expect(decoded.choices[0]?.finish.reason).toBe("length");
  });

  test("thinking, then text, then calls, then text again are parts in order", () => {
    const decoded = reply(
      delta({ reasoning_content: "h" }),
      delta({ reasoning: "m", content: "" }),
      delta({ content: "a" }),
      call({ index: 0, id: "x", function: { name: "f", arguments: "{}" } }),
      delta({ content: "b" }),
      stop,
    );
    expect(decoded.choices[0]?.parts).toMatchObject([
      { type: "thinking", text: "hm" },
      { type: "text", text: "a" },
      { type: "tool-call" },
      { type: "text", text: "b" },
    ]);
  });

  test("details in pieces become one part with one signature", () => {
    const detail = (fields: JsonObject) => ({ reasoning_details: [{ type: "reasoning.text", index: 0, ...fields }] });
    const decoded = reply(
      delta({ reasoning: "a", ...detail({ text: "a", format: "anthropic-claude-v1" }) }),
      delta({ reasoning: "b", ...detail({ text: "b" }) }),
      delta(detail({ signature: "S" })),
      delta({ content: "ok" }),
      stop,
    );
    const [thinking] = decoded.choices[0]?.parts ?? [];
    expect(thinking).toMatchObject({ type: "thinking", text: "ab", signature: { origin: "openai-chat" } });
    const body = openaiChat.encodeReply(decoded, context());
    expect(body.choices).toMatchObject([
      {
        message: {
          reasoning_content: "ab",
          reasoning_details: [
            { type: "reasoning.text", index: 0, format: "anthropic-claude-v1", signature: "S", text: "ab" },
          ],
        },
      },
    ]);
  });

  test("errors inside of the stream end it, in a chunk, a choice, or an event of their own", () => {
    const last = (...chunks: JsonObject[]) => decode(delta({ content: "a" }), ...chunks).at(-1);
    expect(last({ error: { message: "Overloaded", code: 503 } })).toMatchObject({
      type: "error",
      failure: { kind: "overloaded", status: 503, message: "Overloaded" },
    });
    expect(last(delta({}, { finish_reason: "error", error: { message: "no", code: 429 } }))).toMatchObject({
      failure: { kind: "rate-limit" },
    });
    expect(last({ error: "something" })).toMatchObject({ failure: { kind: "server", message: "something" } });
    expect(last({ error: { message: "x" } }, delta({ content: "late" }))).toMatchObject({ type: "error" });
  });

  test("a stream that ends without a reason is incomplete; one that says DONE is not", () => {
    expect(decode(delta({ content: "a" })).at(-1)).toMatchObject({ failure: { code: "incomplete_stream" } });
    expect(decode()).toMatchObject([{ failure: { code: "incomplete_stream" } }]);
    expect(decode(delta({ content: "a" }), "[DONE]").at(-1)).toMatchObject({ type: "message-end" });
    expect(decode(delta({ content: "a" }), stop).at(-1)).toMatchObject({ type: "message-end" });
  });

  test("several answers are kept apart", () => {
    const at = (index: number, content: string, finish_reason: string | null = null): JsonObject => ({
      choices: [{ index, delta: { content }, finish_reason }],
    });
    const decoded = reply(at(0, "a"), at(1, "x"), at(0, "b", "stop"), at(1, "y", "length"), "[DONE]");
    expect(decoded.choices.map((choice) => choice.parts)).toMatchObject([[{ text: "ab" }], [{ text: "xy" }]]);
    expect(decoded.choices.map((choice) => choice.finish.reason)).toEqual(["stop", "length"]);
  });
});

function context(request: Partial<CanonicalRequest> = {}, more: Partial<EncodeContext> = {}): EncodeContext {
  return {
    id: "r",
    createdAt: 5,
    model: "shown",
    request: { model: "shown", stream: true, messages: [], ...request },
    wantsStreamUsage: false,
    ...more,
  };
}

function encode(events: CanonicalEvent[], where: EncodeContext = context()): JsonObject[] {
  const encoder = openaiChat.streamEncoder(where, "sse");
  let text = "";
  for (const event of events) if (event.type !== "error") text += encoder.event(event);
  text += encoder.end();
  expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
  return text
    .split("\n\n")
    .filter((frame) => frame !== "" && frame !== "data: [DONE]")
    .map((frame) => JSON.parse(frame.slice("data: ".length)) as JsonObject);
}

const deltas = (chunks: JsonObject[]) =>
  chunks.flatMap((chunk) => (chunk.choices as JsonObject[]).map((choice) => choice.delta));

const place = { choice: 0, part: 0 };
const end: CanonicalEvent = { type: "message-end", choice: 0, finish: { reason: "stop" } };
const begin: CanonicalEvent = { type: "message-start", id: "msg_x" };

describe("encoding", () => {
  test("usage comes last and only for those who asked", () => {
    const events: CanonicalEvent[] = [begin, { type: "usage", usage: { ...emptyUsage("measured"), input: 2 } }, end];
    expect(encode(events).every((chunk) => chunk.usage === undefined)).toBe(true);
    const chunks = encode(events, context({}, { wantsStreamUsage: true }));
    expect(chunks.at(-1)).toMatchObject({ id: "chatcmpl-r", choices: [], usage: { prompt_tokens: 2 } });
    expect(chunks.at(-2)?.choices).toMatchObject([{ finish_reason: "stop" }]);
  });

  test("a signed thought ends with its detail, which a replay brings back", () => {
    const chunks = encode([
      begin,
      { type: "part-start", ...place, start: { type: "thinking" } },
      { type: "thinking-delta", ...place, text: "hm" },
      { type: "signature", ...place, signature: { origin: "anthropic-messages", value: "S" } },
      { type: "part-end", ...place },
      end,
    ]);
    const detail = {
      type: "reasoning.text",
      text: "hm",
      signature: "sluice.anthropic-messages.S",
      format: "unknown",
      index: 0,
    };
    expect(deltas(chunks).slice(1, 3)).toEqual([{ reasoning_content: "hm" }, { reasoning_details: [detail] }]);
    const message = { role: "assistant", content: "ok", reasoning_content: "hm", reasoning_details: [detail] };
    const replayed = openaiChat.decodeRequest({ model: "m", messages: [message] }, {});
    expect(replayed.messages[0]?.content[0]).toEqual({
      type: "thinking",
      text: "hm",
      signature: { origin: "anthropic-messages", value: "S" },
    });
  });

  test("a call of a tool that was offered as free text comes back as one, unwrapped while it streams", () => {
    const chunks = encode(
      [
        begin,
        { type: "part-start", ...place, start: { type: "tool-call", id: "1", name: "patch", kind: "function" } },
        { type: "tool-call-delta", ...place, arguments: '{"input":"a' },
        { type: "tool-call-delta", ...place, arguments: '\\nb"}' },
        { type: "part-end", ...place },
        end,
      ],
      context({ tools: [{ type: "custom", name: "patch" }] }),
    );
    const calls = deltas(chunks).flatMap((delta) => ((delta as JsonObject).tool_calls ?? []) as JsonObject[]);
    expect(calls[0]).toEqual({ index: 0, id: "1", type: "custom", custom: { name: "patch", input: "" } });
    expect(calls.map((call) => (call.custom as JsonObject).input).join("")).toBe("a\nb");
  });

  test("Gemini's signature rides on the tool call", () => {
    const chunks = encode([
      begin,
      { type: "part-start", ...place, start: { type: "tool-call", id: "1", name: "f", kind: "function" } },
      { type: "tool-call-delta", ...place, arguments: "{}" },
      { type: "signature", ...place, signature: { origin: "gemini", value: "G" } },
      { type: "part-end", ...place },
      end,
    ]);
    expect(deltas(chunks)).toContainEqual({
      tool_calls: [{ index: 0, function: { arguments: "" }, extra_content: { google: { thought_signature: "G" } } }],
    });
  });

  test("citations are counted from the beginning of the whole text", () => {
    const second = { choice: 0, part: 1 };
    const chunks = encode([
      begin,
      { type: "part-start", ...place, start: { type: "text" } },
      { type: "text-delta", ...place, text: "abc" },
      { type: "part-end", ...place },
      { type: "part-start", ...second, start: { type: "text" } },
      { type: "text-delta", ...second, text: "de" },
      { type: "annotation", ...second, annotation: { type: "url", url: "https://e.org", start: 0, end: 2 } },
      { type: "part-end", ...second },
      end,
    ]);
    expect(deltas(chunks)).toContainEqual({
      annotations: [
        { type: "url_citation", url_citation: { url: "https://e.org", title: "", start_index: 3, end_index: 5 } },
      ],
    });
  });

  test("callers that offered functions get the old form", () => {
    const chunks = encode(
      [
        begin,
        { type: "part-start", ...place, start: { type: "tool-call", id: "1", name: "f", kind: "function" } },
        { type: "tool-call-delta", ...place, arguments: "{}" },
        { type: "part-end", ...place },
        { type: "message-end", choice: 0, finish: { reason: "tool-calls" } },
      ],
      context({ extras: { "openai-chat": { $functions: true } } }),
    );
    expect(deltas(chunks).slice(1, 3)).toEqual([
      { function_call: { name: "f", arguments: "" } },
      { function_call: { arguments: "{}" } },
    ]);
    expect(chunks.at(-1)?.choices).toMatchObject([{ finish_reason: "function_call" }]);
  });

  test("parts that only another format has are left out", () => {
    const opaque = { type: "opaque", dialect: "anthropic-messages", value: { type: "server_tool_use" } } as const;
    expect(deltas(encode([begin, { type: "part", ...place, value: opaque }, end]))).toHaveLength(2);
  });

  test("a break is a frame that SDKs raise as an error", () => {
    const encoder = openaiChat.streamEncoder(context(), "sse");
    const frame = encoder.error(new GatewayError("upstream_unavailable", "Gone."));
    expect(JSON.parse(frame.slice(6))).toEqual({
      error: { message: "Gone.", type: "server_error", param: null, code: "upstream_unavailable" },
      request_id: "r",
    });
  });
});
