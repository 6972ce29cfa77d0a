/**
 * Published prices, read from the data of a package: found by provider and model, for a moment, in the form of our own prices.
 * The package is loaded when prices are first compared; it is asked for nothing but the data that came with it.
 */
import { dollarsToPico, type Pico, perMillionToPico, picoToDollars, picoToPerMillion } from "../../core/money.ts";
import { listName } from "../curated/lists.ts";
import type { PriceDefinition, TokenRates } from "../definition.ts";

/** What a list publishes of one model. Rates that it does not state are absent. */
export interface PublishedPrice {
  /** The list's own name of the model, which may cover several names of the provider. */
  readonly listedAs: string;
  readonly rates: Partial<PriceDefinition>;
  /** What it states besides, in units that nothing here is billed in. */
  readonly unbilled: readonly string[];
  /** When the next other price begins, as the list writes dates. */
  readonly changesOn: string | undefined;
}

/**
 * Looks a model up: undefined when the list does not know it. Where a price varies by the hour it is the dearest one, because
 * a provider must never cost more than was charged. Throws RangeError for an amount that is not exact in our units.
 */
export type Published = (listedBy: string, upstreamModel: string, at: Date) => PublishedPrice | undefined;

/** A value of the list: US dollars, or a base with dearer or cheaper steps for prompts of more tokens than `start`. */
type Listed = number | { readonly base: number; readonly tiers: readonly { start: number; price: number }[] };
export type ListedRates = Readonly<Record<string, Listed | undefined>>;

export interface ListedModel {
  readonly id: string;
  readonly prices: ListedRates | readonly { readonly constraint?: Constraint; readonly prices: ListedRates }[];
}

type Constraint =
  | { readonly type: "start_date"; readonly start_date: string }
  | { readonly type: "time_of_date"; readonly start_time: string; readonly end_time: string };

const PER_MILLION: Readonly<Record<string, keyof TokenRates>> = {
  input_mtok: "input",
  output_mtok: "output",
  cache_read_mtok: "cacheRead",
  cache_write_mtok: "cacheWrite",
  cache_write_1h_mtok: "cacheWrite1h",
  output_reasoning_mtok: "reasoning",
  input_image_mtok: "imageInput",
  output_image_mtok: "imageOutput",
  input_audio_mtok: "audioInput",
  output_audio_mtok: "audioOutput",
};
const PER_THOUSAND: Readonly<Record<string, "request" | "webSearch">> = {
  requests_kcount: "request",
  web_searches_kcount: "webSearch",
};
const THOUSAND = 1000n;

/** Loads the package. */
export async function loadPublished(): Promise<Published> {
  const { calcPrice } = await import("@pydantic/genai-prices");
  return publishedOver((provider, model) => {
    // Its own matching of names; a model that only another provider has is no match.
    const found = calcPrice({}, model, { providerId: provider });
    return found?.provider.id === provider ? (found.model as ListedModel) : undefined;
  });
}

/** The same over any list of that shape. */
export function publishedOver(find: (provider: string, model: string) => ListedModel | undefined): Published {
  return (listedBy, upstreamModel, at) => {
    const model = find(listName(listedBy), upstreamModel);
    if (!model) return undefined;
    const { rates, changesOn } = inForce(model.prices, at);
    return { listedAs: model.id, ...readRates(rates), changesOn };
  };
}

/** Of dated prices the last one that has begun, and of those that hold for some hours of every day the dearest. */
function inForce(prices: ListedModel["prices"], at: Date): { rates: ListedRates; changesOn: string | undefined } {
  if (!isDated(prices)) return { rates: prices, changesOn: undefined };
  let rates: ListedRates = {};
  const later: string[] = [];
  for (const { constraint, prices: candidate } of prices) {
    if (constraint?.type === "time_of_date") continue;
    if (constraint && new Date(constraint.start_date) > at) later.push(constraint.start_date);
    else rates = candidate;
  }
  for (const { constraint, prices: candidate } of prices) {
    if (constraint?.type === "time_of_date" && isDearer(candidate, rates)) rates = candidate;
  }
  return { rates, changesOn: later.sort()[0] };
}

function isDated(prices: ListedModel["prices"]): prices is Exclude<ListedModel["prices"], ListedRates> {
  return Array.isArray(prices);
}

function isDearer(one: ListedRates, other: ListedRates): boolean {
  return ["output_mtok", "input_mtok"].some((key) => base(one[key]) > base(other[key]));
}

function base(value: Listed | undefined): Pico {
  return perMillionToPico(typeof value === "object" ? value.base : (value ?? 0));
}

function readRates(listed: ListedRates): Pick<PublishedPrice, "rates" | "unbilled"> {
  const rates: Partial<PriceDefinition> = {};
  const unbilled: string[] = [];
  for (const [key, value] of Object.entries(listed)) {
    if (value === undefined) continue;
    const perMillion = PER_MILLION[key];
    const perThousand = PER_THOUSAND[key];
    if (perMillion) rates[perMillion] = picoToPerMillion(base(value));
    else if (perThousand && typeof value === "number") rates[perThousand] = eachOfThousand(value);
    else unbilled.push(key);
  }
  const tiers = readTiers(listed);
  return { rates: tiers.length > 0 ? { ...rates, tiers } : rates, unbilled };
}

function eachOfThousand(dollars: number): string {
  const thousand = dollarsToPico(dollars);
  if (thousand % THOUSAND !== 0n) throw new RangeError(`Not exact in millionths of a millionth: ${dollars} / 1000`);
  return picoToDollars((thousand / THOUSAND) as Pico);
}

/** The list steps each rate by itself; here a step is one for all of them, each at the highest of its own steps reached. */
function readTiers(listed: ListedRates): NonNullable<PriceDefinition["tiers"]> {
  const stepped = Object.entries(PER_MILLION).flatMap(([key, name]) => {
    const value = listed[key];
    return typeof value === "object" ? [{ name, tiers: [...value.tiers].sort((a, b) => a.start - b.start) }] : [];
  });
  const bounds = new Set(stepped.flatMap(({ tiers }) => tiers.map((tier) => tier.start)));
  return [...bounds]
    .sort((a, b) => a - b)
    .map((above) => {
      const reached = stepped.flatMap(({ name, tiers }) => {
        const last = tiers.findLast((tier) => tier.start <= above);
        return last ? [[name, picoToPerMillion(perMillionToPico(last.price))]] : [];
      });
      return { above, ...Object.fromEntries(reached) };
    });
}
