/**
 * The audit trail: who did what to credit, coupons, workspaces and keys.
 * An entry is written in the transaction of what it tells of, so that neither is there without the other.
 */
import { and, desc, eq, lt } from "drizzle-orm";
import type { JsonObject } from "../core/json.ts";
import type { Orm } from "../db/database.ts";
import { auditLog } from "../db/schema/credits.ts";
import type { Statements } from "./books.ts";

/** What was done. `details` never holds a secret: no key, no token, no whole coupon code. */
export interface AuditEntry {
  /** As in movements: `root`, `system`, `key:<hash>`, `user:<id>` … */
  readonly actor: string;
  /** What and which way, as `credit.grant` or `workspace.change`. */
  readonly action: string;
  readonly workspaceId?: string | undefined;
  /** The id of what was acted on. */
  readonly target?: string | undefined;
  readonly details?: JsonObject;
}

/** An entry as it is read back. */
export interface AuditLine {
  readonly id: string;
  readonly at: Date;
  readonly actor: string;
  readonly action: string;
  readonly workspaceId: string | null;
  readonly target: string | null;
  readonly details: unknown;
}

/** Writes an entry as part of the given transaction. */
export async function audit(within: Statements, entry: AuditEntry): Promise<void> {
  await within.unsafe(
    `insert into audit_log (id, actor, action, workspace_id, target, details)
     values ($1::uuid, $2, $3, $4::uuid, $5, $6::text::jsonb)`,
    [
      Bun.randomUUIDv7(),
      entry.actor,
      entry.action,
      entry.workspaceId ?? null,
      entry.target ?? null,
      JSON.stringify(entry.details ?? {}),
    ],
  );
}

/** Which entries a page has: newest first, those before the id `cursor`. */
export interface AuditQuery {
  readonly workspaceId?: string | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

/** A page of the trail. */
export function readAudit(orm: Orm, { workspaceId, cursor, limit }: AuditQuery): Promise<AuditLine[]> {
  const wanted = and(
    workspaceId === undefined ? undefined : eq(auditLog.workspaceId, workspaceId),
    cursor === undefined ? undefined : lt(auditLog.id, cursor),
  );
  return orm.select().from(auditLog).where(wanted).orderBy(desc(auditLog.id)).limit(limit);
}
