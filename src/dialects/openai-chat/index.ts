/**
 * OpenAI Chat Completions as a dialect, with the habits of its many imitators.
 * The registry of dialects holds this one object; everything else in the folder is its parts.
 */
import type { Dialect } from "../dialect.ts";
import { decodeError, encodeError, encodeStreamError } from "./error.ts";
import { fitsUpstream } from "./fits.ts";
import { isUsageOnly, peek, relayEdits } from "./head.ts";
import { decodeReply } from "./reply-decode.ts";
import { encodeReply } from "./reply-encode.ts";
import { decodeRequest } from "./request-decode.ts";
import { encodeRequest } from "./request-encode.ts";
import { streamDecoder } from "./stream-decode.ts";
import { streamEncoder } from "./stream-encode.ts";
import { ID } from "./wire.ts";

/** Chat Completions: `POST {base}/chat/completions`, server-sent events that end with `[DONE]`. */
export const openaiChat: Dialect = {
  id: ID,
  operation: "generation",
  peek,
  decodeRequest,
  encodeRequest,
  upstreamPath: () => "/chat/completions",
  forwardedHeaders: [],
  defaultHeaders: {},
  fitsUpstream,
  relayEdits,
  isUsageOnly,
  decodeReply,
  streamDecoder,
  encodeReply,
  streamEncoder,
  keepAlive: () => ": keep-alive\n\n",
  decodeError,
  encodeError,
  encodeStreamError,
};
