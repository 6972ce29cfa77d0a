/**
 * Decides with the windows in memory, and the limiter of a single node, which does nothing else.
 * The limiter over Redis decides with the same functions while Redis is away.
 */
import type {
  RateDecision,
  RateGranted,
  RateLimiter,
  RateRefused,
  RateState,
  RateSubject,
  RateWindow,
} from "./limiter.ts";
import { Subjects } from "./subjects.ts";
import type { SlidingWindow } from "./window.ts";

export interface MemoryLimiterSettings {
  /** Milliseconds of any beginning. A clock that is set back goes on from where it was. */
  readonly nowMs: () => number;
  /** Every limit is divided by so many nodes, rounded down, but to no less than 1. Absent: 1. */
  readonly share?: number;
}

/**
 * A limiter whose windows live in this process, and die with it. No interval of a window's length ever sees more than the
 * limit. Waits are exact for limits up to 64; above, grants fall out by the second (a minute's) or by the quarter of an
 * hour (a day's), never too early. Takes well under a microsecond. Remembers at most `MAX_SUBJECTS`.
 */
export function createMemoryLimiter(settings: MemoryLimiterSettings): RateLimiter {
  const clock = monotonic(settings.nowMs);
  const known = new Subjects();
  const nodes = settings.share ?? 1;
  return {
    take(subjects: readonly RateSubject[], tokens: number): RateDecision {
      const nowMs = clock();
      const windows = known.windows(subjects, nowMs);
      return windows.length === 0 ? UNLIMITED : decide(windows, wholeTokens(tokens), nowMs, nodes);
    },
    async close() {},
  };
}

/** What is given where nothing is limited. */
export const UNLIMITED: RateGranted = Object.freeze({ ok: true, state: undefined, giveBack() {}, correct() {} });

/** A clock in whole milliseconds that never goes back. */
export function monotonic(nowMs: () => number): () => number {
  let lastMs = Number.NEGATIVE_INFINITY;
  let addedMs = 0;
  return () => {
    const momentMs = Math.floor(nowMs());
    if (momentMs < lastMs) addedMs += lastMs - momentMs;
    lastMs = momentMs;
    return momentMs + addedMs;
  };
}

const MAX_TOKENS = 1_000_000_000;

/** An amount that can be counted: whole, at least 1 and at most a milliard. */
export function wholeTokens(tokens: number): number {
  return tokens >= 1 ? Math.min(Math.ceil(tokens), MAX_TOKENS) : 1;
}

/** What a call takes from the window. */
export function amountOf(window: SlidingWindow, tokens: number): number {
  return window.kind.what === "tokens" ? tokens : 1;
}

/** What one of so many nodes may take. Never nothing where the limit is not: rounding would shut a small limit. */
function shareOf(limit: number, nodes: number): number {
  return nodes <= 1 || limit <= 1 ? limit : Math.max(1, Math.floor(limit / nodes));
}

/** Takes from all of the windows, or from none. They are already without what has fallen out. */
export function decide(
  windows: readonly SlidingWindow[],
  tokens: number,
  nowMs: number,
  nodes: number,
): Grant | Refusal {
  const refusal = findRefusal(windows, tokens, nowMs, nodes);
  if (refusal) return refusal;
  for (const window of windows) window.add(nowMs, amountOf(window, tokens));
  let tightest = windows[0]!;
  let least = Number.POSITIVE_INFINITY;
  for (const window of windows) {
    const left = 1 - window.total / shareOf(window.limit, nodes);
    if (left >= least) continue;
    least = left;
    tightest = window;
  }
  const remaining = Math.max(0, shareOf(tightest.limit, nodes) - tightest.total);
  return new Grant(windows, tokens, nowMs, tightest, remaining, tightest.resetMs(nowMs));
}

function findRefusal(windows: readonly SlidingWindow[], tokens: number, nowMs: number, nodes: number) {
  let worst: SlidingWindow | undefined;
  let retryAfterMs = -1;
  for (const window of windows) {
    const most = shareOf(window.limit, nodes);
    const amount = amountOf(window, tokens);
    // A call that only the whole limit has room for may have the node's share to itself: otherwise it could never be made.
    const excess = window.total + Math.min(amount, most) - most;
    if (excess <= 0 && amount <= window.limit) continue;
    const waitMs = amount > window.limit ? window.kind.lengthMs : window.waitFor(nowMs, excess);
    if (waitMs <= retryAfterMs) continue;
    retryAfterMs = waitMs;
    worst = window;
  }
  if (!worst) return undefined;
  const remaining = Math.max(0, shareOf(worst.limit, nodes) - worst.total);
  return new Refusal(worst, retryAfterMs, remaining, worst.resetMs(nowMs));
}

/** A refusal by this window. */
export class Refusal implements RateRefused, RateWindow {
  readonly ok = false;
  readonly window: "minute" | "day";
  readonly what: "requests" | "tokens";
  readonly limit: number;
  readonly retryAfterMs: number;
  private readonly remaining: number;
  private readonly resetMs: number;

  constructor({ kind, limit }: SlidingWindow, retryAfterMs: number, remaining: number, resetMs: number) {
    this.window = kind.window;
    this.what = kind.what;
    this.limit = limit;
    this.retryAfterMs = retryAfterMs;
    this.remaining = remaining;
    this.resetMs = resetMs;
  }

  get state(): RateState {
    const { window, what, limit, remaining, resetMs } = this;
    return { window, what, limit, remaining, resetMs };
  }
}

/** Tells Redis that requests and tokens of a grant changed by so much. */
export type Echo = (requests: number, tokens: number) => void;

/** A grant by windows in memory, also of one that Redis gave. A class, because it is made for every call. */
export class Grant implements RateGranted {
  readonly ok = true;
  private readonly windows: readonly SlidingWindow[];
  private tokens: number;
  private readonly atMs: number;
  private readonly tightest: SlidingWindow;
  private readonly limit: number;
  private readonly remaining: number;
  private readonly resetMs: number;
  private echo: Echo | undefined;
  private givenBack = false;

  constructor(
    windows: readonly SlidingWindow[],
    tokens: number,
    atMs: number,
    tightest: SlidingWindow,
    remaining: number,
    resetMs: number,
  ) {
    this.windows = windows;
    this.tokens = tokens;
    this.atMs = atMs;
    this.tightest = tightest;
    this.limit = tightest.limit;
    this.remaining = remaining;
    this.resetMs = resetMs;
  }

  get state(): RateState {
    const { limit, remaining, resetMs } = this;
    const { window, what } = this.tightest.kind;
    return { window, what, limit, remaining, resetMs };
  }

  giveBack(): void {
    if (this.givenBack) return;
    this.givenBack = true;
    for (const window of this.windows) window.adjust(this.atMs, -amountOf(window, this.tokens));
    this.echo?.(-1, -this.tokens);
  }

  correct(tokens: number): void {
    const change = wholeTokens(tokens) - this.tokens;
    if (this.givenBack || change === 0) return;
    this.tokens += change;
    for (const window of this.windows) if (window.kind.what === "tokens") window.adjust(this.atMs, change);
    this.echo?.(0, change);
  }

  /** Redis has taken `tokens` and one request for this grant too: from now on it hears of changes, and now of those until now. */
  follow(echo: Echo, tokens: number): void {
    this.echo = echo;
    if (this.givenBack) echo(-1, -tokens);
    else if (this.tokens !== tokens) echo(0, this.tokens - tokens);
  }
}
