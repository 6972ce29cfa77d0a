/**
 * Reads and checks a Messages request the way Anthropic does.
 * The simulated provider's first half of `/v1/messages` and of counting its tokens.
 */
import { openingOfToolTurn, readMessages } from "./anthropic-blocks.ts";
import { useCache } from "./anthropic-cache.ts";
import type { Incoming, Memory } from "./api.ts";
import { arrayOf, isObject, type Json, objectOf, stringOf } from "./json.ts";
import { isUnknownModel } from "./openai-common.ts";
import { invalid, Problem } from "./problem.ts";
import { createView, seeSystem, seeTool, type View } from "./reading.ts";
import { leavesOpen } from "./strict.ts";

const FIELDS: ReadonlySet<string> = new Set(
  `max_tokens messages model billing_policy cache_control compaction container context_management diagnostics
  fallback_credit_token fallbacks inference_geo mcp_servers metadata output_config output_format service_tier speed
  stop_sequences stream system temperature thinking thread tool_choice tools top_k top_p betas`.split(/\s+/),
);
const LEAST_BUDGET = 1_024;
const INSISTS_ON_THOUGHTS = /claude-3-7|-4-0\b|-4-2025/;
/** Models that take system messages in mid-conversation without a beta header. */
const HEARS_SYSTEM = /-(?:4-[89]|[5-9])\b/;

function checkNumber(body: Json, param: string, most: number): void {
  const value = body[param];
  if (value === undefined) return;
  if (typeof value !== "number") throw invalid(`${param}: Input should be a valid number`);
  if (value < 0 || value > most) throw invalid(`${param}: range: 0..${most}`);
}

function readLimits(view: View, body: Json, counts: boolean): void {
  const { max_tokens: limit } = body;
  if (!counts) {
    if (limit === undefined) throw invalid("max_tokens: Field required");
    if (typeof limit !== "number" || !Number.isInteger(limit))
      throw invalid("max_tokens: Input should be a valid integer");
    if (limit < 1) throw invalid("max_tokens: Input should be greater than or equal to 1");
    view.maxTokens = limit;
  }
  if (body.stream !== undefined && typeof body.stream !== "boolean")
    throw invalid("stream: Input should be a valid boolean");
  view.stream = body.stream === true;
  checkNumber(body, "temperature", 1);
  checkNumber(body, "top_p", 1);
  if (body.stop_sequences !== undefined && !Array.isArray(body.stop_sequences)) {
    throw invalid("stop_sequences: Input should be a valid array");
  }
  view.stops = arrayOf(body.stop_sequences).map(stringOf);
  if (view.stops.some((stop) => stop.trim() === "")) {
    throw invalid("stop_sequences: each stop sequence must contain non-whitespace");
  }
}

function readThinking(view: View, body: Json): void {
  if (body.thinking === undefined || body.thinking === null) return;
  const { type, budget_tokens: budget } = objectOf(body.thinking);
  if (type === "disabled") return;
  if (type !== "enabled" && type !== "adaptive") {
    throw invalid(
      `thinking: Input tag '${String(type)}' found using 'type' does not match any of the expected tags: 'adaptive', 'disabled', 'enabled'`,
    );
  }
  if (type === "enabled") {
    if (typeof budget !== "number") throw invalid("thinking.enabled.budget_tokens: Field required");
    if (budget < LEAST_BUDGET) {
      throw invalid(`thinking.enabled.budget_tokens: Input should be greater than or equal to ${LEAST_BUDGET}`);
    }
    if (view.maxTokens !== undefined && view.maxTokens <= budget) {
      throw invalid(
        "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking#max-tokens-and-context-window-size",
      );
    }
    const opening = openingOfToolTurn(arrayOf(body.messages));
    if (opening !== undefined && opening.type !== "thinking" && opening.type !== "redacted_thinking") {
      // newer models quietly answer such a turn without thinking
      if (!INSISTS_ON_THOUGHTS.test(view.model)) return;
      const words =
        "When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use` and `tool_result` blocks). We recommend you include thinking blocks from previous turns. To avoid this requirement, disable `thinking`.";
      throw invalid(
        `messages.${opening.index}.content.0.type: Expected \`thinking\` or \`redacted_thinking\`, but found \`${opening.type}\`. ${words}`,
      );
    }
  }
  if (typeof body.temperature === "number" && body.temperature !== 1) {
    throw invalid("`temperature` may only be set to 1 when thinking is enabled.");
  }
  if (type === "enabled" && view.choice.mode === "any")
    throw invalid("Thinking may not be enabled when tool_choice forces tool use.");
  view.thinks = true;
}

