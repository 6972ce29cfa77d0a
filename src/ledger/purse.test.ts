/**
 * Tests of a purse over books in memory: what it serves at once, who waits in which order, and what becomes of late and lost answers.
 * The clock stands still unless a test moves it.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type FakeBooks, fakeBooks, gate, settleDown } from "../../test/ledger/fake-books.ts";
import { Purse } from "./purse.ts";

const NODE = "node";
const CREDIT = "credit:w";

function setUp(credit: bigint, over: { limit?: bigint; recallMs?: number; askMs?: number } = {}) {
  const books = fakeBooks({ [CREDIT]: credit });
  books.nodes.add(NODE).add("other");
  const clock = { nowMs: 0 };
  const { limit = null, recallMs = 0, askMs = 1000 } = over;
  const wish = { id: limit === null ? CREDIT : "key:k", limit };
  const purse = new Purse(wish, NODE, { books, nowMs: () => clock.nowMs }, { recallMs, pollMs: 1, askMs });
  const leaseElsewhere = (amount: bigint) =>
    books.take("other", { purse: wish.id, limit, needed: amount, least: amount, extra: 0n });
  return { books, clock, purse, leaseElsewhere };
}

/** Questions for money. */
function takes({ asked }: FakeBooks): number {
  return asked.filter((kind) => kind === "take").length;
}

describe("a slice", () => {
  test("is asked for with the first hold and serves the next ones at once", async () => {
    const { books, purse } = setUp(100_000n);
    expect(await purse.take(100n, 100n)).toBe(100n);
    for (let hold = 0; hold < 8; hold++) expect(purse.takeNow(100n)).toBe(true);
    expect(purse.takeNow(1n)).toBe(false);
    expect(takes(books)).toBe(1);
  });

  test("grows while questions come soon one after the other, to a limit, and is small again once it lay idle", async () => {
    const { books, clock, purse } = setUp(10n ** 12n);
    const extras = () => books.wishes.map(({ extra }) => Number(extra));
    const exhaust = async () => {
      while (purse.takeNow(1n));
      await purse.take(1n, 1n);
    };
    for (let question = 0; question < 12; question++) await exhaust();
    expect(extras()).toEqual([8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 4096, 4096]);
    clock.nowMs += 5000;
    await exhaust();
    expect(extras().at(-1)).toBe(4096);
    expect(purse.withdrawIdle()).toBe(4096n);
    clock.nowMs += 5000;
    await exhaust();
    expect(extras().at(-1)).toBe(8);
  });

  test("that nobody uses is withdrawn, what is held is not", async () => {
    const { books, purse } = setUp(100_000n);
    await purse.take(100n, 100n);
    expect(purse.withdrawIdle()).toBe(800n);
    expect(purse.withdrawIdle()).toBe(0n);
    purse.returned();
    expect(purse.isEmpty()).toBe(false);
    purse.spend(100n, 30n);
    expect(purse.withdrawIdle()).toBe(70n);
    purse.returned();
    purse.settled(30n);
    expect(purse.isEmpty()).toBe(true);
    expect(takes(books)).toBe(1);
  });

  test("has numbers that the books can hold, however much is wanted", async () => {
    const { books, purse } = setUp(100n);
    expect(await purse.take(2n ** 70n, 2n ** 70n)).toEqual({ available: 100n });
    for (const amount of [books.wishes[0]?.needed, books.wishes[0]?.least, books.wishes[0]?.extra])
      expect(amount).toBeLessThan(2n ** 63n);
  });
});

