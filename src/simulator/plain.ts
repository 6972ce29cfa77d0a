/**
 * Answers that are not generated: token counts, embeddings, model lists.
 * The routes name them; they share the envelopes and faults of the API they belong to.
 */
import { readAnthropic } from "./anthropic-read.ts";
import type { Incoming, Memory } from "./api.ts";
import { field } from "./gemini-contents.ts";
import { readGemini } from "./gemini-read.ts";
import { arrayOf, isObject, type Json, numberOf, objectOf, stringOf } from "./json.ts";
import { isUnknownModel, missing, readModel, unsupported, wrongType } from "./openai-common.ts";
import type { Usage } from "./plan.ts";
import { invalid, Problem } from "./problem.ts";
import { createView, promptTokens, seeUserText, type View } from "./reading.ts";
import { seedOf } from "./seed.ts";

/** An answer that needs no plan. */
export interface Plain {
  view: View;
  body: Json;
  usage: Usage | null;
}

const MAX_INPUTS = 2_048;
const MAX_DIMENSIONS = 4_096;
const GEMINI_DIMENSIONS = 3_072;

const inputOnly = (input: number): Usage => ({
  input,
  cacheRead: 0,
  cacheWrite5m: 0,
  cacheWrite1h: 0,
  output: 0,
  thinking: 0,
});

/** A unit vector that is always the same for the same text. */
export function vectorOf(text: string, dimensions: number): Float32Array {
  const seed = seedOf(text);
  const vector = new Float32Array(dimensions);
  let state = (seed.low ^ seed.high) | 1;
  let sum = 0;
  for (let index = 0; index < dimensions; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const value = state / 2_147_483_648;
    vector[index] = value;
    sum += value * value;
  }
  const scale = 1 / Math.sqrt(sum);
  for (let index = 0; index < dimensions; index++) vector[index] = (vector[index] ?? 0) * scale;
  return vector;
}

function inputsOf(body: Json): (string | number[])[] {
  const { input } = body;
  if (input === undefined || input === null) throw missing("input");
  if (typeof input === "string") {
    if (input === "") throw invalid("Invalid 'input': input cannot be an empty string.", "input", "invalid_value");
    return [input];
  }
  if (!Array.isArray(input)) throw wrongType("input", "a string or an array", input);
  if (input.length === 0) throw invalid("Invalid 'input': input cannot be an empty array.", "input", "empty_array");
  if (typeof input[0] === "number") return [input as number[]];
  if (input.length > MAX_INPUTS) {
    const words = `Expected an array with maximum length ${MAX_INPUTS}, but got an array with length ${input.length} instead.`;
    throw invalid(`Invalid 'input': array too long. ${words}`, "input", "array_above_max_length");
  }
  for (const [index, one] of input.entries()) {
    if (typeof one !== "string" && !Array.isArray(one)) throw wrongType(`input[${index}]`, "a string", one);
    if (one === "")
      throw invalid(`Invalid 'input[${index}]': input cannot be an empty string.`, "input", "invalid_value");
  }
  return input as (string | number[])[];
}

/** `POST /v1/embeddings`. */
export function embed(call: Incoming): Plain {
  const { body } = call;
  const model = readModel(body, "you must provide a model parameter");
  if (isUnknownModel(model)) {
    throw new Problem(
      404,
      `The model \`${model}\` does not exist or you do not have access to it.`,
      null,
      "model_not_found",
    );
  }
  const format = body.encoding_format ?? "float";
  if (format !== "float" && format !== "base64") throw unsupported("encoding_format", format, ["float", "base64"]);
  const full = model.includes("large") ? 3_072 : 1_536;
  const dimensions = body.dimensions === undefined || body.dimensions === null ? full : numberOf(body.dimensions);
  if (dimensions === undefined || !Number.isInteger(dimensions))
    throw wrongType("dimensions", "an integer", body.dimensions);
  if (dimensions < 1 || dimensions > full) {
    throw invalid(`Invalid value for 'dimensions' = ${dimensions}. Must be between 1 and ${full}.`, "dimensions");
  }
  const view = createView(call.raw, body, model);
  const inputs = inputsOf(body);
  let tokens = 0;
  const data = inputs.map((input, index) => {
    tokens += typeof input === "string" ? Math.max(1, Math.ceil(input.length / 4)) : input.length;
    const vector = vectorOf(typeof input === "string" ? input : JSON.stringify(input), dimensions);
    const embedding = format === "base64" ? Buffer.from(vector.buffer).toString("base64") : Array.from(vector);
    return { object: "embedding", index, embedding };
  });
  const last = inputs.at(-1);
  if (typeof last === "string") seeUserText(view, last);
  return {
    view,
    body: { object: "list", data, model, usage: { prompt_tokens: tokens, total_tokens: tokens } },
    usage: inputOnly(tokens),
  };
}

function geminiVector(call: Incoming, request: Json, view: View): { values: number[]; tokens: number } {
  const texts = arrayOf(objectOf(request.content).parts).map((part) => stringOf(objectOf(part).text));
  if (texts.length === 0) throw invalid("* EmbedContentRequest.content: contents is not specified\n");
  const dimensions = numberOf(field(request, "outputDimensionality")) ?? GEMINI_DIMENSIONS;
  if (dimensions < 1 || dimensions > MAX_DIMENSIONS) throw invalid(`Invalid output dimensionality: ${dimensions}.`);
  const text = texts.join("\n");
  seeUserText(view, text);
  return {
    values: Array.from(vectorOf(`${call.pathModel}|${text}`, dimensions)),
    tokens: Math.max(1, Math.ceil(text.length / 4)),
  };
}

/** `:embedContent` and `:batchEmbedContents`. */
export function embedGemini(call: Incoming): Plain {
  const model = call.pathModel;
  if (isUnknownModel(model)) {
    throw new Problem(
      404,
      `models/${model} is not found for API version v1beta, or is not supported for embedContent.`,
    );
  }
  const view = createView(call.raw, call.body, model);
  const requests = call.verb === "embedContent" ? [call.body] : arrayOf(call.body.requests).map(objectOf);
  if (requests.length === 0) throw invalid("* BatchEmbedContentsRequest.requests: requests is not specified\n");
  const results = requests.map((request) => geminiVector(call, request, view));
  const tokens = results.reduce((sum, result) => sum + result.tokens, 0);
  const embeddings = results.map(({ values }) => ({ values }));
  const usageMetadata = { promptTokenCount: tokens, promptTokenDetails: [{ modality: "TEXT", tokenCount: tokens }] };
  const vectors = call.verb === "embedContent" ? { embedding: embeddings[0] } : { embeddings };
  return { view, body: { ...vectors, usageMetadata }, usage: inputOnly(tokens) };
}

/** `POST /v1/messages/count_tokens`. */
export function countAnthropic(call: Incoming, memory: Memory): Plain {
  const view = readAnthropic(call, memory, true);
  view.stream = false;
  return { view, body: { input_tokens: promptTokens(view) }, usage: null };
}

/** `:countTokens`. */
export function countGemini(call: Incoming): Plain {
  const inner = field(call.body, "generateContentRequest");
  const view = readGemini(isObject(inner) ? { ...call, body: inner } : call);
  const tokens = promptTokens(view);
  return {
    view,
    body: { totalTokens: tokens, promptTokensDetails: [{ modality: "TEXT", tokenCount: tokens }] },
    usage: null,
  };
}
