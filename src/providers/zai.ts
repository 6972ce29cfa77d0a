/**
 * Z.ai's own API for its GLM models: Chat.
 * The coding plan has another address, `https://api.z.ai/api/coding/paas/v4`, to be set as `base_url`.
 */
import { bearer, type ProviderType } from "./provider.ts";

export const zai: ProviderType = {
  type: "zai",
  name: "Z.ai",
  baseUrl: "https://api.z.ai/api/paas/v4",
  keyVariables: ["ZAI_API_KEY"],
  dialects: ["openai-chat"],
  notes: "For the coding plan set `base_url: https://api.z.ai/api/coding/paas/v4`.",
  authorize: bearer,
  quirks: {
    "openai-chat": {
      // Recorded by that name.
      maxTokensField: "max_tokens",
      systemRole: "system",
      // Recorded in replies; documented to go back under the same name.
      reasoningField: "reasoning_content",
      // Recorded: `thinking: {type: enabled}` without an effort.
      reasoningRequest: "thinking",
      efforts: [],
    },
  },
};
