/**
 * The server of llama.cpp, on this machine unless `base_url` says otherwise: Chat.
 * It needs a key only if it was started with one, and answers 500 to requests that it cannot serve.
 */
import { bearer, type ProviderType } from "./provider.ts";

export const llamacpp: ProviderType = {
  type: "llamacpp",
  name: "llama.cpp",
  baseUrl: "http://127.0.0.1:8080/v1",
  keyVariables: [],
  dialects: ["openai-chat", "openai-embeddings"],
  notes: "Needs no key unless started with one. Models are named in the file.",
  authorize: bearer,
  // The server drops a request whose connection closes, streamed or not.
  abort: { plain: "ends-charge" },
  quirks: {
    "openai-chat": {
      // Recorded in every request with a limit.
      maxTokensField: "max_tokens",
      // Recorded; models' templates may know no other.
      systemRole: "system",
      // Recorded in replies.
      reasoningField: "reasoning_content",
      // Documented.
      extendedSampling: true,
    },
  },
};
