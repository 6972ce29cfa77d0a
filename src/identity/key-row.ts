/**
 * A key as the program knows it, and as a row of the database: which fields there are, and how each is written and read.
 * `keys.ts` runs the statements; on the path of a call one row is read here for each look-up.
 */
import type { ModelCap } from "../core/call.ts";
import type { JsonObject } from "../core/json.ts";
import { type Nano, nano } from "../core/money.ts";
import type { Reset } from "../ledger/period.ts";

/** A key as stored: never the key itself, only its hash and the last four characters. */
export interface StoredKey {
  id: string;
  hash: string;
  label: string;
  name: string;
  kind: "inference" | "provisioning";
  workspaceId: string;
  disabled: boolean;
  createdAt: Date;
  updatedAt: Date;
  expiresAt: Date | null;
  /** Globs of models it may call; null means all. */
  models: string[] | null;
  /** Globs of ids of the providers that may serve its calls; null means all. */
  providers: string[] | null;
  /** Addresses and CIDR ranges that it may be used from; null means anywhere. */
  ipAllow: string[] | null;
  /** What one call of a model may cost at most; of several that fit, the smallest holds. */
  modelCaps: ModelCap[] | null;
  limitNano: Nano | null;
  limitReset: Reset | null;
  rpm: number | null;
  rpd: number | null;
  /** Tokens per minute. */
  tpm: number | null;
  usedNano: Nano;
  /** Of the secret before the last rotation, which works until the moment beside it. */
  previousHash: string | null;
  previousExpiresAt: Date | null;
}

/** A key with the facts of its workspace that a call needs. */
export interface KeyWithWorkspace extends StoredKey {
  billing: "internal" | "prepaid";
  plan: string;
  /** What the workspace may spend. */
  budgetNano: Nano | null;
  budgetReset: Reset | null;
  suspended: boolean;
}

/** What a key is restricted to. Absent in a new key means not restricted; absent in a change means unchanged. */
export type Restrictions = Partial<
  Pick<
    StoredKey,
    "expiresAt" | "models" | "providers" | "ipAllow" | "modelCaps" | "limitNano" | "limitReset" | "rpm" | "rpd" | "tpm"
  >
>;

export type NewKey = Restrictions & { workspaceId: string; name: string; kind?: StoredKey["kind"] | undefined };

export type KeyChange = Restrictions & { name?: string | undefined; disabled?: boolean | undefined };

export type Row = Record<string, unknown>;

/** Columns of lists and documents, as text that every driver reads alike. They come after `k.*`, whose fields they replace. */
export const AS_TEXT = `to_json(k.models)::text as models, to_json(k.providers)::text as providers,
  to_json(k.ip_allow)::text as ip_allow, k.model_caps::text as model_caps`;

function parsed<T>(value: unknown): T | null {
  return value === null ? null : (JSON.parse(value as string) as T);
}

/** An amount of money in a column that is not null. */
export function amount(value: unknown): Nano {
  return nano(BigInt(value as bigint));
}

function toCaps(stored: { glob: string; nano: string }[] | null): ModelCap[] | null {
  return stored === null ? null : stored.map((cap) => ({ glob: cap.glob, capNano: nano(BigInt(cap.nano)) }));
}

function toJson({ glob, capNano }: ModelCap): JsonObject {
  return { glob, nano: String(capNano) };
}

/** Reads `k.*` with `AS_TEXT`. */
export function toKey(row: Row): StoredKey {
  return {
    id: row.id as string,
    hash: row.hash as string,
    label: row.label as string,
    name: row.name as string,
    kind: row.kind as StoredKey["kind"],
    workspaceId: row.workspace_id as string,
    disabled: row.disabled as boolean,
    createdAt: row.created_at as Date,
    updatedAt: row.updated_at as Date,
    expiresAt: row.expires_at as Date | null,
    models: parsed(row.models),
    providers: parsed(row.providers),
    ipAllow: parsed(row.ip_allow),
    modelCaps: toCaps(parsed(row.model_caps)),
    limitNano: row.limit_nano === null ? null : amount(row.limit_nano),
    limitReset: row.limit_reset as StoredKey["limitReset"],
    rpm: row.rpm as number | null,
    rpd: row.rpd as number | null,
    tpm: row.tpm as number | null,
    usedNano: amount(row.used_nano),
    previousHash: row.previous_hash as string | null,
    previousExpiresAt: row.previous_expires_at as Date | null,
  };
}

/** The fields as a document of columns, from which the database makes a row; those that are undefined are left out. */
export function toColumns(fields: KeyChange): JsonObject {
  return {
    name: fields.name,
    disabled: fields.disabled,
    expires_at: fields.expiresAt instanceof Date ? fields.expiresAt.toISOString() : fields.expiresAt,
    models: fields.models,
    providers: fields.providers,
    ip_allow: fields.ipAllow,
    model_caps: fields.modelCaps === null ? null : fields.modelCaps?.map(toJson),
    limit_nano: typeof fields.limitNano === "bigint" ? String(fields.limitNano) : fields.limitNano,
    limit_reset: fields.limitReset,
    rpm: fields.rpm,
    rpd: fields.rpd,
    tpm: fields.tpm,
  };
}
