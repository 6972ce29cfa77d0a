/**
 * NVIDIA's hosted NIM microservices, or one's own by `base_url`: Chat.
 * Embeddings are left out, because its models want to be told in a field of their own what a text is for.
 */
import { bearer, type ProviderType } from "./provider.ts";

export const nvidia: ProviderType = {
  type: "nvidia",
  name: "NVIDIA NIM",
  baseUrl: "https://integrate.api.nvidia.com/v1",
  keyVariables: ["NVIDIA_API_KEY"],
  dialects: ["openai-chat"],
  notes: "Models are named in the file; `base_url` for a NIM of one's own.",
  authorize: bearer,
  quirks: {
    // Nothing is recorded; all of this is documented.
    "openai-chat": { maxTokensField: "max_tokens", systemRole: "system", reasoningField: "reasoning_content" },
  },
};
