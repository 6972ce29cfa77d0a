/**
 * Google AI Studio, the Gemini API with a plain key.
 * The key goes into a header, never into the URL, where it would end up in logs.
 */
import { byDialect, type ProviderType } from "./provider.ts";

export const google: ProviderType = {
  type: "google",
  name: "Google AI Studio",
  baseUrl: "https://generativelanguage.googleapis.com/v1beta",
  keyVariables: ["GEMINI_API_KEY", "GOOGLE_API_KEY"],
  dialects: ["gemini", "gemini-embeddings"],
  authorize: byDialect,
  // OpenRouter documents that a closed stream is generated and charged to its end here.
  abort: { streamed: "charges" },
  quirks: { gemini: { serverTools: ["web-search"] } },
};
