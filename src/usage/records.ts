/**
 * Reads usage records back: one call by its id, for the generation route.
 * Looks into the recorder's queue first, so that a call can be asked for the moment it has ended.
 */
import type { SQL } from "bun";
import type { CallRecord } from "../core/call.ts";
import { nano } from "../core/money.ts";
import type { Recorder } from "./recorder.ts";

type Row = Record<string, unknown>;

/** What an id can be at all; other text would be an error to the database. */
const ID = /^[\x21-\x7e]{1,100}$/;

/** The record of a call of that workspace; undefined when there is none, or it is another workspace's. */
export async function findRecord(
  sql: SQL,
  recorder: Recorder,
  id: string,
  workspaceId: string,
): Promise<CallRecord | undefined> {
  if (!ID.test(id)) return undefined;
  const queued = recorder.pending(id);
  if (queued) return queued.workspaceId === workspaceId ? queued : undefined;
  const rows = (await sql`
    select *, attempts::text as attempts, losses::text as losses, routing::text as routing from requests
    where id = ${id} and workspace_id = ${workspaceId}::uuid`) as Row[];
  return rows[0] && toRecord(rows[0]);
}

function toRecord(row: Row): CallRecord {
  const text = (name: string) => (row[name] ?? undefined) as string | undefined;
  const count = (name: string) => Number(row[name] ?? 0);
  const money = (name: string) => nano(BigInt(row[name] as bigint));
  return {
    id: row.id as string,
    createdAt: row.created_at as Date,
    workspaceId: row.workspace_id as string,
    keyId: row.key_id as string,
    surface: row.surface as string,
    dialect: row.dialect as CallRecord["dialect"],
    path: row.path as CallRecord["path"],
    modelRequested: row.model_requested as string,
    model: text("model"),
    provider: text("provider"),
    endpoint: text("endpoint"),
    upstreamModel: text("upstream_model"),
    upstreamId: text("upstream_id"),
    streamed: row.streamed as boolean,
    status: row.status as number,
    errorCode: text("error_code") as CallRecord["errorCode"],
    finishReason: text("finish_reason") as CallRecord["finishReason"],
    usage: {
      input: count("tokens_input"),
      cacheRead: count("tokens_cache_read"),
      cacheWrite5m: count("tokens_cache_write_5m"),
      cacheWrite1h: count("tokens_cache_write_1h"),
      output: count("tokens_output"),
      thinking: count("tokens_thinking"),
      imageInput: count("tokens_image_input"),
      imageOutput: count("tokens_image_output"),
      audioInput: count("tokens_audio_input"),
      audioOutput: count("tokens_audio_output"),
      webSearches: count("web_searches"),
      source: row.usage_source as CallRecord["usage"]["source"],
    },
    costNano: money("cost_nano"),
    outcome: row.outcome as CallRecord["outcome"],
    paidBy: row.paid_by as CallRecord["paidBy"],
    holdNano: money("hold_nano"),
    lossNano: money("loss_nano"),
    providerCostNano: money("provider_cost_nano"),
    clamped: row.clamped as boolean,
    firstTokenMs: row.first_token_ms === null ? undefined : Number(row.first_token_ms),
    durationMs: Number(row.duration_ms),
    attempts: JSON.parse(row.attempts as string) as CallRecord["attempts"],
    losses: JSON.parse(row.losses as string) as CallRecord["losses"],
    ...(row.routing !== null && { routing: JSON.parse(row.routing as string) as CallRecord["routing"] }),
    client: text("client"),
    cancelled: row.cancelled as boolean,
  };
}
