/**
 * The simulated provider's own account of every call it accepted.
 * Checks compare it with what a gateway has charged; it is kept in memory and, if wished, appended to a file.
 */
import { createWriteStream, type WriteStream } from "node:fs";
import type { Usage } from "./plan.ts";

/** One accepted call. While it runs, `finished` and `aborted` are both false. */
export interface JournalEntry {
  /** The `x-request-id` that came with the call. */
  id: string | null;
  /** When it was accepted: ISO 8601. */
  time: string;
  path: string;
  model: string | null;
  streamed: boolean;
  /** 0 until it was answered. */
  status: number;
  bytesIn: number;
  bytesOut: number;
  /** What the provider charges: of a stream that was left, only what was sent of the output. Null when nothing. */
  usage: Usage | null;
  aborted: boolean;
  finished: boolean;
}

/** Keeps entries, newest last. */
export interface Journal {
  open(entry: JournalEntry): void;
  /** Writes the entry's line to the file; call it once, when the call has ended. */
  close(entry: JournalEntry): void;
  entries(): JournalEntry[];
  clear(): void;
  /** Resolves when the file holds everything. */
  stop(): Promise<void>;
}

/** How many entries memory holds. */
const MAX_ENTRIES = 100_000;
const TRIM_BY = 10_000;

/** A journal in memory, and in `file` when one is named. */
export function createJournal(file: string | undefined): Journal {
  let entries: JournalEntry[] = [];
  const out: WriteStream | undefined = file === undefined ? undefined : createWriteStream(file, { flags: "a" });
  return {
    open(entry) {
      entries.push(entry);
      if (entries.length >= MAX_ENTRIES + TRIM_BY) entries = entries.slice(-MAX_ENTRIES);
    },
    close(entry) {
      out?.write(`${JSON.stringify(entry)}\n`);
    },
    entries: () => entries.slice(-MAX_ENTRIES),
    clear() {
      entries = [];
    },
    stop: () =>
      new Promise((resolve) => {
        if (out === undefined) resolve();
        else out.end(() => resolve());
      }),
  };
}
