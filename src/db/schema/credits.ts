/**
 * Expiring credit, coupons, notifications and the audit log as Drizzle sees them.
 * Part of `schema.ts`.
 */
import { sql } from "drizzle-orm";
import { bigint, date, index, integer, jsonb, pgTable, primaryKey, text, timestamp, uuid } from "drizzle-orm/pg-core";

const nano = (name: string) => bigint(name, { mode: "bigint" });
const time = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });
const details = () => jsonb("details").notNull().default(sql`'{}'`);

/** What is left of each amount of credit that expires. */
export const creditLots = pgTable("credit_lots", {
  id: uuid("id").primaryKey(),
  workspaceId: uuid("workspace_id").notNull(),
  transactionId: uuid("transaction_id").notNull().unique(),
  amountNano: nano("amount_nano").notNull(),
  remainingNano: nano("remaining_nano").notNull(),
  expiresAt: time("expires_at").notNull(),
  warnedAt: time("warned_at"),
  createdAt: time("created_at").notNull().defaultNow(),
});

/** What use took of an account on a day. */
export const ledgerDays = pgTable(
  "ledger_days",
  { accountId: text("account_id").notNull(), day: date("day").notNull(), usedNano: nano("used_nano").notNull() },
  (table) => [primaryKey({ columns: [table.accountId, table.day] })],
);

/** Codes that give credit. */
export const coupons = pgTable("coupons", {
  id: uuid("id").primaryKey(),
  code: text("code").notNull().unique(),
  amountNano: nano("amount_nano").notNull(),
  maxRedemptions: integer("max_redemptions").notNull(),
  redemptions: integer("redemptions").notNull().default(0),
  expiresAt: time("expires_at"),
  creditDays: integer("credit_days"),
  note: text("note"),
  disabledAt: time("disabled_at"),
  createdAt: time("created_at").notNull().defaultNow(),
});

/** Who has redeemed which. */
export const couponRedemptions = pgTable(
  "coupon_redemptions",
  {
    couponId: uuid("coupon_id").notNull(),
    workspaceId: uuid("workspace_id").notNull(),
    redeemedAt: time("redeemed_at").notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.couponId, table.workspaceId] }),
    index("coupon_redemptions_by_workspace").on(table.workspaceId),
  ],
);

/** What a workspace is to be told. */
export const notifications = pgTable(
  "notifications",
  {
    id: uuid("id").primaryKey(),
    workspaceId: uuid("workspace_id").notNull(),
    kind: text("kind").notNull(),
    dedupeKey: text("dedupe_key").notNull().unique(),
    details: details(),
    createdAt: time("created_at").notNull().defaultNow(),
    readAt: time("read_at"),
    sentAt: time("sent_at"),
  },
  (table) => [index("notifications_by_workspace").on(table.workspaceId, table.createdAt.desc())],
);

/** Who did what. */
export const auditLog = pgTable(
  "audit_log",
  {
    id: uuid("id").primaryKey(),
    at: time("at").notNull().defaultNow(),
    actor: text("actor").notNull(),
    action: text("action").notNull(),
    workspaceId: uuid("workspace_id"),
    target: text("target"),
    details: details(),
  },
  (table) => [index("audit_log_by_workspace").on(table.workspaceId, table.id)],
);
