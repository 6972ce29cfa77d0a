/** Unit tests of reading answers, whole and streamed: order, signatures, arguments in pieces, finish reasons, citations, usage. */
import { describe, expect, test } from "bun:test";
import { checkOrder } from "../../../test/support/order.ts";
import type { CanonicalEvent } from "../../core/event.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import { collect } from "../../core/reply.ts";
import { emptyUsage } from "../../core/usage.ts";
import { gemini } from "./index.ts";

function decode(chunks: Json[]): CanonicalEvent[] {
  const decoder = gemini.streamDecoder({ id: "req_1" });
  const events = chunks.flatMap((chunk) => decoder.frame({ event: undefined, data: JSON.stringify(chunk) }));
  const all = [...events, ...decoder.end()];
  checkOrder(all);
  return all;
}

function parts(list: JsonObject[], finishReason?: Json, more: JsonObject = {}): JsonObject {
  return { candidates: [{ content: { parts: list }, ...(finishReason !== undefined && { finishReason }), ...more }] };
}

describe("decoding", () => {
  test("a signature on an empty text in the last chunk stays with the text", () => {
    const reply = collect(
      decode([
        parts([{ text: "Hel" }]),
        parts([{ text: "lo" }]),
        parts([{ text: "", thoughtSignature: "S=" }], "STOP"),
      ]),
    );
    expect(reply.choices[0]?.parts).toEqual([
      { type: "text", text: "Hello", signature: { origin: "gemini", value: "S=" } },
    ]);
  });

  test("a signature without any text is a text of its own", () => {
    const reply = collect(
      decode([
        parts([{ functionCall: { name: "f" }, thoughtSignature: "A=" }]),
        parts([{ text: "", thoughtSignature: "B=" }], "STOP"),
      ]),
    );
    expect(reply.choices[0]?.parts).toEqual([
      {
        type: "tool-call",
        id: "callgm_req1_0",
        name: "f",
        kind: "function",
        arguments: "{}",
        signature: { origin: "gemini", value: "A=" },
      },
      { type: "text", text: "", signature: { origin: "gemini", value: "B=" } },
    ]);
    expect(reply.choices[0]?.finish.reason).toBe("tool-calls");
  });

  test("thoughts, texts, code and pictures keep their order", () => {
    const code = { executableCode: { language: "PYTHON", code: "1" }, thoughtSignature: "C=" };
    const events = decode([
      parts([{ text: "hm", thought: true }]),
      parts([{ text: "so ", thought: false }, { text: "be it" }, code, {}]),
      parts([{ inlineData: { mimeType: "image/png", data: "AA==" } }], "STOP"),
    ]);
    expect(collect(events).choices[0]?.parts).toEqual([
      { type: "thinking", text: "hm" },
      { type: "text", text: "so be it" },
      {
        type: "server-call",
        id: "callgm_sreq1_0",
        call: { kind: "code-execution", code: "1", language: "python" },
        native: { dialect: "gemini", value: code },
      },
      { type: "image", source: { type: "base64", data: "AA==", mediaType: "image/png" } },
    ]);
  });

  test("streamed arguments are put together", () => {
    const call = (functionCall: JsonObject) => parts([{ functionCall }]);
    const piece = (jsonPath: string, value: JsonObject) =>
      call({ partialArgs: [{ jsonPath, ...value }], willContinue: true });
    const events = decode([
      call({ name: "cook", willContinue: true }),
      piece("$.steps[1].text", { stringValue: "sti", willContinue: true }),
      piece("$.steps[1].text", { stringValue: "r", willContinue: true }),
      piece("$.steps[1].text", { stringValue: "" }),
      piece("$['na.me']", { numberValue: 2 }),
      piece("$.ok", { boolValue: true }),
      piece("$.none", { nullValue: "NULL_VALUE" }),
      call({}),
      parts([], "STOP"),
    ]);
    const part = collect(events).choices[0]?.parts[0];
    expect(part?.type === "tool-call" && JSON.parse(part.arguments)).toEqual({
      steps: [null, { text: "stir" }],
      "na.me": 2,
      ok: true,
      none: null,
    });
  });

  test("finish reasons: several, as numbers, unknown", () => {
    const reason = (...words: Json[]) => {
      const reply = collect(decode(words.map((word) => parts([{ text: "x" }], word))));
      return [reply.choices[0]?.finish.reason, reply.choices[0]?.finish.native?.value];
    };
    expect(reason("STOP", "MAX_TOKENS")).toEqual(["length", "MAX_TOKENS"]);
    expect(reason(0, 1)).toEqual(["stop", 1]);
    expect(reason("SAFETY")).toEqual(["content-filter", "SAFETY"]);
    expect(reason("BRAND_NEW")).toEqual(["other", "BRAND_NEW"]);
    expect(reason("toString")).toEqual(["other", "toString"]);
  });

  test("a stream without a finish reason is incomplete; an error in it ends it, bare or framed", () => {
    expect(decode([parts([{ text: "x" }])]).at(-1)).toMatchObject({
      type: "error",
      failure: { code: "incomplete_stream" },
    });
    const broken = decode([
      parts([{ text: "x" }]),
      { error: { code: 503, message: "busy", status: "UNAVAILABLE" } },
      parts([{ text: "y" }]),
    ]);
    expect(broken.at(-1)).toMatchObject({
      type: "error",
      failure: { kind: "overloaded", status: 503, code: "UNAVAILABLE" },
    });
  });

  test("bodies that are no answer become an error", () => {
    for (const body of [null, "text", 5, [], {}, { candidates: [] }, { error: "bad" }, [{ error: { code: 500 } }]]) {
      expect(gemini.decodeReply(body as Json, { id: "x" }).at(-1)?.type).toBe("error");
    }
  });

  test("citations count in UTF-16 units, though the wire counts bytes", () => {
    const text = "é👋 Lisbon is sunny.";
    const bytes = Buffer.byteLength("é👋 ");
    const segment = { startIndex: bytes, endIndex: bytes + "Lisbon is sunny.".length, text: "Lisbon is sunny." };
    const groundingMetadata = {
      groundingChunks: [{ web: { uri: "https://a.example", title: "A" } }],
      groundingSupports: [{ segment, groundingChunkIndices: [0] }],
      webSearchQueries: ["q1", "q2"],
    };
    const events = decode([
      parts([{ text: text.slice(0, 5) }]),
      { ...parts([{ text: text.slice(5) }], "STOP", { groundingMetadata }), usageMetadata: { promptTokenCount: 1 } },
    ]);
    const reply = collect(events);
    expect(reply.choices[0]?.parts[0]).toMatchObject({
      text,
      annotations: [{ type: "url", url: "https://a.example", title: "A", start: 4, end: text.length }],
    });
    expect(reply.usage?.webSearches).toBe(2);
    expect(reply.choices[0]?.extras?.gemini).toEqual({ groundingMetadata });
  });
});

