/**
 * Money as branded integers: amounts in nano-US-dollars, prices in pico-US-dollars.
 * The one place where a decimal becomes money and money becomes a decimal; nothing else does arithmetic on text or floats.
 */
import { TOKEN_CLASSES, type TokenClass, type Usage } from "./usage.ts";

/** An amount in nano-US-dollars (10⁻⁹). */
export type Nano = bigint & { readonly __unit: "nano-usd" };
/** A price in pico-US-dollars (10⁻¹²) per token, or per piece. A dollar per million tokens is 1,000,000 of them. */
export type Pico = bigint & { readonly __unit: "pico-usd" };

export const ZERO = 0n as Nano;

export function nano(value: bigint): Nano {
  return value as Nano;
}

export function pico(value: bigint): Pico {
  return value as Pico;
}

/** The prices of one model at one endpoint. A class without a price of its own is billed as `FALLBACK` says. */
export interface Price {
  readonly perToken: { readonly [C in TokenClass]?: Pico } & { readonly input: Pico; readonly output: Pico };
  /** Per request, on top of tokens. */
  readonly perRequest?: Pico;
  readonly perWebSearch?: Pico;
  /** Per request in which the provider searched the web, however often. */
  readonly perSearchedRequest?: Pico;
  /** Other rates once the prompt (all input classes) is longer than `abovePromptTokens`; the highest tier reached holds for the whole call. */
  readonly tiers?: readonly PriceTier[];
}

export interface PriceTier {
  readonly abovePromptTokens: number;
  readonly perToken: { readonly [C in TokenClass]?: Pico };
}

/** Which class's price a class takes when it has none of its own. */
const FALLBACK: { readonly [C in TokenClass]: TokenClass } = {
  input: "input",
  cacheRead: "input",
  cacheWrite5m: "input",
  cacheWrite1h: "cacheWrite5m",
  imageInput: "input",
  audioInput: "input",
  output: "output",
  thinking: "output",
  imageOutput: "output",
  audioOutput: "output",
};

/** The rate of a token class for a prompt of that many tokens: tier before base, own class before its fallback. */
export function rate(price: Price, tokenClass: TokenClass, prompt: number): Pico {
  let tier: PriceTier | undefined;
  for (const candidate of price.tiers ?? []) {
    if (prompt > candidate.abovePromptTokens && candidate.abovePromptTokens >= (tier?.abovePromptTokens ?? -1)) {
      tier = candidate;
    }
  }
  let wanted = tokenClass;
  for (;;) {
    const found = tier?.perToken[wanted] ?? price.perToken[wanted];
    if (found !== undefined) return found;
    wanted = FALLBACK[wanted];
  }
}

/**
 * The class whose rate falls when a prompt reaches a longer tier; undefined in a sound price. With none, a cost never falls
 * as usage grows, so that a hold for the most tokens covers fewer.
 */
export function fallingClass(price: Price): TokenClass | undefined {
  const bounds = (price.tiers ?? []).map((tier) => tier.abovePromptTokens).sort((a, b) => a - b);
  return TOKEN_CLASSES.find((tokenClass) => {
    const rates = [0, ...bounds.map((bound) => bound + 1)].map((prompt) => rate(price, tokenClass, prompt));
    return rates.some((one, index) => one < (rates[index - 1] ?? 0n));
  });
}

type Rates = { readonly [C in TokenClass]?: Pico };

function mapRates<R extends Rates>(rates: R, change: (one: Pico) => Pico): R {
  return Object.fromEntries(Object.entries(rates).map(([name, one]) => [name, change(one as Pico)])) as unknown as R;
}

/** 100 % in the unit of a margin's digits: a millionth of a percent. */
const WHOLE = 100_000_000n;
const MARGIN_DIGITS = 6;

/**
 * A provider's price with an operator's margin on every part of it, each rounded up to the pico-dollar.
 * `percent` is a decimal of at most six places; throws RangeError for any other, and below zero.
 */
