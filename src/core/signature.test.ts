/**
 * Tests of signatures that travel through foreign formats.
 * A signature that comes back changed makes its origin refuse the conversation.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { DIALECT_IDS, type DialectId } from "./request.ts";
import { carrySignature, holdsWrapped, readSignature, readSlot, UNSIGNED } from "./signature.ts";

const ids = fc.constantFrom<DialectId[]>(...DIALECT_IDS);

for (const origin of DIALECT_IDS) {
  for (const target of DIALECT_IDS) {
    test(`a signature of ${origin} comes back from ${target} as it was`, () => {
      for (const value of ["EqQBCgIYAhIM+/=", "", "a.b.c", "sluic", "{}", "é\n\u0000"]) {
        expect(readSignature(carrySignature({ origin, value }, target), target)).toEqual({ origin, value });
      }
    });
  }
}

test("at its origin it is the bare value, elsewhere it is not", () => {
  fc.assert(
    fc.property(ids, ids, fc.string(), (origin, target, value) => {
      expect(carrySignature({ origin, value }, target) === value).toBe(origin === target);
    }),
  );
});

test("any value comes back through any format", () => {
  const values = fc.string({ unit: "grapheme" }).filter((value) => !value.startsWith("sluice."));
  fc.assert(
    fc.property(ids, ids, values, (origin, target, value) => {
      expect(readSignature(carrySignature({ origin, value }, target), target)).toEqual({ origin, value });
    }),
  );
});

test("one that another gateway of this kind has wrapped already keeps both wrappings", () => {
  const value = carrySignature({ origin: "gemini", value: "x" }, "anthropic-messages");
  const carried = carrySignature({ origin: "anthropic-messages", value }, "openai-chat");
  expect(readSignature(carried, "openai-chat")).toEqual({ origin: "anthropic-messages", value });
});

test("text that only looks wrapped belongs to the format it stands in", () => {
  for (const text of [
    "sluice.",
    "sluice.gemini",
    "sluice.nobody.abc",
    "sluice..x",
    "sluice.geminix",
    "Sluice.gemini.x",
  ]) {
    expect(readSignature(text, "openai-chat")).toEqual({ origin: "openai-chat", value: text });
  }
});

test("a body that holds a wrapped signature is known, one with its own signatures only is not", () => {
  const bytes = (value: string) => new TextEncoder().encode(JSON.stringify({ thinking: "x", signature: value }));
  for (const origin of DIALECT_IDS) {
    expect(holdsWrapped(bytes(carrySignature({ origin, value: "abc" }, origin)))).toBe(false);
    const other = DIALECT_IDS.find((id) => id !== origin) as DialectId;
    expect(holdsWrapped(bytes(carrySignature({ origin, value: "abc" }, other)))).toBe(true);
  }
  const inBase64 = Buffer.from(carrySignature({ origin: "openai-chat", value: "abc" }, "gemini")).toString("base64");
  expect(holdsWrapped(bytes(inBase64))).toBe(true);
  expect(holdsWrapped(bytes(`sluice.${DIALECT_IDS[0]}.abc`).subarray(0, 20))).toBe(false);
});

test("a slot that says that nothing was signed is known as foreign, and holds no signature", () => {
  for (const target of DIALECT_IDS.filter((id) => id !== UNSIGNED.origin)) {
    const slot = carrySignature(UNSIGNED, target);
    expect(holdsWrapped(new TextEncoder().encode(JSON.stringify({ signature: slot })))).toBe(true);
    expect(readSlot(slot, target)).toBeUndefined();
  }
  expect(readSlot("", "gemini")).toBeUndefined();
  expect(readSlot("abc", "gemini")).toEqual({ origin: "gemini", value: "abc" });
});
