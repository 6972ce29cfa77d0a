/**
 * Tests of the retry budget: a fifth of the calls, with a reserve for quiet times.
 */
import { expect, test } from "bun:test";
import { createRetryBudget } from "./budget.ts";

function play(calls: number): number {
  const budget = createRetryBudget();
  let retries = 0;
  for (let call = 0; call < calls; call++) {
    budget.call();
    while (budget.mayRetry()) retries += 1;
  }
  return retries;
}

test("in quiet times a call is tried again as often as it needs", () => {
  const budget = createRetryBudget();
  budget.call();
  expect([budget.mayRetry(), budget.mayRetry()]).toEqual([true, true]);
});

test("over many calls retries are a fifth of them, and the reserve", () => {
  expect(play(1000)).toBeLessThanOrEqual(220);
  expect(play(1000)).toBeGreaterThanOrEqual(215);
  expect(play(10_000)).toBeLessThanOrEqual(2020);
});
