/**
 * All dialects by their id.
 * The gateway picks a candidate's dialect here, a surface its own; adding a format means adding a line.
 */
import type { EmbeddingDialectId } from "../core/embedding.ts";
import type { WireFormatId } from "../core/operation.ts";
import type { DialectId } from "../core/request.ts";
import { anthropicMessages } from "./anthropic-messages/index.ts";
import type { Dialect } from "./dialect.ts";
import type { EmbeddingDialect } from "./embedding.ts";
import { gemini } from "./gemini/index.ts";
import { geminiEmbeddings } from "./gemini-embeddings/index.ts";
import { openaiChat } from "./openai-chat/index.ts";
import { openaiCompletions } from "./openai-completions/index.ts";
import { openaiEmbeddings } from "./openai-embeddings/index.ts";
import { openaiResponses } from "./openai-responses/index.ts";

/** The formats of generation. */
export const DIALECTS: { readonly [D in DialectId]: Dialect } = {
  "openai-chat": openaiChat,
  "openai-responses": openaiResponses,
  "openai-completions": openaiCompletions,
  "anthropic-messages": anthropicMessages,
  gemini,
};

export const EMBEDDING_DIALECTS: { readonly [D in EmbeddingDialectId]: EmbeddingDialect } = {
  "openai-embeddings": openaiEmbeddings,
  "gemini-embeddings": geminiEmbeddings,
};

/** A dialect of any operation; `operation` tells which. */
export type AnyDialect = Dialect | EmbeddingDialect;

export const WIRE_FORMATS: { readonly [F in WireFormatId]: AnyDialect } = { ...DIALECTS, ...EMBEDDING_DIALECTS };
