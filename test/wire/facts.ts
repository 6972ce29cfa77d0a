/**
 * What a request says, read naively from its wire form, without the dialects: texts, tools, calls, results, media.
 * `requests.ts` looks for each of these facts in the converted body.
 */
import { asArray, asObject, asString, type Json, type JsonObject, tryParse } from "../../src/core/json.ts";
import type { MainDialect } from "./exchanges.ts";

export type FactKind = "system" | "text" | "thinking" | "tool" | "call" | "result" | "media" | "item" | "server-tool";

export interface Fact {
  kind: FactKind;
  /** The text, the name, the arguments as JSON text, the media's data or address, the type of an item. */
  value: string;
}

/** Every fact of a request's body. */
export function factsOf(from: MainDialect, body: JsonObject): Fact[] {
  const facts: Fact[] = [];
  const add: Add = (kind, value) => {
    if (typeof value === "string" && value.trim() !== "") facts.push({ kind, value });
  };
  READERS[from](body, add);
  return facts;
}

type Add = (kind: FactKind, value: Json | undefined) => void;
type Reader = (body: JsonObject, add: Add) => void;

const READERS: Record<MainDialect, Reader> = {
  "openai-chat": readChat,
  "openai-responses": readResponses,
  "anthropic-messages": readMessages,
  gemini: readGemini,
};

const objects = (value: Json | undefined): JsonObject[] =>
  asArray(value)
    .map(asObject)
    .filter((item) => item !== undefined);

/** A field of a list of objects, or the value itself where it is a plain text. */
function each(
  value: Json | undefined,
  add: (text: Json | undefined) => void,
  inside: (item: JsonObject) => void,
): void {
  if (typeof value === "string") add(value);
  else for (const item of objects(value)) inside(item);
}

function addCall(add: Add, name: Json | undefined, input: Json | undefined): void {
  add("tool", name);
  add("call", typeof input === "string" ? input : JSON.stringify(input ?? {}));
}

function addTool(add: Add, tool: JsonObject | undefined): void {
  add("tool", tool?.name);
  add("tool", tool?.description);
  for (const name of Object.keys(asObject(asObject(tool?.parameters ?? tool?.input_schema)?.properties) ?? {})) {
    add("tool", name);
  }
}

function readChat(body: JsonObject, add: Add): void {
  for (const message of objects(body.messages)) {
    const kind = message.role === "system" || message.role === "developer" ? "system" : "text";
    const isResult = message.role === "tool" || message.role === "function";
    const say = (text: Json | undefined) => add(isResult ? "result" : kind, text);
    each(message.content, say, (part) => {
      if (part.type === "thinking") for (const inner of objects(part.thinking)) add("thinking", inner.text);
      else say(part.text ?? part.refusal);
      const file = asObject(part.file);
      add("media", asObject(part.image_url)?.url ?? part.image_url);
      add("media", asObject(part.video_url)?.url ?? part.video_url);
      add("media", asObject(part.input_audio)?.data ?? part.input_audio);
      add("media", file?.file_data ?? file?.file_id);
    });
    add("text", message.refusal);
    for (const call of objects(message.tool_calls)) {
      const said = asObject(call.function) ?? asObject(call.custom);
      addCall(add, said?.name, said?.arguments ?? said?.input);
    }
    const legacy = asObject(message.function_call);
    if (legacy) addCall(add, legacy.name, legacy.arguments);
    add("thinking", message.reasoning_content ?? message.reasoning);
  }
  for (const tool of [...objects(body.tools), ...objects(body.functions)]) {
    addTool(add, asObject(tool.function) ?? asObject(tool.custom) ?? (tool.name ? tool : undefined));
  }
}

const RESPONSES_MEDIA = ["image_url", "file_data", "file_url", "file_id"];

function readResponses(body: JsonObject, add: Add): void {
  add("system", body.instructions);
  const content = (kind: FactKind) => (part: JsonObject) => {
    add(kind, part.text ?? part.refusal);
    for (const field of RESPONSES_MEDIA) add("media", part[field]);
    add("media", asObject(part.input_audio)?.data);
  };
  const item = (one: JsonObject) => {
    const kind = one.role === "system" || one.role === "developer" ? "system" : "text";
    if (one.role !== undefined) each(one.content, (text) => add(kind, text), content(kind));
    else if (one.type === "function_call") addCall(add, one.name, one.arguments);
    else if (one.type === "custom_tool_call") addCall(add, one.name, JSON.stringify({ input: one.input }));
    else if (one.type === "function_call_output" || one.type === "custom_tool_call_output") {
      each(one.output, (text) => add("result", text), content("result"));
    } else if (one.type === "reasoning") {
      for (const text of [...objects(one.summary), ...objects(one.content)]) add("thinking", text.text);
      add("thinking", asString(one.encrypted_content) && "encrypted_content");
    } else if (one.type === "additional_tools") readResponsesTools(one.tools, add);
    else add("item", one.type);
  };
  each(body.input, (text) => add("text", text), item);
  readResponsesTools(body.tools, add);
}

