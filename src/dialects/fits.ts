/**
 * What the checks of all formats share that decide whether a caller's body can be relayed to an upstream as it is.
 * Each dialect's own `fits.ts` builds on it; `translate` asks before it relays.
 */
import type { Quirks } from "../core/endpoint.ts";
import type { Json, JsonObject } from "../core/json.ts";
import type { CanonicalRequest } from "../core/request.ts";
import { toEffort } from "./reasoning.ts";

/** How a format names the canonical fields that an upstream may refuse. */
export type WireNames = { readonly [K in keyof CanonicalRequest]?: readonly string[] };

/** Whether the body says anything under this name; null says nothing. */
export function isSaid(value: Json | undefined): boolean {
  return value !== undefined && value !== null;
}

/** Whether the body has a field that the upstream is known to refuse. */
export function hasRefused(body: JsonObject, { refuses }: Quirks, names: WireNames): boolean {
  if (!refuses) return false;
  return refuses.some((field) => names[field as keyof CanonicalRequest]?.some((name) => isSaid(body[name])) ?? false);
}

/** Whether this is an effort that the upstream's model is known to lack. Words that only the upstream can know are its own affair. */
export function lacksEffort(word: Json | undefined, { efforts }: Quirks): boolean {
  if (efforts === undefined || word === undefined || word === null) return false;
  const effort = toEffort(word);
  return effort !== undefined && !efforts.includes(effort);
}

/** Whether a thinking budget leaves nothing of a lowered output limit for the answer. */
export function crowdsOut(budget: Json | undefined, limit: number | undefined): boolean {
  return limit !== undefined && typeof budget === "number" && budget >= limit;
}
