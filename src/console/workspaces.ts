/**
 * The operator's routes for workspaces, with the root key.
 * A workspace made here pays from credit, and begins with the configured welcome credit.
 */
import { z } from "zod";
import type { JsonObject } from "../core/json.ts";
import { type Nano, nanoToDollars } from "../core/money.ts";
import type { Workspace, Workspaces } from "../identity/workspaces.ts";
import { check, type ManagementRoute, text } from "./route.ts";

const createSchema = z.strictObject({
  name: text(200),
  plan: text(100).optional(),
});

function entry(workspace: Workspace): JsonObject {
  return {
    id: workspace.id,
    name: workspace.name,
    plan: workspace.plan,
    billing: workspace.billing,
    balance_usd: nanoToDollars(workspace.balanceNano),
    used_usd: nanoToDollars(workspace.usedNano),
  };
}

/** The routes under `/api/admin/workspaces`. */
export function workspaceRoutes(parts: {
  workspaces: Workspaces;
  defaults: { plan: string; welcomeCreditNano: Nano };
}): ManagementRoute[] {
  return [
    {
      method: "POST",
      path: "admin/workspaces",
      access: "root",
      async handle({ body }) {
        const { name, plan } = check(createSchema, body);
        const { welcomeCreditNano } = parts.defaults;
        const created = await parts.workspaces.create({ name, plan: plan ?? parts.defaults.plan, welcomeCreditNano });
        return { status: 201, body: { id: created.id, data: entry(created) } };
      },
    },
  ];
}
