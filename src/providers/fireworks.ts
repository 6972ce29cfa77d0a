/**
 * Fireworks AI, which serves open-weight models: Chat.
 * Its names for models are paths, `accounts/fireworks/models/…`.
 */
import { bearer, type ProviderType } from "./provider.ts";

export const fireworks: ProviderType = {
  type: "fireworks",
  name: "Fireworks AI",
  baseUrl: "https://api.fireworks.ai/inference/v1",
  keyVariables: ["FIREWORKS_API_KEY"],
  dialects: ["openai-chat", "openai-embeddings"],
  authorize: bearer,
  quirks: {
    // Nothing is recorded; all of this is documented.
    "openai-chat": {
      maxTokensField: "max_tokens",
      systemRole: "system",
      reasoningField: "reasoning_content",
      extendedSampling: true,
    },
  },
};
