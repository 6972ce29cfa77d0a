/**
 * Tests of order: every one of the 720 orders of six events, each delivered three times, ends in the same state.
 * Stripe promises neither order nor one delivery; the books must not depend on either.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import type { Stripe } from "stripe";
import { eachDatabase } from "../../test/support/postgres.ts";
import { openRig, type Rig } from "../../test/support/stripe/rig.ts";
import { type StripeStandIn, startStripe } from "../../test/support/stripe/server.ts";
import type { Database } from "../db/database.ts";
import { migrate } from "../db/migrate.ts";
import { centsToDollars } from "./amounts.ts";
import { listInvoices } from "./invoices.ts";
import { subscribe } from "./subscriptions.ts";

/** Every order of a list. */
function ordersOf<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, index) => ordersOf(items.toSpliced(index, 1)).map((others) => [item, ...others]));
}

/** Numbers that look random and are the same in every run. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state % below;
  };
}

/** Delivers events in their order, each three times: the second and third at a random later moment, beside others. */
async function deliverThrice(rig: Rig, events: readonly Stripe.Event[], random: (below: number) => number) {
  const steps: Stripe.Event[][] = events.map((event) => [event]);
  steps.push([]);
  for (const [index, event] of events.entries())
    for (let copy = 0; copy < 2; copy++) steps[index + random(steps.length - index)]?.push(event);
  for (const step of steps)
    for (const answer of await Promise.all(step.map((event) => rig.deliver(event))))
      expect(answer).toEqual({ status: 200, outcome: expect.stringMatching(/^(applied|duplicate)$/) });
}

const IN_PARALLEL = 6;

async function inParallel<T>(items: readonly T[], work: (item: T, index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) await work(items[index] as T, index);
  };
  await Promise.all(Array.from({ length: IN_PARALLEL }, worker));
}

