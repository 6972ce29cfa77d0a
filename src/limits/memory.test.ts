/**
 * Tests of the windows in memory against an oracle that keeps every grant and counts every interval by brute force.
 * What is promised to a caller (never too much, nothing for a refusal, a wait that is true) is checked after every step.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { RateDecision, RateGranted, RateSubject } from "./limiter.ts";
import { createMemoryLimiter } from "./memory.ts";
import { MAX_SUBJECTS, Subjects } from "./subjects.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

function limiterAt(startMs = 0, share?: number) {
  const clock = { ms: startMs };
  const limiter = createMemoryLimiter({ nowMs: () => clock.ms, share });
  return {
    clock,
    take: (subjects: readonly RateSubject[], tokens = 1) => limiter.take(subjects, tokens) as RateDecision,
  };
}

interface Taken {
  readonly atMs: number;
  readonly subjects: readonly RateSubject[];
  tokens: number;
  readonly decision: RateGranted;
}

const WINDOWS = [
  { limit: "rpm", lengthMs: MINUTE_MS, bucketMs: 1000 },
  { limit: "rpd", lengthMs: DAY_MS, bucketMs: 900_000 },
  { limit: "tpm", lengthMs: MINUTE_MS, bucketMs: 1000 },
] as const;
type Kind = (typeof WINDOWS)[number];

/** What all grants still taken amount to after this moment. */
function sum(all: readonly Taken[], id: string, { limit }: Kind, afterMs: number): number {
  return all
    .filter(({ atMs, subjects }) => atMs > afterMs && subjects.some((one) => one.id === id && one[limit] !== undefined))
    .reduce((total, { tokens }) => total + (limit === "tpm" ? tokens : 1), 0);
}

const subject = (id: string) =>
  fc.constantFrom(
    { id, rpm: 3 },
    { id, rpm: 2, rpd: 5 },
    { id, rpm: 70, rpd: 100 },
    { id, rpd: 66 },
    { id, rpm: 4, tpm: 50 },
    { id, tpm: 300 },
    { id },
  );
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ take: fc.constantFrom("a", "b", "ab"), tokens: fc.integer({ min: 1, max: 60 }) }),
  },
  { weight: 3, arbitrary: fc.record({ passMs: fc.integer({ min: 0, max: 3000 }) }) },
  { weight: 1, arbitrary: fc.record({ passMs: fc.integer({ min: 0, max: DAY_MS / 4 }) }) },
  { weight: 2, arbitrary: fc.record({ giveBack: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ correct: fc.nat(), tokens: fc.integer({ min: 1, max: 60 }) }) },
  { weight: 1, arbitrary: fc.record({ burst: fc.integer({ min: 1, max: 120 }) }) },
);

/** Runs the steps on a limiter and on the oracle, and checks each decision. */
function compare(
  a: RateSubject,
  b: RateSubject,
  steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[],
) {
  const { clock, take } = limiterAt(1_000_000);
  let live: Taken[] = [];
  let corrected = false;
  const attempt = (subjects: readonly RateSubject[], tokens: number) => {
    const decision = take(subjects, tokens);
    const windows = subjects.flatMap((one) =>
      WINDOWS.flatMap((kind) => (one[kind.limit] === undefined ? [] : [{ one, kind, limit: one[kind.limit]! }])),
    );
    const amount = (kind: Kind) => (kind.limit === "tpm" ? tokens : 1);
    const over = (slackMs: (kind: Kind) => number) =>
      windows.some(
        ({ one, kind, limit }) =>
          sum(live, one.id, kind, clock.ms - kind.lengthMs - slackMs(kind)) + amount(kind) > limit,
      );
    if (!decision.ok) {
      // A bucket's width is all that it may err by, and small limits do not err.
      const exact = windows.every(({ limit }) => limit <= 64);
      expect(over((kind) => (exact ? 0 : kind.bucketMs))).toBe(true);
      expect(decision.retryAfterMs).toBeGreaterThan(0);
      return decision;
    }
    expect(over(() => 0)).toBe(false);
    live.push({ atMs: clock.ms, subjects, tokens, decision });
    return decision;
  };
  for (const one of steps) {
    if ("passMs" in one) clock.ms += one.passMs;
    else if ("burst" in one) for (let i = 0; i < one.burst; i++) attempt([a], 1);
    else if ("giveBack" in one) {
      const chosen = live[one.giveBack % Math.max(1, live.length)];
      chosen?.decision.giveBack();
      chosen?.decision.giveBack();
      live = live.filter((other) => other !== chosen);
    } else if ("correct" in one) {
      const chosen = live[one.correct % Math.max(1, live.length)];
      chosen?.decision.correct(one.tokens);
      if (chosen) chosen.tokens = one.tokens;
      corrected = true;
    } else {
      const subjects = one.take === "ab" ? [a, b] : [one.take === "a" ? a : b];
      const decision = attempt(subjects, one.tokens);
      const tooLarge = subjects.some(({ tpm }) => tpm !== undefined && one.tokens > tpm);
      if (decision.ok || tooLarge) continue;
      clock.ms += decision.retryAfterMs;
      expect(attempt(subjects, one.tokens).ok).toBe(true);
    }
  }
  return corrected;
}

