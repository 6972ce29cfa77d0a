/**
 * Why an endpoint may not serve a request: the caller's key, what the request needs, privacy, the caller's preferences.
 * `route` asks for each endpoint, in this order; the first reason is the one that is told and kept.
 */
import type { Candidate, Endpoint } from "../core/endpoint.ts";
import { fits } from "../core/glob.ts";
import type { Capability, Head } from "../core/head.ts";
import { type Operation, operationOf, type WireFormatId } from "../core/operation.ts";
import type { MaxPrice, Preferences } from "../core/preferences.ts";

/**
 * What an endpoint must really be able to do. Thinking and structured output are not among them: clients ask for thinking
 * from every model, and a model without it still answers; what is left out is a loss.
 */
const HARD_NEEDS: ReadonlySet<Capability> = new Set([
  "tools",
  "images",
  "files",
  "audio",
  "video",
  "image-output",
  "audio-output",
]);

/** What an endpoint is asked about. */
export interface Demands {
  readonly head: Head;
  readonly operation: Operation;
  /** The format that bodies need not be converted to. */
  readonly wanted: NonNullable<Head["shape"]> | WireFormatId;
  /** Globs of the providers that the caller's key may use; undefined allows all. */
  readonly providers: readonly string[] | undefined;
  readonly preferences: Preferences | undefined;
  /** The canonical fields that were sent, where all of them are needed. */
  readonly parameters: readonly string[] | undefined;
  /** Only what costs nothing. */
  readonly free: boolean;
}

/** `resting` is for those that could serve, were they well. */
export type ExclusionKind =
  | "key"
  | "operation"
  | "search"
  | "needs"
  | "parameters"
  | "privacy"
  | "preference"
  | "resting";

/** An endpoint that was left out. `reason` can follow its provider's name in a sentence. */
export interface Exclusion {
  readonly endpoint: Endpoint;
  readonly kind: ExclusionKind;
  readonly reason: string;
  /** With `needs`. */
  readonly lack?: Capability;
}

/** The endpoint as a candidate, or why it is none. */
export function examine(endpoint: Endpoint, demands: Demands): Candidate | Exclusion {
  const { head, providers, preferences, parameters } = demands;
  if (providers && !providers.some((glob) => fits(glob, endpoint.provider)))
    return { endpoint, kind: "key", reason: "may not be used by this key" };
  const dialect = speaks(endpoint, demands);
  if (!dialect) return { endpoint, kind: "operation", reason: "is not for such requests" };
  if (head.online && !searches(endpoint, dialect))
    return { endpoint, kind: "search", reason: "has no web search of its own" };
  const lack = lackOf(endpoint, head);
  if (lack) return { endpoint, kind: "needs", reason: `cannot do ${lack}`, lack };
  if (parameters) {
    const refused = parameterLack(endpoint, dialect, head, parameters);
    if (refused) return { endpoint, kind: "parameters", reason: `does not take ${refused}` };
  }
  if (demands.free && !isFree(endpoint)) return { endpoint, kind: "preference", reason: "is not free" };
  if (preferences) {
    const leak = privacyLack(endpoint, preferences);
    if (leak) return { endpoint, kind: "privacy", reason: leak };
    const unwanted = unwantedFor(endpoint, preferences);
    if (unwanted) return { endpoint, kind: "preference", reason: unwanted };
  }
  return { endpoint, dialect };
}

function lackOf({ capabilities }: Endpoint, { needs }: Head): Capability | undefined {
  for (const need of needs) if (HARD_NEEDS.has(need) && !capabilities.has(need)) return need;
  return undefined;
}

/** The format to call the endpoint in: the wanted one, else the first of its own for that operation, if it has any. */
function speaks(endpoint: Endpoint, { head, wanted, operation }: Demands): WireFormatId | undefined {
  const { dialects } = endpoint;
  let found: WireFormatId | undefined;
  if (head.online) found = dialects.find((dialect) => searches(endpoint, dialect));
  for (const dialect of found ? [] : dialects) {
    if (dialect === wanted) return dialect;
    if (!found && operationOf(dialect) === operation) found = dialect;
  }
  return found;
}

