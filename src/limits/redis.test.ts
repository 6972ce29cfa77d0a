/**
 * Tests of the limiter over a real Redis: several nodes that race, and a Redis that is killed, frozen, flushed or read-only.
 * Limits hold exactly while Redis is there, and within the written bound while it is not; no call ever fails.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { type RedisServer, redisProgram, startRedis } from "../../test/support/redis.ts";
import type { RateDecision, RateSubject } from "./limiter.ts";
import { createRedisLimiter, type RedisLimiter, type RedisLimiterSettings } from "./redis.ts";

const LIMIT = 40;
const SUBJECTS: readonly RateSubject[] = [{ id: "key:one", rpm: LIMIT, rpd: 1000 }];

describe.skipIf(redisProgram === null)("the limiter over Redis (needs redis-server)", () => {
  let server: RedisServer;
  let nodes: RedisLimiter[] = [];
  let lines: string[] = [];

  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    lines = [];
    await server.flush();
  });
  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.close()));
    nodes = [];
  });

  const open = async (over: Partial<RedisLimiterSettings> = {}): Promise<RedisLimiter> => {
    const log = (_level: string, message: string, fields = {}) => lines.push(JSON.stringify({ message, ...fields }));
    const node = createRedisLimiter({ url: server.url, nowMs: () => performance.now(), log, timeoutMs: 100, ...over });
    nodes.push(node);
    await node.ready();
    return node;
  };
  /** Two nodes that know of each other. */
  const openTwo = async () => [await open({ nodes: 2 }), await open({ nodes: 2 })] as const;
  const takeMany = (node: RedisLimiter, times: number, subjects = SUBJECTS) =>
    Promise.all(Array.from({ length: times }, () => node.take(subjects, 1)));
  const grantsOf = (decisions: readonly RateDecision[]) => decisions.filter(({ ok }) => ok).length;
  const granted = async (node: RedisLimiter, times: number, subjects = SUBJECTS) =>
    grantsOf(await takeMany(node, times, subjects));
  const until = async (condition: () => boolean | Promise<boolean>) => {
    for (let i = 0; i < 1000; i++) {
      if (await condition()) return;
      await Bun.sleep(10);
    }
    throw new Error("what was waited for did not happen");
  };
  const allBack = () => until(() => nodes.every((node) => node.status().shared));
  const allAway = () => until(() => nodes.every((node) => !node.status().shared));

  describe("while Redis is there", () => {
    test("two nodes that race grant exactly the limit of each of many keys", async () => {
      const [one, two] = await openTwo();
      const keys = Array.from({ length: 20 }, (_, i) => [
        { id: `key:${i}`, rpm: 50, rpd: 60 },
        { id: "all", rpm: 700 },
      ]);
      const grants = new Map<unknown, number>();
      for (let batch = 0; batch < 50; batch++) {
        const asked = Array.from({ length: 400 }, (_, i) => keys[(i * 7 + batch) % keys.length]!);
        const decisions = await Promise.all(asked.map((key, i) => (i % 2 ? one : two).take(key, 1)));
        for (const [i, { ok }] of decisions.entries()) if (ok) grants.set(asked[i], (grants.get(asked[i]) ?? 0) + 1);
      }
      const all = keys.map((key) => grants.get(key) ?? 0);
      expect(all.reduce((sum, n) => sum + n, 0)).toBe(700);
      expect(Math.max(...all)).toBeLessThanOrEqual(50);
      // What the refused ones would have taken of their own windows is still there.
      const left = await Promise.all(keys.map(([key]) => granted(one, 100, [key!])));
      expect(left.map((more, i) => more + all[i]!)).toEqual(keys.map(() => 50));
    }, 20_000);

    test("100,000 requests over two nodes grant exactly the limit", async () => {
      const [one, two] = await openTwo();
      const subjects = [{ id: "busy", rpm: 30_000, rpd: 1_000_000 }];
      let total = 0;
      for (let batch = 0; batch < 50; batch++) {
        const both = await Promise.all([granted(one, 1000, subjects), granted(two, 1000, subjects)]);
        total += both[0] + both[1];
      }
      expect(total).toBe(30_000);
    }, 20_000);

    test("says what is left, and when there is room again", async () => {
      const node = await open();
      const first = await node.take([{ id: "k", rpm: 1, rpd: 10 }], 1);
      expect(first.state).toMatchObject({ window: "minute", what: "requests", limit: 1, remaining: 0 });
      const second = await node.take([{ id: "k", rpm: 1, rpd: 10 }], 1);
      expect(second).toMatchObject({
        ok: false,
        window: "minute",
        what: "requests",
        limit: 1,
        state: { remaining: 0 },
      });
      if (!second.ok) expect(second.retryAfterMs).toBeWithin(1, 60_001);
    });

    test("a slot that one node gives back, the other can take; once", async () => {
      const [one, two] = await openTwo();
      const decisions = await takeMany(one, LIMIT);
      expect(await granted(two, 5)).toBe(0);
      const [first] = decisions;
      for (let i = 0; i < 5; i++) if (first?.ok) first.giveBack();
      await one.take([{ id: "other", rpm: 1 }], 1);
      expect(await granted(two, 5)).toBe(1);
    });

    test("tokens are counted over the nodes, and corrected", async () => {
      const [one, two] = await openTwo();
      const subjects = [{ id: "k", tpm: 1000 }];
      const first = await one.take(subjects, 900);
      expect(await two.take(subjects, 200)).toMatchObject({ ok: false, what: "tokens" });
      if (first.ok) first.correct(100);
      await one.take([{ id: "other", rpm: 1 }], 1);
      expect((await two.take(subjects, 900)).ok).toBe(true);
      expect((await one.take(subjects, 1)).ok).toBe(false);
    });

    test("forgotten scripts are sent again, and nobody notices", async () => {
      const [one, two] = await openTwo();
      expect(await granted(one, 10)).toBe(10);
      await server.command("SCRIPT", "FLUSH");
      expect(await granted(one, 10)).toBe(10);
      await server.command("SCRIPT", "FLUSH");
      expect(await granted(two, 100)).toBe(LIMIT - 20);
      expect([one.status().shared, two.status().shared]).toEqual([true, true]);
    });

    test("nodes count each other, and one that leaves is soon not counted", async () => {
      const one = await open({ heartbeatMs: 20 });
      const two = await open({ heartbeatMs: 20 });
      await until(() => one.status().nodes === 2 && two.status().nodes === 2);
      await two.close();
      await until(() => one.status().nodes === 1);
    });

    test("where nothing is limited there is no promise", async () => {
      const node = await open();
      expect(node.take([{ id: "k" }], 1)).toMatchObject({ ok: true, state: undefined });
    });
  });

  describe("killed", () => {
    afterEach(async () => {
      await server.kill();
      await server.restart();
    });

    test("each node goes on with its share, and with what it granted before; then all is as it was", async () => {
      const [one, two] = await openTwo();
      expect(await granted(one, 100)).toBe(LIMIT);
      const underway = takeMany(two, 30);
      await server.kill();
      const cut = grantsOf(await underway);
      await allAway();
      expect(await granted(one, 100)).toBe(0);
      expect(cut + (await granted(two, 100))).toBe(LIMIT / 2);
      expect(one.take(SUBJECTS, 1)).not.toBeInstanceOf(Promise);
      await server.restart();
      await allBack();
      // An empty Redis knows nothing: the whole limit once more, and the bound of three is kept.
      expect((await granted(one, 100)) + (await granted(two, 100))).toBe(LIMIT);
      expect((await granted(one, 100)) + (await granted(two, 100))).toBe(0);
      expect(lines.join("\n")).not.toContain(server.url);
    }, 20_000);

    test("adds nothing where both nodes had used up their shares", async () => {
      const [one, two] = await openTwo();
      expect(await granted(one, LIMIT / 2)).toBe(LIMIT / 2);
      expect(await granted(two, LIMIT / 2)).toBe(LIMIT / 2);
      await server.kill();
      await allAway();
      expect((await granted(one, 100)) + (await granted(two, 100))).toBe(0);
    }, 20_000);

    test("a slot given back during the outage is free for this node at once, never twice", async () => {
      const one = await open({ nodes: 2 });
      const before = await takeMany(one, LIMIT / 2);
      await server.kill();
      await allAway();
      expect(await granted(one, 1)).toBe(0);
      for (const decision of before.slice(0, 3)) if (decision.ok) decision.giveBack();
      for (const decision of before.slice(0, 3)) if (decision.ok) decision.giveBack();
      const during = await takeMany(one, 10);
      expect(grantsOf(during)).toBe(3);
      await server.restart();
      await allBack();
      // These were never Redis's: giving them back frees nothing there.
      expect(await granted(one, LIMIT)).toBe(LIMIT);
      for (const decision of [...during, ...before]) if (decision.ok) decision.giveBack();
      await one.take([{ id: "other", rpm: 1 }], 1);
      expect(await granted(one, 10)).toBe(0);
    }, 20_000);

    test("before the first node started: it waits for nothing and takes the share that it was told", async () => {
      await server.kill();
      const node = await open({ nodes: 4 });
      expect(node.status()).toEqual({ shared: false, nodes: 4 });
      expect(await granted(node, 100)).toBe(LIMIT / 4);
      await server.restart();
      await allBack();
      expect(node.take(SUBJECTS, 1)).toBeInstanceOf(Promise);
    }, 20_000);
  });

  describe("frozen", () => {
    afterEach(() => server.thaw());

    test("the calls under way are decided alone, later ones at once, and the limit holds within twice", async () => {
      const [one, two] = await openTwo();
      expect(await granted(one, 10)).toBe(10);
      expect(await granted(two, 10)).toBe(10);
      server.freeze();
      const during = await Promise.all([granted(one, 30), granted(two, 30)]);
      expect(during).toEqual([LIMIT / 2 - 10, LIMIT / 2 - 10]);
      expect(one.take(SUBJECTS, 1)).not.toBeInstanceOf(Promise);
      await Bun.sleep(300);
      expect((await granted(one, 30)) + (await granted(two, 30))).toBe(0);
      server.thaw();
      await allBack();
      const after = (await granted(one, 100)) + (await granted(two, 100));
      expect(20 + during[0] + during[1] + after).toBeLessThanOrEqual(2 * LIMIT);
      expect((await granted(one, 100)) + (await granted(two, 100))).toBe(0);
    }, 20_000);

    test("again and again within a minute, the limit still holds within twice", async () => {
      const [one, two] = await openTwo();
      let total = await granted(one, LIMIT);
      for (let time = 0; time < 3; time++) {
        server.freeze();
        total += (await granted(one, 30)) + (await granted(two, 30));
        server.thaw();
        await allBack();
        total += (await granted(one, 30)) + (await granted(two, 30));
      }
      // What went through Redis was all granted by one node: the other still had its share.
      expect(total).toBe(LIMIT + LIMIT / 2);
    }, 20_000);

    test("a call refused here and then taken there after all is given back there", async () => {
      const one = await open({ nodes: 4 });
      expect(await granted(one, LIMIT / 4)).toBe(LIMIT / 4);
      server.freeze();
      expect(await granted(one, 20)).toBe(0);
      server.thaw();
      await allBack();
      let more = 0;
      await until(async () => {
        more += await granted(one, LIMIT);
        return more >= LIMIT - LIMIT / 4;
      });
      expect(more).toBe(LIMIT - LIMIT / 4);
      expect(await granted(one, LIMIT)).toBe(0);
    }, 20_000);

    test("what is given back meanwhile reaches Redis when it is back", async () => {
      const [one, two] = await openTwo();
      const subjects = [{ id: "single", rpm: 1 }];
      const only = await one.take(subjects, 1);
      server.freeze();
      expect(await granted(one, 1, subjects)).toBe(0);
      if (only.ok) only.giveBack();
      server.thaw();
      await allBack();
      await until(async () => (await granted(two, 1, subjects)) === 1);
      expect(await granted(one, 10, subjects)).toBe(0);
    }, 20_000);
  });

  test("flushed: at most the limit once more, and slots of before free nothing of after", async () => {
    const [one, two] = await openTwo();
    const before = await takeMany(one, LIMIT);
    expect(grantsOf(before)).toBe(LIMIT);
    await server.flush();
    // Windows are told apart by the millisecond in which they began.
    await Bun.sleep(3);
    expect((await granted(one, 100)) + (await granted(two, 100))).toBe(LIMIT);
    for (const decision of before) if (decision.ok) decision.giveBack();
    await one.take([{ id: "other", rpm: 1 }], 1);
    expect((await granted(one, 100)) + (await granted(two, 100))).toBe(0);
    expect([one.status().shared, two.status().shared]).toEqual([true, true]);
  });

  test("under load through all of it, no call fails and the bound is kept", async () => {
    const [one, two] = await openTwo();
    let total = 0;
    let running = true;
    const load = async (node: RedisLimiter) => {
      while (running) {
        const more = await granted(node, 50);
        total += more;
        await Bun.sleep(1);
      }
    };
    const loads = Promise.all([load(one), load(two)]);
    await Bun.sleep(30);
    await server.flush();
    await Bun.sleep(30);
    server.freeze();
    await Bun.sleep(200);
    server.thaw();
    await allBack();
    await server.kill();
    await Bun.sleep(50);
    await server.restart();
    await allBack();
    await Bun.sleep(30);
    running = false;
    await loads;
    // Two losses of data and any number of outages.
    expect(total).toBeWithin(LIMIT, 4 * LIMIT + 1);
  }, 20_000);

  test("read-only: each node goes on with its share until it can be written again", async () => {
    const [one, two] = await openTwo();
    await server.command("REPLICAOF", "127.0.0.1", "1");
    const during = await Promise.all([granted(one, 100), granted(two, 100)]);
    expect(during).toEqual([LIMIT / 2, LIMIT / 2]);
    await server.command("REPLICAOF", "NO", "ONE");
    await allBack();
    expect((await granted(one, 100)) + (await granted(two, 100))).toBe(LIMIT);
  }, 20_000);

  test("closed: those who wait are answered, and later ones too", async () => {
    const one = await open();
    const underway = takeMany(one, 10);
    await one.close();
    expect(grantsOf(await underway)).toBe(10);
    expect(await granted(one, 1)).toBe(1);
    expect(await server.command("ZCARD", "sluice:rate:nodes")).toBe(0);
  });
});
