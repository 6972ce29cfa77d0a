/**
 * Compares the prices in force with published ones: what would change, by how much, and what looks wrong about it.
 * Pure; the price book asks it and the operator reads the answer before anything is applied.
 */
import { dollarsToPico, type Pico, type Price, picoToDollars, picoToPerMillion, rate } from "../../core/money.ts";
import type { TokenClass } from "../../core/usage.ts";
import type { ListedEndpoint } from "../catalog.ts";
import { CLASS_OF, fromPrice, type PriceDefinition, type TokenRates, toPrice } from "../definition.ts";
import type { Published, PublishedPrice } from "./published.ts";

/** One rate that differs. Amounts are decimals of US dollars: per million tokens, or per piece. */
export interface RateChange {
  /** A key of `PriceDefinition`. */
  readonly rate: string;
  /** The rate of a tier: for prompts of more tokens than this. */
  readonly above?: number;
  readonly old: string;
  readonly new: string;
  /** Signed, with one decimal; absent when the old rate is zero. */
  readonly percent?: string;
  /** Why a person should look twice. */
  readonly suspicious: readonly string[];
}

/** An endpoint whose published price differs, or cannot be used. */
export interface PriceRow {
  readonly endpoint: string;
  readonly model: string;
  /** The published list's name of the model. */
  readonly listed_as: string;
  readonly changes: readonly RateChange[];
  readonly suspicious: boolean;
  /** Rates in force that the list does not state; they stay. */
  readonly kept: readonly string[];
  /** What the list states in units that are not billed. */
  readonly unbilled: readonly string[];
  /** When the list has another price from. */
  readonly changes_on: string | null;
  /** Why the published price cannot be taken; then there are no changes. */
  readonly problem: string | null;
}

export interface Comparison {
  readonly rows: readonly PriceRow[];
  /** Endpoints with the published price. */
  readonly same: readonly string[];
  /** Endpoints that the list does not know. */
  readonly unlisted: readonly string[];
  /** What each row would make of its endpoint's price. */
  readonly proposed: ReadonlyMap<string, PriceDefinition>;
}

/** Compares each endpoint with what is published for the moment. */
export function compare(endpoints: readonly ListedEndpoint[], published: Published, at: Date): Comparison {
  const rows: PriceRow[] = [];
  const same: string[] = [];
  const unlisted: string[] = [];
  const proposed = new Map<string, PriceDefinition>();
  for (const endpoint of endpoints) {
    const found = lookUp(endpoint, published, at);
    if (!found) {
      unlisted.push(endpoint.id);
      continue;
    }
    if ("problem" in found) {
      rows.push({ ...emptyRow(endpoint), problem: found.problem });
      continue;
    }
    const { row, price } = compareOne(endpoint, found);
    if (row.changes.length === 0 && row.problem === null && row.changes_on === null) same.push(endpoint.id);
    else rows.push(row);
    if (row.changes.length > 0) proposed.set(endpoint.id, price);
  }
  return { rows, same, unlisted, proposed };
}

function lookUp(endpoint: ListedEndpoint, published: Published, at: Date) {
  try {
    return published(endpoint.listedBy, endpoint.upstreamModel, at);
  } catch (error) {
    return { problem: (error as Error).message };
  }
}

function emptyRow(endpoint: ListedEndpoint): PriceRow {
  return {
    endpoint: endpoint.id,
    model: endpoint.modelId,
    listed_as: endpoint.upstreamModel,
    changes: [],
    suspicious: false,
    kept: [],
    unbilled: [],
    changes_on: null,
    problem: null,
  };
}

function compareOne(endpoint: ListedEndpoint, listed: PublishedPrice): { row: PriceRow; price: PriceDefinition } {
  const present = fromPrice(toPrice(endpoint.price));
  const { price, kept } = merge(present, listed.rates);
  const common = {
    ...emptyRow(endpoint),
    listed_as: listed.listedAs,
    kept,
    unbilled: listed.unbilled,
    changes_on: listed.changesOn ?? null,
  };
  let next: Price;
  try {
    next = toPrice(price);
  } catch (error) {
    return { row: { ...common, problem: (error as Error).message }, price };
  }
  const changes = changesBetween(toPrice(present), next, present, price);
  return { row: { ...common, changes, suspicious: changes.some((change) => change.suspicious.length > 0) }, price };
}

