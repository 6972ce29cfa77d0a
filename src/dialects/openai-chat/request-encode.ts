/**
 * A canonical request as a Chat body: one entry for each canonical field, so that the compiler names a forgotten one.
 * The upstream's side of `convert`; deviations of imitators come in as quirks.
 */
import { asArray, asObject, type Json, type JsonObject } from "../../core/json.ts";
import type {
  CanonicalRequest,
  CustomTool,
  Effort,
  FunctionTool,
  Reasoning,
  Tool,
  ToolChoice,
} from "../../core/request.ts";
import {
  type EncodedRequest,
  type EncodeTarget,
  encodeFields,
  type FieldEncoders,
  type FieldScope,
  type FieldsOfDialects,
  loseForeignExtras,
  verbatim,
  withoutHarmless,
} from "../dialect.ts";
import { JSON_INSTRUCTION, speaksOfJson } from "../json-wish.ts";
import { pairCalls } from "../pairing.ts";
import { budgetToEffort, fitEffort } from "../reasoning.ts";
import { customToolAsFunction, type ToolNames, toolNames, withoutNamesakes } from "../tool-names.ts";
import { CHAT_OPTIONS, mapServerTool } from "../web-search.ts";
import { encodeMessages, encodeSystem, type MessageScope } from "./messages-encode.ts";
import { usesLegacyFunctions } from "./request-decode.ts";
import { MAX_END_USER_LENGTH, SHARED_FIELDS } from "./shared-fields.ts";
import { addExtras, ID, writeCacheMark } from "./wire.ts";

/** Fields of other formats that say how an answer travels or is kept, which means nothing here. */
const HARMLESS: FieldsOfDialects = {
  "openai-responses": new Set(["store", "include", "client_metadata", "stream_options"]),
};

/** The body for an upstream. Never throws; what Chat cannot say is a loss. */
export function encodeRequest(request: CanonicalRequest, target: EncodeTarget): EncodedRequest {
  const { body, losses } = encodeFields(request, target, FIELDS);
  finishTools(body);
  finishFormat(body, target);
  addExtras(body, target.quirks.adds);
  return { body, losses: losses.list() };
}

/** Fields about tools are refused without tools. */
function finishTools(body: JsonObject): void {
  if (body.tools === undefined) {
    delete body.tool_choice;
    delete body.parallel_tool_calls;
  }
}

/** A JSON answer may only be asked for where a message speaks of JSON. */
function finishFormat(body: JsonObject, { quirks }: EncodeTarget): void {
  if (asObject(body.response_format)?.type !== "json_object" || speaksOfJson(body.messages)) return;
  body.messages = [{ role: quirks.systemRole ?? "system", content: JSON_INSTRUCTION }, ...asArray(body.messages)];
}

function messageScope(scope: FieldScope): MessageScope {
  const { request, target, losses } = scope;
  const thinks = target.capabilities.has("thinking");
  return {
    // Strict upstreams refuse reasoning in the history of a model that has none.
    quirks: thinks ? target.quirks : { ...target.quirks, reasoningField: "none", reasoningDetails: false },
    losses,
    names: namesOf(request),
    isLegacy: usesLegacyFunctions(request),
  };
}

function namesOf(request: CanonicalRequest): ToolNames {
  return toolNames(request.tools);
}

