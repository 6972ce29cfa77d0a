/**
 * Tests of the wallet over books in memory: holds from several purses, how they end, and what a node does with its leases.
 * Its clock stands still unless a test moves it, and its beat comes when a test calls it.
 */
import { afterEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type FakeBooks, fakeBooks, gate, settleDown } from "../../test/ledger/fake-books.ts";
import { GatewayError } from "../core/error.ts";
import { nano, ZERO } from "../core/money.ts";
import { type BeatingWallet, type Hold, HoldRefused, type HoldWish, openWallet, type WalletTiming } from "./wallet.ts";

const CREDIT = "credit:w";
const NEVER_MS = 2 ** 30;
const credit = { id: CREDIT, limit: null };

const running: BeatingWallet[] = [];
afterEach(async () => {
  for (const wallet of running.splice(0)) await wallet.close();
});

async function setUp(amount = 100_000n, timing: Partial<WalletTiming> = {}, maxPurses?: number) {
  const books = fakeBooks({ [CREDIT]: amount });
  const clock = { nowMs: 0 };
  const errors: string[] = [];
  const wallet = await openWallet({
    books,
    nowMs: () => clock.nowMs,
    onError: (error) => void errors.push(String(error)),
    timing: { beatMs: NEVER_MS, recallMs: 0, pollMs: 1, ...timing },
    ...(maxPurses === undefined ? {} : { maxPurses }),
  });
  running.push(wallet);
  const wish = (wanted: bigint, over: Partial<HoldWish> = {}): HoldWish => ({
    paidBy: "credit",
    wantedNano: nano(wanted),
    leastNano: nano(wanted),
    money: [credit],
    ...over,
  });
  const leased = (purse = CREDIT) => books.leased(wallet.nodeId, purse);
  const beatAfter = async (ms: number) => {
    clock.nowMs += ms;
    await wallet.beat();
  };
  return { books, clock, errors, wallet, wish, leased, beatAfter };
}

const key = (limit: bigint) => ({ id: "key:k:all", limit });
const budget = (limit: bigint) => ({ id: "budget:w:all", limit });

async function refusalOf(hold: () => Hold | Promise<Hold>): Promise<unknown> {
  try {
    return await hold();
  } catch (error) {
    if (error instanceof HoldRefused) return error.refusal;
    return error instanceof GatewayError ? error.code : error;
  }
}

function countOf({ asked }: FakeBooks, kind: FakeBooks["asked"][number]): number {
  return asked.filter((one) => one === kind).length;
}

