/**
 * Tests of the choice among a provider's keys, with a clock of the test's own.
 * A key that fails gives way at once; nothing but the provider itself keeps the last one from being tried.
 */
import { describe, expect, test } from "bun:test";
import { createCredentialPool } from "./credentials.ts";

function setUp(...weights: number[]) {
  const clock = { ms: 1000 };
  const pool = createCredentialPool(weights, () => clock.ms);
  const picks = (count: number) => Array.from({ length: count }, () => pool.pick());
  return { clock, pool, picks };
}

describe("turns", () => {
  test("go by weight, evenly spread", () => {
    const { picks } = setUp(2, 1);
    expect(picks(6)).toEqual([0, 1, 0, 0, 1, 0]);
  });

  test("pass by keys in reserve while another one is ready", () => {
    const { pool, picks } = setUp(1, 0);
    expect(picks(3)).toEqual([0, 0, 0]);
    pool.limited(0, 5000);
    expect(picks(2)).toEqual([1, 1]);
  });

  test("are nobody's without keys", () => {
    expect(setUp().pool.pick()).toBeUndefined();
  });
});

describe("a key", () => {
  test("that was limited rests as long as the provider says, the next one is ready at once", () => {
    const { clock, pool, picks } = setUp(1, 1);
    pool.limited(0, 2000);
    expect(pool.pick(0)).toBe(1);
    expect(picks(3)).toEqual([1, 1, 1]);
    clock.ms += 2000;
    expect(new Set(picks(4))).toEqual(new Set([0, 1]));
  });

  test("that was refused is out, longer each time, until it is tried again or put back by hand", () => {
    const { clock, pool, picks } = setUp(1, 1);
    pool.refused(0);
    clock.ms += 59_999;
    expect(picks(2)).toEqual([1, 1]);
    clock.ms += 1;
    expect(picks(2)).toContain(0);
    pool.refused(0);
    clock.ms += 60_000;
    expect(pool.states()[0]).toEqual({ index: 0, state: "refused", untilMs: 1000 + 60_000 + 120_000 });
    pool.reset(0);
    expect(pool.states()[0]).toEqual({ index: 0, state: "ready", untilMs: undefined });
  });

  test("that works again is trusted as before", () => {
    const { clock, pool } = setUp(1, 1);
    pool.refused(0);
    clock.ms += 60_000;
    pool.worked(0);
    pool.refused(0);
    expect(pool.states()[0]?.untilMs).toBe(clock.ms + 60_000);
  });

  test("that is the only one never rests: the provider has the last word", () => {
    const { pool } = setUp(1);
    pool.limited(0, 60_000);
    pool.refused(0);
    expect(pool.pick()).toBe(0);
    expect(pool.pick(0)).toBeUndefined();
  });

  test("is found even when all rest: the one that is ready soonest", () => {
    const { pool } = setUp(1, 1);
    pool.limited(0, 9000);
    pool.limited(1, 3000);
    expect(pool.pick()).toBe(1);
    expect(pool.pick(1)).toBeUndefined();
  });

  test("rests an hour at most, whatever the provider says", () => {
    const { clock, pool } = setUp(1, 1);
    pool.limited(0, 1e15);
    expect(pool.states()[0]?.untilMs).toBe(clock.ms + 3_600_000);
    pool.limited(1, -5);
    expect(pool.states()[1]?.state).toBe("ready");
  });
});
