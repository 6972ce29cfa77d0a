/**
 * MiniMax's own API: Messages, which carries thoughts in parts of their own, and Chat.
 * The two formats live under different paths of one host.
 */
import { byDialect, type ProviderType } from "./provider.ts";

export const minimax: ProviderType = {
  type: "minimax",
  name: "MiniMax",
  baseUrl: "https://api.minimax.io",
  keyVariables: ["MINIMAX_API_KEY"],
  dialects: ["anthropic-messages", "openai-chat"],
  notes: "For keys of mainland China set `base_url: https://api.minimaxi.com`.",
  authorize: byDialect,
  // OpenRouter documents that a closed stream is generated and charged to its end here.
  abort: { streamed: "charges" },
  forms: {
    "anthropic-messages": { path: ({ path }) => `/anthropic/v1${path}` },
    "openai-chat": { path: ({ path }) => `/v1${path}` },
  },
  quirks: {
    // Nothing is recorded; all of this is documented.
    "anthropic-messages": { thinkingForm: "budget" },
    // In Chat thoughts stand in the content between tags, and go back as they came.
    "openai-chat": { maxTokensField: "max_tokens", systemRole: "system" },
  },
};