describe("a hold", () => {
  test("waits for the books once, and is there at once while the slice lasts", async () => {
    const { books, wallet, wish } = await setUp();
    const first = wallet.hold(wish(100n));
    expect(first).toBeInstanceOf(Promise);
    expect((await first).amountNano).toBe(nano(100n));
    for (let call = 0; call < 8; call++) expect(wallet.hold(wish(100n))).not.toBeInstanceOf(Promise);
    expect(countOf(books, "take")).toBe(1);
  });

  test("of nothing asks nobody", async () => {
    const { books, clock, wallet, wish } = await setUp(0n);
    clock.nowMs = 60_000;
    const hold = wallet.hold(wish(500n, { paidBy: "internal", money: [] })) as Hold;
    expect(hold.post(nano(700n))).toEqual({ billedNano: nano(700n), lossNano: ZERO });
    expect(countOf(books, "take")).toBe(0);
  });

  test("is of all its purses or of none, and says which one lacked what", async () => {
    const { wallet, wish, leased } = await setUp(1000n);
    const money = [credit, key(500n), budget(50n)];
    expect(await refusalOf(() => wallet.hold(wish(100n, { money })))).toEqual({
      purse: "budget:w:all",
      available: 50n,
    });
    expect(await refusalOf(() => wallet.hold(wish(600n, { money })))).toEqual({ purse: "key:k:all", available: 500n });
    expect(await refusalOf(() => wallet.hold(wish(1001n, { money })))).toEqual({ purse: CREDIT, available: 1000n });
    const count = { id: "free:w:today", limit: 0n };
    expect(await refusalOf(() => wallet.hold(wish(10n, { count })))).toEqual({ purse: "free:w:today", available: 0n });
    // Nothing is held: all of it can be had at once.
    const whole = await wallet.hold(wish(1000n));
    expect(whole.amountNano).toBe(nano(1000n));
    expect(leased()).toBe(1000n);
  });

  test("is of what the poorest purse has, when that will do; the others keep the rest", async () => {
    const { wallet, wish } = await setUp(1000n);
    const money = [credit, key(300n), budget(700n)];
    const hold = await wallet.hold(wish(900n, { money, leastNano: nano(200n) }));
    expect(hold.amountNano).toBe(nano(300n));
    expect([hold.keyPurse, hold.budgetPurse, hold.countPurse]).toEqual(["key:k:all", "budget:w:all", undefined]);
    expect((await wallet.hold(wish(700n, { money: [credit] }))).amountNano).toBe(nano(700n));
    expect((await wallet.hold(wish(400n, { money: [budget(700n)] }))).amountNano).toBe(nano(400n));
  });

  test("takes one of a count, whatever it costs", async () => {
    const { books, wallet, wish } = await setUp();
    const count = { id: "included:w:today", limit: 2n };
    const holds = [];
    for (let call = 0; call < 2; call++)
      holds.push(await wallet.hold(wish(50n, { paidBy: "allowance", money: [], count })));
    expect(holds[0]?.countPurse).toBe("included:w:today");
    expect(await refusalOf(() => wallet.hold(wish(50n, { money: [], count })))).toEqual({
      purse: "included:w:today",
      available: 0n,
    });
    // Nothing protects the plan's money, so the whole cost is billed to it.
    expect(holds[0]?.post(nano(80n))).toEqual({ billedNano: nano(80n), lossNano: ZERO });
    holds[1]?.void();
    expect((await wallet.hold(wish(50n, { money: [], count }))).countPurse).toBe("included:w:today");
    expect(books.leasedInAll("included:w:today")).toBe(2n);
  });

  test("is billed no more than its amount; the rest is loss", async () => {
    const { wallet, wish } = await setUp();
    const hold = await wallet.hold(wish(100n));
    expect(hold.post(nano(130n))).toEqual({ billedNano: nano(100n), lossNano: nano(30n) });
  });

  test("ends once, in whatever order its ends come", async () => {
    const end = fc.constantFrom("post", "void", "written" as const);
    await fc.assert(
      fc.asyncProperty(fc.array(end, { maxLength: 6 }), fc.integer({ min: 0, max: 150 }), async (ends, cost) => {
        const { books, wallet, wish, leased } = await setUp(1000n);
        const money = [credit, key(1000n)];
        const hold = await wallet.hold(wish(100n, { money, count: { id: "free:w:d", limit: 5n } }));
        const billed = ends.map((how) => {
          if (how === "post") return hold.post(nano(BigInt(cost))).billedNano as bigint;
          hold[how]();
          return 0n;
        });
        const first = ends.find((how) => how !== "written");
        const written = first === "post" && ends.lastIndexOf("written") > ends.indexOf("post");
        const expected = first === "post" ? BigInt(Math.min(cost, 100)) : 0n;
        expect(billed.reduce((sum, one) => sum + one, 0n)).toBe(expected);
        if (first === undefined) hold.void();
        const inUse = first === "post" && !written ? expected : 0n;
        const before = leased();
        await wallet.close();
        running.splice(running.indexOf(wallet), 1);
        expect(books.numbers.length).toBeGreaterThan(0);
        expect(before).toBeGreaterThanOrEqual(inUse);
        expect(books.leasedInAll(CREDIT)).toBe(0n);
      }),
      { numRuns: 150 },
    );
  });
});

describe("trust", () => {
  test("ends ten seconds after the last sign of life that the books took, and comes back with the next one", async () => {
    const { books, clock, wallet, wish, beatAfter, errors } = await setUp(100_000n, { idleMs: NEVER_MS });
    await wallet.hold(wish(100n));
    await beatAfter(5000);
    clock.nowMs += 10_000;
    expect(wallet.hold(wish(100n))).not.toBeInstanceOf(Promise);
    clock.nowMs += 1;
    expect(await refusalOf(() => wallet.hold(wish(100n)))).toBe("service_unavailable");
    books.next("beat", { fault: "before" });
    await wallet.beat();
    expect(errors).toHaveLength(1);
    expect(await refusalOf(() => wallet.hold(wish(100n)))).toBe("service_unavailable");
    await wallet.beat();
    expect((await wallet.hold(wish(100n))).amountNano).toBe(nano(100n));
  });

  test("counts from when the sign was sent, not from when it was answered", async () => {
    const { books, clock, wallet, wish } = await setUp();
    await wallet.hold(wish(100n));
    const wait = gate();
    books.next("beat", wait);
    const beating = wallet.beat();
    clock.nowMs += 9000;
    wait.open();
    await beating;
    clock.nowMs += 1001;
    expect(await refusalOf(() => wallet.hold(wish(100n)))).toBe("service_unavailable");
  });

  test("is not waited for without end: a sign that hangs is followed by another", async () => {
    const { books, wallet, errors } = await setUp(1000n, { askMs: 5 });
    books.next("beat", { until: new Promise(() => {}) });
    const beats = [wallet.beat(), wallet.beat()];
    expect(beats[0]).toBe(beats[1] as Promise<void>);
    await Promise.all(beats);
    expect(errors.join()).toContain("in time");
    await wallet.beat();
    expect(countOf(books, "beat")).toBe(2);
    expect(errors).toHaveLength(1);
  });
});

