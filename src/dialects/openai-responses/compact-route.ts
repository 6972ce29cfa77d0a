/**
 * The Responses dialect as it is spoken at `/responses/compact`: the same requests, asking for a compacted conversation.
 * The surface of that route listens in it; upstreams that have the route are asked there.
 */
import type { Reply } from "../../core/event.ts";
import type { JsonObject } from "../../core/json.ts";
import { emptyUsage } from "../../core/usage.ts";
import type { Dialect, EncodeContext } from "../dialect.ts";
import { askForSummary, isCompacting, keptTurns, sealReply } from "./compaction.ts";
import { openaiResponses } from "./index.ts";
import { responseId } from "./reply-encode.ts";
import { encodeUsage } from "./usage.ts";
import { OWN } from "./wire.ts";

/** See `Dialect`. Its answers are never streamed. */
export const openaiResponsesCompact: Dialect = {
  ...openaiResponses,
  peek: (body, path) => ({ ...openaiResponses.peek(body, path), stream: false, compacts: true }),
  decodeRequest(body, path) {
    const request = openaiResponses.decodeRequest({ ...body, stream: false }, path);
    return isCompacting(request) ? request : askForSummary(request);
  },
  upstreamPath: () => "/responses/compact",
  encodeReply,
};

function encodeReply(reply: Reply, context: EncodeContext): JsonObject {
  const item = sealReply(reply, context).choices[0]?.parts[0];
  return {
    id: responseId(reply.id, context),
    object: "response.compaction",
    created_at: reply.createdAt ?? context.createdAt,
    output: [...keptTurns(context), ...(item?.type === "opaque" ? [item.value] : [])],
    usage: encodeUsage(reply.usage ?? emptyUsage(), reply.usageExtras?.[OWN]),
  };
}
