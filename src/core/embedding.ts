/**
 * The canon of embeddings: what a caller wants to have as vectors, and the vectors, said in no provider's words.
 * Embedding dialects decode into it and encode from it; estimates of tokens and the encodings of vectors are here too.
 */
import type { UpstreamFailure } from "./error.ts";
import type { Json, JsonObject } from "./json.ts";
import type { Usage } from "./usage.ts";

/** The wire formats of embeddings. An endpoint may speak them besides those of generation. */
export const EMBEDDING_DIALECT_IDS = ["openai-embeddings", "gemini-embeddings"] as const;
export type EmbeddingDialectId = (typeof EMBEDDING_DIALECT_IDS)[number];

/** Fields that only one dialect knows, verbatim, under that dialect's id. */
export type EmbeddingExtras = { [D in EmbeddingDialectId]?: JsonObject };

export type EmbeddingPart =
  | { type: "text"; text: string }
  /** An image, a recording: something that only its own dialect can say, verbatim. */
  | { type: "opaque"; dialect: EmbeddingDialectId; value: Json };

/** What becomes one vector. */
export interface EmbeddingInput {
  /** Parts in order, or a text that was split into a model's own tokens. */
  content: { type: "parts"; parts: EmbeddingPart[] } | { type: "tokens"; tokens: number[] };
  /** How many numbers the vector shall have; absent means all that the model gives. */
  dimensions?: number;
  /** What the vector is for, in the words of Gemini's `taskType`. */
  task?: string;
  /** The title of the document that the text is of. */
  title?: string;
  extras?: EmbeddingExtras;
}

/** How vectors are written: as numbers, or as base64 of little-endian 32-bit floats. */
export type VectorEncoding = "float" | "base64";

export interface EmbeddingRequest {
  /** As the caller wrote it. Encoders send the target's name instead. */
  model: string;
  inputs: EmbeddingInput[];
  /** There is one input, and it did not come as a list. */
  single: boolean;
  /** What the caller wants to see. */
  encoding: VectorEncoding;
  /** An opaque id of the caller's end user. */
  endUser?: string;
  extras?: EmbeddingExtras;
}

/** A vector as it stood on the wire: numbers, or text of the base64 form. */
export type Vector = readonly number[] | string;

export interface EmbeddingReply {
  model?: string;
  /** In the order of the inputs. */
  vectors: Vector[];
  /** Absent where the provider counts nothing. */
  usage?: Usage;
  extras?: EmbeddingExtras;
  /** Set when the upstream's body is an error, or is no reply at all. */
  failure?: UpstreamFailure;
}

const BYTES_PER_FLOAT = 4;
/** Enough to tell any two 32-bit floats apart. */
const DIGITS_PER_FLOAT = 9;

/** The vector in the encoding; undefined when it holds anything but finite numbers, or text that is no such base64. */
export function encodeVector(vector: Vector, encoding: VectorEncoding): Vector | undefined {
  if (encoding === "float") return typeof vector === "string" ? fromBase64(vector) : finite(vector);
  return typeof vector === "string" ? vector : toBase64(vector);
}

function finite(vector: readonly number[]): readonly number[] | undefined {
  for (const value of vector) if (!Number.isFinite(value)) return undefined;
  return vector;
}

function toBase64(vector: readonly number[]): string | undefined {
  const bytes = Buffer.allocUnsafe(vector.length * BYTES_PER_FLOAT);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let index = 0; index < vector.length; index++) {
    const value = vector[index];
    if (typeof value !== "number" || !Number.isFinite(Math.fround(value))) return undefined;
    view.setFloat32(index * BYTES_PER_FLOAT, value, true);
  }
  return bytes.toString("base64");
}

function fromBase64(text: string): number[] | undefined {
  const bytes = Buffer.from(text, "base64");
  if (bytes.length === 0 || bytes.length % BYTES_PER_FLOAT !== 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const vector: number[] = [];
  for (let at = 0; at < bytes.length; at += BYTES_PER_FLOAT) {
    const value = view.getFloat32(at, true);
    if (!Number.isFinite(value)) return undefined;
    // Only the digits that the float has, not those of the double that holds it.
    vector.push(Number(value.toPrecision(DIGITS_PER_FLOAT)));
  }
  return vector;
}

const BYTES_PER_TOKEN = 4;
/** What a small picture counts as, recorded. */
const TOKENS_PER_OPAQUE_PART = 258;

/** About how many tokens the inputs have: for providers that do not say. At least one for each input. */
export function estimateTokens(request: EmbeddingRequest): number {
  let tokens = 0;
  for (const { content } of request.inputs) tokens += Math.max(1, weigh(content));
  return tokens;
}

function weigh(content: EmbeddingInput["content"]): number {
  if (content.type === "tokens") return content.tokens.length;
  let bytes = 0;
  let tokens = 0;
  for (const part of content.parts) {
    if (part.type === "text") bytes += Buffer.byteLength(part.text);
    else tokens += TOKENS_PER_OPAQUE_PART;
  }
  return tokens + Math.ceil(bytes / BYTES_PER_TOKEN);
}
