/**
 * The one table between named reasoning efforts and thinking budgets in tokens.
 * Request encoders use it when a caller's format says one and the upstream's format wants the other.
 */
import type { Effort } from "../core/request.ts";

/** Efforts from least to most, each with the thinking tokens that it stands for. */
const BUDGETS: readonly (readonly [Effort, number])[] = [
  ["none", 0],
  ["minimal", 1024],
  ["low", 2048],
  ["medium", 8192],
  ["high", 16384],
  ["xhigh", 32768],
  ["max", 65536],
];

/** Of the output limit, the share that thinking may take at most, so that an answer still fits. */
const THINKING_SHARE = 0.8;

/** The text as an effort, or undefined when it is none of the known words. */
export function toEffort(text: unknown): Effort | undefined {
  return BUDGETS.find(([effort]) => effort === text)?.[0];
}

/** Thinking tokens for an effort, always below `maxOutput` tokens; 0 for `none`. */
export function effortToBudget(effort: Effort, maxOutput: number): number {
  const budget = BUDGETS.find(([name]) => name === effort)?.[1] ?? 0;
  return Math.max(0, Math.min(budget, Math.floor(maxOutput * THINKING_SHARE)));
}

/** The effort whose budget is nearest by ratio; 0 is `none`, and a negative budget (the model's own choice) `medium`. */
export function budgetToEffort(budget: number): Effort {
  if (budget === 0) return "none";
  if (!(budget > 0)) return "medium";
  let nearest: Effort = "minimal";
  let distance = Number.POSITIVE_INFINITY;
  for (const [effort, tokens] of BUDGETS) {
    if (tokens === 0) continue;
    const ratio = tokens > budget ? tokens / budget : budget / tokens;
    if (ratio < distance) [nearest, distance] = [effort, ratio];
  }
  return nearest;
}

/** The named effort nearest to `effort` among `allowed` (in any order): the same, else the next lower, else the next higher. */
export function nearestEffort(effort: Effort, allowed: readonly Effort[]): Effort {
  const rank = (name: Effort) => BUDGETS.findIndex(([known]) => known === name);
  const sorted = [...allowed].sort((a, b) => rank(a) - rank(b));
  const lower = sorted.filter((name) => rank(name) <= rank(effort)).pop();
  return lower ?? sorted[0] ?? effort;
}

/**
 * The effort to ask a model for that takes only some of them: the nearest, never turning thinking off or on; undefined when
 * none fits. Without a list everything does.
 */
export function fitEffort(effort: Effort, allowed: readonly Effort[] | undefined): Effort | undefined {
  if (!allowed || allowed.includes(effort)) return effort;
  const thinking = allowed.filter((name) => name !== "none");
  return effort === "none" || thinking.length === 0 ? undefined : nearestEffort(effort, thinking);
}
