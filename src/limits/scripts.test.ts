/**
 * Tests of the scripts inside a real Redis: they decide like the windows in memory, which an oracle holds.
 * Redis's clock is replaced by a key, so that days pass at once.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { RedisClient } from "bun";
import fc from "fast-check";
import { type RedisServer, redisProgram, startRedis } from "../../test/support/redis.ts";
import type { RateSubject } from "./limiter.ts";
import { amountOf, decide } from "./memory.ts";
import { ADJUST, CLOCK, REGISTER, TAKE } from "./scripts.ts";
import { Subjects } from "./subjects.ts";
import type { SlidingWindow } from "./window.ts";

const START_MS = 1_800_000_000_000;
const MINUTE_MS = 60_000;

describe.skipIf(redisProgram === null)("scripts (needs redis-server)", () => {
  let server: RedisServer;
  let client: RedisClient;

  beforeAll(async () => {
    server = await startRedis();
    client = new RedisClient(server.url, { autoReconnect: false });
    await client.connect();
  });
  afterAll(async () => {
    client.close();
    await server.stop();
  });

  const evaluate = (text: string, keys: readonly string[], values: readonly (string | number)[]) => {
    const timed = text.replace(CLOCK, "local now = tonumber(redis.call('GET', 'now'))");
    return client.send("EVAL", [timed, String(keys.length), ...keys, ...values.map(String)]) as Promise<number[]>;
  };
  const nameOf = ({ id, kind }: SlidingWindow) => id + kind.suffix;
  const takeInRedis = (windows: readonly SlidingWindow[], tokens: number) =>
    evaluate(
      TAKE.text,
      windows.map(nameOf),
      windows.flatMap((one) => [one.kind.lengthMs, one.kind.bucketMs, one.limit, amountOf(one, tokens)]),
    );

  const subject = (id: string) =>
    fc.constantFrom<RateSubject>(
      { id, rpm: 3 },
      { id, rpm: 2, rpd: 5 },
      { id, rpm: 70, rpd: 100, tpm: 500 },
      { id, rpd: 66 },
      { id, tpm: 50 },
      { id, rpm: 0 },
    );
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        both: fc.boolean(),
        tokens: fc.integer({ min: 1, max: 60 }),
        times: fc.constantFrom(1, 1, 1, 40),
      }),
    },
    { weight: 3, arbitrary: fc.record({ passMs: fc.integer({ min: 0, max: 5000 }) }) },
    { weight: 1, arbitrary: fc.record({ passMs: fc.integer({ min: 0, max: 20_000_000 }) }) },
    { weight: 2, arbitrary: fc.record({ adjust: fc.nat(), change: fc.integer({ min: -60, max: 60 }) }) },
  );

  test("decide like the windows in memory, whatever is taken, given back and corrected", async () => {
    const property = fc.asyncProperty(
      subject("a"),
      subject("b"),
      fc.array(step, { maxLength: 40 }),
      async (a, b, steps) => {
        await client.send("FLUSHALL", []);
        const known = new Subjects();
        const grants: { atMs: number; windows: SlidingWindow[] }[] = [];
        let nowMs = START_MS;
        for (const one of steps) {
          if ("passMs" in one) {
            nowMs += one.passMs;
            continue;
          }
          await client.set("now", String(nowMs));
          if ("adjust" in one) {
            const chosen = grants[one.adjust % Math.max(1, grants.length)];
            if (!chosen || nowMs - chosen.atMs >= MINUTE_MS) continue;
            const { atMs, windows } = chosen;
            for (const window of windows) {
              window.expire(nowMs);
              window.adjust(atMs, one.change);
            }
            const changes = windows.flatMap(({ kind }) => [kind.lengthMs, one.change]);
            await evaluate(ADJUST.text, windows.map(nameOf), [atMs, ...changes]);
            continue;
          }
          for (let time = 0; time < one.times; time++) {
            const windows = known.windows(one.both ? [a, b] : [a], nowMs);
            const [granted, at, which = 0, remaining, resetMs, waitMs] = await takeInRedis(windows, one.tokens);
            const decision = decide(windows, one.tokens, nowMs, 1);
            const { window, what, limit } = { limit: windows[which - 1]?.limit, ...windows[which - 1]?.kind };
            expect([granted === 1, at, { window, what, limit, remaining, resetMs }, waitMs] as unknown[]).toEqual([
              decision.ok,
              nowMs,
              decision.state,
              decision.ok ? 0 : decision.retryAfterMs,
            ]);
            if (decision.ok) grants.push({ atMs: nowMs, windows });
          }
        }
      },
    );
    await fc.assert(property, { numRuns: 60 });
  });

  test("leave keys that expire, take another program's key as empty, and give nothing back to a younger window", async () => {
    await client.send("FLUSHALL", []);
    await client.set("now", String(START_MS));
    const windows = new Subjects().windows([{ id: "k", rpm: 2, rpd: 100 }], START_MS);
    await client.send("LPUSH", ["k:rpm", "something"]);
    await client.set("k:rpd", "text");
    expect((await takeInRedis(windows, 1))[0]).toBe(1);
    expect((await takeInRedis(windows, 1))[0]).toBe(1);
    const [rpm, rpd] = [await client.pttl("k:rpm"), await client.pttl("k:rpd")];
    expect(rpm > 0 && rpm <= 61_000 && rpd > rpm && rpd <= 87_300_000).toBe(true);
    await evaluate(ADJUST.text, ["k:rpm"], [START_MS - 1, MINUTE_MS, -1]);
    expect((await takeInRedis(windows, 1))[0]).toBe(0);
    await evaluate(ADJUST.text, ["k:rpm"], [START_MS, MINUTE_MS, -1]);
    expect((await takeInRedis(windows, 1))[0]).toBe(1);
    expect(await client.pttl("k:rpm")).toBeGreaterThan(0);
    await evaluate(ADJUST.text, ["k:rpm"], [START_MS, MINUTE_MS, -1000]);
    expect((await takeInRedis(windows, 1))[3]).toBe(1);
  });

  test("keep to their entries: a window that is given much back and refilled stays small", async () => {
    await client.send("FLUSHALL", []);
    const windows = new Subjects().windows([{ id: "k", rpm: 64 }], START_MS);
    for (let i = 0; i < 1000; i++) {
      await client.set("now", String(START_MS + i));
      expect((await takeInRedis(windows, 1))[0]).toBe(1);
      if (i >= 60) await evaluate(ADJUST.text, ["k:rpm"], [START_MS + i - (i % 3), MINUTE_MS, -1]);
    }
    expect(await client.strlen("k:rpm")).toBeLessThanOrEqual(12 + 128 * 12);
  });

  test("count the nodes that were heard of lately", async () => {
    await client.send("FLUSHALL", []);
    const register = async (name: string, nowMs: number) => {
      await client.set("now", String(nowMs));
      return (await evaluate(REGISTER.text, ["nodes"], [name, 15_000]))[0];
    };
    expect(await register("one", START_MS)).toBe(1);
    expect(await register("two", START_MS + 5000)).toBe(2);
    expect(await register("one", START_MS + 10_000)).toBe(2);
    expect(await register("one", START_MS + 20_000)).toBe(1);
  });
});
