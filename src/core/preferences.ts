/**
 * What a caller may say about who serves it: the gateway's own fields of a request's body, read strictly.
 * `peek` of every format with such a body calls it; routing follows it, and no upstream is sent any of it.
 */
import { invalidRequest } from "./error.ts";
import type { Json, JsonObject } from "./json.ts";
import { dollarsToPico, type Pico, perMillionToPico } from "./money.ts";
import { at, optionalArray, optionalBoolean, optionalObject, optionalString, toObject, toText } from "./read.ts";

export type SortKey = "price" | "throughput" | "latency";

/** The most that a caller wants to pay: pico-dollars per token, or per piece. */
export interface MaxPrice {
  readonly prompt?: Pico;
  readonly completion?: Pico;
  readonly audio?: Pico;
  readonly request?: Pico;
  /** Of a picture. No endpoint charges for pictures by the piece, so every one is within it. */
  readonly image?: Pico;
}

/** The caller's `provider` object. Names of providers and quantizations are in lower case. */
export interface Preferences {
  /** Providers in the order in which to try them, before any others. */
  readonly order?: readonly string[];
  readonly only?: readonly string[];
  readonly ignore?: readonly string[];
  readonly quantizations?: readonly string[];
  readonly maxPrice?: MaxPrice;
  readonly sort?: SortKey;
  /** False: the first choice or none; with `order`, one of these. */
  readonly allowFallbacks?: boolean;
  /** Every parameter that was sent must be one that the endpoint takes. */
  readonly requireParameters?: boolean;
  /** Only endpoints that are known not to train on what they are sent. */
  readonly denyTraining?: boolean;
  /** Only endpoints that are known to keep nothing of what they are sent. */
  readonly zeroRetention?: boolean;
  readonly region?: string;
}

/** What a body says to the gateway alone. */
export interface RoutingWish {
  readonly preferences?: Preferences;
  /** Models to answer when the one that is named cannot, in order. */
  readonly models?: readonly string[];
  /** The web is to be searched, whatever the model. */
  readonly online?: true;
  /** The fields that are the gateway's own, of those that the body has. */
  readonly fields: readonly string[];
}

/** Fields of a body that are for the gateway. No format that can be relayed has any of these names. */
const OWN_FIELDS = ["provider", "models", "route", "session_id", "plugins"] as const;

const MAX_NAMES = 100;
const MAX_NAME = 200;
/** More models than that are tried for no call. */
const MAX_MODELS = 10;

/** What the body says to the gateway; undefined when nothing. Throws `invalid_request` naming the path of a wrong value. */
export function readRoutingWish(body: JsonObject): RoutingWish | undefined {
  if (
    body.provider === undefined &&
    body.models === undefined &&
    body.route === undefined &&
    body.session_id === undefined &&
    body.plugins === undefined
  )
    return undefined;
  const preferences = optionalObject(body, "provider");
  const models = names(body, "models", "", MAX_MODELS);
  const route = optionalString(body, "route");
  if (route !== undefined && route !== "fallback") throw invalidRequest('route: expected "fallback".', "route");
  optionalString(body, "session_id");
  return {
    ...(preferences && { preferences: readPreferences(preferences) }),
    ...(models && { models }),
    ...(asksForWeb(body) && { online: true }),
    fields: OWN_FIELDS.filter((name) => body[name] !== undefined),
  };
}

/** The body without what was for the gateway. */
export function withoutOwnFields(body: JsonObject, wish: RoutingWish | undefined): JsonObject {
  if (!wish) return body;
  const kept = { ...body };
  for (const name of wish.fields) delete kept[name];
  return kept;
}

function asksForWeb(body: JsonObject): boolean {
  const plugins = optionalArray(body, "plugins") ?? [];
  return plugins.some((value, index) => {
    const plugin = toObject(value, at("plugins", index));
    return optionalString(plugin, "id", at("plugins", index)) === "web" && plugin.enabled !== false;
  });
}