const FIELDS: FieldEncoders = {
  ...SHARED_FIELDS,
  system: (system, body, scope) => {
    body.messages = encodeSystem(system, messageScope(scope));
  },
  messages: (messages, body, scope) => {
    const before = Array.isArray(body.messages) ? body.messages : [];
    // Functions of the old kind have no ids to pair by.
    const paired = usesLegacyFunctions(scope.request) ? messages : pairCalls(messages, scope.losses);
    body.messages = [...before, ...encodeMessages(paired, messageScope(scope))];
  },
  tools: encodeTools,
  toolChoice: encodeToolChoice,
  parallelToolCalls: verbatim("parallel_tool_calls"),
  maxOutputTokens: (limit, body, { target }) => {
    const most = target.maxOutputTokens > 0 ? Math.min(limit, target.maxOutputTokens) : limit;
    body[target.quirks.maxTokensField ?? "max_completion_tokens"] = most;
  },
  logprobs: verbatim("logprobs"),
  topLogprobs: (count, body) => {
    body.top_logprobs = count;
    body.logprobs ??= true;
  },
  outputFormat: (format, body) => {
    if (format.type === "text") body.response_format = { type: "text" };
    else if (format.type === "json") body.response_format = { type: "json_object" };
    else {
      const { type: _, name, ...schema } = format;
      body.response_format = { type: "json_schema", json_schema: { name: schemaName(name), ...schema } };
    }
  },
  modalities: (modalities, body, { request, target }) => {
    if (modalities.every((kind) => kind === "text")) return;
    body.modalities = modalities;
    if (modalities.includes("audio") && request.extras?.[ID]?.audio === undefined) {
      body.audio = { voice: "alloy", format: target.stream ? "pcm16" : "wav" };
    }
  },
  reasoning: encodeReasoning,
  verbosity: verbatim("verbosity"),
  endUser: (user, body, { request, losses }) => {
    if (user.length > MAX_END_USER_LENGTH) losses.add("endUser");
    else body[request.extras?.[ID]?.$safety_identifier === true ? "safety_identifier" : "user"] = user;
  },
  metadata: verbatim("metadata"),
  cacheKey: verbatim("prompt_cache_key"),
  serviceTier: (tier, body) => {
    body.service_tier = tier === "standard_only" || tier === "standard" ? "default" : tier;
  },
  extras: (extras, body, { losses }) => {
    const own = loseForeignExtras(withoutHarmless(extras, HARMLESS), ID, losses);
    mergeObject(body, own, "reasoning");
    mergeObject(body, own, "thinking");
    mergeObject(body, own, "stream_options");
    const format = asObject(body.response_format);
    if (format) mergeObject(format, asObject(own?.response_format), "json_schema");
    addExtras(body, own);
  },
};

/** A name that OpenAI takes for a schema: it is required, and other formats have none. */
function schemaName(name: string | undefined): string {
  return (name ?? "answer").replace(/[^a-zA-Z0-9_-]/g, "_").slice(0, 64) || "answer";
}

/** Puts the other fields of an object that the encoder has partly written; without it, addExtras writes it whole. */
function mergeObject(body: JsonObject, own: JsonObject | undefined, field: string): void {
  const written = asObject(body[field]);
  if (written) addExtras(written, asObject(own?.[field]));
}

function encodeTools(tools: Tool[], body: JsonObject, scope: FieldScope): void {
  const { target, losses, request } = scope;
  const names = namesOf(request);
  const encoded: Json[] = [];
  for (const tool of withoutNamesakes(tools)) {
    if (tool.type === "server") {
      const wire = tool.dialect === ID ? tool.value : mapServerTool(tool, ID, target.quirks.serverTools, losses);
      if (wire?.type === CHAT_OPTIONS) body.web_search_options = wire.options;
      else if (wire) encoded.push(wire);
      continue;
    }
    encoded.push(encodeTool(tool, names.flatten(tool.name, tool.namespace), scope));
    if (tool.cache && !target.quirks.cacheControl) losses.add("cache");
  }
  if (encoded.length === 0) return;
  if (!usesLegacyFunctions(request)) body.tools = encoded;
  else body.functions = encoded.map((tool) => asObject(tool)?.function ?? tool);
}

function encodeTool(tool: FunctionTool | CustomTool, name: string, { target, losses }: FieldScope): JsonObject {
  const own = loseForeignExtras(tool.extras, ID, losses, "tools");
  const wire: JsonObject =
    tool.type === "custom" && target.quirks.customTools
      ? { type: "custom", custom: encodeCustom(tool, name) }
      : { type: "function", function: encodeFunction(tool, name, losses, own) };
  if (tool.cache && target.quirks.cacheControl) wire.cache_control = writeCacheMark(tool.cache);
  addExtras(wire, own);
  return wire;
}

