/**
 * Carries a stream that has begun from the upstream to the caller, piece by piece as the caller reads.
 * Backpressure runs through it: nothing is read from the upstream before the caller has taken what came before.
 */
import { GatewayError } from "../core/error.ts";
import { UpstreamFault } from "../upstream/http.ts";
import { SseLimitError } from "../upstream/sse.ts";
import { type Rest, type Served, tooLong } from "./attempt.ts";
import { conceal, fromFault, toError } from "./failure.ts";

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
  /** So much is read at most of a stream whose caller has left. */
  readonly maxAbandonedBytes: number;
}

/** Looks after all streams that are being carried, with one timer. */
export interface Pulse {
  readonly settings: PumpSettings;
  readonly live: Set<Pump>;
  join(stream: Pump): void;
  leave(stream: Pump): void;
}

const PULSE_MS = 250;

/** A pulse without streams; its timer runs only while there are some. */
export function createPulse(settings: PumpSettings): Pulse {
  const live = new Set<Pump>();
  let timer: ReturnType<typeof setInterval> | undefined;
  const beat = () => {
    const nowMs = settings.nowMs();
    for (const stream of live) stream.beat(nowMs);
  };
  return {
    settings,
    live,
    join(stream) {
      live.add(stream);
      timer ??= setInterval(beat, PULSE_MS);
    },
    leave(stream) {
      live.delete(stream);
      if (live.size > 0) return;
      clearInterval(timer);
      timer = undefined;
    },
  };
}

const encoder = new TextEncoder();

function toBytes(output: Uint8Array | string): Uint8Array {
  return typeof output === "string" ? encoder.encode(output) : output;
}

/** The pieces as one; mostly there is only one with anything in it, which is passed on as it is. */
function joined(pieces: readonly (Uint8Array | string)[]): Uint8Array {
  const said = pieces.filter((piece) => piece.length > 0);
  const [first] = said;
  return first !== undefined && said.length === 1 ? toBytes(first) : Buffer.concat(said.map(toBytes));
}

type Controller = ReadableStreamDefaultController<Uint8Array>;

/**
 * The source of a streamed answer's body. `settle` is called exactly once, whatever happens, before the caller sees the end.
 * A stream has one reader, so pulls never overlap.
 */
export class Pump {
  readonly #served: Served & { readonly rest: Rest };
  readonly #pulse: Pulse;
  readonly #settle: (ending: Ending) => void;
  readonly #foresee: () => void;
  #hasForeseen = false;
  #controller: Controller | undefined;
  #isOpened = false;
  #isOver = false;
  #isPulling = false;
  #hasLeft = false;
  /** What came of the stream after the caller had left. */
  #abandonedBytes = 0;
  /** When the stream began to wait: for the upstream while pulling, else for the caller to read. */
  #sinceMs: number;

  constructor(
    served: Served & { readonly rest: Rest },
    pulse: Pulse,
    settle: (ending: Ending) => void,
    foresee: () => void,
  ) {
    this.#served = served;
    this.#pulse = pulse;
    this.#settle = settle;
    this.#foresee = foresee;
    this.#sinceMs = pulse.settings.nowMs();
  }

  start(controller: Controller): void {
    this.#controller = controller;
    this.#pulse.join(this);
  }

