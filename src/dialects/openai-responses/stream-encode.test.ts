/**
 * What a caller's Responses stream looks like for events of any origin, judged by the official SDK where it has a say.
 * The recorded streams are in `recordings.test.ts`.
 */
import { describe, expect, test } from "bun:test";
import OpenAI from "openai";
import { sseData } from "../../../test/support/cases.ts";
import { GatewayError } from "../../core/error.ts";
import type { CanonicalEvent } from "../../core/event.ts";
import { asObject, type JsonObject } from "../../core/json.ts";
import { collect, unfold } from "../../core/reply.ts";
import type { CanonicalRequest } from "../../core/request.ts";
import { emptyUsage } from "../../core/usage.ts";
import type { EncodeContext } from "../dialect.ts";
import { openaiResponses as dialect } from "./index.ts";

const request: CanonicalRequest = {
  model: "m",
  stream: true,
  messages: [],
  tools: [
    { type: "function", name: "get_weather" },
    { type: "function", name: "spawn", namespace: "agents" },
    { type: "custom", name: "apply_patch", grammar: { syntax: "lark", definition: "start: x" } },
  ],
};
const context: EncodeContext = { id: "req_abc", createdAt: 7, model: "seen", request, wantsStreamUsage: true };

type Told = Exclude<CanonicalEvent, { type: "error" }>;

function encode(events: readonly CanonicalEvent[], to = context): string {
  const encoder = dialect.streamEncoder(to, "sse");
  let text = "";
  for (const event of events) text += encoder.event(event as Told);
  return text + encoder.end();
}

function told(text: string): JsonObject[] {
  return sseData(text).map(({ data }) => data as JsonObject);
}

function decode(text: string): CanonicalEvent[] {
  const decoder = dialect.streamDecoder({ id: "x" });
  return sseData(text).flatMap(({ event, data }) => [...decoder.frame({ event, data: JSON.stringify(data) })]);
}

function finalOutput(text: string): JsonObject[] {
  return (asObject(told(text).at(-1)?.response)?.output ?? []) as JsonObject[];
}

function sdk(text: string): OpenAI {
  const headers = { "content-type": "text/event-stream" };
  return new OpenAI({ apiKey: "k", maxRetries: 0, fetch: async () => new Response(text, { headers }) });
}

const begin: Told = { type: "message-start" };
const place = (part: number) => ({ choice: 0, part });
const call = (part: number, id: string, name: string, ...pieces: string[]): Told[] => [
  { type: "part-start", ...place(part), start: { type: "tool-call", id, name, kind: "function" } },
  ...pieces.map((piece): Told => ({ type: "tool-call-delta", ...place(part), arguments: piece })),
  { type: "part-end", ...place(part) },
];
const say = (part: number, ...texts: string[]): Told[] => [
  { type: "part-start", ...place(part), start: { type: "text" } },
  ...texts.map((text): Told => ({ type: "text-delta", ...place(part), text })),
  { type: "part-end", ...place(part) },
];
const usage: Told = {
  type: "usage",
  usage: { ...emptyUsage("measured"), input: 5, cacheRead: 3, output: 2, thinking: 4 },
};
const end: Told = { type: "message-end", choice: 0, finish: { reason: "stop" } };

