/**
 * API keys in the database: created, listed, changed, rotated, revoked, found by hash.
 * The management API and the CLI change them here; on the path of a call only `findByHash` runs, behind the authenticator's cache.
 */
import type { SQL } from "bun";
import type { Nano } from "../core/money.ts";
import { periodOf } from "../ledger/period.ts";
import { createKey } from "./key.ts";
import {
  AS_TEXT,
  amount,
  type KeyChange,
  type KeyWithWorkspace,
  type NewKey,
  type Row,
  type StoredKey,
  toColumns,
  toKey,
} from "./key-row.ts";

export type { KeyChange, KeyWithWorkspace, NewKey, Restrictions, StoredKey } from "./key-row.ts";

/** The most keys that one listing returns. */
export const KEY_PAGE = 100;

/** A key with a new secret. */
export interface RotatedKey {
  /** Shown once and kept nowhere. */
  key: string;
  stored: StoredKey;
  /** Of all secrets that the key had in the database until now: what caches know of them is out of date. */
  hashes: string[];
}

/**
 * Keys over a database. Where a hash names a key, it may be that of its present secret or of the one before the last
 * rotation. Undefined for an unknown hash, and for a key of another workspace when `workspaceId` is given.
 */
export interface Keys {
  /** Creates a key. The returned `key` is shown once and kept nowhere. */
  create(input: NewKey): Promise<{ key: string; stored: StoredKey }>;
  /** The key that a secret belongs to, also when it is the one before the last rotation and its time is over. */
  findByHash(hash: string): Promise<KeyWithWorkspace | undefined>;
  read(hash: string, workspaceId?: string): Promise<StoredKey | undefined>;
  readById(id: string): Promise<StoredKey | undefined>;
  /** Newest first, at most `KEY_PAGE` from `offset`. */
  list(options: { workspaceId?: string; offset?: number; includeDisabled?: boolean }): Promise<StoredKey[]>;
  change(hash: string, change: KeyChange, workspaceId?: string): Promise<StoredKey | undefined>;
  /** Gives a key a new secret. The present one works for `graceSeconds` more; one that was replaced before ends now. */
  rotate(hash: string, graceSeconds: number, workspaceId?: string): Promise<RotatedKey | undefined>;
  /** Revokes a key for good and gives what it was. */
  remove(hash: string, workspaceId?: string): Promise<StoredKey | undefined>;
  /** What each key that has a spend limit has used of it, in the period that the limit is for. By key id. */
  usedOfLimit(keys: readonly StoredKey[], nowMs: number): Promise<Map<string, Nano>>;
}

/** Keys over an open database. `prefix` is what new keys begin with. */
export function openKeys(sql: SQL, prefix: string): Keys {
  const one = async (statement: string, parameters: unknown[]) => {
    const rows = (await sql.unsafe(statement, parameters)) as Row[];
    return rows[0] && toKey(rows[0]);
  };
  return {
    async create(input) {
      const made = createKey(prefix);
      const { workspaceId, kind = "inference" } = input;
      const columns = JSON.stringify(toColumns({ ...input, disabled: false }));
      const stored = await one(INSERT, [crypto.randomUUID(), workspaceId, made.hash, made.label, kind, columns]);
      return { key: made.key, stored: stored! };
    },
    async findByHash(hash) {
      const [row] = (await sql.unsafe(FIND, [hash])) as Row[];
      if (!row) return undefined;
      return {
        ...toKey(row),
        billing: row.billing as KeyWithWorkspace["billing"],
        plan: row.plan as string,
        budgetNano: row.budget_nano === null ? null : amount(row.budget_nano),
        budgetReset: row.budget_reset as KeyWithWorkspace["budgetReset"],
        suspended: row.suspended as boolean,
      };
    },
    read: (hash, workspaceId) =>
      one(`select k.*, ${AS_TEXT} from api_keys k where ${IS_NAMED}`, [hash, workspaceId ?? null]),
    readById: (id) =>
      one(`select k.*, ${AS_TEXT} from api_keys k where k.id = $1::uuid and k.deleted_at is null`, [id]),
    async list({ workspaceId, offset = 0, includeDisabled = true }) {
      const rows = (await sql.unsafe(LIST, [includeDisabled, workspaceId ?? null, KEY_PAGE, offset])) as Row[];
      return rows.map(toKey);
    },
    change: (hash, change, workspaceId) => changeKey(sql, hash, change, workspaceId),
    async rotate(hash, graceSeconds, workspaceId) {
      const made = createKey(prefix);
      const parameters = [hash, workspaceId ?? null, made.hash, made.label, graceSeconds];
      const [row] = (await sql.unsafe(ROTATE, parameters)) as Row[];
      if (!row) return undefined;
      const hashes = [row.replaced_hash, row.ended_hash].filter((known) => typeof known === "string");
      return { key: made.key, stored: toKey(row), hashes };
    },
    remove: (hash, workspaceId) =>
      one(
        `update api_keys k set deleted_at = now(), disabled = true, updated_at = now() where ${IS_NAMED}
         returning k.*, ${AS_TEXT}`,
        [hash, workspaceId ?? null],
      ),
    usedOfLimit: (keys, nowMs) => usedOfLimit(sql, keys, nowMs),
  };
}