describe("the line", () => {
  test("is served in its order, by one question at a time for all who wait", async () => {
    const { books, purse } = setUp(1000n);
    const wait = gate();
    books.next("take", wait);
    const served: number[] = [];
    const waiting = [100n, 300n, 50n, 200n].map((amount, index) =>
      purse.take(amount, amount).then((taken) => {
        served.push(index);
        return taken;
      }),
    );
    expect(purse.takeNow(1n)).toBe(false);
    await settleDown();
    expect(takes(books)).toBe(1);
    wait.open();
    expect(await Promise.all(waiting)).toEqual([100n, 300n, 50n, 200n]);
    expect(served).toEqual([0, 1, 2, 3]);
    // The first answer came with a slice of 112.
    expect(books.wishes.map(({ needed }) => needed)).toEqual([100n, 550n - 112n]);
    expect(takes(books)).toBe(2);
  });

  test("lets nobody pass who came later, even where the slice would have it", async () => {
    const { books, purse } = setUp(10_000n);
    await purse.take(10n, 10n);
    const wait = gate();
    books.next("take", wait);
    const big = purse.take(5000n, 5000n);
    expect(purse.takeNow(1n)).toBe(false);
    const small = purse.take(1n, 1n);
    const order: string[] = [];
    void big.then(() => order.push("big"));
    void small.then(() => order.push("small"));
    wait.open();
    await Promise.all([big, small]);
    expect(order).toEqual(["big", "small"]);
  });

  test("settles for less where that will do, and tells the others what there was", async () => {
    const { purse } = setUp(100n);
    expect(await purse.take(500n, 60n)).toBe(100n);
    expect(await purse.take(500n, 1n)).toEqual({ available: 0n });
    purse.release(100n);
    const answers = await Promise.all([purse.take(150n, 150n), purse.take(70n, 70n), purse.take(90n, 20n)]);
    expect(answers).toEqual([{ available: 100n }, 70n, 30n]);
  });

  test("goes on with those for whom there is enough when the first one is refused", async () => {
    const { purse } = setUp(100n);
    const answers = await Promise.all([purse.take(150n, 150n), purse.take(70n, 70n), purse.take(30n, 30n)]);
    expect(answers).toEqual([{ available: 100n }, 70n, 30n]);
  });

  test("is bounded", async () => {
    const { books, purse } = setUp(1n);
    const wait = gate();
    books.next("take", wait);
    const waiting = Array.from({ length: 10_000 }, () => purse.take(1n, 1n));
    expect(purse.take(1n, 1n)).rejects.toThrow("too many calls wait");
    wait.open();
    const answers = await Promise.all(waiting);
    expect(answers.filter((answer) => answer === 1n)).toHaveLength(1);
  });
});

describe("what other nodes hold", () => {
  test("is waited for until they return it", async () => {
    const { books, purse, leaseElsewhere } = setUp(1000n, { recallMs: 2000 });
    await leaseElsewhere(900n);
    const asked = purse.take(400n, 400n);
    await Bun.sleep(10);
    await books.giveBack("other", new Map([[CREDIT, 900n]]));
    expect(await asked).toBe(400n);
  });

  test("is not waited for longer than that takes; then less will do, or the call is refused", async () => {
    const { clock, purse, leaseElsewhere } = setUp(1000n, { recallMs: 2000 });
    await leaseElsewhere(900n);
    const asked = [purse.take(400n, 400n), purse.take(400n, 50n)];
    await Bun.sleep(10);
    clock.nowMs = 2000;
    expect(await Promise.all(asked)).toEqual([{ available: 100n }, 100n]);
  });
});

describe("an answer", () => {
  test("that comes too late for those who waited is counted all the same", async () => {
    const { books, purse } = setUp(1000n, { askMs: 5 });
    const wait = gate();
    books.next("take", wait);
    expect(purse.take(100n, 100n)).rejects.toThrow("in time");
    await Bun.sleep(10);
    expect(purse.isEmpty()).toBe(false);
    wait.open();
    await settleDown();
    expect(purse.takeNow(100n)).toBe(true);
    expect(purse.withdrawIdle()).toBe(books.leased(NODE, CREDIT) - 100n);
  });

  test("that was lost is made up for by a look at the lease, once nothing is under way", async () => {
    const { books, purse } = setUp(1000n);
    await purse.take(100n, 100n);
    purse.spend(100n, 100n);
    while (purse.takeNow(1n));
    books.next("take", { fault: "after" });
    expect(await purse.take(50n, 50n).catch(String)).toContain("lost");
    expect(purse.isDoubtful()).toBe(false);
    purse.settled(100n);
    await books.giveBack(NODE, new Map([[CREDIT, 100n]]));
    expect(purse.isDoubtful()).toBe(true);
    purse.correct(books.leased(NODE, CREDIT), purse.changes - 1);
    expect(purse.isDoubtful()).toBe(true);
    purse.correct(books.leased(NODE, CREDIT), purse.changes);
    expect(purse.isDoubtful()).toBe(false);
    expect(purse.takeNow(50n)).toBe(true);
  });

  test("that was lost with its question leaves nothing behind", async () => {
    const { books, purse } = setUp(1000n);
    books.next("take", { fault: "before" });
    expect(await purse.take(50n, 50n).catch(String)).toContain("lost");
    purse.correct(books.leased(NODE, CREDIT), purse.changes);
    expect(purse.isEmpty()).toBe(true);
    expect(await purse.take(50n, 50n)).toBe(50n);
  });
});

