/**
 * What is kept of a routing decision with the record of its call: small, and only where there was something to explain.
 * Made after `route`, before the call is noted in the journal.
 */
import type { RoutingRecord } from "../core/call.ts";
import type { Preferences } from "../core/preferences.ts";
import type { Exclusion } from "./filter.ts";
import type { ModelWishes } from "./model.ts";

const MAX_LISTED = 16;
const MAX_NAME = 200;
const SCORE_DIGITS = 4;
const LEAST_SCORE = 1e-100;

/** What a record is made of. */
export interface Explained {
  readonly candidates: readonly { readonly endpoint: { readonly id: string } }[];
  readonly scores: readonly number[];
  readonly excluded: readonly Exclusion[];
  readonly preferences: Preferences | undefined;
  readonly models: ModelWishes;
}

/** The decision as it is kept; undefined where nobody was left out and nobody wished for anything. */
export function routingRecord(decision: Explained): RoutingRecord | undefined {
  const { candidates, scores, excluded, preferences, models } = decision;
  const wishes = wishesOf(preferences, models);
  if (excluded.length === 0 && wishes.length === 0 && models.passedOver.length === 0) return undefined;
  const left = [
    ...models.passedOver.map((name) => ({ endpoint: name.slice(0, MAX_NAME), reason: "is no model for this key" })),
    ...excluded.map(({ endpoint, reason }) => ({ endpoint: endpoint.id, reason })),
  ];
  const more = Math.max(0, left.length - MAX_LISTED) + Math.max(0, candidates.length - MAX_LISTED);
  return {
    candidates: candidates.slice(0, MAX_LISTED).map(({ endpoint }, index) => ({
      endpoint: endpoint.id,
      score: rounded(scores[index] ?? 0),
    })),
    excluded: left.slice(0, MAX_LISTED),
    wishes,
    ...(more > 0 && { more }),
  };
}

/** The scores of what costs nothing are next to nothing. */
function rounded(score: number): number {
  return score < LEAST_SCORE ? 0 : Number(score.toPrecision(SCORE_DIGITS));
}

/** The names of what was wished for, by preferences and by variants. */
function wishesOf(preferences: Preferences | undefined, { wishes, online }: ModelWishes): string[] {
  const named = Object.keys(preferences ?? {});
  if (online) named.push("online");
  if (wishes.length > 1) named.push("models");
  for (const { sort, free } of wishes) {
    if (sort) named.push(`sort:${sort}`);
    if (free) named.push("free");
  }
  return [...new Set(named)];
}
