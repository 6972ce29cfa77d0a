/**
 * Tests of reading tool arguments that may be cut off or malformed.
 * They stand beside the reader, away from the path of a call.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { JsonObject } from "../core/json.ts";
import { parseArguments } from "./partial-json.ts";

test("no text is a call without arguments", () => {
  expect(parseArguments("")).toEqual({ value: {}, complete: true });
});

test("a whole object is itself", () => {
  expect(parseArguments(' {"a":[1,{"b":null}]} ')).toEqual({ value: { a: [1, { b: null }] }, complete: true });
});

test("text that breaks off keeps what can be read", () => {
  const cases: [string, JsonObject][] = [
    ["{", {}],
    ["  ", {}],
    ['{"pa', {}],
    ['{"path"', {}],
    ['{"path":', {}],
    ['{"path":"/tm', { path: "/tm" }],
    ['{"path":"a\\', { path: "a" }],
    ['{"path":"a\\u00', { path: "a" }],
    ['{"a":1,', { a: 1 }],
    ['{"a":1,"b', { a: 1 }],
    ['{"a":tru', {}],
    ['{"a":true', { a: true }],
    ['{"a":-', {}],
    ['{"a":1.', { a: 1 }],
    ['{"a":[1,[2,{"c":"d', { a: [1, [2, { c: "d" }]] }],
    ['{"a":[1,', { a: [1] }],
    ['{"a":{}', { a: {} }],
  ];
  for (const [text, value] of cases) expect(parseArguments(text)).toEqual({ value, complete: false });
});

test("control characters left unescaped in a string are kept", () => {
  expect(parseArguments('{\n"a":"x\ny\t"}').value).toEqual({ a: "x\ny\t" });
});

test("what follows the object is ignored", () => {
  expect(parseArguments('{"a":1}</tool>')).toEqual({ value: { a: 1 }, complete: false });
});

test("an object that was encoded twice is unwrapped", () => {
  expect(parseArguments('"{\\"a\\":1}"')).toEqual({ value: { a: 1 }, complete: false });
});

test("anything else stands under input", () => {
  expect(parseArguments("ls -la").value).toEqual({ input: "ls -la" });
  expect(parseArguments("[1]").value).toEqual({ input: [1] });
  expect(parseArguments("7").value).toEqual({ input: 7 });
  expect(parseArguments("null").value).toEqual({});
  expect(parseArguments('{"a":"\\x"}').value).toEqual({ input: '{"a":"\\x"}' });
});

test("every beginning of an object gives an object, and the whole one itself", () => {
  const value = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }));
  fc.assert(
    fc.property(value, fc.nat(), (object, cut) => {
      const text = JSON.stringify(object);
      expect(parseArguments(text).value).toEqual(JSON.parse(text));
      const part = parseArguments(text.slice(0, cut % (text.length + 1)));
      expect(typeof part.value).toBe("object");
      expect(Object.keys(part.value).every((key) => Object.hasOwn(JSON.parse(text), key))).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test("nothing makes it throw, however deep", () => {
  fc.assert(fc.property(fc.string(), (text) => void parseArguments(text)));
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'{}[]",:\\u01-.etrufalsn \n') }), (t) => void parseArguments(t)),
  );
  expect(typeof parseArguments(`{"a":${"[".repeat(50_000)}`).value).toBe("object");
});
