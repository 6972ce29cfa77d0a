/**
 * Cerebras, which serves open-weight models: Chat.
 * `reasoning_effort` was recorded, `none` included.
 */
import { bearer, type ProviderType } from "./provider.ts";

export const cerebras: ProviderType = {
  type: "cerebras",
  name: "Cerebras",
  baseUrl: "https://api.cerebras.ai/v1",
  keyVariables: ["CEREBRAS_API_KEY"],
  dialects: ["openai-chat"],
  authorize: bearer,
  quirks: {
    "openai-chat": {
      systemRole: "system",
      // Recorded in replies; the older name is answered with 400 (`wrong_api_format`).
      reasoningField: "reasoning",
      // Recorded contents are strings.
      flattenText: true,
    },
  },
};