describe("for the official SDK", () => {
  test("thinking, text and calls of every kind arrive whole", async () => {
    const thought: Told[] = [
      { type: "part-start", ...place(0), start: { type: "thinking" } },
      { type: "thinking-delta", ...place(0), text: "hm" },
      { type: "signature", ...place(0), signature: { origin: "anthropic-messages", value: "c2ln" } },
      { type: "part-end", ...place(0) },
    ];
    const events = [
      begin,
      ...thought,
      ...say(1, "Hel", "lo"),
      ...call(2, "c1", "get_weather", '{"a":', "1}"),
      ...call(3, "c2", "apply_patch", '{"input":"*** Be', 'gin\\n"}'),
      usage,
      end,
    ];
    const stream = sdk(encode(events)).responses.stream({ model: "m", input: "x" });
    const seen: string[] = [];
    for await (const event of stream) seen.push(event.type);
    const final = await stream.finalResponse();
    expect(final.output_text).toBe("Hello");
    expect(final.output.map(({ type }) => type)).toEqual(["reasoning", "message", "function_call", "custom_tool_call"]);
    expect(final.output[3]).toMatchObject({ call_id: "c2", name: "apply_patch", input: "*** Begin\n" });
    expect(final.usage).toMatchObject({ input_tokens: 8, output_tokens: 6, total_tokens: 14 });
    expect(seen.at(0)).toBe("response.created");
    expect(seen.at(-1)).toBe("response.completed");
  });

  test("an error that a retry may mend is raised once", async () => {
    const encoder = dialect.streamEncoder(context, "sse");
    const text =
      encoder.event(begin) + encoder.error(new GatewayError("upstream_unavailable", "No provider answered."));
    let raised = 0;
    try {
      for await (const _ of await sdk(text).responses.create({ model: "m", input: "x", stream: true })) {
        // only the end matters
      }
    } catch (error) {
      raised++;
      expect(error).toBeInstanceOf(OpenAI.APIError);
      expect(String(error)).toContain("No provider answered.");
    }
    expect(raised).toBe(1);
    expect(encoder.event(end)).toBe("");
  });

  test("errors that Codex has to stop on come as a failed response alone", async () => {
    const codes: [GatewayError, string][] = [
      [new GatewayError("insufficient_credit", "Out of credit."), "insufficient_quota"],
      [new GatewayError("invalid_request", "Too long.", { reason: "context-length" }), "context_length_exceeded"],
      [new GatewayError("rate_limit_exceeded", "Too fast.", { retryAfterMs: 1500 }), "rate_limit_exceeded"],
    ];
    for (const [error, code] of codes) {
      const text = dialect.streamEncoder(context, "sse").error(error);
      expect(told(text).map(({ type }) => type)).toEqual([
        "response.created",
        "response.in_progress",
        "response.failed",
      ]);
      expect(asObject(told(text).at(-1)?.response)).toMatchObject({ status: "failed", error: { code } });
      const final = await sdk(text).responses.stream({ model: "m", input: "x" }).finalResponse();
      expect(final.error?.code as string).toBe(code);
      const relayed = dialect.encodeStreamError(error, "req_abc", "sse");
      expect(told(relayed).map(({ type }) => type)).toEqual(["response.failed"]);
      expect(decode(relayed).filter(({ type }) => type === "error")).toHaveLength(1);
    }
    const last = told(dialect.streamEncoder(context, "sse").error(codes[2]![0])).at(-1);
    expect(JSON.stringify(last)).toContain("Please try again in 2s.");
  });

  test("both frames of an error are one error for our own decoder", () => {
    const text = dialect.streamEncoder(context, "sse").error(new GatewayError("internal_error", "Oh."));
    expect(told(text).map(({ type }) => type)).toContain("error");
    expect(decode(text).filter(({ type }) => type === "error")).toHaveLength(1);
  });
});

