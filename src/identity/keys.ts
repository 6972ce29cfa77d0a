/**
 * API keys and workspaces in the database: created, listed, changed, revoked, found by hash.
 * The management API and the CLI change them here; on the path of a call only `findByHash` runs, behind the authenticator's cache.
 */
import type { SQL } from "bun";
import { type Nano, nano } from "../core/money.ts";
import { createKey } from "./key.ts";

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
  limitNano: Nano | null;
  limitReset: "daily" | "weekly" | "monthly" | null;
  rpm: number | null;
  rpd: number | null;
  usedNano: Nano;
}

/** A key with the facts of its workspace that a call needs. */
export interface KeyWithWorkspace extends StoredKey {
  billing: "internal" | "prepaid";
  balanceNano: Nano;
  suspended: boolean;
}

export interface NewKey {
  workspaceId: string;
  name: string;
  kind?: StoredKey["kind"];
  expiresAt?: Date | null;
  models?: string[] | null;
  limitNano?: Nano | null;
  limitReset?: StoredKey["limitReset"];
  rpm?: number | null;
  rpd?: number | null;
}

export type KeyChange = Partial<
  Pick<StoredKey, "name" | "disabled" | "expiresAt" | "models" | "limitNano" | "limitReset" | "rpm" | "rpd">
>;

/** The most keys that one listing returns. */
export const KEY_PAGE = 100;

type Row = Record<string, unknown>;

function toKey(row: Row): StoredKey {
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
    models: row.models === null ? null : (JSON.parse(row.models as string) as string[]),
    limitNano: row.limit_nano === null ? null : nano(BigInt(row.limit_nano as bigint)),
    limitReset: row.limit_reset as StoredKey["limitReset"],
    rpm: row.rpm as number | null,
    rpd: row.rpd as number | null,
    usedNano: nano(BigInt(row.used_nano as bigint)),
  };
}

/** A list as the text of a Postgres-independent JSON array, which the statements turn into text[]. */
function listParameter(list: readonly string[] | null | undefined): string | null {
  return list ? JSON.stringify(list) : null;
}

export interface Keys {
  /** Creates a key. The returned `key` is shown once and kept nowhere. */
  create(input: NewKey): Promise<{ key: string; stored: StoredKey }>;
  findByHash(hash: string): Promise<KeyWithWorkspace | undefined>;
  /** Undefined for an unknown hash, and for one of another workspace when `workspaceId` is given. */
  read(hash: string, workspaceId?: string): Promise<StoredKey | undefined>;
  /** Newest first, at most `KEY_PAGE` from `offset`. */
  list(options: { workspaceId?: string; offset?: number; includeDisabled?: boolean }): Promise<StoredKey[]>;
  change(hash: string, change: KeyChange, workspaceId?: string): Promise<StoredKey | undefined>;
  /** Revokes a key for good. False when there is none. */
  remove(hash: string, workspaceId?: string): Promise<boolean>;
}

/** Keys over an open database. `prefix` is what new keys begin with. */
export function openKeys(sql: SQL, prefix: string): Keys {
  return {
    async create(input) {
      const made = createKey(prefix);
      const rows = (await sql`
        insert into api_keys (id, workspace_id, hash, label, name, kind, expires_at, models, limit_nano, limit_reset, rpm, rpd, created_at, updated_at)
        values (${crypto.randomUUID()}, ${input.workspaceId}, ${made.hash}, ${made.label}, ${input.name},
          ${input.kind ?? "inference"}, ${input.expiresAt ?? null},
          (select array_agg(value) from json_array_elements_text(${listParameter(input.models)}::text::json)),
          ${input.limitNano ?? null}, ${input.limitReset ?? null}, ${input.rpm ?? null}, ${input.rpd ?? null}, now(), now())
        returning *, to_json(models)::text as models`) as Row[];
      return { key: made.key, stored: toKey(rows[0]!) };
    },
    async findByHash(hash) {
      const rows = (await sql`
        select k.*, to_json(k.models)::text as models, w.billing, w.balance_nano, w.suspended_at is not null as suspended
        from api_keys k join workspaces w on w.id = k.workspace_id
        where k.hash = ${hash} and k.deleted_at is null`) as Row[];
      const row = rows[0];
      if (!row) return undefined;
      return {
        ...toKey(row),
        billing: row.billing as KeyWithWorkspace["billing"],
        balanceNano: nano(BigInt(row.balance_nano as bigint)),
        suspended: row.suspended as boolean,
      };
    },
    async read(hash, workspaceId) {
      const rows = (await sql`
        select *, to_json(models)::text as models from api_keys
        where hash = ${hash} and deleted_at is null
          and (${workspaceId ?? null}::uuid is null or workspace_id = ${workspaceId ?? null}::uuid)`) as Row[];
      return rows[0] && toKey(rows[0]);
    },
    async list({ workspaceId, offset = 0, includeDisabled = true }) {
      const rows = (await sql`
        select *, to_json(models)::text as models from api_keys
        where deleted_at is null and (${includeDisabled} or not disabled)
          and (${workspaceId ?? null}::uuid is null or workspace_id = ${workspaceId ?? null}::uuid)
        order by created_at desc, id limit ${KEY_PAGE} offset ${offset}`) as Row[];
      return rows.map(toKey);
    },
    change: (hash, change, workspaceId) => changeKey(sql, hash, change, workspaceId),
    async remove(hash, workspaceId) {
      const rows = (await sql`
        update api_keys set deleted_at = now(), disabled = true, updated_at = now()
        where hash = ${hash} and deleted_at is null
          and (${workspaceId ?? null}::uuid is null or workspace_id = ${workspaceId ?? null}::uuid)
        returning id`) as Row[];
      return rows.length > 0;
    },
  };
}

async function changeKey(
  sql: SQL,
  hash: string,
  change: KeyChange,
  workspaceId: string | undefined,
): Promise<StoredKey | undefined> {
  const has = (field: keyof KeyChange) => change[field] !== undefined;
  const rows = (await sql`
        update api_keys set
          name = case when ${has("name")} then ${change.name ?? ""} else name end,
          disabled = case when ${has("disabled")} then ${change.disabled ?? false} else disabled end,
          expires_at = case when ${has("expiresAt")} then ${change.expiresAt ?? null}::timestamptz else expires_at end,
          models = case when ${has("models")}
            then (select array_agg(value) from json_array_elements_text(${listParameter(change.models)}::text::json)) else models end,
          limit_nano = case when ${has("limitNano")} then ${change.limitNano ?? null}::bigint else limit_nano end,
          limit_reset = case when ${has("limitReset")} then ${change.limitReset ?? null}::text else limit_reset end,
          rpm = case when ${has("rpm")} then ${change.rpm ?? null}::integer else rpm end,
          rpd = case when ${has("rpd")} then ${change.rpd ?? null}::integer else rpd end,
          updated_at = now()
        where hash = ${hash} and deleted_at is null
          and (${workspaceId ?? null}::uuid is null or workspace_id = ${workspaceId ?? null}::uuid)
        returning *, to_json(models)::text as models`) as Row[];
  return rows[0] && toKey(rows[0]);
}
