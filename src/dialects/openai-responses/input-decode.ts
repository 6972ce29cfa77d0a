/**
 * The items of an OpenAI Responses request as system text and messages; `request-decode.ts` takes the other fields.
 * One assistant's turn stands here as several items in a row (reasoning, message, calls), which become one message.
 */

import { invalidRequest } from "../../core/error.ts";
import { asArray, asObject, type Json, type JsonObject } from "../../core/json.ts";
import { at, optionalArray, optionalString, requiredString, toObject, toText } from "../../core/read.ts";
import type { Message, OpaquePart, TextPart, Tool, ToolResultContent, ToolResultPart } from "../../core/request.ts";
import { openCompaction } from "./compaction.ts";
import { decodeInputContent } from "./content.ts";
import { decodeItem, itemFields, withItemNote } from "./items-decode.ts";
import { decodeTools } from "./tools.ts";
import { asExtras, itemNote, leftover, type OutputPart, OWN, own } from "./wire.ts";

/** The tools that one `additional_tools` item brought: how many of the list's last, and the item's other fields. */
export type AdditionalTools = { count: number; item: JsonObject };

const MESSAGE_FIELDS = new Set(["type", "role", "content"]);
const OUTPUT_FIELDS = new Set(["type", "call_id", "output"]);
const ADDITIONAL_FIELDS = new Set(["type", "tools"]);

/** Items that are the caller's own doing rather than a part of the model's turn. */
const CALLER_ITEMS = new Set([
  "compaction",
  "compaction_summary",
  "compaction_trigger",
  "configuration_update",
  "context_compaction",
  "item_reference",
]);

interface Input {
  system: TextPart[];
  messages: Message[];
}

interface State extends Input {
  names: Map<string, string>;
  tools: Tool[];
  additional: AdditionalTools[];
}

/** Reads `instructions` and `input`; tools that the input brings are added to `tools`, where from is noted in `extras`. */
export function decodeInput(body: JsonObject, tools: Tool[], extras: JsonObject): Input {
  const state: State = { system: [], messages: [], names: new Map(), tools, additional: [] };
  const { instructions, input } = body;
  if (Array.isArray(instructions)) {
    for (const [index, item] of instructions.entries()) addItem(state, item, at("instructions", index));
  } else {
    const text = optionalString(body, "instructions");
    if (text !== undefined) state.system.push({ type: "text", text, ...asExtras({ $instructions: true }) });
  }
  if (typeof input === "string") state.messages.push({ role: "user", content: [{ type: "text", text: input }] });
  else {
    for (const [index, item] of (optionalArray(body, "input") ?? []).entries())
      addItem(state, item, at("input", index));
  }
  if (state.additional.length > 0) extras.$additional = state.additional;
  return { system: state.system, messages: state.messages };
}

function addItem(state: State, value: Json, path: string): void {
  const item = toObject(value, path);
  const type = optionalString(item, "type", path) ?? impliedType(item);
  const summary = openCompaction(item);
  if (summary) {
    state.messages.push(summary);
    return;
  }
  switch (type) {
    case "message":
      addMessage(state, item, path);
      return;
    case "function_call":
    case "custom_tool_call":
      checkCall(item, type, path);
      state.names.set(item.call_id as string, item.name as string);
      addAssistant(state, item);
      return;
    case "function_call_output":
    case "custom_tool_call_output":
      addResults(state, [decodeResult(item, state.names, path)]);
      return;
    case "additional_tools":
      addTools(state, item, path);
      return;
    case undefined:
      throw invalidRequest(`${at(path, "type")}: expected a string, got nothing.`, at(path, "type"));
    default:
      if (CALLER_ITEMS.has(type)) addCallerItem(state, item);
      else if (isCallersResult(item, type)) addResults(state, [{ type: "opaque", dialect: OWN, value: item }]);
      else addAssistant(state, item);
  }
}

/** Messages and references may come without their type. */
function impliedType(item: JsonObject): string | undefined {
  if (item.role !== undefined) return "message";
  return item.id === undefined ? undefined : "item_reference";
}

function isCallersResult(item: JsonObject, type: string): boolean {
  if (type.endsWith("_response")) return true;
  return type.endsWith("_output") && item.execution !== "server";
}

function addMessage(state: State, item: JsonObject, path: string): void {
  const role = requiredString(item, "role", path);
  const content = readContent(item, path);
  if (role === "assistant") addAssistant(state, item);
  else if (role === "system" || role === "developer") addInstructions(state, item, role, content);
  else if (role === "user") {
    const fields = leftover(item, MESSAGE_FIELDS);
    const notes = asExtras(fields && { $item: fields });
    state.messages.push({ role, content: content.map(decodeInputContent), ...notes });
  } else throw invalidRequest(`${at(path, "role")}: unknown role.`, at(path, "role"));
}

