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

/** In quotes: the database reads digits, not a number that JavaScript could have rounded. */
function money(amount: bigint): string {
  return `"${amount > MAX_NANO ? MAX_NANO : amount}"`;
}

/** The attempts of a call that its first endpoint served, up to the duration of the only one: the same text for a whole shape. */
export function servedAttempts(record: CallRecord): string {
  const { endpoint, provider, dialect } = record;
  const attempt = { endpoint: plain(endpoint), provider, dialect, status: 200, outcome: "served" };
  return `[${JSON.stringify(attempt).slice(0, -1)},"durationMs":`;
}

function isServedAtOnce({ attempts, endpoint, dialect }: CallRecord): boolean {
  const [only] = attempts;
  if (attempts.length !== 1 || !only) return false;
  return only.outcome === "served" && only.status === 200 && only.endpoint === endpoint && only.dialect === dialect;
}

function tame(attempt: CallRecord["attempts"][number]) {
  return { ...attempt, reason: plain(attempt.reason), endpoint: plain(attempt.endpoint) };
}

/** Names in it are the caller's own. */
function routingText({ excluded, ...others }: NonNullable<CallRecord["routing"]>): string {
  const told = excluded.map(({ endpoint, reason }) => ({ endpoint: plain(endpoint), reason: plain(reason) }));
  return JSON.stringify({ ...others, excluded: told });
}

/** What a count is called in a row. */
const COUNTS = [
  ["input", "tokens_input"],
  ["cacheRead", "tokens_cache_read"],
  ["cacheWrite5m", "tokens_cache_write_5m"],
  ["cacheWrite1h", "tokens_cache_write_1h"],
  ["output", "tokens_output"],
  ["thinking", "tokens_thinking"],
  ["imageInput", "tokens_image_input"],
  ["imageOutput", "tokens_image_output"],
  ["audioInput", "tokens_audio_input"],
  ["audioOutput", "tokens_audio_output"],
  ["webSearches", "web_searches"],
] as const;

/**
 * What is a call's own, as JSON; counts and amounts of zero are left out. Written by hand, since it is written for every
 * call twice: `served` is the text of `servedAttempts`, made once for the shape.
 */
export function rowText(shape: number, served: string, record: CallRecord): string {
  const { usage, upstreamId, firstTokenMs } = record;
  let text = `{"shape":${shape},"id":"${record.id}","created_ms":${record.createdAt.getTime()},"duration_ms":${integer(record.durationMs)}`;
  if (upstreamId !== undefined) text += `,"upstream_id":${JSON.stringify(plain(upstreamId))}`;
  if (firstTokenMs !== undefined) text += `,"first_token_ms":${integer(firstTokenMs)}`;
  for (const [name, column] of COUNTS) {
    const count = usage[name];
    if (count !== 0) text += `,"${column}":${integer(count)}`;
  }
  if (record.costNano !== 0n) text += `,"cost_nano":${money(record.costNano)}`;
  if (record.holdNano !== 0n) text += `,"hold_nano":${money(record.holdNano)}`;
  if (record.lossNano !== 0n) text += `,"loss_nano":${money(record.lossNano)}`;
  if (record.providerCostNano !== 0n) text += `,"provider_cost_nano":${money(record.providerCostNano)}`;
  if (record.routing) text += `,"routing":${routingText(record.routing)}`;
  if (record.attempts.length === 0) return `${text}}`;
  if (isServedAtOnce(record)) return `${text},"attempts":${served}${integer(record.attempts[0]!.durationMs)}}]}`;
  return `${text},"attempts":${JSON.stringify(record.attempts.map(tame))}}`;
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
const ROW: Readonly<Record<string, string>> = {
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
  routing: "jsonb",
};

const columns = (types: Readonly<Record<string, string>>) =>
  Object.entries(types)
    .map(([name, type]) => `${name} ${type}`)
    .join(", ");
const OWN = Object.keys(ROW).filter((name) => name !== "created_ms");
const VALUES = OWN.map((name) => {
  if (name === "attempts") return "coalesce(attempts, '[]')";
  return /^tokens_|^web_searches$|_nano$/.test(name) ? `coalesce(${name}, 0)` : name;
});
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