describe("items", () => {
  test("a call of a namespaced tool gets its namespace back, its input as it was offered", () => {
    const text = encode([begin, ...call(0, "c", "agents__spawn", "{}"), end]);
    expect(finalOutput(text)).toMatchObject([{ type: "function_call", namespace: "agents", name: "spawn" }]);
    const added = told(text).find(({ type }) => type === "response.output_item.added");
    expect(added?.item).toMatchObject({ namespace: "agents", name: "spawn", arguments: "" });
  });

  test("a call without arguments has an empty object", () => {
    const text = encode([begin, ...call(0, "c", "get_weather"), end]);
    expect(finalOutput(text)).toMatchObject([{ arguments: "{}" }]);
    expect(told(text).find(({ type }) => type === "response.function_call_arguments.delta")?.delta).toBe("{}");
  });

  test("a call's signature becomes a reasoning item before it, and parts that interleave come one after the other", () => {
    const signature = { origin: "gemini" as const, value: "Z2Vt" };
    const [first, ...rest] = call(0, "c1", "get_weather", "{}") as [Told, Told, Told];
    const other = call(1, "c2", "get_weather", "{}");
    const events: Told[] = [
      begin,
      first,
      ...other,
      rest[0],
      { type: "signature", ...place(0), signature },
      rest[1],
      end,
    ];
    const text = encode(events);
    expect(finalOutput(text).map(({ type, call_id: id }) => id ?? type)).toEqual(["reasoning", "c1", "c2"]);
    const reply = collect(decode(text));
    expect(reply.choices[0]?.parts[0]).toMatchObject({ type: "thinking", text: "", signature });
    const indexes = told(text).filter(({ type }) => type === "response.output_item.done");
    expect(indexes.map((event) => event.output_index)).toEqual([0, 1, 2]);
  });

  test("thinking of another provider survives as encrypted content, hidden and redacted too", () => {
    const signature = { origin: "anthropic-messages" as const, value: "YWJj" };
    const parts = [
      { type: "thinking" as const, text: "", signature },
      { type: "thinking" as const, text: "", signature, redacted: true },
      { type: "thinking" as const, text: "a b", signature },
    ];
    const reply = { choices: [{ parts, finish: { reason: "stop" as const } }] };
    const streamed = collect(decode(encode(unfold(reply)))).choices[0]?.parts;
    const whole = collect(dialect.decodeReply(dialect.encodeReply(reply, context), { id: "x" })).choices[0]?.parts;
    for (const got of [streamed, whole]) {
      expect(got?.map(({ extras: _, ...part }) => part) as unknown).toEqual(parts);
    }
    const replayed = dialect.decodeRequest({ model: "m", input: finalOutput(encode(unfold(reply))) }, {});
    expect(replayed.messages[0]?.content.map(({ extras: _, ...part }) => part) as unknown).toEqual(parts);
  });

  test("texts in a row are one message; a call between them makes two", () => {
    const text = encode([begin, ...say(0, "a"), ...say(1, "b"), ...call(2, "c", "get_weather"), ...say(3, "d"), end]);
    const output = finalOutput(text);
    expect(output.map(({ type }) => type)).toEqual(["message", "function_call", "message"]);
    expect(output[0]?.content).toMatchObject([{ text: "a" }, { text: "b" }]);
  });

  test("citations, refusals, images and what only this format has are written; the rest is left out", () => {
    const text = encode([
      begin,
      ...say(0, "see").slice(0, 2),
      {
        type: "annotation",
        ...place(0),
        annotation: { type: "url", url: "https://a.example", title: "A", start: 0, end: 3 },
      },
      { type: "part-end", ...place(0) },
      {
        type: "part",
        ...place(1),
        value: { type: "image", source: { type: "base64", data: "AA==", mediaType: "image/png" } },
      },
      { type: "part", ...place(2), value: { type: "opaque", dialect: "gemini", value: { executableCode: {} } } },
      {
        type: "part",
        ...place(3),
        value: { type: "opaque", dialect: "openai-responses", value: { type: "mcp_call", id: "m" } },
      },
      { type: "part-start", ...place(4), start: { type: "refusal" } },
      { type: "text-delta", ...place(4), text: "no" },
      { type: "part-end", ...place(4) },
      end,
    ]);
    const output = finalOutput(text);
    expect(output.map(({ type }) => type)).toEqual(["message", "image_generation_call", "mcp_call", "message"]);
    expect(output[0]?.content).toMatchObject([{ annotations: [{ type: "url_citation", url: "https://a.example" }] }]);
    expect(output[1]).toMatchObject({ result: "AA==", status: "completed" });
    expect(output[3]?.content).toEqual([{ type: "refusal", refusal: "no" }]);
  });

  test("only the first of several answers is told, and every event has the next number", () => {
    const other: Told[] = [
      { type: "part-start", choice: 1, part: 0, start: { type: "text" } },
      { type: "text-delta", choice: 1, part: 0, text: "other" },
      { type: "part-end", choice: 1, part: 0 },
    ];
    const text = encode([
      begin,
      ...say(0, "one"),
      ...other,
      usage,
      end,
      { type: "message-end", choice: 1, finish: end.finish },
    ]);
    expect(text).not.toContain("other");
    expect(told(text).map((event) => event.sequence_number)).toEqual(told(text).map((_, index) => index));
  });

  test("a limit or a filter makes the response and its last item incomplete", () => {
    for (const [reason, why] of [
      ["length", "max_output_tokens"],
      ["content-filter", "content_filter"],
    ] as const) {
      const text = encode([begin, ...say(0, "cut"), { type: "message-end", choice: 0, finish: { reason } }]);
      const last = told(text).at(-1);
      expect(last?.type).toBe("response.incomplete");
      expect(last?.response).toMatchObject({ status: "incomplete", incomplete_details: { reason: why } });
      expect(finalOutput(text)[0]?.status).toBe("incomplete");
    }
  });
});
