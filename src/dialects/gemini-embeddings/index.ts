/**
 * Gemini's embeddings as a dialect: embedContent for one input, batchEmbedContents for several.
 * The registry of dialects holds this one object; errors are those of generateContent.
 */
import type { EmbeddingDialect } from "../embedding.ts";
import { decodeError, encodeError } from "../gemini/error.ts";
import { resourcePath } from "../gemini/resource.ts";
import { fitsUpstream } from "./fits.ts";
import { decodeReply, encodeReply } from "./reply.ts";
import { decodeRequest, encodeRequest, ID, peek, relayEdits } from "./request.ts";

/** Embeddings: `POST {base}/models/{model}:embedContent` and `:batchEmbedContents`. */
export const geminiEmbeddings: EmbeddingDialect = {
  id: ID,
  operation: "embedding",
  peek,
  decodeRequest,
  encodeRequest,
  fitsUpstream,
  relayEdits,
  upstreamPath: (model, single) => `/${resourcePath(model)}:${single ? "embedContent" : "batchEmbedContents"}`,
  forwardedHeaders: [],
  defaultHeaders: {},
  decodeReply,
  encodeReply,
  decodeError,
  encodeError,
};
