/**
 * Payments: what Stripe says of one is compared with what was opened, and the books follow.
 * Webhooks, the automatic top-up and the sweep all come through `applyNews`; nothing else credits a payment.
 */
import { and, count, desc, eq, gt, inArray, sql as raw } from "drizzle-orm";
import { GatewayError } from "../core/error.ts";
import { nano, nanoToDollars } from "../core/money.ts";
import { schema } from "../db/schema.ts";
import type { Transaction } from "../db/transaction.ts";
import type { MovementKind } from "../ledger/books.ts";
import { postCredit } from "../ledger/lots.ts";
import { notify } from "../ledger/notify.ts";
import { bounded, paidEntries, type Reversal, reversalEntries } from "./amounts.ts";
import { FOREIGN, lock, type Outcome, type Parts } from "./parts.ts";
import { followAutoTopUp, stopAutoTopUp } from "./retry.ts";
import { type Payment, readReversal } from "./reversals.ts";

export type { Payment } from "./reversals.ts";

const { payments, stripeCharges } = schema;

/** The names of our ids in Stripe's metadata. */
export const METADATA = {
  payment: "sluice_payment",
  workspace: "sluice_workspace",
  plan: "sluice_plan",
  /** Of a payment that nobody was there for. */
  automatic: "sluice_automatic",
} as const;

const MAX_OPEN = 50;
const DAY_MS = 86_400_000;
const PAGE = 100;

export type NewPayment = Pick<
  typeof payments.$inferInsert,
  "workspaceId" | "kind" | "amountCents" | "feeCents" | "creditNano" | "packageId" | "customerId" | "paymentMethodId"
>;

/** Writes down a payment before Stripe is asked for it. Throws `rate_limit_exceeded` when too many were left open. */
export async function openPayment(parts: Parts, payment: NewPayment): Promise<Payment> {
  const { database, stripe, settings, now } = parts;
  const [open] = await database.orm
    .select({ count: count() })
    .from(payments)
    .where(
      and(
        eq(payments.workspaceId, payment.workspaceId),
        eq(payments.status, "open"),
        gt(payments.createdAt, new Date(now().getTime() - DAY_MS)),
      ),
    );
  if ((open?.count ?? 0) >= MAX_OPEN)
    throw new GatewayError("rate_limit_exceeded", "Too many payments were opened and not paid; try again tomorrow.");
  const { livemode } = stripe;
  const [row] = await database.orm
    .insert(payments)
    .values({ id: Bun.randomUUIDv7(), livemode, currency: settings.currency, createdAt: now(), ...payment })
    .returning();
  return row!;
}

/** What Stripe says of one payment. */
export interface PaymentNews {
  /** From the metadata that we gave it; absent when it isn't ours. */
  readonly paymentId: string | undefined;
  readonly workspaceId: string | undefined;
  /** Our id a second time, where Stripe has a field of its own for it. */
  readonly reference?: string | null;
  readonly status: Payment["status"];
  readonly amountCents: number | null;
  readonly currency: string | null;
  readonly livemode: boolean;
  readonly customerId: string | undefined;
  readonly sessionId?: string;
  readonly paymentIntentId?: string;
  readonly error?: string;
}

const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/;
/** A status never goes back in this order. */
const RANK: { readonly [S in Payment["status"]]: number } = { open: 0, processing: 1, failed: 2, expired: 3, paid: 4 };

/** Takes what Stripe says of a payment, if it fits what was opened. Idempotent, and the same in any order. */
export async function applyNews(parts: Parts, transaction: Transaction, news: PaymentNews): Promise<Outcome> {
  if (news.paymentId === undefined) return FOREIGN;
  if (news.paymentIntentId !== undefined) await lock(transaction, news.paymentIntentId);
  const { orm } = transaction;
  const [payment] = UUID.test(news.paymentId)
    ? await orm.select().from(payments).where(eq(payments.id, news.paymentId)).for("update")
    : [];
  if (!payment) return refuse(parts, news, "there is no such payment");
  const mismatch = findMismatch(payment, news);
  if (mismatch !== undefined) return refuse(parts, news, `${mismatch} is not that of the payment`);
  const advances = RANK[news.status] > RANK[payment.status];
  const [changed] = await orm
    .update(payments)
    .set({
      sessionId: payment.sessionId ?? news.sessionId,
      paymentIntentId: payment.paymentIntentId ?? news.paymentIntentId,
      ...(advances && { status: news.status, error: news.error?.slice(0, 300) ?? null }),
      updatedAt: parts.now(),
    })
    .where(eq(payments.id, payment.id))
    .returning();
  if (advances) await followAutoTopUp(parts, transaction, changed!);
  await correctBooks(parts, transaction, changed!);
  return { outcome: "applied", paymentId: payment.id, workspaceId: payment.workspaceId };
}

function refuse({ log }: Parts, news: PaymentNews, detail: string): Outcome {
  log.error("a payment that does not fit was refused", { payment: news.paymentId, reason: detail });
  return { outcome: "refused", detail };
}

