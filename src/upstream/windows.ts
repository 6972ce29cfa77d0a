/**
 * Counts and times of an endpoint's calls over the last five minutes, half hour and day, in rings of buckets.
 * Kept by `health.ts` for each endpoint; memory is the same whatever the traffic.
 */

/** Whose doing a failure was, as statistics show it. */
export type FailureClass = "connect" | "timeout" | "server" | "rate-limit" | "credential";

export type WindowName = "5m" | "30m" | "1d";

/** What a window holds. Times in milliseconds; undefined where there was nothing to measure. */
export interface WindowSummary {
  readonly calls: number;
  /** Share of calls that were served, 0 to 1; undefined without calls. */
  readonly uptime: number | undefined;
  readonly failures: { readonly [K in FailureClass]: number };
  readonly firstContentP50Ms: number | undefined;
  readonly firstContentP95Ms: number | undefined;
  readonly tokensPerSecond: number | undefined;
}

export interface Windows {
  served(nowMs: number, firstContentMs: number): void;
  finished(nowMs: number, outputTokens: number, durationMs: number): void;
  failed(nowMs: number, kind: FailureClass): void;
  read(window: WindowName, nowMs: number): WindowSummary;
}

const KINDS: readonly FailureClass[] = ["connect", "timeout", "server", "rate-limit", "credential"];
const RINGS: { readonly [W in WindowName]: { readonly buckets: number; readonly bucketMs: number } } = {
  "5m": { buckets: 10, bucketMs: 30_000 },
  "30m": { buckets: 10, bucketMs: 180_000 },
  "1d": { buckets: 24, bucketMs: 3_600_000 },
};
const NAMES = Object.keys(RINGS) as WindowName[];

/** Bucket limits of the histogram grow by a fifth each, from 1 ms to some 20 minutes: percentiles are right to a tenth. */
const GROWTH = Math.log(1.2);
const STEPS = 78;
/** Of an ended answer that took less, the speed says nothing. */
const MIN_DURATION_MS = 50;

/** One bucket: served calls, failures by kind, tokens and their milliseconds, then the histogram. */
const SERVED = 0;
const FAILED = 1;
const TOKENS = FAILED + KINDS.length;
const TOKENS_MS = TOKENS + 1;
const TIMES = TOKENS_MS + 1;
const WIDTH = TIMES + STEPS;

interface Ring {
  readonly bucketMs: number;
  readonly counts: Float64Array;
  /** The number of the period that each bucket holds. */
  readonly periods: Float64Array;
}

/** Empty windows. The rings are made with the first call: most endpoints of a catalogue are never called. */
export function createWindows(): Windows {
  let rings: { readonly [W in WindowName]: Ring } | undefined;

  function add(nowMs: number, field: number, amount: number): void {
    rings ??= { "5m": ring("5m"), "30m": ring("30m"), "1d": ring("1d") };
    for (const name of NAMES) {
      const { bucketMs, counts, periods }: Ring = rings[name];
      const period = Math.floor(nowMs / bucketMs);
      const index = period % periods.length;
      if (periods[index] !== period) {
        periods[index] = period;
        counts.fill(0, index * WIDTH, (index + 1) * WIDTH);
      }
      counts[index * WIDTH + field]! += amount;
    }
  }

  return {
    served(nowMs, firstContentMs) {
      add(nowMs, SERVED, 1);
      add(nowMs, TIMES + stepOf(firstContentMs), 1);
    },
    finished(nowMs, outputTokens, durationMs) {
      if (durationMs < MIN_DURATION_MS || outputTokens <= 0) return;
      add(nowMs, TOKENS, outputTokens);
      add(nowMs, TOKENS_MS, durationMs);
    },
    failed: (nowMs, kind) => add(nowMs, FAILED + KINDS.indexOf(kind), 1),
    read: (window, nowMs) => summarise(rings && sum(rings[window], nowMs)),
  };
}

function ring(name: WindowName): Ring {
  const { buckets, bucketMs } = RINGS[name];
  return { bucketMs, counts: new Float64Array(buckets * WIDTH), periods: new Float64Array(buckets).fill(-1) };
}

function stepOf(ms: number): number {
  return ms <= 1 ? 0 : Math.min(STEPS - 1, Math.ceil(Math.log(ms) / GROWTH));
}

/** All buckets that are not older than the window, as one. */
function sum({ bucketMs, counts, periods }: Ring, nowMs: number): Float64Array {
  const total = new Float64Array(WIDTH);
  const newest = Math.floor(nowMs / bucketMs);
  for (const [index, period] of periods.entries()) {
    if (period < 0 || period > newest || period <= newest - periods.length) continue;
    for (let field = 0; field < WIDTH; field++) total[field]! += counts[index * WIDTH + field]!;
  }
  return total;
}

function summarise(total: Float64Array | undefined): WindowSummary {
  const at = (field: number) => total?.[field] ?? 0;
  const failures = Object.fromEntries(
    KINDS.map((kind, index) => [kind, at(FAILED + index)]),
  ) as WindowSummary["failures"];
  const failed = KINDS.reduce((count, kind) => count + failures[kind], 0);
  const calls = at(SERVED) + failed;
  return {
    calls,
    uptime: calls === 0 ? undefined : at(SERVED) / calls,
    failures,
    firstContentP50Ms: percentile(total, 0.5),
    firstContentP95Ms: percentile(total, 0.95),
    tokensPerSecond: at(TOKENS_MS) === 0 ? undefined : (at(TOKENS) / at(TOKENS_MS)) * 1000,
  };
}

/** The upper limit of the step in which that share of the calls is reached. */
function percentile(total: Float64Array | undefined, share: number): number | undefined {
  const served = total?.[SERVED] ?? 0;
  if (!total || served === 0) return undefined;
  let seen = 0;
  for (let step = 0; step < STEPS; step++) {
    seen += total[TIMES + step]!;
    if (seen >= served * share) return Math.round(Math.exp(step * GROWTH));
  }
  return Math.round(Math.exp((STEPS - 1) * GROWTH));
}
