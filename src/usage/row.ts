/**
 * A finished call as the journal and the database take it: a row of its own, and the shape that it shares with others.
 * The recorder makes them, once for both; a start that replays the journal reads them back.
 */
import type { CallRecord } from "../core/call.ts";

const MAX_TEXT = 500;

/** Text as Postgres can hold it: no NUL, no lone surrogates, bounded. One bad name must not block the queue. */
function plain(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (text.length <= MAX_TEXT && !text.includes("\0") && text.isWellFormed()) return text;
  return text.slice(0, MAX_TEXT).replaceAll("\0", "").toWellFormed();
}

/** What tells a call's shape from others', in one cheap text. */
export function shapeKey(record: CallRecord): string {
  const { usage } = record;
  const losses = record.losses.length === 0 ? "" : JSON.stringify(record.losses);
  return `${record.keyId}|${record.endpoint}|${record.modelRequested}|${record.model}|${record.surface}|${record.dialect}|${record.path}|${record.streamed}|${record.status}|${record.errorCode}|${record.finishReason}|${usage.source}|${record.cancelled}|${record.outcome}|${record.paidBy}|${record.clamped}|${record.keyPurse}|${record.budgetPurse}|${record.countPurse}|${record.client}|${losses}`;
}

/** What many calls of a batch have in common. It is sent once for all of them: reading JSON is most of the database's work. */
export function toShape(record: CallRecord) {
  return {
    workspace_id: record.workspaceId,
    key_id: record.keyId,
    surface: record.surface,
    dialect: record.dialect,
    path: record.path,
    model_requested: plain(record.modelRequested),
    model: plain(record.model),
    provider: record.provider,
    endpoint: plain(record.endpoint),
    upstream_model: plain(record.upstreamModel),
    streamed: record.streamed,
    status: integer(record.status),
    error_code: record.errorCode,
    finish_reason: record.finishReason,
    usage_source: record.usage.source,
    losses: record.losses.map((loss) => ({ ...loss, field: plain(loss.field) })),
    client: plain(record.client),
    cancelled: record.cancelled,
    outcome: record.outcome,
    paid_by: record.paidBy,
    clamped: record.clamped,
    key_purse: record.keyPurse,
    budget_purse: record.budgetPurse,
    count_purse: record.countPurse,
  };
}

const MAX_INTEGER = 2 ** 31 - 1;

/** A number as an integer column can hold it. */
function integer(value: number): number {
  return Number.isNaN(value) ? 0 : Math.round(Math.min(Math.max(value, 0), MAX_INTEGER));
}

const MAX_NANO = 2n ** 62n;

function money(amount: bigint): string {
  return String(amount > MAX_NANO ? MAX_NANO : amount);
}

/** What is a call's own. Counts of zero are left out. */
export function toRow(record: CallRecord) {
  const { usage } = record;
  return {
    id: record.id,
    created_ms: record.createdAt.getTime(),
    upstream_id: plain(record.upstreamId),
    tokens_input: integer(usage.input) || undefined,
    tokens_cache_read: integer(usage.cacheRead) || undefined,
    tokens_cache_write_5m: integer(usage.cacheWrite5m) || undefined,
    tokens_cache_write_1h: integer(usage.cacheWrite1h) || undefined,
    tokens_output: integer(usage.output) || undefined,
    tokens_thinking: integer(usage.thinking) || undefined,
    tokens_image_input: integer(usage.imageInput) || undefined,
    tokens_image_output: integer(usage.imageOutput) || undefined,
    tokens_audio_input: integer(usage.audioInput) || undefined,
    tokens_audio_output: integer(usage.audioOutput) || undefined,
    web_searches: integer(usage.webSearches) || undefined,
    cost_nano: record.costNano === 0n ? undefined : money(record.costNano),
    hold_nano: record.holdNano === 0n ? undefined : money(record.holdNano),
    loss_nano: record.lossNano === 0n ? undefined : money(record.lossNano),
    provider_cost_nano: record.providerCostNano === 0n ? undefined : money(record.providerCostNano),
    first_token_ms: record.firstTokenMs === undefined ? undefined : integer(record.firstTokenMs),
    duration_ms: integer(record.durationMs),
    attempts: record.attempts.some(isOdd) ? record.attempts.map(tame) : record.attempts,
  };
}

