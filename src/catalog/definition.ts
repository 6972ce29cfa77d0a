/**
 * How models are written down: in the configuration file and in the curated list alike.
 * Amounts are decimals of US dollars as people write them; the catalogue turns them into integers once, at start.
 */
import type { Quirks } from "../core/endpoint.ts";
import type { Capability } from "../core/head.ts";
import { dollarsToPico, type Pico, type Price, type PriceTier, perMillionToPico } from "../core/money.ts";
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
  /** Absent: the provider's, of the operation that the model is for. */
  dialects?: readonly WireFormatId[] | undefined;
  price?: PriceDefinition | undefined;
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
  price?: PriceDefinition | undefined;
  context: number;
  /** 0 makes it a model for embeddings. */
  maxOutput: number;
  /** Absent: everything is passed on, and the provider decides. */
  capabilities?: readonly Capability[] | undefined;
}

const CLASS_OF: { readonly [K in keyof Required<TokenRates>]: TokenClass } = {
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

function rates(definition: TokenRates): { [C in TokenClass]?: Pico } {
  const found: { [C in TokenClass]?: Pico } = {};
  for (const [key, tokenClass] of Object.entries(CLASS_OF) as [keyof TokenRates, TokenClass][]) {
    const value = definition[key];
    if (value !== undefined) found[tokenClass] = perMillionToPico(value);
  }
  return found;
}

/** A written price as integers. Throws RangeError for an amount that is no plain decimal. */
export function toPrice(definition: PriceDefinition): Price {
  const tiers = definition.tiers?.map((tier): PriceTier => ({ abovePromptTokens: tier.above, perToken: rates(tier) }));
  return {
    perToken: {
      ...rates(definition),
      input: perMillionToPico(definition.input),
      output: perMillionToPico(definition.output),
    },
    ...(definition.request === undefined ? {} : { perRequest: dollarsToPico(definition.request) }),
    ...(definition.webSearch === undefined ? {} : { perWebSearch: dollarsToPico(definition.webSearch) }),
    ...(tiers ? { tiers } : {}),
  };
}
