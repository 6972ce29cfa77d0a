/**
 * Coupons: codes that give credit, each at most so many times and once for a workspace.
 * The operator makes them; a workspace redeems them through the management API.
 */
import { randomInt } from "node:crypto";
import type { SQL } from "bun";
import { and, desc, eq, lt, sql as text } from "drizzle-orm";
import { GatewayError, invalidRequest } from "../core/error.ts";
import { type Nano, nano, nanoToDollars } from "../core/money.ts";
import { couponRedemptions, coupons } from "../db/schema/credits.ts";
import { ormOver, type Transaction, transact } from "../db/transaction.ts";
import { audit } from "./audit.ts";
import { type Books, creditAccount } from "./books.ts";
import { ledgerRefusal, type PostedCredit, postCredit } from "./lots.ts";

/** A coupon as it is stored. */
export type Coupon = typeof coupons.$inferSelect;

export interface NewCoupon {
  /** 4 to 40 letters, digits and hyphens; absent: one that nobody guesses. */
  readonly code?: string | undefined;
  readonly amountNano: Nano;
  readonly maxRedemptions: number;
  /** When it can no longer be redeemed. */
  readonly expiresAt?: Date | undefined;
  /** How long the credit lasts; absent: for ever. */
  readonly creditDays?: number | undefined;
  readonly note?: string | undefined;
  readonly actor: string;
}

export interface Coupons {
  /** Throws `invalid_request` with status 409 for a code that there is already. */
  create(wish: NewCoupon): Promise<Coupon>;
  /** Newest first, those before the id `cursor`. */
  list(query: { readonly cursor?: string | undefined; readonly limit: number }): Promise<Coupon[]>;
  /** Whether it can be redeemed from now on. Undefined when there is no such coupon. */
  setDisabled(id: string, disabled: boolean, actor: string): Promise<Coupon | undefined>;
  /** Throws `not_found`, or `invalid_request` with the reason why it can't be redeemed; `rate_limit_exceeded` for guessing. */
  redeem(wish: { readonly code: string; readonly workspaceId: string; readonly actor: string }): Promise<PostedCredit>;
}

/** What a code may look like once it is in capitals. */
export const COUPON_CODE = /^[A-Z0-9-]{4,40}$/;

/** Without letters and digits that look alike. */
const ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ";
const GROUPS = 4;
const GROUP_LENGTH = 5;

/** Codes are compared without regard to case and to spaces around them. */
export function canonicalCode(code: string): string {
  return code.trim().toUpperCase();
}

