/**
 * Counting tokens in the Responses format: the question an upstream answers at `/responses/input_tokens`, and its answer.
 * The gateway's counting route uses it on both sides.
 */
import { asNumber, asObject, type JsonObject } from "../../core/json.ts";
import type { TokenCounting } from "../dialect.ts";

/** What the counting route takes of a request (from the official SDK's `InputTokenCountParams`). */
const COUNTED = [
  "model",
  "input",
  "instructions",
  "tools",
  "tool_choice",
  "parallel_tool_calls",
  "previous_response_id",
  "conversation",
  "reasoning",
  "text",
  "truncation",
];

export const tokenCounting: TokenCounting = {
  request: (body) => body,
  upstream: {
    path: () => "/responses/input_tokens",
    body(encoded) {
      const counted: JsonObject = {};
      for (const field of COUNTED) if (encoded[field] !== undefined) counted[field] = encoded[field];
      return counted;
    },
    read: (reply) => asNumber(asObject(reply)?.input_tokens),
  },
  encode: (tokens) => ({ object: "response.input_tokens", input_tokens: tokens }),
};
