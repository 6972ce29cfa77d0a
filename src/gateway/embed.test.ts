/**
 * Tests of how embeddings are carried: bytes untouched where nothing has to change, the caller's encoding whatever the
 * upstream gives, and the same events on both ways.
 */
import { describe, expect, test } from "bun:test";
import { candidate, embeddingInquiry } from "../../test/support/calls.ts";
import type { CanonicalEvent } from "../core/event.ts";
import type { JsonObject } from "../core/json.ts";
import { embed } from "./embed.ts";

const encode = (body: unknown) => new TextEncoder().encode(typeof body === "string" ? body : JSON.stringify(body));
const text = (output: Uint8Array | string) => Buffer.from(output as string).toString();
const json = (output: Uint8Array | string): JsonObject => JSON.parse(text(output));
const usageOf = (events: readonly CanonicalEvent[]) =>
  events.flatMap((event) => (event.type === "usage" ? event.usage : []))[0];

const openai = (over: JsonObject = {}) =>
  embeddingInquiry("openai-embeddings", { model: "m", input: ["ab", "cd"], ...over });
const part = (word: string) => ({ model: "models/m", content: { parts: [{ text: word }] } });
const gemini = () =>
  embeddingInquiry("gemini-embeddings", { requests: [part("ab"), part("cd")] }, { model: "m", batch: true });
const geminiAlone = () => embeddingInquiry("gemini-embeddings", part("ab"), { model: "m", batch: false });

const OPENAI = candidate("openai-embeddings");
const GEMINI = candidate("gemini-embeddings");
const BASE64 = { float: [1, -2], base64: "AACAPwAAAMA=" };
const answer = (...embeddings: unknown[]) => ({
  object: "list",
  data: embeddings.map((embedding, index) => ({ object: "embedding", index, embedding })),
  model: "up-2025",
  usage: { prompt_tokens: 7, total_tokens: 7 },
});

describe("within one format", () => {
  test("the request goes out with only the model's name changed, the answer's bytes come back untouched", () => {
    const carried = embed(openai({ encoding_format: "float", made_up: 1 }), OPENAI);
    expect(carried).toMatchObject({ path: "relay", upstreamPath: "/embeddings", losses: [] });
    expect(text(carried.body)).toBe('{"model":"up","input":["ab","cd"],"encoding_format":"float","made_up":1}');
    const bytes = encode(`  ${JSON.stringify(answer([1.5], [2]))}\n`);
    const { output, events } = carried.whole(bytes);
    expect(output).toBe(bytes);
    expect(events.map((event) => event.type)).toEqual(["message-start", "usage", "message-end"]);
    expect(usageOf(events)).toMatchObject({ input: 7, output: 0, source: "measured" });
  });

  test("Gemini's go to the route that they came for", () => {
    const same = candidate("gemini-embeddings", { upstreamModel: "m" });
    const many = gemini();
    expect(embed(many, same)).toMatchObject({
      path: "relay",
      upstreamPath: "/models/m:batchEmbedContents",
      body: many.bytes,
    });
    const one = geminiAlone();
    expect(embed(one, same)).toMatchObject({ path: "relay", upstreamPath: "/models/m:embedContent", body: one.bytes });
    const bytes = encode({ embedding: { values: [1, 2] } });
    expect(embed(one, same).whole(bytes).output).toBe(bytes);
  });

  test("a name of the gateway's own is the upstream's on the way out", () => {
    expect(json(embed(gemini(), GEMINI).body)).toEqual({
      requests: [part("ab"), part("cd")].map((one) => ({ ...one, model: "models/up" })),
    });
    expect(json(embed(geminiAlone(), GEMINI).body).model).toBe("models/up");
  });

  for (const [wanted, given] of [
    ["base64", "float"],
    ["float", "base64"],
  ] as const) {
    test(`${wanted} was asked for and ${given} came: the caller gets what it asked for, and all else as it was`, () => {
      const carried = embed(openai({ encoding_format: wanted }), OPENAI);
      const { output, events } = carried.whole(encode({ ...answer(BASE64[given], BASE64[given]), id: "e-1" }));
      expect(json(output)).toEqual({ ...answer(BASE64[wanted], BASE64[wanted]), id: "e-1" } as never);
      expect(usageOf(events)).toMatchObject({ input: 7 });
    });
  }

  test("an upstream that refuses to be told an encoding is not told one", () => {
    const refusing = candidate("openai-embeddings", { quirks: { "openai-embeddings": { refuses: ["encoding"] } } });
    expect(json(embed(openai({ encoding_format: "base64" }), refusing).body)).toEqual({
      model: "up",
      input: ["ab", "cd"],
    });
  });
});

