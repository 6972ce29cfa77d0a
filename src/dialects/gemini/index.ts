/**
 * The dialect of Google Gemini's generateContent, put together from its parts.
 * The gateway uses it for callers and upstreams alike; model and streaming wish stand in the path.
 */
import type { Dialect } from "../dialect.ts";
import { tokenCounting } from "./count.ts";
import { decodeError, encodeError, encodeStreamError } from "./error.ts";
import { fitsUpstream } from "./fits.ts";
import { peek, relayEdits } from "./peek.ts";
import { decodeReply, encodeReply } from "./reply.ts";
import { decodeRequest } from "./request-decode.ts";
import { encodeRequest } from "./request-encode.ts";
import { resourcePath } from "./resource.ts";
import { streamDecoder, streamEncoder } from "./stream.ts";

/** The path below a base URL that ends in the version. Slashes inside a model's name are kept. */
function upstreamPath(model: string, stream: boolean): string {
  const name = resourcePath(model);
  return stream ? `/${name}:streamGenerateContent?alt=sse` : `/${name}:generateContent`;
}

export const gemini: Dialect = {
  id: "gemini",
  operation: "generation",
  tokenCounting: tokenCounting(resourcePath),
  peek,
  decodeRequest,
  encodeRequest,
  upstreamPath,
  forwardedHeaders: [],
  defaultHeaders: {},
  fitsUpstream,
  relayEdits,
  isUsageOnly: () => false,
  decodeReply,
  streamDecoder,
  encodeReply,
  streamEncoder,
  // Clients take anything but white space between chunks for data.
  keepAlive: () => "\n",
  decodeError,
  encodeError,
  encodeStreamError: (error, requestId, framing) => encodeStreamError(error, requestId, framing),
};