function randomCode(): string {
  const group = () => Array.from({ length: GROUP_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");
  return Array.from({ length: GROUPS }, group).join("-");
}

/** Coupons over an open database. */
export function openCoupons(settings: {
  readonly sql: SQL;
  readonly books: Books;
  readonly nowMs: () => number;
}): Coupons {
  const { sql, books, nowMs } = settings;
  const orm = ormOver(sql);
  const guesses = countGuesses(nowMs);
  return {
    create: (wish) => transact(sql, (transaction) => create(transaction, wish)),
    list: ({ cursor, limit }) =>
      orm
        .select()
        .from(coupons)
        .where(cursor === undefined ? undefined : lt(coupons.id, cursor))
        .orderBy(desc(coupons.id))
        .limit(limit),
    setDisabled: (id, disabled, actor) =>
      transact(sql, async (transaction) => {
        const disabledAt = disabled ? new Date(nowMs()) : null;
        const [coupon] = await transaction.orm
          .update(coupons)
          .set({ disabledAt })
          .where(eq(coupons.id, id))
          .returning();
        if (coupon)
          await audit(transaction.sql, { actor, action: disabled ? "coupon.disable" : "coupon.enable", target: id });
        return coupon;
      }),
    async redeem(wish) {
      const guess = guesses.begin(wish.workspaceId);
      try {
        const posted = await transact(sql, (transaction) => redeem(transaction, books, wish, new Date(nowMs())));
        guess.wasRight();
        return posted;
      } catch (thrown) {
        if (!(thrown instanceof GatewayError) || thrown.code !== "not_found") guess.wasRight();
        throw ledgerRefusal(thrown);
      }
    },
  };
}

async function create({ sql, orm }: Transaction, wish: NewCoupon): Promise<Coupon> {
  const code = wish.code === undefined ? randomCode() : canonicalCode(wish.code);
  if (!COUPON_CODE.test(code)) throw invalidRequest("code: 4 to 40 letters, digits and hyphens.", "code");
  const [coupon] = await orm
    .insert(coupons)
    .values({
      id: Bun.randomUUIDv7(),
      code,
      amountNano: wish.amountNano,
      maxRedemptions: wish.maxRedemptions,
      expiresAt: wish.expiresAt,
      creditDays: wish.creditDays,
      note: wish.note,
    })
    .onConflictDoNothing({ target: coupons.code })
    .returning();
  if (!coupon)
    throw new GatewayError("invalid_request", "There is a coupon with this code already.", {
      status: 409,
      param: "code",
    });
  await audit(sql, {
    actor: wish.actor,
    action: "coupon.create",
    target: coupon.id,
    details: {
      amount_usd: nanoToDollars(wish.amountNano),
      max_redemptions: wish.maxRedemptions,
      expires_at: coupon.expiresAt?.toISOString() ?? null,
      credit_expires_days: coupon.creditDays,
    },
  });
  return coupon;
}

interface Redemption {
  readonly code: string;
  readonly workspaceId: string;
  readonly actor: string;
}

/** The coupon's row is locked first, so redemptions of one coupon come one after another. */
async function redeem(transaction: Transaction, books: Books, wish: Redemption, now: Date): Promise<PostedCredit> {
  const { sql, orm } = transaction;
  const { workspaceId, actor } = wish;
  const code = canonicalCode(wish.code);
  const [coupon] = COUPON_CODE.test(code)
    ? await orm.select().from(coupons).where(eq(coupons.code, code)).for("update")
    : [];
  if (!coupon || coupon.disabledAt) throw new GatewayError("not_found", "There is no coupon with this code.");
  const one = and(eq(couponRedemptions.couponId, coupon.id), eq(couponRedemptions.workspaceId, workspaceId));
  const before = await orm.select().from(couponRedemptions).where(one);
  if (before.length > 0) throw unusable("This workspace has redeemed this coupon already.");
  if (coupon.expiresAt && coupon.expiresAt <= now) throw unusable("This coupon has expired.");
  if (coupon.redemptions >= coupon.maxRedemptions) throw unusable("This coupon is used up.");
  await orm.insert(couponRedemptions).values({ couponId: coupon.id, workspaceId });
  await orm
    .update(coupons)
    .set({ redemptions: text`${coupons.redemptions} + 1` })
    .where(eq(coupons.id, coupon.id));
  const amountNano = nano(coupon.amountNano);
  const posted = await postCredit(
    books,
    sql,
    {
      kind: "coupon",
      idempotencyKey: `coupon:${coupon.id}:${workspaceId}`,
      workspaceId,
      reference: coupon.code,
      actor,
      entries: [
        { account: creditAccount(workspaceId), amountNano },
        { account: "promotions", amountNano: nano(-amountNano) },
      ],
    },
    coupon.creditDays === null ? null : { days: coupon.creditDays },
  );
  const details = { amount_usd: nanoToDollars(amountNano) };
  await audit(sql, { actor, action: "coupon.redeem", workspaceId, target: coupon.id, details });
  return posted;
}

function unusable(message: string): GatewayError {
  return new GatewayError("invalid_request", message, { status: 409, param: "code" });
}

const MAX_WRONG = 10;
const WRONG_WINDOW_MS = 3_600_000;
/** Workspaces remembered; beyond it the one that began first is forgotten. */
const MAX_GUESSERS = 10_000;

/** Wrong codes by workspace. A guess counts from its beginning, so that many at once are no way around the limit. */
function countGuesses(nowMs: () => number) {
  const wrong = new Map<string, number[]>();
  return {
    begin(workspaceId: string): { wasRight(): void } {
      const now = nowMs();
      const times = (wrong.get(workspaceId) ?? []).filter((time) => now - time < WRONG_WINDOW_MS);
      const [first] = times;
      if (first !== undefined && times.length >= MAX_WRONG)
        throw new GatewayError("rate_limit_exceeded", "Too many wrong coupon codes; try again later.", {
          retryAfterMs: first + WRONG_WINDOW_MS - now,
        });
      times.push(now);
      wrong.set(workspaceId, times);
      if (wrong.size > MAX_GUESSERS) wrong.delete(wrong.keys().next().value as string);
      return {
        wasRight() {
          const found = wrong.get(workspaceId) ?? [];
          const index = found.indexOf(now);
          if (index >= 0) found.splice(index, 1);
          if (found.length === 0) wrong.delete(workspaceId);
        },
      };
    },
  };
}
