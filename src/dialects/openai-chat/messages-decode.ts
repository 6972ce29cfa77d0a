/**
 * The messages of a Chat request as canonical turns: instructions first, tool results of one turn together.
 * Called by `request-decode.ts`; throws `invalid_request` naming the message at fault.
 */
import { invalidRequest } from "../../core/error.ts";
import { asArray, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import { at, optionalArray, optionalString, requiredString, toObject } from "../../core/read.ts";
import type { Message, TextPart, ToolCallPart, ToolResultPart } from "../../core/request.ts";
import { type ContentPart, decodeContent, decodeToolCall, markLast } from "./parts-decode.ts";
import { readReasoning } from "./reasoning.ts";
import { extrasOf, ID, leftovers, readCacheMark } from "./wire.ts";

type AssistantPart = Extract<Message, { role: "assistant" }>["content"][number];

const INSTRUCTION = new Set(["role", "content", "cache_control", "tool_calls", "refusal"]);
const USER = new Set(["role", "content", "cache_control", "tool_calls", "refusal"]);
const ASSISTANT = new Set([
  "role",
  "content",
  "refusal",
  "tool_calls",
  "function_call",
  "audio",
  "reasoning_content",
  "reasoning",
  "reasoning_details",
  "cache_control",
]);
const RESULT = new Set(["role", "content", "tool_call_id", "name", "cache_control", "refusal", "tool_calls"]);

/** What decoding has seen so far. */
interface History {
  readonly system: TextPart[];
  readonly messages: Message[];
  readonly calls: Map<string, ToolCallPart>;
  /** The id given to the last legacy call, which has none of its own. */
  legacyCall: string | undefined;
}

/** The turns of a request. */
export function decodeMessages(values: Json[]): { system: TextPart[]; messages: Message[] } {
  const history: History = { system: [], messages: [], calls: new Map(), legacyCall: undefined };
  for (const [index, value] of values.entries()) {
    const path = at("messages", index);
    const wire = toObject(value, path);
    const role = requiredString(wire, "role", path);
    switch (role) {
      case "system":
      case "developer":
        instruction(history, wire, role, path);
        break;
      case "user":
        history.messages.push(userMessage(wire, path));
        break;
      case "assistant":
      case "model":
        history.messages.push(assistantMessage(history, wire, index, path));
        break;
      case "tool":
      case "function":
        toolResult(history, wire, role, path);
        break;
      default:
        throw invalidRequest(
          `${at(path, "role")}: expected system, developer, user, assistant or tool.`,
          at(path, "role"),
        );
    }
  }
  return { system: history.system, messages: history.messages };
}

function instruction(history: History, wire: JsonObject, role: string, path: string): void {
  const texts: TextPart[] = [];
  for (const part of decodeContent(wire.content, at(path, "content"))) {
    if (part.type !== "text") {
      throw invalidRequest(`${at(path, "content")}: instructions may only hold text.`, at(path, "content"));
    }
    texts.push(part);
  }
  markLast(texts, wire);
  const notes = { ...leftovers(wire, INSTRUCTION), ...(role === "developer" && { $role: role }) };
  const extras = extrasOf(Object.keys(notes).length > 0 ? notes : undefined);
  if (history.messages.length > 0) {
    history.messages.push({ role: "system", content: texts, ...(extras && { extras }) });
    return;
  }
  for (const text of texts) {
    if (extras) text.extras = extrasOf({ ...text.extras?.[ID], ...extras[ID] });
    history.system.push(text);
  }
}

function userMessage(wire: JsonObject, path: string): Message {
  const content: ContentPart[] = [];
  for (const part of decodeContent(wire.content, at(path, "content"))) {
    if (part.type !== "thinking") content.push(part);
  }
  markLast(content, wire);
  const extras = extrasOf(leftovers(wire, USER));
  return { role: "user", content, ...(extras && { extras }) };
}

function assistantMessage(history: History, wire: JsonObject, index: number, path: string): Message {
  const content: AssistantPart[] = [...readReasoning(wire)];
  for (const part of decodeContent(wire.content, at(path, "content"))) {
    if (part.type === "opaque" && part.value.type === "refusal") {
      content.push({ type: "refusal", text: asString(part.value.refusal) ?? "" });
    } else if (part.type !== "text" || part.text !== "") content.push(part);
  }
  const refusal = optionalString(wire, "refusal", path);
  if (refusal) content.push({ type: "refusal", text: refusal });
  const audio = asString(asObject(wire.audio)?.id);
  if (audio) content.push({ type: "audio", source: { type: "file-id", id: audio, origin: ID } });
  for (const [number, value] of (optionalArray(wire, "tool_calls", path) ?? []).entries()) {
    const call = decodeToolCall(value, at(at(path, "tool_calls"), number), `call_${index}_${number}`);
    history.calls.set(call.id, call);
    content.push(call);
  }
  const legacy = asObject(wire.function_call);
  if (legacy && legacy.name !== "") {
    const call = decodeToolCall({ function: legacy }, at(path, "function_call"), `call_${index}_function`);
    history.calls.set(call.id, call);
    history.legacyCall = call.id;
    content.push(call);
  }
  markLast(content, wire);
  const others = leftovers(wire, ASSISTANT);
  if (others && asArray(others.annotations).length === 0) delete others.annotations;
  const extras = extrasOf(others && Object.keys(others).length > 0 ? others : undefined);
  return { role: "assistant", content, ...(extras && { extras }) };
}

function toolResult(history: History, wire: JsonObject, role: string, path: string): void {
  const legacyName = role === "function" ? requiredString(wire, "name", path) : undefined;
  const callId =
    role === "tool"
      ? (optionalString(wire, "tool_call_id", path) ?? "")
      : (history.legacyCall ?? `call_${legacyName}_function`);
  const call = history.calls.get(callId);
  const content: ToolResultPart["content"] = [];
  for (const part of decodeContent(wire.content, at(path, "content"))) if (part.type !== "thinking") content.push(part);
  const part: ToolResultPart = { type: "tool-result", callId, kind: call?.kind ?? "function", content };
  const name = optionalString(wire, "name", path) ?? call?.name;
  if (name !== undefined) part.name = name;
  const cache = readCacheMark(wire.cache_control);
  if (cache) part.cache = cache;
  const extras = extrasOf(leftovers(wire, RESULT));
  if (extras) part.extras = extras;
  const last = history.messages.at(-1);
  if (last?.role === "tool") last.content.push(part);
  else history.messages.push({ role: "tool", content: [part] });
}
