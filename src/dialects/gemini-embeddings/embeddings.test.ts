/**
 * Tests of Gemini's embeddings format: single and batch, both spellings, what is lost to it, and its usage.
 * Recorded exchanges of the real provider run through it in `test/wire/embeddings.test.ts`.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { EmbeddingRequest } from "../../core/embedding.ts";
import { GatewayError } from "../../core/error.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import { openaiEmbeddings } from "../openai-embeddings/index.ts";
import { geminiEmbeddings } from "./index.ts";

const { decodeRequest, encodeRequest, decodeReply, encodeReply, peek, relayEdits, upstreamPath } = geminiEmbeddings;
const target = { model: "up", quirks: {} };
const content = (...parts: JsonObject[]) => ({ parts });
const SINGLE = { model: "models/m", batch: false };
const BATCH = { model: "m", batch: true };

describe("a request", () => {
  test("alone is single, in a batch it is one of a list", () => {
    const inputs = [{ content: { type: "parts", parts: [{ type: "text", text: "a" }] } }];
    expect(decodeRequest({ content: content({ text: "a" }) }, SINGLE)).toEqual({
      model: "m",
      inputs,
      single: true,
      encoding: "float",
    } as never);
    expect(decodeRequest({ requests: [{ content: content({ text: "a" }) }] }, BATCH)).toMatchObject({
      model: "m",
      inputs,
      single: false,
    });
  });

  test("says its wishes in either spelling, each for itself or in an object of their own", () => {
    const requests = [
      {
        content: content({ text: "a" }),
        taskType: "RETRIEVAL_DOCUMENT",
        title: "t",
        outputDimensionality: 8,
        autoTruncate: true,
      },
      { content: { role: "user", ...content({ text: "b" }) }, task_type: "CLUSTERING", output_dimensionality: 16 },
      { content: content({ text: "c" }), embedContentConfig: { output_dimensionality: 4, documentOcr: true } },
    ];
    const { inputs } = decodeRequest({ requests }, BATCH);
    expect(inputs).toMatchObject([
      {
        task: "RETRIEVAL_DOCUMENT",
        title: "t",
        dimensions: 8,
        extras: { "gemini-embeddings": { autoTruncate: true } },
      },
      { task: "CLUSTERING", dimensions: 16 },
      { dimensions: 4, extras: { "gemini-embeddings": { documentOcr: true } } },
    ]);
    expect(inputs[1]?.extras).toBeUndefined();
  });

  test("may hold more than text, which the model has to be able to take", () => {
    const picture = { inline_data: { mime_type: "image/png", data: "iVBORw0KGgo=" } };
    const body = { requests: [{ content: content({ text: "logo" }, picture) }] };
    expect(decodeRequest(body, BATCH).inputs[0]?.content).toEqual({
      type: "parts",
      parts: [
        { type: "text", text: "logo" },
        { type: "opaque", dialect: "gemini-embeddings", value: picture },
      ],
    });
    expect(peek(body, BATCH)).toMatchObject({ model: "m", needs: ["images"], maxOutputTokens: 0, stream: false });
    expect(peek({ content: content({ fileData: { mimeType: "application/pdf" } }) }, SINGLE).needs).toEqual(["files"]);
  });

  test("of a batch comes back from the canon as it was", () => {
    const requests = [
      {
        model: "models/up",
        content: content({ text: "a" }, { text: "b" }),
        taskType: "CLUSTERING",
        title: "t",
        outputDimensionality: 8,
      },
      {
        model: "models/up",
        content: content({ inlineData: { mimeType: "image/png", data: "" } }),
        autoTruncate: false,
      },
    ];
    expect(encodeRequest(decodeRequest({ requests }, BATCH), target)).toEqual({ body: { requests }, losses: [] });
  });

  const WRONG: [string, JsonObject, typeof BATCH][] = [
    ["requests", {}, BATCH],
    ["requests", { requests: [] }, BATCH],
    ["requests[0]", { requests: ["a"] }, BATCH],
    ["requests[0].content", { requests: [{}] }, BATCH],
    ["content", { requests: [] }, SINGLE],
    ["content.parts", { content: {} }, SINGLE],
    ["content.parts[0]", { content: { parts: ["a"] } }, SINGLE],
    [
      "requests[0].outputDimensionality",
      { requests: [{ content: content({ text: "a" }), output_dimensionality: "8" }] },
      BATCH,
    ],
    ["taskType", { content: content({ text: "a" }), taskType: 5 }, SINGLE],
  ];
  for (const [param, body, path] of WRONG) {
    test(`${JSON.stringify(body)} is refused for its ${param}`, () => {
      expect(() => decodeRequest(body, path)).toThrow(
        expect.objectContaining({ code: "invalid_request", param }) as never,
      );
    });
  }
});

describe("on its way to the same format", () => {
  test("a body that names the upstream's model already is left alone", () => {
    expect(relayEdits({ requests: [{ model: "models/up" }, {}] }, target)).toEqual([]);
    expect(relayEdits({ model: "models/up", content: {} }, target)).toEqual([]);
    expect(relayEdits({ content: {} }, target)).toEqual([]);
  });

  test("another name is replaced, in each request of a batch", () => {
    expect(relayEdits({ model: "models/m", content: {} }, target)).toEqual([{ path: ["model"], value: '"models/up"' }]);
    const [edit] = relayEdits({ requests: [{ model: "models/m", title: "t" }, { title: "u" }] }, target);
    expect(edit).toMatchObject({ path: ["requests"] });
    const renamed = [
      { model: "models/up", title: "t" },
      { model: "models/up", title: "u" },
    ];
    expect(JSON.parse((edit as { value: string }).value)).toEqual(renamed);
  });

  test("one goes to one path and many to another", () => {
    expect(upstreamPath("up", true)).toBe("/models/up:embedContent");
    expect(upstreamPath("tunedModels/a b", false)).toBe("/tunedModels/a%20b:batchEmbedContents");
  });
});

describe("a request of OpenAI's", () => {
  const convert = (body: JsonObject) =>
    encodeRequest(openaiEmbeddings.decodeRequest({ model: "m", ...body }, {}), target);

  test("is a batch, whether it was a list or not", () => {
    const request = (text: string) => ({ model: "models/up", content: content({ text }), outputDimensionality: 8 });
    expect(convert({ input: "a", dimensions: 8 })).toEqual({ body: { requests: [request("a")] }, losses: [] });
    expect(convert({ input: ["a", "b"], dimensions: 8, encoding_format: "base64" }).body).toEqual({
      requests: [request("a"), request("b")],
    });
  });

  test("loses its user and the fields of other servers", () => {
    const { losses } = convert({ input: "a", user: "u", truncation: true });
    expect(losses.map((loss) => loss.field)).toEqual(["endUser", "truncation"]);
  });

  test("of tokens or objects is refused: there is no way to say them", () => {
    for (const input of [[1, 2], [[1, 2], [3]], [{ image: "x" }]] as Json[]) {
      expect(() => convert({ input })).toThrow(
        expect.objectContaining({ code: "invalid_request", param: "input" }) as never,
      );
    }
  });

  test("loses what the upstream refuses", () => {
    const { body, losses } = encodeRequest(
      openaiEmbeddings.decodeRequest({ model: "m", input: "a", dimensions: 8 }, {}),
      {
        model: "up",
        quirks: { refuses: ["dimensions"] },
      },
    );
    expect(body).toEqual({ requests: [{ model: "models/up", content: content({ text: "a" }) }] });
    expect(losses).toEqual([{ field: "dimensions", kind: "dropped" }]);
  });
});

describe("a reply", () => {
  test("has one vector or a list", () => {
    expect(decodeReply({ embedding: { values: [1, 2] } }).vectors).toEqual([[1, 2]]);
    expect(decodeReply({ embeddings: [{ values: [1] }, { values: [2] }] }).vectors).toEqual([[1], [2]]);
  });

  test("counts tokens by kind, or not at all", () => {
    const usageMetadata = {
      promptTokenCount: 300,
      promptTokenDetails: [
        { modality: "IMAGE", tokenCount: 258 },
        { modality: "AUDIO", tokenCount: 32 },
        { modality: "TEXT", tokenCount: 10 },
      ],
    };
    const { usage } = decodeReply({ embedding: { values: [1] }, usageMetadata });
    expect(usage).toMatchObject({ input: 10, imageInput: 258, audioInput: 32, output: 0, source: "measured" });
    expect(decodeReply({ embedding: { values: [1] } }).usage).toBeUndefined();
    expect(decodeReply({ embedding: { values: [1] }, usageMetadata: {} }).usage).toBeUndefined();
  });

  test("comes back from the canon as it was, single for who asked for one", () => {
    const usageMetadata = { promptTokenCount: 4, promptTokenDetails: [{ modality: "TEXT", tokenCount: 4 }] };
    const one = decodeRequest({ content: content({ text: "a" }) }, SINGLE);
    const many = decodeRequest({ requests: [{ content: content({ text: "a" }) }] }, BATCH);
    const replies: [JsonObject, EmbeddingRequest][] = [
      [{ embedding: { values: [1] }, usageMetadata }, one],
      [{ embeddings: [{ values: [1] }], usageMetadata }, many],
      [{ embeddings: [{ values: [1] }], metadata: { x: 1 } }, many],
    ];
    for (const [body, request] of replies) {
      expect(encodeReply(decodeReply(body), { model: "m", request })).toEqual(body);
    }
  });

  test("without vectors is a failure", () => {
    for (const body of [
      null,
      [],
      {},
      { embedding: {} },
      { embeddings: [] },
      { embeddings: [{ values: [] }] },
    ] as Json[]) {
      expect(decodeReply(body).failure).toMatchObject({ kind: "server", code: "invalid_reply" });
    }
    expect(decodeReply({ error: { code: 429, message: "no", status: "RESOURCE_EXHAUSTED" } }).failure).toMatchObject({
      kind: "rate-limit",
    });
  });
});

test("whatever a caller or an upstream sends is decoded or refused, never a crash", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (one, other) => {
      const bodies: [JsonObject, typeof BATCH][] = [
        [{ requests: one as Json, x: other as Json }, BATCH],
        [{ requests: [{ content: one as Json, embedContentConfig: other as Json }] }, BATCH],
        [{ content: { parts: one as Json }, outputDimensionality: other as Json }, SINGLE],
      ];
      for (const [body, path] of bodies) {
        try {
          peek(body, path);
          relayEdits(body, target);
          encodeRequest(decodeRequest(body, path), target);
        } catch (error) {
          expect(error).toBeInstanceOf(GatewayError);
        }
      }
      expect(decodeReply({ embeddings: one as Json, usageMetadata: other as Json })).toHaveProperty("vectors");
      expect(decodeReply({ embedding: { values: one as Json }, usageMetadata: other as Json })).toHaveProperty(
        "vectors",
      );
      expect(decodeReply(one as Json)).toHaveProperty("vectors");
    }),
  );
});
