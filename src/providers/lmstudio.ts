/**
 * LM Studio on this machine: Chat.
 * It needs no key; newer versions have Responses too, which `dialects` switches on.
 */
import { bearer, type ProviderType } from "./provider.ts";

export const lmstudio: ProviderType = {
  type: "lmstudio",
  name: "LM Studio",
  baseUrl: "http://127.0.0.1:1234/v1",
  keyVariables: [],
  dialects: ["openai-chat", "openai-embeddings"],
  notes: "Needs no key. Models are named in the file.",
  authorize: bearer,
  quirks: {
    // Nothing is recorded under its name; all of this is documented.
    "openai-chat": { maxTokensField: "max_tokens", systemRole: "system", reasoningField: "reasoning_content" },
  },
};
