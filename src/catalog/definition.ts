/**
 * How models are written down: in the configuration file and in the curated list alike.
 * Amounts are decimals of US dollars as people write them; the catalogue turns them into integers once, at start.
 */
import type { DataPolicy, Quirks } from "../core/endpoint.ts";
import type { Capability } from "../core/head.ts";
import {
  dollarsToPico,
  fallingClass,
  type Pico,
  type Price,
  type PriceTier,
  perMillionToPico,
  picoToDollars,
  picoToPerMillion,
} from "../core/money.ts";
import type { WireFormatId } from "../core/operation.ts";
import type { TokenClass } from "../core/usage.ts";

type Dollars = number | string;

/** US dollars per million tokens of each class. */
export interface TokenRates {
  input?: Dollars;
  output?: Dollars;
  cacheRead?: Dollars;
  /** Cache entries that live five minutes. */
  cacheWrite?: Dollars;
  cacheWrite1h?: Dollars;
  reasoning?: Dollars;
  imageInput?: Dollars;
  imageOutput?: Dollars;
  audioInput?: Dollars;
  audioOutput?: Dollars;
}

export interface PriceDefinition extends TokenRates {
  input: Dollars;
  output: Dollars;
  /** US dollars per request, on top of tokens. */
  request?: Dollars;
  /** US dollars per server-side web search. */
  webSearch?: Dollars;
  /** US dollars per request in which the provider searched the web, however often. */
  searchedRequest?: Dollars;
  /** Other rates for prompts of more than `above` tokens. */
  tiers?: (TokenRates & { above: number })[];
}

export interface EndpointDefinition {
  /** The configured provider's id (in the curated list: a provider type). */
  provider: string;
  /** What the provider calls the model. */
  model: string;
  /** Lower is tried earlier. */
  priority: number;
  /** Its share of the calls among endpoints of one priority and price. Absent: 1. */
  weight?: number | undefined;
  /** Absent: the provider's. */
  region?: string | undefined;
  /** In the curated list: only providers of this location are offered. */
  location?: string | undefined;
  quantization?: string | undefined;
  /** Over the provider's, field by field. */
  data?: DataPolicy | undefined;
  /** Absent: the provider's, of the operation that the model is for. */
  dialects?: readonly WireFormatId[] | undefined;
  /** Before the margin. Absent: the model's; where that has none, `cost`. */
  price?: PriceDefinition | undefined;
  /** What the provider charges. Absent: the price before the margin. */
  cost?: PriceDefinition | undefined;
  /** Under which provider type lists of published prices know it. Absent: its provider's. */
  listedBy?: string | undefined;
  /** Over the provider type's own, field by field. */
  quirks?: Quirks | undefined;
  /** Where this provider's limits and abilities are not the model's. */
  context?: number | undefined;
  maxOutput?: number | undefined;
  capabilities?: readonly Capability[] | undefined;
}

export interface ModelDefinition {
  id: string;
  aliases: readonly string[];
  name?: string | undefined;
  description?: string | undefined;
  endpoints: readonly EndpointDefinition[];
  /** Before the margin. */
  price?: PriceDefinition | undefined;
  /** A percentage over the provider's prices, in place of the general one. */
  marginPercent?: number | string | undefined;
  context: number;
  /** 0 makes it a model for embeddings. */
  maxOutput: number;
  /** Absent: everything is passed on, and the provider decides. */
  capabilities?: readonly Capability[] | undefined;
}

/** The token class of each rate. */
export const CLASS_OF: { readonly [K in keyof Required<TokenRates>]: TokenClass } = {
  input: "input",
  output: "output",
  cacheRead: "cacheRead",
  cacheWrite: "cacheWrite5m",
  cacheWrite1h: "cacheWrite1h",
  reasoning: "thinking",
  imageInput: "imageInput",
  imageOutput: "imageOutput",
  audioInput: "audioInput",
  audioOutput: "audioOutput",
};

const KEY_OF = Object.fromEntries(Object.entries(CLASS_OF).map(([key, name]) => [name, key])) as {
  readonly [C in TokenClass]: keyof TokenRates;
};

function rates(definition: TokenRates): { [C in TokenClass]?: Pico } {
  const found: { [C in TokenClass]?: Pico } = {};
  for (const [key, tokenClass] of Object.entries(CLASS_OF) as [keyof TokenRates, TokenClass][]) {
    const value = definition[key];
    if (value !== undefined) found[tokenClass] = perMillionToPico(value);
  }
  return found;
}

/** A written price as integers. Throws RangeError for an amount that is no plain decimal, and for a tier that makes long prompts cheaper. */
export function toPrice(definition: PriceDefinition): Price {
  const price = readPrice(definition);
  const falling = fallingClass(price);
  if (falling) throw new RangeError(`A tier has a lower rate for ${KEY_OF[falling]} than shorter prompts have`);
  return price;
}

function readPrice(definition: PriceDefinition): Price {
  const tiers = definition.tiers?.map((tier): PriceTier => ({ abovePromptTokens: tier.above, perToken: rates(tier) }));
  return {
    perToken: {
      ...rates(definition),
      input: perMillionToPico(definition.input),
      output: perMillionToPico(definition.output),
    },
    ...(definition.request === undefined ? {} : { perRequest: dollarsToPico(definition.request) }),
    ...(definition.webSearch === undefined ? {} : { perWebSearch: dollarsToPico(definition.webSearch) }),
    ...(definition.searchedRequest === undefined
      ? {}
      : { perSearchedRequest: dollarsToPico(definition.searchedRequest) }),
    ...(tiers ? { tiers } : {}),
  };
}

function ratesText(rates: { readonly [C in TokenClass]?: Pico }): TokenRates {
  const written = (Object.entries(KEY_OF) as [TokenClass, keyof TokenRates][]).flatMap(([name, key]) => {
    const one = rates[name];
    return one === undefined ? [] : [[key, picoToPerMillion(one)]];
  });
  return Object.fromEntries(written);
}

/** A price written down in decimals, tiers in rising order; `toPrice` reads back the same. */
export function fromPrice(price: Price): PriceDefinition {
  const tiers = [...(price.tiers ?? [])].sort((a, b) => a.abovePromptTokens - b.abovePromptTokens);
  return {
    ...ratesText(price.perToken),
    input: picoToPerMillion(price.perToken.input),
    output: picoToPerMillion(price.perToken.output),
    ...(price.perRequest === undefined ? {} : { request: picoToDollars(price.perRequest) }),
    ...(price.perWebSearch === undefined ? {} : { webSearch: picoToDollars(price.perWebSearch) }),
    ...(price.perSearchedRequest === undefined ? {} : { searchedRequest: picoToDollars(price.perSearchedRequest) }),
    ...(tiers.length > 0 && {
      tiers: tiers.map((tier) => ({ above: tier.abovePromptTokens, ...ratesText(tier.perToken) })),
    }),
  };
}