/** The canonical kind of a provider's own search tool. */
const WEB_SEARCH = "web-search";

function searches({ quirks }: Endpoint, dialect: WireFormatId): boolean {
  return quirks[dialect]?.serverTools?.includes(WEB_SEARCH) ?? false;
}

/** Fields that say nothing of what the model must do. */
const ALWAYS_TAKEN: ReadonlySet<string> = new Set(["model", "stream", "messages", "inputs", "extras"]);

function parameterLack(
  endpoint: Endpoint,
  dialect: WireFormatId,
  { needs }: Head,
  parameters: readonly string[],
): string | undefined {
  const refused = endpoint.quirks[dialect]?.refuses;
  const field = refused && parameters.find((name) => refused.includes(name) && !ALWAYS_TAKEN.has(name));
  if (field) return field;
  const soft = needs.find((need) => !endpoint.capabilities.has(need));
  if (soft) return soft;
  return parameters.includes("reasoning") && !endpoint.capabilities.has("thinking") ? "reasoning" : undefined;
}

function isFree({ price: { perToken, perRequest } }: Endpoint): boolean {
  for (const name in perToken) {
    if (perToken[name as keyof typeof perToken] !== 0n) return false;
  }
  return (perRequest ?? 0n) === 0n;
}

/** Only a promise counts: what is not known of an endpoint is not what the caller asked for. */
function privacyLack({ data, region }: Endpoint, wish: Preferences): string | undefined {
  if (wish.denyTraining && data?.trains !== false)
    return data?.trains ? "trains on what it is sent" : "does not promise not to train on what it is sent";
  if (wish.zeroRetention && data?.retains !== false)
    return data?.retains ? "keeps what it is sent" : "does not promise to keep nothing of what it is sent";
  if (wish.region !== undefined && !isWithin(region, wish.region))
    return region === undefined ? "does not say its region" : `is in the region ${region}`;
  return undefined;
}

/** `eu-west-1` is within `eu`. */
function isWithin(region: string | undefined, wanted: string): boolean {
  return region === wanted || (region?.startsWith(`${wanted}-`) ?? false);
}

/** Whether a name of the caller's means this endpoint: its provider's name, or the endpoint's own id. */
export function isNamed({ provider, id }: Endpoint, name: string): boolean {
  return provider === name || id === name || id.toLowerCase() === name;
}

function unwantedFor(endpoint: Endpoint, wish: Preferences): string | undefined {
  const { only, ignore, order, quantizations, maxPrice } = wish;
  if (only && !only.some((name) => isNamed(endpoint, name))) return "is not among provider.only";
  if (ignore?.some((name) => isNamed(endpoint, name))) return "is in provider.ignore";
  if (order && wish.allowFallbacks === false && !order.some((name) => isNamed(endpoint, name)))
    return "is not in provider.order, and provider.allow_fallbacks is false";
  if (quantizations && !quantizations.includes(endpoint.quantization ?? "unknown"))
    return `has the quantization ${endpoint.quantization ?? "unknown"}`;
  const above = maxPrice && dearer(endpoint, maxPrice);
  return above ? `costs more than provider.max_price.${above}` : undefined;
}

function dearer({ price: { perToken, perRequest } }: Endpoint, most: MaxPrice): keyof MaxPrice | undefined {
  if (most.prompt !== undefined && perToken.input > most.prompt) return "prompt";
  if (most.completion !== undefined && perToken.output > most.completion) return "completion";
  if (most.audio !== undefined && (perToken.audioInput ?? perToken.input) > most.audio) return "audio";
  return most.request !== undefined && perRequest !== undefined && perRequest > most.request ? "request" : undefined;
}
