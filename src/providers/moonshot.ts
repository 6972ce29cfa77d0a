/**
 * Moonshot AI's own API for its Kimi models: Chat.
 * Cached tokens come as a plain `cached_tokens` of the usage.
 */
import { bearer, type ProviderType } from "./provider.ts";

export const moonshot: ProviderType = {
  type: "moonshot",
  name: "Moonshot AI",
  baseUrl: "https://api.moonshot.ai/v1",
  keyVariables: ["MOONSHOT_API_KEY"],
  dialects: ["openai-chat"],
  authorize: bearer,
  quirks: {
    "openai-chat": {
      // Documented; only replies are recorded.
      maxTokensField: "max_tokens",
      systemRole: "system",
      // Recorded in replies; documented to go back under the same name.
      reasoningField: "reasoning_content",
      // Documented: `thinking: {type: enabled | disabled}` without an effort.
      reasoningRequest: "thinking",
      efforts: [],
    },
  },
};
