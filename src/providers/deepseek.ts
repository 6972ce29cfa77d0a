/**
 * DeepSeek's own API: Chat, and Responses with fewer features.
 * Its reasoning comes in `reasoning_content` and goes back there; cached tokens have a spelling of their own.
 */
import { bearer, type ProviderType } from "./provider.ts";

export const deepseek: ProviderType = {
  type: "deepseek",
  name: "DeepSeek",
  baseUrl: "https://api.deepseek.com",
  keyVariables: ["DEEPSEEK_API_KEY"],
  dialects: ["openai-chat", "openai-responses"],
  notes: "Its newer models think unless told not to.",
  authorize: bearer,
  quirks: {
    "openai-chat": {
      // Recorded in every request with a limit.
      maxTokensField: "max_tokens",
      // Recorded: instructions as `system`, never as `developer`.
      systemRole: "system",
      // Recorded: taken back in the assistant's turns.
      reasoningField: "reasoning_content",
      // Recorded: `thinking: {type: enabled | disabled}`, and `reasoning_effort` low and medium.
      reasoningRequest: "thinking",
    },
    "openai-responses": { systemRole: "system" },
  },
};
