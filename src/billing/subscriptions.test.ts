/**
 * Tests of subscriptions on both databases: beginning, changing with proration, annual prices, dunning, ending.
 * The workspace's plan follows what Stripe has now, and revenue is booked once for each paid invoice.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { eachDatabase } from "../../test/support/postgres.ts";
import { openRig, type Rig, type RigOptions } from "../../test/support/stripe/rig.ts";
import { type StripeStandIn, startStripe } from "../../test/support/stripe/server.ts";
import type { Database } from "../db/database.ts";
import { migrate } from "../db/migrate.ts";
import { schema } from "../db/schema.ts";
import { listInvoices } from "./invoices.ts";
import { currentSubscription, openPortal, previewChange, setCancelled, subscribe } from "./subscriptions.ts";

const DAY_MS = 86_400_000;

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

  const pageOf = (opened: object) => ("url" in opened ? String(opened.url).split("/").at(-1)! : "");

  async function subscribed(options: RigOptions = {}, wish: Partial<Parameters<typeof subscribe>[2]> = {}) {
    const rig = await open(options);
    const opened = await subscribe(rig.tools, rig.workspaceId, { plan: "pro", interval: "month", ...wish });
    const { id } = rig.world.subscribe(pageOf(opened));
    await rig.deliverNew();
    return { ...rig, id };
  }

  async function revenue({ workspaceId }: Pick<Rig, "workspaceId">): Promise<bigint> {
    const [row] = await database.sql`
      select coalesce(sum(e.amount_nano), 0)::bigint as total from ledger_entries e
      join ledger_transactions t on t.id = e.transaction_id
      where t.workspace_id = ${workspaceId}::uuid and e.account_id = 'subscriptions'`;
    return row.total / 10_000_000n;
  }

  test("a paid subscription gives its plan, and its revenue is booked", async () => {
    const rig = await subscribed();
    expect(await rig.plan()).toBe("pro");
    expect(await revenue(rig)).toBe(2000n);
    const current = await currentSubscription(rig.parts, rig.workspaceId);
    expect(current).toMatchObject({ plan: "pro", interval: "month", amountCents: 2000n, status: "active" });
    const [invoice] = await listInvoices(rig.parts, rig.workspaceId);
    expect(invoice).toMatchObject({ status: "paid", paidCents: 2000n, totalCents: 2000n });
    expect(invoice?.pdfUrl).toEndWith(".pdf");
    await rig.sound();
  });

  test("a year is sold for its own price, found again under its key", async () => {
    const rig = await subscribed({}, { interval: "year" });
    expect(await revenue(rig)).toBe(20_000n);
    const other = await open();
    await subscribe(other.tools, other.workspaceId, { plan: "pro", interval: "year" });
    const keys = [...stripe.state.prices.values()].map(({ lookup_key }) => lookup_key);
    expect(keys.filter((key) => key === "sluice-pro-year-20000")).toHaveLength(1);
  });

  test("each period's invoice is booked once", async () => {
    const rig = await subscribed();
    rig.world.renew(rig.id, true);
    const events = await rig.deliverNew();
    for (const event of events) expect((await rig.deliver(event)).outcome).toBe("duplicate");
    expect(await revenue(rig)).toBe(4000n);
    await rig.sound();
  });

  describe("a change of plan", () => {
    test("is charged at once in proportion, as the preview said, and takes effect", async () => {
      const rig = await subscribed();
      const preview = await previewChange(rig.tools, rig.workspaceId, { plan: "team", interval: "month" });
      expect(preview).toMatchObject({ totalCents: 2000n, dueCents: 2000n });
      expect(preview.lines.map(({ cents, proration }) => [cents, proration])).toEqual([
        [-1000n, true],
        [3000n, true],
      ]);
      expect(await rig.plan()).toBe("pro");
      const { prorationDate } = preview;
      const changed = await subscribe(rig.tools, rig.workspaceId, { plan: "team", interval: "month", prorationDate });
      expect(changed).toMatchObject({ subscription: { plan: "team", amountCents: 6000n } });
      expect(await rig.plan()).toBe("team");
      await rig.deliverNew();
      expect(await revenue(rig)).toBe(4000n);
      await rig.sound();
    });

    test("whose charge is declined leaves the plan as it was", async () => {
      const rig = await subscribed();
      stripe.state.card = "decline";
      await subscribe(rig.tools, rig.workspaceId, { plan: "team", interval: "month" });
      await rig.deliverNew();
      stripe.state.card = "succeed";
      expect(await rig.plan()).toBe("pro");
      expect(await rig.notices()).toEqual(["subscription-payment-failed"]);
    });

    test("waits for the next invoice when the settings say so", async () => {
      const rig = await subscribed({ settings: { proration: "create_prorations" } });
      await subscribe(rig.tools, rig.workspaceId, { plan: "team", interval: "month" });
      await rig.deliverNew();
      expect(await rig.plan()).toBe("team");
      expect(await revenue(rig)).toBe(2000n);
    });

    test("to what the workspace has already is refused", async () => {
      const rig = await subscribed();
      await expect(subscribe(rig.tools, rig.workspaceId, { plan: "pro", interval: "month" })).rejects.toThrow(
        "already",
      );
    });
  });

  test("a cancelled subscription runs on to the end of its period, and can be resumed", async () => {
    const rig = await subscribed();
    expect(await setCancelled(rig.tools, rig.workspaceId, true)).toMatchObject({ cancelAtPeriodEnd: true });
    expect(await rig.plan()).toBe("pro");
    expect(await setCancelled(rig.tools, rig.workspaceId, false)).toMatchObject({ cancelAtPeriodEnd: false });
    rig.world.end(rig.id);
    await rig.deliverNew();
    expect(await rig.plan()).toBe("free");
    expect(await currentSubscription(rig.parts, rig.workspaceId)).toBeUndefined();
    await expect(setCancelled(rig.tools, rig.workspaceId, true)).rejects.toMatchObject({ code: "not_found" });
  });

  test("one that ended can be followed by another", async () => {
    const rig = await subscribed();
    rig.world.end(rig.id);
    await rig.deliverNew();
    const again = await subscribe(rig.tools, rig.workspaceId, { plan: "team", interval: "month" });
    rig.world.subscribe(pageOf(again));
    await rig.deliverNew();
    expect(await rig.plan()).toBe("team");
  });

  test("while a payment fails the plan is kept for the grace, then taken; a late payment gives it back", async () => {
    let ahead = 0;
    const rig = await subscribed({ now: () => new Date(Date.now() + ahead) });
    rig.world.renew(rig.id, false);
    await rig.deliverNew();
    expect(await rig.plan()).toBe("pro");
    ahead = 13 * DAY_MS;
    await rig.billing.sweep();
    expect(await rig.plan()).toBe("pro");
    ahead = 15 * DAY_MS;
    await rig.billing.sweep();
    expect(await rig.plan()).toBe("free");
    rig.world.renew(rig.id, true);
    await rig.deliverNew();
    expect(await rig.plan()).toBe("pro");
  });

  for (const status of ["unpaid", "canceled", "incomplete_expired"] as const) {
    test(`${status} gives the default plan`, async () => {
      const rig = await subscribed();
      rig.world.end(rig.id, status);
      await rig.deliverNew();
      expect(await rig.plan()).toBe("free");
    });
  }

  test("a plan that the operator gave stays when a subscription that never began is over", async () => {
    const rig = await open({ plan: "team" });
    const opened = await subscribe(rig.tools, rig.workspaceId, { plan: "pro", interval: "month" });
    const { id } = rig.world.subscribe(pageOf(opened));
    rig.world.end(id, "incomplete_expired");
    await rig.deliverNew();
    expect(await rig.plan()).toBe("team");
  });

  test("only the newest page can be paid, so that nobody pays for two subscriptions", async () => {
    const rig = await open();
    const first = await subscribe(rig.tools, rig.workspaceId, { plan: "pro", interval: "month" });
    const second = await subscribe(rig.tools, rig.workspaceId, { plan: "team", interval: "month" });
    expect(() => rig.world.subscribe(pageOf(first))).toThrow("expired");
    rig.world.subscribe(pageOf(second));
    // Before any webhook came.
    const third = subscribe(rig.tools, rig.workspaceId, { plan: "team", interval: "year" });
    await expect(third).rejects.toThrow("just subscribed");
    expect(await rig.plan()).toBe("team");
    const results = await Promise.allSettled(
      Array.from({ length: 4 }, () => subscribe(rig.tools, rig.workspaceId, { plan: "pro", interval: "month" })),
    );
    expect(results.some(({ status }) => status === "fulfilled")).toBe(true);
    const open1 = [...stripe.state.sessions.values()].filter(
      (session) => session.status === "open" && session.client_reference_id === rig.workspaceId,
    );
    expect(open1).toEqual([]);
  });

  test("pages opened at the same moment leave one at most", async () => {
    const rig = await open();
    const wish = { plan: "pro", interval: "month" } as const;
    await Promise.allSettled(Array.from({ length: 4 }, () => subscribe(rig.tools, rig.workspaceId, wish)));
    const left = [...stripe.state.sessions.values()].filter(
      (session) => session.status === "open" && session.client_reference_id === rig.workspaceId,
    );
    expect(left.length).toBeLessThanOrEqual(1);
  });

  test("a refund of an invoice takes the revenue back, in whatever order it is told", async () => {
    const rig = await open();
    const opened = await subscribe(rig.tools, rig.workspaceId, { plan: "pro", interval: "month" });
    rig.world.subscribe(pageOf(opened));
    const intent = [...stripe.state.intents.values()].at(-1)!;
    rig.world.refund(intent.id, 500);
    for (const event of stripe.state.events.splice(0).reverse()) await rig.deliver(event);
    expect(await revenue(rig)).toBe(1500n);
    expect(await rig.plan()).toBe("pro");
    await rig.sound();
  });

  test("a price that is none of ours gives no plan", async () => {
    const rig = await subscribed();
    const subscription = stripe.state.subscriptions.need(rig.id);
    const item = subscription.items.data[0]!;
    subscription.items.data[0] = { ...item, price: { ...item.price, id: "price_x", metadata: {} } };
    stripe.state.emit("customer.subscription.updated", subscription);
    await rig.deliverNew();
    expect(rig.log.join()).toContain("none of ours");
    const { subscriptions } = schema;
    const [row] = await database.orm.select().from(subscriptions).where(eq(subscriptions.id, rig.id));
    expect(row).toMatchObject({ plan: null, status: "active" });
  });

  test("subscriptions of customers that are not ours are ignored", async () => {
    const rig = await subscribed();
    const stranger = { ...stripe.state.subscriptions.need(rig.id), id: "sub_stranger", customer: "cus_stranger" };
    stripe.state.subscriptions.keep(stranger);
    const event = stripe.state.emit("customer.subscription.created", stranger);
    expect(await rig.deliver(event)).toEqual({ status: 200, outcome: "ignored" });
    const gone = stripe.state.emit("customer.subscription.deleted", { ...stranger, id: "sub_gone" });
    expect(await rig.deliver(gone)).toEqual({ status: 200, outcome: "ignored" });
    stripe.state.events.length = 0;
  });

  test("plans without a price, unknown plans and foreign addresses are refused", async () => {
    const { tools, workspaceId } = await open();
    const wish = { plan: "pro", interval: "month" } as const;
    await expect(subscribe(tools, workspaceId, { ...wish, plan: "free" })).rejects.toThrow("no price");
    await expect(subscribe(tools, workspaceId, { ...wish, plan: "none" })).rejects.toThrow("no such plan");
    const foreign = subscribe(tools, workspaceId, { ...wish, successUrl: "https://evil.example/x" });
    await expect(foreign).rejects.toMatchObject({ param: "success_url" });
  });

  test("the portal opens for who has paid, and returns inside the public address", async () => {
    const rig = await subscribed();
    expect(await openPortal(rig.parts, rig.workspaceId, undefined)).toBe("https://pay.example/portal");
    await expect(openPortal(rig.parts, rig.workspaceId, "https://evil.example")).rejects.toThrow("return_url");
    const stranger = await rig.makeWorkspace();
    await expect(openPortal(rig.parts, stranger, undefined)).rejects.toMatchObject({ code: "not_found" });
  });
});
