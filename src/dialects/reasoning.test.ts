/**
 * Tests of the effort and budget table.
 * They stand beside it, away from the path of a call.
 */
import { expect, test } from "bun:test";
import type { Effort } from "../core/request.ts";
import { budgetToEffort, effortToBudget, fitEffort, nearestEffort, toEffort } from "./reasoning.ts";

const EFFORTS: Effort[] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

test("every effort survives the way over its budget when the output limit leaves room", () => {
  for (const effort of EFFORTS) expect(budgetToEffort(effortToBudget(effort, 1_000_000))).toBe(effort);
});

test("a budget stays below the output limit", () => {
  for (const effort of EFFORTS) {
    for (const limit of [1, 2, 1000, 4096, 32000]) expect(effortToBudget(effort, limit)).toBeLessThan(limit);
  }
  expect(effortToBudget("max", 32000)).toBe(25600);
});

test("a budget between two efforts takes the one nearer by ratio", () => {
  expect(budgetToEffort(1)).toBe("minimal");
  expect(budgetToEffort(3000)).toBe("low");
  expect(budgetToEffort(10_000)).toBe("medium");
  expect(budgetToEffort(16_000)).toBe("high");
  expect(budgetToEffort(31_999)).toBe("xhigh");
  expect(budgetToEffort(10_000_000)).toBe("max");
});

test("no budget is no effort, and a budget left to the model is a medium one", () => {
  expect(budgetToEffort(0)).toBe("none");
  expect(budgetToEffort(-1)).toBe("medium");
  expect(budgetToEffort(Number.NaN)).toBe("medium");
});

test("an effort that a format lacks becomes the next lower one, else the lowest", () => {
  expect(nearestEffort("xhigh", ["low", "medium", "high", "max"])).toBe("high");
  expect(nearestEffort("minimal", ["high", "low"])).toBe("low");
  expect(nearestEffort("max", [])).toBe("max");
});

test("unknown words are no efforts", () => {
  expect(toEffort("high")).toBe("high");
  expect(toEffort("extreme")).toBeUndefined();
  expect(toEffort(3)).toBeUndefined();
});

test("an effort fits a model's list without turning thinking off or on", () => {
  expect(fitEffort("medium", undefined)).toBe("medium");
  expect(fitEffort("low", ["none", "high"])).toBe("high");
  expect(fitEffort("xhigh", ["low", "medium", "high"])).toBe("high");
  expect(fitEffort("none", ["none", "high"])).toBe("none");
  expect(fitEffort("none", ["low", "high"])).toBeUndefined();
  expect(fitEffort("high", ["none"])).toBeUndefined();
  expect(fitEffort("high", [])).toBeUndefined();
});
