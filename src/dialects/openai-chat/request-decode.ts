/**
 * A Chat request as a canonical one: sampling, tools, output format, reasoning and everything else but the turns.
 * The caller's side of `convert` starts here.
 */
import { asNumber, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import {
  at,
  optionalArray,
  optionalBoolean,
  optionalInteger,
  optionalObject,
  optionalString,
  requiredArray,
  requiredString,
  toObject,
  toText,
} from "../../core/read.ts";
import type {
  CanonicalRequest,
  CustomTool,
  FunctionTool,
  OutputFormat,
  Reasoning,
  Tool,
  ToolChoice,
} from "../../core/request.ts";
import { toEffort } from "../reasoning.ts";
import { CHAT_OPTIONS, WEB_SEARCH } from "../web-search.ts";
import { decodeBorrowed, isBorrowed } from "./borrowed.ts";
import { readOutputLimit } from "./head.ts";
import { decodeMessages } from "./messages-decode.ts";
import { decodeShared, dropAbsent } from "./shared-fields.ts";
import { extrasOf, ID, leftovers, REQUEST_FIELDS, readCacheMark } from "./wire.ts";

const TOOL = new Set(["type", "function", "custom", "cache_control"]);
const FUNCTION = new Set(["name", "description", "parameters", "strict", "type", "cache_control"]);
const SERVER_KINDS: Readonly<Record<string, string>> = {
  "openrouter:web_search": "web-search",
  web_search: "web-search",
  web_search_preview: "web-search",
  browser_search: "web-search",
  code_interpreter: "code-execution",
  code_execution: "code-execution",
};
const OUTPUT_SCHEMA = new Set(["name", "description", "schema", "strict"]);

/** Reads a request. Throws `invalid_request` with the parameter's path for a wrong type; unknown fields go into extras. */
export function decodeRequest(body: JsonObject): CanonicalRequest {
  if (isBorrowed(body)) return decodeBorrowed(body, readOutputLimit(body));
  const { system, messages } = decodeMessages(requiredArray(body, "messages"));
  const request: CanonicalRequest = {
    model: requiredString(body, "model"),
    stream: optionalBoolean(body, "stream") ?? false,
    messages,
  };
  if (system.length > 0) request.system = system;
  const extras: JsonObject = { ...leftovers(body, REQUEST_FIELDS) };
  decodeTools(body, request, extras);
  decodeShared(body, request, extras);
  request.maxOutputTokens = readOutputLimit(body);
  request.logprobs = optionalBoolean(body, "logprobs");
  request.topLogprobs = optionalInteger(body, "top_logprobs");
  decodeOutput(body, request, extras);
  decodeReasoning(body, request, extras);
  decodeIdentity(body, request, extras);
  if (Object.keys(extras).length > 0) request.extras = { [ID]: extras };
  return dropAbsent(request);
}

function decodeTools(body: JsonObject, request: CanonicalRequest, extras: JsonObject): void {
  const tools: Tool[] = [];
  for (const [index, value] of (optionalArray(body, "tools") ?? []).entries()) {
    tools.push(decodeTool(value, at("tools", index)));
  }
  for (const [index, value] of (optionalArray(body, "functions") ?? []).entries()) {
    const path = at("functions", index);
    tools.push(functionTool(toObject(value, path), {}, path));
    extras.$functions = true;
  }
  const options = asObject(extras.web_search_options);
  if (options) {
    delete extras.web_search_options;
    tools.push({ type: "server", kind: WEB_SEARCH, dialect: ID, value: { type: CHAT_OPTIONS, options } });
  }
  if (tools.length > 0) request.tools = tools;
  const choice = decodeToolChoice(body.tool_choice ?? undefined, "tool_choice") ?? legacyChoice(body.function_call);
  if (choice) request.toolChoice = choice;
  request.parallelToolCalls = optionalBoolean(body, "parallel_tool_calls");
}

function decodeTool(value: Json, path: string): Tool {
  const wire = toObject(value, path);
  const type = optionalString(wire, "type", path) ?? "function";
  if (type === "custom") {
    return customTool(wire.custom === undefined ? wire : toObject(wire.custom, at(path, "custom")), wire, path);
  }
  if (type !== "function") return { type: "server", kind: SERVER_KINDS[type] ?? type, dialect: ID, value: wire };
  // Clients of the Responses format put the function's fields on the tool itself.
  if (wire.function === undefined && typeof wire.name === "string") return functionTool(wire, {}, path);
  return functionTool(toObject(wire.function, at(path, "function")), wire, at(path, "function"));
}

function functionTool(wire: JsonObject, outer: JsonObject, path: string): FunctionTool {
  const tool: FunctionTool = { type: "function", name: requiredString(wire, "name", path) };
  const description = optionalString(wire, "description", path);
  const parameters = optionalObject(wire, "parameters", path);
  const strict = optionalBoolean(wire, "strict", path);
  if (description !== undefined) tool.description = description;
  if (parameters) tool.parameters = parameters;
  if (strict !== undefined) tool.strict = strict;
  return withToolExtras(tool, wire, outer);
}

function customTool(wire: JsonObject, outer: JsonObject, path: string): CustomTool {
  const tool: CustomTool = { type: "custom", name: requiredString(wire, "name", path) };
  const description = optionalString(wire, "description", path);
  if (description !== undefined) tool.description = description;
  const format = optionalObject(wire, "format", path);
  if (format?.type === "grammar") {
    const grammar = asObject(format.grammar) ?? format;
    const inside = at(at(path, "format"), "grammar");
    tool.grammar = {
      syntax: toText(grammar.syntax, at(inside, "syntax")),
      definition: toText(grammar.definition, at(inside, "definition")),
    };
  }
  return withToolExtras(tool, {}, outer);
}

function withToolExtras<T extends FunctionTool | CustomTool>(tool: T, inner: JsonObject, outer: JsonObject): T {
  const cache = readCacheMark(outer.cache_control ?? inner.cache_control);
  if (cache) tool.cache = cache;
  const own = leftovers(outer, TOOL);
  const inside = leftovers(inner, FUNCTION);
  const extras = extrasOf(own || inside ? { ...own, ...(inside && { function: inside }) } : undefined);
  if (extras) tool.extras = extras;
  return tool;
}

function decodeToolChoice(value: Json | undefined, path: string): ToolChoice | undefined {
  if (value === undefined) return undefined;
  if (value === "auto" || value === "none" || value === "required") return { type: value };
  if (value === "any") return { type: "required" };
  const wire = toObject(value, path);
  if (wire.type === "allowed_tools") return allowedTools(asObject(wire.allowed_tools) ?? wire, path);
  const custom = asObject(wire.custom);
  const chosen = custom ?? asObject(wire.function) ?? wire;
  const name = requiredString(chosen, "name", custom ? at(path, "custom") : at(path, "function"));
  return { type: "tool", name, kind: custom || wire.type === "custom" ? "custom" : "function" };
}

function allowedTools(wire: JsonObject, path: string): ToolChoice {
  const names: string[] = [];
  for (const value of optionalArray(wire, "tools", path) ?? []) {
    const tool = asObject(value);
    const name = asString((asObject(tool?.function) ?? asObject(tool?.custom) ?? tool)?.name);
    if (name !== undefined) names.push(name);
  }
  return { type: "allowed", mode: wire.mode === "required" ? "required" : "auto", names };
}

function legacyChoice(value: Json | undefined): ToolChoice | undefined {
  if (value === undefined || value === null) return undefined;
  return decodeToolChoice(value, "function_call");
}

function decodeOutput(body: JsonObject, request: CanonicalRequest, extras: JsonObject): void {
  const format = optionalObject(body, "response_format");
  if (format) {
    request.outputFormat = decodeFormat(format);
    const schema = asObject(format.json_schema);
    const inner = schema && leftovers(schema, OUTPUT_SCHEMA);
    if (!request.outputFormat) extras.response_format = format;
    else if (inner) extras.response_format = { json_schema: inner };
  }
  request.modalities = optionalArray(body, "modalities")?.map((value, index) => toText(value, at("modalities", index)));
  request.verbosity = optionalString(body, "verbosity");
}

function decodeFormat(format: JsonObject): OutputFormat | undefined {
  if (format.type === "text") return { type: "text" };
  if (format.type === "json_object") return { type: "json" };
  if (format.type !== "json_schema") return undefined;
  const path = "response_format.json_schema";
  const wire = toObject(format.json_schema, path);
  const output: OutputFormat = { type: "json-schema", schema: optionalObject(wire, "schema", path) ?? {} };
  const name = optionalString(wire, "name", path);
  const description = optionalString(wire, "description", path);
  const strict = optionalBoolean(wire, "strict", path);
  if (name !== undefined) output.name = name;
  if (description !== undefined) output.description = description;
  if (strict !== undefined) output.strict = strict;
  return output;
}

const REASONING = new Set(["effort", "max_tokens", "enabled", "exclude"]);
const THINKING = new Set(["type", "budget_tokens"]);

/** OpenAI's word, OpenRouter's `reasoning` object, and the `thinking` object of DeepSeek, Z.ai and others. */
function decodeReasoning(body: JsonObject, request: CanonicalRequest, extras: JsonObject): void {
  const word = optionalString(body, "reasoning_effort");
  const object = optionalObject(body, "reasoning");
  const thinking = optionalObject(body, "thinking");
  const reasoning: Reasoning = {};
  const effort = toEffort(word ?? object?.effort);
  if (effort) reasoning.effort = effort;
  else if (word !== undefined) extras.reasoning_effort = word;
  const budget = asNumber(object?.max_tokens) ?? asNumber(thinking?.budget_tokens);
  if (budget !== undefined) reasoning.budgetTokens = budget;
  if (object?.exclude === true) reasoning.show = "none";
  if (object?.enabled === true || thinking?.type === "enabled") reasoning.mode = "on";
  if (object?.enabled === false || thinking?.type === "disabled") reasoning.mode = "off";
  if (thinking?.type === "adaptive") reasoning.mode = "adaptive";
  if (Object.keys(reasoning).length > 0) request.reasoning = reasoning;
  const moreReasoning = object && leftovers(object, REASONING);
  const moreThinking = thinking && leftovers(thinking, THINKING);
  if (moreReasoning) extras.reasoning = moreReasoning;
  if (moreThinking) extras.thinking = moreThinking;
}

function decodeIdentity(body: JsonObject, request: CanonicalRequest, extras: JsonObject): void {
  const user = optionalString(body, "user");
  const safety = optionalString(body, "safety_identifier");
  request.endUser = safety ?? user;
  if (safety !== undefined) extras.$safety_identifier = true;
  if (safety !== undefined && user !== undefined && user !== safety) extras.user = user;
  request.metadata = optionalObject(body, "metadata");
  request.cacheKey = optionalString(body, "prompt_cache_key");
  request.serviceTier = optionalString(body, "service_tier");
}

/** Whether the caller used `functions`, so that answers have to be in the same old form. */
export function usesLegacyFunctions(request: CanonicalRequest): boolean {
  return request.extras?.[ID]?.$functions === true;
}
