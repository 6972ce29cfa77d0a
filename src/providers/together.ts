/**
 * Together AI, which serves open-weight models: Chat.
 * Cached tokens come as a plain `cached_tokens` of the usage.
 */
import { bearer, type ProviderType } from "./provider.ts";

export const together: ProviderType = {
  type: "together",
  name: "Together AI",
  baseUrl: "https://api.together.xyz/v1",
  keyVariables: ["TOGETHER_API_KEY"],
  dialects: ["openai-chat", "openai-embeddings"],
  authorize: bearer,
  quirks: {
    "openai-chat": {
      // Recorded by that name.
      maxTokensField: "max_tokens",
      systemRole: "system",
      // Recorded: `top_k`, `min_p` and `repetition_penalty` are fields it knows.
      extendedSampling: true,
    },
  },
};
