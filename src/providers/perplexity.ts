/**
 * Perplexity, whose models search the web before they answer: Chat.
 * Usage is repeated on every chunk of a stream; the last one counts.
 */
import { bearer, type ProviderType } from "./provider.ts";

export const perplexity: ProviderType = {
  type: "perplexity",
  name: "Perplexity",
  baseUrl: "https://api.perplexity.ai",
  keyVariables: ["PERPLEXITY_API_KEY"],
  dialects: ["openai-chat"],
  notes: "Every answer is a web search with a fee for each request.",
  authorize: bearer,
  // OpenRouter documents that a closed stream is generated and charged to its end here.
  abort: { streamed: "charges" },
  quirks: {
    "openai-chat": {
      // Recorded by that name.
      maxTokensField: "max_tokens",
      systemRole: "system",
      // Recorded contents are strings.
      flattenText: true,
      // Documented: no tools of the caller.
      refuses: ["tools", "toolChoice", "parallelToolCalls"],
    },
  },
};
