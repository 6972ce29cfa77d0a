/**
 * The key-management routes, in the shapes that OpenRouter's tooling calls, with Sluice's own fields beside them.
 * Money is a number of US dollars here, as that tooling expects; everywhere else it is a decimal string.
 */
import { z } from "zod";
import type { PlanTerms, RateLimits } from "../core/call.ts";
import { GatewayError, invalidRequest } from "../core/error.ts";
import type { JsonObject } from "../core/json.ts";
import { type Nano, nanoToDollars, ZERO } from "../core/money.ts";
import { type Authenticator, rateOf } from "../identity/authenticate.ts";
import type { Keys, StoredKey } from "../identity/keys.ts";
import { OPERATOR_WORKSPACE, type Workspaces } from "../identity/workspaces.ts";
import { type KeyUsage, NO_USAGE } from "../usage/by-key.ts";
import { grantChange, grantNew, isWithin } from "./grant.ts";
import { readChange, readGraceSeconds, readNewKey } from "./key-body.ts";
import { type Caller, check, type ManagementRoute } from "./route.ts";

function dollars(amount: Nano): number {
  return Number(nanoToDollars(amount));
}

/** A key as these routes show it. `usedOfLimit` is what it used in the period that its limit is for. */
export function keyEntry(key: StoredKey, usage: KeyUsage, usedOfLimit: Nano): JsonObject {
  const left = key.limitNano === null ? null : key.limitNano - usedOfLimit;
  const caps = key.modelCaps?.map(({ glob, capNano }) => [glob, dollars(capNano)] as const);
  const replaced = key.previousExpiresAt;
  return {
    hash: key.hash,
    label: key.label,
    name: key.name,
    kind: key.kind,
    disabled: key.disabled,
    limit: key.limitNano === null ? null : dollars(key.limitNano),
    limit_remaining: left === null ? null : dollars((left > 0n ? left : ZERO) as Nano),
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
    providers: key.providers,
    ip_allow: key.ipAllow,
    model_caps: caps ? Object.fromEntries(caps) : null,
    rpm: key.rpm,
    rpd: key.rpd,
    tpm: key.tpm,
    created_at: key.createdAt.toISOString(),
    updated_at: key.updatedAt.toISOString(),
    expires_at: key.expiresAt?.toISOString() ?? null,
    previous_expires_at: replaced && replaced.getTime() > Date.now() ? replaced.toISOString() : null,
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

/** The calling key, whose restrictions hold for all it makes. Undefined for the root key, which has none. */
async function maker({ keys }: KeyParts, { principal }: Caller): Promise<StoredKey | undefined> {
  if (!principal) return undefined;
  const found = await keys.readById(principal.keyId);
  if (!found) throw new GatewayError("invalid_api_key", "This API key is not valid.");
  return found;
}

/** What the key routes stand on. `usage` tells what keys used lately. */
export interface KeyParts {
  keys: Keys;
  workspaces: Workspaces;
  authenticator: Authenticator;
  usage: (keyIds: readonly string[]) => Promise<Map<string, KeyUsage>>;
}

async function show({ keys, usage }: KeyParts, found: StoredKey[]): Promise<JsonObject[]> {
  const used = await usage(found.map((key) => key.id));
  const ofLimits = await keys.usedOfLimit(found, Date.now());
  return found.map((key) => keyEntry(key, used.get(key.id) ?? NO_USAGE, ofLimits.get(key.id) ?? ZERO));
}

/** A change is in force on this node at once, for the present secret and the one before. */
function forget({ authenticator }: KeyParts, { hash, previousHash }: StoredKey): void {
  authenticator.forget(hash);
  if (previousHash !== null) authenticator.forget(previousHash);
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

async function create(parts: KeyParts, caller: Caller, body: JsonObject): Promise<JsonObject> {
  const { workspaceId: asked, name, kind, ...wanted } = readNewKey(body);
  const workspaceId = reach(caller) ?? asked ?? OPERATOR_WORKSPACE;
  const known = (!asked || asked === workspaceId) && (await parts.workspaces.read(workspaceId));
  if (!known) throw new GatewayError("not_found", "There is no such workspace.");
  const own = await maker(parts, caller);
  const granted = own ? grantNew(own, wanted) : wanted;
  const { key, stored } = await parts.keys.create({ ...granted, workspaceId, name, kind });
  return { key, data: keyEntry(stored, NO_USAGE, ZERO) };
}

async function read(parts: KeyParts, caller: Caller, hash: string): Promise<JsonObject> {
  const found = await parts.keys.read(hash, reach(caller));
  if (!found) throw missing();
  return { data: (await show(parts, [found]))[0] };
}

async function change(parts: KeyParts, caller: Caller, hash: string, body: JsonObject): Promise<JsonObject> {
  const { name, disabled, ...wanted } = readChange(body);
  const own = await maker(parts, caller);
  const target = own && (await parts.keys.read(hash, reach(caller)));
  if (own && !target) throw missing();
  const granted = own && target ? grantChange(own, target, wanted) : wanted;
  const changed = await parts.keys.change(hash, { ...granted, name, disabled }, reach(caller));
  if (!changed) throw missing();
  forget(parts, changed);
  return { data: (await show(parts, [changed]))[0] };
}

async function revoke(parts: KeyParts, caller: Caller, hash: string): Promise<JsonObject> {
  const removed = await parts.keys.remove(hash, reach(caller));
  if (!removed) throw missing();
  forget(parts, removed);
  return { deleted: true };
}

async function rotate(parts: KeyParts, caller: Caller, hash: string, body: JsonObject): Promise<JsonObject> {
  const graceSeconds = readGraceSeconds(body);
  const own = await maker(parts, caller);
  const target = await parts.keys.read(hash, reach(caller));
  if (!target) throw missing();
  // Whoever rotates a key is given its secret, and with it the key's rights.
  if (own && !isWithin(own, target))
    throw new GatewayError("forbidden", "This key may not rotate a key that may do more than itself.");
  const rotated = await parts.keys.rotate(hash, graceSeconds, reach(caller));
  if (!rotated) throw missing();
  for (const old of rotated.hashes) parts.authenticator.forget(old);
  return { key: rotated.key, data: (await show(parts, [rotated.stored]))[0] };
}

/** The limits that hold for a key: of its own and its plan's the smaller. */
function effective(own: RateLimits, plan: PlanTerms): JsonObject {
  const least = (field: keyof RateLimits) => {
    const found = Math.min(own[field] ?? Number.POSITIVE_INFINITY, plan[field] ?? Number.POSITIVE_INFINITY);
    return Number.isFinite(found) ? found : -1;
  };
  return {
    interval: "60s",
    requests: least("rpm"),
    requests_per_day: least("rpd"),
    tokens_per_minute: least("tpm"),
    note: "What holds for this key, of its own limits and its plan's; -1 means no limit.",
  };
}

/** What a key may know of itself. */
async function own(parts: KeyParts, caller: Caller): Promise<JsonObject> {
  const { principal } = caller;
  const found = principal && (await maker(parts, caller));
  if (!found) throw missing();
  const isManagement = found.kind === "provisioning";
  return {
    data: {
      ...(await show(parts, [found]))[0],
      is_free_tier: false,
      is_management_key: isManagement,
      is_provisioning_key: isManagement,
      rate_limit: effective(rateOf(found), principal.terms),
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
    {
      method: "POST",
      path: `${one}/rotate`,
      access,
      handle: async (r) => ({ status: 201, body: await rotate(parts, r.caller, r.params.hash ?? "", r.body) }),
    },
    { method: "GET", path: "key", access: "key", handle: async (r) => ({ body: await own(parts, r.caller) }) },
  ];
}
