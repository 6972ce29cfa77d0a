/**
 * The form of an API key: a readable prefix, 256 random bits, and a checksum over everything before it.
 * `authenticate` parses every caller's key here first, so that a typing error or a probe never costs a look-up.
 */
import { hash } from "node:crypto";
import { crc32 } from "node:zlib";

/** What keys begin with unless the operator's brand says otherwise. */
export const DEFAULT_KEY_PREFIX = "sk-sluice-";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE = 62;
const SECRET_BYTES = 32;
/** 62⁴³ > 2²⁵⁶: the characters that hold the secret. */
const SECRET_LENGTH = 43;
/** 62⁶ > 2³²: the characters that hold the checksum. */
const CHECKSUM_LENGTH = 6;
const TAIL_LENGTH = SECRET_LENGTH + CHECKSUM_LENGTH;
const MAX_PREFIX_LENGTH = 32;

const PREFIX = /^[A-Za-z][A-Za-z0-9_-]{0,30}[_-]$/;
/** A prefix ends in a separator and the rest has none, so a key divides in one way only, whatever its prefix. */
const KEY = /^[A-Za-z][A-Za-z0-9_-]{0,30}[_-][0-9A-Za-z]{49}$/;

/** A new key. `key` is shown to its owner once; `hash` and `label` are what is kept. */
export interface CreatedKey {
  readonly key: string;
  /** SHA-256 of the whole key, in hexadecimal. */
  readonly hash: string;
  /** The prefix, an ellipsis and the last four characters: enough to recognise a key in a list. */
  readonly label: string;
}

export type ParsedKey = { readonly ok: true; readonly hash: string } | { readonly ok: false };

const REFUSED: ParsedKey = { ok: false };

/** Whether keys may begin with this text: 2 to 32 letters, digits, `-` and `_`, a letter first and a separator last. */
export function isKeyPrefix(text: string): boolean {
  return PREFIX.test(text);
}

/** Makes a key of 256 random bits. Throws RangeError for a prefix that `isKeyPrefix` refuses. */
export function createKey(prefix: string = DEFAULT_KEY_PREFIX): CreatedKey {
  if (!isKeyPrefix(prefix)) throw new RangeError("A key prefix has 2 to 32 of A-Z a-z 0-9 - _ and ends in - or _.");
  const random = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  const secret = base62(BigInt(`0x${random.toHex()}`), SECRET_LENGTH);
  const key = prefix + secret + checksum(prefix + secret);
  return { key, hash: hashKey(key), label: `${prefix}…${key.slice(-4)}` };
}

/**
 * Verifies length, alphabet and checksum and returns the hash to look the key up by. Never throws, does no I/O.
 * It accepts any prefix, so keys made before the operator changed the prefix go on working.
 */
export function parseKey(text: string): ParsedKey {
  if (text.length > MAX_PREFIX_LENGTH + TAIL_LENGTH || !KEY.test(text)) return REFUSED;
  const end = text.length - CHECKSUM_LENGTH;
  return checksum(text.slice(0, end)) === text.slice(end) ? { ok: true, hash: hashKey(text) } : REFUSED;
}

function hashKey(key: string): string {
  return hash("sha256", key, "hex");
}

function checksum(text: string): string {
  let rest = crc32(text);
  let digits = "";
  for (let i = 0; i < CHECKSUM_LENGTH; i++) {
    digits = ALPHABET.charAt(rest % BASE) + digits;
    rest = Math.floor(rest / BASE);
  }
  return digits;
}

function base62(value: bigint, length: number): string {
  let rest = value;
  let digits = "";
  while (digits.length < length) {
    digits = ALPHABET.charAt(Number(rest % 62n)) + digits;
    rest /= 62n;
  }
  return digits;
}
