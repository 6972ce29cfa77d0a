/**
 * The ledger's tables as Drizzle sees them, to be read by the console; what changes them is SQL of the migrations.
 * Part of `schema.ts`.
 */
import { bigint, boolean, index, jsonb, pgTable, primaryKey, text, timestamp, uuid } from "drizzle-orm/pg-core";

const nano = (name: string) => bigint(name, { mode: "bigint" });
const time = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });

/** Balances, which change by entries only. */
export const ledgerAccounts = pgTable(
  "ledger_accounts",
  {
    id: text("id").primaryKey(),
    kind: text("kind").notNull(),
    workspaceId: uuid("workspace_id"),
    balanceNano: nano("balance_nano").notNull().default(0n),
    heldNano: nano("held_nano").notNull().default(0n),
    spentNano: nano("spent_nano").notNull().default(0n),
    overdrawn: boolean("overdrawn").notNull().default(false),
    recalledAt: time("recalled_at"),
    createdAt: time("created_at").notNull().defaultNow(),
  },
  (table) => [index("ledger_accounts_by_workspace").on(table.workspaceId)],
);

/** Movements. */
export const ledgerTransactions = pgTable(
  "ledger_transactions",
  {
    id: uuid("id").primaryKey(),
    kind: text("kind").notNull(),
    idempotencyKey: text("idempotency_key").notNull().unique(),
    inputHash: text("input_hash").notNull(),
    workspaceId: uuid("workspace_id"),
    reason: text("reason"),
    reference: text("reference"),
    actor: text("actor").notNull(),
    createdAt: time("created_at").notNull().defaultNow(),
  },
  (table) => [index("ledger_transactions_by_workspace").on(table.workspaceId, table.createdAt)],
);

/** What each movement did to each account. */
export const ledgerEntries = pgTable(
  "ledger_entries",
  {
    transactionId: uuid("transaction_id").notNull(),
    accountId: text("account_id").notNull(),
    amountNano: nano("amount_nano").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.transactionId, table.accountId] }),
    index("ledger_entries_by_account").on(table.accountId, table.transactionId),
  ],
);

/** Spend limits, budgets and daily counts, as far as they are used up. */
export const purses = pgTable("purses", {
  id: text("id").primaryKey(),
  used: nano("used").notNull().default(0n),
  held: nano("held").notNull().default(0n),
  recalledAt: time("recalled_at"),
  expiresAt: time("expires_at"),
});

/** Running gateways. */
export const nodes = pgTable("nodes", {
  id: uuid("id").primaryKey(),
  startedAt: time("started_at").notNull().defaultNow(),
  heartbeatAt: time("heartbeat_at").notNull().defaultNow(),
  returned: bigint("returned", { mode: "bigint" }).notNull().default(0n),
});

/** What a node may spend without asking. */
export const leases = pgTable(
  "leases",
  { nodeId: uuid("node_id").notNull(), purse: text("purse").notNull(), amount: nano("amount").notNull() },
  (table) => [primaryKey({ columns: [table.nodeId, table.purse] }), index("leases_by_purse").on(table.purse)],
);

/** Synced prices that the operator accepted. */
export const priceOverrides = pgTable("price_overrides", {
  endpointId: text("endpoint_id").primaryKey(),
  price: jsonb("price").notNull(),
  source: text("source").notNull(),
  effectiveAt: time("effective_at").notNull(),
  appliedAt: time("applied_at").notNull().defaultNow(),
});
