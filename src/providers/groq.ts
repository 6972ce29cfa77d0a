/**
 * Groq, which serves open-weight models: Chat.
 * Streams may end in an `error` event, and report usage under `x_groq`; the decoder knows both.
 */
import { bearer, type ProviderType } from "./provider.ts";

export const groq: ProviderType = {
  type: "groq",
  name: "Groq",
  baseUrl: "https://api.groq.com/openai/v1",
  keyVariables: ["GROQ_API_KEY"],
  dialects: ["openai-chat"],
  authorize: bearer,
  // OpenRouter documents that a closed stream is generated and charged to its end here.
  abort: { streamed: "charges" },
  quirks: {
    "openai-chat": {
      systemRole: "system",
      // Recorded in replies. In requests it is the one name that is known, and only models that think take it.
      reasoningField: "reasoning",
      // Documented as not supported, each answered with 400.
      refuses: ["logprobs", "topLogprobs", "logitBias"],
    },
  },
};
