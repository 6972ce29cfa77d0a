/**
 * SambaNova, which serves open-weight models: Chat.
 * Its names for models are those of their makers' repositories without the maker.
 */
import { bearer, type ProviderType } from "./provider.ts";

export const sambanova: ProviderType = {
  type: "sambanova",
  name: "SambaNova",
  baseUrl: "https://api.sambanova.ai/v1",
  keyVariables: ["SAMBANOVA_API_KEY"],
  dialects: ["openai-chat", "openai-embeddings"],
  notes: "Models are named in the file.",
  authorize: bearer,
  // OpenRouter documents that a closed stream is generated and charged to its end here.
  abort: { streamed: "charges" },
  quirks: {
    // Nothing is recorded; all of this is documented.
    "openai-chat": { maxTokensField: "max_tokens", systemRole: "system" },
  },
};
