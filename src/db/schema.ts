/**
 * The tables as Drizzle sees them, for ordinary queries; the ledger writes its own SQL.
 * The migrations make the tables; a test holds this file to what they make.
 */
import { sql } from "drizzle-orm";
import { bigint, boolean, index, integer, jsonb, pgTable, text, timestamp, uuid } from "drizzle-orm/pg-core";
import * as billing from "./schema/billing.ts";
import * as credits from "./schema/credits.ts";
import * as ledger from "./schema/ledger.ts";

const nano = (name: string) => bigint(name, { mode: "bigint" });
const tokens = (name: string) => bigint(name, { mode: "bigint" }).notNull().default(0n);
const time = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });

/** Who pays: a balance and the keys that draw on it. */
export const workspaces = pgTable("workspaces", {
  id: uuid("id").primaryKey(),
  name: text("name").notNull(),
  plan: text("plan").notNull().default("payg"),
  billing: text("billing", { enum: ["internal", "prepaid"] }).notNull(),
  createdAt: time("created_at").notNull().defaultNow(),
  suspendedAt: time("suspended_at"),
  suspendedReason: text("suspended_reason"),
  budgetNano: nano("budget_nano"),
  budgetReset: text("budget_reset", { enum: ["daily", "weekly", "monthly"] }),
});

/** API keys, found by the SHA-256 of the whole key; the key itself is not kept. */
export const apiKeys = pgTable(
  "api_keys",
  {
    id: uuid("id").primaryKey(),
    workspaceId: uuid("workspace_id")
      .notNull()
      .references(() => workspaces.id),
    hash: text("hash").notNull().unique(),
    label: text("label").notNull(),
    name: text("name").notNull(),
    kind: text("kind", { enum: ["inference", "provisioning"] })
      .notNull()
      .default("inference"),
    disabled: boolean("disabled").notNull().default(false),
    createdAt: time("created_at").notNull().defaultNow(),
    updatedAt: time("updated_at").notNull().defaultNow(),
    expiresAt: time("expires_at"),
    /** Globs; null allows every model. */
    models: text("models").array(),
    limitNano: nano("limit_nano"),
    limitReset: text("limit_reset", { enum: ["daily", "weekly", "monthly"] }),
    rpm: integer("rpm"),
    rpd: integer("rpd"),
    usedNano: nano("used_nano").notNull().default(0n),
    lastUsedAt: time("last_used_at"),
    deletedAt: time("deleted_at"),
    /** Globs of provider ids; null allows every provider. */
    providers: text("providers").array(),
    /** Addresses and CIDR ranges; null allows every address. */
    ipAllow: text("ip_allow").array(),
    /** `{glob, nano}[]`. */
    modelCaps: jsonb("model_caps"),
    tpm: integer("tpm"),
    /** Of the secret before the last rotation. */
    previousHash: text("previous_hash").unique(),
    previousExpiresAt: time("previous_expires_at"),
  },
  (table) => [index("api_keys_by_workspace").on(table.workspaceId, table.createdAt)],
);

/** One row for each request that was let in. */
export const requests = pgTable(
  "requests",
  {
    id: text("id").primaryKey(),
    createdAt: time("created_at").notNull(),
    workspaceId: uuid("workspace_id").notNull(),
    keyId: uuid("key_id").notNull(),
    surface: text("surface").notNull(),
    /** The upstream's. */
    dialect: text("dialect").notNull(),
    path: text("path", { enum: ["relay", "convert"] }).notNull(),
    modelRequested: text("model_requested").notNull(),
    model: text("model"),
    provider: text("provider"),
    endpoint: text("endpoint"),
    upstreamModel: text("upstream_model"),
    upstreamId: text("upstream_id"),
    streamed: boolean("streamed").notNull(),
    status: integer("status").notNull(),
    errorCode: text("error_code"),
    finishReason: text("finish_reason"),
    tokensInput: tokens("tokens_input"),
    tokensCacheRead: tokens("tokens_cache_read"),
    tokensCacheWrite5m: tokens("tokens_cache_write_5m"),
    tokensCacheWrite1h: tokens("tokens_cache_write_1h"),
    tokensOutput: tokens("tokens_output"),
    tokensThinking: tokens("tokens_thinking"),
    tokensImageInput: tokens("tokens_image_input"),
    tokensImageOutput: tokens("tokens_image_output"),
    tokensAudioInput: tokens("tokens_audio_input"),
    tokensAudioOutput: tokens("tokens_audio_output"),
    webSearches: tokens("web_searches"),
    usageSource: text("usage_source", { enum: ["measured", "estimated", "none"] }).notNull(),
    costNano: nano("cost_nano").notNull().default(0n),
    firstTokenMs: integer("first_token_ms"),
    durationMs: integer("duration_ms").notNull(),
    attempts: jsonb("attempts").notNull().default(sql`'[]'`),
    losses: jsonb("losses").notNull().default(sql`'[]'`),
    /** The user agent, at most 200 characters. */
    client: text("client"),
    cancelled: boolean("cancelled").notNull().default(false),
    outcome: text("outcome", { enum: ["posted", "voided", "expired", "refused"] })
      .notNull()
      .default("posted"),
    paidBy: text("paid_by", { enum: ["credit", "allowance", "free", "internal", "none"] })
      .notNull()
      .default("credit"),
    holdNano: nano("hold_nano").notNull().default(0n),
    lossNano: nano("loss_nano").notNull().default(0n),
    providerCostNano: nano("provider_cost_nano").notNull().default(0n),
    clamped: boolean("clamped").notNull().default(false),
    settlementId: uuid("settlement_id"),
    routing: jsonb("routing"),
  },
  (table) => [
    index("requests_by_workspace").on(table.workspaceId, table.createdAt.desc()),
    index("requests_by_key").on(table.keyId, table.createdAt.desc()),
  ],
);

/** Settings that are changed while running. */
export const settings = pgTable("settings", {
  key: text("key").primaryKey(),
  value: jsonb("value").notNull(),
  updatedAt: time("updated_at").notNull().defaultNow(),
});

/** Every table, under the name by which code knows it. */
export const schema = { workspaces, apiKeys, requests, settings, ...ledger, ...billing, ...credits };
