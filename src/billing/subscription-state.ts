/**
 * Subscriptions as Stripe has them now, and the plan that follows for a workspace.
 * Events only say that something changed: the state is read from Stripe, so their order does not matter.
 */
import { and, desc, eq, sql as raw } from "drizzle-orm";
import type { Stripe } from "stripe";
import { GatewayError } from "../core/error.ts";
import { schema } from "../db/schema.ts";
import { type Transaction, transact } from "../db/transaction.ts";
import { customerById } from "./customers.ts";
import { FOREIGN, fromSeconds, idOf, lock, type Outcome, type Parts } from "./parts.ts";
import { METADATA } from "./payments.ts";
import { isMissing } from "./stripe.ts";

const { subscriptions, workspaces } = schema;

export type Subscription = typeof subscriptions.$inferSelect;

const MAX_READINGS = 10;
const DAY_MS = 86_400_000;

/** What is done in the transaction that writes a reading, before it (answering whether to go on) and after it. */
export type Opening = (transaction: Transaction) => Promise<boolean>;
export type Closing = (transaction: Transaction, outcome: Outcome) => Promise<void>;

/** The reading began before another one was written. */
class Overtaken extends Error {}

export type RefreshSubscription = (id: string, opening?: Opening, closing?: Closing) => Promise<Outcome | undefined>;

/**
 * Makes the function that reads a subscription and writes what it found. Readings of one subscription are written in the
 * order in which they began, on any number of nodes, so the last one written is never older than the last event.
 */
export function createRefresh(parts: Parts): RefreshSubscription {
  const queues = new Map<string, Promise<unknown>>();
  return (id, opening, closing) => {
    // One at a time in this process: others would only have to read again.
    const running = (queues.get(id) ?? Promise.resolve()).then(() => refresh(parts, id, opening, closing));
    const settled = running.catch(() => {}).finally(() => queues.get(id) === settled && queues.delete(id));
    queues.set(id, settled);
    return running;
  };
}

async function refresh(
  parts: Parts,
  id: string,
  opening: Opening | undefined,
  closing: Closing | undefined,
): Promise<Outcome | undefined> {
  const { database, stripe } = parts;
  for (let reading = 1; reading <= MAX_READINGS; reading++) {
    const version = await versionOf(database.orm, id);
    const current = await stripe.ask((api) => api.subscriptions.retrieve(id)).catch(unlessMissing);
    try {
      return await transact(database.sql, async (transaction) => {
        if (opening && !(await opening(transaction))) return undefined;
        await lock(transaction, id);
        if ((await versionOf(transaction.orm, id)) !== version) throw new Overtaken();
        const outcome = current ? await write(parts, transaction, current, version + 1) : FOREIGN;
        await closing?.(transaction, outcome);
        return outcome;
      });
    } catch (error) {
      if (!(error instanceof Overtaken)) throw error;
    }
  }
  throw new GatewayError("service_unavailable", "The subscription is being changed; try again.");
}

/** Stripe keeps what was cancelled; what it does not have was never one of ours. */
function unlessMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error;
}

async function versionOf(orm: Transaction["orm"], id: string): Promise<number> {
  const [row] = await orm
    .select({ version: subscriptions.version })
    .from(subscriptions)
    .where(eq(subscriptions.id, id));
  return row?.version ?? 0;
}

