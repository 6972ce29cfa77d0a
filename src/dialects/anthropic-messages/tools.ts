/**
 * Tools and the choice among them, in both directions.
 * A part of request decoding and encoding.
 */
import { invalidRequest } from "../../core/error.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import { at, optionalBoolean, optionalObject, optionalString, requiredString, toObject } from "../../core/read.ts";
import type { CanonicalRequest, CustomTool, FunctionTool, Tool, ToolChoice } from "../../core/request.ts";
import { type FieldScope, loseForeignExtras } from "../dialect.ts";
import { customToolAsFunction, toolNames, withoutNamesakes } from "../tool-names.ts";
import { mapServerTool } from "../web-search.ts";
import { constrainedSchema, isExact, toolSchema } from "./schema.ts";
import { OWN, readBase, SERVER_TOOL_KINDS, wireFields, writeMark } from "./wire.ts";

const TOOL_FIELDS = new Set(["type", "name", "description", "input_schema", "strict"]);
const LENIENT_TOOL_FIELDS = new Set(["type", "name", "description", "input_schema"]);
/** The API takes no more strict tools than this in one request. */
const MAX_STRICT_TOOLS = 20;

/** What Claude Code offers so that its provider looks for tools that come later. Nobody can call it, and others need none. */
const PLACEHOLDER = "DeferredToolPlaceholder";

/** The tools in canonical form: the caller's own as functions, all with a `type` of their own verbatim. */
export function decodeTools(tools: readonly Json[]): Tool[] {
  return tools.map((item, index) => {
    const path = at("tools", index);
    const tool = toObject(item, path);
    const type = optionalString(tool, "type", path);
    if (type !== undefined && type !== "custom") {
      return { type: "server", kind: serverKind(type), dialect: OWN, value: tool };
    }
    if (tool.name === PLACEHOLDER && tool.defer_loading === true) {
      return { type: "server", kind: "deferred-tools", dialect: OWN, value: tool };
    }
    const description = optionalString(tool, "description", path);
    const parameters = optionalObject(tool, "input_schema", path);
    const strict = optionalBoolean(tool, "strict", path);
    // Elsewhere a strict tool may have no optional properties, so such a promise stays a field of this format alone.
    const isLenient = strict === true && !isExact(parameters);
    return {
      type: "function",
      name: requiredString(tool, "name", path),
      ...(description !== undefined && { description }),
      ...(parameters && { parameters }),
      ...(strict !== undefined && !isLenient && { strict }),
      ...readBase(tool, isLenient ? LENIENT_TOOL_FIELDS : TOOL_FIELDS),
    };
  });
}

function serverKind(type: string): string {
  const known = SERVER_TOOL_KINDS.find(([prefix]) => type.startsWith(`${prefix}_`));
  return known?.[1] ?? type.replace(/_\d{8}$/, "");
}

/** The choice, and whether several calls at once are allowed, which Messages says in the same object. */
export function decodeToolChoice(
  choice: JsonObject | undefined,
): Pick<CanonicalRequest, "toolChoice" | "parallelToolCalls"> {
  if (!choice) return {};
  const single = optionalBoolean(choice, "disable_parallel_tool_use", "tool_choice");
  const parallel = single === undefined ? {} : { parallelToolCalls: !single };
  const type = requiredString(choice, "type", "tool_choice");
  switch (type) {
    case "auto":
    case "none":
      return { toolChoice: { type }, ...parallel };
    case "any":
      return { toolChoice: { type: "required" }, ...parallel };
    case "tool":
      return {
        toolChoice: { type, name: requiredString(choice, "name", "tool_choice"), kind: "function" },
        ...parallel,
      };
    default:
      throw invalidRequest(`tool_choice.type: expected auto, any, tool or none, got "${type}".`, "tool_choice.type");
  }
}

/** Writes `tools`. Server tools of other dialects are losses; tools that the choice leaves out are not sent. */
export function encodeTools(tools: readonly Tool[], body: JsonObject, scope: FieldScope): void {
  const choice = scope.request.toolChoice;
  const allowed = choice?.type === "allowed" ? new Set(choice.names) : undefined;
  const names = toolNames(tools);
  const written: JsonObject[] = [];
  const { serverTools } = scope.target.quirks;
  let strict = 0;
  for (const tool of withoutNamesakes(tools)) {
    if (tool.type === "server") {
      const own = tool.dialect === OWN ? tool.value : mapServerTool(tool, OWN, serverTools, scope.losses);
      if (own) written.push(own);
      continue;
    }
    if (allowed && !allowed.has(tool.name)) continue;
    const plain = tool.type === "custom" ? asFunction(tool, scope) : tool;
    const mayBeStrict = strict < MAX_STRICT_TOOLS && scope.target.capabilities.has("structured-output");
    if (plain.strict && !mayBeStrict) scope.losses.add("tools.strict");
    if (plain.strict && mayBeStrict) strict += 1;
    const kept = { ...plain, strict: plain.strict && mayBeStrict };
    written.push(encodeTool(kept, names.flatten(tool.name, tool.namespace), scope));
  }
  if (written.length > 0) body.tools = written;
}

function asFunction(tool: CustomTool, { losses }: FieldScope): FunctionTool {
  if (tool.grammar) losses.add("tools.grammar", "altered");
  return customToolAsFunction(tool);
}

function encodeTool(tool: FunctionTool, name: string, { losses }: FieldScope): JsonObject {
  const own = loseForeignExtras(tool.extras, OWN, losses, "tools");
  let schema = toolSchema(tool.parameters);
  if (tool.strict) {
    const constrained = constrainedSchema(schema);
    schema = constrained.schema;
    if (constrained.altered) losses.add("tools.strict", "altered");
  }
  return {
    name,
    ...(tool.description !== undefined && { description: tool.description }),
    input_schema: schema,
    ...(tool.strict && { strict: true }),
    ...(tool.cache && { cache_control: writeMark(tool.cache) }),
    ...wireFields(own),
  };
}

/** Writes `tool_choice` together with the wish for single calls. Nothing is written where there are no tools. */
export function encodeToolChoice(body: JsonObject, scope: FieldScope): void {
  const { toolChoice, parallelToolCalls, tools } = scope.request;
  if (body.tools === undefined) {
    const forced = toolChoice && toolChoice.type !== "auto" && toolChoice.type !== "none";
    if (forced) scope.losses.add("toolChoice");
    return;
  }
  const type = toolChoice && wireChoice(toolChoice);
  if (!type && parallelToolCalls === undefined) return;
  const choice: JsonObject = { type: type ?? "auto" };
  if (toolChoice?.type === "tool") {
    const chosen = tools?.find((tool) => tool.type !== "server" && tool.name === toolChoice.name);
    const namespace = chosen && chosen.type !== "server" ? chosen.namespace : undefined;
    choice.name = toolNames(tools).flatten(toolChoice.name, namespace);
  }
  if (parallelToolCalls !== undefined && type !== "none") choice.disable_parallel_tool_use = !parallelToolCalls;
  body.tool_choice = choice;
}

function wireChoice(choice: ToolChoice): string {
  if (choice.type === "required" || (choice.type === "allowed" && choice.mode === "required")) return "any";
  return choice.type === "allowed" ? "auto" : choice.type;
}
