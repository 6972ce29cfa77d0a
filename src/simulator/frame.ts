/**
 * The pieces a streamed answer is made of before it becomes bytes, and the faults that are done to them.
 * Dialects yield frames; the byte stream pulls them.
 */
import { type Directives, numberFrom } from "./directives.ts";
import { weigh } from "./tokens.ts";

/** One event of a stream. */
export interface Frame {
  /** The name on the `event:` line; empty when the format has none. */
  event: string;
  /** What stands after `data:`; for `raw` frames, the bytes themselves. */
  data: string;
  /** Output tokens that this event delivers; more than 0 makes it a content chunk. */
  tokens: number;
  kind: "event" | "end" | "raw" | "cut" | "hang";
}

/** A frame without content: a start, a stop, a usage block. */
export const mark = (data: string, event = ""): Frame => ({ event, data, tokens: 0, kind: "event" });

/** A frame that delivers a piece of content. */
export const content = (data: string, piece: string, event = ""): Frame => ({
  event,
  data,
  tokens: weigh(piece),
  kind: "event",
});

/** The frame that says the stream is over. */
export const end = (data: string, event = ""): Frame => ({ event, data, tokens: 0, kind: "end" });

const raw = (data: string): Frame => ({ event: "", data, tokens: 0, kind: "raw" });

const MAX_COUNT = 1_000_000;
const MAX_UNBROKEN = 256 * 1024 * 1024;
const UNBROKEN_PIECE = 65_536;
const COMMENT_EVERY = 3;
const FAULTS = ["error-after", "cut-after", "cut-inside", "hang-after", "no-newline"];
const FAULT_FLAGS = ["first-error", "charged-error", "stays-open", "no-done", "bad-json", "comments"];
const REPEATED = ["twice", "decreasing"];

function* unbroken(bytes: number): Generator<Frame> {
  yield raw("data: ");
  const piece = "x".repeat(UNBROKEN_PIECE);
  for (let left = bytes; left > 0; left -= UNBROKEN_PIECE)
    yield raw(left >= UNBROKEN_PIECE ? piece : piece.slice(0, left));
}

interface Limits {
  cut: number;
  inside: number;
  fail: number;
  hang: number;
}

function* afterContent(count: number, limits: Limits, errors: () => Iterable<Frame>): Generator<Frame, boolean> {
  if (count >= limits.fail) {
    yield* errors();
    return true;
  }
  // Without a byte of the body its headers would not be sent.
  if (count === 0 && (limits.hang === 0 || limits.cut === 0)) yield raw(": wait\n\n");
  if (count >= limits.inside) {
    yield raw('data: {"half":');
    yield { event: "", data: "", tokens: 0, kind: "cut" };
    return true;
  }
  if (count >= limits.cut) yield { event: "", data: "", tokens: 0, kind: "cut" };
  if (count >= limits.hang) yield { event: "", data: "", tokens: 0, kind: "hang" };
  return count >= limits.cut || count >= limits.hang;
}

/** The frames as the ordered faults leave them; `errors` gives the API's own in-stream error. */
export function spoil(frames: Iterable<Frame>, directives: Directives, errors: () => Iterable<Frame>): Iterable<Frame> {
  const spoiled = FAULTS.some((name) => directives.values.has(name));
  if (REPEATED.includes(directives.values.get("usage") ?? "")) return repeatUsage(frames, directives);
  if (!spoiled && !FAULT_FLAGS.some((name) => directives.flags.has(name))) return frames;
  return spoilFrames(frames, directives, errors);
}

const USAGE = /"usage(?:Metadata)?":\{/;
const OUTPUT = /"((?:completion|output)_tokens|candidatesTokenCount|totalTokenCount|total_tokens)":(\d+)/g;

/** Usage told twice; or first ten times as much as in the end. Of an event that ends the stream only the usage comes earlier. */
function* repeatUsage(frames: Iterable<Frame>, directives: Directives): Generator<Frame> {
  const factor = directives.values.get("usage") === "decreasing" ? 10 : 1;
  for (const frame of frames) {
    if (frame.tokens === 0 && USAGE.test(frame.data)) {
      const data = frame.data.replace(
        OUTPUT,
        (_, name: string, count: string) => `"${name}":${Number(count) * factor}`,
      );
      const early = (text: string) => text.replace("response.completed", "response.in_progress");
      yield { ...frame, event: early(frame.event), data: early(data), kind: "event" };
    }
    yield frame;
  }
}

function* spoilFrames(
  frames: Iterable<Frame>,
  directives: Directives,
  errors: () => Iterable<Frame>,
): Generator<Frame> {
  const { flags } = directives;
  if (flags.has("first-error") || flags.has("charged-error")) return yield* errors();
  const atOf = (name: string) => numberFrom(directives, name, MAX_COUNT) ?? Number.POSITIVE_INFINITY;
  const limits: Limits = {
    cut: atOf("cut-after"),
    inside: atOf("cut-inside"),
    fail: atOf("error-after"),
    hang: atOf("hang-after"),
  };
  const bytes = numberFrom(directives, "no-newline", MAX_UNBROKEN);
  if (bytes !== undefined) return yield* unbroken(bytes);
  if (yield* afterContent(0, limits, errors)) return;
  let count = 0;
  let total = 0;
  for (const frame of frames) {
    if (flags.has("comments") && total++ % COMMENT_EVERY === 0) yield raw(": keep-alive\n\n");
    if (frame.kind === "end" && flags.has("no-done")) continue;
    yield frame;
    if (frame.tokens === 0) continue;
    count += 1;
    if (count === 1 && flags.has("bad-json"))
      yield { ...frame, data: frame.data.slice(0, frame.data.length >> 1), tokens: 0 };
    if (yield* afterContent(count, limits, errors)) return;
  }
  if (flags.has("stays-open")) yield { event: "", data: "", tokens: 0, kind: "hang" };
}
