/**
 * Translates between JSON Schema, which the canon carries, and the two kinds of schema that Gemini takes: its own OpenAPI
 * subset (upper-case types, `nullable`) when callers send it, and its subset of JSON Schema when requests go upstream.
 */
import { asArray, asObject, type Json, type JsonObject, setOwn } from "../../core/json.ts";
import { camelKey } from "./keys.ts";

/** Keywords whose value is a schema, a list of schemas, or named schemas. Everything else is data and never walked into. */
const ONE = new Set(["items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else"]);
const MANY = new Set(["anyOf", "oneOf", "allOf", "prefixItems"]);
const NAMED = new Set(["properties", "$defs", "definitions", "patternProperties", "dependentSchemas"]);

/** Types by the number that `enum-encoding=int` clients send. */
const TYPE_BY_NUMBER = [undefined, "string", "number", "integer", "boolean", "array", "object", "null"] as const;

const INT64_KEYWORDS = new Set(["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"]);

type Walk = (schema: JsonObject) => JsonObject;

/** A copy of the schema with `walk` applied to every schema directly inside it. */
function mapInner(schema: JsonObject, walk: Walk): JsonObject {
  const inner = (value: Json | undefined): Json | undefined => {
    const object = asObject(value);
    return object ? walk(object) : value;
  };
  const result: JsonObject = {};
  for (const key in schema) {
    const value = schema[key];
    if (value === null || value === undefined) continue;
    if (ONE.has(key)) setOwn(result, key, Array.isArray(value) ? value.map((one) => inner(one) ?? null) : inner(value));
    else if (MANY.has(key)) result[key] = asArray(value).map((one) => inner(one) ?? null);
    else if (NAMED.has(key) && asObject(value)) {
      const named: JsonObject = {};
      for (const name in value as JsonObject) setOwn(named, name, inner((value as JsonObject)[name]));
      result[key] = named;
    } else setOwn(result, key, value);
  }
  return result;
}

/**
 * Gemini's own schema as JSON Schema: types in lower case, `nullable` as a type, snake_case keywords and textual numbers read.
 * A schema that already is JSON Schema comes out with the same meaning. Names of properties are never changed.
 */
export function fromGeminiSchema(schema: JsonObject): JsonObject {
  const named: JsonObject = {};
  for (const key in schema) {
    const known = key === "ref" || key === "defs" ? `$${key}` : camelKey(key);
    setOwn(named, known, schema[key]);
  }
  const result = mapInner(named, fromGeminiSchema);
  readType(result);
  for (const key of INT64_KEYWORDS) {
    if (typeof result[key] === "string") result[key] = Number(result[key]);
  }
  if (result.format === "enum") delete result.format;
  if (result.example !== undefined) {
    result.examples ??= [result.example];
    delete result.example;
  }
  orderProperties(result);
  if (result.nullable === true) makeNullable(result);
  delete result.nullable;
  return result;
}

function readType(schema: JsonObject): void {
  const { type } = schema;
  if (Array.isArray(type)) schema.type = type.map((one) => (typeof one === "string" ? one.toLowerCase() : one));
  else if (typeof type === "number") schema.type = TYPE_BY_NUMBER[type];
  else if (typeof type === "string") schema.type = type === "TYPE_UNSPECIFIED" ? undefined : type.toLowerCase();
  if (schema.type === undefined) delete schema.type;
}

/** `propertyOrdering` is no JSON Schema: the order of the properties themselves says the same. */
function orderProperties(schema: JsonObject): void {
  const properties = asObject(schema.properties);
  if (properties && Array.isArray(schema.propertyOrdering)) {
    const ordered: JsonObject = {};
    for (const name of [...schema.propertyOrdering, ...Object.keys(properties)]) {
      if (typeof name === "string" && Object.hasOwn(properties, name)) setOwn(ordered, name, properties[name]);
    }
    schema.properties = ordered;
  }
  delete schema.propertyOrdering;
}

