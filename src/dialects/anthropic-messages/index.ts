/**
 * The Anthropic Messages dialect: requests, replies, streams and errors of one wire format in both directions.
 * The gateway knows it only as a `Dialect`.
 */
import type { Dialect } from "../dialect.ts";
import { tokenCounting } from "./count.ts";
import { decodeError, encodeError, encodeStreamError } from "./error.ts";
import { fitsUpstream } from "./fits.ts";
import { peek, relayEdits } from "./peek.ts";
import { decodeReply, encodeReply } from "./reply.ts";
import { decodeRequest } from "./request-decode.ts";
import { encodeRequest } from "./request-encode.ts";
import { createStreamDecoder } from "./stream-decode.ts";
import { createStreamEncoder } from "./stream-encode.ts";
import { OWN } from "./wire.ts";

/** Anthropic Messages. */
export const anthropicMessages: Dialect = {
  id: OWN,
  operation: "generation",
  tokenCounting,
  peek: (body) => peek(body),
  decodeRequest: (body) => decodeRequest(body),
  encodeRequest,
  upstreamPath: () => "/messages",
  forwardedHeaders: ["anthropic-version", "anthropic-beta"],
  defaultHeaders: { "anthropic-version": "2023-06-01" },
  fitsUpstream,
  relayEdits,
  isUsageOnly: () => false,
  decodeReply,
  streamDecoder: createStreamDecoder,
  encodeReply,
  streamEncoder: (context) => createStreamEncoder(context),
  keepAlive: () => 'event: ping\ndata: {"type": "ping"}\n\n',
  decodeError,
  encodeError,
  encodeStreamError: (error, requestId) => encodeStreamError(error, requestId),
};
