/**
 * The catalogue: every model that can be called, found by id or alias, with the endpoints that serve it.
 * Built once at start from the configuration and the curated list; immutable afterwards, so a call never sees it change.
 */
import type { Endpoint, Model } from "../core/endpoint.ts";
import { CAPABILITIES, type Capability } from "../core/head.ts";
import type { Price } from "../core/money.ts";
import { operationOf, type WireFormatId } from "../core/operation.ts";
import type { Provider } from "../providers/provider.ts";
import { type EndpointDefinition, type ModelDefinition, toPrice } from "./definition.ts";

export interface Catalog {
  /** The model of that id or alias; ids before aliases. */
  find(name: string): Model | undefined;
  /** All models in the order they were defined. */
  readonly models: readonly Model[];
}

/** Mistakes in the definitions, all of them at once. */
export class CatalogError extends Error {
  override readonly name = "CatalogError";
  readonly mistakes: readonly string[];

  constructor(mistakes: readonly string[]) {
    super(`The model catalogue has mistakes:\n${mistakes.map((mistake) => `- ${mistake}`).join("\n")}`);
    this.mistakes = mistakes;
  }
}

/**
 * Builds the catalogue. Definitions of the file replace curated ones of the same id and take their aliases; curated models
 * appear with an endpoint for each configured provider of one of their types. Throws CatalogError listing every mistake (unknown provider, no price, id used twice).
 */
export function buildCatalog(input: {
  definitions: readonly ModelDefinition[];
  curated: readonly ModelDefinition[];
  providers: readonly Provider[];
}): Catalog {
  const mistakes: string[] = [];
  const defined = new Set(input.definitions.map((definition) => definition.id));
  const named = new Set(input.definitions.flatMap((definition) => [definition.id, ...definition.aliases]));
  const curated = input.curated
    .filter((definition) => !defined.has(definition.id))
    .map((definition) => ({
      ...definition,
      aliases: definition.aliases.filter((alias) => !named.has(alias)),
      endpoints: spread(definition.endpoints, input.providers),
    }))
    .filter((definition) => definition.endpoints.length > 0);
  const models = [...input.definitions, ...curated].flatMap(
    (definition) => toModel(definition, input.providers, mistakes) ?? [],
  );
  const byName = indexNames(models, mistakes);
  if (mistakes.length > 0) throw new CatalogError(mistakes);
  return { find: (name) => byName.get(name), models };
}

/** A curated endpoint names a provider type: one endpoint for each configured provider of that type at its own address. */
function spread(endpoints: readonly EndpointDefinition[], providers: readonly Provider[]): EndpointDefinition[] {
  return endpoints.flatMap((endpoint) =>
    providers
      .filter((provider) => provider.type.type === endpoint.provider)
      .map((provider) => ({ ...endpoint, provider: provider.id })),
  );
}

function indexNames(models: readonly Model[], mistakes: string[]): Map<string, Model> {
  const byName = new Map<string, Model>();
  for (const model of models) {
    if (byName.has(model.id)) mistakes.push(`models: the id ${JSON.stringify(model.id)} is defined twice`);
    byName.set(model.id, model);
  }
  for (const model of models) {
    for (const alias of model.aliases) {
      const holder = byName.get(alias);
      if (!holder) byName.set(alias, model);
      else if (holder !== model && holder.id !== alias) {
        mistakes.push(`models: the alias ${JSON.stringify(alias)} is given to both ${holder.id} and ${model.id}`);
      }
    }
  }
  return byName;
}

function toModel(definition: ModelDefinition, providers: readonly Provider[], mistakes: string[]): Model | undefined {
  const place = `models: ${definition.id}`;
  const found = mistakes.length;
  const priced = (price: ModelDefinition["price"]): Price | undefined => {
    try {
      return price && toPrice(price);
    } catch (error) {
      mistakes.push(`${place}: price: ${(error as Error).message}`);
      return undefined;
    }
  };
  const price = priced(definition.price);
  const capabilities: ReadonlySet<Capability> = new Set(definition.capabilities ?? CAPABILITIES);
  const endpoints = definition.endpoints.flatMap((endpoint): Endpoint[] => {
    const provider = providers.find((candidate) => candidate.id === endpoint.provider);
    const endpointPrice = priced(endpoint.price) ?? price;
    if (!provider)
      mistakes.push(`${place}: no provider is configured with the id ${JSON.stringify(endpoint.provider)}`);
    if (!endpointPrice && mistakes.length === found)
      mistakes.push(`${place}: it has no price, and unpriced models are not offered`);
    if (!provider || !endpointPrice) return [];
    const dialects = endpoint.dialects ?? defaultDialects(definition.maxOutput, provider.dialects);
    return [
      {
        id: `${provider.id}/${endpoint.model}`,
        modelId: definition.id,
        provider: provider.id,
        upstreamModel: endpoint.model,
        dialects,
        priority: endpoint.priority,
        price: endpointPrice,
        capabilities: endpoint.capabilities ? new Set(endpoint.capabilities) : capabilities,
        contextTokens: endpoint.context ?? definition.context,
        maxOutputTokens: endpoint.maxOutput ?? definition.maxOutput,
        quirks: withQuirks(provider.type.quirks ?? {}, dialects, endpoint.quirks),
      },
    ];
  });
  if (definition.endpoints.length === 0) mistakes.push(`${place}: it has no endpoints`);
  const shown = price ?? endpoints[0]?.price;
  if (mistakes.length > found || !shown) return undefined;
  return {
    id: definition.id,
    aliases: definition.aliases,
    name: definition.name ?? definition.id,
    description: definition.description,
    contextTokens: Math.max(...endpoints.map((endpoint) => endpoint.contextTokens)),
    maxOutputTokens: Math.max(...endpoints.map((endpoint) => endpoint.maxOutputTokens)),
    capabilities: new Set(endpoints.flatMap((endpoint) => [...endpoint.capabilities])),
    price: shown,
    endpoints: endpoints.sort((a, b) => a.priority - b.priority),
  };
}

/**
 * The formats to call a model in where its definition names none: the provider's own, of the operation that the model is
 * for. A model that puts out no tokens is one for embeddings. A provider of one operation serves nothing else.
 */
export function defaultDialects(maxOutput: number, spoken: readonly WireFormatId[]): readonly WireFormatId[] {
  const operation = maxOutput === 0 ? "embedding" : "generation";
  const fitting = spoken.filter((dialect) => operationOf(dialect) === operation);
  return fitting.length > 0 ? fitting : spoken;
}

/** The endpoint's own quirks over its provider type's, in every dialect that it can be called in. */
function withQuirks(
  base: Endpoint["quirks"],
  dialects: readonly WireFormatId[],
  own: EndpointDefinition["quirks"],
): Endpoint["quirks"] {
  if (!own) return base;
  const said = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
  return { ...base, ...Object.fromEntries(dialects.map((dialect) => [dialect, { ...base[dialect], ...said }])) };
}
