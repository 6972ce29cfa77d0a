/**
 * Cohere, by its compatibility API: Chat and Embeddings.
 * Its own API knows more (documents, citations), which no other format can say.
 */
import { bearer, type ProviderType } from "./provider.ts";

export const cohere: ProviderType = {
  type: "cohere",
  name: "Cohere",
  baseUrl: "https://api.cohere.ai/compatibility/v1",
  keyVariables: ["COHERE_API_KEY", "CO_API_KEY"],
  dialects: ["openai-chat", "openai-embeddings"],
  authorize: bearer,
  quirks: {
    // Nothing is recorded; all of this is documented.
    "openai-chat": {
      maxTokensField: "max_tokens",
      systemRole: "developer",
      // `reasoning_effort` is taken as `none` and `high` only.
      efforts: ["none", "high"],
      refuses: [
        "candidates",
        "logitBias",
        "topLogprobs",
        "metadata",
        "modalities",
        "parallelToolCalls",
        "serviceTier",
        "endUser",
        "cacheKey",
        "verbosity",
      ],
    },
  },
};
