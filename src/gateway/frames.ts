/**
 * Decodes the frames of a streamed answer, the same way for relay and convert.
 * It stands between the stream's framing and the dialect's decoder, and knows what an upstream may send instead of a stream.
 */
import type { CanonicalEvent } from "../core/event.ts";
import type { SseFrame } from "../core/frame.ts";
import { tryParse } from "../core/json.ts";
import { collect, unfold } from "../core/reply.ts";
import type { Dialect, StreamDecoder } from "../dialects/dialect.ts";

/** A decoder that also takes one plain JSON body for an answer, as some upstreams send where a stream was asked for. */
export interface FrameDecoder extends StreamDecoder {
  /** The answer came as one plain body, which has been decoded: its stream has no end of its own. */
  isWhole(): boolean;
}

/** A decoder for one stream of the dialect. */
export function decodeFrames(dialect: Dialect, id: string): FrameDecoder {
  const decoder = dialect.streamDecoder({ id });
  let began = false;
  let whole = false;
  return {
    frame(frame) {
      if (whole) return [];
      if (frame.bare && !began) {
        whole = true;
        return wholeReply(frame, dialect, id);
      }
      const found = decoder.frame(frame);
      if (found.length > 0) began = true;
      return found;
    },
    end: () => (whole ? [] : decoder.end()),
    isWhole: () => whole,
  };
}

function wholeReply(frame: SseFrame, dialect: Dialect, id: string): CanonicalEvent[] {
  const events = dialect.decodeReply(tryParse(frame.data) ?? null, { id });
  return events.some((event) => event.type === "error") ? events : unfold(collect(events));
}
