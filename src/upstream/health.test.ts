/**
 * Tests of endpoints' health with a clock of the test's own: when a circuit opens, rests, lets a probe through and closes.
 * What statistics say is compared with the calls that were played.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createHealth } from "./health.ts";
import type { FailureClass } from "./windows.ts";

function setUp() {
  const clock = { ms: 1_000_000 };
  const changes: string[] = [];
  const health = createHealth({ nowMs: () => clock.ms, onChange: (id, state) => void changes.push(`${id} ${state}`) });
  const fail = (times: number, kind: FailureClass = "server") => {
    for (let i = 0; i < times; i++) health.failed("e", kind);
  };
  return { clock, changes, health, fail };
}

describe("a circuit", () => {
  test("opens after five failures in a row, and not when a call was served in between", () => {
    const { health, fail, changes } = setUp();
    fail(4);
    health.served("e", 10);
    fail(4);
    expect([health.state("e"), health.mayTry("e")]).toEqual(["closed", true]);
    fail(1);
    expect([health.state("e"), health.mayTry("e")]).toEqual(["open", false]);
    expect(changes).toEqual(["e open"]);
    expect(health.state("other")).toBe("closed");
  });

  test("is not opened by a provider that asks for patience, which is trouble all the same", () => {
    const { health, fail } = setUp();
    fail(50, "rate-limit");
    expect(health.state("e")).toBe("closed");
    expect(health.troubledAtMs("e")).toBeDefined();
    expect(health.read("e").windows["5m"].failures["rate-limit"]).toBe(50);
  });

  test("opens when half of a minute's calls fail, once there were enough to tell", () => {
    const { health, fail, clock } = setUp();
    for (let i = 0; i < 9; i++) {
      health.served("e", 10);
      fail(1);
    }
    expect(health.state("e")).toBe("closed");
    health.served("e", 10);
    fail(1);
    expect(health.state("e")).toBe("open");
    const later = setUp();
    for (let i = 0; i < 30; i++) {
      later.health.served("e", 10);
      later.fail(1);
      later.clock.ms += 5_000;
    }
    expect(later.health.state("e")).toBe("closed");
    expect(clock.ms).toBe(1_000_000);
  });

  test("rests 30 seconds, then lets one probe through, and closes when that is served", () => {
    const { health, fail, clock } = setUp();
    fail(5);
    expect(health.restsUntilMs("e")).toBe(clock.ms + 30_000);
    clock.ms += 29_999;
    expect(health.mayTry("e")).toBe(false);
    clock.ms += 1;
    expect(health.state("e")).toBe("half-open");
    expect([health.mayTry("e"), health.mayTry("e")]).toEqual([true, false]);
    health.served("e", 10);
    expect([health.state("e"), health.mayTry("e"), health.mayTry("e")]).toEqual(["closed", true, true]);
    expect(health.restsUntilMs("e")).toBeUndefined();
  });

  test("rests twice as long after each probe that fails, five minutes at most, and begins anew once it closed", () => {
    const { health, fail, clock } = setUp();
    fail(5);
    const rests: number[] = [];
    for (let round = 0; round < 6; round++) {
      rests.push((health.restsUntilMs("e") ?? 0) - clock.ms);
      clock.ms = health.restsUntilMs("e") ?? 0;
      expect(health.mayTry("e")).toBe(true);
      fail(1);
    }
    expect(rests).toEqual([30_000, 60_000, 120_000, 240_000, 300_000, 300_000]);
    clock.ms = health.restsUntilMs("e") ?? 0;
    health.mayTry("e");
    health.served("e", 1);
    fail(5);
    expect(health.restsUntilMs("e")).toBe(clock.ms + 30_000);
  });

  test("is not kept open by a probe that tells nothing: the caller left, or nothing was heard for two minutes", () => {
    const { health, fail, clock } = setUp();
    fail(5);
    clock.ms += 30_000;
    expect(health.mayTry("e")).toBe(true);
    health.untold("e");
    expect(health.mayTry("e")).toBe(true);
    clock.ms += 120_000;
    expect(health.mayTry("e")).toBe(true);
  });

  test("is not moved by calls from before it opened that fail late", () => {
    const { health, fail, clock } = setUp();
    fail(5);
    const until = health.restsUntilMs("e");
    clock.ms += 1000;
    fail(3);
    expect(health.restsUntilMs("e")).toBe(until);
  });

  test("keeps to other rules where they are set, and to none where it shall never open", () => {
    const clock = { ms: 0 };
    const strict = createHealth({ nowMs: () => clock.ms, rules: { failures: 2, restMs: 1000, longestRestMs: 1500 } });
    strict.failed("e", "server");
    strict.failed("e", "server");
    expect(strict.restsUntilMs("e")).toBe(1000);
    clock.ms = 1000;
    strict.mayTry("e");
    strict.failed("e", "server");
    expect(strict.restsUntilMs("e")).toBe(2500);
    const never = createHealth({ nowMs: () => 0, rules: { failures: 0, restMs: 1, longestRestMs: 1 } });
    for (let i = 0; i < 100; i++) never.failed("e", "server");
    expect(never.mayTry("e")).toBe(true);
  });

  test("can be closed by hand", () => {
    const { health, fail } = setUp();
    fail(5);
    health.reset("e");
    expect(health.mayTry("e")).toBe(true);
  });

  test("lets at most one call through while it is open, whatever happens", () => {
    const step = fc.constantFrom("try", "serve", "fail", "untold", "wait");
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { health, fail, clock } = setUp();
        fail(5);
        let probing = false;
        for (const one of steps) {
          if (health.state("e") === "closed") return;
          if (one === "try" && health.mayTry("e")) {
            expect(probing).toBe(false);
            probing = true;
          }
          if (one === "serve" && probing) health.served("e", 1);
          if (one === "fail" && probing) fail(1);
          if (one === "untold") health.untold("e");
          if (one === "serve" || one === "fail" || one === "untold") probing = false;
          if (one === "wait") clock.ms += 20_000;
          if (one === "wait" && probing) return;
        }
      }),
    );
  });
});

test("trouble is over after 30 seconds", () => {
  const { health, fail, clock } = setUp();
  expect(health.troubledAtMs("e")).toBeUndefined();
  fail(1);
  expect(health.troubledAtMs("e")).toBe(clock.ms);
  clock.ms += 30_000;
  expect(health.troubledAtMs("e")).toBeUndefined();
});

describe("statistics", () => {
  test("count calls and failures by their kind in each window, and forget what is older", () => {
    const { health, fail, clock } = setUp();
    for (let i = 0; i < 8; i++) health.served("e", 100);
    fail(1, "timeout");
    fail(1, "rate-limit");
    const { windows } = health.read("e");
    expect(windows["5m"]).toMatchObject({
      calls: 10,
      uptime: 0.8,
      failures: { timeout: 1, "rate-limit": 1, server: 0 },
    });
    clock.ms += 6 * 60_000;
    expect(health.read("e").windows["5m"].calls).toBe(0);
    expect(health.read("e").windows["30m"].calls).toBe(10);
    clock.ms += 40 * 60_000;
    expect(health.read("e").windows["30m"].calls).toBe(0);
    expect(health.read("e").windows["1d"].calls).toBe(10);
    clock.ms += 25 * 3_600_000;
    expect(health.read("e").windows["1d"]).toMatchObject({ calls: 0, uptime: undefined, firstContentP50Ms: undefined });
  });

  test("tell half and nearly all waits to a fifth, whatever they were", () => {
    const waits = fc.array(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(waits, (all) => {
        const { health } = setUp();
        for (const wait of all) health.served("e", wait);
        const sorted = all.toSorted((a, b) => a - b);
        const exact = (share: number) => sorted[Math.ceil(sorted.length * share) - 1]!;
        const { firstContentP50Ms, firstContentP95Ms } = health.read("e").windows["5m"];
        for (const [told, wanted] of [
          [firstContentP50Ms!, exact(0.5)],
          [firstContentP95Ms!, exact(0.95)],
        ] as const) {
          expect(told).toBeGreaterThanOrEqual(wanted * 0.82 - 1);
          expect(told).toBeLessThanOrEqual(wanted * 1.21 + 1);
        }
      }),
    );
  });

  test("tell tokens a second over all answers, and the wait that routing reads", () => {
    const { health } = setUp();
    health.finished("e", 100, 1000);
    health.finished("e", 300, 1000);
    health.finished("e", 50, 1);
    expect(health.tokensPerSecond("e")).toBe(200);
    expect(health.latencyMs("e")).toBeUndefined();
    health.served("e", 1);
    expect(health.latencyMs("e")).toBe(1);
  });
});
