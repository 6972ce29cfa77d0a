/**
 * The retry budget over all traffic: second and third tries may add a fifth to the calls, no more.
 * When most of the upstreams fail, trying everything again everywhere would bring down what still works.
 */

/** What each call adds to the budget by default, in hundredths of a try. */
const PERCENT = 20;
/** So many tries are there for quiet times, and no more are saved up. */
const RESERVE = 20;

export interface RetryBudget {
  /** A call begins. */
  call(): void;
  /** Whether another try may be made; it is counted when it may. */
  mayRetry(): boolean;
}

/** A budget with its reserve full. */
export function createRetryBudget(percent = PERCENT): RetryBudget {
  let hundredths = RESERVE * 100;
  return {
    call() {
      hundredths = Math.min(RESERVE * 100, hundredths + percent);
    },
    mayRetry() {
      if (hundredths < 100) return false;
      hundredths -= 100;
      return true;
    },
  };
}
