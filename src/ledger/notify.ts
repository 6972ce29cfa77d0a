/**
 * What a workspace is to be told: rows that the console shows and that mail and webhooks are sent from.
 * Written in the transaction of what they tell of.
 */
import type { JsonObject } from "../core/json.ts";
import type { Statements } from "./books.ts";

export interface Notice {
  readonly workspaceId: string;
  /** What happened, as `credit-expiring`. */
  readonly kind: string;
  /** One is written once for each key, however often it is asked for. */
  readonly dedupeKey: string;
  readonly details: JsonObject;
}

/** Writes a notification, unless its key was used before. */
export async function notify(within: Statements, { workspaceId, kind, dedupeKey, details }: Notice): Promise<void> {
  await within.unsafe(
    `insert into notifications (id, workspace_id, kind, dedupe_key, details)
     values ($1::uuid, $2::uuid, $3, $4, $5::text::jsonb) on conflict (dedupe_key) do nothing`,
    [Bun.randomUUIDv7(), workspaceId, kind, dedupeKey, JSON.stringify(details)],
  );
}
