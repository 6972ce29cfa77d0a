/**
 * Tests of the strict readers: what they accept, and that a refusal names the parameter's path.
 * Callers find their mistake by that path.
 */
import { describe, expect, test } from "bun:test";
import { GatewayError } from "./error.ts";
import type { JsonObject } from "./json.ts";
import {
  at,
  optionalArray,
  optionalBoolean,
  optionalInteger,
  optionalNumber,
  optionalObject,
  optionalString,
  requiredArray,
  requiredString,
  toObject,
  toText,
} from "./read.ts";

function refusal(work: () => unknown): GatewayError {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(GatewayError);
    return error as GatewayError;
  }
  throw new Error("nothing was refused");
}

test("paths are written as people write them", () => {
  expect(at("", "messages")).toBe("messages");
  expect(at(at(at("", "messages"), 2), "content")).toBe("messages[2].content");
});

const readers = [
  ["a string", optionalString, "x", 5],
  ["a number", optionalNumber, 1.5, "1.5"],
  ["a whole number", optionalInteger, 3, 1.5],
  ["true or false", optionalBoolean, false, 0],
  ["an array", optionalArray, [1], { 0: 1 }],
  ["an object", optionalObject, { a: 1 }, [1]],
] as const;

for (const [name, read, right, wrong] of readers) {
  describe(`an optional field that is ${name}`, () => {
    test("is read", () => expect(read({ key: right } as JsonObject, "key")).toEqual(right as never));

    test("counts as absent when it is null or missing", () => {
      expect(read({ key: null }, "key")).toBeUndefined();
      expect(read({}, "key")).toBeUndefined();
    });

    test("is refused with its path when it is something else", () => {
      const error = refusal(() => read({ key: wrong } as JsonObject, "key", "tools[0]"));
      expect(error.code).toBe("invalid_request");
      expect(error.param).toBe("tools[0].key");
      expect(error.message).toStartWith("tools[0].key: expected");
    });
  });
}

describe("a refusal", () => {
  test("says what came instead", () => {
    expect(refusal(() => requiredString({}, "model")).message).toBe("model: expected a string, got nothing.");
    expect(refusal(() => requiredString({ model: null }, "model")).message).toEndWith("got null.");
    expect(refusal(() => requiredArray({ a: {} }, "a")).message).toBe("a: expected an array, got object.");
    expect(refusal(() => toObject([], "a[1]")).message).toBe("a[1]: expected an object, got an array.");
    expect(refusal(() => toText(3, "a[1]")).param).toBe("a[1]");
  });

  test("speaks of the whole body where there is no path", () => {
    const error = refusal(() => toObject("x", ""));
    expect(error.message).toBe("The request body: expected an object, got string.");
    expect(error.param).toBeUndefined();
  });

  test("does not repeat the value", () => {
    expect(refusal(() => optionalNumber({ key: "sk-secret-value" }, "key")).message).not.toContain("secret");
  });
});

describe("whole numbers", () => {
  test("have a least value", () => {
    expect(optionalInteger({ n: 1 }, "n", "", 1)).toBe(1);
    expect(refusal(() => optionalInteger({ n: 0 }, "n", "", 1)).message).toContain("at least 1");
    expect(refusal(() => optionalInteger({ n: -1 }, "n")).param).toBe("n");
  });

  test("are exact: what a float cannot hold is refused", () => {
    expect(optionalInteger({ n: 2 ** 53 - 1 }, "n")).toBe(2 ** 53 - 1);
    for (const n of [2 ** 53, 1e21, Number.POSITIVE_INFINITY, Number.NaN]) {
      expect(refusal(() => optionalInteger({ n }, "n")).code).toBe("invalid_request");
    }
  });
});
