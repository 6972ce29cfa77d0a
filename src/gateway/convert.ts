/**
 * Carries a call between two formats through the canon: decode the caller's request, encode it for the upstream,
 * decode the upstream's answer into events, encode those for the caller.
 */
import type { Candidate, Endpoint } from "../core/endpoint.ts";
import type { CanonicalEvent } from "../core/event.ts";
import type { SseFrame } from "../core/frame.ts";
import { type Json, tryParse } from "../core/json.ts";
import type { Loss } from "../core/loss.ts";
import { collect } from "../core/reply.ts";
import type { CanonicalRequest, DialectId } from "../core/request.ts";
import type { Dialect, EncodeContext, StreamEncoder } from "../dialects/dialect.ts";
import { DIALECTS } from "../dialects/index.ts";
import { createSseParser } from "../upstream/sse.ts";
import { decodeFrames } from "./frames.ts";
import { dialectHeaders, type GenerationInquiry, loweredLimit } from "./inquiry.ts";
import type { Piece, ReplyStream, Translation } from "./translation.ts";

const decoder = new TextDecoder();

/** Prepares a conversion. Throws `invalid_request` when the caller's body has a wrong shape. */
export function convert(inquiry: GenerationInquiry, candidate: Candidate<DialectId>): Translation {
  const { endpoint } = candidate;
  const target: Dialect = DIALECTS[candidate.dialect];
  const { request, losses } = lowered(inquiry.canonical(), loweredLimit(inquiry, candidate));
  const encoded = target.encodeRequest(request, {
    model: endpoint.upstreamModel,
    stream: inquiry.head.stream,
    maxOutputTokens: endpoint.maxOutputTokens,
    capabilities: endpoint.capabilities,
    quirks: endpoint.quirks[candidate.dialect] ?? {},
  });
  const context = encodeContext(inquiry, request, endpoint);
  return {
    path: "convert",
    upstreamPath: target.upstreamPath(endpoint.upstreamModel, inquiry.head.stream),
    body: JSON.stringify(encoded.body),
    headers: { ...dialectHeaders(inquiry, target), ...encoded.headers },
    losses: losses.length === 0 ? encoded.losses : joinLosses(losses, encoded.losses),
    stream: () => convertStream(inquiry, target, context),
    whole(bytes) {
      const events = target.decodeReply(parseReply(bytes), { id: inquiry.id });
      if (events.some((event) => event.type === "error")) return { output: "", events };
      return { output: JSON.stringify(inquiry.dialect.encodeReply(collect(events), context)), events };
    },
  };
}

/** What a caller is told whose own output limit was lowered. */
export const LOWERED_LIMIT: Loss = { field: "maxOutputTokens", kind: "altered" };
const LOWERED_BUDGET: Loss = { field: "reasoning.budgetTokens", kind: "altered" };

/** Of a lowered output limit, the share that thinking may take at most: upstreams refuse a budget that leaves nothing for an answer. */
const BUDGET_SHARE = 0.8;

/** A copy of the request with the output limit lowered to this, and a thinking budget that would not fit below it. */
export function lowered(
  request: CanonicalRequest,
  limit: number | undefined,
): { request: CanonicalRequest; losses: Loss[] } {
  if (limit === undefined) return { request, losses: [] };
  const losses = request.maxOutputTokens === undefined ? [] : [LOWERED_LIMIT];
  const copy = { ...request, maxOutputTokens: limit };
  const { reasoning } = request;
  if (reasoning?.budgetTokens !== undefined && reasoning.budgetTokens >= limit) {
    copy.reasoning = { ...reasoning, budgetTokens: Math.floor(limit * BUDGET_SHARE) };
    losses.push(LOWERED_BUDGET);
  }
  return { request: copy, losses };
}

/** Both lists, a field that is in both only once. */
function joinLosses(first: readonly Loss[], second: readonly Loss[]): Loss[] {
  return [...first, ...second.filter(({ field }) => !first.some((loss) => loss.field === field))];
}

/** What an encoder of answers to this caller may use; `request` is what was asked of the upstream in the caller's name. */
export function encodeContext(
  inquiry: GenerationInquiry,
  request: CanonicalRequest,
  { modelId }: Endpoint,
): EncodeContext {
  return {
    id: inquiry.id,
    createdAt: inquiry.createdAt,
    model: modelId,
    request,
    wantsStreamUsage: inquiry.head.wantsStreamUsage,
  };
}

/** A reply body as JSON; what is none becomes null, which every dialect decodes to an error. */
export function parseReply(bytes: Uint8Array): Json {
  return tryParse(decoder.decode(bytes)) ?? null;
}

function convertStream(inquiry: GenerationInquiry, target: Dialect, context: EncodeContext): ReplyStream {
  const parser = createSseParser({});
  const source = decodeFrames(target, inquiry.id);
  const encoder = inquiry.dialect.streamEncoder(context, inquiry.framing);
  let broken = false;

  function piece(frames: readonly SseFrame[]): Piece {
    let output = "";
    const events: CanonicalEvent[] = [];
    for (const frame of frames) {
      if (broken) break;
      for (const event of source.frame(frame)) {
        events.push(event);
        if (event.type === "error") broken = true;
        else output += encoder.event(event);
      }
    }
    return { output, events };
  }

  return {
    push: (chunk) => piece(parser.push(chunk)),
    fail: (error) => encoder.error(error),
    keepAlive: () => inquiry.dialect.keepAlive(inquiry.framing),
    end() {
      const last = piece(parser.end());
      if (broken) return last;
      const found = source.end();
      const output = last.output + encodeAll(found, encoder);
      const failed = found.some((event) => event.type === "error");
      return { output: failed ? output : output + encoder.end(), events: [...last.events, ...found] };
    },
  };
}

/** Events as text of the caller's stream; errors have a form of their own. */
export function encodeAll(events: readonly CanonicalEvent[], encoder: StreamEncoder): string {
  let output = "";
  for (const event of events) {
    if (event.type !== "error") output += encoder.event(event);
  }
  return output;
}