function makeNullable(schema: JsonObject): void {
  if (Array.isArray(schema.anyOf)) schema.anyOf = [...schema.anyOf, { type: "null" }];
  else if (typeof schema.type === "string") schema.type = [schema.type, "null"];
  else if (typeof schema.$ref === "string") {
    schema.anyOf = [{ $ref: schema.$ref }, { type: "null" }];
    delete schema.$ref;
  }
  if (Array.isArray(schema.enum) && !schema.enum.includes(null)) schema.enum = [...schema.enum, null];
}

/** What every format that enforces schemas can enforce. */
const ENFORCEABLE = new Set([
  ...["type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "$defs", "$ref"],
  ...["title", "description", "minimum", "maximum", "minItems", "maxItems"],
]);

/**
 * Whether other formats can enforce the schema as Gemini does unasked: objects are closed, all their properties required,
 * and nothing else is demanded. Only then may a request that comes from here ask for enforcement elsewhere.
 */
export function isEnforceable(schema: JsonObject): boolean {
  let isFit = Object.keys(schema).every((key) => ENFORCEABLE.has(key));
  const properties = asObject(schema.properties);
  if (properties || schema.type === "object") {
    const required = new Set(asArray(schema.required));
    isFit &&=
      schema.additionalProperties === false && Object.keys(properties ?? {}).every((name) => required.has(name));
  }
  if (!isFit) return false;
  mapInner(schema, (inner) => {
    isFit &&= isEnforceable(inner);
    return inner;
  });
  return isFit;
}

/** Keywords that say nothing to the model or are no JSON Schema; some make older endpoints refuse the request. */
const DROPPED = new Set(["$schema", "$comment", "encrypted", "propertyOrdering", "nullable"]);

/**
 * JSON Schema within what `parametersJsonSchema` and `responseJsonSchema` are documented to read: `const` as `enum`,
 * exclusive bounds as inclusive ones, `definitions` as `$defs`, a lone `allOf` merged in, nothing beside a `$ref`.
 * Keywords that the API ignores stay: the whole of JSON Schema may be sent.
 */
export function toGeminiSchema(schema: JsonObject): JsonObject {
  const result = mapInner(schema, toGeminiSchema);
  const nullable = result.nullable === true;
  for (const key of DROPPED) delete result[key];
  if (asObject(result.definitions)) {
    result.$defs = { ...asObject(result.definitions), ...asObject(result.$defs) };
    delete result.definitions;
  }
  const [only, ...more] = asArray(result.allOf);
  if (asObject(only) && more.length === 0) {
    delete result.allOf;
    for (const key in asObject(only)) if (result[key] === undefined) setOwn(result, key, asObject(only)?.[key]);
  }
  if (result.const !== undefined) {
    result.enum ??= [result.const];
    delete result.const;
  }
  if (Array.isArray(result.items)) {
    result.prefixItems ??= result.items;
    delete result.items;
  }
  inclusiveBounds(result);
  if (nullable) makeNullable(result);
  return typeof result.$ref === "string" ? onlyReference(result) : result;
}

function inclusiveBounds(schema: JsonObject): void {
  const step = schema.type === "integer" ? 1 : 0;
  const { exclusiveMinimum, exclusiveMaximum } = schema;
  if (typeof exclusiveMinimum === "number") schema.minimum ??= exclusiveMinimum + step;
  if (typeof exclusiveMaximum === "number") schema.maximum ??= exclusiveMaximum - step;
  delete schema.exclusiveMinimum;
  delete schema.exclusiveMaximum;
}

/** The API refuses any property beside `$ref` that does not begin with `$`. */
function onlyReference(schema: JsonObject): JsonObject {
  const result: JsonObject = {};
  for (const key in schema) if (key.startsWith("$")) setOwn(result, key, schema[key]);
  const reference = result.$ref as string;
  if (reference.startsWith("#/definitions/")) result.$ref = `#/$defs/${reference.slice("#/definitions/".length)}`;
  return result;
}

/** A tool's parameters for upstream, which have to be an object. */
export function toGeminiParameters(schema: JsonObject): JsonObject {
  const cleaned = toGeminiSchema(schema);
  const isComposed = cleaned.$ref !== undefined || cleaned.anyOf !== undefined || cleaned.oneOf !== undefined;
  return cleaned.type === undefined && !isComposed ? { type: "object", ...cleaned } : cleaned;
}
