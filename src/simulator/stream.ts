/**
 * Frames as bytes on the wire: pulled, paced, cut, and counted.
 * The last step of a streamed answer; the journal learns from it how the call ended.
 */
import type { Frame } from "./frame.ts";

/** How the bytes are written. */
export interface Writing {
  /** Milliseconds between content chunks; undefined joins what is ready into few writes. */
  gapMs: number | undefined;
  /** Writes pieces of this many bytes, when given. */
  split: number | undefined;
  crlf: boolean;
  /** One JSON array instead of server-sent events. */
  asArray: boolean;
}

/** How a stream went; filled while it runs. */
export interface Progress {
  bytes: number;
  tokens: number;
  finished: boolean;
  aborted: boolean;
}

/** Without a gap, this many characters at the most go into one write. */
const JOINED_CHARS = 16_384;
/** Lets what was written reach the client before the connection is destroyed. */
const CUT_DELAY_MS = 120;

const encoder = new TextEncoder();

function frameText(frame: Frame, newline: string): string {
  if (frame.kind === "raw") return newline === "\n" ? frame.data : frame.data.replaceAll("\n", newline);
  if (frame.event === "") return `data: ${frame.data}${newline}${newline}`;
  return `event: ${frame.event}${newline}data: ${frame.data}${newline}${newline}`;
}

/** A pause that can be ended early. */
interface Pause {
  wait(ms: number): Promise<void>;
  stop(): void;
}

function createPause(): Pause {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wake: (() => void) | undefined;
  return {
    wait: (ms) =>
      new Promise((resolve) => {
        wake = resolve;
        timer = setTimeout(resolve, ms);
      }),
    stop() {
      clearTimeout(timer);
      wake?.();
    },
  };
}

/** Turns frames into text, one write at a time. */
function createWriter(frames: Iterator<Frame>, writing: Writing, progress: Progress) {
  const newline = writing.crlf ? "\r\n" : "\n";
  let written = 0;
  let contents = 0;
  let held: Frame | undefined;
  const arrayText = (frame: Frame): string =>
    frame.kind === "raw" ? frame.data : `${written === 0 ? "[" : ",\r\n"}${frame.data}`;
  return {
    next(): { text: string; fate: "more" | "end" | "cut" | "hang" | "gap" } {
      let text = "";
      for (;;) {
        const step = held === undefined ? frames.next() : { done: false as const, value: held };
        if (step.done) return { text: writing.asArray ? `${text}${written === 0 ? "[" : ""}]` : text, fate: "end" };
        const frame = step.value;
        if (frame.kind === "cut" || frame.kind === "hang") return { text, fate: frame.kind };
        if (held === undefined && writing.gapMs !== undefined && frame.tokens > 0 && contents > 0) {
          held = frame;
          return { text, fate: "gap" };
        }
        held = undefined;
        text += writing.asArray ? arrayText(frame) : frameText(frame, newline);
        written += 1;
        progress.tokens += frame.tokens;
        if (frame.tokens > 0) contents += 1;
        if (text.length >= JOINED_CHARS || (writing.gapMs !== undefined && frame.tokens > 0))
          return { text, fate: "more" };
      }
    },
  };
}

/**
 * The body of a streamed answer. It is pulled, so a reader that stops reading stops it; when the reader leaves, timers
 * are cleared and `onEnd` runs with `aborted`. `onEnd` runs exactly once.
 */
export function streamFrames(
  frames: Iterator<Frame>,
  writing: Writing,
  progress: Progress,
  onEnd: () => void,
): ReadableStream<Uint8Array> {
  const writer = createWriter(frames, writing, progress);
  const pause = createPause();
  let pending: Uint8Array = new Uint8Array(0);
  let fate: "more" | "end" | "cut" | "hang" | "gap" = "more";
  let left = false;
  const send = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    const size = writing.split ?? pending.length;
    const piece = size >= pending.length ? pending : pending.subarray(0, size);
    pending = size >= pending.length ? new Uint8Array(0) : pending.subarray(size);
    progress.bytes += piece.length;
    controller.enqueue(piece);
  };
  const finish = (finished: boolean): void => {
    progress.finished = finished;
    onEnd();
  };
  const advance = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
    while (pending.length === 0 && !left) {
      if (fate === "end") {
        finish(true);
        return controller.close();
      }
      if (fate === "cut") {
        await pause.wait(CUT_DELAY_MS);
        if (left) return;
        finish(false);
        return controller.error(new Error("the simulated provider cut the connection"));
      }
      if (fate === "hang") return new Promise(() => {});
      if (fate === "gap") await pause.wait(writing.gapMs ?? 0);
      if (left) return;
      const step = writer.next();
      fate = step.fate;
      pending = step.text === "" ? pending : encoder.encode(step.text);
    }
    if (!left) send(controller);
  };
  return new ReadableStream<Uint8Array>(
    {
      pull: (controller) => (pending.length > 0 ? send(controller) : advance(controller)),
      cancel() {
        left = true;
        pause.stop();
        progress.aborted = true;
        frames.return?.();
        finish(false);
      },
    },
    { highWaterMark: 0 },
  );
}