function encodeFunction(
  tool: FunctionTool | CustomTool,
  name: string,
  losses: FieldScope["losses"],
  own: JsonObject | undefined,
): JsonObject {
  if (tool.type === "custom") losses.add("tools.custom", "altered");
  const shown = tool.type === "custom" ? customToolAsFunction(tool) : tool;
  const wire: JsonObject = { name };
  if (shown.description !== undefined) wire.description = shown.description;
  if (shown.parameters) wire.parameters = shown.parameters;
  if (shown.strict !== undefined) wire.strict = shown.strict;
  addExtras(wire, asObject(own?.function));
  return wire;
}

function encodeCustom(tool: CustomTool, name: string): JsonObject {
  const wire: JsonObject = { name };
  if (tool.description !== undefined) wire.description = tool.description;
  if (tool.grammar) wire.format = { type: "grammar", grammar: { ...tool.grammar } };
  return wire;
}

function encodeToolChoice(choice: ToolChoice, body: JsonObject, scope: FieldScope): void {
  const { request, target } = scope;
  const names = namesOf(request);
  const chosen = (name: string, kind: "function" | "custom"): JsonObject => {
    const type = kind === "custom" && target.quirks.customTools ? "custom" : "function";
    return { type, [type]: { name: names.flatten(name) } };
  };
  const kindOf = (name: string) =>
    request.tools?.some((tool) => tool.type === "custom" && tool.name === name) ? "custom" : "function";
  if (usesLegacyFunctions(request)) {
    body.function_call = choice.type === "tool" ? { name: choice.name } : choice.type === "none" ? "none" : "auto";
  } else if (choice.type === "tool") body.tool_choice = chosen(choice.name, choice.kind);
  else if (choice.type === "allowed") {
    const tools = choice.names.map((name) => chosen(name, kindOf(name)));
    body.tool_choice = { type: "allowed_tools", allowed_tools: { mode: choice.mode, tools } };
  } else body.tool_choice = choice.type;
}

/** Effort and budget in the upstream's own form. Nothing is sent to a model that does not think. */
function encodeReasoning(reasoning: Reasoning, body: JsonObject, { target, losses }: FieldScope): void {
  const isOff = reasoning.mode === "off" || reasoning.effort === "none" || reasoning.budgetTokens === 0;
  if (!target.capabilities.has("thinking")) {
    if (!isOff) losses.add("reasoning");
    return;
  }
  const form = target.quirks.reasoningRequest ?? "effort";
  const fit = (wish: Effort | undefined): Effort | undefined => {
    const fitting = wish && fitEffort(wish, target.quirks.efforts);
    if (fitting !== wish) losses.add("reasoning", "altered");
    return fitting;
  };
  if (form === "reasoning") {
    const { budgetTokens, show, mode } = reasoning;
    const effort = fit(reasoning.effort);
    const wire: JsonObject = {};
    if (effort) wire.effort = effort;
    if (budgetTokens !== undefined) wire.max_tokens = budgetTokens;
    if (!effort && budgetTokens === undefined) wire.enabled = mode !== "off";
    if (show === "none") wire.exclude = true;
    body.reasoning = wire;
    return;
  }
  const { effort: named, budgetTokens } = reasoning;
  const wish = named ?? (budgetTokens === undefined ? undefined : budgetToEffort(budgetTokens));
  if (reasoning.budgetTokens !== undefined && reasoning.effort === undefined) losses.add("reasoning", "altered");
  if (form === "thinking") {
    body.thinking = { type: isOff ? "disabled" : "enabled" };
    if (isOff) return;
  }
  const effort = fit(reasoning.mode === "off" ? "none" : wish);
  if (effort) body.reasoning_effort = effort;
}
