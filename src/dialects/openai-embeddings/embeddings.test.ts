/**
 * Tests of OpenAI's embeddings format: what a request may hold, what is lost to it, and what compatible servers answer.
 * Recorded exchanges of real providers run through it in `test/wire/embeddings.test.ts`.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { EmbeddingRequest } from "../../core/embedding.ts";
import { GatewayError } from "../../core/error.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import { openaiEmbeddings } from "./index.ts";

const { decodeRequest, encodeRequest, decodeReply, encodeReply, peek, relayEdits } = openaiEmbeddings;
const target = { model: "up", quirks: {} };
const decode = (body: JsonObject) => decodeRequest({ model: "m", ...body }, {});
const texts = (...all: string[]) =>
  all.map((text) => ({ content: { type: "parts", parts: [{ type: "text", text }] } }));

describe("a request", () => {
  test("asks for one text or for a list of them", () => {
    expect(decode({ input: "a" })).toEqual({
      model: "m",
      inputs: texts("a"),
      single: true,
      encoding: "float",
    } as never);
    expect(decode({ input: ["a", "b"] })).toMatchObject({ inputs: texts("a", "b"), single: false });
  });

  test("may hold tokens in place of texts", () => {
    const tokens = (...all: number[][]) => all.map((one) => ({ content: { type: "tokens", tokens: one } }));
    expect(decode({ input: [1, 2, 3] })).toMatchObject({ inputs: tokens([1, 2, 3]), single: true });
    expect(decode({ input: [[1, 2], [3]] })).toMatchObject({ inputs: tokens([1, 2], [3]), single: false });
  });

  test("says dimensions for all, the encoding, the user; what else it says is kept", () => {
    const request = decode({
      input: ["a", "b"],
      dimensions: 256,
      encoding_format: "base64",
      user: "u",
      input_type: "query",
    });
    expect(request.inputs.map((input) => input.dimensions)).toEqual([256, 256]);
    expect(request).toMatchObject({
      encoding: "base64",
      endUser: "u",
      extras: { "openai-embeddings": { input_type: "query" } },
    });
  });

  test("comes back from the canon as it was", () => {
    for (const body of [
      { model: "up", input: "a" },
      { model: "up", input: ["a", "b"], dimensions: 8, encoding_format: "base64", user: "u", truncation: false },
      { model: "up", input: [[1, 2], [3]] },
      { model: "up", input: [{ content: [{ type: "image_url", image_url: { url: "data:," } }] }, "b"] },
    ] satisfies JsonObject[]) {
      expect(encodeRequest(decodeRequest(body, {}), target)).toEqual({ body, losses: [] });
    }
  });

  const WRONG: [string, JsonObject][] = [
    ["input", {}],
    ["input", { input: [] }],
    ["input", { input: 5 }],
    ["input[1]", { input: ["a", 5] }],
    ["input[1]", { input: [1, "a"] }],
    ["input[0][1]", { input: [[1, -2]] }],
    ["dimensions", { input: "a", dimensions: "8" }],
    ["dimensions", { input: "a", dimensions: 0 }],
    ["encoding_format", { input: "a", encoding_format: "int8" }],
    ["user", { input: "a", user: 5 }],
  ];
  for (const [param, body] of WRONG) {
    test(`${JSON.stringify(body)} is refused for its ${param}`, () => {
      expect(() => decode(body)).toThrow(expect.objectContaining({ code: "invalid_request", param }) as never);
    });
  }

  test("has a head without output tokens", () => {
    expect(peek({ model: "m", input: "a", user: "u" }, {})).toMatchObject({
      model: "m",
      stream: false,
      maxOutputTokens: 0,
      endUser: "u",
    });
    expect(() => peek({ input: "a" }, {})).toThrow("model");
  });

  test("is relayed with the upstream's name, and without an encoding that the upstream refuses", () => {
    expect(relayEdits({}, target)).toEqual([{ path: ["model"], value: '"up"' }]);
    expect(relayEdits({}, { model: "up", quirks: { refuses: ["encoding"] } })).toContainEqual({
      path: ["encoding_format"],
      remove: true,
    });
  });
});

describe("a request of Gemini's", () => {
  const request = (over: Partial<EmbeddingRequest> = {}): EmbeddingRequest => ({
    model: "m",
    inputs: [{ content: { type: "parts", parts: [{ type: "text", text: "a" }] } }],
    single: true,
    encoding: "float",
    ...over,
  });
  const [input] = request().inputs as [EmbeddingRequest["inputs"][number]];

  test("loses its task, its title and its own fields", () => {
    const extras = { "gemini-embeddings": { autoTruncate: false } };
    const { body, losses } = encodeRequest(
      request({ inputs: [{ ...input, task: "RETRIEVAL_QUERY", title: "t", extras }] }),
      target,
    );
    expect(body).toEqual({ model: "up", input: "a" });
    expect(losses.map((loss) => loss.field)).toEqual(["task", "title", "autoTruncate"]);
  });

  test("of several texts is one text, and says so", () => {
    const parts = ["a", "b"].map((text) => ({ type: "text" as const, text }));
    const { body, losses } = encodeRequest(request({ inputs: [{ content: { type: "parts", parts } }] }), target);
    expect(body.input).toBe("a\nb");
    expect(losses).toEqual([{ field: "input.parts", kind: "altered" }]);
  });

  test("with a picture is refused: a vector of the words alone would be another", () => {
    const parts = [
      { type: "text" as const, text: "a" },
      { type: "opaque" as const, dialect: "gemini-embeddings" as const, value: {} },
    ];
    expect(() => encodeRequest(request({ inputs: [{ content: { type: "parts", parts } }] }), target)).toThrow(
      "texts only",
    );
  });

  test("can have one number of dimensions only", () => {
    const inputs = [
      { ...input, dimensions: 8 },
      { ...input, dimensions: 16 },
    ];
    expect(() => encodeRequest(request({ inputs, single: false }), target)).toThrow("same number of dimensions");
  });

  test("loses what the upstream refuses", () => {
    const refusing = { model: "up", quirks: { refuses: ["dimensions", "encoding", "endUser"] } };
    const asked = request({ inputs: [{ ...input, dimensions: 8 }], encoding: "base64", endUser: "u" });
    const { body, losses } = encodeRequest(asked, refusing);
    expect(body).toEqual({ model: "up", input: "a" });
    expect(losses.map((loss) => loss.field)).toEqual(["dimensions", "endUser"]);
  });
});

describe("a reply", () => {
  const reply = (over: JsonObject) =>
    decodeReply({ object: "list", data: [{ object: "embedding", index: 0, embedding: [1] }], ...over });

  test("has vectors in the order of their numbers, in either encoding", () => {
    const data = [
      { index: 1, embedding: "AACAPw==" },
      { index: 0, embedding: [0.5] },
    ];
    expect(reply({ data }).vectors).toEqual([[0.5], "AACAPw=="]);
    expect(reply({ data: [{ embedding: [1] }, { embedding: [2] }] }).vectors).toEqual([[1], [2]]);
  });

  test("has its tokens under either name, and none when nothing was counted", () => {
    expect(reply({ usage: { prompt_tokens: 7, total_tokens: 7 } }).usage).toMatchObject({
      input: 7,
      output: 0,
      source: "measured",
    });
    expect(reply({ usage: { total_tokens: 7 } }).usage).toMatchObject({ input: 7, thinking: 0 });
    expect(reply({ usage: { prompt_tokens: 7, total_tokens: 9 } }).usage).toMatchObject({ input: 7, thinking: 0 });
    const details = { prompt_tokens: 10, prompt_tokens_details: { image_tokens: 6 } };
    expect(reply({ usage: details }).usage).toMatchObject({ input: 4, imageInput: 6 });
    expect(reply({ usage: { prompt_tokens: 0, total_tokens: 0 } }).usage).toBeUndefined();
    expect(reply({}).usage).toBeUndefined();
  });

  test("without vectors is a failure", () => {
    const nothing: Json[] = [
      null,
      [],
      "x",
      {},
      { data: [] },
      { data: [{}] },
      { data: [{ embedding: [] }] },
      { data: [{ embedding: "" }] },
    ];
    for (const body of nothing)
      expect(decodeReply(body).failure).toMatchObject({ kind: "server", code: "invalid_reply" });
    const refusal = decodeReply({ error: { message: "no", code: "rate_limit_exceeded" } });
    expect(refusal.failure).toMatchObject({ kind: "rate-limit", message: "no" });
  });

  test("is written in the standard form", () => {
    const context = { model: "shown", request: decode({ input: "a" }) };
    expect(encodeReply({ vectors: [[0.5], "AACAPw=="] }, context)).toEqual({
      object: "list",
      data: [
        { object: "embedding", index: 0, embedding: [0.5] },
        { object: "embedding", index: 1, embedding: "AACAPw==" },
      ],
      model: "shown",
      usage: { prompt_tokens: 0, total_tokens: 0 },
    });
    const body = {
      object: "list",
      data: [{ object: "embedding", index: 0, embedding: [1] }],
      model: "x",
      usage: { prompt_tokens: 3, total_tokens: 3 },
      id: "e-1",
    };
    expect(encodeReply(decodeReply(body), context)).toEqual(body);
  });
});

test("whatever a caller or an upstream sends is decoded or refused, never a crash", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (input, other) => {
      try {
        encodeRequest(decode({ input: input as Json, dimensions: other as Json }), target);
      } catch (error) {
        expect(error).toBeInstanceOf(GatewayError);
      }
      expect(decodeReply({ data: input as Json, usage: other as Json })).toHaveProperty("vectors");
      expect(decodeReply({ data: [{ embedding: input as Json, index: other as Json }] })).toHaveProperty("vectors");
      expect(decodeReply(input as Json)).toHaveProperty("vectors");
    }),
  );
});
