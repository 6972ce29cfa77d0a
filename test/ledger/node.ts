/**
 * A gateway's node in the simulation: the real wallet, recorder and journal over a real database, with faults on the way to it.
 * It can crash, which leaves its journal and its leases, and start again, which takes up what crashed ones left.
 */
import type { SQL } from "bun";
import { type Books, openBooks } from "../../src/ledger/books.ts";
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
function gate(sql: SQL) {
  const state = {
    dead: false,
    waiting: undefined as ((fault: Fault) => void) | undefined,
    done: Promise.resolve(),
    failures: [] as unknown[],
  };
  const never = () => new Promise<never>(() => {});
  const line = {
    async unsafe(text: string, values: unknown[]) {
      const allowed = Promise.withResolvers<Fault>();
      const finished = Promise.withResolvers<void>();
      state.waiting = allowed.resolve;
      state.done = finished.promise;
      const fault = await allowed.promise;
      try {
        if (fault === "before") throw new Injected("the batch was lost");
        await sql.unsafe(text, values);
        if (fault === "after") throw new Injected("the answer was lost");
      } catch (error) {
        if (!(error instanceof Injected)) state.failures.push(error);
        throw error;
      } finally {
        finished.resolve();
        if (state.dead) await never();
      }
    },
  };
  return Object.assign(state, { line: line as unknown as SQL });
}

/** Starts a node on the folder that all of a sequence share. `cut`: it dies while it takes up what others left. */
export async function startProcess(
  sql: SQL,
  dataDir: string,
  recallMs: number,
  failures: unknown[],
  cut: boolean,
): Promise<Process | undefined> {
  const books = openBooks(sql);
  const folder = openJournalFolder(dataDir);
  try {
    await takeUp(sql, books, folder, cut);
  } catch (error) {
    folder.release();
    if (error instanceof Injected) return undefined;
    throw error;
  }
  let nowMs = 1_000_000;
  const state = { fault: "none" as Fault, after: 0, dead: false };
  const onError = (error: unknown) => {
    if (!(error instanceof Injected) && (error as Error).name !== "NodeGivenUp") failures.push(error);
  };
  const wallet = await openWallet({
    books: faultyBooks(books, state),
    nowMs: () => {
      nowMs += 1;
      return nowMs;
    },
    onError,
    timing: { beatMs: NEVER_MS, giveUpMs: NEVER_MS, recallMs, pollMs: 1 },
  });
  const ids = [wallet.nodeId];
  const journal = openJournal(folder.directory, () => `N${wallet.nodeId}`, SEGMENT_BYTES);
  const line = gate(sql);
  const recorder = createRecorder({
    sql: line.line,
    journal,
    nodeId: () => wallet.nodeId,
    onError,
    timing: { flushAfterMs: 0, retryMs: 0 },
  });
  let queued = 0;
  const counted: Recorder = {
    ...recorder,
    push(record, open, hold) {
      queued++;
      recorder.push(record, open, {
        nodeId: hold?.nodeId ?? wallet.nodeId,
        written() {
          queued--;
          hold?.written();
        },
      });
    },
  };
  const write = async (fault: Fault) => {
    // The recorder comes by itself, a moment after there is something to write.
    while (queued > 0 && !line.waiting && !line.dead) await turn();
    const { waiting } = line;
    if (!waiting || line.dead) return false;
    line.waiting = undefined;
    waiting(fault);
    await line.done;
    await turn();
    failures.push(...line.failures.splice(0));
    return true;
  };
  return {
    wallet,
    recorder: counted,
    ids,
    isGivenUp: false,
    isFaulty: false,
    keyLimit: undefined,
    get isDead() {
      return state.dead;
    },
    wait: (ms) => {
      nowMs += ms;
    },
    fault: (fault, after) => {
      Object.assign(state, { fault, after });
    },
    write,
    close: () =>
      end(
        async () => {
          while (await write("none"));
          await wallet.close();
        },
        journal,
        folder,
      ),
    async crash() {
      state.dead = true;
      line.dead = true;
      folder.release();
      await wallet.close();
    },
  };
}

async function end(last: () => Promise<void>, journal: Journal, folder: JournalFolder): Promise<void> {
  await last();
  journal.close();
  folder.release();
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
