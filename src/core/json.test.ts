/**
 * Tests of the readers for data whose shape nobody guarantees.
 * They must never throw and never let `__proto__` do more than a key does.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { asArray, asNumber, asObject, asString, type JsonObject, rest, setOwn, tryParse } from "./json.ts";

describe("__proto__ is a key like any other", () => {
  const hostile = JSON.parse('{"__proto__":{"polluted":true},"a":1,"constructor":2}') as JsonObject;

  test("when the rest of an object is copied", () => {
    const left = rest(hostile, new Set(["a"])) as JsonObject;
    expect(Object.keys(left)).toEqual(["__proto__", "constructor"]);
    expect(Object.getPrototypeOf(left)).toBe(Object.prototype);
    expect((left as { polluted?: unknown }).polluted).toBeUndefined();
    expect(JSON.stringify(left)).toBe('{"__proto__":{"polluted":true},"constructor":2}');
  });

  test("when it is set", () => {
    const object: JsonObject = {};
    setOwn(object, "__proto__", { polluted: true });
    setOwn(object, "__proto__", { polluted: 2 });
    expect(Object.getPrototypeOf(object)).toBe(Object.prototype);
    expect(JSON.stringify(object)).toBe('{"__proto__":{"polluted":2}}');
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});

describe("the rest of an object", () => {
  test("is absent when every key is known or without a value", () => {
    expect(rest({ a: 1, b: undefined }, new Set(["a"]))).toBeUndefined();
    expect(rest({}, new Set())).toBeUndefined();
  });

  test("keeps null, which says something", () => {
    expect(rest({ a: null, b: 0, c: "" }, new Set())).toEqual({ a: null, b: 0, c: "" });
  });
});

describe("values of a wrong type count as absent", () => {
  test("for each reader", () => {
    expect(asObject([])).toBeUndefined();
    expect(asObject(null)).toBeUndefined();
    expect(asArray({ length: 1 })).toEqual([]);
    expect(asString(5)).toBeUndefined();
    expect(asNumber("5")).toBeUndefined();
    expect(asNumber(Number.NaN)).toBeUndefined();
    expect(asNumber(Number.POSITIVE_INFINITY)).toBeUndefined();
  });

  test("nothing throws, whatever comes", () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        for (const read of [asObject, asArray, asString, asNumber]) read(value);
      }),
    );
  });

  test("text that is no JSON is absent", () => {
    expect(tryParse("{")).toBeUndefined();
    expect(tryParse("")).toBeUndefined();
    expect(tryParse("null")).toBeNull();
  });
});
