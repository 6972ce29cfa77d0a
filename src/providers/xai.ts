/**
 * xAI's own API: Responses, which returns encrypted reasoning, and Chat.
 * In Chat its reasoning tokens come on top of the completion tokens; the usage decoder knows.
 */
import { bearer, type ProviderType } from "./provider.ts";

export const xai: ProviderType = {
  type: "xai",
  name: "xAI",
  baseUrl: "https://api.x.ai/v1",
  keyVariables: ["XAI_API_KEY"],
  dialects: ["openai-responses", "openai-chat"],
  authorize: bearer,
  quirks: {
    // Recorded: `instructions`, and `system` items of the input.
    "openai-responses": { systemRole: "system" },
    "openai-chat": {
      // Recorded in every request with a limit.
      maxTokensField: "max_tokens",
      systemRole: "system",
      // Recorded: taken back with the tool calls it led to.
      reasoningField: "reasoning_content",
    },
  },
};
