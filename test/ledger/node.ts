/**
 * A gateway's node in the simulation: the real wallet, recorder and journal over a real database, with faults on the way to it.
 * It can crash, which leaves its journal and its leases, and start again, which takes up what crashed ones left.
 */
import type { SQL } from "bun";
import { type Books, NodeGivenUp, openBooks } from "../../src/ledger/books.ts";
import { type BeatingWallet, openWallet } from "../../src/ledger/wallet.ts";
import { type Journal, type JournalFolder, openJournal, openJournalFolder } from "../../src/usage/journal.ts";
import { createRecorder, type Recorder } from "../../src/usage/recorder.ts";
import { replayJournal } from "../../src/usage/replay.ts";
import type { Fault } from "./steps.ts";

/** Long enough for what never happens by itself here. */
const NEVER_MS = 2 ** 30;
/** A dozen notes: sequences are short. */
const SEGMENT_BYTES = 16 * 1024;

/** A process of a node, from its start to its crash or close. */
export interface Process {
  readonly wallet: BeatingWallet;
  readonly recorder: Recorder;
  /** The ids it has had: more than one when it was given up. */
  readonly ids: string[];
  /** Given up by another; it has not noticed yet. */
  isGivenUp: boolean;
  /** An answer was lost: the books may have leased more than it knows of. */
  isFaulty: boolean;
  /** The key's limit as it knows it. */
  keyLimit: bigint | undefined;
  readonly isDead: boolean;
  /** Moves its clock. */
  wait(ms: number): void;
  /** How the wallet's next question to the books ends, but for so many before it. */
  fault(fault: Fault, after: number): void;
  /** Lets the recorder make one attempt to write; false when there is nothing to write. */
  write(fault: Fault): Promise<boolean>;
  /** Writes everything and ends in good order. */
  close(): Promise<void>;
  /** Ends at once. What was sent to the database may still take effect. */
  crash(): Promise<void>;
}

class Injected extends Error {
  override readonly name = "Injected";
}

/** The books, of which the next answer can be lost. */
function faultyBooks(books: Books, state: { fault: Fault; after: number; dead: boolean }): Books {
  const through = async <T>(ask: () => Promise<T>): Promise<T> => {
    if (state.dead) throw new Injected("the process is gone");
    const fault = state.after === 0 ? state.fault : "none";
    if (state.after === 0) state.fault = "none";
    else state.after--;
    if (fault === "before") throw new Injected("the question was lost");
    const answer = await ask();
    if (fault === "after") throw new Injected("the answer was lost");
    return answer;
  };
  return {
    ...books,
    register: (id) => through(() => books.register(id)),
    beat: (id) => through(() => books.beat(id)),
    take: (id, wish) => through(() => books.take(id, wish)),
    leases: (id, purses) => through(() => books.leases(id, purses)),
    giveBack: (id, amounts, number) => through(() => books.giveBack(id, amounts, number)),
    openPurse: (id, seed) => through(() => books.openPurse(id, seed)),
    giveUp: (silentMs, nodes) => through(() => books.giveUp(silentMs, nodes)),
  };
}

/** The recorder's way to the database: each attempt waits to be let through. */
class Gate {
  isDead = false;
  /** Records that are not written yet. */
  queued = 0;
  /** What no fault explains. */
  readonly failures: unknown[];
  readonly #sql: SQL;
  #waiting: ((fault: Fault) => void) | undefined;
  #done = Promise.resolve();

  constructor(sql: SQL, failures: unknown[]) {
    this.#sql = sql;
    this.failures = failures;
  }

  async unsafe(text: string, values: unknown[]): Promise<void> {
    const allowed = Promise.withResolvers<Fault>();
    const finished = Promise.withResolvers<void>();
    this.#waiting = allowed.resolve;
    this.#done = finished.promise;
    const fault = await allowed.promise;
    try {
      if (fault === "before") throw new Injected("the batch was lost");
      await this.#sql.unsafe(text, values);
      if (fault === "after") throw new Injected("the answer was lost");
    } catch (error) {
      if (!(error instanceof Injected)) this.failures.push(error);
      throw error;
    } finally {
      finished.resolve();
      if (this.isDead) await new Promise<never>(() => {});
    }
  }

