/**
 * OpenRouter, an aggregator of many providers, in three recorded formats.
 * Every kind of request carries the key as a bearer token, on Messages too.
 */
import { bearer, type ProviderType } from "./provider.ts";

export const openrouter: ProviderType = {
  type: "openrouter",
  name: "OpenRouter",
  baseUrl: "https://openrouter.ai/api/v1",
  keyVariables: ["OPENROUTER_API_KEY"],
  dialects: ["openai-chat", "openai-responses", "anthropic-messages", "openai-embeddings"],
  notes: "Several models are curated; any other of its models is named in the file.",
  authorize: bearer,
  quirks: {
    "openai-chat": {
      // Recorded under both names; the older one is what most of its upstreams know.
      maxTokensField: "max_tokens",
      // Recorded: `reasoning` in replies, `reasoning_details` in replies and taken back in tool turns.
      reasoningField: "reasoning",
      reasoningDetails: true,
      // Recorded: `reasoning: {max_tokens: 2000}`.
      reasoningRequest: "reasoning",
      // Recorded on system and user messages for Claude models, with cached tokens in the usage.
      cacheControl: true,
      // Documented; what a model lacks is left out upstream.
      extendedSampling: true,
      // Its own names for these fields are where they come from.
      routingFields: true,
    },
    // Recorded: a conversation whose first item has the role `system`.
    "openai-responses": { systemRole: "system", routingFields: true },
    "anthropic-messages": { routingFields: true },
    "openai-embeddings": { routingFields: true },
  },
};
