/**
 * How curated models are written down: short forms of definitions, prices and abilities.
 * Used by the lists beside it. Amounts are US dollars per million tokens.
 *
 * Prices are facts of the providers' price pages as of November 2026. Where one varies by the hour or the request, it is the
 * highest: the provider must never cost more than was charged.
 */
import type { Quirks } from "../../core/endpoint.ts";
import type { Capability } from "../../core/head.ts";
import type { EndpointDefinition, ModelDefinition, PriceDefinition } from "../definition.ts";

export const CALLS: readonly Capability[] = ["tools", "structured-output"];
export const SEES: readonly Capability[] = [...CALLS, "images"];
export const READS: readonly Capability[] = [...SEES, "files"];
export const THINKS: readonly Capability[] = [...READS, "thinking"];
/** Thinks and calls tools, of text alone. */
export const PONDERS: readonly Capability[] = [...CALLS, "thinking"];
/** Thinks, calls tools, and looks at images. */
export const LOOKS: readonly Capability[] = [...SEES, "thinking"];

/** Without JSON schemas for the answer. */
export function loosely(capabilities: readonly Capability[]): readonly Capability[] {
  return capabilities.filter((capability) => capability !== "structured-output");
}

export const WEB_SEARCH = "0.01";

/** The rates that hold once a prompt is longer than `above`. */
export function tier(
  above: number,
  input: number,
  cacheRead: number,
  output: number,
  cacheWrite?: number,
): PriceDefinition["tiers"] {
  return [{ above, input, cacheRead, output, ...(cacheWrite === undefined ? {} : { cacheWrite }) }];
}

/** Input, output, and cached input where it is cheaper. */
export function cost(input: number, output: number, cacheRead?: number): PriceDefinition {
  return { input, output, ...(cacheRead === undefined ? {} : { cacheRead }) };
}

type Limits = readonly [context: number, maxOutput: number];
type Extra = { aliases?: string[] } & Pick<EndpointDefinition, "dialects" | "quirks">;

/** A model that only its maker serves, under its own name. */
export function model(
  provider: string,
  id: string,
  name: string,
  limits: Limits,
  capabilities: readonly Capability[],
  price: PriceDefinition,
  more: Extra = {},
): ModelDefinition {
  return {
    id,
    name,
    aliases: [`${provider}/${id}`, ...(more.aliases ?? [])],
    context: limits[0],
    maxOutput: limits[1],
    capabilities,
    price,
    endpoints: [{ provider, model: id, priority: 1, dialects: more.dialects, quirks: more.quirks }],
  };
}

/** A model for embeddings, which puts out no tokens. */
export function embeddingModel(
  provider: string,
  id: string,
  name: string,
  context: number,
  capabilities: readonly Capability[],
  price: Omit<PriceDefinition, "output">,
  dialects: EndpointDefinition["dialects"],
): ModelDefinition {
  return model(provider, id, name, [context, 0], capabilities, { ...price, output: 0 }, { dialects });
}

/** One provider's offer of a model. */
export interface Offer {
  readonly at: string;
  readonly model: string;
  readonly price: PriceDefinition;
  /** Where they are less than the model's. */
  readonly limits?: Limits;
  readonly capabilities?: readonly Capability[];
  readonly quirks?: Quirks;
}

/** A model that several providers serve, each at its own price: they stand in for each other, the first one first. */
export function shared(
  id: string,
  name: string,
  limits: Limits,
  capabilities: readonly Capability[],
  aliases: readonly string[],
  offers: readonly Offer[],
): ModelDefinition {
  return {
    id,
    name,
    aliases,
    context: limits[0],
    maxOutput: limits[1],
    capabilities,
    endpoints: offers.map((offer) => ({
      provider: offer.at,
      model: offer.model,
      priority: 1,
      price: offer.price,
      quirks: offer.quirks,
      context: offer.limits?.[0],
      maxOutput: offer.limits?.[1],
      capabilities: offer.capabilities,
    })),
  };
}
