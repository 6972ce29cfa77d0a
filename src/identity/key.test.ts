/**
 * Tests of the API key's form: what is made is accepted, and what differs from it in any way is not.
 * They hold the promise that a mistyped or invented key is refused before any look-up.
 */

import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { createKey, DEFAULT_KEY_PREFIX, isKeyPrefix, parseKey } from "./key.ts";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
const prefixes = fc
  .tuple(fc.stringMatching(/^[A-Za-z][A-Za-z0-9_-]{0,30}$/), fc.constantFrom("-", "_"))
  .map(([start, end]) => start + end);

describe("a new key", () => {
  test("has the prefix, 43 characters of secret and 6 of checksum", () => {
    const { key } = createKey();
    expect(key).toMatch(/^sk-sluice-[0-9A-Za-z]{49}$/);
    expect(key.startsWith(DEFAULT_KEY_PREFIX)).toBe(true);
  });

  test("is kept as the SHA-256 of the whole and a label that shows four characters", () => {
    const { key, hash, label } = createKey("acme_");
    expect(hash).toBe(createHash("sha256").update(key).digest("hex"));
    expect(label).toBe(`acme_…${key.slice(-4)}`);
  });

  test("is never the same twice", () => {
    expect(new Set(Array.from({ length: 500 }, () => createKey().key)).size).toBe(500);
  });

  test("is accepted whatever its prefix, so older prefixes keep working", () => {
    fc.assert(
      fc.property(prefixes, (prefix) => {
        const made = createKey(prefix);
        expect(parseKey(made.key)).toEqual({ ok: true, hash: made.hash });
      }),
    );
  });

  test("is not made with a prefix that could not be told from the secret", () => {
    for (const prefix of ["", "-", "sk", "9-", "sk sluice-", "sk-ü-", `${"a".repeat(32)}-`]) {
      expect(isKeyPrefix(prefix)).toBe(false);
      expect(() => createKey(prefix)).toThrow(RangeError);
    }
  });
});

describe("a wrong key is refused", () => {
  test("when any one character is changed", () => {
    const { key } = createKey();
    for (let i = 0; i < key.length; i++) {
      for (const other of ALPHABET) {
        if (other === key[i]) continue;
        expect(parseKey(key.slice(0, i) + other + key.slice(i + 1)).ok).toBe(false);
      }
    }
  });

  test("when a character is any other at all", () => {
    fc.assert(
      fc.property(prefixes, fc.nat(), fc.string({ minLength: 1, maxLength: 2, unit: "binary" }), (prefix, n, other) => {
        const { key } = createKey(prefix);
        const at = n % key.length;
        fc.pre(other !== key[at]);
        expect(parseKey(key.slice(0, at) + other + key.slice(at + 1)).ok).toBe(false);
      }),
    );
  });

  test("when two neighbours are swapped, or one is missing or doubled", () => {
    fc.assert(
      fc.property(fc.nat(), (n) => {
        const { key } = createKey();
        const at = n % (key.length - 1);
        const [left, right] = [key.charAt(at), key.charAt(at + 1)];
        const around = [key.slice(0, at), key.slice(at + 2)] as const;
        if (left !== right) expect(parseKey(around[0] + right + left + around[1]).ok).toBe(false);
        expect(parseKey(around[0] + right + around[1]).ok).toBe(false);
        expect(parseKey(around[0] + left + left + right + around[1]).ok).toBe(false);
      }),
    );
  });

  test("when it is padded, cut, empty or enormous", () => {
    const { key } = createKey();
    const wrong = ["", " ", `${key} `, ` ${key}`, `${key}\n`, key.slice(1), key.slice(0, -1), key.slice(10)];
    for (const text of [...wrong, key + key, "A".repeat(1_000_000), "sk-sluice-", "\0"]) {
      expect(parseKey(text)).toEqual({ ok: false });
    }
  });

  test("for any text, without throwing", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => !parseKey(text).ok));
  });
});
