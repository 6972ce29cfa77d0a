/**
 * A caller's OpenAI Responses body in canonical form. The gateway decodes a request here when it is to be converted;
 * the input's items are taken by `input-decode.ts`.
 */
import { asArray, asObject, type JsonObject } from "../../core/json.ts";
import {
  optionalArray,
  optionalBoolean,
  optionalInteger,
  optionalNumber,
  optionalObject,
  optionalString,
  requiredString,
} from "../../core/read.ts";
import type { CanonicalRequest, OutputFormat, Reasoning } from "../../core/request.ts";
import { toEffort } from "../reasoning.ts";
import { askForSummary, isTriggered } from "./compaction.ts";
import { decodeInput } from "./input-decode.ts";
import { decodeToolChoice, decodeTools } from "./tools.ts";
import { asExtras, leftover, withField } from "./wire.ts";

/** In `include`: what the canon says in another way, or what is always asked for. */
export const INCLUDE_REASONING = "reasoning.encrypted_content";
export const INCLUDE_SOURCES = "web_search_call.action.sources";
export const INCLUDE_LOGPROBS = "message.output_text.logprobs";

export const SERVICE_TIERS: ReadonlySet<string> = new Set(["auto", "default", "flex", "scale", "priority"]);

const KNOWN = new Set([
  "model",
  "stream",
  "instructions",
  "input",
  "tools",
  "tool_choice",
  "parallel_tool_calls",
  "max_output_tokens",
  "temperature",
  "top_p",
  "top_logprobs",
  "text",
  "reasoning",
  "user",
  "metadata",
  "prompt_cache_key",
  "service_tier",
  "include",
  "store",
]);
/** Fields that are about carrying, keeping and counting, not about the answer: their absence elsewhere is no loss. */
const TRANSPORT = new Set(["client_metadata", "stream_options", "prompt_cache_retention", "prompt_cache_options"]);
/** Fields that say what would be without them. */
const DEFAULTS: JsonObject = { background: false, truncation: "disabled" };
const FORMAT_FIELDS = new Set(["type", "name", "description", "schema", "strict"]);
const TEXT_FIELDS = new Set(["format", "verbosity"]);
const REASONING_FIELDS = new Set(["effort", "summary"]);
const SHOWN = new Set(["auto", "concise", "detailed"]);

/** Throws `invalid_request` naming the parameter's path for a wrong type. Unknown fields go into extras. */
export function decodeRequest(body: JsonObject): CanonicalRequest {
  if (!isTriggered(body)) return decodePlain(body);
  return askForSummary(decodePlain({ ...body, input: asArray(body.input).slice(0, -1) }));
}

function decodePlain(body: JsonObject): CanonicalRequest {
  const extras = topExtras(body);
  const tools = decodeTools(optionalArray(body, "tools") ?? [], "tools");
  const input = decodeInput(body, tools, extras);
  const request: CanonicalRequest = {
    model: requiredString(body, "model"),
    stream: optionalBoolean(body, "stream") ?? false,
    messages: input.messages,
  };
  if (input.system.length > 0) request.system = input.system;
  if (tools.length > 0) request.tools = tools;
  decodeNumbers(body, request);
  decodeChoice(body, request, extras);
  decodeTextOptions(body, request, extras);
  decodeReasoning(body, request, extras);
  decodeNames(body, request, extras);
  for (const _ in extras) return { ...request, ...asExtras(extras) };
  return request;
}

/** Fields that the canon does not have. What is null at the top counts as absent. */
function topExtras(body: JsonObject): JsonObject {
  const extras = leftover(body, KNOWN) ?? {};
  const transport: JsonObject = {};
  for (const [key, value] of Object.entries(extras)) {
    if (value !== null && !TRANSPORT.has(key) && DEFAULTS[key] !== value) continue;
    if (value !== null) transport[key] = value;
    delete extras[key];
  }
  // The canon's default is not to store, this format's is to store: what a caller did not say is said here.
  if (optionalBoolean(body, "store") !== false) transport.store = true;
  const include = optionalArray(body, "include")?.filter(
    (one) => one !== INCLUDE_REASONING && one !== INCLUDE_LOGPROBS,
  );
  if (include && include.length > 0) transport.include = include;
  for (const _ in transport) {
    extras.$transport = transport;
    break;
  }
  return extras;
}

