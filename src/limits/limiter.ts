/**
 * What a rate limiter promises: sliding windows of requests and tokens, checked and consumed in one atomic step.
 * Admission asks it after routing and before money is held; `memory.ts` is the one for a single node, `redis.ts` for several.
 */

/**
 * One thing that is limited, e.g. `{ id: "key:…", rpm: 20, rpd: 200 }`. An absent limit is none; zero refuses everything.
 * An id stands at most once in a call, and has the same limits on every node.
 */
export interface RateSubject {
  readonly id: string;
  /** Requests in any 60 seconds. */
  readonly rpm?: number | undefined;
  /** Requests in any 24 hours. */
  readonly rpd?: number | undefined;
  /** Tokens in any 60 seconds. */
  readonly tpm?: number | undefined;
}

/** Which of a subject's windows is meant. */
export interface RateWindow {
  readonly window: "minute" | "day";
  readonly what: "requests" | "tokens";
}

/** One window, as the `x-ratelimit-*` headers tell it. */
export interface RateState extends RateWindow {
  /** The whole limit, also while a node goes on with its share. */
  readonly limit: number;
  /** What is left at once, never below zero. */
  readonly remaining: number;
  /** Until the window is as good as new, if nothing more is taken. */
  readonly resetMs: number;
}

export interface RateGranted {
  readonly ok: true;
  /** The window with the least left in proportion to its limit; undefined when nothing is limited. */
  readonly state: RateState | undefined;
  /** Gives everything back that was taken (the upstream failed). Once; later calls do nothing. Never throws. */
  giveBack(): void;
  /** Counts so many tokens instead of what was counted until now. Does nothing after `giveBack`. Never throws. */
  correct(tokens: number): void;
}

export interface RateRefused extends RateWindow {
  readonly ok: false;
  /** Of the window that takes longest to have room again. */
  readonly limit: number;
  /**
   * After so long the same call is granted, if nobody else takes the room. A call of more tokens than the limit can
   * never be granted: then it is the window's length.
   */
  readonly retryAfterMs: number;
  readonly state: RateState;
}

export type RateDecision = RateGranted | RateRefused;

export interface RateLimiter {
  /**
   * Takes from all windows of all subjects, or from none: a refused call consumes nothing. `tokens` is the estimate that
   * counts against `tpm`, at least 1. Without a promise where the answer is in memory. Never throws, never rejects.
   */
  take(subjects: readonly RateSubject[], tokens: number): RateDecision | Promise<RateDecision>;
  close(): Promise<void>;
}
