/**
 * What becomes of an upstream call whose caller has left: closed where that ends the provider's charge, else read to its
 * end by nobody's leave but within limits, because what is paid for is to be known.
 * Attempts send through a `Departure` where closing saves nothing; it costs a running call no more than its one listener.
 */
import type { CallSignal } from "../upstream/http.ts";

/** How long and how many abandoned calls are read to their end. */
export interface AbandonSettings {
  readonly timeMs: number;
  readonly maxCalls: number;
}

export const ABANDON_DEFAULTS: AbandonSettings = { timeMs: 120_000, maxCalls: 500 };

/** The abandoned calls of this process. */
export interface Abandoned {
  readonly settings: AbandonSettings;
  /** How many are being read to their end. */
  count: number;
}

/** The signal of one upstream call, which outlives the caller's. */
export class Departure implements CallSignal {
  readonly #caller: AbortSignal;
  readonly #abandoned: Abandoned;
  #call: EventListenerObject | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(caller: AbortSignal, abandoned: Abandoned) {
    this.#caller = caller;
    this.#abandoned = abandoned;
  }

  /** Nothing is sent for a caller who has left before that. */
  get aborted(): boolean {
    return this.#caller.aborted;
  }

  addEventListener(_type: "abort", call: EventListenerObject): void {
    this.#call = call;
    this.#caller.addEventListener("abort", this);
  }

  /** The call is over. */
  removeEventListener(): void {
    this.#call = undefined;
    this.#caller.removeEventListener("abort", this);
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#abandoned.count -= 1;
  }

  /** The caller has left. False when too many are being read already: then this call is to be closed. */
  leave(): boolean {
    if (this.#timer !== undefined || this.#call === undefined) return true;
    const { settings } = this.#abandoned;
    if (this.#abandoned.count >= settings.maxCalls) return false;
    this.#abandoned.count += 1;
    this.#timer = setTimeout(() => this.#close(), settings.timeMs);
    return true;
  }

  handleEvent(): void {
    if (!this.leave()) this.#close();
  }

  #close(): void {
    this.#call?.handleEvent(new Event("abort"));
  }
}