function readResponsesTools(tools: Json | undefined, add: Add): void {
  for (const tool of objects(tools)) {
    if (tool.type === "namespace") readResponsesTools(tool.tools, add);
    else if (tool.type === "function" || tool.type === "custom") addTool(add, tool);
    else add("server-tool", tool.type);
  }
}

function readMessages(body: JsonObject, add: Add): void {
  each(
    body.system,
    (text) => add("system", text),
    (block) => add("system", block.text),
  );
  const source = (block: JsonObject) => {
    const from = asObject(block.source) ?? {};
    add("media", from.data ?? from.url ?? from.file_id);
    each(
      from.content,
      (text) => add("text", text),
      (inner) => (inner.type === "image" ? source(inner) : add("text", inner.text)),
    );
  };
  const block = (kind: FactKind) => (one: JsonObject) => {
    if (one.type === "text") add(kind, one.text);
    else if (one.type === "image" || one.type === "document") source(one);
    else if (one.type === "thinking") add("thinking", one.thinking || "signature");
    else if (one.type === "tool_use") addCall(add, one.name, one.input);
    else if (one.type === "tool_result") each(one.content, (text) => add("result", text), block("result"));
    else add("item", one.type);
  };
  for (const message of objects(body.messages)) {
    const kind = message.role === "system" ? "system" : "text";
    each(message.content, (text) => add(kind, text), block(kind));
  }
  for (const tool of objects(body.tools)) {
    if (tool.type === undefined || tool.type === "custom" || tool.type === null) addTool(add, tool);
    else add("server-tool", tool.type);
  }
}

const GEMINI_PARTS = new Set(["text", "inline_data", "file_data", "function_call", "function_response"]);
const GEMINI_BESIDE = new Set(["thought", "thought_signature", "video_metadata", "media_resolution", "part_metadata"]);
const snake = (key: string) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const snakeKeys = (value: Json | undefined) =>
  Object.fromEntries(Object.entries(asObject(value) ?? {}).map(([key, inner]) => [snake(key), inner])) as JsonObject;

function readGemini(body: JsonObject, add: Add): void {
  const { system_instruction, contents, tools } = snakeKeys(body);
  const part = (kind: FactKind) => (value: JsonObject) => {
    const one = snakeKeys(value);
    add(one.thought ? "thinking" : kind, one.text);
    add("media", snakeKeys(one.inline_data).data ?? snakeKeys(one.file_data).file_uri);
    const call = asObject(one.function_call);
    if (call) addCall(add, call.name, call.args);
    const response = asObject(one.function_response);
    if (response) {
      for (const text of texts(response.response ?? null)) add("result", text);
      for (const inner of objects(response.parts)) part("result")(inner);
    }
    for (const key in one) if (!GEMINI_PARTS.has(key) && !GEMINI_BESIDE.has(key)) add("item", key);
  };
  each(system_instruction, (text) => add("system", text), part("system"));
  for (const inner of objects(snakeKeys(system_instruction).parts)) part("system")(inner);
  for (const content of Array.isArray(contents) ? objects(contents) : objects([contents ?? null])) {
    for (const inner of objects(content.parts)) part("text")(inner);
  }
  for (const group of Array.isArray(tools) ? objects(tools) : objects([tools ?? null])) {
    for (const [key, value] of Object.entries(snakeKeys(group))) {
      if (value === null) continue;
      if (key !== "function_declarations") add("server-tool", key);
      else for (const tool of objects(value)) addTool(add, tool);
    }
  }
}

function texts(value: Json): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap((inner) => texts(inner ?? null));
}

/** Every key and text inside a value; a text that is JSON counts with what is inside it too. */
export function leaves(value: Json): string[] {
  if (typeof value === "string") {
    const inner = /^\s*[{[]/.test(value) ? tryParse(value) : undefined;
    return inner === undefined ? [value] : [value, ...leaves(inner)];
  }
  if (Array.isArray(value)) return value.flatMap(leaves);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [key, ...(inner === undefined ? [] : leaves(inner))]);
}
