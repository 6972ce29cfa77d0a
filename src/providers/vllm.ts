/**
 * A vLLM server, on this machine unless `base_url` says otherwise: Chat.
 * It needs a key only if it was started with one.
 */
import { bearer, type ProviderType } from "./provider.ts";

export const vllm: ProviderType = {
  type: "vllm",
  name: "vLLM",
  baseUrl: "http://127.0.0.1:8000/v1",
  keyVariables: [],
  dialects: ["openai-chat", "openai-embeddings"],
  notes: "Needs no key unless started with one. Models are named in the file.",
  authorize: bearer,
  // The server drops a request whose connection closes, streamed or not.
  abort: { plain: "ends-charge" },
  quirks: {
    "openai-chat": {
      // Recorded by that name.
      maxTokensField: "max_tokens",
      // Recorded; models' templates may know no other.
      systemRole: "system",
      // Documented.
      reasoningField: "reasoning",
      extendedSampling: true,
    },
  },
};
