/**
 * One sliding window in memory: what was taken, in entries that fall out when they are a window's length old.
 * `memory.ts` decides with these, and with Redis they keep a node's own share warm; `scripts.ts` says the same in Lua.
 */
import type { RateWindow } from "./limiter.ts";

export interface WindowKind extends RateWindow {
  /** Ends the window's name in Redis. */
  readonly suffix: string;
  readonly lengthMs: number;
  /** What is taken within so long falls out together, where the limit is above `EXACT_UP_TO`. */
  readonly bucketMs: number;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

export const REQUESTS_PER_MINUTE: WindowKind = {
  window: "minute",
  what: "requests",
  suffix: ":rpm",
  lengthMs: MINUTE_MS,
  bucketMs: 1000,
};
export const REQUESTS_PER_DAY: WindowKind = {
  window: "day",
  what: "requests",
  suffix: ":rpd",
  lengthMs: DAY_MS,
  bucketMs: 900_000,
};
export const TOKENS_PER_MINUTE: WindowKind = { ...REQUESTS_PER_MINUTE, what: "tokens", suffix: ":tpm" };

/** Up to this limit every grant has an entry of its own, and waits are exact to the millisecond. */
export const EXACT_UP_TO = 64;
/** Entries of one window. Both the exact ones and the 97 buckets of a day fit; what does not shares the last entry. */
export const MAX_ENTRIES = 128;

const FIRST_CELLS = 8;
const MAX_CELLS = 2 * MAX_ENTRIES;

/**
 * Counts conservatively: an entry bears the last millisecond of its bucket and counts whole until that millisecond is a
 * window's length ago. So no interval of that length ever holds more than was counted. Times must not go back.
 */
export class SlidingWindow {
  readonly id: string;
  readonly kind: WindowKind;
  /** As the subject said it last. */
  limit = 0;
  /** The sum of the entries. */
  total = 0;
  /** Pairs of an entry's moment and its amount, in order of time, from `head` until before `tail`. */
  private cells = new Float64Array(FIRST_CELLS);
  private head = 0;
  private tail = 0;
  /** Everything until this moment has fallen out. */
  private outMs = Number.NEGATIVE_INFINITY;

  constructor(id: string, kind: WindowKind) {
    this.id = id;
    this.kind = kind;
  }

  /** Lets go of what has fallen out by now. */
  expire(nowMs: number): void {
    const { cells, tail } = this;
    const last = nowMs - this.kind.lengthMs;
    while (this.head < tail && cells[this.head]! <= last) {
      this.outMs = cells[this.head]!;
      this.total -= cells[this.head + 1]!;
      this.head += 2;
    }
    if (this.head === tail) {
      this.head = 0;
      this.tail = 0;
    }
  }

  /** Notes an amount, whether or not there is room. */
  add(nowMs: number, amount: number): void {
    this.total += amount;
    if (this.tail > this.head && this.cells[this.tail - 2]! >= nowMs) {
      this.cells[this.tail - 1]! += amount;
      return;
    }
    const bucketMs = this.limit <= EXACT_UP_TO ? 1 : this.kind.bucketMs;
    const stamp = (Math.floor(nowMs / bucketMs) + 1) * bucketMs - 1;
    if (this.tail === this.cells.length && !this.makeRoom()) {
      this.cells[this.tail - 2] = stamp;
      this.cells[this.tail - 1]! += amount;
      return;
    }
    this.cells[this.tail] = stamp;
    this.cells[this.tail + 1] = amount;
    this.tail += 2;
  }

  /** Changes what was noted at `atMs` by so much, which may be negative. What has fallen out since stays out. */
  adjust(atMs: number, change: number): void {
    if (atMs <= this.outMs) return;
    const { cells } = this;
    let at = this.head;
    while (at < this.tail && cells[at]! < atMs) at += 2;
    if (change >= 0) {
      if (at === this.tail) return;
      cells[at + 1]! += change;
      this.total += change;
      return;
    }
    let left = -change;
    while (left > 0 && at < this.tail) {
      const part = Math.min(left, cells[at + 1]!);
      left -= part;
      this.total -= part;
      cells[at + 1]! -= part;
      if (cells[at + 1] === 0) {
        cells.copyWithin(at, at + 2, this.tail);
        this.tail -= 2;
      } else at += 2;
    }
  }

  /** How long until at least this amount has fallen out. Expire first. */
  waitFor(nowMs: number, amount: number): number {
    let left = amount;
    for (let at = this.head; at < this.tail; at += 2) {
      left -= this.cells[at + 1]!;
      if (left <= 0) return this.cells[at]! + this.kind.lengthMs - nowMs;
    }
    return this.kind.lengthMs;
  }

  /** How long until everything has fallen out. Expire first. */
  resetMs(nowMs: number): number {
    return this.tail === this.head ? 0 : this.cells[this.tail - 2]! + this.kind.lengthMs - nowMs;
  }

  /** Whether there is now room for another entry. */
  private makeRoom(): boolean {
    const { cells, head, tail } = this;
    if (head > 0 && (head >= tail / 2 || cells.length === MAX_CELLS)) {
      cells.copyWithin(0, head, tail);
    } else {
      if (cells.length === MAX_CELLS) return false;
      this.cells = new Float64Array(cells.length * 2);
      this.cells.set(cells.subarray(head, tail));
    }
    this.head = 0;
    this.tail = tail - head;
    return true;
  }
}
