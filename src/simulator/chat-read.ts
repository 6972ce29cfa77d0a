/**
 * Reads and checks a chat completions request the way OpenAI does.
 * The simulated provider's first half of `/v1/chat/completions`.
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
import { invalid, Problem } from "./problem.ts";
import {
  createView,
  promptTokens,
  seeAssistant,
  seeAssistantText,
  seeCall,
  seeMedia,
  seeReference,
  seeResult,
  seeSystem,
  seeThinking,
  seeTool,
  seeUserText,
  type View,
} from "./reading.ts";
import { strictFault } from "./strict.ts";

const FIELDS: ReadonlySet<string> = new Set(
  `messages model audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens
  metadata modalities moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key prompt_cache_options
  prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier stop store stream
  stream_options temperature tool_choice tools top_logprobs top_p user verbosity web_search_options`.split(/\s+/),
);
const ROLES = ["system", "assistant", "user", "function", "tool", "developer"];
const PARTS = ["text", "image_url", "input_audio", "refusal", "audio", "file"];
const MAX_CACHE_KEYS = 10_000;
const MAX_CHOICES = 128;

function checkFields(call: Incoming): void {
  if (call.orders.flags.has("lenient")) return;
  const unknown = Object.keys(call.body).filter((key) => !FIELDS.has(key));
  if (unknown.length === 0) return;
  throw invalid(`Unrecognized request argument${unknown.length > 1 ? "s" : ""} supplied: ${unknown.join(", ")}`);
}

function readPart(view: View, part: Json, at: string, say: (text: string) => void): void {
  switch (part.type) {
    case "text":
      if (typeof part.text !== "string") throw missing(`${at}.text`);
      say(part.text);
      return;
    case "refusal":
      say(stringOf(part.refusal));
      return;
    case "image_url": {
      const { url } = objectOf(part.image_url);
      if (typeof url !== "string") throw missing(`${at}.image_url.url`);
      seeReference(view, "images", url);
      return;
    }
    case "input_audio": {
      const { data, format } = objectOf(part.input_audio);
      if (typeof data !== "string") throw missing(`${at}.input_audio.data`);
      seeMedia(view, "audio", format === "mp3" ? "audio/mpeg" : `audio/${stringOf(format)}`, data);
      return;
    }
    case "file": {
      const { file_data: data, file_id: id } = objectOf(part.file);
      if (typeof data !== "string" && typeof id !== "string") throw missing(`${at}.file.file_id`);
      seeReference(view, "files", typeof data === "string" ? data : stringOf(id));
      return;
    }
    default:
      throw unsupported(`${at}.type`, part.type, PARTS);
  }
}

function readContent(view: View, contents: unknown, at: string, say: (text: string) => void): void {
  if (typeof contents === "string") {
    say(contents);
    return;
  }
  if (contents === null || contents === undefined) {
    throw invalid("Invalid value for 'content': expected a string, got null.", at.replace(".content", ".content"));
  }
  if (!Array.isArray(contents)) throw wrongType(at, "one of a string or array of objects", contents);
  for (const [index, part] of contents.entries()) {
    if (!isObject(part)) throw wrongType(`${at}[${index}]`, "an object", part);
    readPart(view, part, `${at}[${index}]`, say);
  }
}

function readAssistant(view: View, message: Json, at: string, open: Map<string, string>): void {
  seeAssistant(view);
  const thought = stringOf(message.reasoning_content) || stringOf(message.reasoning);
  if (thought !== "") seeThinking(view, thought, false);
  const calls = arrayOf(message.tool_calls);
  const spoken = message.content !== undefined && message.content !== null;
  if (spoken || (calls.length === 0 && message.function_call === undefined && message.refusal === undefined)) {
    readContent(view, message.content, `${at}.content`, (text) => seeAssistantText(view, text));
  }
  for (const [index, given] of calls.entries()) {
    const entry = objectOf(given);
    const inner = objectOf(entry.type === "custom" ? entry.custom : entry.function);
    if (typeof entry.id !== "string") throw missing(`${at}.tool_calls[${index}].id`);
    if (entry.type !== "custom" && typeof inner.arguments !== "string") {
      throw missing(`${at}.tool_calls[${index}].function.arguments`);
    }
    const name = checkName(inner.name, `${at}.tool_calls[${index}].function.name`);
    open.set(entry.id, name);
    seeCall(view, name.length + stringOf(inner.arguments ?? inner.input).length, index === 0);
  }
  if (isObject(message.function_call)) seeCall(view, stringOf(message.function_call.arguments).length, true);
}

function checkAnswered(open: Map<string, string>, at: string): void {
  if (open.size === 0) return;
  const ids = [...open.keys()].join(", ");
  const words =
    "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'.";
  throw invalid(`${words} The following tool_call_ids did not have response messages: ${ids}`, at);
}

function readMessage(view: View, message: Json, index: number, open: Map<string, string>): void {
  const at = `messages[${index}]`;
  const { role } = message;
  if (role === undefined) throw missing(`${at}.role`);
  if (typeof role !== "string" || !ROLES.includes(role)) throw unsupported(`${at}.role`, role, ROLES);
  if (role === "tool") {
    const id = message.tool_call_id;
    if (typeof id !== "string") throw missing(`${at}.tool_call_id`);
    const name = open.get(id);
    if (name === undefined) {
      const words = "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.";
      throw invalid(`Invalid parameter: ${words}`, `messages.[${index}].role`);
    }
    open.delete(id);
    const texts: string[] = [];
    readContent(view, message.content, `${at}.content`, (text) => texts.push(text));
    seeResult(view, name, texts.join(""));
    return;
  }
  checkAnswered(open, `messages.[${index}].role`);
  if (role === "assistant") {
    readAssistant(view, message, at, open);
    return;
  }
  if (role === "function") {
    seeResult(view, stringOf(message.name), stringOf(message.content));
    return;
  }
  const see = role === "user" ? seeUserText : seeSystem;
  if (role === "user") view.turn = "user";
  readContent(view, message.content, `${at}.content`, (text) => see(view, text));
}

function readMessages(view: View, body: Json): void {
  const { messages } = body;
  if (messages === undefined) throw missing("messages");
  if (!Array.isArray(messages)) throw wrongType("messages", "an array of objects", messages);
  if (messages.length === 0) {
    const words = "Expected an array with minimum length 1, but got an empty array instead.";
    throw invalid(`Invalid 'messages': empty array. ${words}`, "messages", "empty_array");
  }
  const open = new Map<string, string>();
  for (const [index, message] of messages.entries()) {
    if (!isObject(message)) throw wrongType(`messages[${index}]`, "an object", message);
    readMessage(view, message, index, open);
  }
  checkAnswered(open, "messages");
}

function readTools(view: View, body: Json): void {
  for (const [index, given] of arrayOf(body.tools).entries()) {
    const tool = objectOf(given);
    if (tool.type !== "function" && tool.type !== "custom") {
      if (tool.type === undefined) throw missing(`tools[${index}].type`);
      throw unsupported(`tools[${index}].type`, tool.type, ["function", "custom"]);
    }
    const inner = tool[tool.type];
    if (!isObject(inner)) throw missing(`tools[${index}].${tool.type}`);
    const name = checkName(inner.name, `tools[${index}].${tool.type}.name`);
    const fault = inner.strict === true ? strictFault(inner.parameters) : undefined;
    if (fault !== undefined) {
      const words = `Invalid schema for function '${name}': ${fault}`;
      throw invalid(words, `tools[${index}].function.parameters`, "invalid_function_parameters");
    }
    seeTool(view, name, tool.type, inner.parameters ?? {}, JSON.stringify(inner).length);
  }
  for (const given of arrayOf(body.functions)) {
    const inner = objectOf(given);
    seeTool(
      view,
      checkName(inner.name, "functions[0].name"),
      "function",
      inner.parameters ?? {},
      JSON.stringify(inner).length,
    );
  }
}

function readChoice(view: View, body: Json): void {
  const choice = body.tool_choice ?? body.function_call;
  if (body.parallel_tool_calls === false) view.parallel = false;
  if (view.tools.length === 0) {
    for (const param of ["tool_choice", "parallel_tool_calls"]) {
      if (body[param] === undefined || body[param] === null) continue;
      throw invalid(`Invalid value for '${param}': '${param}' is only allowed when 'tools' are specified.`, param);
    }
  }
  if (choice === undefined || choice === null || choice === "auto") return;
  if (choice === "none") view.choice = { mode: "none" };
  else if (choice === "required") view.choice = { mode: "any" };
  else if (isObject(choice) && choice.type === "allowed_tools") {
    const { mode, tools } = objectOf(choice.allowed_tools);
    const allowed = arrayOf(tools).map((tool) =>
      stringOf(objectOf(objectOf(tool).function ?? objectOf(tool).custom).name),
    );
    view.choice = { mode: mode === "required" ? "any" : "auto", allowed };
  } else if (isObject(choice)) {
    const name = stringOf(objectOf(choice.function ?? choice.custom ?? choice).name);
    if (!view.tools.some((tool) => tool.name === name)) {
      throw invalid(
        `Invalid value for 'tool_choice': tool choice '${name}' not found in 'tools' parameter.`,
        "tool_choice",
      );
    }
    view.choice = { mode: "any", name };
  } else throw unsupported("tool_choice", choice, ["none", "auto", "required"]);
}

function readFormat(view: View, body: Json): void {
  const format = body.response_format;
  if (format === undefined || format === null) return;
  const { type } = objectOf(format);
  if (type === "text") return;
  if (type === "json_object") {
    if (!/json/i.test(JSON.stringify(body.messages))) {
      const words =
        "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.";
      throw invalid(words, "messages");
    }
    view.format = { schema: undefined };
    return;
  }
  if (type !== "json_schema") throw unsupported("response_format.type", type, ["json_object", "json_schema", "text"]);
  const inner = objectOf(format).json_schema;
  if (!isObject(inner)) throw missing("response_format.json_schema");
  checkName(inner.name, "response_format.json_schema.name");
  const fault = inner.strict === true ? strictFault(inner.schema) : undefined;
  if (fault !== undefined) {
    throw invalid(`Invalid schema for response_format '${stringOf(inner.name)}': ${fault}`, "response_format");
  }
  view.format = { schema: inner.schema ?? {} };
}

function readSampling(view: View, body: Json): void {
  checkDecimal(body, "temperature", 0, 2);
  checkDecimal(body, "top_p", 0, 1);
  checkDecimal(body, "presence_penalty", -2, 2);
  checkDecimal(body, "frequency_penalty", -2, 2);
  checkBooleans(body, ["stream", "logprobs", "parallel_tool_calls", "store"]);
  const older = checkInteger(body, "max_tokens", 1);
  view.maxTokens = checkInteger(body, "max_completion_tokens", 1) ?? older;
  view.choices = Math.min(checkInteger(body, "n", 1) ?? 1, MAX_CHOICES);
  view.stream = body.stream === true;
  const { stop } = body;
  if (typeof stop === "string") view.stops = [stop];
  else if (Array.isArray(stop)) view.stops = stop.map(stringOf);
  if (view.stops.length > 4) {
    const words = `Expected an array with maximum length 4, but got an array with length ${view.stops.length} instead.`;
    throw invalid(`Invalid 'stop': array too long. ${words}`, "stop", "array_above_max_length");
  }
  if (isObject(body.stream_options) && !view.stream) {
    const words = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
    throw invalid(words, "stream_options");
  }
  const thinking = objectOf(body.thinking).type === "enabled" || isObject(body.reasoning);
  const effort = body.reasoning_effort ?? objectOf(body.reasoning).effort;
  view.thinks = effort === undefined || effort === null ? thinking : effort !== "none";
}

function readCache(view: View, body: Json, memory: Memory): void {
  const key = body.prompt_cache_key;
  if (typeof key !== "string") return;
  const tokens = promptTokens(view);
  view.cacheRead = Math.min(memory.cacheKeys.get(key) ?? 0, tokens - 1);
  remember(memory.cacheKeys, key, tokens, MAX_CACHE_KEYS);
}

/** Reads a chat completions request; throws what OpenAI would refuse. */
export function readChat(call: Incoming, memory: Memory): View {
  const { body } = call;
  const model = readModel(body, "you must provide a model parameter");
  checkFields(call);
  if (isUnknownModel(model)) {
    throw new Problem(
      404,
      `The model \`${model}\` does not exist or you do not have access to it.`,
      null,
      "model_not_found",
    );
  }
  const view = createView(call.raw, body, model);
  readMessages(view, body);
  if (body.tools !== undefined && body.tools !== null && !Array.isArray(body.tools)) {
    throw wrongType("tools", "an array of objects", body.tools);
  }
  readTools(view, body);
  readChoice(view, body);
  readFormat(view, body);
  readSampling(view, body);
  readCache(view, body, memory);
  return view;
}
