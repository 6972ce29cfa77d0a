/**
 * Tests of replies and streams of Messages in both directions, one behaviour each.
 * They stand beside the dialect, away from the path of a call.
 */
import { describe, expect, test } from "bun:test";
import { checkOrder } from "../../../test/support/order.ts";
import { GatewayError } from "../../core/error.ts";
import type { CanonicalEvent } from "../../core/event.ts";
import type { JsonObject } from "../../core/json.ts";
import { collect } from "../../core/reply.ts";
import type { Tool } from "../../core/request.ts";
import { emptyUsage } from "../../core/usage.ts";
import type { EncodeContext } from "../dialect.ts";
import { anthropicMessages as dialect } from "./index.ts";

const START = {
  type: "message_start",
  message: { id: "msg_1", type: "message", role: "assistant", model: "m", content: [] },
};
const STOP = { type: "message_stop" };
const end = (stop_reason: string, usage: JsonObject = { output_tokens: 1 }) => ({
  type: "message_delta",
  delta: { stop_reason, stop_sequence: null },
  usage,
});
const begin = (index: number, content_block: JsonObject) => ({ type: "content_block_start", index, content_block });
const delta = (index: number, change: JsonObject) => ({ type: "content_block_delta", index, delta: change });
const close = (index: number) => ({ type: "content_block_stop", index });

function decode(...events: JsonObject[]): CanonicalEvent[] {
  const decoder = dialect.streamDecoder({ id: "req_1" });
  const out = events.flatMap((event) => decoder.frame({ event: String(event.type), data: JSON.stringify(event) }));
  out.push(...decoder.end());
  checkOrder(out);
  return out;
}

function context(tools: Tool[] = []): EncodeContext {
  const request = { model: "m", stream: true, messages: [], tools };
  return { id: "req_1", createdAt: 0, model: "seen", request, wantsStreamUsage: true };
}

/** The JSON documents of the stream that these events make. */
function encode(events: CanonicalEvent[], tools: Tool[] = []) {
  const encoder = dialect.streamEncoder(context(tools), "sse");
  let text = "";
  for (const event of events) if (event.type !== "error") text += encoder.event(event);
  text += encoder.end();
  return text
    .split("\n\n")
    .slice(0, -1)
    .map((block) => JSON.parse(block.slice(block.indexOf("data: ") + 6)));
}

const usage = (fields: object) => ({ ...emptyUsage("measured"), ...fields });
const place = (part: number) => ({ choice: 0, part });
const callStart = (part: number, more: object = {}): CanonicalEvent => ({
  type: "part-start",
  ...place(part),
  start: { type: "tool-call", id: `call_${part}`, name: "f", kind: "function", ...more },
});
const args = (part: number, text: string): CanonicalEvent => ({
  type: "tool-call-delta",
  ...place(part),
  arguments: text,
});
const partEnd = (part: number): CanonicalEvent => ({ type: "part-end", ...place(part) });
const finish = (reason: "stop" | "tool-calls" | "length"): CanonicalEvent => ({
  type: "message-end",
  choice: 0,
  finish: { reason },
});

