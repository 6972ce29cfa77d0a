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
  const keys = weights.map(
    (weight): Key => ({ weight, turn: 0, state: "ready", untilMs: 0, refusalMs: FIRST_REFUSAL_MS }),
  );

  function isReady(key: Key): boolean {
    return key.state === "ready" || nowMs() >= key.untilMs;
  }

  /** The key whose turn it is among these. */
  function next(among: readonly KeyIndex[]): KeyIndex | undefined {
    let total = 0;
    let best: KeyIndex | undefined;
    for (const index of among) {
      const key = keys[index]!;
      key.turn += key.weight;
      total += key.weight;
      if (best === undefined || key.turn > keys[best]!.turn) best = index;
    }
    if (best !== undefined) keys[best]!.turn -= total;
    return best;
  }

  function rest(index: KeyIndex, state: "resting" | "refused", ms: number): void {
    const key = keys[index];
    if (!key) return;
    key.state = state;
    key.untilMs = nowMs() + ms;
  }

  return {
    pick(except) {
      const [only] = keys;
      if (keys.length === 1 && only) return except === 0 ? undefined : 0;
      const ready = keys.flatMap((key, index) => (index !== except && isReady(key) ? [index] : []));
      const weighty = ready.filter((index) => keys[index]!.weight > 0);
      const found = next(weighty.length > 0 ? weighty : ready);
      if (found !== undefined || except !== undefined) return found;
      // All rest: the one that is ready soonest is asked rather than nobody, so that the provider has the last word.
      return keys.reduce<KeyIndex | undefined>(
        (soonest, key, index) => (soonest === undefined || key.untilMs < keys[soonest]!.untilMs ? index : soonest),
        undefined,
      );
    },
    worked(index) {
      const key = keys[index];
      if (key) Object.assign(key, { state: "ready", refusalMs: FIRST_REFUSAL_MS });
    },
    refused(index) {
      const key = keys[index];
      if (!key) return;
      rest(index, "refused", key.refusalMs);
      key.refusalMs = Math.min(key.refusalMs * 2, LONGEST_REFUSAL_MS);
    },
    limited: (index, restMs = USUAL_LIMIT_MS) =>
      rest(index, "resting", Math.min(Math.max(0, restMs), LONGEST_LIMIT_MS)),
    reset(index) {
      const key = keys[index];
      if (key) Object.assign(key, { state: "ready", refusalMs: FIRST_REFUSAL_MS });
    },
    states: () =>
      keys.map((key, index) => {
        const ready = isReady(key);
        return { index, state: ready ? "ready" : key.state, untilMs: ready ? undefined : key.untilMs };
      }),
  };
}
