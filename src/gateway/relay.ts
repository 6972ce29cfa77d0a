/**
 * Carries a call within one format: the caller's bytes go out with the model's name patched, the upstream's bytes come back untouched.
 * A copy of the stream runs through the same decoder as a conversion's, for metering; its failure never harms the caller's stream.
 */
import type { Candidate, Endpoint, Quirks } from "../core/endpoint.ts";
import { invalidRequest } from "../core/error.ts";
import type { CanonicalEvent } from "../core/event.ts";
import type { SseFrame } from "../core/frame.ts";
import type { Head } from "../core/head.ts";
import { tryParse } from "../core/json.ts";
import { type Edit, PatchError, patchJson, replaceMember } from "../core/patch.ts";
import type { DialectId } from "../core/request.ts";
import type { RelayTarget, StreamDecoder } from "../dialects/dialect.ts";
import { createSseParser, DEFAULT_MAX_EVENT_BYTES, SseLimitError } from "../upstream/sse.ts";
import { encodeAll, encodeContext, LOWERED_LIMIT, lowered, parseReply } from "./convert.ts";
import { decodeFrames } from "./frames.ts";
import { dialectHeaders, type GenerationInquiry, loweredLimit } from "./inquiry.ts";
import type { Piece, ReplyStream, Translation } from "./translation.ts";

const decoder = new TextDecoder();
const NOTHING: Piece = { output: "", events: [] };

/** Prepares a relay. The body keeps every byte but those of the patched fields. Throws `invalid_request` when it can't be patched. */
export function relay(inquiry: GenerationInquiry, candidate: Candidate<DialectId>): Translation {
  const { dialect, head } = inquiry;
  const target = relayTarget(inquiry, candidate);
  const edits = dialect.relayEdits(head, target, inquiry.body);
  dropOwnFields(edits, head, target.quirks);
  return {
    path: "relay",
    upstreamPath: dialect.upstreamPath(target.model, head.stream),
    body: renamed(inquiry, edits) ?? patch(inquiry.bytes, edits),
    headers: dialectHeaders(inquiry, dialect),
    losses: target.maxOutputTokens !== undefined && head.maxOutputTokens !== undefined ? [LOWERED_LIMIT] : [],
    stream: () => relayStream(inquiry, candidate.endpoint, target.maxOutputTokens),
    whole(bytes) {
      const events = observe(() => dialect.decodeReply(parseReply(bytes), { id: inquiry.id }));
      return { output: bytes, events };
    },
  };
}

/** What a body says to the gateway alone goes no further, unless the upstream is known to understand it. */
export function dropOwnFields(edits: Edit[], { routing }: Head, { routingFields }: Quirks): void {
  if (!routing || routingFields) return;
  for (const name of routing.fields) edits.push({ path: [name], remove: true });
}

/** The body of which only the model's name changes, as most do: its place is found without reading the rest. */
function renamed({ bytes, body }: GenerationInquiry, edits: readonly Edit[]): Uint8Array | undefined {
  const [only] = edits;
  if (edits.length !== 1 || !only || !("value" in only)) return undefined;
  const [key, child] = only.path;
  return child === undefined && body[key] !== undefined ? replaceMember(bytes, key, only.value) : undefined;
}

/** What the caller's dialect may know of the endpoint. */
export function relayTarget(inquiry: GenerationInquiry, candidate: Candidate): RelayTarget {
  const { upstreamModel, quirks } = candidate.endpoint;
  const limit = loweredLimit(inquiry, candidate);
  const target = { model: upstreamModel, quirks: quirks[candidate.dialect] ?? {} };
  return limit === undefined ? target : { ...target, maxOutputTokens: limit };
}