describe("reading streams", () => {
  test("a call's input comes from its fragments, else from its start, else it is empty", () => {
    const use = { type: "tool_use", id: "t", name: "f" };
    const json = (index: number, partial_json: string) => delta(index, { type: "input_json_delta", partial_json });
    const reply = collect(
      decode(
        START,
        begin(0, { ...use, input: {} }),
        json(0, ""),
        json(0, '{"a"'),
        json(0, ":1}"),
        close(0),
        begin(1, { ...use, input: { b: 2 } }),
        json(1, ""),
        close(1),
        begin(2, { ...use, input: {} }),
        close(2),
        end("tool_use"),
        STOP,
      ),
    );
    expect(reply.choices[0]?.parts.map((part) => part.type === "tool-call" && part.arguments)).toEqual([
      '{"a":1}',
      '{"b":2}',
      "{}",
    ]);
    expect(reply.choices[0]?.finish.reason).toBe("tool-calls");
  });

  test("thinking that shows only its signature is a part", () => {
    const events = decode(
      START,
      begin(0, { type: "thinking", thinking: "", signature: "" }),
      delta(0, { type: "signature_delta", signature: "sig" }),
      close(0),
      end("end_turn"),
      STOP,
    );
    expect(collect(events).choices[0]?.parts).toEqual([
      { type: "thinking", text: "", signature: { origin: "anthropic-messages", value: "sig" } },
    ]);
  });

  test("a server tool's input is assembled before the part is told", () => {
    const events = decode(
      START,
      begin(0, { type: "server_tool_use", id: "s", name: "web_search", input: {} }),
      delta(0, { type: "input_json_delta", partial_json: '{"query":' }),
      delta(0, { type: "input_json_delta", partial_json: '"x"}' }),
      close(0),
      end("end_turn"),
      STOP,
    );
    const value = { type: "server_tool_use", id: "s", name: "web_search", input: { query: "x" } };
    expect(events).toContainEqual({
      type: "part",
      ...place(0),
      value: {
        type: "server-call",
        id: "s",
        call: { kind: "web-search", queries: ["x"] },
        native: { dialect: "anthropic-messages", value },
      },
    });
    expect(collect(events).choices[0]?.finish.reason).toBe("stop");
  });

  test("usage is replaced, never added, and keeps what the later report leaves out", () => {
    const first = {
      input_tokens: 10,
      output_tokens: 1,
      cache_creation_input_tokens: 30,
      cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 20 },
    };
    const events = decode(
      { ...START, message: { ...START.message, usage: first } },
      end("end_turn", {
        input_tokens: 10,
        output_tokens: 9,
        cache_read_input_tokens: null,
        output_tokens_details: { thinking_tokens: 4 },
      }),
      STOP,
    );
    expect(events.filter(({ type }) => type === "usage")).toHaveLength(2);
    expect(collect(events).usage).toEqual(
      usage({ input: 10, cacheWrite5m: 10, cacheWrite1h: 20, output: 5, thinking: 4 }),
    );
  });

  test("compaction and the advisor are billed on top of the totals", () => {
    const iterations = [
      { type: "message", input_tokens: 5, output_tokens: 5 },
      { type: "compaction", input_tokens: 100, output_tokens: 20 },
      { type: "advisor_message", input_tokens: 7, output_tokens: 3, cache_read_input_tokens: 2 },
    ];
    const counted = { input_tokens: 5, output_tokens: 5, iterations };
    const reply = collect(decode(START, end("end_turn", counted), STOP));
    expect(reply.usage).toEqual(usage({ input: 112, cacheRead: 2, output: 28 }));
    expect(dialect.encodeReply(reply, context()).usage).toMatchObject(counted);
  });

  test("an error inside the stream ends it", () => {
    const events = decode(START, { type: "error", error: { type: "overloaded_error", message: "Overloaded" } }, STOP);
    expect(events.at(-1)).toEqual({
      type: "error",
      failure: { kind: "overloaded", status: 529, message: "Overloaded", code: "overloaded_error" },
    });
  });

  test("a stream that breaks off is an error, one that only lacks its last event is complete", () => {
    const broken = decode(START, begin(0, { type: "text", text: "" }));
    expect(broken.at(-1)).toMatchObject({ type: "error", failure: { code: "incomplete_stream" } });
    const lacking = decode(START, begin(0, { type: "text", text: "a" }), end("max_tokens"));
    expect(lacking.at(-1)).toMatchObject({ type: "message-end", finish: { reason: "length" } });
  });

  test("a whole message in place of a stream is read as one", () => {
    const message = { type: "message", id: "msg_2", content: [{ type: "text", text: "hi" }], stop_reason: "end_turn" };
    const decoder = dialect.streamDecoder({ id: "req_1" });
    const events = [
      ...decoder.frame({ event: undefined, data: JSON.stringify(message), bare: true }),
      ...decoder.end(),
    ];
    expect(collect(events).choices[0]?.parts).toEqual([{ type: "text", text: "hi" }]);
  });

  test("citations cover the whole block and come at its end; those of documents stay verbatim", () => {
    const web = {
      type: "web_search_result_location",
      url: "https://e.org",
      title: "E",
      cited_text: "c",
      encrypted_index: "x",
    };
    const page = { type: "page_location", document_index: 0 };
    const events = decode(
      START,
      begin(0, { type: "text", text: "", citations: [] }),
      delta(0, { type: "citations_delta", citation: web }),
      delta(0, { type: "text_delta", text: "four" }),
      delta(0, { type: "citations_delta", citation: page }),
      close(0),
      end("end_turn"),
      STOP,
    );
    const [part] = collect(events).choices[0]?.parts ?? [];
    expect(part).toMatchObject({
      annotations: [
        {
          type: "url",
          url: "https://e.org",
          start: 0,
          end: 4,
          extras: { "anthropic-messages": { encrypted_index: "x" } },
        },
      ],
      extras: { "anthropic-messages": { citations: [page] } },
    });
  });
});