/** The first field in which the news differs from what was opened. */
function findMismatch(payment: Payment, news: PaymentNews): string | undefined {
  const same = (known: string | null, told: string | undefined) => !known || told === undefined || known === told;
  const checks: readonly (readonly [string, boolean])[] = [
    ["the mode", news.livemode === payment.livemode],
    ["the workspace", news.workspaceId === payment.workspaceId],
    ["the reference", news.reference === undefined || news.reference === payment.id],
    ["the currency", news.currency === payment.currency],
    ["the amount", news.amountCents !== null && BigInt(news.amountCents) === payment.amountCents],
    ["the customer", same(payment.customerId, news.customerId)],
    ["the session", same(payment.sessionId, news.sessionId)],
    ["the payment intent", same(payment.paymentIntentId, news.paymentIntentId)],
  ];
  return checks.find(([, fits]) => !fits)?.[0];
}

/**
 * Posts what the books lack of a payment: its credit once it is paid, then what changed in its reversals. The caller
 * holds the lock on the payment's row, so each number of a correction is used once.
 */
export async function correctBooks(parts: Parts, transaction: Transaction, payment: Payment): Promise<void> {
  if (payment.status !== "paid") return;
  if (payment.creditedAt === null) await credit(parts, transaction, payment);
  const { reversal, disputed } = await readReversal(transaction, payment, parts.settings.disputes.reverse);
  if (disputed && !payment.disputed) await warnOfDispute(parts, transaction, payment);
  const corrections = await postCorrections(parts, transaction, payment, reversal);
  const found = { ...reversal, disputed, corrections, creditedAt: payment.creditedAt ?? parts.now() };
  await transaction.orm.update(payments).set(found).where(eq(payments.id, payment.id));
}

/** Posts the way from the reversal that the books know to the one that was found. Returns the number of the last correction. */
async function postCorrections(parts: Parts, transaction: Transaction, payment: Payment, found: Reversal) {
  const refunded = bounded(payment.amountCents, {
    refundedCents: found.refundedCents,
    disputedCents: payment.disputedCents,
    chargedBackCents: payment.chargedBackCents,
  });
  const steps: [MovementKind, Reversal, Reversal][] = [
    ["refund", payment, refunded],
    [found.disputedCents < refunded.disputedCents ? "dispute-won" : "dispute", refunded, found],
  ];
  let { corrections } = payment;
  for (const [kind, from, to] of steps) {
    const entries = reversalEntries(payment, from, to);
    if (entries.length === 0) continue;
    corrections += 1;
    const idempotencyKey = `stripe:${payment.id}:correction:${corrections}`;
    await parts.books.post(
      { kind, idempotencyKey, entries, ...about(payment), overdraw: payment.kind !== "subscription" },
      transaction.sql,
    );
  }
  return corrections;
}

async function warnOfDispute(parts: Parts, transaction: Transaction, { id, workspaceId }: Payment): Promise<void> {
  parts.log.error("a payment is disputed", { payment: id, workspace: workspaceId });
  await stopAutoTopUp(transaction, workspaceId, "A payment is disputed.");
  const details = { payment: id };
  await notify(transaction.sql, { workspaceId, kind: "payment-disputed", dedupeKey: `dispute:${id}`, details });
}

function about(payment: Payment) {
  return { workspaceId: payment.workspaceId, reference: payment.id, actor: "stripe" };
}

async function credit(parts: Parts, transaction: Transaction, payment: Payment): Promise<void> {
  const { id, workspaceId } = payment;
  const kind = payment.kind === "subscription" ? "subscription" : "top-up";
  const movement = {
    kind,
    idempotencyKey: `stripe:${id}:credit`,
    entries: paidEntries(payment),
    ...about(payment),
  } as const;
  if (kind === "subscription") {
    await parts.books.post(movement, transaction.sql);
    return;
  }
  const days = parts.settings.creditExpiresDays;
  await postCredit(parts.books, transaction.sql, movement, days === undefined ? null : { days });
  const details = { payment: id, credit_usd: nanoToDollars(nano(payment.creditNano)) };
  await notify(transaction.sql, { workspaceId, kind: "payment-received", dedupeKey: `payment:${id}`, details });
}

/** A payment with its receipt, for its workspace. */
export interface ShownPayment extends Payment {
  readonly receiptUrl: string | null;
}

/** The newest payments of a workspace, or one of them. */
export async function listPayments({ database }: Parts, workspaceId: string, id?: string): Promise<ShownPayment[]> {
  if (id !== undefined && !UUID.test(id)) return [];
  const found = await database.orm
    .select()
    .from(payments)
    .where(and(eq(payments.workspaceId, workspaceId), id === undefined ? raw`true` : eq(payments.id, id)))
    .orderBy(desc(payments.createdAt), desc(payments.id))
    .limit(PAGE);
  const intents = found.flatMap(({ paymentIntentId }) => paymentIntentId ?? []);
  if (intents.length === 0) return found.map((payment) => ({ ...payment, receiptUrl: null }));
  const charges = await database.orm
    .select()
    .from(stripeCharges)
    .where(inArray(stripeCharges.paymentIntentId, intents));
  const receipts = new Map(charges.map(({ paymentIntentId, receiptUrl }) => [paymentIntentId, receiptUrl]));
  return found.map((payment) => ({ ...payment, receiptUrl: receipts.get(payment.paymentIntentId ?? "") ?? null }));
}
