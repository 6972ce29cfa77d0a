/**
 * Tests of buying credit on both databases: what is charged, what is credited, and what refunds and disputes take back.
 * After each the books balance.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eachDatabase } from "../../test/support/postgres.ts";
import { openRig, type RigOptions } from "../../test/support/stripe/rig.ts";
import { type StripeStandIn, startStripe } from "../../test/support/stripe/server.ts";
import type { Database } from "../db/database.ts";
import { migrate } from "../db/migrate.ts";
import { schema } from "../db/schema.ts";

eachDatabase((store) => {
  let database: Database;
  let stripe: StripeStandIn;
  beforeAll(async () => {
    database = await store.open();
    await migrate(database);
    stripe = startStripe();
  }, 60_000);
  afterAll(() => stripe.stop());

  const open = (options: RigOptions = {}) => openRig(database, { stripe, ...options });

  async function paid(options: RigOptions = {}, wish = {}) {
    const rig = await open(options);
    const opened = await rig.topUp({ amountUsd: 10, ...wish });
    const intent = rig.world.pay(await rig.sessionOf(opened.id));
    await rig.deliverNew();
    return { ...rig, opened, intent, id: opened.id };
  }

  test("a top-up is charged with its fee and credited without it", async () => {
    const { balance, booked, payment, notices, sound, id, opened } = await paid();
    expect(opened.url).toStartWith("https://pay.example/cs_");
    expect(opened.quote).toMatchObject({ feeCents: 50n, totalCents: 1050n });
    expect(await balance()).toBe("10");
    expect(await booked(id)).toEqual({ credit: "10", fees: "0.5", "stripe-clearing": "-10.5" });
    expect(await payment(id)).toMatchObject({ status: "paid", amountCents: 1050n });
    expect(await notices()).toEqual(["payment-received"]);
    await sound();
  });

  test("a package gives more credit than it costs, and the rest is a promotion", async () => {
    const rig = await open();
    const { id } = await rig.topUp({ packageId: "big" });
    const intent = rig.world.pay(await rig.sessionOf(id));
    await rig.deliverNew();
    expect(await rig.booked(id)).toEqual({ credit: "110", promotions: "-10", "stripe-clearing": "-100" });
    rig.world.refund(intent.id, 10_000);
    await rig.deliverNew();
    expect(await rig.booked(id)).toEqual({});
    expect(await rig.balance()).toBe("0");
    await rig.sound();
  });

  test("a page that is left gives nothing", async () => {
    const rig = await open();
    const { id } = await rig.topUp();
    rig.world.expire(await rig.sessionOf(id));
    await rig.deliverNew();
    expect(await rig.payment(id)).toMatchObject({ status: "expired", creditedAt: null });
    expect(await rig.balance()).toBe("0");
  });

  for (const succeeds of [true, false]) {
    test(`a method that takes its time credits when the money ${succeeds ? "came" : "would have come"}, not before`, async () => {
      const rig = await open();
      const { id } = await rig.topUp();
      const session = await rig.sessionOf(id);
      rig.world.pay(session, true);
      await rig.deliverNew();
      expect(await rig.payment(id)).toMatchObject({ status: "processing" });
      expect(await rig.balance()).toBe("0");
      rig.world.settleLater(session, succeeds);
      await rig.deliverNew();
      expect(await rig.payment(id)).toMatchObject({ status: succeeds ? "paid" : "failed" });
      expect(await rig.balance()).toBe(succeeds ? "10" : "0");
      await rig.sound();
    });
  }

  test("partial refunds take credit back in proportion, the last one all of it", async () => {
    const rig = await paid();
    rig.world.refund(rig.intent.id, 350);
    await rig.deliverNew();
    expect(await rig.balance()).toBe("6.666666667");
    rig.world.refund(rig.intent.id, 350);
    rig.world.refund(rig.intent.id, 350);
    await rig.deliverNew();
    expect(await rig.balance()).toBe("0");
    expect(await rig.booked(rig.id)).toEqual({});
    await rig.sound();
  });

  test("a refund that fails gives the credit again, and a later one takes it again", async () => {
    const rig = await paid();
    rig.world.failRefund(rig.world.refund(rig.intent.id, 1050));
    await rig.deliverNew();
    expect(await rig.balance()).toBe("10");
    rig.world.refund(rig.intent.id, 1050);
    await rig.deliverNew();
    expect(await rig.balance()).toBe("0");
    await rig.sound();
  });

  test("a refund of credit that was spent leaves a debt, which the next top-up pays", async () => {
    const rig = await paid();
    const spent = { kind: "adjustment", idempotencyKey: crypto.randomUUID(), actor: "test" } as const;
    const entries = [
      { account: `credit:${rig.workspaceId}`, amountNano: -8_000_000_000n },
      { account: "promotions", amountNano: 8_000_000_000n },
    ] as never;
    await rig.books.post({ ...spent, entries });
    rig.world.refund(rig.intent.id, 1050);
    await rig.deliverNew();
    expect(await rig.balance()).toBe("-8");
    expect(await rig.books.balance(rig.workspaceId)).toMatchObject({ overdrawn: true });
    const { id } = await rig.topUp({ amountUsd: 20 });
    rig.world.pay(await rig.sessionOf(id));
    await rig.deliverNew();
    expect(await rig.balance()).toBe("12");
    expect(await rig.books.balance(rig.workspaceId)).toMatchObject({ overdrawn: false });
    await rig.sound();
  });

  describe("a dispute", () => {
    test("takes the credit back at once, and gives it again when it is won", async () => {
      const rig = await paid();
      const dispute = rig.world.dispute(rig.intent.id, 1050);
      await rig.deliverNew();
      expect(await rig.balance()).toBe("0");
      expect(await rig.payment(rig.id)).toMatchObject({ disputed: true, disputedCents: 1050n });
      expect(await rig.notices()).toEqual(["payment-disputed", "payment-received"]);
      rig.world.closeDispute(dispute, true);
      await rig.deliverNew();
      expect(await rig.balance()).toBe("10");
      expect(await rig.booked(rig.id)).toEqual({ credit: "10", fees: "0.5", "stripe-clearing": "-10.5" });
      await rig.sound();
    });

    test("that is lost keeps it", async () => {
      const rig = await paid();
      rig.world.closeDispute(rig.world.dispute(rig.intent.id, 1050), false);
      await rig.deliverNew();
      expect(await rig.balance()).toBe("0");
      expect(await rig.booked(rig.id)).toEqual({});
    });

    test("takes credit back only when it is lost, if that is the setting; until then the money is held in dispute", async () => {
      const rig = await paid({ settings: { disputes: { reverse: "lost" } } });
      const dispute = rig.world.dispute(rig.intent.id, 1050);
      await rig.deliverNew();
      expect(await rig.balance()).toBe("10");
      expect(await rig.booked(rig.id)).toEqual({ credit: "10", fees: "0.5", disputes: "-10.5" });
      rig.world.closeDispute(dispute, false);
      await rig.deliverNew();
      expect(await rig.booked(rig.id)).toEqual({});
      await rig.sound();
    });

    test("that is only an inquiry changes nothing", async () => {
      const rig = await paid();
      rig.world.inquire(rig.intent.id, 1050);
      await rig.deliverNew();
      expect(await rig.balance()).toBe("10");
      expect(await rig.payment(rig.id)).toMatchObject({ disputed: false });
    });

    test("of what was partly refunded takes no more than was paid", async () => {
      const rig = await paid();
      rig.world.refund(rig.intent.id, 500);
      rig.world.dispute(rig.intent.id, 1050);
      await rig.deliverNew();
      expect(await rig.balance()).toBe("0");
      expect(await rig.booked(rig.id)).toEqual({});
      await rig.sound();
    });
  });

  test("bought credit expires when the settings say so", async () => {
    const rig = await paid({ settings: { creditExpiresDays: 30 } });
    const lots = await database.orm.query.creditLots.findMany({
      where: (lot, { eq }) => eq(lot.workspaceId, rig.workspaceId),
    });
    expect(lots).toHaveLength(1);
    expect(lots[0]).toMatchObject({ remainingNano: 10_000_000_000n });
    await rig.sound();
  });

  test("amounts outside the limits, unknown packages and foreign addresses are refused before anything is written", async () => {
    const rig = await open();
    const wishes = [
      { amountUsd: "0.99" },
      { amountUsd: 1001 },
      { amountUsd: 1.005 },
      { amountUsd: "1e3" },
      { packageId: "none" },
      {},
      { amountUsd: 5, packageId: "big" },
      { amountUsd: 5, successUrl: "https://evil.example/" },
      { amountUsd: 5, successUrl: "//evil.example/" },
      { amountUsd: 5, cancelUrl: "/\\evil.example/" },
      { amountUsd: 5, cancelUrl: "https://gate.example@evil.example/" },
      { amountUsd: 5, cancelUrl: "javascript:alert(1)" },
    ];
    for (const wish of wishes) await expect(rig.topUp(wish)).rejects.toThrow();
    const { payments } = schema;
    const rows = await database.orm.select().from(payments);
    expect(rows.filter(({ workspaceId }) => workspaceId === rig.workspaceId)).toEqual([]);
  });

  test("a page returns inside the public address", async () => {
    const rig = await open();
    const { id } = await rig.topUp({ amountUsd: 5, successUrl: "/thanks?x=1", cancelUrl: "https://gate.example/no" });
    const session = stripe.state.sessions.need(await rig.sessionOf(id));
    expect([session.success_url, session.cancel_url]).toEqual([
      "https://gate.example/thanks?x=1",
      "https://gate.example/no",
    ]);
  });

  test("a payment whose webhook never came is found by asking", async () => {
    let ahead = 0;
    const rig = await open({ now: () => new Date(Date.now() + ahead) });
    const { id } = await rig.topUp();
    rig.world.pay(await rig.sessionOf(id));
    const lost = stripe.state.events.splice(0);
    await rig.billing.sweep();
    expect(await rig.balance()).toBe("0");
    ahead = 16 * 60_000;
    await rig.billing.sweep();
    expect(await rig.balance()).toBe("10");
    for (const event of lost) await rig.deliver(event);
    expect(await rig.balance()).toBe("10");
    await rig.sound();
  });

  test("no more than fifty pages are open at a time", async () => {
    const rig = await open();
    for (let n = 0; n < 50; n++) await rig.topUp();
    await expect(rig.topUp()).rejects.toMatchObject({ code: "rate_limit_exceeded" });
  });
});
