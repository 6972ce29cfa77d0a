/**
 * What a payment's end means for the automatic top-ups of its workspace: failures in a row wait longer, then switch them off.
 * `applyNews` calls it in its transaction, once for each step of a payment.
 */
import { eq, sql as raw } from "drizzle-orm";
import { schema } from "../db/schema.ts";
import type { Transaction } from "../db/transaction.ts";
import { notify } from "../ledger/notify.ts";
import type { Parts } from "./parts.ts";
import type { Payment } from "./reversals.ts";

const { autoTopUps } = schema;

const HOUR_MS = 3_600_000;
/** How long after the first, second and third failure in a row nothing is tried; after the fourth nothing ever is. */
export const BACKOFF_MS = [HOUR_MS, 6 * HOUR_MS, 24 * HOUR_MS];

/** Counts a failed automatic top-up, or ends the count when one succeeds. */
export async function followAutoTopUp(parts: Parts, transaction: Transaction, payment: Payment): Promise<void> {
  if (payment.kind !== "auto-top-up") return;
  const { orm } = transaction;
  const here = eq(autoTopUps.workspaceId, payment.workspaceId);
  if (payment.status === "paid") {
    await orm.update(autoTopUps).set({ failures: 0, lastError: null }).where(here);
    return;
  }
  if (payment.status !== "failed") return;
  const [settings] = await orm.select().from(autoTopUps).where(here).for("update");
  if (!settings) return;
  const waitMs = BACKOFF_MS[settings.failures];
  const failures = settings.failures + 1;
  const now = parts.now();
  await orm
    .update(autoTopUps)
    .set({
      failures,
      lastError: payment.error,
      ...(waitMs === undefined ? { enabled: false } : { nextAttemptAt: new Date(now.getTime() + waitMs) }),
      updatedAt: now,
    })
    .where(here);
  await notify(transaction.sql, {
    workspaceId: payment.workspaceId,
    kind: waitMs === undefined ? "auto-top-up-disabled" : "auto-top-up-failed",
    dedupeKey: `auto-top-up:${payment.id}`,
    details: { payment: payment.id, failures, error: payment.error },
  });
}

/** Stops automatic top-ups for good, until somebody switches them on again: a card in dispute is not charged. */
export async function stopAutoTopUp({ orm }: Transaction, workspaceId: string, reason: string): Promise<void> {
  await orm
    .update(autoTopUps)
    .set({ enabled: false, lastError: reason, updatedAt: raw`now()` })
    .where(eq(autoTopUps.workspaceId, workspaceId));
}
