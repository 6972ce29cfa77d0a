/**
 * Counting tokens in the Messages format: the question an upstream answers at `/messages/count_tokens`, and its answer.
 * The gateway's counting route uses it on both sides.
 */
import { asNumber, asObject, type JsonObject } from "../../core/json.ts";
import type { TokenCounting } from "../dialect.ts";

/** What the counting route takes of a request (from the official SDK's `MessageCountTokensParams`). */
const COUNTED = ["model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "mcp_servers"];

export const tokenCounting: TokenCounting = {
  request: (body) => body,
  upstream: {
    path: () => "/messages/count_tokens",
    body(encoded) {
      const counted: JsonObject = {};
      for (const field of COUNTED) if (encoded[field] !== undefined) counted[field] = encoded[field];
      return counted;
    },
    read: (reply) => asNumber(asObject(reply)?.input_tokens),
  },
  encode: (tokens) => ({ input_tokens: tokens }),
};
