/**
 * Ids, times and signatures derived from a request's bytes, so that the same request always gets the same answer.
 * Every dialect of the simulated provider names its messages, calls and thoughts with these.
 */

/** 64 bits that stand for one request. */
export interface Seed {
  high: number;
  low: number;
}

const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const HEX = "0123456789abcdef";
const FIRST_SECOND = 1_735_689_600;
const SPREAD_SECONDS = 31_536_000;

/** The seed of a text; equal texts have equal seeds. */
export function seedOf(text: string): Seed {
  const hash = Bun.hash.wyhash(text);
  return { high: Number(hash >> 32n), low: Number(hash & 0xffff_ffffn) };
}

function letters(seed: Seed, salt: number, length: number, alphabet: string): string {
  let x = (seed.low ^ Math.imul(salt + 1, 0x9e37_79b9)) | 0;
  let y = (seed.high + Math.imul(salt + 1, 0x85eb_ca6b)) | 0;
  let out = "";
  for (let index = 0; index < length; index++) {
    x = (Math.imul(x ^ (x >>> 15), 0x85eb_ca6b) + y) | 0;
    y = (Math.imul(y ^ (y >>> 13), 0xc2b2_ae35) + 0x9e37_79b9) | 0;
    out += alphabet[((x ^ (y >>> 7)) >>> 0) % alphabet.length];
  }
  return out;
}

/** Letters and digits; the same for the same seed and salt. */
export const base62 = (seed: Seed, salt: number, length: number): string => letters(seed, salt, length, BASE62);

/** Hexadecimal digits; the same for the same seed and salt. */
export const hex = (seed: Seed, salt: number, length: number): string => letters(seed, salt, length, HEX);

/** A made-up moment of the year 2025 in seconds since 1970. */
export const secondsOf = (seed: Seed): number => FIRST_SECOND + (seed.low % SPREAD_SECONDS);

const check = (dialect: string, nonce: string): string => Bun.hash.wyhash(`sim|${dialect}|${nonce}`).toString(36);

/** What a thinking text is bound to in its signature. */
export const bindingOf = (text: string): string => Bun.hash.wyhash(text).toString(36);

/** A signature that {@link isSigned} recognises later without anything being stored. Valid base64. */
export const sign = (dialect: string, nonce: string): string =>
  Buffer.from(`sim|${dialect}|${nonce}|${check(dialect, nonce)}`).toString("base64");

/** Whether the signature was issued for this dialect (and, when a nonce is given, for this nonce). */
export function isSigned(dialect: string, signature: unknown, nonce?: string): boolean {
  if (typeof signature !== "string" || !signature.startsWith("c2lt")) return false;
  const [mark, of, signed, proof] = Buffer.from(signature, "base64").toString().split("|");
  if (mark !== "sim" || of !== dialect || signed === undefined) return false;
  return proof === check(dialect, signed) && (nonce === undefined || nonce === signed);
}