describe("writing streams", () => {
  test("usage that is known at the start stands in message_start, and always in message_delta", () => {
    const events = encode([
      { type: "message-start", id: "msg_9" },
      { type: "usage", usage: usage({ input: 8 }) },
      { type: "usage", usage: usage({ input: 8, output: 3 }) },
      finish("stop"),
    ]);
    expect(events.map(({ type }) => type)).toEqual(["message_start", "message_delta", "message_stop"]);
    expect(events[0].message).toMatchObject({
      id: "msg_9",
      model: "seen",
      usage: { input_tokens: 8, output_tokens: 0 },
    });
    expect(events[1]).toMatchObject({
      delta: { stop_reason: "end_turn" },
      usage: { input_tokens: 8, output_tokens: 3 },
    });
  });

  test("parallel calls that interleave are written one after the other", () => {
    const events = encode([
      { type: "message-start" },
      callStart(0),
      args(0, '{"a"'),
      callStart(1),
      args(1, '{"b":1}'),
      args(0, ":1}"),
      partEnd(1),
      partEnd(0),
      finish("tool-calls"),
    ]);
    const told = events
      .slice(1, -2)
      .map(({ type, index, delta }) => `${index} ${delta?.partial_json ?? type.slice(14)}`);
    expect(told).toEqual(["0 start", '0 {"a"', "0 :1}", "0 stop", "1 start", '1 {"b":1}', "1 stop"]);
    expect(events.at(-2).delta.stop_reason).toBe("tool_use");
  });

  test("a call's foreign signature rides on an empty thinking block before it, and comes back", () => {
    const signature = { origin: "gemini", value: "abc" } as const;
    const events = encode([
      { type: "message-start" },
      callStart(0),
      args(0, "{}"),
      { type: "signature", ...place(0), signature },
      partEnd(0),
      finish("tool-calls"),
    ]);
    const again = collect(decode(...events));
    expect(again.choices[0]?.parts.map((part) => [part.type, "signature" in part && part.signature])).toEqual([
      ["thinking", signature],
      ["tool-call", false],
    ]);
  });

  test("free text of a custom call is wrapped, however it is cut", () => {
    const events = encode([
      { type: "message-start" },
      callStart(0, { kind: "custom" }),
      args(0, 'say "'),
      args(0, 'hi"\n👋'.slice(0, 5)),
      args(0, 'hi"\n👋'.slice(5)),
      partEnd(0),
      finish("tool-calls"),
    ]);
    const json = events.map(({ delta }) => delta?.partial_json ?? "").join("");
    expect(JSON.parse(json)).toEqual({ input: 'say "hi"\n👋' });
  });

  test("the stop reason follows from the calls, but a cut-off stays a cut-off", () => {
    const call = [callStart(0), args(0, "{}"), partEnd(0)];
    const start: CanonicalEvent = { type: "message-start" };
    expect(encode([start, ...call, finish("stop")]).at(-2).delta.stop_reason).toBe("tool_use");
    expect(encode([start, ...call, finish("length")]).at(-2).delta.stop_reason).toBe("max_tokens");
    expect(encode([start, finish("tool-calls")]).at(-2).delta.stop_reason).toBe("end_turn");
  });

  test("parts that only other formats know are left out or told in words", () => {
    const picture = { type: "image", source: { type: "base64", data: "eA==", mediaType: "image/png" } } as const;
    const events = encode([
      { type: "message-start" },
      { type: "part", ...place(0), value: { type: "opaque", dialect: "gemini", value: {} } },
      { type: "part", ...place(1), value: picture },
      finish("stop"),
    ]);
    expect(events.filter(({ type }) => type === "content_block_start")).toHaveLength(1);
    expect(events[2].delta.text).toContain("image/png");
  });

  test("a refusal is text with its own stop reason", () => {
    const reply = {
      choices: [{ parts: [{ type: "refusal", text: "No." } as const], finish: { reason: "stop" } as const }],
    };
    expect(dialect.encodeReply(reply, context())).toMatchObject({
      content: [{ type: "text", text: "No." }],
      stop_reason: "refusal",
    });
  });

  test("an error breaks the stream off in the API's own event", () => {
    const encoder = dialect.streamEncoder(context(), "sse");
    encoder.event({ type: "message-start" });
    const text = encoder.error(new GatewayError("upstream_unavailable", "Nobody answered."));
    expect(text).toStartWith("event: message_start\n");
    expect(text).toEndWith(
      'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Nobody answered.","details":{"error_code":"upstream_unavailable"}},"request_id":"req_1"}\n\n',
    );
  });

  test("a reply of another format gets an id of this one, and calls their own input", () => {
    const call = { type: "tool-call", id: "c:1", name: "f", kind: "function", arguments: '{"a":[1' } as const;
    const reply = { id: "chatcmpl-1", choices: [{ parts: [call], finish: { reason: "length" } as const }] };
    expect(dialect.encodeReply(reply, context())).toMatchObject({
      id: "msg_1",
      content: [{ type: "tool_use", id: "c_1", name: "f", input: { a: [1] } }],
      usage: { input_tokens: 0, output_tokens: 0 },
    });
  });
});
