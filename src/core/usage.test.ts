/**
 * Tests of usage: counts from numbers that nobody vouches for, and totals split into classes.
 * What goes wrong here would be billed.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  completionTokens,
  emptyUsage,
  MAX_TOKENS_PER_CLASS,
  promptTokens,
  split,
  TOKEN_CLASSES,
  tokenCount,
} from "./usage.ts";

describe("a count of tokens", () => {
  const hostile: [unknown, number][] = [
    [7, 7],
    [7.9, 7],
    [0, 0],
    [-0, 0],
    [-5, 0],
    [Number.NaN, 0],
    [Number.POSITIVE_INFINITY, MAX_TOKENS_PER_CLASS],
    [Number.NEGATIVE_INFINITY, 0],
    [1e300, MAX_TOKENS_PER_CLASS],
    [Number.MIN_VALUE, 0],
    ["12", 0],
    [12n, 0],
    [null, 0],
    [undefined, 0],
    [true, 0],
    [[5], 0],
    [{ valueOf: () => 5 }, 0],
  ];
  for (const [value, expected] of hostile) {
    test(`of ${typeof value} ${String(value)} is ${expected}`, () => expect(tokenCount(value)).toBe(expected));
  }

  test("is a whole number within the limit, whatever comes", () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        const count = tokenCount(value);
        return Number.isSafeInteger(count) && count >= 0 && count <= MAX_TOKENS_PER_CLASS;
      }),
    );
  });
});

describe("a total split into shares", () => {
  test("leaves the remainder first", () => {
    expect(split(100, 30, 20)).toEqual([50, 30, 20]);
    expect(split(100)).toEqual([100]);
  });

  test("cuts shares that together exceed it, in order", () => {
    expect(split(10, 30)).toEqual([0, 10]);
    expect(split(10, 4, 30, 5)).toEqual([0, 4, 6, 0]);
  });

  test("counts every token once and none below zero, whatever the shares", () => {
    const numbers = fc.integer({ min: -1000, max: 1_000_000 });
    fc.assert(
      fc.property(fc.nat(1_000_000), fc.array(numbers, { maxLength: 5 }), (total, shares) => {
        const parts = split(total, ...shares);
        expect(parts.reduce((sum, part) => sum + part, 0)).toBe(total);
        for (const part of parts) expect(part).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

test("every class belongs to the prompt or to the completion, never to both", () => {
  for (const name of TOKEN_CLASSES) {
    const usage = { ...emptyUsage(), [name]: 1 };
    expect(promptTokens(usage) + completionTokens(usage)).toBe(1);
  }
});
