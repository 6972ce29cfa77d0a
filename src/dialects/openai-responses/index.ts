/**
 * The OpenAI Responses dialect: what Codex, the OpenAI SDKs and the AI SDK speak by default.
 * Everything that the gateway knows of this wire format goes through the one object exported here.
 */
import type { Dialect } from "../dialect.ts";
import { tokenCounting } from "./count.ts";
import { decodeError, encodeError, encodeStreamFailure } from "./error.ts";
import { fitsUpstream } from "./fits.ts";
import { peek, relayEdits } from "./head.ts";
import { decodeReply } from "./reply-decode.ts";
import { encodeReply } from "./reply-encode.ts";
import { decodeRequest } from "./request-decode.ts";
import { encodeRequest } from "./request-encode.ts";
import { streamDecoder } from "./stream-decode.ts";
import { streamEncoder } from "./stream-encode.ts";
import { idBody, OWN } from "./wire.ts";

/** See `Dialect`. */
export const openaiResponses: Dialect = {
  id: OWN,
  operation: "generation",
  tokenCounting,
  peek,
  decodeRequest,
  encodeRequest,
  upstreamPath: () => "/responses",
  forwardedHeaders: ["openai-beta"],
  defaultHeaders: {},
  fitsUpstream,
  relayEdits,
  isUsageOnly: () => false,
  decodeReply,
  streamDecoder,
  encodeReply,
  streamEncoder,
  keepAlive: () => ": keep-alive\n\n",
  decodeError,
  encodeError,
  encodeStreamError(error, requestId) {
    const { failed, event } = encodeStreamFailure(error, requestId);
    const response = {
      id: `resp_${idBody(requestId)}`,
      object: "response",
      status: "failed",
      error: failed,
      incomplete_details: null,
      output: [],
      usage: null,
    };
    const data = JSON.stringify({ type: "response.failed", response });
    const before = event ? `event: error\ndata: ${JSON.stringify({ type: "error", error: event })}\n\n` : "";
    return `${before}event: response.failed\ndata: ${data}\n\n`;
  },
};
