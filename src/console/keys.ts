/**
 * The key-management routes, in the shapes that OpenRouter's tooling calls, with Sluice's own fields beside them.
 * Money is a number of US dollars here, as that tooling expects; everywhere else it is a decimal string.
 */
import { z } from "zod";
import { GatewayError, invalidRequest } from "../core/error.ts";
import type { JsonObject } from "../core/json.ts";
import { dollarsToNano, type Nano, nanoToDollars } from "../core/money.ts";
import type { Authenticator } from "../identity/authenticate.ts";
import type { KeyChange, Keys, StoredKey } from "../identity/keys.ts";
import { OPERATOR_WORKSPACE, type Workspaces } from "../identity/workspaces.ts";
import { type KeyUsage, NO_USAGE } from "../usage/by-key.ts";
import { type Caller, check, type ManagementRoute } from "./route.ts";

const MAX_NAME = 200;
const MAX_MODELS = 200;
const MAX_LIMIT_DOLLARS = 1_000_000_000;

const name = z.string().min(1).max(MAX_NAME);
const limit = z.number().min(0).max(MAX_LIMIT_DOLLARS).nullable();
const limitReset = z.enum(["daily", "weekly", "monthly"]).nullable();
const expiresAt = z.iso.datetime({ offset: true }).nullable();
const models = z.array(z.string().min(1).max(MAX_NAME)).min(1).max(MAX_MODELS).nullable();
const perWindow = z.number().int().min(1).max(10_000_000).nullable();

const createSchema = z.strictObject({
  name,
  limit: limit.optional(),
  limit_reset: limitReset.optional(),
  expires_at: expiresAt.optional(),
  models: models.optional(),
  rpm: perWindow.optional(),
  rpd: perWindow.optional(),
  workspace: z.uuid().optional(),
  workspace_id: z.uuid().optional(),
  kind: z.enum(["inference", "provisioning"]).optional(),
  creator_user_id: z.string().max(MAX_NAME).nullable().optional(),
  include_byok_in_limit: z.boolean().optional(),
});

const changeSchema = z.strictObject({
  name: name.optional(),
  disabled: z.boolean().optional(),
  limit: limit.optional(),
  limit_reset: limitReset.optional(),
  expires_at: expiresAt.optional(),
  models: models.optional(),
  rpm: perWindow.optional(),
  rpd: perWindow.optional(),
  include_byok_in_limit: z.boolean().optional(),
});

function toNano(dollars: number | null | undefined, field: string): Nano | null | undefined {
  if (dollars === null || dollars === undefined) return dollars;
  try {
    return dollarsToNano(dollars);
  } catch {
    throw invalidRequest(`${field}: at most nine decimals of a dollar.`, field);
  }
}

function dollars(amount: Nano): number {
  return Number(nanoToDollars(amount));
}

/** A key as these routes show it. */
export function keyEntry(key: StoredKey, usage: KeyUsage): JsonObject {
  const remaining = key.limitNano === null ? null : dollars((key.limitNano - key.usedNano) as Nano);
  return {
    hash: key.hash,
    label: key.label,
    name: key.name,
    kind: key.kind,
    disabled: key.disabled,
    limit: key.limitNano === null ? null : dollars(key.limitNano),
    limit_remaining: remaining === null ? null : Math.max(0, remaining),
    limit_reset: key.limitReset,
    include_byok_in_limit: false,
    usage: dollars(key.usedNano),
    usage_daily: dollars(usage.dayNano),
    usage_weekly: dollars(usage.weekNano),
    usage_monthly: dollars(usage.monthNano),
    byok_usage: 0,
    byok_usage_daily: 0,
    byok_usage_weekly: 0,
    byok_usage_monthly: 0,
    models: key.models,
    rpm: key.rpm,
    rpd: key.rpd,
    created_at: key.createdAt.toISOString(),
    updated_at: key.updatedAt.toISOString(),
    expires_at: key.expiresAt?.toISOString() ?? null,
    creator_user_id: null,
    workspace_id: key.workspaceId,
  };
}

function missing(): GatewayError {
  return new GatewayError("not_found", "There is no such key.");
}

/** A provisioning key works in its own workspace only; the root key anywhere. */
function reach(caller: Caller): string | undefined {
  return caller.principal?.workspaceId;
}

function offset(query: URLSearchParams): number {
  const value = Number(query.get("offset") ?? "0");
  if (!Number.isSafeInteger(value) || value < 0)
    throw invalidRequest("offset: a whole number of at least 0.", "offset");
  return value;
}

