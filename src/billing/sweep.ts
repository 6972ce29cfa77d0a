/**
 * What is done now and then: automatic top-ups that are due, payments whose webhook never came, plans whose grace is over.
 * The composition root calls it from a timer on every node; each piece of work is claimed by one of them.
 */
import { and, eq, inArray, isNull, lt, lte, or, sql as raw } from "drizzle-orm";
import { schema } from "../db/schema.ts";
import { transact } from "../db/transaction.ts";
import { checkAutoTopUp, pursue } from "./auto-top-up.ts";
import { newsOfSession } from "./events.ts";
import type { Parts } from "./parts.ts";
import { applyNews, type Payment } from "./payments.ts";
import { applyPlan } from "./subscription-state.ts";
import { forgetEvents } from "./webhook.ts";

const { autoTopUps, ledgerAccounts, payments, subscriptions } = schema;

const MAX_AT_A_TIME = 50;
const DAY_MS = 86_400_000;
/** An automatic top-up without an answer is asked for again after this, a page that may have been paid after that. */
const AUTOMATIC_AFTER_MS = 60_000;
const PAGE_AFTER_MS = 15 * 60_000;
/** A page lives a day; methods that take their time tell within weeks. */
const GIVE_UP_AFTER_MS = 30 * DAY_MS;

/** Begins the automatic top-ups that are due, and asks again for those that have no answer yet. */
export async function runAutoTopUps(parts: Parts): Promise<void> {
  const { database, now } = parts;
  for (const payment of await claim(parts, "auto-top-up", AUTOMATIC_AFTER_MS)) await pursue(parts, payment);
  const due = await database.orm
    .select({ workspaceId: autoTopUps.workspaceId })
    .from(autoTopUps)
    .innerJoin(ledgerAccounts, eq(ledgerAccounts.workspaceId, autoTopUps.workspaceId))
    .where(
      and(
        eq(autoTopUps.enabled, true),
        lte(autoTopUps.nextAttemptAt, now()),
        eq(ledgerAccounts.kind, "credit"),
        lt(ledgerAccounts.balanceNano, autoTopUps.thresholdNano),
        raw`not exists (select 1 from payments p where p.workspace_id = ${autoTopUps.workspaceId}
          and p.kind = 'auto-top-up' and p.status in ('open', 'processing'))`,
      ),
    )
    .orderBy(autoTopUps.nextAttemptAt)
    .limit(MAX_AT_A_TIME);
  for (const { workspaceId } of due) await checkAutoTopUp(parts, workspaceId);
}

/** Payments under way that nothing was heard of for a while; no other node gets them meanwhile. */
async function claim({ database, now, stripe }: Parts, kind: Payment["kind"], afterMs: number): Promise<Payment[]> {
  const before = new Date(now().getTime() - afterMs);
  const stale = database.orm
    .select({ id: payments.id })
    .from(payments)
    .where(
      and(
        eq(payments.kind, kind),
        eq(payments.livemode, stripe.livemode),
        inArray(payments.status, ["open", "processing"]),
        raw`${payments.createdAt} > ${new Date(now().getTime() - GIVE_UP_AFTER_MS).toISOString()}::timestamptz`,
        or(and(isNull(payments.checkedAt), lt(payments.createdAt, before)), lt(payments.checkedAt, before)),
      ),
    )
    .orderBy(payments.createdAt)
    .limit(MAX_AT_A_TIME)
    .for("update", { skipLocked: true });
  return database.orm.update(payments).set({ checkedAt: now() }).where(inArray(payments.id, stale)).returning();
}

/** Asks Stripe about pages that were opened and of which no webhook told an end. */
export async function askAboutPages(parts: Parts): Promise<void> {
  for (const payment of await claim(parts, "top-up", PAGE_AFTER_MS)) {
    try {
      await askAboutPage(parts, payment);
    } catch (error) {
      parts.log.warn("a payment could not be asked about", { payment: payment.id, error: String(error) });
    }
  }
}

async function askAboutPage(parts: Parts, { id, sessionId }: Payment): Promise<void> {
  if (sessionId === null) return expire(parts, id);
  const session = await parts.stripe.ask((stripe) => stripe.checkout.sessions.retrieve(sessionId));
  await transact(parts.database.sql, (transaction) => applyNews(parts, transaction, newsOfSession(session)));
}

/** The page of such a payment was never made, or nobody ever saw it. */
async function expire({ database, now }: Parts, id: string): Promise<void> {
  const old = new Date(now().getTime() - 2 * DAY_MS);
  await database.orm
    .update(payments)
    .set({ status: "expired", updatedAt: now() })
    .where(and(eq(payments.id, id), eq(payments.status, "open"), lt(payments.createdAt, old)));
}

/** Takes plans back whose payment has failed for longer than the grace. */
async function endGrace(parts: Parts): Promise<void> {
  const { database, settings, now } = parts;
  const before = new Date(now().getTime() - settings.pastDueGraceDays * DAY_MS);
  const ended = await database.orm
    .selectDistinct({ workspaceId: subscriptions.workspaceId })
    .from(subscriptions)
    .where(and(eq(subscriptions.status, "past_due"), lte(subscriptions.pastDueSince, before)))
    .limit(MAX_AT_A_TIME);
  for (const { workspaceId } of ended)
    await transact(database.sql, (transaction) => applyPlan(parts, transaction, workspaceId));
}

/** Everything that is due. One part's failure does not stop the others; all are logged. */
export async function sweep(parts: Parts): Promise<void> {
  for (const part of [runAutoTopUps, askAboutPages, endGrace, forgetEvents]) {
    try {
      await part(parts);
    } catch (error) {
      parts.log.error("upkeep of payments failed", { part: part.name, error: String(error) });
    }
  }
}
