/**
 * Writes finished calls to the database in batches: the usage record, the key's use and the workspace's balance in one statement.
 * Settlement hands records over without waiting; the queue is bounded, and when it is full the gateway refuses new work.
 */
import type { SQL } from "bun";
import type { CallRecord } from "../core/call.ts";
import { type Nano, nano } from "../core/money.ts";

const MAX_QUEUED = 20_000;
const MAX_BATCH = 1000;
/** A batch costs the database as much as thirty records in it, so a busy gateway collects for a moment. */
const FLUSH_AFTER_MS = 100;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5000;

export interface Recorder {
  /** Takes a finished call. Never blocks, never throws. */
  push(record: CallRecord): void;
  /** True when no more work should be taken on: the database has not kept up. */
  full(): boolean;
  /** A record that is not in the database yet. */
  pending(id: string): CallRecord | undefined;
  /** Resolves when everything pushed so far is written, or rejects after `timeoutMs`. */
  drain(timeoutMs: number): Promise<void>;
}

/** What a written batch did to a workspace. */
export interface Settled {
  workspaceId: string;
  balanceNano: Nano;
  /** What the batch's calls cost: so much of what was billed here is in the balance now, whether this write or an earlier try put it there. */
  settledNano: Nano;
}

/** A recorder over an open database. `onSettled` sees each workspace whose balance a batch changed. */
export function createRecorder(settings: {
  sql: SQL;
  onSettled: (settled: Settled) => void;
  onError: (error: unknown, queued: number) => void;
}): Recorder {
  const queue = new Map<string, CallRecord>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let writing = false;
  let retryMs = RETRY_MIN_MS;
  let batchSize = MAX_BATCH;

  function schedule(delayMs: number): void {
    if (timer || writing || queue.size === 0) return;
    timer = setTimeout(flush, delayMs);
  }

  async function flush(): Promise<void> {
    timer = undefined;
    writing = true;
    const batch = first(queue.values(), batchSize);
    try {
      for (const settled of await write(settings.sql, batch)) settings.onSettled(settled);
      for (const record of batch) queue.delete(record.id);
      retryMs = RETRY_MIN_MS;
      batchSize = Math.min(MAX_BATCH, batchSize * 2);
      writing = false;
      schedule(queue.size >= batchSize ? 0 : FLUSH_AFTER_MS);
    } catch (error) {
      settings.onError(error, queue.size);
      setAside(batch);
      writing = false;
      schedule(retryMs);
      retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
    }
  }

  /** Should one record be what the database refuses, the others are written around it: in halves, it goes to the end. */
  function setAside(batch: readonly CallRecord[]): void {
    batchSize = Math.max(1, batch.length >> 1);
    const [only] = batch;
    if (batch.length > 1 || !only) return;
    queue.delete(only.id);
    queue.set(only.id, only);
  }

  return {
    push(record) {
      queue.set(record.id, record);
      schedule(FLUSH_AFTER_MS);
    },
    full: () => queue.size >= MAX_QUEUED,
    pending: (id) => queue.get(id),
    drain: (timeoutMs) => untilEmpty(queue, timeoutMs),
  };
}

async function untilEmpty(queue: ReadonlyMap<string, CallRecord>, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (queue.size > 0) {
    if (performance.now() > deadline) throw new Error(`${queue.size} usage records could not be written in time`);
    await Bun.sleep(5);
  }
}

function first<T>(values: Iterable<T>, count: number): T[] {
  const found: T[] = [];
  for (const value of values) {
    if (found.length === count) break;
    found.push(value);
  }
  return found;
}

const MAX_TEXT = 500;

/** Text as Postgres can hold it: no NUL, no lone surrogates, bounded. One bad name must not block the queue. */
function plain(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (text.length <= MAX_TEXT && !text.includes("\0") && text.isWellFormed()) return text;
  return text.slice(0, MAX_TEXT).replaceAll("\0", "").toWellFormed();
}

/** What many calls of a batch have in common. It is sent once for all of them: reading JSON is most of the database's work. */
function toShape(record: CallRecord) {
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
function toRow(record: CallRecord, shape: number) {
  const { usage } = record;
  return {
    shape,
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
    cost_nano: money(record.costNano),
    first_token_ms: record.firstTokenMs === undefined ? undefined : integer(record.firstTokenMs),
    duration_ms: integer(record.durationMs),
    attempts: record.attempts.map((one) => ({ ...one, reason: plain(one.reason), endpoint: plain(one.endpoint) })),
  };
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
};
const ROW: Readonly<Record<keyof ReturnType<typeof toRow>, string>> = {
  shape: "bigint",
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
  first_token_ms: "integer",
  duration_ms: "integer",
  attempts: "jsonb",
};

const columns = (types: Readonly<Record<string, string>>) =>
  Object.entries(types)
    .map(([name, type]) => `${name} ${type}`)
    .join(", ");
const OWN = Object.keys(ROW).filter((name) => name !== "shape" && name !== "created_ms");
/** Counts of zero are left out of what is sent. */
const VALUES = OWN.map((name) => (/^tokens_|^web_searches$/.test(name) ? `coalesce(${name}, 0)` : name));
const SHARED = Object.keys(SHAPE).join(", ");

/** One statement, so that a record and the balance it changes are written together or not at all; a repeated record changes nothing. */
const WRITE = `
  with shapes as (
    select * from rows from (json_to_recordset($1::text::json) as (${columns(SHAPE)}))
      with ordinality as s(${SHARED}, shape)),
  incoming as (select * from json_to_recordset($2::text::json) as r(${columns(ROW)})),
  inserted as (
    insert into requests (${SHARED}, created_at, ${OWN.join(", ")})
    select ${SHARED}, to_timestamp(created_ms / 1000), ${VALUES.join(", ")} from incoming join shapes using (shape)
    on conflict (id) do nothing returning id, key_id, cost_nano),
  keys as (
    update api_keys k set used_nano = k.used_nano + s.total, last_used_at = now()
    from (select key_id, sum(cost_nano)::bigint as total from inserted group by key_id) s where k.id = s.key_id returning 1)
  update workspaces w set balance_nano = w.balance_nano - s.total, used_nano = w.used_nano + s.total
  from (
    select workspace_id, sum(i.cost_nano)::bigint as settled, coalesce(sum(n.cost_nano), 0)::bigint as total
    from incoming i join shapes using (shape) left join inserted n on n.id = i.id group by workspace_id) s
  where w.id = s.workspace_id returning w.id, w.balance_nano, s.settled`;

async function write(sql: SQL, batch: readonly CallRecord[]): Promise<Settled[]> {
  const shapes = new Map<string, number>();
  const lines = batch.map((record) => {
    const shape = JSON.stringify(toShape(record));
    let number = shapes.get(shape);
    if (number === undefined) {
      number = shapes.size + 1;
      shapes.set(shape, number);
    }
    return toRow(record, number);
  });
  const parameters = [`[${[...shapes.keys()].join(",")}]`, JSON.stringify(lines)];
  const rows = (await sql.unsafe(WRITE, parameters)) as Record<string, unknown>[];
  return rows.map((row) => ({
    workspaceId: row.id as string,
    balanceNano: nano(BigInt(row.balance_nano as bigint)),
    settledNano: nano(BigInt(row.settled as bigint)),
  }));
}
