/**
 * OpenAI's old text completions as a dialect, which local servers still speak: a prompt in, its continuation out.
 * The registry of dialects holds this one object; everything else in the folder is its parts.
 */
import type { Dialect } from "../dialect.ts";
import { decodeError, encodeError, encodeStreamError } from "../openai-chat/error.ts";
import { isUsageOnly } from "../openai-chat/head.ts";
import { fitsUpstream } from "./fits.ts";
import { peek, relayEdits } from "./head.ts";
import { decodeReply, encodeReply } from "./reply.ts";
import { decodeRequest } from "./request-decode.ts";
import { encodeRequest } from "./request-encode.ts";
import { streamDecoder } from "./stream-decode.ts";
import { streamEncoder } from "./stream-encode.ts";
import { ID } from "./wire.ts";

/** Completions: `POST {base}/completions`, server-sent events that end with `[DONE]`. Errors and usage are as in Chat. */
export const openaiCompletions: Dialect = {
  id: ID,
  operation: "generation",
  peek,
  decodeRequest,
  encodeRequest,
  upstreamPath: () => "/completions",
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
