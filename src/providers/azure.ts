/**
 * OpenAI models on Azure, by the v1 API: `https://RESOURCE.openai.azure.com/openai/v1`, which the configuration names.
 * The upstream's name of a model is the deployment's; the key has a header of its own.
 */
import type { ProviderType } from "./provider.ts";

export const azure: ProviderType = {
  type: "azure",
  name: "Azure OpenAI",
  keyVariables: ["AZURE_OPENAI_API_KEY"],
  dialects: ["openai-responses", "openai-chat", "openai-embeddings"],
  notes:
    "`base_url` is `https://RESOURCE.openai.azure.com/openai/v1`. Models are named in the file by their deployments.",
  authorize: (credential) => ({ "api-key": credential }),
  // Recorded: instructions as `developer` in both formats.
  quirks: { "openai-chat": { systemRole: "developer", reasoningField: "none" } },
};
