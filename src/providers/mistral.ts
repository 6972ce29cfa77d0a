/**
 * Mistral's own API: Chat, with thoughts as parts of the content.
 * It is strict: a field that it does not know refuses the whole request.
 */
import { bearer, type ProviderType } from "./provider.ts";

export const mistral: ProviderType = {
  type: "mistral",
  name: "Mistral",
  baseUrl: "https://api.mistral.ai/v1",
  keyVariables: ["MISTRAL_API_KEY"],
  dialects: ["openai-chat", "openai-embeddings"],
  authorize: bearer,
  // OpenRouter documents that a closed stream is generated and charged to its end here.
  abort: { streamed: "charges" },
  quirks: {
    "openai-chat": {
      // Recorded in every request with a limit.
      maxTokensField: "max_tokens",
      systemRole: "system",
      // No recorded stream asks for usage and every one has it; the field is answered with 422.
      noStreamOptions: true,
      // Recorded: thoughts are `thinking` parts of the content, in replies and when they go back.
      reasoningField: "content",
      // Recorded: `reasoning_effort: high`; documented besides it: only `none`.
      efforts: ["none", "high"],
      // Recorded ids have nine signs; others are answered with 400.
      callIds: "nine",
      // Recorded: logprobs are answered with 400. Unknown fields are answered with 422 (`extra_forbidden`).
      refuses: ["logprobs", "topLogprobs", "logitBias", "seed", "endUser", "cacheKey", "serviceTier", "verbosity"],
    },
  },
};
