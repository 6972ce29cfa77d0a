/**
 * The kinds of values a setting can have, each with the sentence that says what is allowed.
 * The schema is built from these at start; mistakes and the reference are worded with their sentences.
 */

import { z } from "zod";
import { asObject, tryParse } from "../core/json.ts";
import { dollarsToNano, dollarsToPico, perMillionToPico } from "../core/money.ts";

/** What is known of a setting besides its type. */
export interface SettingNote {
  /** One sentence for the reference. */
  about: string;
  /** Its environment variable where it is not `SLUICE_` and the path in capitals; null where there is none. */
  variable?: string | null;
  /** Its value is never shown, not even in a mistake. */
  secret?: boolean;
}

/** What a schema allows, in words that follow "expected". */
export const allowed = z.registry<{ text: string }>();
/** The notes of the schema's settings. */
export const notes = z.registry<SettingNote>();

/** The same schema with the sentence of what it allows. */
export function says<S extends z.ZodType>(schema: S, text: string): S {
  allowed.add(schema, { text });
  return schema;
}

/** The same schema, noted as a setting. Each use needs a schema of its own. */
export function setting<S extends z.ZodType>(schema: S, about: string, options: Omit<SettingNote, "about"> = {}): S {
  notes.add(schema, { about, ...options });
  return schema;
}

/** A whole number; digits in a string count, because variables have nothing else. */
export function wholeNumber(minimum: number, maximum: number) {
  const digits = (value: unknown) => (typeof value === "string" && /^\d{1,15}$/.test(value) ? Number(value) : value);
  return says(z.preprocess(digits, z.int().min(minimum).max(maximum)), `a whole number from ${minimum} to ${maximum}`);
}

/** True or false, as a YAML boolean or the word. */
export function flag() {
  const word = (value: unknown) => (value === "true" ? true : value === "false" ? false : value);
  return says(z.preprocess(word, z.boolean()), "true or false");
}

export function choice<const T extends readonly [string, ...string[]]>(values: T) {
  return says(z.enum(values), `one of ${values.join(", ")}`);
}

export function text(maxLength: number, what = "text") {
  return says(z.string().trim().min(1).max(maxLength), `${what} of 1 to ${maxLength} characters`);
}

export function matching(pattern: RegExp, sentence: string) {
  return says(z.string().regex(pattern), sentence);
}

/** Keys and secrets: what can stand in a header. */
export function credential(minLength = 1) {
  const sentence =
    minLength > 1
      ? `at least ${minLength} printable characters without spaces`
      : "a key of printable characters without spaces";
  return says(
    z
      .string()
      .regex(/^[\x21-\x7e]+$/)
      .min(minLength)
      .max(4096),
    sentence,
  );
}

const MAX_DOCUMENT = 16_384;

/** A provider's key: what can stand in a header, or the JSON document that a cloud hands out. */
export function providerKey() {
  const fits = (value: string) =>
    /^[\x21-\x7e]{1,4096}$/.test(value) || (value.length <= MAX_DOCUMENT && asObject(tryParse(value)) !== undefined);
  return says(z.string().trim().refine(fits), "a key of printable characters without spaces, or a JSON document");
}

const MONEY = {
  perMillion: { places: 6, parse: perMillionToPico },
  piece: { places: 12, parse: dollarsToPico },
  amount: { places: 9, parse: dollarsToNano },
  charge: { places: 2, parse: wholeCents },
} as const;
const MAX_DOLLARS = 1_000_000;
const NANO_PER_CENT = 10_000_000n;

/** What is charged to a card has no fractions of a cent. */
function wholeCents(value: number | string): bigint {
  const amount = dollarsToNano(value);
  if (amount % NANO_PER_CENT !== 0n) throw new RangeError("fractions of a cent");
  return amount;
}

/** US dollars as a decimal, a number or a string. It stays text here; the caller converts it with the same function. */
export function dollars(kind: keyof typeof MONEY) {
  const { places, parse } = MONEY[kind];
  const fits = (value: number | string): boolean => {
    try {
      const parsed = parse(value);
      return parsed >= 0n && parsed <= parse(MAX_DOLLARS);
    } catch {
      return false;
    }
  };
  return says(
    z.union([z.number(), z.string()]).refine(fits),
    `US dollars as a decimal from 0 to ${MAX_DOLLARS} with at most ${places} places`,
  );
}

/** A URL of one of the schemes. `plain` ones have no credentials, query or fragment, and lose their trailing slashes. */
export function url(schemes: readonly string[], options: { plain: boolean }) {
  const fits = (value: string): boolean => {
    const parsed = URL.parse(value);
    if (!parsed || !schemes.includes(parsed.protocol.slice(0, -1)) || !parsed.hostname) return false;
    return !options.plain || !(parsed.username || parsed.password || /[?#]/.test(value));
  };
  const sentence = `a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(" or ")}`;
  const schema = z.string().trim().max(2048).refine(fits);
  if (!options.plain) return says(schema, sentence);
  return says(
    schema.overwrite((value) => value.replace(/\/+$/, "")),
    `${sentence}, without credentials, query or fragment`,
  );
}

/** A list with a limit. */
export function list<S extends z.ZodType>(item: S, maximum: number, minimum = 0) {
  const size = minimum > 0 ? `${minimum} to ${maximum}` : `at most ${maximum}`;
  const each = item instanceof z.ZodObject ? undefined : allowed.get(item)?.text;
  return says(
    z.array(item).min(minimum).max(maximum),
    `a list of ${size}${each === undefined ? "" : `, each ${each}`}`,
  );
}

/** A list of texts, which one string can hold as well, separated by commas, because variables have nothing else. */
export function separated(fits: (text: string) => boolean, each: string, maximum: number) {
  const split = (value: unknown) => (typeof value === "string" ? value.split(",").map((one) => one.trim()) : value);
  const isRight = (value: unknown) =>
    Array.isArray(value) && value.length <= maximum && value.every((one) => typeof one === "string" && fits(one));
  const schema = z.preprocess(split, z.custom<string[]>(isRight));
  return says(schema, `a list of at most ${maximum}, each ${each}`);
}

/** A group of settings; a key that it does not know is a mistake. */
export function group<T extends z.core.$ZodLooseShape>(shape: T) {
  return says(z.strictObject(shape), "a mapping of settings");
}
