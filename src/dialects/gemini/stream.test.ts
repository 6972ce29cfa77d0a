/** Unit tests of writing answers, whole and streamed: what other formats' answers become for Google's clients. */
import { describe, expect, test } from "bun:test";
import { checkOrder } from "../../../test/support/order.ts";
import { GatewayError } from "../../core/error.ts";
import type { CanonicalEvent } from "../../core/event.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import { collect } from "../../core/reply.ts";
import type { CanonicalRequest } from "../../core/request.ts";
import { holdsWrapped } from "../../core/signature.ts";
import { emptyUsage } from "../../core/usage.ts";
import type { EncodeContext, Framing } from "../dialect.ts";
import { gemini } from "./index.ts";

function context(request: Partial<CanonicalRequest> = {}): EncodeContext {
  return {
    id: "req_1",
    createdAt: 1,
    model: "asked/for",
    request: { model: "m", stream: true, messages: [], ...request },
    wantsStreamUsage: true,
  };
}

function decode(chunks: Json[]): CanonicalEvent[] {
  const decoder = gemini.streamDecoder({ id: "req_1" });
  const events = chunks.flatMap((chunk) => decoder.frame({ event: undefined, data: JSON.stringify(chunk) }));
  const all = [...events, ...decoder.end()];
  checkOrder(all);
  return all;
}

function encodeText(events: CanonicalEvent[], framing: Framing = "sse", to = context()): string {
  const encoder = gemini.streamEncoder(to, framing);
  let text = "";
  for (const event of events) if (event.type !== "error") text += encoder.event(event);
  return text + encoder.end();
}

function encodeChunks(events: CanonicalEvent[], to = context()): JsonObject[] {
  const text = encodeText(events, "sse", to);
  return text
    .split("\r\n\r\n")
    .filter((block) => block !== "")
    .map((block) => JSON.parse(block.slice("data: ".length)));
}

function firstCandidate(chunk: JsonObject | undefined): JsonObject {
  return (chunk?.candidates as JsonObject[] | undefined)?.[0] ?? {};
}

function partsIn(chunks: JsonObject[]): Json[] {
  return chunks.flatMap((chunk) => (firstCandidate(chunk).content as { parts: Json[] }).parts);
}

const END: CanonicalEvent = { type: "message-end", choice: 0, finish: { reason: "stop" } };

