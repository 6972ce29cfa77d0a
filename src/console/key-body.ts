/**
 * What the key routes take: the fields of a body, checked, and turned into the terms in which keys are stored.
 * Unknown fields are refused; money comes as numbers of US dollars.
 */
import { z } from "zod";
import type { ModelCap } from "../core/call.ts";
import { GatewayError, invalidRequest } from "../core/error.ts";
import { asObject, type JsonObject } from "../core/json.ts";
import { dollarsToNano, type Nano } from "../core/money.ts";
import { isAddressRange } from "../identity/address.ts";
import type { KeyChange, NewKey, Restrictions } from "../identity/keys.ts";
import { check, text } from "./route.ts";

const MAX_NAME = 200;
const MAX_GLOBS = 200;
const MAX_ADDRESSES = 100;
const MAX_LIMIT_DOLLARS = 1_000_000_000;
const MAX_PER_WINDOW = 10_000_000;
const MAX_TOKENS = 2_000_000_000;

/** How long a replaced secret goes on at most, and unless the request says otherwise. */
const MAX_GRACE_SECONDS = 604_800;
const GRACE_SECONDS = 86_400;

const dollars = z.number().min(0).max(MAX_LIMIT_DOLLARS);
const atLeastOne = (most: number) => z.number().int().min(1).max(most).nullable().optional();
const providerGlob = z.string().regex(/^[a-z0-9*-]{1,63}$/, "Invalid input: expected a provider's id, * for anything");
const range = z.string().refine(isAddressRange, "Invalid input: expected an IP address or a range such as 10.0.0.0/8");

const restrictions = {
  limit: dollars.nullable().optional(),
  limit_reset: z.enum(["daily", "weekly", "monthly"]).nullable().optional(),
  expires_at: z.iso.datetime({ offset: true }).nullable().optional(),
  models: z.array(text(MAX_NAME)).min(1).max(MAX_GLOBS).nullable().optional(),
  providers: z.array(providerGlob).min(1).max(MAX_GLOBS).nullable().optional(),
  ip_allow: z.array(range).min(1).max(MAX_ADDRESSES).nullable().optional(),
  model_caps: z.record(text(MAX_NAME), dollars).nullable().optional(),
  rpm: atLeastOne(MAX_PER_WINDOW),
  rpd: atLeastOne(MAX_PER_WINDOW),
  tpm: atLeastOne(MAX_TOKENS),
  include_byok_in_limit: z.boolean().optional(),
};

const createSchema = z.strictObject({
  ...restrictions,
  name: text(MAX_NAME),
  workspace: z.uuid().optional(),
  workspace_id: z.uuid().optional(),
  kind: z.enum(["inference", "provisioning"]).optional(),
  creator_user_id: z.string().max(MAX_NAME).nullable().optional(),
});

const changeSchema = z.strictObject({
  ...restrictions,
  name: text(MAX_NAME).optional(),
  disabled: z.boolean().optional(),
});

const rotateSchema = z.strictObject({ grace_seconds: z.number().int().min(0).max(MAX_GRACE_SECONDS).optional() });

function toNano(amount: number, field: string): Nano {
  try {
    return dollarsToNano(amount);
  } catch {
    throw invalidRequest(`${field}: at most nine decimals of a dollar.`, field);
  }
}

/** The schema would leave such a cap out, and the key would be free of it. */
function refuseUnseen(body: JsonObject): void {
  const caps = asObject(body.model_caps);
  if (caps && Object.hasOwn(caps, "__proto__"))
    throw invalidRequest("model_caps: __proto__ is not the name of a model.", "model_caps");
}

function toCaps(caps: Record<string, number>): ModelCap[] | null {
  const entries = Object.entries(caps);
  if (entries.length > MAX_GLOBS) throw invalidRequest(`model_caps: at most ${MAX_GLOBS} models.`, "model_caps");
  const list = entries.map(([glob, amount]) => ({ glob, capNano: toNano(amount, `model_caps.${glob}`) }));
  return list.length === 0 ? null : list;
}

type Wanted = Omit<z.infer<typeof changeSchema>, "name" | "disabled">;

function toRestrictions(wanted: Wanted): Restrictions {
  return {
    expiresAt: typeof wanted.expires_at === "string" ? new Date(wanted.expires_at) : wanted.expires_at,
    models: wanted.models,
    providers: wanted.providers,
    ipAllow: wanted.ip_allow,
    modelCaps: wanted.model_caps && toCaps(wanted.model_caps),
    limitNano: typeof wanted.limit === "number" ? toNano(wanted.limit, "limit") : wanted.limit,
    limitReset: wanted.limit_reset,
    rpm: wanted.rpm,
    rpd: wanted.rpd,
    tpm: wanted.tpm,
  };
}

/** Reads the body of a new key. `workspaceId` is what it asks for, if anything. Throws `invalid_request`, and `not_found` for two workspaces. */
export function readNewKey(body: JsonObject): Omit<NewKey, "workspaceId"> & { workspaceId: string | undefined } {
  refuseUnseen(body);
  const wanted = check(createSchema, body);
  const { name, kind, workspace, workspace_id } = wanted;
  if (workspace && workspace_id && workspace !== workspace_id)
    throw new GatewayError("not_found", "There is no such workspace.");
  return { ...toRestrictions(wanted), name, kind, workspaceId: workspace ?? workspace_id };
}

/** Reads the body of a change: what is absent stays. Throws `invalid_request`. */
export function readChange(body: JsonObject): KeyChange {
  refuseUnseen(body);
  const wanted = check(changeSchema, body);
  return { ...toRestrictions(wanted), name: wanted.name, disabled: wanted.disabled };
}

/** Reads for how many seconds the present secret is to go on. Throws `invalid_request`. */
export function readGraceSeconds(body: JsonObject): number {
  return check(rotateSchema, body).grace_seconds ?? GRACE_SECONDS;
}
