/**
 * Notes calls in the journal and writes finished ones to the database in batches: the record and the money in one statement.
 * Settlement hands records over without waiting; the queue is bounded, and when it is full the gateway refuses new work.
 */
import type { SQL } from "bun";
import type { CallRecord } from "../core/call.ts";
import { GatewayError } from "../core/error.ts";
import { type Journal, JournalFull, type Note, type Shape } from "./journal.ts";
import { rowText, WRITE_CALLS } from "./row.ts";
import { createShapes, SHAPE_LINE } from "./shapes.ts";

const MAX_QUEUED = 20_000;
const MAX_BATCH = 1000;
/** A batch costs the database as much as thirty records in it, so a busy gateway collects for a moment. */
const FLUSH_AFTER_MS = 100;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5000;

/** What the recorder tells of a hold whose cost is in the database. */
export interface Settled {
  readonly nodeId: string;
  written(): void;
}

/** A call that was noted before its first upstream byte. */
export type OpenNote = Note;

export interface Recorder {
  /**
   * Notes that a call begins to cost: from here on a start after a crash finds it, and closes it as `expired`.
   * `record` is what is written then. Throws `service_unavailable` when there is no room.
   */
  open(record: CallRecord): OpenNote;
  /** Takes a finished call. It is in the journal when this returns. Never blocks, never throws. */
  push(record: CallRecord, open?: OpenNote, hold?: Settled): void;
  /** True when no more work should be taken on: the database has not kept up. */
  full(): boolean;
  /** A record that is not in the database yet. */
  pending(id: string): CallRecord | undefined;
  /** Resolves when everything pushed so far is written, or rejects after `timeoutMs`. */
  drain(timeoutMs: number): Promise<void>;
}

interface Queued {
  readonly record: CallRecord;
  readonly shape: Shape;
  readonly row: string;
  readonly notes: readonly Note[];
  readonly nodeId: string;
  readonly hold: Settled | undefined;
}

/** Begins the lines of calls under way, of finished ones (before the row, the node where it is not the heading's), and of shapes. */
export const LINES = { node: "N", shape: SHAPE_LINE, open: "O", finished: "R" } as const;

/** A recorder over an open database and an open journal. */
export function createRecorder(settings: {
  sql: Pick<SQL, "unsafe">;
  journal: Journal;
  /** The node that leases are in the name of, for calls without a hold. */
  nodeId: () => string;
  onError: (error: unknown, queued: number) => void;
  /** Only for tests: how long it collects, and how long it waits after a failure at first. */
  timing?: { readonly flushAfterMs: number; readonly retryMs: number };
}): Recorder {
  const { sql, journal } = settings;
  const { flushAfterMs, retryMs: retryMinMs } = settings.timing ?? {
    flushAfterMs: FLUSH_AFTER_MS,
    retryMs: RETRY_MIN_MS,
  };
  const queue = new Map<string, Queued>();
  const shapeOf = createShapes();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let writing = false;
  let retryMs = retryMinMs;
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
      await write(sql, batch);
      for (const one of batch) finish(one);
      retryMs = retryMinMs;
      batchSize = Math.min(MAX_BATCH, batchSize * 2);
      writing = false;
      schedule(queue.size >= batchSize ? 0 : flushAfterMs);
    } catch (error) {
      settings.onError(error, queue.size);
      setAside(batch);
      writing = false;
      schedule(retryMs);
      retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
    }
  }

  function finish({ record, notes, hold }: Queued): void {
    queue.delete(record.id);
    hold?.written();
    for (const note of notes) journal.done(note);
  }

  /** Should one record be what the database refuses, the others are written around it: in halves, it goes to the end. */
  function setAside(batch: readonly Queued[]): void {
    batchSize = Math.max(1, batch.length >> 1);
    const [only] = batch;
    if (batch.length > 1 || !only) return;
    queue.delete(only.record.id);
    queue.set(only.record.id, only);
  }

  /** Undefined when the journal has no room: what has happened is then in memory only, until it is written. */
  function note(kind: string, row: string, shape: Shape): Note | undefined {
    try {
      return journal.note(kind + row, shape);
    } catch (error) {
      settings.onError(error, queue.size);
      return undefined;
    }
  }

  return {
    open(record) {
      const shape = shapeOf(record);
      try {
        return journal.note(LINES.open + rowText(shape.number, shape.served, record), shape);
      } catch (error) {
        if (error instanceof JournalFull) throw crowded(error);
        throw error;
      }
    },
    push(record, open, hold) {
      const shape = shapeOf(record);
      const row = rowText(shape.number, shape.served, record);
      const present = settings.nodeId();
      const nodeId = hold?.nodeId ?? present;
      // A call may outlive the node that its money was leased to.
      const closing = note(nodeId === present ? LINES.finished : LINES.finished + nodeId, row, shape);
      const notes = [open, closing].filter((one) => one !== undefined);
      queue.set(record.id, { record, shape, row, notes, hold, nodeId });
      schedule(flushAfterMs);
    },
    full: () => queue.size >= MAX_QUEUED || journal.full(),
    pending: (id) => queue.get(id)?.record,
    drain: (timeoutMs) => untilEmpty(queue, timeoutMs),
  };
}

function crowded(cause: JournalFull): GatewayError {
  return new GatewayError(
    "service_unavailable",
    "The gateway cannot take on more work at the moment. Try again shortly.",
    {
      detail: cause.message,
      retryAfterMs: 2000,
      cause,
    },
  );
}

async function untilEmpty(queue: ReadonlyMap<string, Queued>, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (queue.size > 0) {
    if (performance.now() > deadline) throw new Error(`${queue.size} usage records could not be written in time`);
    await Bun.sleep(5);
  }
}

/** The first of them, as long as they were held by one node. */
function first(values: Iterable<Queued>, count: number): Queued[] {
  const found: Queued[] = [];
  for (const value of values) {
    if (found.length === count || (found[0] && found[0].nodeId !== value.nodeId)) break;
    found.push(value);
  }
  return found;
}

async function write(sql: Pick<SQL, "unsafe">, batch: readonly Queued[]): Promise<void> {
  const shapes = new Set<Shape>();
  for (const { shape } of batch) shapes.add(shape);
  await writeCalls(
    sql,
    batch[0]?.nodeId ?? "",
    [...shapes].map((shape) => shape.line.slice(1)),
    batch.map(({ row }) => row),
  );
}

/** Writes rows and books them. Rows that are there already change nothing. */
export async function writeCalls(
  sql: Pick<SQL, "unsafe">,
  nodeId: string,
  shapes: readonly string[],
  rows: readonly string[],
): Promise<void> {
  await sql.unsafe(WRITE_CALLS, [`[${shapes.join(",")}]`, `[${rows.join(",")}]`, nodeId, Bun.randomUUIDv7()]);
}