function decodeNumbers(body: JsonObject, request: CanonicalRequest): void {
  request.maxOutputTokens = optionalInteger(body, "max_output_tokens");
  request.temperature = optionalNumber(body, "temperature");
  request.topP = optionalNumber(body, "top_p");
  request.topLogprobs = optionalInteger(body, "top_logprobs");
  request.parallelToolCalls = optionalBoolean(body, "parallel_tool_calls");
  for (const key of ["maxOutputTokens", "temperature", "topP", "topLogprobs", "parallelToolCalls"] as const) {
    if (request[key] === undefined) delete request[key];
  }
}

function decodeChoice(body: JsonObject, request: CanonicalRequest, extras: JsonObject): void {
  const choice = body.tool_choice;
  if (choice === undefined || choice === null) return;
  if (typeof choice !== "string") optionalObject(body, "tool_choice");
  const decoded = decodeToolChoice(choice);
  if (decoded) request.toolChoice = decoded;
  else extras.tool_choice = choice;
}

function decodeTextOptions(body: JsonObject, request: CanonicalRequest, extras: JsonObject): void {
  if (body.include && optionalArray(body, "include")?.includes(INCLUDE_LOGPROBS)) request.logprobs = true;
  const text = optionalObject(body, "text");
  if (!text) return;
  const verbosity = optionalString(text, "verbosity", "text");
  if (verbosity !== undefined) request.verbosity = verbosity;
  let left = leftover(text, TEXT_FIELDS);
  const format = optionalObject(text, "format", "text");
  const decoded = format && decodeFormat(format);
  if (decoded) request.outputFormat = decoded;
  const unsaid = format && (decoded ? leftover(format, FORMAT_FIELDS) : format);
  if (unsaid) left = withField(left, "format", unsaid);
  if (left) extras.text = left;
}

function decodeFormat(format: JsonObject): OutputFormat | undefined {
  const type = requiredString(format, "type", "text.format");
  if (type === "text") return { type: "text" };
  if (type === "json_object") return { type: "json" };
  if (type !== "json_schema") return undefined;
  const decoded: OutputFormat = {
    type: "json-schema",
    schema: optionalObject(format, "schema", "text.format") ?? {},
  };
  const name = optionalString(format, "name", "text.format");
  const description = optionalString(format, "description", "text.format");
  const strict = optionalBoolean(format, "strict", "text.format");
  if (name !== undefined) decoded.name = name;
  if (description !== undefined) decoded.description = description;
  if (strict !== undefined) decoded.strict = strict;
  return decoded;
}

function decodeReasoning(body: JsonObject, request: CanonicalRequest, extras: JsonObject): void {
  const reasoning = optionalObject(body, "reasoning");
  if (!reasoning) return;
  const decoded: Reasoning = {};
  const left: JsonObject = {};
  const written = optionalString(reasoning, "effort", "reasoning");
  const effort = toEffort(written);
  if (effort) decoded.effort = effort;
  else if (written !== undefined) left.effort = written;
  const shown = optionalString(reasoning, "summary", "reasoning");
  if (shown !== undefined && SHOWN.has(shown)) decoded.show = shown as NonNullable<Reasoning["show"]>;
  else if (shown !== undefined) left.summary = shown;
  for (const [key, value] of Object.entries(leftover(reasoning, REASONING_FIELDS) ?? {})) {
    if (value !== null) left[key] = value;
  }
  for (const _ in decoded) {
    request.reasoning = decoded;
    break;
  }
  const { effort: word, ...others } = left;
  if (word !== undefined) extras.reasoning = { effort: word };
  if (Object.keys(others).length > 0) extras.$transport = { ...asObject(extras.$transport), reasoning: others };
}

function decodeNames(body: JsonObject, request: CanonicalRequest, extras: JsonObject): void {
  const user = optionalString(body, "user");
  const safety = optionalString(body, "safety_identifier");
  const endUser = safety ?? user;
  if (endUser !== undefined) request.endUser = endUser;
  if (safety !== undefined) {
    delete extras.safety_identifier;
    extras.$user = user === undefined ? "safety_identifier" : user;
  }
  const metadata = optionalObject(body, "metadata");
  if (metadata) request.metadata = metadata;
  const cacheKey = optionalString(body, "prompt_cache_key");
  if (cacheKey !== undefined) request.cacheKey = cacheKey;
  const tier = optionalString(body, "service_tier");
  if (tier !== undefined && SERVICE_TIERS.has(tier)) request.serviceTier = tier;
  else if (tier !== undefined) extras.service_tier = tier;
}
