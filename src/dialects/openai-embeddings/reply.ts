/**
 * Replies of OpenAI's embeddings in both directions, with what compatible servers leave out.
 * Vectors are not touched here: they stay numbers or base64 as they came.
 */
import type { EmbeddingReply, Vector } from "../../core/embedding.ts";
import { asArray, asNumber, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import { promptTokens, type Usage } from "../../core/usage.ts";
import type { EmbeddingContext } from "../embedding.ts";
import { brokenReply, decodeInnerError } from "../openai-chat/error.ts";
import { decodeUsage } from "../openai-chat/usage.ts";
import { addExtras, leftovers } from "../openai-chat/wire.ts";
import { ID } from "./request.ts";

const KNOWN: ReadonlySet<string> = new Set(["object", "data", "model", "usage"]);

/** Never throws: what is no list of vectors is a reply with a `failure`. */
export function decodeReply(body: Json): EmbeddingReply {
  const reply = asObject(body);
  if (reply?.error) return { vectors: [], failure: decodeInnerError(reply) };
  const entries = asArray(reply?.data).map((entry) => asObject(entry) ?? {});
  const vectors = inOrder(entries).map(vectorOf);
  if (!reply || vectors.length === 0 || vectors.includes(undefined)) {
    return { vectors: [], failure: brokenReply("invalid_reply", "the upstream's answer holds no embeddings") };
  }
  const usage = usageOf(asObject(reply.usage));
  const extras = leftovers(reply, KNOWN);
  const model = asString(reply.model);
  return {
    ...(model !== undefined && { model }),
    vectors: vectors as Vector[],
    ...(usage && { usage }),
    ...(extras && { extras: { [ID]: extras } }),
  };
}

/** By their numbers, where all have one. */
function inOrder(entries: JsonObject[]): JsonObject[] {
  const numbers = entries.map(({ index }) => asNumber(index));
  if (numbers.includes(undefined)) return entries;
  return [...entries].sort((a, b) => (a.index as number) - (b.index as number));
}

function vectorOf({ embedding }: JsonObject): Vector | undefined {
  if (typeof embedding === "string") return embedding === "" ? undefined : embedding;
  return Array.isArray(embedding) && embedding.length > 0 ? (embedding as number[]) : undefined;
}

/** Everything that was counted went in, under whichever of the two names. Undefined when nothing was. */
function usageOf(wire: JsonObject | undefined): Usage | undefined {
  const prompt = wire?.prompt_tokens || wire?.total_tokens;
  const usage =
    wire && decodeUsage({ prompt_tokens: prompt, prompt_tokens_details: wire.prompt_tokens_details ?? undefined });
  return usage && promptTokens(usage) > 0 ? usage : undefined;
}

/** The standard form. An upstream's own further fields come back from the same format only. */
export function encodeReply(reply: EmbeddingReply, { model }: EmbeddingContext): JsonObject {
  const tokens = reply.usage ? promptTokens(reply.usage) : 0;
  const body: JsonObject = {
    object: "list",
    data: reply.vectors.map((vector, index) => ({ object: "embedding", index, embedding: vector as Json })),
    model: reply.model ?? model,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  };
  addExtras(body, reply.extras?.[ID]);
  return body;
}
