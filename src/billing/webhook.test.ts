/**
 * Tests of the webhook on both databases: what is believed, what is refused with nothing written, and what happens once.
 * Forged, stale and foreign events must leave no trace in the books.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { eq } from "drizzle-orm";
import type { Stripe } from "stripe";
import { eachDatabase } from "../../test/support/postgres.ts";
import { openRig, type RigOptions } from "../../test/support/stripe/rig.ts";
import { type StripeStandIn, startStripe } from "../../test/support/stripe/server.ts";
import type { Database } from "../db/database.ts";
import { migrate } from "../db/migrate.ts";
import { schema } from "../db/schema.ts";
import { openBilling } from "./billing.ts";

const URL = "http://127.0.0.1/api/stripe/webhook";

eachDatabase((store) => {
  let database: Database;
  let stripe: StripeStandIn;
  beforeAll(async () => {
    database = await store.open();
    await migrate(database);
    stripe = startStripe();
  }, 60_000);
  afterAll(() => stripe.stop());

  /** A paid page whose events were not delivered yet. */
  async function pending(options: RigOptions = {}) {
    const rig = await openRig(database, { stripe, ...options });
    stripe.state.events.length = 0;
    const { id } = await rig.topUp();
    rig.world.pay(await rig.sessionOf(id));
    const completed = stripe.state.events.find(({ type }) => type === "checkout.session.completed")!;
    const stored = async (event: Stripe.Event) => {
      const { stripeEvents } = schema;
      return (await database.orm.select().from(stripeEvents).where(eq(stripeEvents.id, event.id)))[0];
    };
    const untouched = async () => {
      expect(await rig.payment(id)).toMatchObject({ status: "open", creditedAt: null });
      expect(await rig.balance()).toBe("0");
      expect(await rig.booked(id)).toEqual({});
      await rig.sound();
    };
    return { ...rig, id, completed, stored, untouched };
  }

  /** The same event with another object or other fields of its own. */
  function altered(event: Stripe.Event, object: Record<string, unknown>, more: Record<string, unknown> = {}) {
    const copy = structuredClone(event) as unknown as { data: { object: Record<string, unknown> } };
    Object.assign(copy.data.object, object);
    return Object.assign(copy, { id: `evt_${crypto.randomUUID()}` }, more) as unknown as Stripe.Event;
  }

  describe("is refused with nothing written:", () => {
    test("an event signed with another secret, or too long ago, or not at all", async () => {
      const { deliver, completed, stored, untouched, billing } = await pending();
      expect((await deliver(completed, { secret: "whsec_other" })).status).toBe(400);
      expect((await deliver(completed, { age: 301 })).status).toBe(400);
      const body = JSON.stringify(completed);
      const now = Math.floor(Date.now() / 1000);
      const keyless = createHmac("sha256", "").update(`${now}.${body}`).digest("hex");
      for (const header of ["", "t=1", "t=1,v1=00", `t=${now},v1=`, `t=${now},v1=${keyless}`]) {
        const headers = header ? { "stripe-signature": header } : undefined;
        const response = await billing.webhook!(new Request(URL, { method: "POST", body, headers }));
        expect(response.status).toBe(400);
      }
      expect(await stored(completed)).toBeUndefined();
      await untouched();
    });

    test("a body that was changed after it was signed", async () => {
      const { billing, completed, stored, untouched } = await pending();
      const signed = await stripe.sign(completed);
      const body = (await signed.text()).replace('"usd"', '"eur"');
      const changed = new Request(URL, { method: "POST", body, headers: signed.headers });
      expect((await billing.webhook!(changed)).status).toBe(400);
      expect(await stored(completed)).toBeUndefined();
      await untouched();
    });

    test("an event of the other mode, or of another account", async () => {
      const { deliver, completed, stored, untouched } = await pending();
      const live = altered(completed, { livemode: true }, { livemode: true });
      const connected = altered(completed, {}, { account: "acct_1" });
      for (const event of [live, connected]) {
        expect((await deliver(event)).status).toBe(400);
        expect(await stored(event)).toBeUndefined();
      }
      await untouched();
    });

    test("a body over 256 KiB, another method", async () => {
      const { billing } = await pending();
      const large = new Request(URL, { method: "POST", body: "x".repeat(257 * 1024) });
      expect((await billing.webhook!(large)).status).toBe(413);
      expect((await billing.webhook!(new Request(URL))).status).toBe(405);
    });

    test("anything, without a secret: there is no webhook", async () => {
      const { billing } = await openRig(database, { stripe, webhookSecret: null });
      expect(billing.webhook).toBeUndefined();
    });

    test("everything, without a key: there are no payments", async () => {
      const { parts, books } = await openRig(database, { stripe });
      const { settings, plans, log } = parts;
      const config = { stripe: {}, billing: settings, plans, defaults: { plan: "free" }, brand: { name: "x" } };
      const billing = openBilling({ config: { ...config, host: "127.0.0.1", port: 1 }, database, books, log });
      expect(billing).toBeUndefined();
    });
  });

  describe("is recorded as refused, and not repeated by Stripe, what does not fit the payment:", () => {
    const cases: Record<string, Record<string, unknown>> = {
      "another amount": { amount_total: 1 },
      "a larger amount": { amount_total: 100_000 },
      "no amount": { amount_total: null },
      "another currency": { currency: "eur" },
      "another customer": { customer: "cus_other" },
      "another session": { id: "cs_other" },
      "another reference": { client_reference_id: crypto.randomUUID() },
      "no reference": { client_reference_id: null },
    };
    for (const [name, fields] of Object.entries(cases)) {
      test(name, async () => {
        const { deliver, completed, stored, untouched, log } = await pending();
        const event = altered(completed, fields);
        expect(await deliver(event)).toEqual({ status: 200, outcome: "refused" });
        expect(await stored(event)).toMatchObject({ outcome: "refused" });
        expect(log.join()).toContain("error a payment that does not fit was refused");
        await untouched();
      });
    }

    test("another workspace, and a payment that we do not know", async () => {
      const { deliver, completed, untouched, id, workspaceId, makeWorkspace, balance } = await pending();
      const other = await makeWorkspace();
      const metadata = [
        { sluice_payment: id, sluice_workspace: other },
        { sluice_payment: id },
        { sluice_payment: crypto.randomUUID(), sluice_workspace: workspaceId },
        { sluice_payment: "' or true --", sluice_workspace: workspaceId },
      ];
      for (const one of metadata)
        expect(await deliver(altered(completed, { metadata: one }))).toEqual({ status: 200, outcome: "refused" });
      await untouched();
      expect(await balance(other)).toBe("0");
    });
  });

  test("what is not ours, and kinds of events that do not matter, are ignored", async () => {
    const { deliver, completed, untouched } = await pending();
    expect(await deliver(altered(completed, { metadata: {} }))).toEqual({ status: 200, outcome: "ignored" });
    const other = altered(completed, {}, { type: "product.created" });
    expect(await deliver(other)).toEqual({ status: 200, outcome: "ignored" });
    await untouched();
  });

  test("twenty deliveries of an event at once have one effect, and so have all events of a payment at once", async () => {
    const { deliver, completed, balance, booked, id, sound } = await pending();
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => deliver(completed)));
    expect(outcomes.filter(({ outcome }) => outcome === "applied")).toHaveLength(1);
    expect(outcomes.filter(({ outcome }) => outcome === "duplicate")).toHaveLength(19);
    expect(await balance()).toBe("10");
    const all = stripe.state.events.splice(0);
    await Promise.all([...all, ...all].map((event) => deliver(event)));
    expect(await balance()).toBe("10");
    expect(await booked(id)).toEqual({ credit: "10", fees: "0.5", "stripe-clearing": "-10.5" });
    await sound();
  });

  test("more events at once than it applies are asked to come again, and then have their effect", async () => {
    const { deliverOnce, deliver, completed, balance, stored, sound } = await pending();
    const others = Array.from({ length: 99 }, () => altered(completed, {}, { type: "product.created" }));
    const answers = await Promise.all([...others, completed].map((event) => deliverOnce(event)));
    const busy = answers.filter(({ outcome }) => outcome === "busy");
    expect(busy.length).toBeGreaterThan(0);
    expect(busy.every(({ status }) => status === 503)).toBe(true);
    for (const event of [...others, completed]) expect((await deliver(event)).status).toBe(200);
    expect(await stored(completed)).toMatchObject({ outcome: "applied" });
    expect(await balance()).toBe("10");
    await sound();
  });

  test("events of another API version are taken, with one warning", async () => {
    const { deliver, completed, log, balance } = await pending();
    for (const api_version of ["2020-08-27", "2020-08-27", "2020-08-27"])
      await deliver(altered(completed, {}, { api_version }));
    expect(log.filter((line) => line.includes("another API version"))).toHaveLength(1);
    expect(await balance()).toBe("10");
  });

  test("while the database takes no work Stripe is asked to come again", async () => {
    const { completed, untouched, parts, stripe: standIn } = await pending();
    const full: Database = { ...database, ready: () => ({ ok: false, reason: "disk nearly full" }) };
    const rig = await openRig(full, { stripe: standIn });
    const response = await rig.billing.webhook!(await standIn.sign(completed));
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("10");
    expect(parts.stripe.livemode).toBe(false);
    await untouched();
  });

  test("an effect that cannot be posted takes its event back with it, so that the next delivery has it", async () => {
    const { deliver, completed, parts, stored, balance, stripe: standIn } = await pending();
    const broken = await openRig(database, { stripe: standIn });
    const failing = { ...parts.books, post: () => Promise.reject(new Error("the connection broke")) };
    Object.assign(broken.parts, { books: failing });
    const response = await broken.billing.webhook!(await standIn.sign(completed));
    expect(response.status).toBe(503);
    expect(await stored(completed)).toBeUndefined();
    expect(await deliver(completed)).toEqual({ status: 200, outcome: "applied" });
    expect(await balance()).toBe("10");
  });
});