export function withMargin(price: Price, percent: number | string): Price {
  const factor = WHOLE + parseDecimal(plain(percent), MARGIN_DIGITS, "a percentage");
  if (factor < WHOLE) throw new RangeError(`A margin below zero: ${percent}`);
  if (factor === WHOLE) return price;
  const add = (one: Pico) => ((one * factor + WHOLE - 1n) / WHOLE) as Pico;
  return {
    perToken: mapRates(price.perToken, add),
    ...(price.perRequest === undefined ? {} : { perRequest: add(price.perRequest) }),
    ...(price.perWebSearch === undefined ? {} : { perWebSearch: add(price.perWebSearch) }),
    ...(price.perSearchedRequest === undefined ? {} : { perSearchedRequest: add(price.perSearchedRequest) }),
    ...(price.tiers && { tiers: price.tiers.map((tier) => ({ ...tier, perToken: mapRates(tier.perToken, add) })) }),
  };
}

const PICO_PER_NANO = 1000n;

/** Whole nano-dollars for an amount in pico-dollars, rounded up once. */
export function roundUp(amountPico: bigint): Nano {
  return ((amountPico + PICO_PER_NANO - 1n) / PICO_PER_NANO) as Nano;
}

/** The exact cost of a call, rounded up once to the nano-dollar. */
export function cost(price: Price, usage: Usage): Nano {
  const prompt =
    usage.input + usage.cacheRead + usage.cacheWrite5m + usage.cacheWrite1h + usage.imageInput + usage.audioInput;
  let total = price.perRequest ?? 0n;
  for (const tokenClass of TOKEN_CLASSES) {
    const count = usage[tokenClass];
    if (count > 0) total += BigInt(count) * rate(price, tokenClass, prompt);
  }
  if (usage.webSearches > 0) {
    total += BigInt(usage.webSearches) * (price.perWebSearch ?? 0n) + (price.perSearchedRequest ?? 0n);
  }
  return roundUp(total);
}

const DECIMAL = /^(-?)(\d{1,15})(?:\.(\d{1,12}))?$/;

/**
 * A decimal as an integer of 10⁻`digits`.
 * Throws RangeError for anything that is not a plain decimal or has more digits than fit: money is never rounded on the way in.
 */
function parseDecimal(text: string, digits: number, what = "an amount in US dollars"): bigint {
  const match = DECIMAL.exec(text.trim());
  const fraction = match?.[3]?.replace(/0+$/, "") ?? "";
  if (!match || fraction.length > digits) {
    throw new RangeError(`Not ${what} with at most ${digits} decimals: ${text.slice(0, 40)}`);
  }
  const value = BigInt((match[2] ?? "0") + fraction.padEnd(digits, "0"));
  return match[1] === "-" ? -value : value;
}

/** A number's shortest decimal text without an exponent (1e-7 becomes 0.0000001). */
function plain(value: number | string): string {
  const text = String(value);
  const match = /^(-?)(\d)(?:\.(\d+))?e-(\d+)$/.exec(text);
  if (!match) return text;
  return `${match[1]}0.${"0".repeat(Number(match[4]) - 1)}${match[2]}${match[3] ?? ""}`;
}

/** US dollars (a decimal) to nano-dollars. Throws RangeError beyond nine decimals. */
export function dollarsToNano(dollars: number | string): Nano {
  return parseDecimal(plain(dollars), 9) as Nano;
}

/** US dollars per million tokens to pico-dollars per token. Throws RangeError beyond six decimals. */
export function perMillionToPico(dollars: number | string): Pico {
  return parseDecimal(plain(dollars), 6) as Pico;
}

/** US dollars per piece (a request, a search, an image) to pico-dollars. Throws RangeError beyond twelve decimals. */
export function dollarsToPico(dollars: number | string): Pico {
  return parseDecimal(plain(dollars), 12) as Pico;
}

function formatDecimal(value: bigint, digits: number): string {
  const negative = value < 0n;
  const text = (negative ? -value : value).toString().padStart(digits + 1, "0");
  const fraction = text.slice(-digits).replace(/0+$/, "");
  return `${negative ? "-" : ""}${text.slice(0, -digits)}${fraction ? `.${fraction}` : ""}`;
}

/** Nano-dollars as a decimal string of US dollars without trailing zeros. */
export function nanoToDollars(amount: Nano): string {
  return formatDecimal(amount, 9);
}

/** Pico-dollars as a decimal string of US dollars without trailing zeros. */
export function picoToDollars(amount: Pico): string {
  return formatDecimal(amount, 12);
}

/** A price per token as US dollars per million tokens, without trailing zeros: what `perMillionToPico` reads back. */
export function picoToPerMillion(price: Pico): string {
  return formatDecimal(price, 6);
}
