/**
 * Tools and the choice among them, in both directions: functions, free-text tools, namespaces, tools the provider runs.
 * Requests use it, and replies to echo the caller's tools.
 */
import { asArray, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import type { Losses } from "../../core/loss.ts";
import {
  at,
  optionalArray,
  optionalBoolean,
  optionalObject,
  optionalString,
  requiredString,
  toObject,
} from "../../core/read.ts";
import type { CustomTool, FunctionTool, Tool, ToolChoice } from "../../core/request.ts";
import { loseForeignExtras } from "../dialect.ts";
import { mapServerTool } from "../web-search.ts";
import { asExtras, leftover, OWN, own, restoreFields, withField } from "./wire.ts";

const FUNCTION_FIELDS = new Set(["type", "name", "description", "parameters", "strict"]);
const CUSTOM_FIELDS = new Set(["type", "name", "description", "format"]);
const NAMESPACE_FIELDS = new Set(["type", "name", "tools"]);

const SERVER_KINDS: Record<string, string> = {
  web_search: "web-search",
  web_search_2025_08_26: "web-search",
  web_search_preview: "web-search",
  web_search_preview_2025_03_11: "web-search",
  code_interpreter: "code-execution",
};

/** The tools of a list on the wire, namespaces flattened. Throws `invalid_request` for a wrong type. */
export function decodeTools(list: Json[], path: string): Tool[] {
  const tools: Tool[] = [];
  for (const [index, value] of list.entries()) {
    const place = at(path, index);
    const tool = toObject(value, place);
    if (tool.type === "namespace" && asArray(tool.tools).length > 0) decodeNamespace(tool, place, tools);
    else tools.push(decodeTool(tool, place, undefined));
  }
  return tools;
}

function decodeNamespace(group: JsonObject, path: string, tools: Tool[]): void {
  const namespace = requiredString(group, "name", path);
  const fields = leftover(group, NAMESPACE_FIELDS) ?? {};
  let isFirst = true;
  for (const [index, value] of (optionalArray(group, "tools", path) ?? []).entries()) {
    const tool = decodeTool(toObject(value, at(`${path}.tools`, index)), at(`${path}.tools`, index), namespace);
    if (tool.type === "server") {
      tools.push({ ...tool, value: { ...group, tools: [tool.value] } });
      continue;
    }
    tools.push(isFirst ? { ...tool, ...asExtras({ ...own(tool), $namespace: fields }) } : tool);
    isFirst = false;
  }
}

function decodeTool(tool: JsonObject, path: string, namespace: string | undefined): Tool {
  const type = requiredString(tool, "type", path);
  if (type === "function") return decodeFunction(tool, path, namespace);
  if (type === "custom") return decodeCustom(tool, path, namespace);
  return { type: "server", kind: SERVER_KINDS[type] ?? type, dialect: OWN, value: tool };
}

function decodeFunction(tool: JsonObject, path: string, namespace: string | undefined): FunctionTool {
  const decoded: FunctionTool = { type: "function", name: requiredString(tool, "name", path) };
  const description = optionalString(tool, "description", path);
  const parameters = optionalObject(tool, "parameters", path);
  const strict = optionalBoolean(tool, "strict", path);
  if (description !== undefined) decoded.description = description;
  if (parameters !== undefined) decoded.parameters = parameters;
  if (namespace !== undefined) decoded.namespace = namespace;
  let extras = leftover(tool, FUNCTION_FIELDS);
  // Here alone an absent `strict` means "where the schema allows it"; elsewhere absent means no, as false does here.
  if (strict) decoded.strict = true;
  else if (strict === undefined) extras = withField(extras, "$strict", null);
  return { ...decoded, ...asExtras(extras) };
}

function decodeCustom(tool: JsonObject, path: string, namespace: string | undefined): CustomTool {
  const decoded: CustomTool = { type: "custom", name: requiredString(tool, "name", path) };
  const description = optionalString(tool, "description", path);
  const format = optionalObject(tool, "format", path);
  if (description !== undefined) decoded.description = description;
  if (namespace !== undefined) decoded.namespace = namespace;
  let extras = leftover(tool, CUSTOM_FIELDS);
  const syntax = asString(format?.syntax);
  const definition = asString(format?.definition);
  if (format?.type === "grammar" && syntax !== undefined && definition !== undefined) {
    decoded.grammar = { syntax, definition };
  } else if (format && format.type !== "text") extras = withField(extras, "format", format);
  return { ...decoded, ...asExtras(extras) };
}

/** Tools on the wire, those of a namespace together again. Tools that another provider runs are losses but for those served here. */
export function encodeTools(tools: readonly Tool[], losses: Losses, serves?: readonly string[]): JsonObject[] {
  const list: JsonObject[] = [];
  let group: { name: string; tools: JsonObject[] } | undefined;
  for (const tool of tools) {
    if (tool.type === "server") {
      const wire = tool.dialect === OWN ? tool.value : mapServerTool(tool, OWN, serves, losses);
      if (wire) list.push(wire);
      continue;
    }
    const encoded = tool.type === "function" ? encodeFunction(tool) : encodeCustom(tool);
    restoreFields(encoded, loseForeignExtras(tool.extras, OWN, losses, "tools"));
    if (tool.namespace === undefined) {
      list.push(encoded);
      continue;
    }
    const fields = asObject(own(tool)?.$namespace);
    if (group?.name !== tool.namespace || fields) {
      group = { name: tool.namespace, tools: [] };
      const wire: JsonObject = { type: "namespace", name: tool.namespace, tools: group.tools };
      restoreFields(wire, fields);
      wire.description ??= tool.namespace;
      list.push(wire);
    }
    group.tools.push(encoded);
  }
  return list;
}

function encodeFunction(tool: FunctionTool): JsonObject {
  const encoded: JsonObject = { type: "function", name: tool.name };
  if (tool.description !== undefined) encoded.description = tool.description;
  encoded.parameters = tool.parameters ?? { type: "object", properties: {} };
  if (own(tool)?.$strict === undefined || tool.strict) encoded.strict = tool.strict ?? false;
  return encoded;
}

function encodeCustom(tool: CustomTool): JsonObject {
  const encoded: JsonObject = { type: "custom", name: tool.name };
  if (tool.description !== undefined) encoded.description = tool.description;
  if (tool.grammar) encoded.format = { type: "grammar", ...tool.grammar };
  return encoded;
}

/** A choice as the canon has it; undefined for the kinds that only this format has. */
export function decodeToolChoice(value: Json): ToolChoice | undefined {
  if (value === "auto" || value === "none" || value === "required") return { type: value };
  const choice = asObject(value);
  const name = asString(choice?.name);
  if (!choice) return undefined;
  if ((choice.type === "function" || choice.type === "custom") && name !== undefined) {
    return Object.keys(choice).length === 2 ? { type: "tool", name, kind: choice.type } : undefined;
  }
  if (choice.type !== "allowed_tools") return undefined;
  const tools = asArray(choice.tools).map(asObject);
  const names = tools.map((tool) =>
    tool?.type === "function" || tool?.type === "custom" ? asString(tool.name) : undefined,
  );
  const known = names.filter((one) => one !== undefined);
  if (known.length < names.length) return undefined;
  return { type: "allowed", mode: choice.mode === "required" ? "required" : "auto", names: known };
}

/** A choice on the wire. */
export function encodeToolChoice(choice: ToolChoice, tools: readonly Tool[] | undefined): Json {
  switch (choice.type) {
    case "auto":
    case "none":
    case "required":
      return choice.type;
    case "tool":
      return { type: choice.kind, name: choice.name };
    case "allowed": {
      const kindOf = (name: string) => {
        const tool = tools?.find((one) => one.type !== "server" && one.name === name);
        return tool?.type === "custom" ? "custom" : "function";
      };
      const allowed = choice.names.map((name) => ({ type: kindOf(name), name }));
      return { type: "allowed_tools", mode: choice.mode, tools: allowed };
    }
  }
}
