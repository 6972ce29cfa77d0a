/**
 * Hugging Face's router to inference providers: Chat.
 * A model's name may end in the provider that shall serve it, `moonshotai/Kimi-K2-Instruct-0905:groq`.
 */
import { bearer, type ProviderType } from "./provider.ts";

export const huggingface: ProviderType = {
  type: "huggingface",
  name: "Hugging Face",
  baseUrl: "https://router.huggingface.co/v1",
  keyVariables: ["HF_TOKEN", "HUGGINGFACE_API_KEY"],
  dialects: ["openai-chat"],
  notes: "Models are named in the file, with the provider after a colon where one is meant (`…:groq`).",
  authorize: bearer,
  // OpenRouter documents that a closed stream is generated and charged to its end here.
  abort: { streamed: "charges" },
  quirks: {
    "openai-chat": {
      // Recorded by that name.
      maxTokensField: "max_tokens",
      systemRole: "system",
    },
  },
};
