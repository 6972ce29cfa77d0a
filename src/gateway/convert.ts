/**
 * Carries a call between two formats through the canon: decode the caller's request, encode it for the upstream,
 * decode the upstream's answer into events, encode those for the caller.
 */
import type { Candidate } from "../core/endpoint.ts";
import type { CanonicalEvent } from "../core/event.ts";
import type { SseFrame } from "../core/frame.ts";
import { type Json, tryParse } from "../core/json.ts";
import { collect } from "../core/reply.ts";
import type { DialectId } from "../core/request.ts";
import type { Dialect, EncodeContext, StreamEncoder } from "../dialects/dialect.ts";
import { DIALECTS } from "../dialects/index.ts";
import { createSseParser } from "../upstream/sse.ts";
import { decodeFrames } from "./frames.ts";
import { dialectHeaders, type GenerationInquiry } from "./inquiry.ts";
import type { Piece, ReplyStream, Translation } from "./translation.ts";

const decoder = new TextDecoder();

/** Prepares a conversion. Throws `invalid_request` when the caller's body has a wrong shape. */
export function convert(inquiry: GenerationInquiry, candidate: Candidate<DialectId>): Translation {
  const { endpoint } = candidate;
  const target: Dialect = DIALECTS[candidate.dialect];
  const request = inquiry.canonical();
  const encoded = target.encodeRequest(request, {
    model: endpoint.upstreamModel,
    stream: inquiry.head.stream,
    maxOutputTokens: endpoint.maxOutputTokens,
    capabilities: endpoint.capabilities,
    quirks: endpoint.quirks[candidate.dialect] ?? {},
  });
  const context = encodeContext(inquiry);
  return {
    path: "convert",
    upstreamPath: target.upstreamPath(endpoint.upstreamModel, inquiry.head.stream),
    body: JSON.stringify(encoded.body),
    headers: { ...dialectHeaders(inquiry, target), ...encoded.headers },
    losses: encoded.losses,
    stream: () => convertStream(inquiry, target, context),
    whole(bytes) {
      const events = target.decodeReply(parseReply(bytes), { id: inquiry.id });
      if (events.some((event) => event.type === "error")) return { output: "", events };
      return { output: JSON.stringify(inquiry.dialect.encodeReply(collect(events), context)), events };
    },
  };
}

/** What an encoder of answers to this caller may use. Throws `invalid_request` when the caller's body cannot be decoded. */
export function encodeContext(inquiry: GenerationInquiry): EncodeContext {
  return {
    id: inquiry.id,
    createdAt: inquiry.createdAt,
    model: inquiry.shownModel,
    request: inquiry.canonical(),
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