/** $1: the hash, $2: the workspace or null. */
const IS_NAMED = `(k.hash = $1 or k.previous_hash = $1) and k.deleted_at is null
  and ($2::uuid is null or k.workspace_id = $2::uuid)`;

const INSERT = `
  with made as (
    insert into api_keys as k (id, workspace_id, hash, label, kind, name, disabled, expires_at, models, providers,
      ip_allow, model_caps, limit_nano, limit_reset, rpm, rpd, tpm, created_at, updated_at)
    select $1::uuid, $2::uuid, $3, $4, $5, r.name, r.disabled, r.expires_at, r.models, r.providers,
      r.ip_allow, r.model_caps, r.limit_nano, r.limit_reset, r.rpm, r.rpd, r.tpm, now(), now()
    from json_populate_record(null::api_keys, $6::text::json) r
    returning *)
  select k.*, ${AS_TEXT} from made k`;

const FIND = `
  select k.*, ${AS_TEXT}, w.billing, w.plan, w.budget_nano, w.budget_reset,
    w.suspended_at is not null as suspended
  from api_keys k join workspaces w on w.id = k.workspace_id
  where (k.hash = $1 or k.previous_hash = $1) and k.deleted_at is null`;

const LIST = `
  select k.*, ${AS_TEXT} from api_keys k
  where k.deleted_at is null and ($1 or not k.disabled) and ($2::uuid is null or k.workspace_id = $2::uuid)
  order by k.created_at desc, k.id limit $3 offset $4`;

/** $3: the document of changed columns, laid over what there is. */
const CHANGE = `
  update api_keys k set (name, disabled, expires_at, models, providers, ip_allow, model_caps, limit_nano, limit_reset,
    rpm, rpd, tpm) = (
      select r.name, r.disabled, r.expires_at, r.models, r.providers, r.ip_allow, r.model_caps, r.limit_nano,
        r.limit_reset, r.rpm, r.rpd, r.tpm
      from json_populate_record(k, $3::text::json) r),
    updated_at = now()
  where ${IS_NAMED} returning k.*, ${AS_TEXT}`;

/** $3, $4: the new secret's hash and label, $5: the seconds for which the present one goes on. */
const ROTATE = `
  with old as (select k.id, k.hash, k.previous_hash from api_keys k where ${IS_NAMED} for update)
  update api_keys k set hash = $3, label = $4, updated_at = now(),
    previous_hash = case when $5::integer > 0 then old.hash end,
    previous_expires_at = case when $5::integer > 0 then now() + $5::integer * interval '1 second' end
  from old where k.id = old.id
  returning k.*, ${AS_TEXT}, old.hash as replaced_hash, old.previous_hash as ended_hash`;

/** What keys used of their limits: the purse's word, which is what calls are held to; before its first use, the records'. */
const USED = `
  select w.id, coalesce(p.used, case when w.since is null then k.used_nano else (
    select coalesce(sum(r.cost_nano), 0) from requests r
    where r.key_id = w.id and r.created_at >= w.since and r.paid_by in ('credit', 'internal')) end)::bigint as used
  from json_to_recordset($1::text::json) as w (id uuid, purse text, since timestamptz)
  join api_keys k on k.id = w.id left join purses p on p.id = w.purse`;

/** While a key had no such limit its purse was not kept up: a limit that is set anew begins with what was really used. */
const CATCH_UP = `
  update purses p set used = greatest(p.used, case when $3::timestamptz is null then k.used_nano else (
    select coalesce(sum(r.cost_nano), 0) from requests r
    where r.key_id = k.id and r.created_at >= $3::timestamptz and r.paid_by in ('credit', 'internal')) end)
  from api_keys k where k.id = $2::uuid and p.id = $1`;

/** The purse that a key's limit is counted in now, and since when. */
function purseOf(key: StoredKey, nowMs: number): { purse: string; since: Date | null } {
  const period = key.limitReset === null ? undefined : periodOf(key.limitReset, nowMs);
  return { purse: `key:${key.id}:${period?.name ?? "all"}`, since: period?.start ?? null };
}

async function usedOfLimit(sql: SQL, keys: readonly StoredKey[], nowMs: number): Promise<Map<string, Nano>> {
  const limited = keys.filter((key) => key.limitNano !== null);
  if (limited.length === 0) return new Map();
  const asked = limited.map((key) => ({ id: key.id, ...purseOf(key, nowMs) }));
  const rows = (await sql.unsafe(USED, [JSON.stringify(asked)])) as Row[];
  return new Map(rows.map((row) => [row.id as string, amount(row.used)]));
}

function changeKey(
  sql: SQL,
  hash: string,
  change: KeyChange,
  workspaceId: string | undefined,
): Promise<StoredKey | undefined> {
  return sql.begin(async (transaction) => {
    const columns = JSON.stringify(toColumns(change));
    const [row] = (await transaction.unsafe(CHANGE, [hash, workspaceId ?? null, columns])) as Row[];
    if (!row) return undefined;
    const key = toKey(row);
    if (key.limitNano !== null && (change.limitNano !== undefined || change.limitReset !== undefined)) {
      const { purse, since } = purseOf(key, Date.now());
      await transaction.unsafe(CATCH_UP, [purse, key.id, since]);
    }
    return key;
  });
}