  async pull(controller: Controller): Promise<void> {
    this.#isPulling = true;
    this.#sinceMs = this.#pulse.settings.nowMs();
    try {
      if (this.#isOpened || this.#hasLeft) await this.#step(controller);
      else this.#open(controller);
      // It may have left while this came to its end.
      if (this.#hasLeft && !this.#isOver) await this.#step(controller);
    } catch (thrown) {
      // Closed from here: the caller has left, or the time is up in which an abandoned stream is read.
      if (thrown instanceof UpstreamFault && thrown.kind === "cancelled") this.#abandon();
      else this.#finish(controller, broken(thrown));
    }
    this.#isPulling = false;
    this.#sinceMs = this.#pulse.settings.nowMs();
  }

  /** The caller went away. The rest is read all the same where it will be charged. */
  cancel(): void {
    if (this.#isOver || this.#hasLeft) return;
    if (!this.#served.rest.departure?.leave()) {
      this.#abandon();
      return;
    }
    this.#hasLeft = true;
    this.#pulse.leave(this);
    if (!this.#isPulling && this.#controller) void this.pull(this.#controller);
  }

  /** The end of a stream of which nobody reads the rest, if there is any. */
  #abandon(): void {
    const { meter, rest } = this.#served;
    if (!this.#hasLeft && !meter.finish && meter.isReported()) {
      // Where only the connection's end says that a stream is complete, the caller may well have had all of it.
      const { output, events } = rest.stream.end();
      const isEnd = output.length === 0 && !events.some((event) => event.type === "error");
      if (isEnd) meter.observe(events, this.#pulse.settings.nowMs);
    }
    if (this.#end()) this.#settle({ cancelled: !this.#isComplete() });
  }

  /** Whether the caller had been given everything up to the last event when it left. */
  #isComplete(): boolean {
    const { meter } = this.#served;
    return this.#isOpened && meter.finish !== undefined && !meter.failure && this.#abandonedBytes === 0;
  }

  /** Called by the pulse: a keep-alive for a silent upstream, the end for a caller that does not read. */
  beat(nowMs: number): void {
    const { keepAliveMs, writeStallMs } = this.#pulse.settings;
    const waitedMs = nowMs - this.#sinceMs;
    if (!this.#isPulling && waitedMs >= writeStallMs) {
      this.cancel();
      this.#controller?.error(new Error("the caller does not read"));
    } else if (this.#isPulling && waitedMs >= keepAliveMs) {
      this.#sinceMs = nowMs;
      const text = this.#served.rest.stream.keepAlive();
      if (text) this.#controller?.enqueue(encoder.encode(text));
    }
  }

  /** What the attempt has already read, up to and including the first content, in one piece. */
  #open(controller: Controller): void {
    this.#isOpened = true;
    this.#noteEnd();
    controller.enqueue(joined(this.#served.opening));
  }

  /** What is given to the caller next may be the last that it waits for, whenever the upstream closes. */
  #noteEnd(): void {
    const { meter } = this.#served;
    if (meter.finish === undefined || meter.failure) return;
    // Without a report usage is counted, which takes longer; once is enough until there is one.
    if (this.#hasForeseen && !meter.isReported()) return;
    this.#hasForeseen = true;
    this.#foresee();
  }

  async #step(controller: Controller): Promise<void> {
    const { meter, rest } = this.#served;
    if (rest.ended || meter.failure) return this.#finish(controller, this.#failure());
    for (;;) {
      const chunk = await rest.response.next();
      if (this.#isOver) return;
      const { output, events } = chunk ? rest.stream.push(chunk) : rest.stream.end();
      meter.observe(events, this.#pulse.settings.nowMs);
      if (this.#hasLeft) {
        this.#abandonedBytes += output.length;
        if (!chunk || meter.failure || this.#isTooMuch()) return this.#finish(controller);
        continue;
      }
      if (output.length > 0) {
        this.#noteEnd();
        controller.enqueue(toBytes(output));
      }
      if (!chunk || meter.failure) return this.#finish(controller, this.#failure());
      if (output.length > 0) return;
    }
  }

  #isTooMuch(): boolean {
    return this.#abandonedBytes > this.#pulse.settings.maxAbandonedBytes;
  }

  #failure(): GatewayError | undefined {
    const { meter, secrets } = this.#served;
    return meter.failure && toError(conceal(meter.failure, secrets()));
  }

  #finish(controller: Controller, error?: GatewayError): void {
    if (!this.#end()) return;
    if (this.#hasLeft) {
      this.#settle({ cancelled: !this.#isComplete() });
      return;
    }
    // A write of its own: some clients take an error only when it is not glued to what came before.
    if (error) controller.enqueue(encoder.encode(this.#served.rest.stream.fail(error)));
    this.#settle({ cancelled: false, error });
    controller.close();
  }

  /** True the first time. */
  #end(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#pulse.leave(this);
    this.#served.rest.response.cancel();
    return true;
  }
}

/** The body of a streamed answer. `foresee` is called before the caller is given what may be the end, perhaps several times. */
export function pump(
  served: Served & { readonly rest: Rest },
  pulse: Pulse,
  settle: (ending: Ending) => void,
  foresee: () => void = () => {},
): ReadableStream<Uint8Array> {
  return new ReadableStream(new Pump(served, pulse, settle, foresee), { highWaterMark: 0 });
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
