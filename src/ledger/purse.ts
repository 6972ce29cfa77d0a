/**
 * One account or limit as this node sees it: the slice leased from the books, and what running calls hold of it.
 * The wallet takes from it at once while the slice lasts; else calls wait here in line while the books are asked once for all.
 */
import { type Books, NodeGivenUp, type PurseSeed } from "./books.ts";

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
  /** How often the books had been asked before it came. */
  readonly asksBefore: number;
  resolve(taken: bigint | Lack): void;
  reject(error: unknown): void;
}

/** How long a purse waits, in milliseconds. */
export interface PurseTiming {
  /** For others to return what they don't use. */
  readonly recallMs: number;
  /** Between two questions whether they did. */
  readonly pollMs: number;
  /** For the database. */
  readonly askMs: number;
}

/** How many holds' worth of slice is asked for; it doubles with each question that comes soon after another. */
const MIN_SLICE = 8n;
const MAX_SLICE = 4096n;
const SOON_MS = 1000;
const MAX_WAITERS = 10_000;
/** What others return is asked for so often before a call is refused, also when this process was kept from asking for a while. */
const MIN_ASKS = 5;
/** The columns are bigint; nothing that can be held comes near this. */
const MAX_AMOUNT = 2n ** 62n;

export class Purse {
  readonly id: string;
  /** When something was last taken. */
  usedAtMs: number;
  #limit: bigint | null;
  /** Leased to this node, as far as the database has not been told of its use. */
  #granted = 0n;
  #held = 0n;
  /** Posted, not yet in the database. */
  #unsettled = 0n;
  /** Not to be used: it was leased under a limit that is lower now. */
  #surplus = 0n;
  /** On its way back to the books. */
  #returning = 0n;
  #slice = MIN_SLICE;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #serving = false;
  #opened: boolean;
  /** How often the books were asked. */
  #asks = 0;
  /** Questions whose answer may still come, be it too late for those who waited. */
  #unanswered = 0;
  /** An answer was lost, and the books may have leased more than this node knows of. */
  #doubted = false;
  /** Counts what changes the lease. */
  #changes = 0;
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
    this.#limit = wish.limit;
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

  /** Nothing is leased, nobody waits, and nothing can still come. */
  isEmpty(): boolean {
    const leased = this.#granted !== 0n || this.#held !== 0n || this.#unsettled !== 0n || this.#isReturning();
    return !leased && this.#waiters.length === 0 && this.#unanswered === 0 && !this.#doubted;
  }

  #isReturning(): boolean {
    return this.#surplus !== 0n || this.#returning !== 0n;
  }

  /** The limit as it is now. What was leased under a higher one is used no longer; true when there is such to return. */
  limitTo(limit: bigint | null): boolean {
    if (limit === this.#limit) return false;
    const isLower = limit !== null && this.#limit !== null && limit < this.#limit;
    this.#limit = limit;
    this.#opened = limit === null;
    if (isLower) this.#putAside();
    return this.#surplus > 0n;
  }

  #putAside(): void {
    const free = this.#free();
    if (free <= 0n) return;
    this.#granted -= free;
    this.#surplus += free;
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
    this.#waiters.push({ wanted, least, sinceMs: this.usedAtMs, asksBefore: this.#asks, resolve, reject });
    if (!this.#serving) void this.#serve();
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
    this.#changes++;
    this.#granted -= cost;
    this.#unsettled -= cost;
  }

  /** Something is leased that may not be used. */
  hasSurplus(): boolean {
    return this.#surplus > 0n;
  }

  /**
   * Takes what nobody uses out of the slice, to be returned to the books; `returned` says that they have it. That is also
   * what is too little for the call that waits here: two nodes with half of what a call needs would keep it from each other.
   */
  withdrawIdle(): bigint {
    const idle = this.#free();
    const [head] = this.#waiters;
    // A question under way counts on what is idle.
    const isTooLittle = head !== undefined && idle < head.least && this.#unanswered === 0;
    if (idle > 0n && (!head || isTooLittle)) {
      this.#putAside();
      this.#slice = MIN_SLICE;
    }
    const amount = this.#surplus;
    this.#surplus = 0n;
    this.#returning += amount;
    return amount;
  }

  /** The books have what was withdrawn. */
  returned(): void {
    this.#changes++;
    this.#returning = 0n;
  }

  /** An answer was lost, and the lease can be compared now: no other answer is to come, and the database knows of all use. */
  isDoubtful(): boolean {
    return this.#doubted && this.#unanswered === 0 && this.#unsettled === 0n && this.#returning === 0n;
  }

  /** Where the lease stood: what `correct` needs to know that nothing came between. */
  get changes(): number {
    return this.#changes;
  }

  /** The lease as the books had it when `changes` was read. */
  correct(leased: bigint, changes: number): void {
    if (changes !== this.#changes || !this.isDoubtful()) return;
    this.#granted = leased - this.#surplus;
    this.#doubted = false;
  }

  /** Serves the line until it is empty. One question to the books at a time, for all who wait. */
  async #serve(): Promise<void> {
    this.#serving = true;
    try {
      while (this.#waiters.length > 0) {
        this.#serveFree();
        if (this.#waiters.length > 0) await this.#ask();
      }
    } catch (error) {
      for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
    }
    this.#serving = false;
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
    if (!this.#opened) {
      this.#opened = true;
      await inTime(this.#books.openPurse(this.id, this.#seed), this.#timing.askMs).catch((error) => {
        this.#opened = false;
        throw error;
      });
    }
    const free = this.#free();
    let needed = -free;
    for (const { wanted } of this.#waiters) needed += wanted;
    const rest = head.least - free;
    const returning = this.#isReturning();
    const answer = await inTime(this.#lease(needed, rest > 0n ? rest : 0n, head.wanted), this.#timing.askMs);
    this.#serveFree();
    const [first] = this.#waiters;
    if (answer.granted >= needed || !first) return;
    const hasTime = this.#nowMs() - first.sinceMs < this.#timing.recallMs;
    const isPatient = hasTime || this.#asks - first.asksBefore < MIN_ASKS;
    if ((answer.elsewhere > 0n || returning) && isPatient) {
      await Bun.sleep(this.#timing.pollMs);
      return;
    }
    this.#settleForLess(answer.available - answer.granted);
  }

  /** An answer is counted when it arrives, even should that be too late for those who wait: it is leased from then on. */
  async #lease(needed: bigint, least: bigint, wanted: bigint) {
    const limit = this.#limit;
    const extra = this.#nextSlice() * wanted;
    const wish = { purse: this.id, limit, needed: bounded(needed), least: bounded(least), extra: bounded(extra) };
    this.#asks++;
    this.#unanswered++;
    try {
      const found = await this.#books.take(this.#nodeId, wish);
      this.#changes++;
      this.#granted += found.granted;
      if (limit !== null && this.#limit !== null && this.#limit < limit) this.#putAside();
      return found;
    } catch (error) {
      if (!(error instanceof NodeGivenUp)) this.#doubted = true;
      throw error;
    } finally {
      this.#unanswered--;
    }
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
}

function bounded(amount: bigint): bigint {
  return amount < MAX_AMOUNT ? amount : MAX_AMOUNT;
}

/** What the books answer, or an error when they take too long. The question goes on then. */
export async function inTime<T>(question: Promise<T>, limitMs: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("the books did not answer in time")), limitMs);
  try {
    return await Promise.race([question, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
