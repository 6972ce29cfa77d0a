/**
 * Alibaba Cloud's Model Studio (DashScope) for the Qwen models, by its compatible mode: Chat and Embeddings.
 * Each region has keys and an address of its own; Singapore's is the default.
 */
import { bearer, type ProviderType } from "./provider.ts";

export const alibaba: ProviderType = {
  type: "alibaba",
  name: "Alibaba Cloud (Qwen)",
  baseUrl: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
  keyVariables: ["DASHSCOPE_API_KEY"],
  dialects: ["openai-chat", "openai-embeddings"],
  notes:
    "For keys of mainland China set `base_url: https://dashscope.aliyuncs.com/compatible-mode/v1`. Models are named in the file.",
  authorize: bearer,
  // OpenRouter documents that a closed stream is generated and charged to its end here.
  abort: { streamed: "charges" },
  quirks: {
    "openai-chat": {
      // Documented; only replies are recorded.
      maxTokensField: "max_tokens",
      systemRole: "system",
      // Recorded in replies.
      reasoningField: "reasoning_content",
    },
  },
};
