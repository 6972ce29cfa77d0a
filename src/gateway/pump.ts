/**
 * Carries a stream that has begun from the upstream to the caller, piece by piece as the caller reads.
 * Backpressure runs through it: nothing is read from the upstream before the caller has taken what came before.
 */
import { GatewayError } from "../core/error.ts";
import { SseLimitError } from "../upstream/sse.ts";
import { type Served, tooLong } from "./attempt.ts";
import { fromFault, toError } from "./failure.ts";
import type { Inquiry } from "./inquiry.ts";

/** How a stream ended. */
export interface Ending {
  /** The caller went away before the end. */
  readonly cancelled: boolean;
  /** What broke it after content had begun; the caller got it in-band. */
  readonly error?: GatewayError;
}

export interface PumpSettings {
  /** After that much silence of the upstream a keep-alive in the caller's format is written. */
  readonly keepAliveMs: number;
  /** A caller that takes nothing for that long is cut off. */
  readonly writeStallMs: number;
  readonly nowMs: () => number;
}

/** A live stream, as the pulse sees it. */
interface Live {
  /** When the stream began to wait: for the upstream (`pulling`), or for the caller to read. */
  sinceMs: number;
  pulling: boolean;
  beat(): void;
  cut(): void;
}

/** Streams that are being carried right now. One timer looks after all of them. */
const live = new Set<Live>();
let pulse: ReturnType<typeof setInterval> | undefined;
const PULSE_MS = 250;

/** How many streams are being carried. */
export function liveStreams(): number {
  return live.size;
}

function join(stream: Live, settings: PumpSettings): void {
  live.add(stream);
  pulse ??= setInterval(() => {
    const nowMs = settings.nowMs();
    for (const one of live) {
      const waitedMs = nowMs - one.sinceMs;
      if (one.pulling && waitedMs >= settings.keepAliveMs) one.beat();
      else if (!one.pulling && waitedMs >= settings.writeStallMs) one.cut();
    }
  }, PULSE_MS);
}

function leave(stream: Live): void {
  live.delete(stream);
  if (live.size === 0 && pulse) {
    clearInterval(pulse);
    pulse = undefined;
  }
}

const encoder = new TextEncoder();

function toBytes(output: Uint8Array | string): Uint8Array {
  return typeof output === "string" ? encoder.encode(output) : output;
}

/**
 * The body of a streamed answer. `settle` is called exactly once, whatever happens, before the caller sees the end.
 * A stream has one reader, so pulls never overlap.
 */
export function pump(
  inquiry: Inquiry,
  served: Served,
  settings: PumpSettings,
  settle: (ending: Ending) => void | Promise<void>,
): ReadableStream<Uint8Array> {
  const { meter, rest } = served;
  const opening = served.opening.filter((output) => output.length > 0).map(toBytes);
  let over = false;
  let state: Live;

  async function finish(controller: ReadableStreamDefaultController<Uint8Array>, error?: GatewayError): Promise<void> {
    if (over) return;
    over = true;
    leave(state);
    if (error) {
      rest?.response.cancel();
      const last = inquiry.dialect.encodeStreamError(error, inquiry.id, inquiry.framing);
      if (last) controller.enqueue(encoder.encode(last));
    }
    await settle({ cancelled: false, error });
    controller.close();
  }

  function abandon(): void {
    if (over) return;
    over = true;
    leave(state);
    rest?.response.cancel();
    void settle({ cancelled: true });
  }

  async function step(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    if (!rest || rest.ended || meter.failure) return finish(controller, meter.failure && toError(meter.failure));
    for (;;) {
      const chunk = await rest.response.next();
      if (over) return;
      const piece = chunk ? rest.stream.push(chunk) : rest.stream.end();
      meter.observe(piece.events, settings.nowMs);
      if (piece.output.length > 0) controller.enqueue(toBytes(piece.output));
      if (!chunk || meter.failure) return finish(controller, meter.failure && toError(meter.failure));
      if (piece.output.length > 0) return;
    }
  }

  async function pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    state.pulling = true;
    state.sinceMs = settings.nowMs();
    try {
      const next = opening.shift();
      if (next) controller.enqueue(next);
      else await step(controller);
    } catch (thrown) {
      await finish(controller, broken(thrown));
    } finally {
      state.pulling = false;
      state.sinceMs = settings.nowMs();
    }
  }

  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        state = {
          sinceMs: settings.nowMs(),
          pulling: false,
          beat() {
            state.sinceMs = settings.nowMs();
            const text = inquiry.dialect.keepAlive(inquiry.framing);
            if (text) controller.enqueue(encoder.encode(text));
          },
          cut() {
            abandon();
            controller.error(new Error("the caller does not read"));
          },
        };
        join(state, settings);
      },
      pull,
      cancel: abandon,
    },
    { highWaterMark: 0 },
  );
}

function broken(thrown: unknown): GatewayError {
  if (thrown instanceof SseLimitError) return toError(tooLong(thrown));
  try {
    return toError(fromFault(thrown));
  } catch {
    const detail = thrown instanceof Error ? thrown.message : String(thrown);
    return new GatewayError("internal_error", "The stream broke off inside the gateway.", { detail });
  }
}
