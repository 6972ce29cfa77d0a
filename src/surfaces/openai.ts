/**
 * The OpenAI surfaces: Chat Completions and Responses, each at one path.
 * Everything they need of a request is in its body.
 */
import { DIALECTS } from "../dialects/index.ts";
import { fixed } from "./surface.ts";

export const chatCompletions = fixed("chat/completions", DIALECTS["openai-chat"]);
export const responses = fixed("responses", DIALECTS["openai-responses"]);
