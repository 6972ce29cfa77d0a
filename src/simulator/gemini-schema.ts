/**
 * The part of OpenAPI that Gemini understands in `parameters` and `responseSchema`, and what it says to the rest.
 * The simulated Gemini checks every schema with it; `parametersJsonSchema` is not checked.
 */
import { arrayOf, isObject, type Json } from "./json.ts";
import { invalid } from "./problem.ts";

const KEYWORDS: ReadonlySet<string> = new Set(
  `type format title description nullable enum maxItems minItems properties required minProperties maxProperties
  minLength maxLength pattern example anyOf propertyOrdering default items minimum maximum max_items min_items
  min_properties max_properties min_length max_length any_of property_ordering`.split(/\s+/),
);
const TYPES: ReadonlySet<string> = new Set([
  "STRING",
  "NUMBER",
  "INTEGER",
  "BOOLEAN",
  "ARRAY",
  "OBJECT",
  "NULL",
  "TYPE_UNSPECIFIED",
]);
const STRING_FORMATS = ["enum", "date-time"];
const DEEPEST = 40;

const badPayload = (name: string, at: string) =>
  invalid(`Invalid JSON payload received. Unknown name "${name}" at '${at}': Cannot find field.`);

function checkValues(schema: Json, type: string, at: string): void {
  if (Array.isArray(schema.enum)) {
    if (type !== "" && type !== "STRING")
      throw invalid(`* GenerateContentRequest.${at}.enum: only allowed for STRING type\n`);
    for (const [index, value] of schema.enum.entries()) {
      if (typeof value !== "string")
        throw invalid(`Invalid value at '${at}.enum[${index}]' (TYPE_STRING), ${JSON.stringify(value)}`);
      if (value === "") throw invalid(`* GenerateContentRequest.${at}.enum[${index}]: cannot be empty\n`);
    }
  }
  if (type === "STRING" && typeof schema.format === "string" && !STRING_FORMATS.includes(schema.format)) {
    throw invalid(`* GenerateContentRequest.${at}.format: only 'enum' and 'date-time' are supported for STRING type\n`);
  }
}

/** Throws what Gemini would say against the schema at this place of the request. */
export function checkSchema(schema: unknown, at: string, depth = 0): void {
  if (!isObject(schema) || depth > DEEPEST) return;
  const unknown = Object.keys(schema).find((key) => !KEYWORDS.has(key));
  if (unknown !== undefined) throw badPayload(unknown, at);
  if (Array.isArray(schema.type)) {
    throw invalid(
      `Invalid JSON payload received. Unknown name "type" at '${at}': Proto field is not repeating, cannot start list.`,
    );
  }
  const type = typeof schema.type === "string" ? schema.type.toUpperCase() : "";
  if (type !== "" && !TYPES.has(type)) {
    throw invalid(
      `Invalid value at '${at}.type' (type.googleapis.com/google.ai.generativelanguage.v1beta.Type), "${String(schema.type)}"`,
    );
  }
  checkValues(schema, type, at);
  const properties = isObject(schema.properties) ? schema.properties : {};
  for (const [index, name] of arrayOf(schema.required).entries()) {
    if (typeof name === "string" && properties[name] === undefined) {
      throw invalid(`* GenerateContentRequest.${at}.required[${index}]: property is not defined\n`);
    }
  }
  if (type === "ARRAY" && schema.items === undefined)
    throw invalid(`* GenerateContentRequest.${at}.items: missing field.\n`);
  for (const [name, property] of Object.entries(properties))
    checkSchema(property, `${at}.properties[${name}]`, depth + 1);
  checkSchema(schema.items, `${at}.items`, depth + 1);
  for (const [index, branch] of arrayOf(schema.anyOf ?? schema.any_of).entries()) {
    checkSchema(branch, `${at}.any_of[${index}]`, depth + 1);
  }
}