eachDatabase((store) => {
  let database: Database;
  let stripe: StripeStandIn;
  let rig: Rig;
  beforeAll(async () => {
    database = await store.open({ poolSize: 8 });
    await migrate(database);
    stripe = startStripe();
    rig = await openRig(database, { stripe });
  }, 60_000);
  afterAll(() => stripe.stop());

  const orders = ordersOf([0, 1, 2, 3, 4, 5]);
  // The embedded store has one connection, so nothing can happen there that cannot on the other.
  const chosen = store.kind === "postgres" ? orders : orders.filter((_, index) => index % 12 === 0);

  /** What was emitted since, of these types only. */
  const emitted = (types: readonly string[]) => {
    const events = stripe.state.events.splice(0);
    return types.map((type) => {
      const found = events.filter((event) => event.type === type);
      return found.at(-1)!;
    });
  };

  test(`a payment ends in one state in ${chosen.length} orders: paid late, refunded in part, disputed and lost`, async () => {
    const kinds = [
      "checkout.session.completed",
      "checkout.session.async_payment_succeeded",
      "charge.refunded",
      "refund.created",
      "charge.dispute.created",
      "charge.dispute.closed",
    ];
    await inParallel(chosen, async (order, index) => {
      const workspaceId = await rig.makeWorkspace();
      const { id } = await rig.topUp({ amountUsd: 10 }, workspaceId);
      const session = await rig.sessionOf(id);
      const intent = rig.world.pay(session, true);
      rig.world.settleLater(session, true);
      rig.world.refund(intent.id, 350);
      rig.world.closeDispute(rig.world.dispute(intent.id, 300), false);
      const events = emitted(kinds);
      await deliverThrice(
        rig,
        order.map((position) => events[position]!),
        createRandom(index + 1),
      );
      expect(await rig.balance(workspaceId)).toBe("3.80952381");
      expect(await rig.payment(id)).toMatchObject({
        status: "paid",
        refundedCents: 350n,
        disputedCents: 300n,
        chargedBackCents: 300n,
        disputed: true,
      });
      expect(await rig.booked(id)).toEqual({
        credit: "3.80952381",
        fees: "0.19047619",
        "stripe-clearing": "-4",
      });
    });
    await rig.sound();
  }, 180_000);

  test(`a subscription ends in one state in ${chosen.length} orders: begun, paid, past due, ended`, async () => {
    await inParallel(chosen, async (order, index) => {
      const workspaceId = await rig.makeWorkspace();
      const opened = await subscribe(rig.tools, workspaceId, { plan: "pro", interval: "month" });
      const page = "url" in opened ? (opened.url.split("/").at(-1) ?? "") : "";
      const { id } = rig.world.subscribe(page);
      const begun = emitted(["customer.subscription.created", "invoice.finalized", "invoice.paid"]);
      rig.world.renew(id, false);
      rig.world.end(id);
      const ended = emitted([
        "customer.subscription.updated",
        "invoice.payment_failed",
        "customer.subscription.deleted",
      ]);
      const events = [...begun, ...ended];
      await deliverThrice(
        rig,
        order.map((position) => events[position]!),
        createRandom(index + 1),
      );
      expect(await rig.plan(workspaceId)).toBe("free");
      const invoices = await listInvoices(rig.parts, workspaceId);
      expect(invoices.map(({ status, paidCents }) => [status, paidCents]).sort()).toEqual([
        ["open", 0n],
        ["paid", 2000n],
      ]);
      const booked = (await database.sql`
        select e.account_id as account, sum(e.amount_nano)::bigint as amount from ledger_entries e
        join ledger_transactions t on t.id = e.transaction_id
        where t.workspace_id = ${workspaceId}::uuid group by 1 order by 1`) as { account: string; amount: bigint }[];
      expect(booked.map(({ account, amount }) => [account, amount])).toEqual([
        ["stripe-clearing", -20_000_000_000n],
        ["subscriptions", 20_000_000_000n],
      ]);
    });
    await rig.sound();
  }, 180_000);

  const action = fc.oneof(
    fc.record({ kind: fc.constant("refund" as const), cents: fc.integer({ min: 1, max: 400 }) }),
    fc.record({ kind: fc.constant("fail" as const), which: fc.nat(5) }),
    fc.record({ kind: fc.constant("dispute" as const), cents: fc.integer({ min: 1, max: 400 }) }),
    fc.record({ kind: fc.constant("close" as const), which: fc.nat(5), won: fc.boolean() }),
  );

  test("a refund of money that was disputed moves from the one to the other, though no sum changes", async () => {
    const { id } = await rig.topUp({ amountUsd: 10 });
    stripe.state.events.length = 0;
    const intent = rig.world.pay(await rig.sessionOf(id));
    rig.world.dispute(intent.id, 1050);
    rig.world.refund(intent.id, 50);
    for (const event of stripe.state.events.splice(0)) await rig.deliver(event);
    expect(await rig.payment(id)).toMatchObject({ refundedCents: 50n, disputedCents: 1000n });
    expect(await rig.booked(id)).toEqual({});
  });

  test("whatever refunds and disputes there are, all events at once end where the bank says", async () => {
    const runs = store.kind === "postgres" ? 60 : 10;
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 8 }), fc.nat(), async (actions, seed) => {
        const workspaceId = await rig.makeWorkspace();
        const { id } = await rig.topUp({ amountUsd: 10 }, workspaceId);
        stripe.state.events.length = 0;
        const intent = rig.world.pay(await rig.sessionOf(id));
        const { refunded, disputed } = live(rig, intent.id, actions);
        const random = createRandom(seed);
        const events = stripe.state.events.splice(0).flatMap((event) => [event, event]);
        const shuffled = events.map((event) => ({ event, at: random(1_000_000) })).sort((a, b) => a.at - b.at);
        const answers = await Promise.all(shuffled.map(({ event }) => rig.deliver(event)));
        expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
        const payment = await rig.payment(id);
        const refundedCents = Math.min(1050, refunded);
        expect(payment?.refundedCents).toBe(BigInt(refundedCents));
        expect(payment?.disputedCents).toBe(BigInt(Math.min(1050 - refundedCents, disputed)));
        const left = 1050n - (payment?.refundedCents ?? 0n) - (payment?.disputedCents ?? 0n);
        const booked = await rig.booked(id);
        expect(booked["stripe-clearing"] ?? "0").toBe(centsToDollars(-left));
        expect(booked.disputes).toBeUndefined();
      }),
      { numRuns: runs },
    );
    await rig.sound();
  }, 180_000);
});

type Action =
  | { kind: "refund"; cents: number }
  | { kind: "fail"; which: number }
  | { kind: "dispute"; cents: number }
  | { kind: "close"; which: number; won: boolean };

/** Does what was drawn, and tells what is refunded and held back in the end. */
function live({ world }: Rig, intentId: string, actions: readonly Action[]) {
  const refunds: { made: Stripe.Refund; failed: boolean }[] = [];
  const disputes: { made: Stripe.Dispute; closed: boolean; won: boolean }[] = [];
  for (const one of actions) {
    if (one.kind === "refund") refunds.push({ made: world.refund(intentId, one.cents), failed: false });
    else if (one.kind === "dispute")
      disputes.push({ made: world.dispute(intentId, one.cents), closed: false, won: false });
    else if (one.kind === "fail") {
      const chosen = refunds[one.which];
      if (!chosen || chosen.failed) continue;
      chosen.failed = true;
      world.failRefund(chosen.made);
    } else {
      const chosen = disputes[one.which];
      if (!chosen || chosen.closed) continue;
      Object.assign(chosen, { closed: true, won: one.won });
      world.closeDispute(chosen.made, one.won);
    }
  }
  const sum = (amounts: number[]) => amounts.reduce((total, amount) => total + amount, 0);
  return {
    refunded: sum(refunds.filter(({ failed }) => !failed).map(({ made }) => made.amount)),
    disputed: sum(disputes.filter(({ won }) => !won).map(({ made }) => made.amount)),
  };
}
