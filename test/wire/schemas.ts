/**
 * What each API takes as a request, as strict validators: unknown fields and wrong types are refused.
 * OpenAI's come from its published description, the others from the types of the official SDKs; `requests.ts` asks them.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import Ajv from "ajv/dist/2020";
import { YAML } from "bun";
import { createGenerator } from "ts-json-schema-generator";
import { asArray, asObject, type Json, type JsonObject } from "../../src/core/json.ts";
import type { MainDialect } from "./exchanges.ts";

const ROOT = join(import.meta.dir, "../..");
const OPENAI = join(ROOT, "../shared/schemas/openai.openapi.yaml");

/** What is wrong with a body; empty when the API takes it. */
export type Validator = (body: Json) => string[];

/** One validator for each dialect. Reading the schemas takes seconds, so do it once. */
export function requestValidators(): Record<MainDialect, Validator> {
  const openai = openaiSchemas();
  const generator = createGenerator({
    path: join(import.meta.dir, "bodies.ts"),
    tsconfig: join(ROOT, "tsconfig.json"),
    skipTypeCheck: true,
    additionalProperties: false,
  });
  const official = (type: string) => compile(generator.createSchema(type) as JsonObject);
  return {
    "openai-chat": compile({ ...openai, $ref: "#/$defs/CreateChatCompletionRequest" }),
    "openai-responses": compile({ ...openai, $ref: "#/$defs/CreateResponse" }),
    "anthropic-messages": official("MessagesBody"),
    gemini: official("GenerateContentBody"),
  };
}

function compile(schema: JsonObject): Validator {
  const ajv = new Ajv({ strict: false, validateSchema: false, validateFormats: false });
  const { $schema: _, ...own } = schema;
  const validate = ajv.compile(own);
  return (body) => {
    if (validate(body)) return [];
    const errors = (validate.errors ?? []).map(
      ({ instancePath, message, params }) => `${instancePath || "/"} ${message} ${JSON.stringify(params)}`,
    );
    // The deepest complaints come first: the others only say that no alternative fits.
    return [...new Set(errors)].sort((a, b) => b.split("/").length - a.split("/").length).slice(0, 4);
  };
}

/**
 * The components of OpenAI's description as JSON schemas, each in two forms: `X` refuses fields that it does not name,
 * `X$open` takes them, for use as one branch of an `allOf`.
 */
function openaiSchemas(): JsonObject {
  const document = YAML.parse(readFileSync(OPENAI, "utf8")) as JsonObject;
  const components = asObject(asObject(document.components)?.schemas) ?? {};
  const $defs: JsonObject = {};
  for (const [name, schema] of Object.entries(components)) {
    $defs[name] = strict(schema ?? null, true);
    $defs[`${name}$open`] = strict(schema ?? null, false);
  }
  for (const form of ["", "$open"]) amend($defs, form);
  return { $defs };
}

/** What the API, or an imitator with the capability that it takes, accepts beyond the description. */
function amend($defs: JsonObject, form: string): void {
  const find = (name: string) => asObject($defs[`${name}${form}`]) ?? {};
  // OpenAI's own command-line client sends earlier answers without ids, status and empty lists.
  find("OutputMessage").required = ["type", "role", "content"];
  find("OutputTextContent").required = ["type", "text"];
  // Recorded requests without it were answered: the API takes an absent one for "auto".
  find("InputImageContent").required = ["type"];
  // Sent only to endpoints that the catalogue says can hear, see films or paint: OpenAI's own are not among them.
  const audio = { data: { type: "string" }, format: { type: "string" } };
  asArray(find("InputContent").anyOf).push(object("input_audio", { input_audio: object(undefined, audio) }));
  const film = object(undefined, { url: { type: "string" } });
  asArray(find("ChatCompletionRequestUserMessageContentPart").anyOf).push(object("video_url", { video_url: film }));
  const [list] = asArray(find("ResponseModalities").anyOf).map(asObject);
  asArray(asObject(list?.items)?.enum).push("image");
}

function object(type: string | undefined, properties: JsonObject): JsonObject {
  const all: JsonObject = { ...(type && { type: { const: type } }), ...properties };
  return { type: "object", properties: all, required: Object.keys(all), additionalProperties: false };
}

const DROPPED = new Set([
  "discriminator",
  "example",
  "examples",
  "nullable",
  "default",
  "$recursiveRef",
  "$recursiveAnchor",
]);

/** A schema of OpenAPI in JSON Schema's words; `isClosed`: fields that it does not name are refused. */
function strict(schema: Json, isClosed: boolean): Json {
  const source = asObject(schema);
  if (!source) return schema;
  const hasBranches = source.anyOf !== undefined || source.oneOf !== undefined;
  // Where an object is said in pieces, only the whole can tell which fields are unknown.
  const isPieced = source.allOf !== undefined || (hasBranches && source.properties !== undefined);
  const result: JsonObject = {};
  for (const [key, value] of Object.entries(source)) {
    if (DROPPED.has(key) || value === undefined) continue;
    if (key === "$ref") result.$ref = reference(String(value), isClosed);
    else if (key === "allOf") result.allOf = asArray(value).map((branch) => strict(branch, false));
    // The description's alternatives overlap, so more than one may fit.
    else if (key === "anyOf" || key === "oneOf") {
      result.anyOf = asArray(value).map((branch) => strict(branch, isClosed && !isPieced));
    } else if (key === "properties") result.properties = mapValues(value, (inner) => strict(inner, true));
    else if (key === "items" || key === "additionalProperties") result[key] = strict(value, true);
    else result[key] = value;
  }
  const isObject = source.properties !== undefined || source.allOf !== undefined;
  if (isObject && isClosed && source.additionalProperties === undefined) result.unevaluatedProperties = false;
  return source.nullable === true ? { anyOf: [result, { type: "null" }] } : result;
}

function reference(path: string, isClosed: boolean): string {
  return `#/$defs/${path.slice(path.lastIndexOf("/") + 1)}${isClosed ? "" : "$open"}`;
}

function mapValues(value: Json, change: (inner: Json) => Json): JsonObject {
  return Object.fromEntries(Object.entries(asObject(value) ?? {}).map(([key, inner]) => [key, change(inner ?? null)]));
}
