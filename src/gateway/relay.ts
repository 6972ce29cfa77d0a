/**
 * Carries a call within one format: the caller's bytes go out with the model's name patched, the upstream's bytes come back untouched.
 * A copy of the stream runs through the same decoder as a conversion's, for metering; its failure never harms the caller's stream.
 */
import type { Candidate } from "../core/endpoint.ts";
import { invalidRequest } from "../core/error.ts";
import type { CanonicalEvent } from "../core/event.ts";
import { type Edit, PatchError, patchJson } from "../core/patch.ts";
import type { Dialect, StreamDecoder } from "../dialects/dialect.ts";
import { createSseParser, DEFAULT_MAX_EVENT_BYTES, SseLimitError } from "../upstream/sse.ts";
import { parseReply } from "./convert.ts";
import { dialectHeaders, type Inquiry } from "./inquiry.ts";
import type { Piece, ReplyStream, Translation } from "./translation.ts";

const NOTHING: Piece = { output: "", events: [] };

/** Prepares a relay. The body keeps every byte but those of the patched fields. Throws `invalid_request` when it can't be patched. */
export function relay(inquiry: Inquiry, candidate: Candidate): Translation {
  const { dialect, head } = inquiry;
  const { upstreamModel, quirks } = candidate.endpoint;
  const edits = dialect.relayEdits(head, { model: upstreamModel, quirks: quirks[dialect.id] ?? {} });
  return {
    path: "relay",
    body: edits.length === 0 ? inquiry.bytes : patch(inquiry.bytes, edits),
    headers: dialectHeaders(inquiry, dialect),
    losses: [],
    stream: () => relayStream(dialect, inquiry.id, !head.wantsStreamUsage),
    whole(bytes) {
      const events = observe(() => dialect.decodeReply(parseReply(bytes), { id: inquiry.id }));
      return { output: bytes, events };
    },
  };
}

function patch(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array {
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

/**
 * Relays whole frames only: the tail of an unfinished one waits for the rest, so that a frame which must not reach the
 * caller (an upstream's raw error, a usage chunk nobody asked for) can still be left out.
 */
function relayStream(dialect: Dialect, id: string, dropUsage: boolean): ReplyStream {
  const parser = createSseParser({});
  const decoder = dialect.streamDecoder({ id });
  let tail: Uint8Array | undefined;

  function take(ready: Uint8Array): Piece {
    const frames = parser.push(ready);
    const events: CanonicalEvent[] = [];
    let dropped: Set<number> | undefined;
    for (let index = 0; index < frames.length; index++) {
      const frame = frames[index]!;
      if (dropUsage && dialect.isUsageOnly(frame)) {
        dropped ??= new Set();
        dropped.add(index);
      }
      const found = observe(() => decoder.frame(frame));
      for (const event of found) events.push(event);
      if (found.some(isError))
        return { output: rewrite(ready, (other) => other < index && !dropped?.has(other)), events };
    }
    return { output: dropped ? rewrite(ready, (index) => !dropped.has(index)) : ready, events };
  }

  return {
    push(chunk) {
      const bytes = tail ? Buffer.concat([tail, chunk]) : chunk;
      const cut = lastBoundary(bytes, tail ? Math.max(0, tail.length - 3) : 0);
      tail = cut === bytes.length ? undefined : bytes.subarray(cut);
      if (tail && tail.length > DEFAULT_MAX_EVENT_BYTES) throw new SseLimitError(DEFAULT_MAX_EVENT_BYTES, []);
      return cut === 0 ? NOTHING : take(bytes.subarray(0, cut));
    },
    end: () => finish(tail ? take(tail) : NOTHING, parser.end(), decoder),
    fail: (error) => dialect.encodeStreamError(error, id, "sse"),
  };
}

function isError(event: CanonicalEvent): boolean {
  return event.type === "error";
}

/** The unfinished last frame, if any, was already handed to `take` as bytes; here only its events and the decoder's end are due. */
function finish(
  last: Piece,
  frames: ReturnType<ReturnType<typeof createSseParser>["end"]>,
  decoder: StreamDecoder,
): Piece {
  const events = [...last.events];
  if (events.some(isError)) return last;
  for (const frame of frames) {
    const found = observe(() => decoder.frame(frame));
    events.push(...found);
    if (found.some(isError)) return { output: "", events };
  }
  events.push(...observe(() => decoder.end()));
  return { output: last.output, events };
}

/** The text of the chosen frames of a piece, in order. Rare, so it may parse a second time. */
function rewrite(ready: Uint8Array, keep: (index: number) => boolean): string {
  const frames = createSseParser({ raw: true }).push(ready);
  return frames.map((frame, index) => (keep(index) ? (frame.raw ?? "") : "")).join("");
}

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
