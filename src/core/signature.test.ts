import { expect, test } from "bun:test";
import fc from "fast-check";
import { DIALECT_IDS } from "./request.ts";
import { carrySignature, holdsWrapped, readSignature, UNSIGNED } from "./signature.ts";

const dialect = fc.constantFrom(...DIALECT_IDS);
const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

test("a signature comes back from any foreign slot as it was", () => {
  fc.assert(
    fc.property(dialect, dialect, fc.base64String(), (origin, target, value) => {
      const signature = { origin, value };
      expect(readSignature(carrySignature(signature, target), target)).toEqual(signature);
    }),
  );
});

test("a body that holds a wrapped signature is recognised, bare and in base64", () => {
  fc.assert(
    fc.property(dialect, fc.base64String(), (origin, value) => {
      for (const target of DIALECT_IDS.filter((id) => id !== origin)) {
        const slot = carrySignature({ origin, value }, target);
        expect(holdsWrapped(bytesOf({ messages: [{ content: [{ type: "thinking", signature: slot }] }] }))).toBe(true);
        const inBase64 = Buffer.from(slot).toString("base64");
        expect(holdsWrapped(bytesOf({ contents: [{ parts: [{ thoughtSignature: inBase64 }] }] }))).toBe(true);
      }
    }),
  );
});

test("what nobody signed is recognised too, and proves nothing", () => {
  for (const target of DIALECT_IDS.filter((id) => id !== UNSIGNED.origin)) {
    const slot = carrySignature(UNSIGNED, target);
    expect(holdsWrapped(bytesOf({ signature: slot }))).toBe(true);
    expect(readSignature(slot, target)).toEqual(UNSIGNED);
  }
});

test("a provider's own signatures and talk about the mark are nothing of the kind", () => {
  expect(
    holdsWrapped(bytesOf({ signature: "EqQBCkYIARgCKkBz", text: "I wrote sluice. and c2x1aWNlLg== myself" })),
  ).toBe(false);
  expect(holdsWrapped(new Uint8Array(0))).toBe(false);
});
