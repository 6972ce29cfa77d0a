/**
 * The key-management routes, in the shapes that OpenRouter's tooling calls, with Sluice's own fields beside them.
 * Money is a number of US dollars here, as that tooling expects; everywhere else it is a decimal string.
 */
import { z } from "zod";
import { GatewayError, invalidRequest } from "../core/error.ts";
import { within } from "../core/glob.ts";
import type { JsonObject } from "../core/json.ts";
import { dollarsToNano, type Nano, nanoToDollars } from "../core/money.ts";
import type { Authenticator } from "../identity/authenticate.ts";
import type { KeyChange, Keys, StoredKey } from "../identity/keys.ts";
import { OPERATOR_WORKSPACE, type Workspaces } from "../identity/workspaces.ts";
import { type KeyUsage, NO_USAGE } from "../usage/by-key.ts";
import { type Caller, check, type ManagementRoute, text } from "./route.ts";

const MAX_NAME = 200;
const MAX_MODELS = 200;
const MAX_LIMIT_DOLLARS = 1_000_000_000;

const name = text(MAX_NAME);
const limit = z.number().min(0).max(MAX_LIMIT_DOLLARS).nullable();
const limitReset = z.enum(["daily", "weekly", "monthly"]).nullable();
const expiresAt = z.iso.datetime({ offset: true }).nullable();
const models = z.array(text(MAX_NAME)).min(1).max(MAX_MODELS).nullable();
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

/**
 * The models of a key that this caller makes or changes: never more than the caller's own key may call.
 * Without a wish it is what the caller has. Throws `forbidden` for a glob beyond that.
 */
function granted(caller: Caller, wanted: string[] | null | undefined): string[] | null | undefined {
  const own = caller.principal?.models;
  if (!own) return wanted;
  const beyond = wanted?.find((glob) => !within(glob, own));
  if (beyond !== undefined)
    throw new GatewayError("forbidden", `This key may not grant ${JSON.stringify(beyond)}.`, { param: "models" });
  return wanted ?? [...own];
}

/** What the key routes stand on. `usage` tells what keys used lately. */
export interface KeyParts {
  keys: Keys;
  workspaces: Workspaces;
  authenticator: Authenticator;
  usage: (keyIds: readonly string[]) => Promise<Map<string, KeyUsage>>;
}

async function show({ usage }: KeyParts, found: StoredKey[]): Promise<JsonObject[]> {
  const used = await usage(found.map((key) => key.id));
  return found.map((key) => keyEntry(key, used.get(key.id) ?? NO_USAGE));
}

async function list(parts: KeyParts, caller: Caller, query: URLSearchParams): Promise<JsonObject> {
  const asked = query.get("workspace_id");
  const found = await parts.keys.list({
    workspaceId: reach(caller) ?? (asked ? check(z.uuid(), asked) : undefined),
    offset: offset(query),
    includeDisabled: query.get("include_disabled") !== "false",
  });
  return { data: await show(parts, found) };
}

async function create({ keys, workspaces }: KeyParts, caller: Caller, body: JsonObject): Promise<JsonObject> {
  const wanted = check(createSchema, body);
  const asked = wanted.workspace ?? wanted.workspace_id;
  const workspaceId = reach(caller) ?? asked ?? OPERATOR_WORKSPACE;
  const known = (!asked || asked === workspaceId) && (await workspaces.read(workspaceId));
  if (!known) throw new GatewayError("not_found", "There is no such workspace.");
  const { key, stored } = await keys.create({
    workspaceId,
    name: wanted.name,
    kind: wanted.kind,
    expiresAt: wanted.expires_at ? new Date(wanted.expires_at) : null,
    models: granted(caller, wanted.models),
    limitNano: toNano(wanted.limit, "limit"),
    limitReset: wanted.limit_reset,
    rpm: wanted.rpm,
    rpd: wanted.rpd,
  });
  return { key, data: keyEntry(stored, NO_USAGE) };
}

async function read(parts: KeyParts, caller: Caller, hash: string): Promise<JsonObject> {
  const found = await parts.keys.read(hash, reach(caller));
  if (!found) throw missing();
  return { data: (await show(parts, [found]))[0] };
}

async function change(parts: KeyParts, caller: Caller, hash: string, body: JsonObject): Promise<JsonObject> {
  const wanted = check(changeSchema, body);
  const fields: KeyChange = {
    name: wanted.name,
    disabled: wanted.disabled,
    models: wanted.models === undefined ? undefined : granted(caller, wanted.models),
    rpm: wanted.rpm,
    rpd: wanted.rpd,
    limitReset: wanted.limit_reset,
    limitNano: toNano(wanted.limit, "limit"),
    expiresAt: typeof wanted.expires_at === "string" ? new Date(wanted.expires_at) : wanted.expires_at,
  };
  const changed = await parts.keys.change(hash, fields, reach(caller));
  if (!changed) throw missing();
  parts.authenticator.forget(hash);
  return { data: (await show(parts, [changed]))[0] };
}

async function revoke({ keys, authenticator }: KeyParts, caller: Caller, hash: string): Promise<JsonObject> {
  if (!(await keys.remove(hash, reach(caller)))) throw missing();
  authenticator.forget(hash);
  return { deleted: true };
}

/** What a key may know of itself. */
async function own(parts: KeyParts, caller: Caller): Promise<JsonObject> {
  const found = caller.principal && (await parts.keys.read(caller.principal.keyHash));
  if (!found) throw missing();
  const isManagement = found.kind === "provisioning";
  const rate = {
    interval: "60s",
    requests: found.rpm ?? -1,
    note: "Requests per minute; -1 means no limit of its own.",
  };
  return {
    data: {
      ...(await show(parts, [found]))[0],
      is_free_tier: false,
      is_management_key: isManagement,
      is_provisioning_key: isManagement,
      rate_limit: rate,
    },
  };
}

/** The routes under `keys`, and `key`. */
export function keyRoutes(parts: KeyParts): ManagementRoute[] {
  const access = "manage";
  const one = "keys/:hash";
  return [
    { method: "GET", path: "keys", access, handle: async (r) => ({ body: await list(parts, r.caller, r.query) }) },
    {
      method: "POST",
      path: "keys",
      access,
      handle: async (r) => ({ status: 201, body: await create(parts, r.caller, r.body) }),
    },
    {
      method: "GET",
      path: one,
      access,
      handle: async (r) => ({ body: await read(parts, r.caller, r.params.hash ?? "") }),
    },
    {
      method: "PATCH",
      path: one,
      access,
      handle: async (r) => ({ body: await change(parts, r.caller, r.params.hash ?? "", r.body) }),
    },
    {
      method: "DELETE",
      path: one,
      access,
      handle: async (r) => ({ body: await revoke(parts, r.caller, r.params.hash ?? "") }),
    },
    { method: "GET", path: "key", access: "key", handle: async (r) => ({ body: await own(parts, r.caller) }) },
  ];
}
