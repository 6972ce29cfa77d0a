/**
 * The retry budget over all traffic: second and third tries may add a fifth to the calls, no more.
 * When most of the upstreams fail, trying everything again everywhere would bring down what still works.
 */

/** What each call adds to the budget, in tries. */
const SHARE = 0.2;
/** So many tries are there for quiet times, and no more are saved up. */
const RESERVE = 20;

export interface RetryBudget {
  /** A call begins. */
  call(): void;
  /** Whether another try may be made; it is counted when it may. */
  mayRetry(): boolean;
}

/** A budget with its reserve full. */
export function createRetryBudget(): RetryBudget {
  let tries = RESERVE;
  return {
    call() {
      tries = Math.min(RESERVE, tries + SHARE);
    },
    mayRetry() {
      if (tries < 1) return false;
      tries -= 1;
      return true;
    },
  };
}
