/**
 * The rules that OpenAI and Anthropic set for schemas they promise to follow strictly.
 * The simulated APIs refuse a strict tool or answer format that breaks them, as the real ones do.
 */
import { arrayOf, isObject, type Json } from "./json.ts";

const DEEPEST = 40;

const isObjectSchema = (schema: Json): boolean =>
  schema.type === "object" ||
  (Array.isArray(schema.type) && schema.type.includes("object")) ||
  isObject(schema.properties);

function* children(schema: Json, path: string[]): Generator<[unknown, string[]]> {
  for (const group of ["properties", "$defs", "definitions"]) {
    const members = schema[group];
    if (!isObject(members)) continue;
    for (const [key, value] of Object.entries(members)) yield [value, [...path, group, key]];
  }
  if (isObject(schema.items)) yield [schema.items, [...path, "items"]];
  for (const group of ["anyOf", "allOf", "oneOf"]) {
    for (const [index, value] of arrayOf(schema[group]).entries()) yield [value, [...path, group, String(index)]];
  }
}

const context = (path: string[]): string =>
  path.length === 1 ? `('${path[0]}',)` : `(${path.map((step) => `'${step}'`).join(", ")})`;

/** What OpenAI would say against the schema as a strict one; undefined when nothing. */
export function strictFault(schema: unknown, path: string[] = []): string | undefined {
  if (!isObject(schema) || path.length > DEEPEST) return undefined;
  if (isObjectSchema(schema)) {
    if (schema.additionalProperties !== false) {
      return `In context=${context(path)}, 'additionalProperties' is required to be supplied and to be false.`;
    }
    const required = new Set(arrayOf(schema.required));
    for (const key of Object.keys(isObject(schema.properties) ? schema.properties : {})) {
      if (required.has(key)) continue;
      const words = "'required' is required to be supplied and to be an array including every key in properties.";
      return `In context=${context(path)}, ${words} Missing '${key}'.`;
    }
  }
  for (const [child, at] of children(schema, path)) {
    const fault = strictFault(child, at);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Whether an object schema anywhere inside leaves additional properties open. */
export function leavesOpen(schema: unknown, depth = 0): boolean {
  if (!isObject(schema) || depth > DEEPEST) return false;
  if (isObjectSchema(schema) && schema.additionalProperties !== false) return true;
  for (const [child] of children(schema, [])) {
    if (leavesOpen(child, depth + 1)) return true;
  }
  return false;
}
