/**
 * All dialects by their id.
 * The gateway picks a candidate's dialect here, a surface its own; adding a format means adding a line.
 */
import type { DialectId } from "../core/request.ts";
import { anthropicMessages } from "./anthropic-messages/index.ts";
import type { Dialect } from "./dialect.ts";
import { gemini } from "./gemini/index.ts";
import { openaiChat } from "./openai-chat/index.ts";
import { openaiCompletions } from "./openai-completions/index.ts";
import { openaiResponses } from "./openai-responses/index.ts";

export const DIALECTS: { readonly [D in DialectId]: Dialect } = {
  "openai-chat": openaiChat,
  "openai-responses": openaiResponses,
  "openai-completions": openaiCompletions,
  "anthropic-messages": anthropicMessages,
  gemini,
};