/** The routes under `keys`. `usage` tells what keys used lately. */
export function keyRoutes(parts: {
  keys: Keys;
  workspaces: Workspaces;
  authenticator: Authenticator;
  usage: (keyIds: readonly string[]) => Promise<Map<string, KeyUsage>>;
}): ManagementRoute[] {
  const { keys, workspaces, authenticator } = parts;

  async function show(found: StoredKey[]): Promise<JsonObject[]> {
    const usage = await parts.usage(found.map((key) => key.id));
    return found.map((key) => keyEntry(key, usage.get(key.id) ?? NO_USAGE));
  }

  async function create(caller: Caller, body: JsonObject): Promise<JsonObject> {
    const wanted = check(createSchema, body);
    const workspaceId = reach(caller) ?? wanted.workspace ?? wanted.workspace_id ?? OPERATOR_WORKSPACE;
    const asked = wanted.workspace ?? wanted.workspace_id;
    if (asked && asked !== workspaceId) throw new GatewayError("not_found", "There is no such workspace.");
    if (!(await workspaces.read(workspaceId))) throw new GatewayError("not_found", "There is no such workspace.");
    const { key, stored } = await keys.create({
      workspaceId,
      name: wanted.name,
      kind: wanted.kind,
      expiresAt: wanted.expires_at ? new Date(wanted.expires_at) : null,
      models: wanted.models,
      limitNano: toNano(wanted.limit, "limit"),
      limitReset: wanted.limit_reset,
      rpm: wanted.rpm,
      rpd: wanted.rpd,
    });
    return { key, data: keyEntry(stored, NO_USAGE) };
  }

  async function change(caller: Caller, hash: string, body: JsonObject): Promise<JsonObject> {
    const wanted = check(changeSchema, body);
    const fields: KeyChange = {
      name: wanted.name,
      disabled: wanted.disabled,
      models: wanted.models,
      rpm: wanted.rpm,
      rpd: wanted.rpd,
      limitReset: wanted.limit_reset,
      limitNano: toNano(wanted.limit, "limit"),
      expiresAt: typeof wanted.expires_at === "string" ? new Date(wanted.expires_at) : wanted.expires_at,
    };
    const changed = await keys.change(hash, fields, reach(caller));
    if (!changed) throw missing();
    authenticator.forget(hash);
    return { data: (await show([changed]))[0] };
  }

  return [
    {
      method: "GET",
      path: "keys",
      access: "manage",
      async handle({ caller, query }) {
        const found = await keys.list({
          workspaceId:
            reach(caller) ?? (query.get("workspace_id") ? check(z.uuid(), query.get("workspace_id")) : undefined),
          offset: offset(query),
          includeDisabled: query.get("include_disabled") !== "false",
        });
        return { body: { data: await show(found) } };
      },
    },
    {
      method: "POST",
      path: "keys",
      access: "manage",
      handle: async ({ caller, body }) => ({ status: 201, body: await create(caller, body) }),
    },
    {
      method: "GET",
      path: "keys/:hash",
      access: "manage",
      async handle({ caller, params }) {
        const found = await keys.read(params.hash ?? "", reach(caller));
        if (!found) throw missing();
        return { body: { data: (await show([found]))[0] } };
      },
    },
    {
      method: "PATCH",
      path: "keys/:hash",
      access: "manage",
      handle: async ({ caller, params, body }) => ({ body: await change(caller, params.hash ?? "", body) }),
    },
    {
      method: "DELETE",
      path: "keys/:hash",
      access: "manage",
      async handle({ caller, params }) {
        const hash = params.hash ?? "";
        if (!(await keys.remove(hash, reach(caller)))) throw missing();
        authenticator.forget(hash);
        return { body: { deleted: true } };
      },
    },
    {
      method: "GET",
      path: "key",
      access: "key",
      async handle({ caller }) {
        const found = caller.principal && (await keys.read(caller.principal.keyHash));
        if (!found) throw missing();
        const management = found.kind === "provisioning";
        const entry = (await show([found]))[0];
        const rate = {
          interval: "60s",
          requests: found.rpm ?? -1,
          note: "Requests per minute; -1 means no limit of its own.",
        };
        return {
          body: {
            data: {
              ...entry,
              is_free_tier: false,
              is_management_key: management,
              is_provisioning_key: management,
              rate_limit: rate,
            },
          },
        };
      },
    },
  ];
}
