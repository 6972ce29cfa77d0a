/**
 * Ollama on this machine, or wherever `base_url` says: Chat.
 * It needs no key; recorded streams report no usage unless asked, and old ones not even then.
 */
import { bearer, type ProviderType } from "./provider.ts";

export const ollama: ProviderType = {
  type: "ollama",
  name: "Ollama",
  baseUrl: "http://127.0.0.1:11434/v1",
  keyVariables: [],
  dialects: ["openai-chat", "openai-embeddings"],
  notes: "Needs no key. Models are named in the file.",
  authorize: bearer,
  // The server drops a request whose connection closes, streamed or not.
  abort: { plain: "ends-charge" },
  quirks: {
    "openai-chat": {
      // Documented by that name; the other is ignored.
      maxTokensField: "max_tokens",
      // Recorded with `developer` too, but models' templates may know only this one.
      systemRole: "system",
      // Recorded in replies.
      reasoningField: "reasoning",
    },
  },
};