/** The pieces of a message's content, checked. */
function readContent(item: JsonObject, path: string, field = "content"): JsonObject[] {
  const value = item[field];
  if (typeof value === "string") return [{ type: "input_text", text: value }];
  return (optionalArray(item, field, path) ?? []).map((piece, index) => {
    const place = at(at(path, field), index);
    const checked = toObject(piece, place);
    const type = requiredString(checked, "type", place);
    if (type.endsWith("_text") || type === "text") toText(checked.text, at(place, "text"));
    else if (type === "refusal") toText(checked.refusal, at(place, "refusal"));
    return checked;
  });
}

function addInstructions(state: State, item: JsonObject, role: string, content: JsonObject[]): void {
  const parts = content.map(decodeInputContent);
  const texts = parts.filter((part): part is TextPart => part.type === "text");
  if (texts.length < parts.length) {
    addCallerItem(state, item);
    return;
  }
  const fields = leftover(item, MESSAGE_FIELDS);
  if (state.messages.length > 0) {
    const notes = { ...(fields && { $item: fields }), ...(role !== "developer" && { $role: role }) };
    const isNoted = Object.keys(notes).length > 0;
    state.messages.push({ role: "system", content: texts, ...(isNoted && asExtras(notes)) });
    return;
  }
  const [first, ...others] = texts;
  if (!first) return;
  const before = state.system.at(-1);
  const begins = fields ?? (before && own(before)?.$instructions === undefined ? {} : undefined);
  const marked = role === "developer" ? first : { ...first, ...asExtras({ ...own(first), $role: role }) };
  state.system.push(withItemNote(marked, begins), ...others);
}

function addCallerItem(state: State, item: JsonObject): void {
  const part: OpaquePart = { type: "opaque", dialect: OWN, value: item, ...asExtras({ $whole: true }) };
  state.messages.push({ role: "user", content: [part] });
}

function addAssistant(state: State, item: JsonObject): void {
  const parts = decodeItem(item, false);
  const last = state.messages.at(-1);
  const turn: OutputPart[] = last?.role === "assistant" ? last.content : [];
  if (last?.role !== "assistant") state.messages.push({ role: "assistant", content: turn });
  const before = turn.at(-1);
  const [first, ...others] = parts as [OutputPart, ...OutputPart[]];
  turn.push(isText(before) && isText(first) && !itemNote(first) ? withItemNote(first, {}) : first, ...others);
}

function isText(part: OutputPart | undefined): boolean {
  return part?.type === "text" || part?.type === "refusal";
}

function checkCall(item: JsonObject, type: string, path: string): void {
  requiredString(item, "call_id", path);
  requiredString(item, "name", path);
  optionalString(item, "namespace", path);
  optionalString(item, type === "function_call" ? "arguments" : "input", path);
}

function decodeResult(item: JsonObject, names: ReadonlyMap<string, string>, path: string): ToolResultPart {
  const callId = requiredString(item, "call_id", path);
  const name = names.get(callId);
  const output = readContent(item, path, "output");
  const content: ToolResultContent[] = output.map(decodeInputContent);
  const result: ToolResultPart = {
    type: "tool-result",
    callId,
    ...(name !== undefined && { name }),
    kind: item.type === "custom_tool_call_output" ? "custom" : "function",
    content,
  };
  const fields = itemFields(item, OUTPUT_FIELDS, false);
  return { ...result, ...asExtras(fields && { $item: fields }) };
}

function addResults(state: State, results: Extract<Message, { role: "tool" }>["content"]): void {
  const last = state.messages.at(-1);
  if (last?.role === "tool") last.content.push(...results);
  else state.messages.push({ role: "tool", content: results });
}

function addTools(state: State, item: JsonObject, path: string): void {
  const brought = decodeTools(optionalArray(item, "tools", path) ?? [], at(path, "tools"));
  state.tools.push(...brought);
  state.additional.push({ count: brought.length, item: leftover(item, ADDITIONAL_FIELDS) ?? {} });
}

/** The `$additional` note, whatever a caller may have made of it. */
export function additionalTools(value: Json | undefined): AdditionalTools[] {
  return asArray(value).flatMap((one) => {
    const note = asObject(one);
    return note && typeof note.count === "number" ? [{ count: note.count, item: asObject(note.item) ?? {} }] : [];
  });
}