  /** Lets one attempt through; false when there is nothing to write. */
  async pass(fault: Fault): Promise<boolean> {
    // The recorder comes by itself, a moment after there is something to write.
    while (this.queued > 0 && !this.#waiting && !this.isDead) await turn();
    const waiting = this.#waiting;
    if (!waiting || this.isDead) return false;
    this.#waiting = undefined;
    waiting(fault);
    await this.#done;
    await turn();
    return true;
  }

  /** Counts what is pushed and not written yet. */
  count(recorder: Recorder): Recorder {
    return {
      ...recorder,
      push: (record, open, hold) => {
        this.queued++;
        const written = () => {
          this.queued--;
          hold?.written();
        };
        recorder.push(record, open, hold && { nodeId: hold.nodeId, written });
      },
    };
  }
}

/** Where a process runs, and what it shares with the others of its sequence. */
export interface Place {
  readonly sql: SQL;
  readonly dataDir: string;
  /** How long its calls wait for what others return. */
  readonly recallMs: number;
  /** Where errors go that no fault explains. */
  readonly failures: unknown[];
}

/** Starts a process, unless it is `cut`: then it dies while it takes up what others left. */
export async function startProcess({ sql, dataDir, recallMs, failures }: Place, cut: boolean) {
  const books = openBooks(sql);
  const folder = openJournalFolder(dataDir);
  try {
    await takeUp(sql, books, folder, cut);
  } catch (error) {
    folder.release();
    if (error instanceof Injected) return undefined;
    throw error;
  }
  const state = { fault: "none" as Fault, after: 0, dead: false, nowMs: 1_000_000 };
  const onError = (error: unknown) => {
    if (!(error instanceof Injected || error instanceof NodeGivenUp)) failures.push(error);
  };
  const wallet = await openWallet({
    books: faultyBooks(books, state),
    nowMs: () => ++state.nowMs,
    onError,
    timing: { beatMs: NEVER_MS, giveUpMs: NEVER_MS, recallMs, pollMs: 1 },
  });
  const journal = openJournal(folder.directory, () => `N${wallet.nodeId}`, SEGMENT_BYTES);
  const line = new Gate(sql, failures);
  const timing = { flushAfterMs: 0, retryMs: 0 };
  const nodeId = () => wallet.nodeId;
  const recorder = createRecorder({ sql: line as unknown as SQL, journal, nodeId, onError, timing });
  return processOf({ wallet, recorder: line.count(recorder), line, state, journal, folder });
}

function processOf(parts: {
  wallet: BeatingWallet;
  recorder: Recorder;
  line: Gate;
  state: { fault: Fault; after: number; dead: boolean; nowMs: number };
  journal: Journal;
  folder: JournalFolder;
}): Process {
  const { wallet, recorder, line, state, journal, folder } = parts;
  return {
    wallet,
    recorder,
    ids: [wallet.nodeId],
    isGivenUp: false,
    isFaulty: false,
    keyLimit: undefined,
    get isDead() {
      return state.dead;
    },
    wait(ms) {
      state.nowMs += ms;
    },
    fault: (fault, after) => void Object.assign(state, { fault, after }),
    write: (fault) => line.pass(fault),
    async close() {
      while (await line.pass("none"));
      await wallet.close();
      journal.close();
      folder.release();
    },
    async crash() {
      state.dead = true;
      line.isDead = true;
      folder.release();
      await wallet.close();
    },
  };
}

/** As a start does it. */
async function takeUp(sql: SQL, books: Books, folder: JournalFolder, cut: boolean): Promise<void> {
  const line = {
    async unsafe(text: string, values: unknown[]) {
      const rows = await sql.unsafe(text, values);
      if (cut) throw new Injected("the process was killed");
      return rows;
    },
  } as unknown as SQL;
  const { nodes } = await replayJournal(line, folder.left);
  await books.giveUp(NEVER_MS, nodes);
  folder.forget();
}

/** A turn of the event loop: timers that are due have run. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
