/**
 * Tools and their choice in both directions: function declarations with their schemas, the provider's own tools, `toolConfig`.
 * The request decoder and encoder use it.
 */
import type { Json, JsonObject } from "../../core/json.ts";
import type { Losses } from "../../core/loss.ts";
import {
  at,
  optionalArray,
  optionalObject,
  optionalString,
  requiredString,
  toObject,
  toText,
} from "../../core/read.ts";
import type { CustomTool, FunctionTool, ServerTool, Tool, ToolChoice } from "../../core/request.ts";
import { loseForeignExtras } from "../dialect.ts";
import { customToolAsFunction, type ToolNames, withoutNamesakes } from "../tool-names.ts";
import { mapServerTool } from "../web-search.ts";
import { camelKeys, camelObject, others } from "./keys.ts";
import { ownExtras } from "./media.ts";
import { fromGeminiSchema, toGeminiParameters } from "./schema.ts";
import { GEMINI } from "./wire.ts";

/** The canonical kinds of the provider's own tools. Others keep the wire's name. */
const SERVER_KINDS: Readonly<Record<string, string>> = {
  googleSearch: "web-search",
  googleSearchRetrieval: "web-search",
  enterpriseWebSearch: "web-search",
  codeExecution: "code-execution",
  urlContext: "web-fetch",
  fileSearch: "file-search",
  computerUse: "computer-use",
};

/** Reads `tools`. Throws `invalid_request` for a declaration without a name or of a wrong type. */
export function decodeTools(list: Json[]): Tool[] {
  const tools: Tool[] = [];
  for (const [index, entry] of list.entries()) {
    const path = at("tools", index);
    const group = camelKeys(toObject(entry, path));
    for (const key in group) {
      const value = group[key];
      if (value === undefined || value === null) continue;
      if (key === "functionDeclarations") {
        const declarations = Array.isArray(value) ? value : [value];
        for (const [number, one] of declarations.entries()) {
          tools.push(decodeFunction(one, at(at(path, key), number)));
        }
      } else {
        const kind = Object.hasOwn(SERVER_KINDS, key) ? (SERVER_KINDS[key] as string) : key;
        tools.push({ type: "server", kind, dialect: GEMINI, value: { [key]: value } });
      }
    }
  }
  return tools;
}

const FUNCTION_KNOWN = new Set(["name", "description", "parameters", "parametersJsonSchema"]);

function decodeFunction(value: Json, path: string): FunctionTool {
  const declaration = camelKeys(toObject(value, path));
  const description = optionalString(declaration, "description", path);
  const parameters =
    optionalObject(declaration, "parametersJsonSchema", path) ?? optionalObject(declaration, "parameters", path);
  const extras = ownExtras(others(declaration, FUNCTION_KNOWN));
  return {
    type: "function",
    name: requiredString(declaration, "name", path),
    ...(description !== undefined && { description }),
    ...(parameters && { parameters: fromGeminiSchema(parameters) }),
    ...(extras && { extras }),
  };
}

/** What `toolConfig` says: the choice, and fields of its own as flat extras. */
export function decodeToolConfig(toolConfig: JsonObject): { choice?: ToolChoice; extras: JsonObject } {
  const extras: JsonObject = {};
  const config = camelKeys(toolConfig);
  for (const key in config) {
    if (key !== "functionCallingConfig" && config[key] !== null) extras[`toolConfig.${key}`] = config[key];
  }
  const calling = camelObject(optionalObject(config, "functionCallingConfig", "toolConfig"));
  if (!calling) return { extras };
  const path = "toolConfig.functionCallingConfig";
  const mode = optionalString(calling, "mode", path)?.toUpperCase();
  const names = optionalArray(calling, "allowedFunctionNames", path)?.map((name, index) =>
    toText(name, at(`${path}.allowedFunctionNames`, index)),
  );
  if (mode === "VALIDATED") extras[`${path}.mode`] = mode;
  for (const key in others(calling, CALLING_KNOWN)) extras[`${path}.${key}`] = calling[key];
  const choice = toolChoice(mode, names ?? []);
  return choice ? { choice, extras } : { extras };
}

const CALLING_KNOWN = new Set(["mode", "allowedFunctionNames"]);

function toolChoice(mode: string | undefined, names: string[]): ToolChoice | undefined {
  const [name, second] = names;
  switch (mode) {
    case "NONE":
      return { type: "none" };
    case "ANY":
      if (name === undefined) return { type: "required" };
      return second === undefined
        ? { type: "tool", name, kind: "function" }
        : { type: "allowed", mode: "required", names };
    case "AUTO":
    case "VALIDATED":
      return name === undefined ? { type: "auto" } : { type: "allowed", mode: "auto", names };
    default:
      return undefined;
  }
}

/** Tools for an upstream: all declarations in one group, the provider's own beside it. Those of other providers are losses but for those served here. */
export function encodeTools(
  tools: readonly Tool[],
  names: ToolNames,
  losses: Losses,
  serves?: readonly string[],
): JsonObject[] {
  const functionDeclarations: JsonObject[] = [];
  const groups: JsonObject[] = [];
  // The API refuses its own tools beside functions.
  const served = tools.every((tool) => tool.type === "server") ? serves : undefined;
  for (const tool of withoutNamesakes(tools)) {
    if (tool.type !== "server") {
      if (functionDeclarations.length === 0) groups.push({ functionDeclarations });
      functionDeclarations.push(encodeFunction(tool, names, losses));
    } else {
      const wire = isOwn(tool) ? tool.value : mapServerTool(tool, GEMINI, served, losses);
      if (wire) groups.push(wire);
    }
  }
  return groups;
}

function isOwn(tool: ServerTool): boolean {
  return tool.dialect === GEMINI;
}

function encodeFunction(tool: FunctionTool | CustomTool, names: ToolNames, losses: Losses): JsonObject {
  if (tool.type === "custom" && tool.grammar) losses.add("tools.grammar", "altered");
  const { name, description, namespace, parameters, strict, cache, extras } =
    tool.type === "custom" ? customToolAsFunction(tool) : tool;
  if (strict) losses.add("tools.strict");
  if (cache) losses.add("cache", "altered");
  return {
    name: names.flatten(name, namespace),
    ...(description !== undefined && { description }),
    ...(parameters && { parametersJsonSchema: toGeminiParameters(parameters) }),
    ...loseForeignExtras(extras, GEMINI, losses, "tools"),
  };
}

/** `functionCallingConfig` for a choice. AUTO takes no list of names, VALIDATED does. */
export function encodeToolChoice(choice: ToolChoice, names: ToolNames): JsonObject {
  switch (choice.type) {
    case "auto":
      return { mode: "AUTO" };
    case "none":
      return { mode: "NONE" };
    case "required":
      return { mode: "ANY" };
    case "tool":
      return { mode: "ANY", allowedFunctionNames: [names.flatten(choice.name)] };
    case "allowed":
      return {
        mode: choice.mode === "required" ? "ANY" : "VALIDATED",
        allowedFunctionNames: choice.names.map((name) => names.flatten(name)),
      };
  }
}
