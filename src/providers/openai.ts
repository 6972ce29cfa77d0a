/**
 * OpenAI's own API.
 * Serves Chat Completions and Responses; reasoning text of its models is visible only in Responses.
 */
import { bearer, type ProviderType } from "./provider.ts";

export const openai: ProviderType = {
  type: "openai",
  name: "OpenAI",
  baseUrl: "https://api.openai.com/v1",
  keyVariables: ["OPENAI_API_KEY"],
  dialects: ["openai-responses", "openai-chat", "openai-embeddings"],
  authorize: bearer,
  quirks: {
    "openai-chat": {
      systemRole: "developer",
      reasoningField: "none",
      // Fields that it does not know are answered with 400, and tools written for others send them to every upstream.
      cacheControl: false,
      extendedSampling: false,
    },
    "openai-responses": { compacts: true, serverTools: ["web-search"] },
  },
};
