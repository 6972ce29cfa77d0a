/**
 * One coarse clock that looks at the deadlines of all upstream calls, in place of a timer for every call and chunk.
 * `http.ts` registers a call with it when it is sent and takes it out when its last byte has come.
 */

/** What the clock looks at. */
export interface Watched {
  /** Called at every tick with the monotonic time in milliseconds; ends the call if a deadline has passed. */
  check(nowMs: number): void;
}

const COARSEST_PERIOD_MS = 250;
const FINEST_PERIOD_MS = 5;

const live = new Set<Watched>();
let ticker: ReturnType<typeof setInterval> | undefined;
let periodMs = COARSEST_PERIOD_MS;
let lastTickMs = 0;
let hasSkipped = false;

/**
 * Has the call checked until `unwatch`. A deadline is noticed late by at most a quarter of `shortestMs` (the shortest
 * of the call's timeouts) or 250 ms, whichever is less.
 */
export function watch(call: Watched, shortestMs: number): void {
  live.add(call);
  const wantedMs = Math.max(FINEST_PERIOD_MS, Math.min(COARSEST_PERIOD_MS, shortestMs / 4));
  if (ticker !== undefined && wantedMs >= periodMs) return;
  clearInterval(ticker);
  periodMs = wantedMs;
  lastTickMs = performance.now();
  ticker = setInterval(tick, periodMs);
  ticker.unref();
}

/** Ends the checking; harmless when it has ended. */
export function unwatch(call: Watched): void {
  live.delete(call);
}

/** How many calls are being watched. */
export function watchedCount(): number {
  return live.size;
}

function tick(): void {
  const nowMs = performance.now();
  // When the loop itself was held up, what the calls wait for may lie in the sockets unread: they get one more round.
  const isLate = nowMs - lastTickMs > 2 * periodMs;
  lastTickMs = nowMs;
  if (live.size === 0) {
    // Left running between calls, so that a busy gateway does not start a timer for each.
    clearInterval(ticker);
    ticker = undefined;
    return;
  }
  hasSkipped = isLate && !hasSkipped;
  if (hasSkipped) return;
  for (const call of live) call.check(nowMs);
}