describe("a node that was given up", () => {
  async function givenUp() {
    const all = await setUp(1000n);
    const old = await all.wallet.hold(all.wish(100n));
    await all.books.giveUp(0, [all.wallet.nodeId]);
    return { ...all, old };
  }

  test("goes on under another id with new leases, and holds of the old one end without harm", async () => {
    const { books, wallet, wish, old, leased } = await givenUp();
    await wallet.beat();
    expect(wallet.nodeId).not.toBe(old.nodeId);
    const next = await wallet.hold(wish(100n));
    expect(next.nodeId).toBe(wallet.nodeId);
    const before = leased();
    expect(old.post(nano(70n))).toEqual({ billedNano: nano(70n), lossNano: ZERO });
    old.written();
    expect(leased()).toBe(before);
    expect(books.leased(old.nodeId, CREDIT)).toBe(0n);
  });

  test("hears of it from a hold as well, which is to be tried again", async () => {
    const { wallet, wish, old } = await givenUp();
    expect(await refusalOf(() => wallet.hold(wish(900n)))).toBe("service_unavailable");
    await wallet.beat();
    expect((await wallet.hold(wish(900n))).nodeId).not.toBe(old.nodeId);
  });

  test("makes no hold of purses of both", async () => {
    const { books, wallet, wish } = await setUp(1000n);
    const wait = gate();
    books.next("take", wait);
    const asked = wallet.hold(wish(100n, { money: [credit, key(1000n)] }));
    await settleDown();
    const { nodeId } = wallet;
    books.nodes.delete(nodeId);
    await wallet.beat();
    books.nodes.add(nodeId);
    wait.open();
    expect(await refusalOf(() => asked)).toBe("service_unavailable");
    expect(books.leased(wallet.nodeId, "key:k:all")).toBe(0n);
  });

  test("tries again to begin anew when that fails", async () => {
    const { books, wallet, wish } = await givenUp();
    books.next("register", { fault: "before" });
    await wallet.beat();
    expect(await refusalOf(() => wallet.hold(wish(100n)))).toBe("service_unavailable");
    await wallet.beat();
    expect((await wallet.hold(wish(100n))).amountNano).toBe(nano(100n));
  });
});

