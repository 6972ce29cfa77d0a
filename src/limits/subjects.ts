/**
 * Everything that a node limits, by id, with the windows that its limits ask for; bounded, and forgetting the idle ones.
 * Both limiters look a call's windows up here before they decide.
 */
import type { RateSubject } from "./limiter.ts";
import { REQUESTS_PER_DAY, REQUESTS_PER_MINUTE, SlidingWindow, TOKENS_PER_MINUTE } from "./window.ts";

/**
 * So many subjects are remembered. One with a limit per minute and one per day took 0.8 KB when it was seldom used and
 * 1.9 KB when it was busy; the most is 6.5 KB, with three windows full of entries. Only when so many have called within
 * their windows is one forgotten that still counts: the longest unused of some, whose windows then begin anew.
 */
export const MAX_SUBJECTS = 100_000;
/** Remembered subjects that each new one makes us look at, so that the idle ones go without a sweep that stops all else. */
const LOOKS = 8;
/** A call may wait so long for Redis before its grant is noted. */
const IDLE_AFTER_MS = 60_000;

interface Remembered {
  usedMs: number;
  minute?: SlidingWindow;
  day?: SlidingWindow;
  tokens?: SlidingWindow;
}

export class Subjects {
  private readonly remembered = new Map<string, Remembered>();
  private readonly max: number;
  private hand = this.remembered.entries();

  constructor(max = MAX_SUBJECTS) {
    this.max = max;
  }

  get size(): number {
    return this.remembered.size;
  }

  /** The windows that these subjects' limits ask for, without what has fallen out of them by now. */
  windows(subjects: readonly RateSubject[], nowMs: number): SlidingWindow[] {
    const found: SlidingWindow[] = [];
    for (const { id, rpm, rpd, tpm } of subjects) {
      if (rpm === undefined && rpd === undefined && tpm === undefined) continue;
      const one = this.recall(id, nowMs);
      if (rpm !== undefined) {
        one.minute ??= new SlidingWindow(id, REQUESTS_PER_MINUTE);
        found.push(ready(one.minute, rpm, nowMs));
      }
      if (rpd !== undefined) {
        one.day ??= new SlidingWindow(id, REQUESTS_PER_DAY);
        found.push(ready(one.day, rpd, nowMs));
      }
      if (tpm !== undefined) {
        one.tokens ??= new SlidingWindow(id, TOKENS_PER_MINUTE);
        found.push(ready(one.tokens, tpm, nowMs));
      }
    }
    return found;
  }

  private recall(id: string, nowMs: number): Remembered {
    let one = this.remembered.get(id);
    if (!one) {
      this.forgetSome(nowMs);
      one = { usedMs: nowMs, minute: undefined, day: undefined, tokens: undefined };
      this.remembered.set(id, one);
    }
    one.usedMs = nowMs;
    return one;
  }

  private forgetSome(nowMs: number): void {
    let oldest: { id: string; usedMs: number } | undefined;
    for (let look = 0; look < LOOKS; look++) {
      let next = this.hand.next();
      if (next.done) {
        this.hand = this.remembered.entries();
        next = this.hand.next();
        if (next.done) return;
      }
      const [id, one] = next.value;
      if (isIdle(one, nowMs)) this.remembered.delete(id);
      else if (!oldest || one.usedMs < oldest.usedMs) oldest = { id, usedMs: one.usedMs };
    }
    if (this.remembered.size >= this.max && oldest) this.remembered.delete(oldest.id);
  }
}

function ready(window: SlidingWindow, limit: number, nowMs: number): SlidingWindow {
  window.limit = limit;
  window.expire(nowMs);
  return window;
}

function isIdle({ usedMs, minute, day, tokens }: Remembered, nowMs: number): boolean {
  return usedMs + IDLE_AFTER_MS <= nowMs && isEmpty(minute, nowMs) && isEmpty(day, nowMs) && isEmpty(tokens, nowMs);
}

function isEmpty(window: SlidingWindow | undefined, nowMs: number): boolean {
  window?.expire(nowMs);
  return window === undefined || window.total === 0;
}
