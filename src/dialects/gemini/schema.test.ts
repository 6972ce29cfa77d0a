/** Unit tests of the schema translation: what Gemini's schemas become in the canon, and what the canon's become upstream. */
import { describe, expect, test } from "bun:test";
import { fromGeminiSchema, isEnforceable, toGeminiParameters, toGeminiSchema } from "./schema.ts";

describe("a caller's schema", () => {
  test("types in capitals and as numbers become JSON Schema types", () => {
    const schema = {
      type: "OBJECT",
      properties: { n: { type: 2 }, list: { type: "ARRAY", items: { type: "STRING" } } },
    };
    expect(fromGeminiSchema(schema)).toEqual({
      type: "object",
      properties: { n: { type: "number" }, list: { type: "array", items: { type: "string" } } },
    });
  });

  test("names of properties are never renamed, whatever they look like", () => {
    const properties = { max_items: { type: "INTEGER" }, type: { type: "STRING" }, any_of: { type: "BOOLEAN" } };
    const read = fromGeminiSchema({ type: "OBJECT", properties, required: ["max_items"] });
    expect(Object.keys(read.properties as object)).toEqual(["max_items", "type", "any_of"]);
    expect(read.required).toEqual(["max_items"]);
  });

  test("snake_case keywords and numbers written as text are read", () => {
    const read = fromGeminiSchema({ any_of: [{ type: "ARRAY", max_items: "3" }] });
    expect(read).toEqual({ anyOf: [{ type: "array", maxItems: 3 }] });
  });

  test("nullable becomes a type, a branch of anyOf, and a value of an enum", () => {
    expect(fromGeminiSchema({ type: "STRING", nullable: true })).toEqual({ type: ["string", "null"] });
    expect(fromGeminiSchema({ anyOf: [{ type: "STRING" }], nullable: true })).toEqual({
      anyOf: [{ type: "string" }, { type: "null" }],
    });
    expect(fromGeminiSchema({ type: "STRING", format: "enum", enum: ["a"], nullable: true })).toEqual({
      type: ["string", "null"],
      enum: ["a", null],
    });
    expect(fromGeminiSchema({ type: "STRING", nullable: false })).toEqual({ type: "string" });
  });

  test("the order of properties is kept as their order", () => {
    const read = fromGeminiSchema({ properties: { a: {}, b: {} }, propertyOrdering: ["b", "a"] });
    expect(Object.keys(read.properties as object)).toEqual(["b", "a"]);
    expect(read.propertyOrdering).toBeUndefined();
  });

  test("JSON Schema comes out as it was", () => {
    const schema = {
      type: "object",
      properties: { a: { const: "X" }, b: { type: ["string", "null"], enum: ["STRING", null] } },
      additionalProperties: { type: "number" },
      $defs: { one: { type: "integer" } },
    };
    expect(fromGeminiSchema(schema)).toEqual(schema);
  });

  test("a key called __proto__ is data", () => {
    const schema = JSON.parse('{"properties":{"__proto__":{"type":"STRING"}}}');
    const { properties } = fromGeminiSchema(schema) as { properties: object };
    expect(Object.keys(properties)).toEqual(["__proto__"]);
    expect(Object.getPrototypeOf(properties)).toBe(Object.prototype);
  });
});

describe("a schema for upstream", () => {
  test("$schema goes, const becomes enum, exclusive bounds become inclusive", () => {
    const schema = {
      $schema: "http://json-schema.org/draft-07/schema#",
      type: "object",
      properties: {
        kind: { const: "file" },
        limit: { type: "integer", exclusiveMinimum: 0, exclusiveMaximum: 10 },
        ratio: { type: "number", exclusiveMinimum: 0 },
      },
    };
    expect(toGeminiSchema(schema)).toEqual({
      type: "object",
      properties: {
        kind: { enum: ["file"] },
        limit: { type: "integer", minimum: 1, maximum: 9 },
        ratio: { type: "number", minimum: 0 },
      },
    });
  });

  test("what JSON Schema says and the API ignores stays", () => {
    const schema = {
      type: "object",
      properties: { tags: { type: "array", uniqueItems: true, items: { type: ["string", "null"], pattern: "^a" } } },
      additionalProperties: false,
    };
    expect(toGeminiSchema(schema)).toEqual(schema);
  });

  test("nothing but $-keywords stands beside a reference, and definitions are where the API looks", () => {
    const schema = {
      type: "object",
      properties: { next: { $ref: "#/definitions/node", description: "The next one." } },
      definitions: { node: { type: "object", properties: { value: { const: 1 } } } },
    };
    expect(toGeminiSchema(schema)).toEqual({
      type: "object",
      properties: { next: { $ref: "#/$defs/node" } },
      $defs: { node: { type: "object", properties: { value: { enum: [1] } } } },
    });
  });

  test("a lone allOf is merged in, and a tuple is said in the newer way", () => {
    const schema = { description: "x", allOf: [{ type: "array", items: [{ type: "string" }] }] };
    expect(toGeminiSchema(schema)).toEqual({ description: "x", type: "array", prefixItems: [{ type: "string" }] });
  });

  test("the input is not changed", () => {
    const schema = { properties: { a: { const: 1, exclusiveMinimum: 1 } }, definitions: { b: {} } };
    const copy = structuredClone(schema);
    toGeminiSchema(schema);
    fromGeminiSchema(schema);
    expect(schema).toEqual(copy);
  });

  test("parameters without a type are an object", () => {
    expect(toGeminiParameters({ properties: {} })).toEqual({ type: "object", properties: {} });
    expect(toGeminiParameters({ anyOf: [{ type: "object" }] })).toEqual({ anyOf: [{ type: "object" }] });
  });

  test("a thousand levels do no harm", () => {
    let schema: Record<string, unknown> = { type: "STRING" };
    for (let level = 0; level < 1000; level++) schema = { type: "ARRAY", items: schema };
    expect(() => toGeminiSchema(fromGeminiSchema(schema as never))).not.toThrow();
  });
});

test("a schema can be enforced elsewhere when its objects are closed and complete", () => {
  const closed = {
    type: "object",
    properties: { a: { type: "string" } },
    required: ["a"],
    additionalProperties: false,
  };
  expect(isEnforceable(closed)).toBe(true);
  expect(isEnforceable({ ...closed, required: [] })).toBe(false);
  expect(isEnforceable({ type: "array", items: { type: "object", properties: {} } })).toBe(false);
  expect(isEnforceable({ type: "string", pattern: "a" })).toBe(false);
});
