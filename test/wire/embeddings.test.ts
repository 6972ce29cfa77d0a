/**
 * Recorded exchanges of embeddings through their dialects: every answer is decoded with the usage that it states, comes back
 * as it was, and becomes an answer of the other format; every request becomes one of the other format.
 */
import { describe, expect, test } from "bun:test";
import { EMBEDDING_DIALECT_IDS, type EmbeddingDialectId, encodeVector } from "../../src/core/embedding.ts";
import { GatewayError } from "../../src/core/error.ts";
import { asArray, asObject, type Json, type JsonObject } from "../../src/core/json.ts";
import { promptTokens } from "../../src/core/usage.ts";
import { EMBEDDING_DIALECTS } from "../../src/dialects/index.ts";
import { clientRequests, haveRecordings, type Recording, recordings, SKIP_REASON } from "../support/wire.ts";

const APIS: { readonly [D in EmbeddingDialectId]: string } = {
  "openai-embeddings": "openai.embeddings",
  "gemini-embeddings": "gemini.embedContent",
};
const FAILED = 400;
const TARGET = { model: "up", quirks: {} };
const other = (id: EmbeddingDialectId) =>
  EMBEDDING_DIALECTS[id === "openai-embeddings" ? "gemini-embeddings" : "openai-embeddings"];

function pathOf(path: string) {
  const [, model, verb] = /models\/([^:]+):(\w+)/.exec(path) ?? [];
  return model === undefined ? {} : { model, batch: verb === "batchEmbedContents" };
}

/** The vectors and the token count of an answer, read without the dialects. */
function said(body: JsonObject): { vectors: Json[]; tokens: number | undefined } {
  const entries = asArray(body.data ?? body.embeddings).map((entry) => asObject(entry) ?? {});
  const usage = asObject(body.usage) ?? asObject(body.usageMetadata) ?? {};
  return {
    vectors: entries.map((entry) => (entry.embedding ?? entry.values) as Json),
    tokens: (usage.prompt_tokens ?? usage.promptTokenCount) as number | undefined,
  };
}

/** A request to answer, where the recording has none. */
function requestOf(id: EmbeddingDialectId, { request, response }: Recording) {
  const dialect = EMBEDDING_DIALECTS[id];
  if (request) return dialect.decodeRequest(request.body, pathOf(request.path));
  const { vectors } = said(response.body as JsonObject);
  return dialect.decodeRequest({ model: "m", input: vectors.map(() => "a") }, {});
}

function testAnswer(id: EmbeddingDialectId, recording: Recording): void {
  const dialect = EMBEDDING_DIALECTS[id];
  const body = recording.response.body as JsonObject;
  const request = requestOf(id, recording);

  test(`${recording.file}: the answer says what it says, and comes back as it was`, () => {
    const reply = dialect.decodeReply(body);
    const { vectors, tokens } = said(body);
    expect(reply.vectors as Json[]).toEqual(vectors);
    expect(reply.vectors).toHaveLength(request.inputs.length);
    expect(reply.usage && promptTokens(reply.usage)).toBe(tokens);
    const back = dialect.encodeReply(reply, { model: "m", request });
    expect(said(back)).toEqual({ vectors, tokens });
  });

  test(`${recording.file}: the answer becomes one of the other format`, () => {
    const reply = dialect.decodeReply(body);
    const told = other(id).encodeReply(reply, { model: "m", request });
    const { vectors, tokens = 0 } = said(body);
    expect(other(id).decodeReply(told)).toMatchObject({ vectors });
    expect(said(told).tokens ?? 0).toBe(tokens);
    const text = encodeVector(reply.vectors[0] ?? "", "base64") as string;
    const floats = Array.from(Float32Array.from(vectors[0] as number[]));
    expect(Array.from(new Float32Array(Uint8Array.from(Buffer.from(text, "base64")).buffer))).toEqual(floats);
  });
}

for (const id of EMBEDDING_DIALECT_IDS) {
  const dialect = EMBEDDING_DIALECTS[id];
  describe(`recordings of ${id}`, () => {
    if (!haveRecordings()) test.skip(SKIP_REASON, () => {});
    const all = recordings(APIS[id]);

    for (const recording of all.filter(({ response }) => response.status < FAILED)) testAnswer(id, recording);

    for (const { file, request, tags } of all) {
      if (!request) continue;
      test(`${file}: the request comes back as it was, and becomes one of the other format`, () => {
        const decoded = dialect.decodeRequest(request.body, pathOf(request.path));
        const back = dialect.encodeRequest(decoded, TARGET);
        expect(back.losses).toEqual([]);
        expect(dialect.decodeRequest(back.body, { model: decoded.model, batch: true })).toEqual({
          ...decoded,
          model: id === "openai-embeddings" ? "up" : decoded.model,
        });
        if (tags.includes("image")) {
          expect(() => other(id).encodeRequest(decoded, TARGET)).toThrow(GatewayError);
          return;
        }
        const told = other(id).encodeRequest(decoded, TARGET);
        const again = other(id).decodeRequest(told.body, { model: "up", batch: true });
        const texts = (inputs: typeof decoded.inputs) => inputs.map(({ content }) => content);
        expect(texts(again.inputs)).toEqual(texts(decoded.inputs));
        expect(again.inputs.map((input) => input.dimensions)).toEqual(decoded.inputs.map((input) => input.dimensions));
      });
    }

    for (const { file, response } of all.filter(({ response }) => response.status >= FAILED)) {
      test(`${file}: the error is understood`, () => {
        const failure = dialect.decodeError(response.status, new Headers(), JSON.stringify(response.body));
        const kinds: Record<number, string> = { 400: "invalid-request", 401: "authentication", 404: "not-found" };
        expect(failure.kind).toBe((kinds[response.status] ?? "server") as typeof failure.kind);
        expect(failure.message).not.toBe("");
      });
    }
  });
}

describe("requests of real tools", () => {
  if (!haveRecordings()) test.skip(SKIP_REASON, () => {});
  const wanted = clientRequests().filter(({ path }) => /\/embeddings$|mbedContents?$/.test(path));
  if (haveRecordings()) test("are there", () => expect(wanted.length).toBeGreaterThanOrEqual(4));

  for (const { file, path, body } of wanted) {
    test(file, () => {
      const id = path.endsWith("/embeddings") ? "openai-embeddings" : "gemini-embeddings";
      const decoded = EMBEDDING_DIALECTS[id].decodeRequest(body as JsonObject, pathOf(path));
      expect(decoded.model).toMatch(/embedding/);
      expect(decoded.encoding).toBe((asObject(body)?.encoding_format as "base64" | undefined) ?? "float");
      expect(decoded.extras).toBeUndefined();
      expect(other(id).encodeRequest(decoded, TARGET).losses).toEqual([]);
    });
  }
});