describe("windows in memory", () => {
  test("never hold more than the limit, take nothing for a refusal, and have room when they said so", () => {
    fc.assert(
      fc.property(subject("a"), subject("b"), fc.array(step, { maxLength: 60 }), (a, b, steps) => {
        compare(a, b, steps);
      }),
      { numRuns: 400 },
    );
  });

  test("grant small limits to the millisecond", () => {
    const { clock, take } = limiterAt(12_345);
    const subjects = [{ id: "k", rpm: 2 }];
    expect(take(subjects).ok).toBe(true);
    clock.ms += 10_007;
    expect(take(subjects).ok).toBe(true);
    clock.ms += 1;
    expect(take(subjects)).toMatchObject({
      ok: false,
      window: "minute",
      what: "requests",
      limit: 2,
      retryAfterMs: 49_992,
    });
    clock.ms += 49_991;
    expect(take(subjects).ok).toBe(false);
    clock.ms += 1;
    expect(take(subjects).ok).toBe(true);
  });

  test("let a day's grants fall out by the quarter of an hour, never too early", () => {
    const { clock, take } = limiterAt(DAY_MS);
    const subjects = [{ id: "k", rpd: 100 }];
    for (let i = 0; i < 100; i++) expect(take(subjects).ok).toBe(true);
    clock.ms += DAY_MS;
    const refused = take(subjects);
    expect(refused.ok).toBe(false);
    if (!refused.ok) clock.ms += refused.retryAfterMs;
    expect(clock.ms - 2 * DAY_MS).toBeLessThanOrEqual(900_000);
    expect(take(subjects).ok).toBe(true);
  });

  test("are all asked: one full window of one subject leaves the others untouched", () => {
    const { take } = limiterAt();
    const key = { id: "key", rpm: 1 };
    const workspace = { id: "workspace", rpm: 10, rpd: 10, tpm: 100 };
    expect(take([key, workspace], 10).ok).toBe(true);
    for (let i = 0; i < 50; i++) expect(take([workspace, key], 10).ok).toBe(false);
    const state = take([workspace], 10);
    expect(state.ok && state.state).toMatchObject({ what: "requests", limit: 10, remaining: 8 });
  });

  test("name the window that takes longest to have room", () => {
    const { take } = limiterAt();
    const subjects = [{ id: "k", rpm: 1, rpd: 1 }];
    take(subjects);
    expect(take(subjects)).toMatchObject({ ok: false, window: "day", limit: 1, retryAfterMs: DAY_MS });
  });

  test("show the tightest one, and until when it resets", () => {
    const { clock, take } = limiterAt(5000);
    const subjects = [{ id: "k", rpm: 4, rpd: 200 }];
    take(subjects);
    clock.ms += 20_000;
    const decision = take(subjects);
    expect(decision.state).toEqual({ window: "minute", what: "requests", limit: 4, remaining: 2, resetMs: 60_000 });
  });

  test("count tokens, and the real number instead of the estimate", () => {
    const { take } = limiterAt();
    const subjects = [{ id: "k", tpm: 1000 }];
    const first = take(subjects, 900);
    expect(take(subjects, 200)).toMatchObject({ ok: false, what: "tokens", limit: 1000 });
    if (first.ok) first.correct(100);
    const second = take(subjects, 900);
    expect(second.ok).toBe(true);
    if (second.ok) second.correct(5000);
    expect(take(subjects, 1).state).toMatchObject({ remaining: 0 });
    if (second.ok) {
      second.giveBack();
      second.correct(5000);
    }
    expect(take(subjects, 900).ok).toBe(true);
  });

  test("never grant a call of more tokens than the limit, and take odd numbers of tokens as one", () => {
    const { take } = limiterAt();
    const subjects = [{ id: "k", tpm: 10 }];
    expect(take(subjects, 11)).toMatchObject({ ok: false, retryAfterMs: MINUTE_MS });
    for (const odd of [0, -5, Number.NaN, Number.NEGATIVE_INFINITY]) expect(take(subjects, odd).ok).toBe(true);
    expect(take(subjects, 7).ok).toBe(false);
    expect(take(subjects, 6).ok).toBe(true);
    expect(take(subjects, Number.POSITIVE_INFINITY).ok).toBe(false);
  });

  test("refuse all at a limit of zero, and nothing where there is no limit", () => {
    const { take } = limiterAt();
    expect(take([{ id: "k", rpm: 0 }])).toMatchObject({ ok: false, limit: 0, retryAfterMs: MINUTE_MS });
    for (let i = 0; i < 100; i++) expect(take([{ id: "free" }])).toMatchObject({ ok: true, state: undefined });
    expect(take([]).ok).toBe(true);
  });

  test("follow a limit that changes, both ways", () => {
    const { take } = limiterAt(500);
    for (let i = 0; i < 70; i++) expect(take([{ id: "k", rpm: 100 }]).ok).toBe(true);
    expect(take([{ id: "k", rpm: 20 }]).ok).toBe(false);
    for (let i = 0; i < 30; i++) expect(take([{ id: "k", rpm: 100 }]).ok).toBe(true);
    expect(take([{ id: "k", rpm: 100 }]).ok).toBe(false);
    expect(take([{ id: "k", rpm: 101 }]).ok).toBe(true);
  });

  test("survive a clock that is set back: time goes on from where it was", () => {
    const { clock, take } = limiterAt(10 * DAY_MS);
    const subjects = [{ id: "k", rpm: 1 }];
    take(subjects);
    clock.ms -= 5 * DAY_MS;
    expect(take(subjects).ok).toBe(false);
    clock.ms += MINUTE_MS;
    expect(take(subjects).ok).toBe(true);
  });

  test("are a node's share where there are several, never nothing, and a large call has an empty share to itself", () => {
    const { take } = limiterAt(0, 3);
    const count = (subjects: RateSubject[]) =>
      Array.from({ length: 50 }, () => take(subjects)).filter(({ ok }) => ok).length;
    expect(count([{ id: "twenty", rpm: 20 }])).toBe(6);
    expect(count([{ id: "two", rpm: 2 }])).toBe(1);
    expect(count([{ id: "zero", rpm: 0 }])).toBe(0);
    expect(take([{ id: "large", tpm: 90 }], 91).ok).toBe(false);
    expect(take([{ id: "large", tpm: 90 }], 60).ok).toBe(true);
    expect(take([{ id: "large", tpm: 90 }], 1)).toMatchObject({ ok: false, limit: 90, state: { remaining: 0 } });
  });
});

describe("remembered subjects", () => {
  test("are let go when they are idle, and those that count are kept", () => {
    const subjects = new Subjects();
    const busy = [{ id: "busy", rpd: 10 }];
    subjects.windows(busy, 0)[0]?.add(0, 7);
    for (let i = 0; i < 5000; i++) {
      subjects.windows([{ id: `key:${i}`, rpm: 10 }], i * 1000)[0]?.add(i * 1000, 1);
      expect(subjects.size).toBeLessThan(150);
    }
    expect(subjects.windows(busy, 5_000_000)[0]?.total).toBe(7);
  });

  test("never exceed their number: the longest unused go first", () => {
    const subjects = new Subjects(100);
    const often = [{ id: "often", rpd: 10 }];
    subjects.windows(often, 0)[0]?.add(0, 7);
    for (let i = 0; i < 1000; i++) {
      subjects.windows([{ id: `key:${i}`, rpm: 10 }], i)[0]?.add(i, 1);
      expect(subjects.size).toBeLessThanOrEqual(100);
      expect(subjects.windows(often, i)[0]?.total).toBe(7);
    }
    expect(MAX_SUBJECTS).toBeGreaterThan(10_000);
  });
});
