/**
 * Routes for credit: grants, coupons, the statement, the check of the books, and the audit trail.
 * The operator's need the root key; a workspace reads its own statement and redeems coupons.
 */
import type { SQL } from "bun";
import { z } from "zod";
import { GatewayError, invalidRequest } from "../core/error.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { nano, nanoToDollars } from "../core/money.ts";
import { ormOver } from "../db/transaction.ts";
import type { Workspaces } from "../identity/workspaces.ts";
import { readAudit } from "../ledger/audit.ts";
import { type AccountId, type Books, creditAccount } from "../ledger/books.ts";
import type { Coupon, Coupons } from "../ledger/coupons.ts";
import { grantCredit } from "../ledger/grants.ts";
import type { CreditEnd, PostedCredit } from "../ledger/lots.ts";
import { readStatement } from "../ledger/statement.ts";
import { actorOf, amount, idPage, moment, pageOf, pageSize, workspaceField } from "./fields.ts";
import { type Caller, check, type ManagementRoute, type RouteReply, text } from "./route.ts";

const MAX_DOLLARS = 1_000_000n;
const most = nano(MAX_DOLLARS * 1_000_000_000n);
const MAX_DAYS = 3650;
const days = z.number().int().min(1).max(MAX_DAYS);

const grantSchema = z.strictObject({
  workspace: z.uuid(),
  amount_usd: amount({ min: nano(-most), max: most }),
  reason: text(500),
  idempotency_key: text(200),
  expires_at: moment.optional(),
  expires_days: days.optional(),
});

const couponSchema = z.strictObject({
  code: text(60).optional(),
  amount_usd: amount({ min: nano(1n), max: most }),
  max_redemptions: z.number().int().min(1).max(10_000_000),
  expires_at: moment.optional(),
  credit_expires_days: days.optional(),
  note: text(500).optional(),
});

const couponChangeSchema = z.strictObject({ disabled: z.boolean() });
const redeemSchema = z.strictObject({ code: text(100), workspace: z.uuid().optional() });

/** What these routes stand on. */
export interface CreditParts {
  readonly sql: SQL;
  readonly books: Books;
  readonly coupons: Coupons;
  readonly workspaces: Workspaces;
  readonly nowMs: () => number;
}

function missing(what: string): GatewayError {
  return new GatewayError("not_found", `There is no such ${what}.`);
}

/** When the credit of a grant ends. Throws `invalid_request` for a moment that is past, and for credit that is taken back. */
function endOf(wanted: z.output<typeof grantSchema>, nowMs: number): CreditEnd {
  const { expires_at: at, expires_days: count } = wanted;
  if (at === undefined && count === undefined) return null;
  if (at !== undefined && count !== undefined)
    throw invalidRequest("expires_days: either this or expires_at, not both.", "expires_days");
  const param = at === undefined ? "expires_days" : "expires_at";
  if (wanted.amount_usd < 0n) throw invalidRequest(`${param}: what is taken back has no expiry.`, param);
  if (at === undefined) return { days: count as number };
  if (at.getTime() <= nowMs) throw invalidRequest("expires_at: this moment is past.", "expires_at");
  return { at };
}

function creditReply(posted: PostedCredit): RouteReply {
  return {
    status: posted.outcome === "posted" ? 201 : 200,
    body: {
      workspace: posted.workspaceId,
      transaction: {
        id: posted.id,
        kind: posted.kind,
        amount_usd: nanoToDollars(posted.amountNano),
        reason: posted.reason,
        reference: posted.reference,
        expires_at: posted.expiresAt?.toISOString() ?? null,
        created_at: posted.createdAt.toISOString(),
      },
      balance_usd: nanoToDollars(posted.balanceNano),
      held_usd: nanoToDollars(posted.heldNano),
    },
  };
}

async function grant(parts: CreditParts, caller: Caller, body: JsonObject): Promise<RouteReply> {
  const wanted = check(grantSchema, body);
  if (wanted.amount_usd === 0n) throw invalidRequest("amount_usd: not zero.", "amount_usd");
  if (!(await parts.workspaces.read(wanted.workspace))) throw missing("workspace");
  const wish = {
    workspaceId: wanted.workspace,
    amountNano: wanted.amount_usd,
    reason: wanted.reason,
    idempotencyKey: wanted.idempotency_key,
    end: endOf(wanted, parts.nowMs()),
    actor: actorOf(caller),
  };
  return creditReply(await grantCredit(parts.sql, parts.books, wish));
}

function couponEntry(coupon: Coupon): JsonObject {
  return {
    id: coupon.id,
    code: coupon.code,
    amount_usd: nanoToDollars(nano(coupon.amountNano)),
    max_redemptions: coupon.maxRedemptions,
    redemptions: coupon.redemptions,
    expires_at: coupon.expiresAt?.toISOString() ?? null,
    credit_expires_days: coupon.creditDays,
    note: coupon.note,
    disabled: coupon.disabledAt !== null,
    created_at: coupon.createdAt.toISOString(),
  };
}