/** The bytes with these edits. Throws `invalid_request` when they can't be made. */
export function patch(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array {
  try {
    return patchJson(bytes, edits);
  } catch (error) {
    if (error instanceof PatchError) throw invalidRequest(`The request body cannot be passed on: ${error.message}.`);
    throw error;
  }
}

function observe(decode: () => readonly CanonicalEvent[]): readonly CanonicalEvent[] {
  try {
    return decode();
  } catch {
    return [];
  }
}

/** Like `observe`, without a closure: it runs for every frame. */
function observeFrame(meter: StreamDecoder, frame: SseFrame): readonly CanonicalEvent[] {
  try {
    return meter.frame(frame);
  } catch {
    return [];
  }
}

/**
 * Relays whole frames only: the tail of an unfinished one waits for the rest, so that a frame which must not reach the
 * caller (an upstream's raw error, a usage chunk nobody asked for) can still be left out.
 */
function relayStream(inquiry: GenerationInquiry, endpoint: Endpoint, limit: number | undefined): ReplyStream {
  const { dialect } = inquiry;
  const dropUsage = !inquiry.head.wantsStreamUsage;
  const parser = createSseParser({});
  const meter = decodeFrames(dialect, inquiry.id);
  let tail: Uint8Array | undefined;

  function take(ready: Uint8Array): Piece {
    const frames = parser.push(ready);
    const wasWhole = meter.isWhole();
    const events: CanonicalEvent[] = [];
    let dropped: Set<number> | undefined;
    for (let index = 0; index < frames.length; index++) {
      const frame = frames[index]!;
      if (dropUsage && dialect.isUsageOnly(frame)) {
        dropped ??= new Set();
        dropped.add(index);
      }
      for (const event of observeFrame(meter, frame)) {
        events.push(event);
        if (isError(event)) return { output: rewrite(ready, (other) => other < index && !dropped?.has(other)), events };
      }
    }
    if (wasWhole) return { output: "", events };
    if (meter.isWhole()) return { output: asStream(inquiry, endpoint, limit, events), events };
    return { output: dropped ? rewrite(ready, (index) => !dropped.has(index)) : ready, events };
  }

  /**
   * A last event without its blank line counts as one, and the caller gets it as it came. One that broke off in the middle
   * says nothing, and whatever is written after it would be taken for its rest: the caller does not get it.
   */
  function last(unfinished: Uint8Array): Piece {
    const ready = Buffer.concat([unfinished, LF_LF]);
    const frames = createSseParser({}).push(ready);
    const isWhole = frames.length > 0 ? frames.every(isReadable) : isSilent(unfinished);
    const piece = finish(take(ready), meter);
    if (piece.output !== ready) return piece;
    if (!piece.events.some(isError)) return { output: isWhole ? unfinished : "", events: piece.events };
    return { output: isWhole ? ready : "", events: piece.events };
  }

  return {
    push(chunk) {
      const bytes = tail ? Buffer.concat([tail, chunk]) : chunk;
      const cut = lastBoundary(bytes, tail ? Math.max(0, tail.length - 3) : 0);
      tail = cut === bytes.length ? undefined : bytes.subarray(cut);
      if (tail && tail.length > DEFAULT_MAX_EVENT_BYTES) throw new SseLimitError(DEFAULT_MAX_EVENT_BYTES, []);
      return cut === 0 ? NOTHING : take(bytes.subarray(0, cut));
    },
    end: () => (tail ? last(tail) : finish(NOTHING, meter)),
    fail: (error) => dialect.encodeStreamError(error, inquiry.id, "sse"),
    keepAlive: () => dialect.keepAlive("sse"),
  };
}

/** A whole reply that came in place of a stream, as the stream that the caller's client waits for. */
function asStream(
  inquiry: GenerationInquiry,
  endpoint: Endpoint,
  limit: number | undefined,
  events: readonly CanonicalEvent[],
): string {
  const request = limit === undefined ? inquiry.canonical() : lowered(inquiry.canonical(), limit).request;
  const encoder = inquiry.dialect.streamEncoder(encodeContext(inquiry, request, endpoint), inquiry.framing);
  return encodeAll(events, encoder) + encoder.end();
}

function isReadable({ data }: SseFrame): boolean {
  return data === DONE || tryParse(data) !== undefined;
}

/** Whether there are only comments and blank lines. */
function isSilent(bytes: Uint8Array): boolean {
  return decoder
    .decode(bytes)
    .split("\n")
    .every((line) => line.trim() === "" || line.startsWith(":"));
}

function isError(event: CanonicalEvent): boolean {
  return event.type === "error";
}

/** What the decoder held back until the stream's end. */
function finish(piece: Piece, decoder: StreamDecoder): Piece {
  if (piece.events.some(isError)) return piece;
  return { output: piece.output, events: [...piece.events, ...observe(() => decoder.end())] };
}

/** The text of the chosen frames of a piece, in order. Rare, so it may parse a second time. */
function rewrite(ready: Uint8Array, keep: (index: number) => boolean): string {
  const frames = createSseParser({ raw: true }).push(ready);
  return frames.map((frame, index) => (keep(index) ? (frame.raw ?? "") : "")).join("");
}

const DONE = "[DONE]";
const LF_LF = Buffer.from("\n\n");
const CRLF_CRLF = Buffer.from("\r\n\r\n");

/** The end of the last blank line at or after `from`; 0 when there is none. */
function lastBoundary(bytes: Uint8Array, from: number): number {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = view.length;
  if (end >= 2 && view[end - 1] === 10 && (view[end - 2] === 10 || (view[end - 2] === 13 && view[end - 3] === 10)))
    return end;
  const lf = view.lastIndexOf(LF_LF);
  const crlf = view.lastIndexOf(CRLF_CRLF);
  return Math.max(lf >= from ? lf + 2 : 0, crlf >= from ? crlf + 4 : 0);
}
