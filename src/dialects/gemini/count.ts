/**
 * Counting tokens in Gemini's format: the question an upstream answers at `:countTokens`, and its answer.
 * The gateway's counting route uses it on both sides.
 */
import { asNumber, asObject, type JsonObject } from "../../core/json.ts";
import { optionalObject } from "../../core/read.ts";
import type { TokenCounting } from "../dialect.ts";

/** Builds the counting route for a way to write a model's resource name. */
export function tokenCounting(resource: (model: string) => string): TokenCounting {
  return {
    // A whole request may be wrapped, which is the only way to count instructions and tools; contents may also stand alone.
    request: (body) =>
      optionalObject(body, "generateContentRequest") ?? optionalObject(body, "generate_content_request") ?? body,
    upstream: {
      path: (model) => `/${resource(model)}:countTokens`,
      body: (encoded, model): JsonObject => ({ generateContentRequest: { ...encoded, model: resource(model) } }),
      read: (reply) => asNumber(asObject(reply)?.totalTokens),
    },
    encode: (tokens) => ({ totalTokens: tokens, promptTokensDetails: [{ modality: "TEXT", tokenCount: tokens }] }),
  };
}
