/**
 * Tests of automatic top-ups on both databases: one at a time, once for each key, waiting longer after each failure.
 * A crash between Stripe's answer and our writing it down must neither charge twice nor forget.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { and, desc, eq } from "drizzle-orm";
import { eachDatabase } from "../../test/support/postgres.ts";
import { openRig, type RigOptions } from "../../test/support/stripe/rig.ts";
import { type StripeStandIn, startStripe } from "../../test/support/stripe/server.ts";
import { dollarsToNano } from "../core/money.ts";
import type { Database } from "../db/database.ts";
import { migrate } from "../db/migrate.ts";
import { schema } from "../db/schema.ts";
import { changeAutoTopUp, readAutoTopUp } from "./auto-top-up.ts";

const HOUR_MS = 3_600_000;

eachDatabase((store) => {
  let database: Database;
  let stripe: StripeStandIn;
  beforeAll(async () => {
    database = await store.open();
    await migrate(database);
    stripe = startStripe();
  }, 60_000);
  afterAll(() => stripe.stop());

  /** A workspace with 5 dollars that wants 20 more when it has less than 8. */
  async function automatic(options: RigOptions = {}) {
    stripe.state.card = "succeed";
    let ahead = 0;
    const rig = await openRig(database, { stripe, now: () => new Date(Date.now() + ahead), ...options });
    const { id } = await rig.topUp({ amountUsd: 5, savePaymentMethod: true });
    rig.world.pay(await rig.sessionOf(id));
    await rig.deliverNew();
    const { workspaceId } = rig;
    const settings = { enabled: true, thresholdNano: dollarsToNano(8), amountUsd: 20 };
    await changeAutoTopUp(rig.parts, workspaceId, settings);
    const { payments } = schema;
    const mine = and(eq(payments.workspaceId, workspaceId), eq(payments.kind, "auto-top-up"));
    return {
      ...rig,
      advance: (ms: number) => {
        ahead += ms;
      },
      check: () => rig.billing.checkAutoTopUp(workspaceId),
      settings: () => readAutoTopUp(rig.parts, workspaceId),
      attempts: () => database.orm.select().from(payments).where(mine).orderBy(desc(payments.id)),
      /** How many payments Stripe made of it. */
      charges: () =>
        [...stripe.state.intents.values()].filter(
          ({ metadata }) => metadata.sluice_workspace === workspaceId && metadata.sluice_automatic === "true",
        ).length,
      spend: async (usd: number) => {
        const amountNano = dollarsToNano(usd);
        await database.sql`select ledger_post(${crypto.randomUUID()}::uuid, 'adjustment', ${crypto.randomUUID()}, 'x',
          ${workspaceId}::uuid, null, null, 'test', array[${`credit:${workspaceId}`}, 'promotions'],
          array[-${amountNano}::bigint, ${amountNano}::bigint], false)`;
      },
    };
  }

  test("credit is bought with the saved card when the balance is low, and not again when it is not", async () => {
    const rig = await automatic();
    await rig.check();
    expect(await rig.balance()).toBe("25");
    const [payment] = await rig.attempts();
    expect(payment).toMatchObject({ status: "paid", amountCents: 2100n, feeCents: 100n });
    await rig.deliverNew();
    await rig.check();
    expect(await rig.balance()).toBe("25");
    expect(rig.charges()).toBe(1);
    await rig.sound();
  });

  test("many checks at once, on two nodes, buy once", async () => {
    const rig = await automatic();
    const other = await openRig(database, { stripe });
    const checks = Array.from({ length: 10 }, () => [rig.check(), other.billing.checkAutoTopUp(rig.workspaceId)]);
    await Promise.all([...checks.flat(), rig.billing.runAutoTopUps(), other.billing.runAutoTopUps()]);
    await rig.deliverNew();
    expect(await rig.balance()).toBe("25");
    expect(rig.charges()).toBe(1);
    await rig.sound();
  });

  test("a payment that takes its time blocks the next one until it is settled", async () => {
    const rig = await automatic();
    stripe.state.card = "process";
    await rig.check();
    await rig.check();
    expect(await rig.balance()).toBe("5");
    expect(rig.charges()).toBe(1);
    const [payment] = await rig.attempts();
    const intent = stripe.state.intents.need(payment?.paymentIntentId ?? "");
    Object.assign(intent, { status: "succeeded", amount_received: intent.amount });
    rig.advance(61_000);
    await rig.billing.sweep();
    expect(await rig.balance()).toBe("25");
    await rig.sound();
  });

  test("failures wait one hour, six, a day, then switch it off; each is told once", async () => {
    const rig = await automatic();
    stripe.state.card = "decline";
    for (const [index, waitMs] of [HOUR_MS, 6 * HOUR_MS, 24 * HOUR_MS].entries()) {
      await rig.check();
      await rig.deliverNew();
      expect(await rig.attempts()).toHaveLength(index + 1);
      expect(await rig.settings()).toMatchObject({ enabled: true, failures: index + 1, lastError: "card_declined" });
      rig.advance(waitMs - 60_000);
      await rig.check();
      expect(rig.charges()).toBe(index + 1);
      rig.advance(120_000);
    }
    await rig.billing.runAutoTopUps();
    await rig.deliverNew();
    expect(await rig.settings()).toMatchObject({ enabled: false, failures: 4 });
    rig.advance(100 * HOUR_MS);
    await rig.check();
    expect(rig.charges()).toBe(4);
    expect(await rig.notices()).toEqual([
      "auto-top-up-disabled",
      "auto-top-up-failed",
      "auto-top-up-failed",
      "auto-top-up-failed",
      "payment-received",
    ]);
    expect(await rig.balance()).toBe("5");
    await rig.sound();
  });

  test("a success after failures begins the count anew", async () => {
    const rig = await automatic();
    stripe.state.card = "decline";
    await rig.check();
    stripe.state.card = "succeed";
    rig.advance(HOUR_MS + 1000);
    await rig.check();
    expect(await rig.settings()).toMatchObject({ enabled: true, failures: 0 });
    expect(await rig.balance()).toBe("25");
  });

  test("a card that wants its owner is a failure, and its payment is ended", async () => {
    const rig = await automatic();
    stripe.state.card = "needs-action";
    await rig.check();
    const [payment] = await rig.attempts();
    expect(payment).toMatchObject({ status: "failed", error: "authentication_required" });
    expect(stripe.state.intents.need(payment?.paymentIntentId ?? "").status).toBe("canceled");
    await rig.deliverNew();
    expect(await rig.settings()).toMatchObject({ failures: 1 });
  });

  describe("when Stripe's answer is lost", () => {
    test("the payment stays under way, is asked for again under its key, and is charged once", async () => {
      const rig = await automatic();
      stripe.faults.push({ match: /POST \/v1\/payment_intents$/, when: "after" });
      await rig.check();
      expect((await rig.attempts())[0]).toMatchObject({ status: "open", paymentIntentId: null });
      await rig.check();
      expect(rig.charges()).toBe(1);
      // The process ended here; another one begins, and the webhooks were lost with it.
      stripe.state.events.length = 0;
      const next = await openRig(database, { stripe, now: () => new Date(Date.now() + 61_000) });
      await next.billing.runAutoTopUps();
      expect(rig.charges()).toBe(1);
      expect(await rig.balance()).toBe("25");
      await rig.sound();
    });

    test("its webhook settles it, and asking again changes nothing", async () => {
      const rig = await automatic();
      stripe.faults.push({ match: /POST \/v1\/payment_intents$/, when: "after" });
      await rig.check();
      await rig.deliverNew();
      expect(await rig.balance()).toBe("25");
      rig.advance(HOUR_MS);
      await rig.billing.sweep();
      expect(await rig.balance()).toBe("25");
      expect(rig.charges()).toBe(1);
      await rig.sound();
    });

    test("after a day, when its key is forgotten, it is looked for and never made again", async () => {
      const rig = await automatic();
      stripe.faults.push({ match: /POST \/v1\/payment_intents$/, when: "after" });
      await rig.check();
      stripe.state.events.length = 0;
      rig.advance(30 * HOUR_MS);
      await rig.billing.runAutoTopUps();
      expect(rig.charges()).toBe(1);
      expect(await rig.balance()).toBe("25");
      await rig.sound();
    });

    test("after a day, one that Stripe never saw is given up as a failure", async () => {
      const rig = await automatic();
      stripe.faults.push({ match: /POST \/v1\/payment_intents$/, when: "before" });
      await rig.check();
      rig.advance(30 * HOUR_MS);
      await rig.billing.runAutoTopUps();
      expect(rig.charges()).toBe(0);
      expect((await rig.attempts())[0]).toMatchObject({ status: "failed", error: "not_charged" });
      await rig.sound();
    });

    test("and the database is gone at that moment, the next start finds the payment", async () => {
      const rig = await automatic();
      const broken = await openRig(database, { stripe });
      const { post } = rig.books;
      Object.assign(broken.parts, { books: { ...rig.books, post: () => Promise.reject(new Error("lost")) } });
      await broken.billing.checkAutoTopUp(rig.workspaceId);
      expect(post).toBeDefined();
      expect(await rig.balance()).toBe("5");
      expect((await rig.attempts())[0]).toMatchObject({ status: "open" });
      stripe.state.events.length = 0;
      rig.advance(61_000);
      await rig.billing.runAutoTopUps();
      expect(await rig.balance()).toBe("25");
      await rig.sound();
    });
  });

  test("a dispute switches it off, whatever comes of the dispute", async () => {
    const rig = await automatic();
    await rig.check();
    const [payment] = await rig.attempts();
    rig.world.closeDispute(rig.world.dispute(payment?.paymentIntentId ?? "", 2100), true);
    await rig.deliverNew();
    expect(await rig.settings()).toMatchObject({ enabled: false });
  });

  test("no more are bought in a day than the settings allow", async () => {
    const rig = await automatic({ settings: { autoTopUp: { maxPerDay: 2 } } });
    for (let n = 0; n < 4; n++) {
      await rig.check();
      if (n < 2) await rig.spend(20);
      rig.advance(HOUR_MS + 1000);
    }
    expect(rig.charges()).toBe(2);
    rig.advance(24 * HOUR_MS);
    await rig.check();
    expect(rig.charges()).toBe(3);
    await rig.sound();
  });

  test("a suspended workspace buys nothing", async () => {
    const rig = await automatic();
    await database.sql`update workspaces set suspended_at = now() where id = ${rig.workspaceId}::uuid`;
    await rig.check();
    expect(rig.charges()).toBe(0);
  });

  test("it cannot be switched on without a saved payment method, nor with another customer's", async () => {
    const rig = await openRig(database, { stripe });
    const wish = { enabled: true, thresholdNano: dollarsToNano(5), amountUsd: 10 };
    await expect(changeAutoTopUp(rig.parts, rig.workspaceId, wish)).rejects.toThrow("saved payment method");
    const other = await automatic();
    const stolen = (await other.settings())?.paymentMethodId;
    const { id } = await rig.topUp({ amountUsd: 5 });
    rig.world.pay(await rig.sessionOf(id));
    await rig.deliverNew();
    await expect(changeAutoTopUp(rig.parts, rig.workspaceId, wish)).rejects.toThrow("saved payment method");
    const theft = changeAutoTopUp(rig.parts, rig.workspaceId, { ...wish, paymentMethod: stolen });
    await expect(theft).rejects.toMatchObject({ param: "payment_method" });
    expect(await readAutoTopUp(rig.parts, rig.workspaceId)).toBeUndefined();
  });
});
