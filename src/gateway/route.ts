/**
 * Chooses which endpoints may serve a request, and in which order: a pure function of the request, the models and their health.
 * Comes after peek and before the hold, whose amount depends on the candidates' prices.
 */
import type { Candidate } from "../core/endpoint.ts";
import { GatewayError } from "../core/error.ts";
import type { Head } from "../core/head.ts";
import type { HealthView } from "../core/health.ts";
import { type Operation, operationOf, type WireFormatId } from "../core/operation.ts";
import type { Preferences } from "../core/preferences.ts";
import type { DialectId } from "../core/request.ts";
import { type Demands, type Exclusion, examine } from "./filter.ts";
import type { ModelWish } from "./model.ts";
import { type Ranked, rank } from "./rank.ts";

/** All that a decision is made of. */
export interface RouteAsk<F extends WireFormatId = WireFormatId> {
  readonly head: Head;
  /** The caller's format. */
  readonly dialect: F;
  /** The model that was asked for, and those to fall back on when it cannot be served. */
  readonly models: readonly [ModelWish, ...ModelWish[]];
  /** Globs of the providers that the caller's key may use; undefined allows all. */
  readonly providers?: readonly string[] | undefined;
  readonly preferences?: Preferences | undefined;
  /** The canonical fields that were sent, where `preferences` makes all of them needs. */
  readonly parameters?: readonly string[] | undefined;
  readonly health: HealthView;
  readonly nowMs: number;
  /** 32 bits by chance, or those of a conversation. */
  readonly seed: number;
  /** The id of the endpoint that served the conversation last. */
  readonly remembered?: string | undefined;
  /** How many endpoints are tried at most. Several models share them, so that the last one's turn can come. */
  readonly maxAttempts?: number;
}

/** What was decided, and why. */
export interface RouteDecision<F extends WireFormatId = WireFormatId> {
  /** Best first; at least one. */
  readonly candidates: readonly Candidate<F>[];
  /** Of the candidates, in their order: lower is better among equals. */
  readonly scores: readonly number[];
  readonly excluded: readonly Exclusion[];
}

/** Nobody is left who may serve the request; `excluded` says why of each. */
export class NoRoute extends GatewayError {
  readonly excluded: readonly Exclusion[];

