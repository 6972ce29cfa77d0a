/**
 * The simulated provider, which answers every dialect in this process when no real provider is configured.
 * It needs no key and no network; the composition root gives it its loopback address.
 */
import { byDialect, type ProviderType } from "./provider.ts";

export const simulated: ProviderType = {
  type: "simulated",
  name: "Simulated",
  keyVariables: [],
  dialects: [
    "openai-chat",
    "openai-responses",
    "anthropic-messages",
    "gemini",
    "openai-embeddings",
    "gemini-embeddings",
  ],
  authorize: byDialect,
};
