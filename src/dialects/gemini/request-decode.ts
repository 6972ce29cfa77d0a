/**
 * Decodes a generateContent request into the canon.
 * The gateway calls it once per converted call; model and streaming wish come from the path.
 */
import type { Json, JsonObject } from "../../core/json.ts";
import {
  at,
  optionalArray,
  optionalBoolean,
  optionalInteger,
  optionalNumber,
  optionalObject,
  optionalString,
  toText,
} from "../../core/read.ts";
import type { CanonicalRequest, OutputFormat } from "../../core/request.ts";
import type { PathFacts } from "../dialect.ts";
import { decodeContents, decodeSystem } from "./contents-decode.ts";
import { camelKeys, others } from "./keys.ts";
import { ownExtras } from "./media.ts";
import { fromGeminiSchema, isEnforceable } from "./schema.ts";
import { decodeThinking } from "./thinking.ts";
import { decodeToolConfig, decodeTools } from "./tools.ts";

const CONFIG = "generationConfig";

const TOP_KNOWN = new Set(["contents", "systemInstruction", "tools", "toolConfig", CONFIG, "model", "serviceTier"]);

const CONFIG_KNOWN = new Set([
  "temperature",
  "topP",
  "topK",
  "maxOutputTokens",
  "candidateCount",
  "stopSequences",
  "seed",
  "presencePenalty",
  "frequencyPenalty",
  "responseLogprobs",
  "logprobs",
  "responseModalities",
  "thinkingConfig",
  "responseMimeType",
  "responseSchema",
  "responseJsonSchema",
  "_responseJsonSchema",
]);

const THINKING_KNOWN = new Set(["includeThoughts", "thinkingBudget", "thinkingLevel"]);

/** The model's name without the collection that it may be written with. */
export function modelName(name: string): string {
  return name.startsWith("models/") ? name.slice("models/".length) : name;
}

/** Throws `invalid_request` naming the parameter's path for a wrong type; unknown fields go into `extras`. */
export function decodeRequest(body: JsonObject, path: PathFacts): CanonicalRequest {
  const top = camelKeys(body);
  const instruction = decodeSystem(top.systemInstruction);
  const extras: JsonObject = { ...others(top, TOP_KNOWN) };
  const request: CanonicalRequest = {
    model: modelName(path.model ?? optionalString(top, "model") ?? ""),
    stream: path.stream ?? false,
    ...(instruction.system.length > 0 && { system: instruction.system }),
    messages: [...instruction.messages, ...decodeContents(top.contents)],
  };
  const tools = decodeTools(listOf(top.tools));
  if (tools.length > 0) request.tools = tools;
  const toolConfig = optionalObject(top, "toolConfig");
  if (toolConfig) {
    const decoded = decodeToolConfig(toolConfig);
    if (decoded.choice) request.toolChoice = decoded.choice;
    Object.assign(extras, decoded.extras);
  }
  const serviceTier = optionalString(top, "serviceTier");
  if (serviceTier !== undefined) request.serviceTier = serviceTier;
  const config = optionalObject(top, CONFIG);
  if (config) decodeConfig(camelKeys(config), request, extras);
  const own = ownExtras(extras);
  if (own) request.extras = own;
  return request;
}

function listOf(value: Json | undefined): Json[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
}

function decodeConfig(config: JsonObject, request: CanonicalRequest, extras: JsonObject): void {
  const numbers = {
    temperature: optionalNumber(config, "temperature", CONFIG),
    topP: optionalNumber(config, "topP", CONFIG),
    topK: optionalNumber(config, "topK", CONFIG),
    maxOutputTokens: optionalInteger(config, "maxOutputTokens", CONFIG),
    candidates: optionalInteger(config, "candidateCount", CONFIG),
    seed: optionalInteger(config, "seed", CONFIG, Number.MIN_SAFE_INTEGER),
    presencePenalty: optionalNumber(config, "presencePenalty", CONFIG),
    frequencyPenalty: optionalNumber(config, "frequencyPenalty", CONFIG),
    topLogprobs: optionalInteger(config, "logprobs", CONFIG),
    logprobs: optionalBoolean(config, "responseLogprobs", CONFIG),
  };
  for (const [key, value] of Object.entries(numbers)) {
    if (value !== undefined) Object.assign(request, { [key]: value });
  }
  const stop = texts(config, "stopSequences");
  if (stop && stop.length > 0) request.stop = stop;
  const modalities = texts(config, "responseModalities");
  if (modalities && modalities.length > 0) request.modalities = modalities.map((name) => name.toLowerCase());
  const thinking = optionalObject(config, "thinkingConfig", CONFIG);
  if (thinking) {
    const fields = camelKeys(thinking);
    const reasoning = decodeThinking(fields, `${CONFIG}.thinkingConfig`);
    if (Object.keys(reasoning).length > 0) request.reasoning = reasoning;
    flatten(extras, `${CONFIG}.thinkingConfig`, others(fields, THINKING_KNOWN));
  }
  decodeFormat(config, request, extras);
  flatten(extras, CONFIG, others(config, CONFIG_KNOWN));
}

/** Fields of an inner object go into the extras under their whole path, so that a loss names them. */
function flatten(extras: JsonObject, path: string, fields: JsonObject | undefined): void {
  for (const key in fields) extras[`${path}.${key}`] = fields[key];
}

function texts(config: JsonObject, key: string): string[] | undefined {
  return optionalArray(config, key, CONFIG)?.map((entry, index) => toText(entry, at(`${CONFIG}.${key}`, index)));
}

function decodeFormat(config: JsonObject, request: CanonicalRequest, extras: JsonObject): void {
  const type = optionalString(config, "responseMimeType", CONFIG);
  const schema =
    optionalObject(config, "responseJsonSchema", CONFIG) ??
    optionalObject(config, "_responseJsonSchema", CONFIG) ??
    optionalObject(config, "responseSchema", CONFIG);
  const format = outputFormat(type, schema);
  if (format) request.outputFormat = format;
  const isSaid = type === undefined || type === "application/json" || type === "text/plain";
  if (!isSaid) extras[`${CONFIG}.responseMimeType`] = type;
}

function outputFormat(type: string | undefined, schema: JsonObject | undefined): OutputFormat | undefined {
  if (schema) {
    const read = fromGeminiSchema(schema);
    return { type: "json-schema", schema: read, ...(isEnforceable(read) && { strict: true }) };
  }
  if (type === "application/json") return { type: "json" };
  return type === "text/plain" ? { type: "text" } : undefined;
}