function isOdd({ reason }: CallRecord["attempts"][number]): boolean {
  return reason !== undefined;
}

function tame(attempt: CallRecord["attempts"][number]) {
  return { ...attempt, reason: plain(attempt.reason), endpoint: plain(attempt.endpoint) };
}

const SHAPE: Readonly<Record<keyof ReturnType<typeof toShape>, string>> = {
  workspace_id: "uuid",
  key_id: "uuid",
  surface: "text",
  dialect: "text",
  path: "text",
  model_requested: "text",
  model: "text",
  provider: "text",
  endpoint: "text",
  upstream_model: "text",
  streamed: "boolean",
  status: "integer",
  error_code: "text",
  finish_reason: "text",
  usage_source: "text",
  losses: "jsonb",
  client: "text",
  cancelled: "boolean",
  outcome: "text",
  paid_by: "text",
  clamped: "boolean",
  key_purse: "text",
  budget_purse: "text",
  count_purse: "text",
};
const ROW: Readonly<Record<keyof ReturnType<typeof toRow>, string>> = {
  id: "text",
  created_ms: "double precision",
  upstream_id: "text",
  tokens_input: "bigint",
  tokens_cache_read: "bigint",
  tokens_cache_write_5m: "bigint",
  tokens_cache_write_1h: "bigint",
  tokens_output: "bigint",
  tokens_thinking: "bigint",
  tokens_image_input: "bigint",
  tokens_image_output: "bigint",
  tokens_audio_input: "bigint",
  tokens_audio_output: "bigint",
  web_searches: "bigint",
  cost_nano: "bigint",
  hold_nano: "bigint",
  loss_nano: "bigint",
  provider_cost_nano: "bigint",
  first_token_ms: "integer",
  duration_ms: "integer",
  attempts: "jsonb",
};

const columns = (types: Readonly<Record<string, string>>) =>
  Object.entries(types)
    .map(([name, type]) => `${name} ${type}`)
    .join(", ");
const OWN = Object.keys(ROW).filter((name) => name !== "created_ms");
const VALUES = OWN.map((name) => (/^tokens_|^web_searches$|_nano$/.test(name) ? `coalesce(${name}, 0)` : name));
/** Of the shape, what the table has; the purses are for the books only. */
const SHARED = Object.keys(SHAPE)
  .filter((name) => !name.endsWith("_purse"))
  .join(", ");

/**
 * Writes calls and books them in one statement, so that a record and the money it moves are written together or not at
 * all; a repeated record changes nothing. Parameters: shapes and rows as JSON, the node, the ledger transaction's id.
 */
export const WRITE_CALLS = `
  with shapes as (select * from json_to_recordset($1::text::json) as s(shape bigint, ${columns(SHAPE)})),
  incoming as (select * from json_to_recordset($2::text::json) as r(shape bigint, ${columns(ROW)})),
  inserted as (
    insert into requests (${SHARED}, created_at, ${OWN.join(", ")}, settlement_id)
    select ${SHARED}, to_timestamp(created_ms / 1000), ${VALUES.join(", ")}, $4::uuid from incoming join shapes using (shape)
    on conflict (id) do nothing returning id),
  sums as (
    select workspace_id, key_id, provider, paid_by, key_purse, budget_purse, count_purse,
      coalesce(sum(cost_nano), 0)::bigint as cost_nano, coalesce(sum(loss_nano), 0)::bigint as loss_nano,
      coalesce(sum(provider_cost_nano), 0)::bigint as provider_cost_nano,
      (count(*) filter (where outcome = 'posted'))::bigint as counted
    from inserted join incoming using (id) join shapes using (shape) group by 1, 2, 3, 4, 5, 6, 7)
  select ledger_settle($3::uuid, $4::uuid, (select array_agg(sums::settled_group) from sums), array(select id from inserted))`;

/** The line of a shape, and the element of the statement's first parameter: JSON that begins with its number. */
export function shapeText(number: number, record: CallRecord): string {
  return `{"shape":${number},${JSON.stringify(toShape(record)).slice(1)}`;
}

/** The line of a row, and the element of the statement's second parameter. */
export function rowText(shape: number, record: CallRecord): string {
  return `{"shape":${shape},${JSON.stringify(toRow(record)).slice(1)}`;
}
