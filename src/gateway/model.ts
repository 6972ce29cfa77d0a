/**
 * Finds the models that a caller names, with their variants, and checks that its key may call them.
 * Between peek and route on the path of a call; the model list uses the same checks to show only what can be called.
 */
import type { Catalog } from "../catalog/catalog.ts";
import type { Principal } from "../core/call.ts";
import type { Model } from "../core/endpoint.ts";
import { GatewayError } from "../core/error.ts";
import { fits } from "../core/glob.ts";
import type { Head } from "../core/head.ts";
import type { SortKey } from "../core/preferences.ts";

/** Whether the lists of models that the key and its plan have, if any, hold this model under its id or an alias. */
export function mayCall(principal: Principal, model: Model): boolean {
  return isListed(principal.models, model) && isListed(principal.terms.models, model);
}

function isListed(globs: readonly string[] | undefined, model: Model): boolean {
  if (!globs) return true;
  return globs.some((glob) => fits(glob, model.id) || model.aliases.some((alias) => fits(glob, alias)));
}

/** Whether the key may call this model and a provider that serves it: what lists of models show. */
export function isOffered(principal: Principal, model: Model): boolean {
  const { providers } = principal;
  if (!mayCall(principal, model)) return false;
  return !providers || model.endpoints.some(({ provider }) => providers.some((glob) => fits(glob, provider)));
}

/** A model as a caller wants it: what the variants in its name say. */
export interface ModelWish {
  readonly model: Model;
  /** `:nitro`, `:floor`. */
  readonly sort?: SortKey;
  /** `:free`, where the catalogue has no entry of that name: only endpoints that cost nothing. */
  readonly free?: true;
  /** `:online`. */
  readonly online?: true;
}

/** The models of a request, the preferred one first. */
export interface ModelWishes {
  readonly wishes: readonly [ModelWish, ...ModelWish[]];
  /** Names of fallbacks that this caller cannot have. */
  readonly passedOver: readonly string[];
  /** One of them is wanted with a search of the web, or the body asks for one. */
  readonly online?: true;
}

/** What an operator's rule decides: the catalogue's list of this name. */
const AUTO = "auto";
const NONE: readonly string[] = [];

/**
 * The model that is asked for, then those to fall back on that the key may call. The first of them that there is and that
 * may be called stands in when the one that is asked for is not available or not allowed. Throws `forbidden`,
 * `model_not_available`, `model_not_allowed` when there is none, for the one that is asked for.
 */
export function resolveModels(
  catalog: Catalog,
  { model: name, routing }: Pick<Head, "model" | "routing">,
  principal: Principal,
): ModelWishes {
  if (principal.kind !== "inference") throw new GatewayError("forbidden", "A provisioning key cannot call models.");
  const fallbacks = routing?.models ?? NONE;
  const direct = catalog.find(name);
  if (direct && fallbacks.length === 0 && !routing?.online) {
    if (!mayCall(principal, direct)) throw notAllowed(principal, direct);
    return { wishes: [{ model: direct }], passedOver: NONE };
  }
  const wishes: ModelWish[] = [];
  const passedOver: string[] = [];
  for (const wanted of [...spelledOut(catalog, name), ...fallbacks]) {
    const wish = find(catalog, wanted);
    if (!wish || !mayCall(principal, wish.model)) passedOver.push(wanted);
    else if (!wishes.some((other) => isSame(other, wish))) wishes.push(wish);
  }
  const [first, ...others] = wishes;
  if (!first) throw refusal(catalog, name, principal);
  const isOnline = routing?.online || wishes.some(({ online }) => online);
  return { wishes: [first, ...others], passedOver, ...(isOnline && { online: true }) };
}

function isSame(one: ModelWish, other: ModelWish): boolean {
  return one.model === other.model && one.sort === other.sort && one.free === other.free;
}

/** What the name stands for: itself, or the operator's list with the variants that follow it. */
function spelledOut({ auto, find }: Catalog, name: string): readonly string[] {
  const isAuto = name === AUTO || name.startsWith(`${AUTO}:`);
  if (!auto || !isAuto || find(name)) return [name];
  return auto.map((id) => id + name.slice(AUTO.length));
}

const VARIANTS: ReadonlySet<string> = new Set(["nitro", "floor", "online", "free", "thinking", "extended", "beta"]);
/** Variants that may be models of their own in the catalogue. */
const ENTRIES: ReadonlySet<string> = new Set(["free", "thinking", "extended", "beta"]);
/** Nobody means more than that. */
const MAX_VARIANTS = 8;

/** The name without the variants at its end, and these. */
function split(name: string): { base: string; variants: string[] } {
  const variants: string[] = [];
  let base = name;
  while (variants.length < MAX_VARIANTS) {
    const colon = base.lastIndexOf(":");
    const variant = base.slice(colon + 1);
    if (colon <= 0 || !VARIANTS.has(variant)) break;
    variants.unshift(variant);
    base = base.slice(0, colon);
  }
  return { base, variants };
}

/** The model under its whole name, else under that without variants, which then say how it is wanted. */
function find(catalog: Catalog, name: string): ModelWish | undefined {
  const direct = catalog.find(name);
  if (direct) return { model: direct };
  const { base, variants } = split(name);
  if (variants.length === 0) return undefined;
  const entries = variants.filter((variant) => ENTRIES.has(variant));
  const own = entries.find((variant) => catalog.find(`${base}:${variant}`));
  const model = catalog.find(own === undefined ? base : `${base}:${own}`);
  if (!model || entries.some((variant) => variant !== own && variant !== "free")) return undefined;
  const sort = variants.includes("nitro") ? "throughput" : variants.includes("floor") ? "price" : undefined;
  return {
    model,
    ...(sort && { sort }),
    ...(variants.includes("free") && own !== "free" && { free: true }),
    ...(variants.includes("online") && { online: true }),
  };
}

function refusal(catalog: Catalog, name: string, principal: Principal): GatewayError {
  const [first = name] = spelledOut(catalog, name);
  const known = find(catalog, first);
  if (known) return notAllowed(principal, known.model);
  const { base, variants } = split(name);
  const shown = JSON.stringify(name.length > MAX_SHOWN ? `${name.slice(0, MAX_SHOWN)}…` : name);
  const only = variants.length > 0 && catalog.find(base) ? `, but ${JSON.stringify(base)} is` : "";
  return new GatewayError("model_not_available", `The model ${shown} is not available here${only}.`, {
    param: "model",
  });
}

const MAX_SHOWN = 100;

function notAllowed(principal: Principal, model: Model): GatewayError {
  const whose = isListed(principal.models, model) ? "plan" : "key";
  return new GatewayError("model_not_allowed", `This ${whose} may not call the model ${JSON.stringify(model.id)}.`, {
    param: "model",
  });
}