describe("a limit", () => {
  test("is asked for with what was used before, once", async () => {
    const { books, purse } = setUp(0n, { limit: 1000n });
    for (let hold = 0; hold < 3; hold++) await purse.take(300n, 300n);
    expect(books.asked.filter((kind) => kind === "openPurse")).toHaveLength(1);
    expect(await purse.take(300n, 300n)).toEqual({ available: 100n });
  });

  test("that could not be opened is opened with the next question", async () => {
    const { books, purse } = setUp(0n, { limit: 1000n });
    books.next("openPurse", { fault: "before" });
    expect(await purse.take(300n, 300n).catch(String)).toContain("lost");
    expect(takes(books)).toBe(0);
    expect(await purse.take(300n, 300n)).toBe(300n);
  });

  test("that was lowered counts at once: the slice of the old one is used no longer, and is returned", async () => {
    const { books, purse } = setUp(0n, { limit: 10_000n });
    await purse.take(100n, 100n);
    expect(purse.limitTo(10_000n)).toBe(false);
    expect(purse.limitTo(150n)).toBe(true);
    expect(purse.takeNow(10n)).toBe(false);
    const amount = purse.withdrawIdle();
    expect(amount).toBe(800n);
    expect(await purse.take(60n, 60n)).toEqual({ available: 0n });
    await books.giveBack(NODE, new Map([["key:k", amount]]));
    purse.returned();
    expect(await purse.take(60n, 60n)).toEqual({ available: 50n });
    expect(await purse.take(60n, 40n)).toBe(50n);
  });

  test("that was lowered is not undone by an answer under the old one", async () => {
    const { books, purse } = setUp(0n, { limit: 10_000n });
    const wait = gate();
    books.next("take", wait);
    const asked = purse.take(100n, 100n);
    await settleDown();
    purse.limitTo(50n);
    wait.open();
    expect(await asked).toEqual({ available: expect.any(BigInt) });
    expect(purse.takeNow(1n)).toBe(false);
    expect(purse.hasSurplus()).toBe(true);
  });

  test("of which something is on its way back is waited for", async () => {
    const { books, purse } = setUp(0n, { limit: 100n, recallMs: 2000 });
    await purse.take(60n, 60n);
    purse.release(60n);
    const amount = purse.withdrawIdle();
    const asked = purse.take(80n, 80n);
    await Bun.sleep(5);
    await books.giveBack(NODE, new Map([["key:k", amount]]));
    purse.returned();
    expect(await asked).toBe(80n);
  });
});

type Move = { readonly kind: "take" | "release" | "spend" | "settle" | "withdraw"; readonly amount: number };

test("whatever comes in whatever order, what is held and not yet written is leased, and all of it comes back", async () => {
  const move = fc.record({
    kind: fc.constantFrom<Move["kind"][]>("take", "take", "release", "spend", "settle", "withdraw"),
    amount: fc.integer({ min: 1, max: 400 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(move, { maxLength: 60 }), async (moves) => {
      const { books, purse } = setUp(1000n);
      const held: bigint[] = [];
      const unwritten: bigint[] = [];
      let spent = 0n;
      for (const { kind, amount } of moves) {
        const most = BigInt(amount);
        if (kind === "take") {
          const taken = await purse.take(most, most / 2n);
          if (typeof taken === "bigint") held.push(taken);
        } else if (kind === "release") purse.release(held.pop() ?? 0n);
        else if (kind === "spend") {
          const one = held.shift();
          const cost = one === undefined ? 0n : most < one ? most : one;
          if (one !== undefined) purse.spend(one, cost);
          unwritten.push(cost);
        } else if (kind === "settle") {
          const cost = unwritten.shift() ?? 0n;
          spent += cost;
          books.credit.set(CREDIT, 1000n - spent);
          await books.giveBack(NODE, new Map([[CREDIT, cost]]));
          purse.settled(cost);
        } else {
          const idle = purse.withdrawIdle();
          await books.giveBack(NODE, new Map([[CREDIT, idle]]));
          purse.returned();
        }
        const needed = [...held, ...unwritten].reduce((sum, one) => sum + one, 0n);
        expect(books.leased(NODE, CREDIT)).toBeGreaterThanOrEqual(needed);
        expect(books.leased(NODE, CREDIT)).toBeLessThanOrEqual(1000n - spent);
      }
      for (const amount of held) purse.release(amount);
      for (const cost of unwritten) {
        await books.giveBack(NODE, new Map([[CREDIT, cost]]));
        purse.settled(cost);
      }
      await books.giveBack(NODE, new Map([[CREDIT, purse.withdrawIdle()]]));
      purse.returned();
      expect(books.leased(NODE, CREDIT)).toBe(0n);
      expect(purse.isEmpty()).toBe(true);
    }),
    { numRuns: 300 },
  );
});
