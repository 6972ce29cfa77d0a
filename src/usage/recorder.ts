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
  /**
   * Notes what a call will come to if nothing follows, in place of `open`: its caller is about to be given what may be the
   * end. A start after a crash books that. Never throws; without room the earlier note stands.
   */
  foresee(record: CallRecord, open?: OpenNote, hold?: Pick<Settled, "nodeId">): OpenNote | undefined;
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

/**
 * Begins the lines of calls under way, of those that are all but finished and of finished ones (before the row of these two,
 * the node where it is not the heading's), and of shapes.
 */
export const LINES = { node: "N", shape: SHAPE_LINE, open: "O", foreseen: "F", finished: "R" } as const;

/** What a recorder works with. */
export interface RecorderSettings {
  readonly sql: Pick<SQL, "unsafe">;
  readonly journal: Journal;
  /** The node that leases are in the name of, for calls without a hold. */
  readonly nodeId: () => string;
  readonly onError: (error: unknown, queued: number) => void;
  /** Only for tests: how long it collects, and how long it waits after a failure at first. */
  readonly timing?: { readonly flushAfterMs: number; readonly retryMs: number };
}

/** A recorder over an open database and an open journal. */
export function createRecorder(settings: RecorderSettings): Recorder {
  const { journal, nodeId, onError } = settings;
  const shapeOf = createShapes();
  const writer = new BatchWriter(settings);

  /** Undefined when the journal has no room: what has happened is then in memory only, until it is written. */
  function note(line: string, shape: Shape): Note | undefined {
    try {
      return journal.note(line, shape);
    } catch (error) {
      onError(error, writer.queue.size);
      return undefined;
    }
  }

  /** What was noted of a call that comes to something, in the name of the node that its money was leased to. */
  function noteEnd(kind: string, row: string, shape: Shape, own: string): Note | undefined {
    // A call may outlive the node that its money was leased to.
    return note(own === nodeId() ? kind + row : kind + own + row, shape);
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
    foresee(record, open, hold) {
      const shape = shapeOf(record);
      const row = rowText(shape.number, shape.served, record);
      const next = noteEnd(LINES.foreseen, row, shape, hold?.nodeId ?? nodeId());
      if (!next) return open;
      if (open) journal.done(open);
      return next;
    },
    push(record, open, hold) {
      const shape = shapeOf(record);
      const row = rowText(shape.number, shape.served, record);
      const own = hold?.nodeId ?? nodeId();
      const closing = noteEnd(LINES.finished, row, shape, own);
      const notes = [open, closing].filter((one) => one !== undefined);
      writer.add({ record, shape, row, notes, hold, nodeId: own });
    },
    full: () => writer.queue.size >= MAX_QUEUED || journal.full(),
    pending: (id) => writer.queue.get(id)?.record,
    drain: (timeoutMs) => untilEmpty(writer.queue, timeoutMs),
  };
}

/** Writes what is queued, batch after batch, for as long as it takes. */
class BatchWriter {
  readonly queue = new Map<string, Queued>();
  readonly #settings: RecorderSettings;
  readonly #flushAfterMs: number;
  readonly #retryMinMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing = false;
  #retryMs: number;
  #batchSize = MAX_BATCH;

  constructor(settings: RecorderSettings) {
    this.#settings = settings;
    this.#flushAfterMs = settings.timing?.flushAfterMs ?? FLUSH_AFTER_MS;
    this.#retryMinMs = settings.timing?.retryMs ?? RETRY_MIN_MS;
    this.#retryMs = this.#retryMinMs;
  }

  add(one: Queued): void {
    this.queue.set(one.record.id, one);
    this.#schedule(this.#flushAfterMs);
  }

  #schedule(delayMs: number): void {
    if (this.#timer || this.#writing || this.queue.size === 0) return;
    this.#timer = setTimeout(() => void this.#flush(), delayMs);
  }

  async #flush(): Promise<void> {
    this.#timer = undefined;
    this.#writing = true;
    const batch = first(this.queue.values(), this.#batchSize);
    try {
      await write(this.#settings.sql, batch);
      for (const one of batch) this.#finish(one);
      this.#retryMs = this.#retryMinMs;
      this.#batchSize = Math.min(MAX_BATCH, this.#batchSize * 2);
      this.#writing = false;
      this.#schedule(this.queue.size >= this.#batchSize ? 0 : this.#flushAfterMs);
    } catch (error) {
      this.#settings.onError(error, this.queue.size);
      this.#setAside(batch);
      this.#writing = false;
      this.#schedule(this.#retryMs);
      this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    }
  }

  #finish({ record, notes, hold }: Queued): void {
    this.queue.delete(record.id);
    hold?.written();
    for (const note of notes) this.#settings.journal.done(note);
  }

  /** Should one record be what the database refuses, the others are written around it: in halves, it goes to the end. */
  #setAside(batch: readonly Queued[]): void {
    this.#batchSize = Math.max(1, batch.length >> 1);
    const [only] = batch;
    if (batch.length > 1 || !only) return;
    this.queue.delete(only.record.id);
    this.queue.set(only.record.id, only);
  }
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