  constructor(error: GatewayError, excluded: readonly Exclusion[]) {
    const { param, retryAfterMs } = error;
    super(error.code, error.message, {
      ...(param !== undefined && { param }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
    this.excluded = excluded;
  }
}

/**
 * The endpoints that can serve this request, best first. Left out are, in this order: those that the key may not use, that
 * lack an ability the request needs, that do not promise the privacy or fit the preferences that the caller asks for, and
 * those that rest after failures. The same question always has the same answer.
 *
 * Throws `no_matching_provider` naming each endpoint's reason when nothing is left, but `upstream_unavailable` with the
 * end of the earliest rest when some only rest.
 */
export function route(ask: RouteAsk<DialectId>): RouteDecision<DialectId>;
export function route(ask: RouteAsk): RouteDecision;
export function route(ask: RouteAsk): RouteDecision {
  const { models, preferences } = ask;
  const excluded: Exclusion[] = [];
  const candidates: Candidate[] = [];
  const scores: number[] = [];
  for (let index = 0; index < models.length; index++) {
    const ranked = ofModel(models[index]!, ask, excluded);
    const most = preferences?.allowFallbacks === false && !preferences.order ? 1 : shareOf(ask, index);
    for (const { candidate, score } of ranked.length > most ? ranked.slice(0, most) : ranked) {
      candidates.push(candidate);
      scores.push(score);
    }
  }
  if (candidates.length === 0) throw new NoRoute(noneFor(ask, excluded), excluded);
  return { candidates, scores, excluded };
}

/** The candidates of one model; the others are added to `excluded`. */
function ofModel({ model, sort, free }: ModelWish, ask: RouteAsk, excluded: Exclusion[]): readonly Ranked[] {
  const { head } = ask;
  const demands: Demands = {
    head,
    operation: operationOf(ask.dialect),
    wanted: head.shape ?? ask.dialect,
    providers: ask.providers,
    preferences: sort ? { ...ask.preferences, sort } : ask.preferences,
    parameters: ask.parameters,
    free: free ?? false,
  };
  const able: Candidate[] = [];
  for (const endpoint of model.endpoints) {
    const found = examine(endpoint, demands);
    if ("dialect" in found) able.push(found);
    else excluded.push(found);
  }
  if (able.length === 0) return [];
  const ranked = rank(able, {
    wanted: demands.wanted,
    preferences: demands.preferences,
    health: ask.health,
    nowMs: ask.nowMs,
    seed: ask.seed,
    remembered: ask.remembered,
  });
  if (ranked.length < able.length) {
    for (const { endpoint } of able) {
      if (ask.health.state(endpoint.id) === "open")
        excluded.push({ endpoint, kind: "resting", reason: "rests after failures" });
    }
  }
  return ranked;
}

/** How many endpoints of a model are tried: as many as leave one try for each model after it, and at least one. */
function shareOf({ models, maxAttempts }: RouteAsk, index: number): number {
  const after = models.length - 1 - index;
  if (after === 0 || maxAttempts === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(1, maxAttempts - after);
}

/** A circuit may close any moment, but not at once. */
const MIN_RETRY_MS = 1000;

function noneFor(ask: RouteAsk, excluded: readonly Exclusion[]): GatewayError {
  const names = namesOf(ask.models);
  const resting = excluded.filter(({ kind }) => kind === "resting");
  if (resting.length > 0) return allResting(ask, names, resting);
  if (excluded.every(({ kind }) => kind === "key"))
    return new GatewayError("no_matching_provider", `This key may not use any provider of ${names}.`);
  const told = excluded.filter(({ kind }) => kind !== "key");
  if (told.every(({ kind }) => kind === "operation"))
    return new GatewayError("no_matching_provider", OTHER_OPERATION[operationOf(ask.dialect)](names), {
      param: "model",
    });
  const speaking = told.filter(({ kind }) => kind !== "operation");
  if (speaking.every(({ kind }) => kind === "needs")) {
    const lacks = [...new Set(speaking.map(({ lack }) => lack))].join(", ");
    return new GatewayError(
      "no_matching_provider",
      `No endpoint of ${names} can do what this request needs: ${lacks}.`,
    );
  }
  return new GatewayError(
    "no_matching_provider",
    `No endpoint of ${names} may serve this request: ${reasons(speaking)}.`,
  );
}

function allResting({ health, nowMs }: RouteAsk, names: string, resting: readonly Exclusion[]): GatewayError {
  let untilMs = Number.POSITIVE_INFINITY;
  for (const { endpoint } of resting) untilMs = Math.min(untilMs, health.restsUntilMs(endpoint.id) ?? nowMs);
  return new GatewayError(
    "upstream_unavailable",
    `Every endpoint of ${names} that could serve this request rests after failures. Try again shortly.`,
    { retryAfterMs: Math.max(MIN_RETRY_MS, untilMs - nowMs) },
  );
}

/** More endpoints than that are not told of one by one. */
const MAX_TOLD = 10;

/** Each endpoint with its reason, as far as a sentence goes. */
function reasons(excluded: readonly Exclusion[]): string {
  const all = [...new Set(excluded.map(({ endpoint, reason }) => `${endpoint.id} ${reason}`))];
  const more = all.length - MAX_TOLD;
  return all.slice(0, MAX_TOLD).join("; ") + (more > 0 ? `; and ${more} more` : "");
}

function namesOf(wishes: readonly ModelWish[]): string {
  return wishes.map(({ model }) => model.id).join(", ");
}

/** What someone is told who asks a model for the operation. */
const OTHER_OPERATION: { readonly [O in Operation]: (model: string) => string } = {
  generation: (model) => `${model} is a model for embeddings. It gives no answers: choose another model for those.`,
  embedding: (model) => `${model} makes no embeddings. Choose a model for embeddings.`,
};