async function write(
  parts: Parts,
  transaction: Transaction,
  current: Stripe.Subscription,
  version: number,
): Promise<Outcome> {
  const customer = await customerById(transaction, idOf(current.customer) ?? "");
  if (!customer) return FOREIGN;
  const { workspaceId } = customer;
  const told = current.metadata[METADATA.workspace];
  if (customer.livemode !== current.livemode || (told !== undefined && told !== workspaceId)) {
    parts.log.error("a subscription that does not fit was refused", { subscription: current.id });
    return { outcome: "refused", detail: "the mode or the workspace is not that of the customer", workspaceId };
  }
  const row = toRow(parts, current, workspaceId);
  if (row.plan === null)
    parts.log.error("a subscription has a price that is none of ours", { subscription: current.id });
  const pastDueSince = row.status === "past_due" ? raw`coalesce(${subscriptions.pastDueSince}, now())` : null;
  await transaction.orm
    .insert(subscriptions)
    .values({ ...row, version, pastDueSince: row.status === "past_due" ? parts.now() : null })
    .onConflictDoUpdate({ target: subscriptions.id, set: { ...row, version, pastDueSince, updatedAt: parts.now() } });
  await applyPlan(parts, transaction, workspaceId);
  return { outcome: "applied", workspaceId };
}

function toRow({ plans }: Parts, current: Stripe.Subscription, workspaceId: string) {
  const [item, ...others] = current.items.data;
  const price = item?.price;
  const plan = others.length === 0 ? price?.metadata[METADATA.plan] : undefined;
  return {
    id: current.id,
    workspaceId,
    livemode: current.livemode,
    customerId: idOf(current.customer) ?? "",
    itemId: item?.id ?? null,
    priceId: price?.id ?? null,
    plan: plans.some(({ id }) => id === plan) ? (plan ?? null) : null,
    interval: price?.recurring?.interval ?? null,
    amountCents: price?.unit_amount === undefined || price.unit_amount === null ? null : BigInt(price.unit_amount),
    status: current.status,
    cancelAtPeriodEnd: current.cancel_at_period_end,
    cancelAt: fromSeconds(current.cancel_at),
    periodStart: fromSeconds(item?.current_period_start),
    periodEnd: fromSeconds(item?.current_period_end),
    endedAt: fromSeconds(current.ended_at),
    startedAt: fromSeconds(current.start_date),
  };
}

/** Whether a subscription gives its plan: it is paid, tried out, or its payment failed not too long ago. */
function entitles({ settings, now }: Parts, { plan, status, pastDueSince }: Subscription): boolean {
  if (plan === null) return false;
  if (status === "active" || status === "trialing") return true;
  if (status !== "past_due") return false;
  const graceMs = settings.pastDueGraceDays * DAY_MS;
  return now().getTime() < (pastDueSince ?? now()).getTime() + graceMs;
}

/** The subscriptions of a workspace in the key's mode, newest first. */
export function subscriptionsOf(parts: Parts, orm: Transaction["orm"], workspaceId: string): Promise<Subscription[]> {
  return orm
    .select()
    .from(subscriptions)
    .where(and(eq(subscriptions.workspaceId, workspaceId), eq(subscriptions.livemode, parts.stripe.livemode)))
    .orderBy(desc(subscriptions.startedAt), desc(subscriptions.id))
    .limit(100);
}

/**
 * Gives a workspace the plan of its subscription. Without one that entitles to a plan it falls back to the default, unless
 * its plan came from somewhere else.
 */
export async function applyPlan(parts: Parts, transaction: Transaction, workspaceId: string): Promise<void> {
  const { orm } = transaction;
  const [workspace] = await orm.select().from(workspaces).where(eq(workspaces.id, workspaceId)).for("no key update");
  const all = await subscriptionsOf(parts, orm, workspaceId);
  const entitling = all.filter((subscription) => entitles(parts, subscription));
  if (entitling.length > 1)
    parts.log.error("a workspace pays for two subscriptions", {
      workspace: workspaceId,
      ids: entitling.map((s) => s.id),
    });
  const fromSubscription = all.some(({ plan }) => plan !== null && plan === workspace?.plan);
  const plan = entitling[0]?.plan ?? (fromSubscription ? parts.defaultPlan : workspace?.plan);
  if (!workspace || plan === undefined || plan === workspace.plan) return;
  await orm.update(workspaces).set({ plan }).where(eq(workspaces.id, workspaceId));
  parts.log.info("a workspace's plan follows its subscription", { workspace: workspaceId, plan });
}
