/**
 * The catalogue: every model that can be called, found by id or alias, with the endpoints that serve it.
 * Built once at start from the configuration and the curated list; immutable afterwards, so a call never sees it change.
 */
import type { DataPolicy, Endpoint, Model } from "../core/endpoint.ts";
import { CAPABILITIES, type Capability } from "../core/head.ts";
import { type Price, pico, withMargin } from "../core/money.ts";
import { operationOf, type WireFormatId } from "../core/operation.ts";
import type { Provider } from "../providers/provider.ts";
import { type EndpointDefinition, type ModelDefinition, type PriceDefinition, toPrice } from "./definition.ts";

export interface Catalog {
  /** The model of that id or alias; ids before aliases. */
  find(name: string): Model | undefined;
  /** All models in the order they were defined. */
  readonly models: readonly Model[];
  /** The names of the models of which a caller of `auto` gets the first that can serve; without any there is no such model. */
  readonly auto?: readonly string[];
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

/** What a catalogue is built of. */
export interface CatalogInput {
  readonly definitions: readonly ModelDefinition[];
  readonly curated: readonly ModelDefinition[];
  readonly providers: readonly Provider[];
  /** A percentage over the providers' prices; by default none. */
  readonly marginPercent?: number | string;
  /** Offer models without a price, at no cost. */
  readonly allowUnpriced?: boolean;
  /** Provider prices that replace those of curated endpoints, by endpoint id. What the file says stands. */
  readonly overrides?: ReadonlyMap<string, PriceDefinition>;
  /** What `auto` stands for. Names of models that are not offered are passed over. */
  readonly auto?: readonly string[];
}

/**
 * Builds the catalogue. Definitions of the file replace curated ones of the same id and take their aliases; curated models
 * appear with an endpoint for each configured provider of one of their types. Throws CatalogError listing every mistake (unknown provider, no price, id used twice).
 */
export function buildCatalog(input: CatalogInput): Catalog {
  const mistakes: string[] = [];
  const named = new Set(input.definitions.flatMap((definition) => [definition.id, ...definition.aliases]));
  const curated = curatedOffers(input).map((definition) => ({
    ...definition,
    aliases: definition.aliases.filter((alias) => !named.has(alias)),
  }));
  const models = [...input.definitions, ...curated].flatMap((definition) => toModel(definition, input, mistakes) ?? []);
  const byName = indexNames(models, mistakes);
  if (mistakes.length > 0) throw new CatalogError(mistakes);
  const { auto = [] } = input;
  return { find: (name) => byName.get(name), models, ...(auto.length > 0 && { auto }) };
}

/** The curated models that are offered, with an endpoint for each configured provider, at its price in force. */
function curatedOffers(input: CatalogInput): ModelDefinition[] {
  const defined = new Set(input.definitions.map((definition) => definition.id));
  return input.curated
    .filter((definition) => !defined.has(definition.id))
    .map((definition) => ({ ...definition, endpoints: spread(definition.endpoints, input) }))
    .filter((definition) => definition.endpoints.length > 0);
}

/** A curated endpoint names a provider type: one endpoint for each configured provider of that type at its own address. */
function spread(
  endpoints: readonly EndpointDefinition[],
  { providers, overrides }: CatalogInput,
): EndpointDefinition[] {
  return endpoints.flatMap((endpoint) =>
    providers
      .filter(({ type, location }) => type.type === endpoint.provider && (endpoint.location ?? location) === location)
      .map((provider) => ({
        ...endpoint,
        provider: provider.id,
        price: overrides?.get(endpointId(provider.id, endpoint.model)) ?? endpoint.price,
        listedBy: endpoint.listedBy ?? endpoint.provider,
      })),
  );
}

function endpointId(provider: string, model: string): string {
  return `${provider}/${model}`;
}

/** A curated endpoint that is offered, with the provider's price in force. */
export interface ListedEndpoint {
  readonly id: string;
  readonly modelId: string;
  /** The provider type under which lists of published prices know it. */
  readonly listedBy: string;
  readonly upstreamModel: string;
  readonly price: PriceDefinition;
}

/** The curated endpoints that a catalogue of this input offers: those whose prices can be compared and overridden. */
export function listedEndpoints(input: CatalogInput): ListedEndpoint[] {
  return curatedOffers(input).flatMap((definition) =>
    definition.endpoints.flatMap((endpoint): ListedEndpoint[] => {
      const price = writtenPrice(endpoint, definition);
      if (!price || endpoint.listedBy === undefined) return [];
      const id = endpointId(endpoint.provider, endpoint.model);
      return [{ id, modelId: definition.id, listedBy: endpoint.listedBy, upstreamModel: endpoint.model, price }];
    }),
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

/** What a call at an endpoint costs the customer, and what it costs the operator. */
interface Prices {
  readonly price: Price;
  readonly cost: Price;
}

/** What an endpoint's prices are made of: its own price before the model's; where there is neither, what it costs. */
function writtenPrice(endpoint: EndpointDefinition, definition: ModelDefinition): PriceDefinition | undefined {
  return endpoint.price ?? definition.price ?? endpoint.cost;
}

const FREE: Price = { perToken: { input: pico(0n), output: pico(0n) } };

/** An endpoint's prices, with the margin on what the customer pays. A mistake is reported and makes it undefined. */
function pricesOf(
  endpoint: EndpointDefinition,
  definition: ModelDefinition,
  input: CatalogInput,
  report: (mistake: string) => void,
): Prices | undefined {
  const written = writtenPrice(endpoint, definition);
  if (!written) {
    if (input.allowUnpriced) return { price: FREE, cost: FREE };
    report("it has no price, and unpriced models are not offered");
    return undefined;
  }
  try {
    const before = toPrice(written);
    return {
      price: withMargin(before, definition.marginPercent ?? input.marginPercent ?? 0),
      cost: endpoint.cost ? toPrice(endpoint.cost) : before,
    };
  } catch (error) {
    report(`price: ${(error as Error).message}`);
    return undefined;
  }
}

function toModel(definition: ModelDefinition, input: CatalogInput, mistakes: string[]): Model | undefined {
  const found = mistakes.length;
  const report = (mistake: string): void => {
    const line = `models: ${definition.id}: ${mistake}`;
    if (!mistakes.includes(line)) mistakes.push(line);
  };
  const capabilities: ReadonlySet<Capability> = new Set(definition.capabilities ?? CAPABILITIES);
  const endpoints = definition.endpoints.flatMap((endpoint): Endpoint[] => {
    const provider = input.providers.find((candidate) => candidate.id === endpoint.provider);
    if (!provider) report(`no provider is configured with the id ${JSON.stringify(endpoint.provider)}`);
    const prices = pricesOf(endpoint, definition, input, report);
    if (!provider || !prices) return [];
    const dialects = endpoint.dialects ?? defaultDialects(definition.maxOutput, spokenOf(provider, endpoint.model));
    return [
      {
        id: endpointId(provider.id, endpoint.model),
        modelId: definition.id,
        provider: provider.id,
        upstreamModel: endpoint.model,
        dialects,
        priority: endpoint.priority,
        ...placeOf(endpoint, provider),
        price: prices.price,
        cost: prices.cost,
        capabilities: endpoint.capabilities ? new Set(endpoint.capabilities) : capabilities,
        contextTokens: endpoint.context ?? definition.context,
        maxOutputTokens: endpoint.maxOutput ?? definition.maxOutput,
        quirks: withQuirks(provider.type.quirks ?? {}, dialects, endpoint.quirks),
      },
    ];
  });
  if (definition.endpoints.length === 0) report("it has no endpoints");
  endpoints.sort((a, b) => a.priority - b.priority);
  const [first] = endpoints;
  if (mistakes.length > found || !first) return undefined;
  const isUnpriced = definition.endpoints.some((endpoint) => !writtenPrice(endpoint, definition));
  return {
    id: definition.id,
    aliases: definition.aliases,
    name: definition.name ?? definition.id,
    description: definition.description,
    contextTokens: Math.max(...endpoints.map((endpoint) => endpoint.contextTokens)),
    maxOutputTokens: Math.max(...endpoints.map((endpoint) => endpoint.maxOutputTokens)),
    capabilities: new Set(endpoints.flatMap((endpoint) => [...endpoint.capabilities])),
    price: first.price,
    ...(isUnpriced && { unpriced: true as const }),
    endpoints,
  };
}

/** Where an endpoint is and what it promises: its own word over its provider's, and that over what is known of the type. */
function placeOf(endpoint: EndpointDefinition, provider: Provider): Partial<Endpoint> {
  const region = (endpoint.region ?? provider.region)?.toLowerCase();
  const quantization = endpoint.quantization?.toLowerCase();
  const trains = endpoint.data?.trains ?? provider.data?.trains ?? provider.type.data?.trains;
  const retains = endpoint.data?.retains ?? provider.data?.retains ?? provider.type.data?.retains;
  const data: DataPolicy = { ...(trains !== undefined && { trains }), ...(retains !== undefined && { retains }) };
  return {
    ...(endpoint.weight !== undefined && { weight: endpoint.weight }),
    ...(region !== undefined && { region }),
    ...(quantization !== undefined && { quantization }),
    ...((trains ?? retains) !== undefined && { data }),
  };
}

/** The provider's formats that it serves this model in. */
function spokenOf({ type, dialects }: Provider, model: string): readonly WireFormatId[] {
  const served = type.dialectsOf?.(model);
  const both = served ? dialects.filter((dialect) => served.includes(dialect)) : dialects;
  return both.length > 0 ? both : dialects;
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