function readTool(view: View, tool: Json, index: number): void {
  const at = `tools.${index}.custom`;
  const { name, input_schema: schema } = tool;
  if (tool.type !== undefined && tool.type !== null && tool.type !== "custom") {
    // tools that run at the provider's are never called by the simulator
    view.chars += JSON.stringify(tool).length;
    return;
  }
  if (typeof name !== "string") throw invalid(`${at}.name: Field required`);
  if (!/^[a-zA-Z0-9_-]{1,128}$/.test(name))
    throw invalid(`${at}.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'`);
  if (!isObject(schema)) throw invalid(`${at}.input_schema: Field required`);
  if (schema.type === undefined) throw invalid(`${at}.input_schema.type: Field required`);
  if (schema.type !== "object") throw invalid(`${at}.input_schema.type: Input should be 'object'`);
  if (tool.strict === true && leavesOpen(schema)) {
    throw invalid(`${at}: For 'object' type, 'additionalProperties' must be explicitly set to false`);
  }
  if (view.tools.some((one) => one.name === name)) throw invalid("tools: Tool names must be unique.");
  seeTool(view, name, "function", schema, JSON.stringify(tool).length);
}

function readTools(view: View, body: Json): void {
  if (body.tools !== undefined && !Array.isArray(body.tools)) throw invalid("tools: Input should be a valid array");
  for (const [index, tool] of arrayOf(body.tools).entries()) readTool(view, objectOf(tool), index);
  const choice = body.tool_choice;
  if (choice === undefined || choice === null) return;
  const { type, name, disable_parallel_tool_use: single } = objectOf(choice);
  if (arrayOf(body.tools).length === 0)
    throw invalid("tool_choice: `tool_choice` may only be specified while providing `tools`.");
  if (single === true) view.parallel = false;
  if (type === "any") view.choice = { mode: "any" };
  else if (type === "none") view.choice = { mode: "none" };
  else if (type === "tool") {
    if (typeof name !== "string") throw invalid("tool_choice.tool.name: Field required");
    const known = arrayOf(body.tools).some((tool) => objectOf(tool).name === name);
    if (!known) throw invalid(`Tool '${name}' not found in provided tools`);
    view.choice = { mode: "any", name };
  } else if (type !== "auto") {
    throw invalid(
      `tool_choice: Input tag '${String(type)}' found using 'type' does not match any of the expected tags: 'auto', 'any', 'tool', 'none'`,
    );
  }
}

function readSystem(view: View, body: Json): void {
  const { system } = body;
  if (system === undefined) return;
  if (typeof system === "string") {
    seeSystem(view, system);
    return;
  }
  if (!Array.isArray(system)) throw invalid("system: Input should be a valid array");
  for (const [index, block] of system.entries()) {
    const { type, text } = objectOf(block);
    if (type !== "text") throw invalid(`system.${index}.type: Input should be 'text'`);
    if (typeof text !== "string") throw invalid(`system.${index}.text: Field required`);
    if (text === "") throw invalid("system: text content blocks must be non-empty");
    seeSystem(view, text);
  }
}

function readFormat(view: View, body: Json): void {
  const [at, format] =
    body.output_format === undefined || body.output_format === null
      ? ["output_config.format", objectOf(body.output_config).format]
      : ["output_format", body.output_format];
  if (!isObject(format)) return;
  if (format.type !== "json_schema") throw invalid(`${at}.type: Input should be 'json_schema'`);
  if (!isObject(format.schema)) throw invalid(`${at}.schema: Field required`);
  if (leavesOpen(format.schema)) {
    throw invalid(`${at}.schema: For 'object' type, 'additionalProperties' must be explicitly set to false`);
  }
  view.format = { schema: format.schema };
}

/** Reads a Messages request; with `counts` only what counting tokens needs. Throws what Anthropic would refuse. */
export function readAnthropic(call: Incoming, memory: Memory, counts = false): View {
  const { body, headers } = call;
  if ((headers.get("anthropic-version") ?? "") === "") throw invalid("anthropic-version: header is required");
  const { model, messages } = body;
  if (model === undefined) throw invalid("model: Field required");
  if (typeof model !== "string") throw invalid("model: Input should be a valid string");
  if (messages === undefined) throw invalid("messages: Field required");
  if (!Array.isArray(messages)) throw invalid("messages: Input should be a valid array");
  if (messages.length === 0) throw invalid("messages: at least one message is required");
  const unknown = Object.keys(body).find((key) => !FIELDS.has(key));
  if (unknown !== undefined && !call.orders.flags.has("lenient"))
    throw invalid(`${unknown}: Extra inputs are not permitted`);
  if (isUnknownModel(model)) throw new Problem(404, `model: ${model}`);
  const view = createView(call.raw, body, model);
  readLimits(view, body, counts);
  readSystem(view, body);
  readTools(view, body);
  readMessages(view, messages, (headers.get("anthropic-beta") ?? "") !== "" || HEARS_SYSTEM.test(model));
  readThinking(view, body);
  readFormat(view, body);
  if (!counts && call.raw.includes('"cache_control"')) useCache(view, body, memory);
  return view;
}