describe("encoding a stream", () => {
  test("a blocked prompt is a filtered answer, and is told so again", () => {
    const body = {
      promptFeedback: { blockReason: "SAFETY" },
      usageMetadata: { promptTokenCount: 4, totalTokenCount: 4 },
    };
    const events = gemini.decodeReply(body, { id: "req_1" });
    checkOrder(events);
    expect(collect(events).choices[0]?.finish.reason).toBe("content-filter");
    expect(gemini.encodeReply(collect(events), context())).toMatchObject({ promptFeedback: { blockReason: "SAFETY" } });
    expect(encodeChunks(events)).toHaveLength(1);
    expect(encodeChunks(events)[0]).toMatchObject({ promptFeedback: { blockReason: "SAFETY" } });
  });

  test("chunks are CRLF-framed data and nothing else, the last one says how it ended", () => {
    const text = encodeText([
      { type: "message-start", id: "chatcmpl-1", model: "gpt" },
      { type: "part-start", choice: 0, part: 0, start: { type: "text" } },
      { type: "text-delta", choice: 0, part: 0, text: "hi" },
      { type: "part-end", choice: 0, part: 0 },
      { type: "usage", usage: { ...emptyUsage("measured"), input: 3, output: 1 } },
      END,
    ]);
    const tail = '"modelVersion":"asked/for","responseId":"req_1"}\r\n\r\n';
    expect(text).toBe(
      `data: {"candidates":[{"content":{"parts":[{"text":"hi"}],"role":"model"},"index":0}],${tail}` +
        'data: {"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}],' +
        '"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":1,"totalTokenCount":4},' +
        tail,
    );
  });

  test("as a JSON array it is one document, empty or not, also when it breaks off", () => {
    const start: CanonicalEvent = { type: "message-start" };
    expect(JSON.parse(encodeText([start, END], "json-array"))).toHaveLength(1);
    expect(encodeText([], "json-array")).toBe("[]");
    const error = new GatewayError("upstream_unavailable", "Gone.");
    const fresh = gemini.streamEncoder(context(), "json-array");
    expect(JSON.parse(fresh.error(error))).toMatchObject([{ error: { code: 503, status: "UNAVAILABLE" } }]);
    const begun = gemini.streamEncoder(context(), "json-array");
    const text = begun.event(start) + begun.event({ ...END });
    expect(JSON.parse(text + begun.error(error))).toHaveLength(2);
    const relayed = gemini.encodeStreamError(error, "req_1", "json-array");
    expect(JSON.parse(`[{}${relayed}`)).toHaveLength(2);
  });

  test("an error in server-sent events is an event, and a bare document after it", () => {
    const text = gemini.streamEncoder(context(), "sse").error(new GatewayError("upstream_timeout", "Too slow."));
    const [event = "", document = ""] = text.split("\r\n\r\n");
    expect(JSON.parse(document)).toMatchObject({
      error: { code: 504, message: "Too slow.", status: "DEADLINE_EXCEEDED" },
    });
    expect(event).toBe(`data: ${document}`);
  });

  test("a call is written whole, with id and signature, when its arguments are complete", () => {
    const chunks = encodeChunks([
      { type: "message-start" },
      {
        type: "part-start",
        choice: 0,
        part: 0,
        start: { type: "tool-call", id: "call_1", name: "f", kind: "function" },
      },
      { type: "tool-call-delta", choice: 0, part: 0, arguments: '{"a"' },
      { type: "tool-call-delta", choice: 0, part: 0, arguments: ":1}" },
      { type: "signature", choice: 0, part: 0, signature: { origin: "gemini", value: "S=" } },
      { type: "part-end", choice: 0, part: 0 },
      { type: "message-end", choice: 0, finish: { reason: "tool-calls" } },
    ]);
    expect(partsIn(chunks)).toEqual([
      { functionCall: { id: "call_1", name: "f", args: { a: 1 } }, thoughtSignature: "S=" },
      { text: "" },
    ]);
  });

  test("a call that the output limit cut off is not written; one that is merely odd is", () => {
    const events = (reason: "length" | "tool-calls"): CanonicalEvent[] => [
      { type: "message-start" },
      { type: "part-start", choice: 0, part: 0, start: { type: "tool-call", id: "c", name: "f", kind: "function" } },
      { type: "tool-call-delta", choice: 0, part: 0, arguments: '{"path":"/a","text":"half' },
      { type: "part-end", choice: 0, part: 0 },
      { type: "message-end", choice: 0, finish: { reason } },
    ];
    expect(partsIn(encodeChunks(events("length")))).toEqual([{ text: "" }]);
    expect(partsIn(encodeChunks(events("tool-calls")))).toMatchObject([
      { functionCall: { id: "c", name: "f", args: { path: "/a", text: "half" } } },
    ]);
    expect(gemini.encodeReply(collect(events("length")), context())).toMatchObject({
      candidates: [{ content: { parts: [] }, finishReason: "MAX_TOKENS" }],
    });
  });

  test("the first of several calls that nobody signed says so, which the request decoder takes for no signature", () => {
    const call = (part: number): CanonicalEvent[] => [
      {
        type: "part-start",
        choice: 0,
        part,
        start: { type: "tool-call", id: `c${part}`, name: "f", kind: "function" },
      },
      { type: "part-end", choice: 0, part },
    ];
    const events: CanonicalEvent[] = [{ type: "message-start" }, ...call(0), ...call(1), END];
    const streamed = partsIn(encodeChunks(events)).slice(0, 2) as JsonObject[];
    const whole = firstCandidate(gemini.encodeReply(collect(events), context())).content as { parts: JsonObject[] };
    expect(whole.parts).toEqual(streamed);
    expect(streamed.map((part) => typeof part.thoughtSignature)).toEqual(["string", "undefined"]);
    expect(holdsWrapped(new TextEncoder().encode(JSON.stringify(streamed)))).toBe(true);
    const body = {
      contents: [
        { role: "user", parts: [{ text: "hi" }] },
        { role: "model", parts: streamed },
      ],
    };
    const [, said] = gemini.decodeRequest(body, { model: "m" }).messages;
    expect(said?.content.map((part) => "signature" in part && part.signature !== undefined)).toEqual([false, false]);
  });

  test("names that were flattened for the upstream come back as they were offered", () => {
    const tools: CanonicalRequest["tools"] = [{ type: "function", name: "a.b:c" }];
    const chunks = encodeChunks(
      [
        { type: "message-start" },
        {
          type: "part-start",
          choice: 0,
          part: 0,
          start: { type: "tool-call", id: "1", name: "a_b_c", kind: "function" },
        },
        { type: "part-end", choice: 0, part: 0 },
        END,
      ],
      context({ tools }),
    );
    expect(partsIn(chunks)[0]).toMatchObject({ functionCall: { id: "1", name: "a.b:c", args: {} } });
  });

  test("a signature of another provider survives the caller's round trip as valid base64", () => {
    for (const redacted of [false, true]) {
      const signature = { origin: "anthropic-messages", value: "EqoB/+==" } as const;
      const thinking = { type: "thinking", text: "", signature, ...(redacted && { redacted }) } as const;
      const wire = gemini.encodeReply(
        { choices: [{ parts: [thinking, { type: "text", text: "ok" }], finish: { reason: "stop" } }] },
        context(),
      );
      const content = firstCandidate(wire).content as { parts: JsonObject[] };
      const slot = String(content.parts[0]?.thoughtSignature);
      expect(Buffer.from(slot, "base64").toString("base64")).toBe(slot);
      const urlSafe = slot.replaceAll("+", "-").replaceAll("/", "_");
      for (const text of [slot, urlSafe]) {
        const history = [{ role: "model", parts: [{ ...content.parts[0], thoughtSignature: text }, content.parts[1]] }];
        const request = gemini.decodeRequest({ contents: history } as JsonObject, { model: "m" });
        expect(request.messages[0]?.content[0]).toEqual(thinking);
      }
    }
  });

  test("annotations of another format become grounding metadata with byte offsets", () => {
    const text = "é Lisbon";
    const chunks = encodeChunks([
      { type: "message-start" },
      { type: "part-start", choice: 0, part: 0, start: { type: "text" } },
      { type: "text-delta", choice: 0, part: 0, text },
      {
        type: "annotation",
        choice: 0,
        part: 0,
        annotation: { type: "url", url: "https://a.example", start: 2, end: 8 },
      },
      { type: "part-end", choice: 0, part: 0 },
      END,
    ]);
    expect(firstCandidate(chunks.at(-1)).groundingMetadata).toEqual({
      groundingChunks: [{ web: { uri: "https://a.example" } }],
      groundingSupports: [{ segment: { startIndex: 3, endIndex: 9, text: "Lisbon" }, groundingChunkIndices: [0] }],
    });
  });

  test("several answers are candidates of their own", () => {
    const choice = (number: number): CanonicalEvent[] => [
      { type: "part-start", choice: number, part: 0, start: { type: "text" } },
      { type: "text-delta", choice: number, part: 0, text: `answer ${number}` },
      { type: "part-end", choice: number, part: 0 },
    ];
    const events: CanonicalEvent[] = [
      { type: "message-start" },
      ...choice(0),
      ...choice(1),
      END,
      { ...END, choice: 1 },
    ];
    const again = decode(encodeChunks(events));
    expect(collect(again).choices.map((one) => one.parts)).toEqual(collect(events).choices.map((one) => one.parts));
  });

  test("log probabilities come back as they went", () => {
    const tokens = [{ token: "a", logprob: -0.5, top: [{ token: "b", logprob: -2 }] }];
    const events: CanonicalEvent[] = [
      { type: "message-start" },
      { type: "logprobs", choice: 0, kind: "content", tokens },
      END,
    ];
    expect(collect(decode(encodeChunks(events))).choices[0]?.logprobs).toEqual({ content: tokens });
  });

  test("a silent stream is kept alive with white space only", () => {
    expect(gemini.keepAlive("sse").trim()).toBe("");
    expect(gemini.keepAlive("json-array").trim()).toBe("");
  });
});
