/**
 * Values that satisfy a JSON schema, always the same ones for the same schema.
 * Plans fill tool arguments and structured answers of the simulated provider with them.
 */
import { arrayOf, isObject, type Json, numberOf, objectOf, stringOf } from "./json.ts";

const DEEPEST = 12;
const MOST_ITEMS = 100;

const FORMATS: Record<string, string> = {
  "date-time": "2025-01-02T03:04:05Z",
  date: "2025-01-02",
  time: "03:04:05Z",
  duration: "P1D",
  email: "ada@example.com",
  hostname: "example.com",
  ipv4: "192.0.2.1",
  ipv6: "2001:db8::1",
  uri: "https://example.com/",
  uuid: "01234567-89ab-4cde-8f01-23456789abcd",
};

function resolve(reference: string, root: unknown): unknown {
  let at: unknown = root;
  for (const step of reference.replace(/^#\/?/, "").split("/")) {
    if (step !== "") at = objectOf(at)[step.replaceAll("~1", "/").replaceAll("~0", "~")];
  }
  return at;
}

const typeOf = (schema: Json): string => {
  const type = Array.isArray(schema.type) ? (schema.type.find((one) => one !== "null") ?? "null") : schema.type;
  if (typeof type === "string") return type.toLowerCase();
  if (isObject(schema.properties)) return "object";
  return schema.items === undefined ? "string" : "array";
};

function sampleString(schema: Json, name: string): string {
  const known = FORMATS[stringOf(schema.format)];
  if (known !== undefined) return known;
  let text = `sample ${name}`;
  const shortest = numberOf(schema.minLength) ?? 0;
  const longest = numberOf(schema.maxLength) ?? Number.POSITIVE_INFINITY;
  if (text.length < shortest) text = text.padEnd(Math.min(shortest, 10_000), "x");
  return text.slice(0, longest);
}

function sampleNumber(schema: Json): number {
  const least = numberOf(schema.minimum) ?? (numberOf(schema.exclusiveMinimum) ?? 0) + 1;
  const most = numberOf(schema.maximum) ?? (numberOf(schema.exclusiveMaximum) ?? Number.POSITIVE_INFINITY) - 1;
  const step = numberOf(schema.multipleOf) ?? 0;
  const value = Math.min(Math.max(least, Math.min(1, most)), most);
  return step > 0 ? Math.ceil(value / step) * step : value;
}

function sampleObject(schema: Json, root: unknown, depth: number): Json {
  const properties = objectOf(schema.properties);
  const out: Json = {};
  for (const key of arrayOf(schema.required)) {
    if (typeof key === "string") out[key] = sample(properties[key] ?? {}, key, root, depth + 1);
  }
  return out;
}

function merged(schema: Json, root: unknown): Json {
  const out: Json = { ...schema, allOf: undefined };
  for (const part of arrayOf(schema.allOf)) {
    const piece = objectOf(
      typeof objectOf(part).$ref === "string" ? resolve(stringOf(objectOf(part).$ref), root) : part,
    );
    for (const [key, value] of Object.entries(piece)) {
      if (key === "properties") out.properties = { ...objectOf(out.properties), ...objectOf(value) };
      else if (key === "required") out.required = [...arrayOf(out.required), ...arrayOf(value)];
      else out[key] ??= value;
    }
  }
  return out;
}

function pickBranch(branches: unknown[], depth: number): unknown {
  const isNull = (branch: unknown) => objectOf(branch).type === "null" || objectOf(branch).type === "NULL";
  if (depth > DEEPEST / 2) return branches.find(isNull) ?? branches[0];
  return branches.find((branch) => !isNull(branch)) ?? branches[0];
}

function sample(given: unknown, name: string, root: unknown, depth: number): unknown {
  if (depth > DEEPEST || !isObject(given)) return null;
  if (typeof given.$ref === "string") return sample(resolve(given.$ref, root), name, root, depth + 1);
  if (given.const !== undefined) return given.const;
  if (Array.isArray(given.enum) && given.enum.length > 0) return given.enum[0];
  const schema = Array.isArray(given.allOf) ? merged(given, root) : given;
  const branches = Array.isArray(schema.anyOf) ? schema.anyOf : schema.oneOf;
  if (Array.isArray(branches) && branches.length > 0) {
    return sample(
      { ...schema, anyOf: undefined, oneOf: undefined, ...objectOf(pickBranch(branches, depth)) },
      name,
      root,
      depth + 1,
    );
  }
  switch (typeOf(schema)) {
    case "object":
      return sampleObject(schema, root, depth);
    case "array": {
      const count = Math.min(numberOf(schema.minItems) ?? (depth > DEEPEST / 2 ? 0 : 1), MOST_ITEMS);
      return Array.from({ length: count }, () => sample(schema.items ?? {}, name, root, depth + 1));
    }
    case "number":
      return sampleNumber(schema);
    case "integer":
      return Math.round(sampleNumber(schema));
    case "boolean":
      return true;
    case "null":
      return null;
    default:
      return sampleString(schema, name);
  }
}

/** A value that satisfies the schema: required properties only, first enum member, first branch that is not null. */
export const sampleOf = (schema: unknown): unknown => sample(schema, "value", schema, 0);