/**
 * The published price over the one in force: what the list states counts, tiers included; a rate that it does not state
 * stays, because lists are silent about much that is billed.
 */
function merge(present: PriceDefinition, rates: PublishedPrice["rates"]): { price: PriceDefinition; kept: string[] } {
  const { tiers: presentTiers, ...presentFlat } = present;
  const { tiers, ...flat } = rates;
  const isKept = (key: string) => !(key in flat);
  const merged = tiers?.map((tier) => {
    const before = presentTiers?.findLast((one) => one.above <= tier.above) ?? {};
    const silent = Object.entries(before).filter(([key]) => key !== "above" && isKept(key));
    return { ...Object.fromEntries(silent), ...tier };
  });
  return {
    price: { ...presentFlat, ...flat, ...(merged && { tiers: merged }) },
    kept: Object.keys(presentFlat).filter(isKept),
  };
}

const PIECES = ["request", "webSearch", "searchedRequest"] as const;
const VANISHED = "a tier vanished";

function changesBetween(
  old: Price,
  next: Price,
  oldWritten: PriceDefinition,
  nextWritten: PriceDefinition,
): RateChange[] {
  const changes: RateChange[] = [];
  const bounds = [oldWritten, nextWritten].flatMap((price) => price.tiers?.map((tier) => tier.above) ?? []);
  const steps = [undefined, ...[...new Set(bounds)].sort((a, b) => a - b)];
  for (const above of steps) {
    const isGone = above !== undefined && !nextWritten.tiers?.some((tier) => tier.above === above);
    for (const [key, tokenClass] of Object.entries(CLASS_OF) as [keyof TokenRates, TokenClass][]) {
      const isStated = [oldWritten, nextWritten].some((price) => at(price, above)?.[key] !== undefined);
      if (!isStated) continue;
      const prompt = above === undefined ? 0 : above + 1;
      const [before, after] = [rate(old, tokenClass, prompt), rate(next, tokenClass, prompt)];
      if (before === after) continue;
      const place = above === undefined ? {} : { above };
      const suspicious = [...oddities(before, after), ...(isGone ? [VANISHED] : [])];
      const texts = { old: picoToPerMillion(before), new: picoToPerMillion(after) };
      changes.push({ rate: key, ...place, ...texts, ...percent(before, after), suspicious });
    }
  }
  for (const key of PIECES) {
    const [before, after] = [piece(oldWritten[key]), piece(nextWritten[key])];
    if (before === after) continue;
    const texts = { old: picoToDollars(before), new: picoToDollars(after) };
    changes.push({ rate: key, ...texts, ...percent(before, after), suspicious: oddities(before, after) });
  }
  return changes;
}

function at(price: PriceDefinition, above: number | undefined): TokenRates | undefined {
  return above === undefined ? price : price.tiers?.find((tier) => tier.above === above);
}

function piece(written: number | string | undefined): Pico {
  return dollarsToPico(written ?? 0);
}

/** What makes a change one to look at twice. */
function oddities(before: bigint, after: bigint): string[] {
  if (after === 0n) return ["to zero"];
  if (before === 0n) return ["from zero"];
  if (after > 2n * before) return ["more than twice as much"];
  if (2n * after < before) return ["less than half as much"];
  return [];
}

function percent(before: bigint, after: bigint): { percent?: string } {
  if (before === 0n) return {};
  const tenths = ((after - before) * 2000n + (after > before ? before : -before)) / (2n * before);
  const size = tenths < 0n ? -tenths : tenths;
  return { percent: `${after < before ? "-" : "+"}${size / 10n}.${size % 10n}` };
}
