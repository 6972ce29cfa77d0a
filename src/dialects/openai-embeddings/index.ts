/**
 * OpenAI's embeddings as a dialect, which most compatible servers speak too.
 * The registry of dialects holds this one object; errors are those of Chat.
 */
import type { EmbeddingDialect } from "../embedding.ts";
import { decodeError, encodeError } from "../openai-chat/error.ts";
import { fitsUpstream } from "./fits.ts";
import { decodeReply, encodeReply } from "./reply.ts";
import { decodeRequest, encodeRequest, ID, peek, relayEdits } from "./request.ts";

/** Embeddings: `POST {base}/embeddings`. */
export const openaiEmbeddings: EmbeddingDialect = {
  id: ID,
  operation: "embedding",
  peek,
  decodeRequest,
  encodeRequest,
  fitsUpstream,
  relayEdits,
  upstreamPath: () => "/embeddings",
  forwardedHeaders: [],
  defaultHeaders: {},
  decodeReply,
  encodeReply,
  decodeError,
  encodeError,
};
