/**
 * Anthropic's own API.
 * Serves the Messages format only.
 */
import { byDialect, type ProviderType } from "./provider.ts";

export const anthropic: ProviderType = {
  type: "anthropic",
  name: "Anthropic",
  baseUrl: "https://api.anthropic.com/v1",
  keyVariables: ["ANTHROPIC_API_KEY"],
  dialects: ["anthropic-messages"],
  authorize: byDialect,
  quirks: { "anthropic-messages": { serverTools: ["web-search"] } },
};