describe("a beat", () => {
  test("returns what nobody used for three seconds, and keeps what is held", async () => {
    const { wallet, wish, leased, beatAfter } = await setUp();
    const hold = await wallet.hold(wish(100n));
    await beatAfter(2999);
    expect(leased()).toBe(900n);
    await beatAfter(1);
    expect(leased()).toBe(100n);
    hold.void();
    await beatAfter(1);
    expect(leased()).toBe(0n);
  });

  test("returns at once what others wait for", async () => {
    const { books, wallet, wish, leased, beatAfter } = await setUp();
    await wallet.hold(wish(100n));
    books.recalled.add(CREDIT);
    await beatAfter(1);
    expect(leased()).toBe(100n);
  });

  test("asks for a return whose answer was lost again, under its number, until it is answered; nothing comes back twice", async () => {
    const { books, wallet, wish, leased, beatAfter } = await setUp();
    const hold = await wallet.hold(wish(100n));
    books.next("giveBack", { fault: "after" });
    books.next("giveBack", { fault: "before" });
    await beatAfter(3000);
    expect(leased()).toBe(100n);
    hold.void();
    await beatAfter(3000);
    await beatAfter(3000);
    expect(books.numbers).toEqual([1, 1, 1, 2]);
    expect(leased()).toBe(0n);
  });

  test("finds what was leased by a question whose answer was lost", async () => {
    const { books, wallet, wish, leased, beatAfter } = await setUp(1000n);
    books.next("take", { fault: "after" });
    expect(await refusalOf(() => wallet.hold(wish(900n)))).toBe("service_unavailable");
    expect(leased()).toBeGreaterThanOrEqual(900n);
    await beatAfter(1);
    expect(wallet.hold(wish(900n))).not.toBeInstanceOf(Promise);
  });

  test("returns what a lowered limit no longer allows", async () => {
    const { books, wallet, wish, leased } = await setUp();
    (await wallet.hold(wish(100n, { money: [key(10_000n)] }))).void();
    expect(leased("key:k:all")).toBe(900n);
    expect(await refusalOf(() => wallet.hold(wish(100n, { money: [key(50n)] })))).toMatchObject({ purse: "key:k:all" });
    await wallet.beat();
    expect(leased("key:k:all")).toBe(0n);
    expect(countOf(books, "openPurse")).toBe(2);
  });

  test("gives others up only after this node was in touch with the books for as long as they may be silent", async () => {
    const { books, beatAfter } = await setUp();
    const sweeps = () => countOf(books, "giveUp");
    for (let beat = 0; beat < 5; beat++) await beatAfter(5000);
    expect(sweeps()).toBe(0);
    await beatAfter(5000);
    expect(sweeps()).toBe(1);
    await beatAfter(5000);
    expect(sweeps()).toBe(1);
    await beatAfter(5000);
    expect(sweeps()).toBe(2);
    // Out of touch: others may have been as well.
    await beatAfter(60_000);
    expect(sweeps()).toBe(2);
    for (let beat = 0; beat < 6; beat++) await beatAfter(5000);
    expect(sweeps()).toBe(3);
  });

  test("comes by itself", async () => {
    const { books, wallet, wish } = await setUp(1000n, { beatMs: 2 });
    await wallet.hold(wish(100n));
    for (let wait = 0; wait < 200 && countOf(books, "beat") < 3; wait++) await Bun.sleep(2);
    expect(countOf(books, "beat")).toBeGreaterThanOrEqual(3);
  });
});

describe("purses", () => {
  const of = (number: number) => [{ id: `credit:${number}`, limit: null }];

  test("are bounded: a new one is refused for a while when all are in use, and nothing stays held", async () => {
    const { books, wallet, wish } = await setUp(1000n, {}, 3);
    for (let number = 0; number < 4; number++) books.credit.set(`credit:${number}`, 1000n);
    for (let number = 0; number < 3; number++) await wallet.hold(wish(10n, { money: of(number) }));
    expect(await refusalOf(() => wallet.hold(wish(10n, { money: of(3) })))).toBe("service_unavailable");
    const rest = books.leased(wallet.nodeId, "credit:0") - 10n;
    expect(await refusalOf(() => wallet.hold(wish(rest, { money: [...of(0), ...of(3)] })))).toBe("service_unavailable");
    expect(wallet.hold(wish(rest, { money: of(0) }))).not.toBeInstanceOf(Promise);
  });

  test("of which nothing is leased are forgotten to make room", async () => {
    const { books, wallet, wish, beatAfter } = await setUp(1000n, {}, 2);
    for (let number = 0; number < 5; number++) {
      books.credit.set(`credit:${number}`, 1000n);
      const hold = await wallet.hold(wish(10n, { money: of(number) }));
      expect(hold.amountNano).toBe(nano(10n));
      hold.void();
      await beatAfter(3000);
    }
    expect(books.leased(wallet.nodeId, "credit:0")).toBe(0n);
  });
});

describe("the end", () => {
  test("returns everything and gives the node up", async () => {
    const { books, wallet, wish } = await setUp();
    (await wallet.hold(wish(100n, { money: [credit, key(1000n)] }))).void();
    await wallet.close();
    expect([books.leasedInAll(CREDIT), books.leasedInAll("key:k:all")]).toEqual([0n, 0n]);
    expect(books.nodes.has(wallet.nodeId)).toBe(false);
    expect(await refusalOf(() => wallet.hold(wish(100n)))).toBe("service_unavailable");
  });

  test("does not wait for books that don't answer", async () => {
    const { books, wallet, wish, errors } = await setUp(1000n, { askMs: 5 });
    (await wallet.hold(wish(100n))).void();
    books.next("giveBack", { until: new Promise(() => {}) });
    await wallet.close();
    expect(errors.join()).toContain("in time");
  });
});
