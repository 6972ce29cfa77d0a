/**
 * Any server that speaks one of the dialects: the operator names its base URL and, if it isn't Chat, its dialects.
 * Imitators differ in what they refuse, so the defaults are the conservative ones.
 */
import { byDialect, type ProviderType } from "./provider.ts";

export const custom: ProviderType = {
  type: "custom",
  name: "Custom",
  keyVariables: [],
  dialects: ["openai-chat", "openai-embeddings"],
  authorize: byDialect,
  quirks: { "openai-chat": { maxTokensField: "max_tokens", reasoningField: "reasoning_content" } },
};