describe("between two formats", () => {
  test("OpenAI's caller in front of Gemini: a batch, and an answer in the encoding that was asked for", () => {
    const carried = embed(openai({ encoding_format: "base64", dimensions: 2, user: "u" }), GEMINI);
    expect(carried).toMatchObject({ path: "convert", upstreamPath: "/models/up:batchEmbedContents" });
    expect(carried.losses).toEqual([{ field: "endUser", kind: "dropped" }]);
    const body = { embeddings: [{ values: [1, -2] }, { values: [0.5, 0.25] }], usageMetadata: { promptTokenCount: 5 } };
    const { output, events } = carried.whole(encode(body));
    expect(json(output)).toEqual({
      object: "list",
      data: [
        { object: "embedding", index: 0, embedding: "AACAPwAAAMA=" },
        { object: "embedding", index: 1, embedding: "AAAAPwAAgD4=" },
      ],
      model: "m",
      usage: { prompt_tokens: 5, total_tokens: 5 },
    });
    expect(usageOf(events)).toMatchObject({ input: 5, source: "measured" });
  });

  test("Gemini's caller in front of OpenAI: numbers, in the form of the route that was called", () => {
    const many = embed(gemini(), OPENAI);
    expect(json(many.body)).toEqual({ model: "up", input: ["ab", "cd"] });
    expect(json(many.whole(encode(answer([1], "AAAAPw=="))).output)).toEqual({
      embeddings: [{ values: [1] }, { values: [0.5] }],
      usageMetadata: { promptTokenCount: 7, promptTokenDetails: [{ modality: "TEXT", tokenCount: 7 }] },
    });
    const one = embed(geminiAlone(), OPENAI);
    expect(json(one.body)).toEqual({ model: "up", input: "ab" });
    expect(json(one.whole(encode(answer([1]))).output)).toMatchObject({ embedding: { values: [1] } });
  });

  test("what cannot be said is refused before anything is sent", () => {
    expect(() => embed(openai({ input: [[1, 2]] }), GEMINI)).toThrow("takes texts, not tokens");
  });

  test("an answer with too few vectors, or with none that are numbers, is a failure", () => {
    const failures = [answer([1]), answer([1], [null]), answer([1], ""), { error: { message: "no" } }, "not JSON"];
    for (const body of failures) {
      const { output, events } = embed(gemini(), OPENAI).whole(encode(body));
      expect(output).toBe("");
      expect(events).toMatchObject([{ type: "error" }]);
    }
  });
});

test("tokens that the provider does not count are estimated from the texts, the same on both ways", () => {
  const body = encode({ embeddings: [{ values: [1] }, { values: [2] }] });
  const relayed = embed(gemini(), GEMINI).whole(body);
  const converted = embed(openai(), GEMINI).whole(body);
  for (const { events } of [relayed, converted])
    expect(usageOf(events)).toMatchObject({ input: 2, source: "estimated" });
  expect(json(converted.output).usage).toEqual({ prompt_tokens: 2, total_tokens: 2 });
});

test("an answer without vectors is a failure where bytes are relayed too", () => {
  for (const body of [{}, { data: [] }, "<html>"]) {
    expect(embed(openai(), OPENAI).whole(encode(body)).events).toMatchObject([
      { type: "error", failure: { code: "invalid_reply" } },
    ]);
  }
});
