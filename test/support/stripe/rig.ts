/**
 * Billing over a test's database and a stand-in of Stripe, with a workspace that pays.
 * Tests of payments start here: they act as customer, bank and network, then look at the books.
 */
import { expect } from "bun:test";
import { eq } from "drizzle-orm";
import type { Stripe } from "stripe";
import { type Billing, openBilling } from "../../../src/billing/billing.ts";
import { openCheckout, type TopUpWish } from "../../../src/billing/checkout.ts";
import type { BillingSettings } from "../../../src/billing/parts.ts";
import { dollarsToNano, nano, nanoToDollars } from "../../../src/core/money.ts";
import type { Database } from "../../../src/db/database.ts";
import { schema } from "../../../src/db/schema.ts";
import { openWorkspaces } from "../../../src/identity/workspaces.ts";
import { type Books, openBooks } from "../../../src/ledger/books.ts";
import { type StripeStandIn, startStripe } from "./server.ts";

export interface RigOptions {
  readonly settings?: Partial<BillingSettings>;
  readonly now?: () => Date;
  /** Of an earlier rig, for a second node. */
  readonly stripe?: StripeStandIn;
  readonly webhookSecret?: string | null;
  readonly welcomeUsd?: string;
  readonly plan?: string;
}

export const SETTINGS: BillingSettings = {
  currency: "usd",
  topUp: {
    minNano: dollarsToNano(1),
    maxNano: dollarsToNano(1000),
    feeMinNano: dollarsToNano("0.30"),
    feePpm: 50_000n,
  },
  packages: [{ id: "big", payNano: dollarsToNano(100), creditNano: dollarsToNano(110) }],
  disputes: { reverse: "opened" },
  pastDueGraceDays: 14,
  proration: "always_invoice",
  autoTopUp: { maxPerDay: 10 },
};

const PLANS = [
  { id: "free" },
  { id: "pro", priceNano: dollarsToNano(20), priceAnnualNano: dollarsToNano(200) },
  { id: "team", priceNano: dollarsToNano(60), priceAnnualNano: dollarsToNano(600) },
];

const MAX_DELIVERIES = 2000;

/** Opens everything. `log` holds what was logged, by level. */
export async function openRig(database: Database, options: RigOptions = {}) {
  const stripe = options.stripe ?? startStripe();
  const books = openBooks(database.sql);
  const log: string[] = [];
  const billing = openBillingOver(database, books, stripe, log, options);
  const { tools } = billing;
  const makeWorkspace = async () => {
    const welcomeCreditNano = dollarsToNano(options.welcomeUsd ?? "0");
    const workspace = { name: "w", plan: options.plan ?? "free", welcomeCreditNano };
    return (await openWorkspaces(database.sql, books).create(workspace)).id;
  };
  const workspaceId = await makeWorkspace();
  /** Gives an event to the webhook once; answers the status and what became of it. */
  const deliverOnce = async (event: Stripe.Event, signing?: { secret?: string; age?: number }) => {
    const response = await billing.webhook?.(await stripe.sign(event, signing));
    if (!response) throw new Error("there is no webhook");
    const body = (await response.json()) as { outcome?: string; error?: string };
    return { status: response.status, outcome: body.outcome ?? body.error };
  };
  /** As Stripe does: comes again while the webhook is busy. */
  const deliver: typeof deliverOnce = async (event, signing) => {
    for (let attempt = 1; ; attempt++) {
      const answer = await deliverOnce(event, signing);
      if (answer.outcome !== "busy" || attempt === MAX_DELIVERIES) return answer;
      await Bun.sleep(5 + (attempt % 7));
    }
  };
  return {
    billing,
    tools,
    parts: tools.parts,
    stripe,
    world: stripe.world,
    books,
    log,
    workspaceId,
    makeWorkspace,
    deliver,
    deliverOnce,
    /** Delivers what was emitted since the last call, in that order. */
    deliverNew: async () => {
      const events = stripe.state.events.splice(0);
      for (const event of events) expect((await deliver(event)).status).toBe(200);
      return events;
    },
    topUp: (wish: TopUpWish = { amountUsd: 10 }, workspace = workspaceId) => openCheckout(tools.parts, workspace, wish),
    ...look(database, books, workspaceId),
  };
}

function openBillingOver(
  database: Database,
  books: Books,
  stripe: StripeStandIn,
  log: string[],
  options: RigOptions,
): Billing {
  const line = (level: string) => (message: string, fields?: Record<string, unknown>) =>
    void log.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`);
  const webhookSecret = options.webhookSecret === undefined ? stripe.webhookSecret : options.webhookSecret;
  const billing = openBilling({
    config: {
      stripe: {
        secretKey: stripe.secretKey,
        apiBase: stripe.url,
        ...(webhookSecret !== null && { webhookSecret }),
      },
      billing: { ...SETTINGS, ...options.settings },
      plans: PLANS,
      defaults: { plan: "free" },
      brand: { name: "Example" },
      publicUrl: "https://gate.example/app",
      host: "127.0.0.1",
      port: 8787,
    },
    database,
    books,
    log: { error: line("error"), warn: line("warn"), info: line("info") },
    now: options.now,
  });
  if (!billing) throw new Error("billing is not open");
  return billing;
}

/** What can be seen of payments in the database. */
function look(database: Database, books: Books, workspaceId: string) {
  const { notifications, payments, stripeEvents, workspaces } = schema;
  const { orm } = database;
  const payment = async (id: string) => (await orm.select().from(payments).where(eq(payments.id, id)))[0];
  return {
    payment,
    /** The page of a payment. */
    sessionOf: async (paymentId: string) => (await payment(paymentId))?.sessionId ?? "",
    balance: async (workspace = workspaceId) =>
      nanoToDollars((await books.balance(workspace))?.balanceNano ?? nano(0n)),
    plan: async (workspace = workspaceId) =>
      (await orm.select().from(workspaces).where(eq(workspaces.id, workspace)))[0]?.plan,
    /** What a payment left in each account, in US dollars. */
    booked: async (reference: string) => {
      const rows = (await database.sql`
        select e.account_id as account, sum(e.amount_nano)::bigint as amount from ledger_entries e
        join ledger_transactions t on t.id = e.transaction_id
        where t.reference = ${reference} group by 1 having sum(e.amount_nano) <> 0`) as {
        account: string;
        amount: bigint;
      }[];
      const named = rows.map(({ account, amount }) => [account.split(":")[0], nanoToDollars(nano(amount))]);
      return Object.fromEntries(named) as Record<string, string>;
    },
    notices: async (workspace = workspaceId) => {
      const rows = await orm.select().from(notifications).where(eq(notifications.workspaceId, workspace));
      return rows.map(({ kind }) => kind).sort();
    },
    /** The books balance, and no event was left half applied. */
    sound: async () => {
      expect((await books.check()).problems).toEqual([]);
      expect(await orm.select().from(stripeEvents).where(eq(stripeEvents.outcome, "pending"))).toEqual([]);
    },
  };
}

export type Rig = Awaited<ReturnType<typeof openRig>>;
