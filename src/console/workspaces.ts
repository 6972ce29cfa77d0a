/**
 * Routes for workspaces: the operator's for all of them with the root key, and a workspace's own.
 * A workspace made here pays from credit, and begins with the configured welcome credit.
 */
import { z } from "zod";
import { GatewayError, invalidRequest } from "../core/error.ts";
import type { JsonObject } from "../core/json.ts";
import { type Nano, nano, nanoToDollars } from "../core/money.ts";
import type { Workspace, WorkspaceChange, Workspaces } from "../identity/workspaces.ts";
import { actorOf, amount, idPage, pageOf } from "./fields.ts";
import { type Caller, check, type ManagementRoute, text } from "./route.ts";

const MAX_NAME = 200;
const MAX_REASON = 500;
const MAX_BUDGET = nano(1_000_000_000n * 1_000_000_000n);

const ownChange = {
  name: text(MAX_NAME).optional(),
  budget_usd: amount({ min: nano(0n), max: MAX_BUDGET })
    .nullable()
    .optional(),
  budget_reset: z.enum(["daily", "weekly", "monthly"]).nullable().optional(),
};
const ownChangeSchema = z.strictObject(ownChange);
const changeSchema = z.strictObject({
  ...ownChange,
  plan: text(100).optional(),
  suspended: z.boolean().optional(),
  suspended_reason: text(MAX_REASON).optional(),
});
const createSchema = z.strictObject({ name: text(MAX_NAME), plan: text(100).optional() });

/** A workspace as these routes show it. Money is a decimal string of US dollars. */
export function workspaceEntry(workspace: Workspace): JsonObject {
  return {
    id: workspace.id,
    name: workspace.name,
    plan: workspace.plan,
    billing: workspace.billing,
    balance_usd: nanoToDollars(workspace.balanceNano),
    held_usd: nanoToDollars(workspace.heldNano),
    credited_usd: nanoToDollars(workspace.grantedNano),
    used_usd: nanoToDollars(workspace.usedNano),
    budget_usd: workspace.budgetNano === null ? null : nanoToDollars(workspace.budgetNano),
    budget_reset: workspace.budgetReset,
    suspended: workspace.suspendedAt !== null,
    suspended_at: workspace.suspendedAt?.toISOString() ?? null,
    suspended_reason: workspace.suspendedReason,
    created_at: workspace.createdAt.toISOString(),
  };
}

/** What the workspace routes stand on. */
export interface WorkspaceParts {
  readonly workspaces: Workspaces;
  readonly defaults: {
    readonly plan: string;
    readonly welcomeCreditNano: Nano;
    readonly welcomeCreditExpiresDays?: number | undefined;
  };
  /** The ids of all plans. */
  readonly plans: readonly string[];
}

function missing(): GatewayError {
  return new GatewayError("not_found", "There is no such workspace.");
}

function known(parts: WorkspaceParts, plan: string | undefined): string | undefined {
  if (plan !== undefined && !parts.plans.includes(plan)) throw invalidRequest("plan: there is no such plan.", "plan");
  return plan;
}

/** The workspace of the calling key. */
function own({ principal }: Caller): string {
  if (principal) return principal.workspaceId;
  throw invalidRequest("With the root key, ask /api/admin/workspaces/ID.");
}

function id(params: Readonly<Record<string, string>>): string {
  const found = z.uuid().safeParse(params.id);
  if (!found.success) throw missing();
  return found.data;
}

async function show(parts: WorkspaceParts, workspaceId: string): Promise<JsonObject> {
  const found = await parts.workspaces.read(workspaceId);
  if (!found) throw missing();
  return { data: workspaceEntry(found) };
}

async function create(parts: WorkspaceParts, caller: Caller, body: JsonObject): Promise<JsonObject> {
  const { name, plan } = check(createSchema, body);
  const { welcomeCreditNano, welcomeCreditExpiresDays } = parts.defaults;
  const created = await parts.workspaces.create({
    name,
    plan: known(parts, plan) ?? parts.defaults.plan,
    welcomeCreditNano,
    welcomeCreditDays: welcomeCreditExpiresDays,
    actor: actorOf(caller),
  });
  return { id: created.id, data: workspaceEntry(created) };
}

async function change(
  parts: WorkspaceParts,
  caller: Caller,
  workspaceId: string,
  change: WorkspaceChange,
): Promise<JsonObject> {
  const changed = await parts.workspaces.change(workspaceId, change, actorOf(caller));
  if (!changed) throw missing();
  return { data: workspaceEntry(changed) };
}

function suspension(suspended: boolean | undefined, reason: string | undefined): WorkspaceChange["suspended"] {
  if (reason !== undefined && suspended !== true)
    throw invalidRequest("suspended_reason: only together with suspended: true.", "suspended_reason");
  if (suspended === undefined) return undefined;
  return suspended ? { reason: reason ?? null } : null;
}

/** The routes under `/api/admin/workspaces`, and `workspace`. */
export function workspaceRoutes(parts: WorkspaceParts): ManagementRoute[] {
  const one = "admin/workspaces/:id";
  return [
    {
      method: "GET",
      path: "admin/workspaces",
      access: "root",
      async handle({ query }) {
        const { cursor, limit } = idPage(query);
        const name = query.get("name") || undefined;
        const found = await parts.workspaces.list({ cursor, name, limit: limit + 1 });
        const page = pageOf(found, limit);
        return { body: { data: page.shown.map(workspaceEntry), cursor: page.cursor } };
      },
    },
    {
      method: "POST",
      path: "admin/workspaces",
      access: "root",
      handle: async ({ caller, body }) => ({ status: 201, body: await create(parts, caller, body) }),
    },
    { method: "GET", path: one, access: "root", handle: async (r) => ({ body: await show(parts, id(r.params)) }) },
    {
      method: "PATCH",
      path: one,
      access: "root",
      async handle({ caller, params, body }) {
        const wanted = check(changeSchema, body);
        const fields = {
          name: wanted.name,
          plan: known(parts, wanted.plan),
          budgetNano: wanted.budget_usd,
          budgetReset: wanted.budget_reset,
          suspended: suspension(wanted.suspended, wanted.suspended_reason),
        };
        return { body: await change(parts, caller, id(params), fields) };
      },
    },
    {
      method: "GET",
      path: "workspace",
      access: "manage",
      handle: async ({ caller }) => ({ body: await show(parts, own(caller)) }),
    },
    {
      method: "PATCH",
      path: "workspace",
      access: "manage",
      async handle({ caller, body }) {
        const wanted = check(ownChangeSchema, body);
        const fields = { name: wanted.name, budgetNano: wanted.budget_usd, budgetReset: wanted.budget_reset };
        return { body: await change(parts, caller, own(caller), fields) };
      },
    },
  ];
}