function couponRoutes(parts: CreditParts): ManagementRoute[] {
  const { coupons } = parts;
  return [
    {
      method: "POST",
      path: "admin/coupons",
      access: "root",
      async handle({ caller, body }) {
        const wanted = check(couponSchema, body);
        const coupon = await coupons.create({
          code: wanted.code,
          amountNano: wanted.amount_usd,
          maxRedemptions: wanted.max_redemptions,
          expiresAt: wanted.expires_at,
          creditDays: wanted.credit_expires_days,
          note: wanted.note,
          actor: actorOf(caller),
        });
        return { status: 201, body: { data: couponEntry(coupon) } };
      },
    },
    {
      method: "GET",
      path: "admin/coupons",
      access: "root",
      async handle({ query }) {
        const { cursor, limit } = idPage(query);
        const page = pageOf(await coupons.list({ cursor, limit: limit + 1 }), limit);
        return { body: { data: page.shown.map(couponEntry), cursor: page.cursor } };
      },
    },
    {
      method: "PATCH",
      path: "admin/coupons/:id",
      access: "root",
      async handle({ caller, params, body }) {
        const { disabled } = check(couponChangeSchema, body);
        const id = z.uuid().safeParse(params.id);
        const coupon = id.success && (await coupons.setDisabled(id.data, disabled, actorOf(caller)));
        if (!coupon) throw missing("coupon");
        return { body: { data: couponEntry(coupon) } };
      },
    },
    {
      method: "POST",
      path: "coupons/redeem",
      access: "manage",
      async handle({ caller, body }) {
        const { code, workspace } = check(redeemSchema, body);
        const workspaceId = await reach(parts, caller, workspace);
        return creditReply(await coupons.redeem({ code, workspaceId, actor: actorOf(caller) }));
      },
    },
  ];
}

/** The caller's own workspace, or the one that the root key names. */
async function reach(parts: CreditParts, { principal }: Caller, named: string | undefined): Promise<string> {
  const workspaceId = principal?.workspaceId ?? named;
  if (workspaceId === undefined) throw invalidRequest("workspace: the root key must name one.", "workspace");
  const foreign = named !== undefined && named !== workspaceId;
  if (foreign || !(await parts.workspaces.read(workspaceId))) throw missing("workspace");
  return workspaceId;
}

async function statement(parts: CreditParts, caller: Caller, query: URLSearchParams): Promise<JsonObject> {
  const workspaceId = await reach(parts, caller, workspaceField(query));
  const workspace = await parts.workspaces.read(workspaceId);
  const account: AccountId = workspace?.billing === "internal" ? `internal:${workspaceId}` : creditAccount(workspaceId);
  const cursor = query.get("cursor") || undefined;
  const page = await readStatement(parts.sql, account, { cursor, limit: pageSize(query) });
  const data = page.lines.map((line) => ({
    id: line.id,
    kind: line.kind,
    amount_usd: nanoToDollars(line.amountNano),
    balance_usd: line.balanceNano === undefined ? null : nanoToDollars(line.balanceNano),
    reason: line.reason,
    reference: line.reference,
    expires_at: line.expiresAt?.toISOString() ?? null,
    created_at: line.createdAt.toISOString(),
  }));
  return { data, cursor: page.cursor ?? null };
}

async function auditPage(parts: CreditParts, query: URLSearchParams): Promise<JsonObject> {
  const { cursor, limit } = idPage(query);
  const found = await readAudit(ormOver(parts.sql), {
    cursor,
    workspaceId: workspaceField(query),
    limit: limit + 1,
  });
  const page = pageOf(found, limit);
  const data = page.shown.map((line) => ({
    id: line.id,
    at: line.at.toISOString(),
    actor: line.actor,
    action: line.action,
    workspace_id: line.workspaceId,
    target: line.target,
    details: line.details as Json,
  }));
  return { data, cursor: page.cursor };
}

/** The routes for credit. */
export function creditRoutes(parts: CreditParts): ManagementRoute[] {
  return [
    {
      method: "POST",
      path: "admin/credits",
      access: "root",
      handle: ({ caller, body }) => grant(parts, caller, body),
    },
    {
      method: "GET",
      path: "admin/ledger/check",
      access: "root",
      async handle() {
        const { balanced, entries, accounts, openHolds, problems } = await parts.books.check();
        return { body: { balanced, entries, accounts, open_holds: openHolds, problems: [...problems] } };
      },
    },
    {
      method: "GET",
      path: "ledger",
      access: "manage",
      handle: async ({ caller, query }) => ({ body: await statement(parts, caller, query) }),
    },
    {
      method: "GET",
      path: "admin/audit",
      access: "root",
      handle: async ({ query }) => ({ body: await auditPage(parts, query) }),
    },
    ...couponRoutes(parts),
  ];
}
