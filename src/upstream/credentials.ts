/**
 * Which of a provider's keys the next call is made with: by weight in turn, those that rest or were refused left out.
 * Attempts pick here and tell how it went; a node's own view, in memory.
 */

/** A key as configured: its place in the provider's list. */
export type KeyIndex = number;

export interface KeyState {
  readonly index: KeyIndex;
  /** `refused`: the provider does not take it; a call tries it again when its rest is over. */
  readonly state: "ready" | "resting" | "refused";
  readonly untilMs: number | undefined;
}

export interface CredentialPool {
  /** The key for the next call. `except`: one that has just failed. Undefined when there is no key, or only that one is ready. */
  pick(except?: KeyIndex): KeyIndex | undefined;
  /** The provider took it. */
  worked(index: KeyIndex): void;
  /** 401, 402, 403: out until its rest is over, which gets longer each time. */
  refused(index: KeyIndex): void;
  /** 429: rests for as long as the provider says. */
  limited(index: KeyIndex, restMs: number | undefined): void;
  /** Puts a key back by hand. */
  reset(index: KeyIndex): void;
  states(): KeyState[];
}

const FIRST_REFUSAL_MS = 60_000;
const LONGEST_REFUSAL_MS = 3_600_000;
const USUAL_LIMIT_MS = 10_000;
const LONGEST_LIMIT_MS = 3_600_000;

interface Key {
  readonly weight: number;
  /** Smooth weighted turns: the key with the most is next, and pays for its turn. */
  turn: number;
  state: KeyState["state"];
  untilMs: number;
  refusalMs: number;
}

/** A pool over so many keys as there are weights; a weight of 0 is a reserve, used when no other is ready. */
export function createCredentialPool(weights: readonly number[], nowMs: () => number): CredentialPool {
  return new Pool(weights, nowMs);
}

class Pool implements CredentialPool {
  readonly #keys: readonly Key[];
  readonly #nowMs: () => number;

  constructor(weights: readonly number[], nowMs: () => number) {
    this.#keys = weights.map((weight) => ({
      weight,
      turn: 0,
      state: "ready",
      untilMs: 0,
      refusalMs: FIRST_REFUSAL_MS,
    }));
    this.#nowMs = nowMs;
  }

  pick(except?: KeyIndex): KeyIndex | undefined {
    const keys = this.#keys;
    if (keys.length === 1) return except === 0 ? undefined : 0;
    const ready = keys.flatMap((key, index) => (index !== except && this.#isReady(key) ? [index] : []));
    const weighty = ready.filter((index) => keys[index]!.weight > 0);
    const found = this.#next(weighty.length > 0 ? weighty : ready);
    if (found !== undefined || except !== undefined) return found;
    // All rest: the one that is ready soonest is asked rather than nobody, so that the provider has the last word.
    return keys.reduce<KeyIndex | undefined>(
      (soonest, key, index) => (soonest === undefined || key.untilMs < keys[soonest]!.untilMs ? index : soonest),
      undefined,
    );
  }

  worked(index: KeyIndex): void {
    this.reset(index);
  }

  refused(index: KeyIndex): void {
    const key = this.#keys[index];
    if (!key) return;
    this.#rest(key, "refused", key.refusalMs);
    key.refusalMs = Math.min(key.refusalMs * 2, LONGEST_REFUSAL_MS);
  }

  limited(index: KeyIndex, restMs = USUAL_LIMIT_MS): void {
    const key = this.#keys[index];
    if (key) this.#rest(key, "resting", Math.min(Math.max(0, restMs), LONGEST_LIMIT_MS));
  }

  reset(index: KeyIndex): void {
    const key = this.#keys[index];
    if (key) Object.assign(key, { state: "ready", refusalMs: FIRST_REFUSAL_MS });
  }

  states(): KeyState[] {
    return this.#keys.map((key, index) => {
      const ready = this.#isReady(key);
      return { index, state: ready ? "ready" : key.state, untilMs: ready ? undefined : key.untilMs };
    });
  }

  #isReady(key: Key): boolean {
    return key.state === "ready" || this.#nowMs() >= key.untilMs;
  }

  /** The key whose turn it is among these. */
  #next(among: readonly KeyIndex[]): KeyIndex | undefined {
    let total = 0;
    let best: KeyIndex | undefined;
    for (const index of among) {
      const key = this.#keys[index]!;
      key.turn += key.weight;
      total += key.weight;
      if (best === undefined || key.turn > this.#keys[best]!.turn) best = index;
    }
    if (best !== undefined) this.#keys[best]!.turn -= total;
    return best;
  }

  #rest(key: Key, state: "resting" | "refused", ms: number): void {
    key.state = state;
    key.untilMs = this.#nowMs() + ms;
  }
}
