/**
 * DeepInfra, which serves open-weight models: Chat.
 * Its names for models are those of their makers' repositories.
 */
import { bearer, type ProviderType } from "./provider.ts";

export const deepinfra: ProviderType = {
  type: "deepinfra",
  name: "DeepInfra",
  baseUrl: "https://api.deepinfra.com/v1/openai",
  keyVariables: ["DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN"],
  dialects: ["openai-chat", "openai-embeddings"],
  notes: "Models are named in the file.",
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