/** Reads a `provider` object. Throws `invalid_request` naming the path of a wrong value; fields it does not know say nothing. */
export function readPreferences(object: JsonObject, path = "provider"): Preferences {
  const lower = (key: string) => names(object, key, path, MAX_NAMES)?.map((name) => name.toLowerCase());
  const retention = optionalString(object, "data_collection", path);
  if (retention !== undefined && retention !== "allow" && retention !== "deny")
    throw invalidRequest(`${at(path, "data_collection")}: expected "allow" or "deny".`, at(path, "data_collection"));
  const read: { -readonly [K in keyof Preferences]: Preferences[K] | undefined } = {
    order: lower("order"),
    only: lower("only"),
    ignore: lower("ignore"),
    quantizations: lower("quantizations"),
    maxPrice: readMaxPrice(optionalObject(object, "max_price", path), at(path, "max_price")),
    sort: readSort(object, path),
    allowFallbacks: optionalBoolean(object, "allow_fallbacks", path),
    requireParameters: optionalBoolean(object, "require_parameters", path) || undefined,
    denyTraining: retention === "deny" || undefined,
    zeroRetention: optionalBoolean(object, "zdr", path) || undefined,
    region: optionalString(object, "region", path)?.toLowerCase(),
  };
  for (const key of Object.keys(read) as (keyof Preferences)[]) if (read[key] === undefined) delete read[key];
  return read as Preferences;
}

function names(object: JsonObject, key: string, path: string, most: number): string[] | undefined {
  const list = optionalArray(object, key, path);
  const where = at(path, key);
  if (list && list.length > most) throw invalidRequest(`${where}: expected at most ${most} names.`, where);
  return list?.map((value, index) => {
    const name = toText(value, at(where, index));
    if (name === "" || name.length > MAX_NAME)
      throw invalidRequest(`${at(where, index)}: expected a name of at most ${MAX_NAME} characters.`, at(where, index));
    return name;
  });
}

/** `exacto` is known elsewhere and means nothing here: the usual order stands. */
const SORTS: Readonly<Record<string, SortKey | "usual">> = {
  price: "price",
  throughput: "throughput",
  latency: "latency",
  exacto: "usual",
};

function readSort(object: JsonObject, path: string): SortKey | undefined {
  const value = object.sort;
  if (value === undefined || value === null) return undefined;
  const where = at(path, "sort");
  const by = typeof value === "string" ? value : optionalString(toObject(value, where), "by", where);
  if (by === undefined) return undefined;
  const sort = Object.hasOwn(SORTS, by) ? SORTS[by] : undefined;
  if (!sort) throw invalidRequest(`${where}: expected "price", "throughput" or "latency".`, where);
  return sort === "usual" ? undefined : sort;
}

/** Prices of tokens are written per million. */
const PER_MILLION = ["prompt", "completion", "audio"] as const;
const PER_PIECE = ["request", "image"] as const;

function readMaxPrice(object: JsonObject | undefined, path: string): MaxPrice | undefined {
  if (!object) return undefined;
  const read: { -readonly [K in keyof MaxPrice]: MaxPrice[K] } = {};
  for (const key of PER_MILLION) {
    const price = amount(object[key], at(path, key), perMillionToPico);
    if (price !== undefined) read[key] = price;
  }
  for (const key of PER_PIECE) {
    const price = amount(object[key], at(path, key), dollarsToPico);
    if (price !== undefined) read[key] = price;
  }
  return read;
}

function amount(value: Json | undefined, path: string, convert: (dollars: number | string) => Pico): Pico | undefined {
  if (value === undefined || value === null) return undefined;
  try {
    const price = typeof value === "number" || typeof value === "string" ? convert(value) : undefined;
    if (price !== undefined && price >= 0n) return price;
  } catch {
    // Told below, as what is no amount at all.
  }
  throw invalidRequest(`${path}: expected an amount of US dollars, such as 0.5 or "0.5".`, path);
}
