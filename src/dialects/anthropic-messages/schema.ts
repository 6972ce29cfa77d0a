/**
 * Fits JSON Schemas of other APIs to what Messages accepts: an object at the top of a tool's input, and the smaller
 * language of strict tools and structured output. A part of request encoding.
 */
import { asArray, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";

const MAX_DEPTH = 100;

/** Keywords that the constrained language lacks; they are told in the description instead. */
const UNSUPPORTED = [
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
  "minLength",
  "maxLength",
  "maxItems",
  "uniqueItems",
  "minProperties",
  "maxProperties",
  "patternProperties",
  "propertyNames",
];
const FORMATS = new Set("date-time time date duration email hostname uri ipv4 ipv6 uuid".split(" "));

/** The input schema of a tool: always an object at the top, alternatives there folded into one set of properties. */
export function toolSchema(schema: JsonObject | undefined): JsonObject {
  if (!schema) return { type: "object", properties: {} };
  const { anyOf, oneOf, allOf, ...plain } = schema;
  const every = asArray(allOf).map(asObject);
  const either = [...asArray(anyOf), ...asArray(oneOf)].map(asObject);
  if (every.length + either.length === 0) return schema.type === "object" ? schema : { ...schema, type: "object" };
  const properties: JsonObject = {};
  for (const branch of [...either, ...every, plain]) Object.assign(properties, asObject(branch?.properties));
  const inAll = [plain, ...every].flatMap((branch) => asArray(branch?.required));
  const inEach = either.length > 0 ? asArray(either[0]?.required) : [];
  const shared = inEach.filter((name) => either.every((branch) => asArray(branch?.required).includes(name)));
  const required = [...new Set([...inAll, ...shared])];
  return { ...plain, type: "object", properties, ...(required.length > 0 && { required }) };
}

/** Whether every object inside is closed and requires all its properties, as every API can promise to keep it. */
export function isExact(schema: Json | undefined, depth = 0): boolean {
  if (Array.isArray(schema)) return schema.every((inner) => isExact(inner, depth + 1));
  const object = asObject(schema);
  if (!object || depth > MAX_DEPTH) return true;
  const properties = asObject(object.properties);
  if (properties || object.type === "object") {
    const required = asArray(object.required);
    if (object.additionalProperties !== false) return false;
    if (!Object.keys(properties ?? {}).every((name) => required.includes(name))) return false;
  }
  const inside = [properties, object.$defs, object.definitions].flatMap((group) =>
    Object.values(asObject(group) ?? {}),
  );
  return [...inside, object.items, object.anyOf, object.oneOf, object.allOf].every((inner) =>
    isExact(inner, depth + 1),
  );
}

/** The schema in the constrained language, and whether anything had to be said differently. */
export function constrainedSchema(schema: JsonObject): { schema: JsonObject; altered: boolean } {
  const state = { altered: false };
  return { schema: constrain(schema, state, 0), altered: state.altered };
}

function constrain(schema: JsonObject, state: { altered: boolean }, depth: number): JsonObject {
  if (depth > MAX_DEPTH) return schema;
  const result: JsonObject = {};
  const told: string[] = [];
  for (const key in schema) {
    const value = schema[key];
    if (value === undefined) continue;
    if (refuses(key, value)) told.push(`${key}: ${JSON.stringify(value)}`);
    else if (key === "oneOf") result.anyOf = inside("anyOf", value, state, depth);
    else result[key] = inside(key, value, state, depth);
  }
  if (told.length > 0) {
    state.altered = true;
    result.description = [asString(schema.description), `{${told.join(", ")}}`].filter(Boolean).join("\n\n");
  }
  const isObject =
    schema.type === "object" || asArray(schema.type).includes("object") || schema.properties !== undefined;
  if (isObject && result.additionalProperties !== false) {
    if (asObject(result.additionalProperties)) state.altered = true;
    result.additionalProperties = false;
  }
  return result;
}

function refuses(key: string, value: Json): boolean {
  if (key === "minItems") return value !== 0 && value !== 1;
  if (key === "format") return typeof value === "string" && !FORMATS.has(value);
  return UNSUPPORTED.includes(key);
}

function inside(key: string, value: Json, state: { altered: boolean }, depth: number): Json {
  const object = asObject(value);
  switch (key) {
    case "properties":
    case "$defs":
    case "definitions": {
      if (!object) return value;
      const entries = Object.entries(object).map(([name, inner]) => [name, each(inner, state, depth)] as const);
      return Object.fromEntries(entries);
    }
    case "items":
    case "additionalProperties":
      return each(value, state, depth);
    case "anyOf":
    case "allOf":
    case "prefixItems":
      return Array.isArray(value) ? value.map((inner) => each(inner, state, depth)) : value;
    default:
      return value;
  }
}

function each(value: Json | undefined, state: { altered: boolean }, depth: number): Json {
  const object = asObject(value);
  return object ? constrain(object, state, depth + 1) : (value ?? null);
}
