/**
 * One account or limit as this node sees it: the slice leased from the books, and what running calls hold of it.
 * The wallet takes from it at once while the slice lasts; else calls wait here in line while the books are asked once for all.
 */
import type { Books, PurseSeed } from "./books.ts";

/** An amount taken from a purse. */
export interface Grant {
  readonly purse: Purse;
  amount: bigint;
}

/** What was left, which was not enough. */
export interface Lack {
  readonly available: bigint;
}

interface Waiter {
  readonly wanted: bigint;
  readonly least: bigint;
  readonly sinceMs: number;
  resolve(taken: bigint | Lack): void;
  reject(error: unknown): void;
}

interface PurseTiming {
  readonly recallMs: number;
  readonly askMs: number;
}

/** Between two questions for what others were asked to return. */
const RECALL_POLL_MS = 200;
/** How many holds' worth of slice is asked for; it doubles with each question that comes soon after another. */
const MIN_SLICE = 8n;
const MAX_SLICE = 4096n;
const SOON_MS = 1000;
const MAX_WAITERS = 10_000;

export class Purse {
  readonly id: string;
  limit: bigint | null;
  /** When something was last taken. */
  usedAtMs: number;
  /** Leased to this node, as far as the database has not been told of its use. */
  #granted = 0n;
  #held = 0n;
  /** Posted, not yet in the database. */
  #unsettled = 0n;
  #slice = MIN_SLICE;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #asking = false;
  #opened: boolean;
  readonly #waiters: Waiter[] = [];
  readonly #seed: PurseSeed;
  readonly #nodeId: string;
  readonly #books: Books;
  readonly #nowMs: () => number;
  readonly #timing: PurseTiming;

  constructor(
    wish: { readonly id: string; readonly limit: bigint | null; readonly seed?: PurseSeed },
    nodeId: string,
    settings: { readonly books: Books; readonly nowMs: () => number },
    timing: PurseTiming,
  ) {
    this.id = wish.id;
    this.limit = wish.limit;
    this.#seed = wish.seed ?? {};
    this.#opened = wish.limit === null;
    this.#nodeId = nodeId;
    this.#books = settings.books;
    this.#nowMs = settings.nowMs;
    this.#timing = timing;
    this.usedAtMs = settings.nowMs();
  }

  #free(): bigint {
    return this.#granted - this.#held - this.#unsettled;
  }

  /** Nothing is leased and nobody waits. */
  isEmpty(): boolean {
    return this.#granted === 0n && this.#held === 0n && this.#unsettled === 0n && this.#waiters.length === 0;
  }

  /** True when the slice had it and nobody waits in line. */
  takeNow(amount: bigint): boolean {
    if (this.#waiters.length > 0 || this.#free() < amount) return false;
    this.#held += amount;
    this.usedAtMs = this.#nowMs();
    return true;
  }

  /** What was taken: `wanted`, or what there is when that is at least `least`; else what was available. Rejects when the books can't be asked. */
  take(wanted: bigint, least: bigint): Promise<bigint | Lack> {
    if (this.takeNow(wanted)) return Promise.resolve(wanted);
    if (this.#waiters.length >= MAX_WAITERS) return Promise.reject(new Error("too many calls wait for the books"));
    const { promise, resolve, reject } = Promise.withResolvers<bigint | Lack>();
    this.usedAtMs = this.#nowMs();
    this.#waiters.push({ wanted, least, sinceMs: this.usedAtMs, resolve, reject });
    if (!this.#asking) void this.#serve();
    return promise;
  }

  /** Held, but not needed after all. */
  release(amount: bigint): void {
    this.#held -= amount;
  }

  /** A hold ends with this cost. */
  spend(held: bigint, cost: bigint): void {
    this.#held -= held;
    this.#unsettled += cost;
  }

  /** The database has it. */
  settled(cost: bigint): void {
    this.#granted -= cost;
    this.#unsettled -= cost;
  }

  /** Takes what nobody uses out of the slice, to be returned to the books. */
  withdrawIdle(): bigint {
    const idle = this.#free();
    if (idle <= 0n || this.#waiters.length > 0) return 0n;
    this.#granted -= idle;
    this.#slice = MIN_SLICE;
    return idle;
  }

  /** Serves the line until it is empty. One question to the books at a time, for all who wait. */
  async #serve(): Promise<void> {
    this.#asking = true;
    try {
      while (this.#waiters.length > 0) {
        this.#serveFree();
        if (this.#waiters.length > 0) await this.#ask();
      }
    } catch (error) {
      for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
    }
    this.#asking = false;
  }

  /** In order, as far as the slice goes. */
  #serveFree(): void {
    let served = 0;
    for (const { wanted, resolve } of this.#waiters) {
      if (this.#free() < wanted) break;
      this.#held += wanted;
      served++;
      resolve(wanted);
    }
    if (served > 0) this.#waiters.splice(0, served);
  }

  async #ask(): Promise<void> {
    const [head] = this.#waiters;
    if (!head) return;
    const free = this.#free();
    let needed = -free;
    for (const { wanted } of this.#waiters) needed += wanted;
    const rest = head.least - free;
    const least = rest > 0n ? rest : 0n;
    if (!this.#opened) await this.#inTime(this.#books.openPurse(this.id, this.#seed));
    this.#opened = true;
    const wish = { purse: this.id, limit: this.limit, needed, least, extra: this.#nextSlice() * head.wanted };
    // Counted when it arrives, even should that be too late for those who wait: it is leased from then on.
    const asked = this.#books.take(this.#nodeId, wish).then((found) => {
      this.#granted += found.granted;
      return found;
    });
    const answer = await this.#inTime(asked);
    this.#serveFree();
    const [first] = this.#waiters;
    if (answer.granted >= needed || !first) return;
    if (answer.elsewhere > 0n && this.#nowMs() - first.sinceMs < this.#timing.recallMs) {
      await Bun.sleep(RECALL_POLL_MS);
      return;
    }
    this.#settleForLess(answer.available - answer.granted);
  }

  /** Nothing more is to be had: whoever can do with what is left takes it, the others are told what was there. */
  #settleForLess(unleased: bigint): void {
    const asked = this.#waiters.splice(0);
    for (const waiter of asked) {
      const free = this.#free();
      if (free > 0n && free >= waiter.least) {
        const taken = free < waiter.wanted ? free : waiter.wanted;
        this.#held += taken;
        waiter.resolve(taken);
      } else if (free + unleased >= waiter.least && free + unleased > 0n) {
        // Enough is there for this one alone, though not for all who asked.
        this.#waiters.push(waiter);
      } else waiter.resolve({ available: free + unleased });
    }
  }

  #nextSlice(): bigint {
    const nowMs = this.#nowMs();
    const soon = nowMs - this.#askedAtMs < SOON_MS;
    this.#askedAtMs = nowMs;
    if (soon && this.#slice < MAX_SLICE) this.#slice *= 2n;
    return this.#slice;
  }

  async #inTime<T>(question: Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error("the books did not answer in time")), this.#timing.askMs);
    try {
      return await Promise.race([question, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}