describe("usage", () => {
  const usageOf = (usageMetadata: JsonObject) => collect(decode([{ ...parts([], "STOP"), usageMetadata }])).usage;

  test("cached tokens are inside the prompt, thoughts beside the candidates, tools' tokens beside the prompt", () => {
    const usage = usageOf({
      promptTokenCount: 100,
      cachedContentTokenCount: 60,
      toolUsePromptTokenCount: 7,
      candidatesTokenCount: 20,
      thoughtsTokenCount: 30,
      totalTokenCount: 157,
    });
    expect(usage).toEqual({ ...emptyUsage("measured"), input: 47, cacheRead: 60, output: 20, thinking: 30 });
  });

  test("modalities are classes of their own, without what was cached of them", () => {
    const usage = usageOf({
      promptTokenCount: 100,
      cachedContentTokenCount: 40,
      promptTokensDetails: [
        { modality: "TEXT", tokenCount: 10 },
        { modality: "IMAGE", tokenCount: 60 },
        { modality: 4, tokenCount: 30 },
      ],
      cacheTokensDetails: [{ modality: "IMAGE", tokenCount: 40 }],
      candidatesTokenCount: 50,
      candidatesTokensDetails: [{ modality: "AUDIO", tokenCount: 45 }],
    });
    expect(usage).toMatchObject({
      input: 10,
      cacheRead: 40,
      imageInput: 20,
      audioInput: 30,
      output: 5,
      audioOutput: 45,
    });
  });

  test("an imitator that counts thoughts among the candidates is found out by its total", () => {
    const usage = usageOf({
      promptTokenCount: 10,
      candidatesTokenCount: 20,
      thoughtsTokenCount: 15,
      totalTokenCount: 30,
    });
    expect(usage).toMatchObject({ input: 10, output: 5, thinking: 15 });
  });

  test("nonsense counts as nothing", () => {
    expect(usageOf({ promptTokenCount: -5, candidatesTokenCount: "9", totalTokenCount: null })).toEqual(
      emptyUsage("measured"),
    );
  });
});
