/**
 * The OpenAI surfaces: Chat Completions, Responses, the old text completions and embeddings, each at one path.
 * Everything they need of a request is in its body.
 */
import { DIALECTS, EMBEDDING_DIALECTS } from "../dialects/index.ts";
import { openaiResponsesCompact } from "../dialects/openai-responses/compact-route.ts";
import { fixed } from "./surface.ts";

export const chatCompletions = fixed("chat/completions", DIALECTS["openai-chat"]);
export const completions = fixed("completions", DIALECTS["openai-completions"]);
export const compaction = fixed("responses/compact", openaiResponsesCompact);
export const embeddings = fixed("embeddings", EMBEDDING_DIALECTS["openai-embeddings"]);
export const responses = fixed("responses", DIALECTS["openai-responses"], "responses/input_tokens");
