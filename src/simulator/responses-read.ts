/**
 * Reads and checks a Responses request the way OpenAI does.
 * The simulated provider's first half of `/v1/responses`.
 */
import type { Incoming, Memory } from "./api.ts";
import { arrayOf, isObject, type Json, objectOf, remember, stringOf } from "./json.ts";
import {
  checkBooleans,
  checkDecimal,
  checkInteger,
  checkName,
  isUnknownModel,
  missing,
  readModel,
  unsupported,
  wrongType,
} from "./openai-common.ts";
import { invalid } from "./problem.ts";
import { createView, promptTokens, seeSystem, seeTool, type View } from "./reading.ts";
import { readItems } from "./responses-items.ts";
import { strictFault } from "./strict.ts";

const FIELDS: ReadonlySet<string> = new Set(
  `access_programs background client_metadata context_management conversation image include input instructions max_output_tokens
  max_tool_calls metadata model moderation parallel_tool_calls previous_response_id prompt prompt_cache_key
  prompt_cache_options prompt_cache_retention reasoning safety_identifier service_tier store stream stream_options
  temperature text tool_choice tools top_logprobs top_p truncation user`.split(/\s+/),
);
const LEAST_OUTPUT = 16;
const MAX_CACHE_KEYS = 10_000;

/** The items of a request, after those of the response it continues. */
function itemsOf(body: Json, memory: Memory): unknown[] {
  const { input, previous_response_id: previous } = body;
  if (input === undefined || input === null) throw missing("input");
  if (typeof input !== "string" && !Array.isArray(input))
    throw wrongType("input", "one of a string or array of objects", input);
  const items = typeof input === "string" ? [{ role: "user", content: input }] : input;
  if (previous === undefined || previous === null) return items;
  const before = memory.responses.get(stringOf(previous));
  if (before === undefined) {
    throw invalid(
      `Previous response with id '${String(previous)}' not found.`,
      "previous_response_id",
      "previous_response_not_found",
    );
  }
  return [...before, ...items];
}

function readTool(view: View, tool: Json, at: string): void {
  if (typeof tool.type !== "string") throw missing(`${at}.type`);
  if (tool.type !== "function" && tool.type !== "custom") {
    // tools that run at the provider's are never called by the simulator; a namespace holds tools of the caller's
    if (tool.type === "namespace") for (const inner of arrayOf(tool.tools)) readTool(view, objectOf(inner), at);
    view.chars += JSON.stringify(tool).length;
    return;
  }
  const name = checkName(tool.name, `${at}.name`);
  const fault = tool.type === "function" && tool.strict === true ? strictFault(tool.parameters) : undefined;
  if (fault !== undefined) {
    throw invalid(`Invalid schema for function '${name}': ${fault}`, `${at}.parameters`, "invalid_function_parameters");
  }
  seeTool(view, name, tool.type, tool.parameters ?? {}, JSON.stringify(tool).length);
}

function readTools(view: View, body: Json): void {
  if (body.tools !== undefined && body.tools !== null && !Array.isArray(body.tools)) {
    throw wrongType("tools", "an array of objects", body.tools);
  }
  for (const [index, tool] of arrayOf(body.tools).entries()) readTool(view, objectOf(tool), `tools[${index}]`);
  if (body.parallel_tool_calls === false) view.parallel = false;
  const choice = body.tool_choice;
  if (choice === undefined || choice === null || choice === "auto") return;
  if (choice === "none") view.choice = { mode: "none" };
  else if (choice === "required") view.choice = { mode: "any" };
  else if (!isObject(choice)) throw unsupported("tool_choice", choice, ["none", "auto", "required"]);
  else if (choice.type === "allowed_tools") {
    const allowed = arrayOf(choice.tools).map((tool) => stringOf(objectOf(tool).name));
    view.choice = { mode: choice.mode === "required" ? "any" : "auto", allowed };
  } else if (choice.type === "function" || choice.type === "custom") {
    if (typeof choice.name !== "string") throw missing("tool_choice.name");
    const { name } = choice;
    if (!view.tools.some((tool) => tool.name === name))
      throw invalid(`Tool choice '${name}' not found in 'tools' parameter.`, "tool_choice");
    view.choice = { mode: "any", name };
  }
}

function readFormat(view: View, body: Json): void {
  const format = objectOf(body.text).format;
  if (format === undefined || format === null) return;
  const { type, name, schema, strict } = objectOf(format);
  if (type === "text") return;
  if (type === "json_object") {
    if (!/json/i.test(JSON.stringify(body.input))) {
      const words =
        "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'.";
      throw invalid(words, "input");
    }
    view.format = { schema: undefined };
    return;
  }
  if (type !== "json_schema") throw unsupported("text.format.type", type, ["json_object", "json_schema", "text"]);
  checkName(name, "text.format.name");
  if (!isObject(schema)) throw missing("text.format.schema");
  const fault = strict === true ? strictFault(schema) : undefined;
  if (fault !== undefined) {
    throw invalid(
      `Invalid schema for response_format '${stringOf(name)}': ${fault}`,
      "text.format.schema",
      "invalid_json_schema",
    );
  }
  view.format = { schema };
}

function readSampling(view: View, body: Json): void {
  checkDecimal(body, "temperature", 0, 2);
  checkDecimal(body, "top_p", 0, 1);
  checkBooleans(body, ["stream", "store", "background", "parallel_tool_calls"]);
  view.maxTokens = checkInteger(body, "max_output_tokens", LEAST_OUTPUT);
  view.stream = body.stream === true;
  const reasoning = objectOf(body.reasoning);
  const asks = typeof reasoning.effort === "string" || typeof reasoning.summary === "string";
  view.thinks = asks && reasoning.effort !== "none";
}

/** Reads a Responses request; throws what OpenAI would refuse. */
export function readResponses(call: Incoming, memory: Memory): View {
  const { body } = call;
  const model = readModel(body, "Missing required parameter: 'model'.");
  const unknown = Object.keys(body).find((key) => !FIELDS.has(key));
  if (unknown !== undefined && !call.orders.flags.has("lenient")) {
    throw invalid(`Unknown parameter: '${unknown}'.`, unknown, "unknown_parameter");
  }
  if (isUnknownModel(model))
    throw invalid(`The requested model '${model}' does not exist.`, "model", "model_not_found");
  const view = createView(call.raw, body, model);
  if (typeof body.instructions === "string") seeSystem(view, body.instructions);
  readItems(view, itemsOf(body, memory));
  readTools(view, body);
  readFormat(view, body);
  readSampling(view, body);
  const key = body.prompt_cache_key;
  if (typeof key === "string") {
    const tokens = promptTokens(view);
    view.cacheRead = Math.min(memory.cacheKeys.get(key) ?? 0, tokens - 1);
    remember(memory.cacheKeys, key, tokens, MAX_CACHE_KEYS);
  }
  return view;
}

/** The conversation that a later `previous_response_id` continues. */
export function keepResponse(memory: Memory, view: View, id: string, output: unknown[], limit: number): void {
  if (view.body.store === false) return;
  remember(memory.responses, id, [...itemsOf(view.body, memory), ...output], limit);
}
