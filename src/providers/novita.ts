/**
 * Novita AI, which serves open-weight models: Chat.
 * Its names for models are `maker/model`.
 */
import { bearer, type ProviderType } from "./provider.ts";

export const novita: ProviderType = {
  type: "novita",
  name: "Novita AI",
  baseUrl: "https://api.novita.ai/openai/v1",
  keyVariables: ["NOVITA_API_KEY"],
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
