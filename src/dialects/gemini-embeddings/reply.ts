/**
 * Replies of Gemini's embedContent and batchEmbedContents in both directions.
 * Vectors are always numbers here; older models count no tokens.
 */
import type { EmbeddingReply, Vector } from "../../core/embedding.ts";
import { asArray, asObject, type Json, type JsonObject } from "../../core/json.ts";
import { promptTokens, split, type Usage } from "../../core/usage.ts";
import type { EmbeddingContext } from "../embedding.ts";
import { readFailure } from "../gemini/error.ts";
import { others } from "../gemini/keys.ts";
import { decodeUsage } from "../gemini/usage.ts";
import { ID } from "./request.ts";

const KNOWN: ReadonlySet<string> = new Set(["embedding", "embeddings", "usageMetadata"]);

/** Never throws: what holds no vectors is a reply with a `failure`. */
export function decodeReply(body: Json): EmbeddingReply {
  const reply = asObject(body);
  if (reply?.error) return { vectors: [], failure: readFailure(reply.error) };
  const entries = reply?.embedding !== undefined ? [reply.embedding] : asArray(reply?.embeddings);
  const vectors = entries.map((entry) => vectorOf(asObject(entry)?.values));
  if (!reply || vectors.length === 0 || vectors.includes(undefined)) {
    const message = "the upstream's answer holds no embeddings";
    return { vectors: [], failure: { kind: "server", status: 502, code: "invalid_reply", message } };
  }
  const usage = usageOf(asObject(reply.usageMetadata));
  const extras = others(reply, KNOWN);
  return {
    vectors: vectors as Vector[],
    ...(usage && { usage }),
    ...(extras && { extras: { [ID]: extras } }),
  };
}

function vectorOf(values: Json | undefined): Vector | undefined {
  return Array.isArray(values) && values.length > 0 ? (values as number[]) : undefined;
}

/** Recorded here: `promptTokenDetails`, where generateContent says `promptTokensDetails`. Undefined when nothing was counted. */
function usageOf(metadata: JsonObject | undefined): Usage | undefined {
  if (!metadata) return undefined;
  const { promptTokenCount, totalTokenCount, promptTokensDetails, promptTokenDetails } = metadata;
  const usage = decodeUsage({
    promptTokenCount: promptTokenCount ?? totalTokenCount,
    promptTokensDetails: promptTokensDetails ?? promptTokenDetails,
    candidatesTokenCount: 0,
  });
  return promptTokens(usage) > 0 ? usage : undefined;
}

/** One vector for a request that came alone, else a list. */
export function encodeReply(reply: EmbeddingReply, { request }: EmbeddingContext): JsonObject {
  const embeddings = reply.vectors.map((values): JsonObject => ({ values: values as Json }));
  return {
    ...(request.single ? { embedding: embeddings[0] } : { embeddings }),
    ...(reply.usage && { usageMetadata: encodeUsage(reply.usage) }),
    ...reply.extras?.[ID],
  };
}

function encodeUsage(usage: Usage): JsonObject {
  const total = promptTokens(usage);
  const [text] = split(total, usage.imageInput, usage.audioInput);
  const classes: [string, number][] = [
    ["TEXT", text],
    ["IMAGE", usage.imageInput],
    ["AUDIO", usage.audioInput],
  ];
  const details = classes.filter(([, count]) => count > 0);
  return {
    promptTokenCount: total,
    promptTokenDetails: details.map(([modality, tokenCount]) => ({ modality, tokenCount })),
  };
}
