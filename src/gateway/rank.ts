/**
 * The order in which endpoints are tried: the caller's, else the operator's tiers, price by chance, and health.
 * `route` calls it with the candidates of one model; nothing here knows the time or rolls a die.
 */
import type { Candidate, Endpoint } from "../core/endpoint.ts";
import type { HealthView } from "../core/health.ts";
import type { Preferences, SortKey } from "../core/preferences.ts";
import { isNamed } from "./filter.ts";

/** What an order is made of besides the candidates. */
export interface RankScope {
  /** The format that needs no conversion. */
  readonly wanted: string;
  readonly preferences: Preferences | undefined;
  readonly health: HealthView;
  readonly nowMs: number;
  /** 32 bits: chance, or a conversation's own, with which every node finds the same order. */
  readonly seed: number;
  /** The endpoint that served the conversation last. */
  readonly remembered: string | undefined;
}

/** A candidate in its place. Lower scores come first among those that nothing else sets apart. */
export interface Ranked {
  readonly candidate: Candidate;
  readonly score: number;
}

/** An endpoint that failed so lately comes after the others of its tier. */
export const TROUBLE_MS = 30_000;

interface Keys extends Ranked {
  /** Who goes first of all: the conversation's own endpoint, then those that the caller listed. */
  readonly place: number;
  readonly tier: number;
  readonly trouble: number;
  readonly measure: number;
  readonly preference: number;
  readonly tie: number;
  readonly index: number;
}

/**
 * The candidates, best first, without those whose circuit is open. The chance of an endpoint to come before another of
 * its tier is as the inverse square of its price; where prices are equal, endpoints that relay come before those
 * that convert. One seed always makes one order, and the loss of an endpoint moves only conversations that were there.
 */
export function rank(candidates: readonly Candidate[], scope: RankScope): Ranked[] {
  const { preferences, health } = scope;
  const [only] = candidates;
  if (candidates.length === 1 && only) {
    return health.state(only.endpoint.id) === "open" ? [] : [{ candidate: only, score: 0 }];
  }
  const { scores, relays } = drawn(candidates, scope);
  const sort = preferences?.sort;
  const isSticky = sort === undefined && preferences?.order === undefined;
  const ranked: Keys[] = [];
  for (let index = 0; index < candidates.length; index++) {
    const candidate = candidates[index]!;
    const { endpoint } = candidate;
    const state = health.state(endpoint.id);
    if (state === "open") continue;
    const score = scores[index]!;
    const converts = candidate.dialect !== scope.wanted;
    const isRemembered = isSticky && state === "closed" && endpoint.id === scope.remembered;
    ranked.push({
      candidate,
      place: isRemembered ? -1 : placeOf(endpoint, preferences?.order),
      tier: sort ? 0 : endpoint.priority,
      trouble: state === "half-open" ? 2 : isTroubled(endpoint, scope) ? 1 : 0,
      measure: sort ? measureOf(endpoint, sort, health) : 0,
      preference: sort ? endpoint.priority * 2 + (converts ? 1 : 0) : 0,
      score: converts && relays ? Math.max(score, relays.get(priceKey(endpoint)) ?? score) : score,
      tie: converts ? 1 : 0,
      index,
    });
  }
  return ranked.sort(compare);
}

/**
 * Each candidate's score. `relays`: the highest of those that relay, by tier and price, where some convert: one that
 * converts at the same price comes after it.
 */
function drawn(
  candidates: readonly Candidate[],
  { wanted, seed }: RankScope,
): { scores: number[]; relays: ReadonlyMap<number, number> | undefined } {
  const scores: number[] = [];
  let relaying = 0;
  for (const { endpoint, dialect } of candidates) {
    scores.push(scoreOf(endpoint, seed));
    if (dialect === wanted) relaying += 1;
  }
  if (relaying === 0 || relaying === candidates.length) return { scores, relays: undefined };
  const relays = new Map<number, number>();
  for (let index = 0; index < candidates.length; index++) {
    const { endpoint, dialect } = candidates[index]!;
    if (dialect !== wanted) continue;
    const key = priceKey(endpoint);
    relays.set(key, Math.max(relays.get(key) ?? 0, scores[index]!));
  }
  return { scores, relays };
}

function compare(a: Keys, b: Keys): number {
  // Some places and measures are infinite, so these are not subtracted.
  if (a.place !== b.place) return a.place < b.place ? -1 : 1;
  if (a.tier !== b.tier) return a.tier - b.tier;
  if (a.trouble !== b.trouble) return a.trouble - b.trouble;
  if (a.measure !== b.measure) return a.measure < b.measure ? -1 : 1;
  if (a.preference !== b.preference) return a.preference - b.preference;
  if (a.score !== b.score) return a.score < b.score ? -1 : 1;
  return a.tie - b.tie || a.index - b.index;
}

function placeOf(endpoint: Endpoint, listed: readonly string[] | undefined): number {
  const place = listed ? listed.findIndex((name) => isNamed(endpoint, name)) : -1;
  return place < 0 ? Number.POSITIVE_INFINITY : place;
}

function isTroubled({ id }: Endpoint, { health, nowMs }: RankScope): boolean {
  const atMs = health.troubledAtMs(id);
  return atMs !== undefined && nowMs - atMs < TROUBLE_MS;
}

/** Lower is better. What is not known of comes last. */
function measureOf(endpoint: Endpoint, sort: SortKey, health: HealthView): number {
  if (sort === "price") return factsOf(endpoint).price;
  if (sort === "latency") return health.latencyMs(endpoint.id) ?? Number.POSITIVE_INFINITY;
  const speed = health.tokensPerSecond(endpoint.id);
  return speed === undefined ? Number.POSITIVE_INFINITY : -speed;
}

const PRIORITIES = 1024;

function priceKey(endpoint: Endpoint): number {
  return factsOf(endpoint).price * PRIORITIES + endpoint.priority;
}

/** What never changes about an endpoint. */
interface Facts {
  /** What a usual request costs: three tokens in for each one out, and a thousandth of the price of a request. */
  readonly price: number;
  readonly hash: number;
}

const known = new WeakMap<Endpoint, Facts>();

function factsOf(endpoint: Endpoint): Facts {
  let facts = known.get(endpoint);
  if (!facts) {
    const { perToken, perRequest = 0n } = endpoint.price;
    facts = { price: Number(3n * perToken.input + perToken.output + perRequest / 1000n), hash: hashText(endpoint.id) };
    known.set(endpoint, facts);
  }
  return facts;
}

/** The price of a usual request there, in a unit that serves only to compare. */
export function usualPrice(endpoint: Endpoint): number {
  return factsOf(endpoint).price;
}

/** So small that whatever costs nothing comes before whatever costs something. */
const FREE = 1e-300;

/**
 * A draw from an exponential distribution whose rate is the endpoint's weight: the least of several is each one's with
 * a chance in proportion to its weight, and stays what it was when others come or go.
 */
function scoreOf(endpoint: Endpoint, seed: number): number {
  const { price, hash } = factsOf(endpoint);
  const drawn = -Math.log((mix(seed ^ hash) + 1) / 4_294_967_297) / (endpoint.weight ?? 1);
  return price === 0 ? drawn * FREE : drawn * price * price;
}

/** FNV-1a over the text's code units, in 32 bits. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return mix(hash);
}

/** Scatters 32 bits, so that neighbours in are none out. */
export function mix(bits: number): number {
  let mixed = bits | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
