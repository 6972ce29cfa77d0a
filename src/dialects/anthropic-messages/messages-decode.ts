/**
 * Reads the turns of a Messages request: roles, content blocks, tool results with the names of the tools they answer.
 * A part of request decoding; every wrong type is an `invalid_request` that names its path.
 */
import { invalidRequest } from "../../core/error.ts";
import { type Json, type JsonObject, rest } from "../../core/json.ts";
import { at, optionalArray, optionalBoolean, optionalObject, requiredString, toObject } from "../../core/read.ts";
import type { Extras, Message, TextPart, ToolResultContent, ToolResultPart } from "../../core/request.ts";
import { isServerPart } from "../server-tools.ts";
import { type DecodedBlock, decodeBlock, opaque } from "./blocks-decode.ts";
import { OWN, ownExtras, readBase } from "./wire.ts";

type Decoded = DecodedBlock | ToolResultPart;

const MESSAGE_FIELDS = new Set(["role", "content"]);
const RESULT_FIELDS = new Set(["type", "tool_use_id", "content", "is_error"]);

/** Whether a part is text. */
export function isText(part: { type: string }): part is TextPart {
  return part.type === "text";
}

/** The turns in canonical form. A user turn with tool results and other parts becomes two messages, results first. */
export function decodeMessages(messages: readonly Json[]): Message[] {
  const decoded: Message[] = [];
  const names = new Map<string, string>();
  for (const [index, item] of messages.entries()) {
    const path = at("messages", index);
    const message = toObject(item, path);
    const role = requiredString(message, "role", path);
    const content = decodeContent(message, path, names);
    const { extras } = ownExtras(rest(message, MESSAGE_FIELDS));
    if (role === "user") decoded.push(...splitUser(content, extras));
    else if (role === "assistant") decoded.push(decodeAssistant(content, names, extras, path));
    else if (role === "system") decoded.push(decodeSystemTurn(message, content, extras));
    else throw invalidRequest(`${path}.role: expected user, assistant or system, got "${role}".`, at(path, "role"));
  }
  return decoded;
}

function decodeContent(message: JsonObject, path: string, names: ReadonlyMap<string, string>): Decoded[] {
  const { content } = message;
  const place = at(path, "content");
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }];
  if (!Array.isArray(content)) throw invalidRequest(`${place}: expected a string or an array of blocks.`, place);
  return content.map((item, index) => {
    const block = toObject(item, at(place, index));
    if (block.type === "tool_result") return decodeResult(block, at(place, index), names);
    return decodeChecked(block, at(place, index));
  });
}

/** Blocks without tool results, each checked. */
export function decodeBlocks(blocks: readonly Json[], path: string): DecodedBlock[] {
  return blocks.map((item, index) => decodeChecked(toObject(item, at(path, index)), at(path, index)));
}

function decodeChecked(block: JsonObject, path: string): DecodedBlock {
  const type = requiredString(block, "type", path);
  if (type === "text") {
    requiredString(block, "text", path);
    optionalArray(block, "citations", path);
  } else if (type === "thinking") requiredString(block, "thinking", path);
  else if (type === "redacted_thinking") requiredString(block, "data", path);
  else if (type === "tool_use") {
    requiredString(block, "id", path);
    requiredString(block, "name", path);
    optionalObject(block, "input", path);
  } else if (type === "image" || type === "document") checkSource(block, path);
  return decodeBlock(block);
}

function checkSource(block: JsonObject, path: string): void {
  const place = at(path, "source");
  const source = toObject(block.source, place);
  const type = requiredString(source, "type", place);
  if (type === "base64" || type === "text") requiredString(source, "data", place);
  if (type === "base64") requiredString(source, "media_type", place);
  if (type === "url") requiredString(source, "url", place);
  if (type === "file") requiredString(source, "file_id", place);
}

function decodeResult(block: JsonObject, path: string, names: ReadonlyMap<string, string>): ToolResultPart {
  const callId = requiredString(block, "tool_use_id", path);
  const name = names.get(callId);
  const isError = optionalBoolean(block, "is_error", path);
  return {
    type: "tool-result",
    callId,
    ...(name !== undefined && { name }),
    kind: "function",
    content: decodeResultContent(block, at(path, "content")),
    ...(isError !== undefined && { isError }),
    ...readBase(block, RESULT_FIELDS),
  };
}

function decodeResultContent(block: JsonObject, path: string): ToolResultContent[] {
  const { content } = block;
  if (content === undefined || content === null || content === "") return [];
  if (typeof content === "string") return [{ type: "text", text: content }];
  if (!Array.isArray(content)) throw invalidRequest(`${path}: expected a string or an array of blocks.`, path);
  return decodeBlocks(content, path).map((part, index) => {
    const outside = part.type === "thinking" || part.type === "tool-call" || isServerPart(part);
    return outside ? opaque(content[index] as JsonObject) : part;
  });
}

function splitUser(content: readonly Decoded[], extras: Extras | undefined): Message[] {
  const results = content.filter((part) => part.type === "tool-result");
  const others = content.flatMap((part) => {
    if (part.type === "tool-result" || part.type === "thinking" || part.type === "tool-call") return [];
    // What only the model's turn can hold: the upstream is to judge.
    return isServerPart(part) ? (part.native ? [opaque(part.native.value)] : []) : [part];
  });
  const messages: Message[] = [];
  if (results.length > 0) messages.push({ role: "tool", content: results });
  if (others.length > 0 || results.length === 0) messages.push({ role: "user", content: others });
  const first = messages[0];
  if (first && extras) first.extras = extras;
  return messages;
}

function decodeAssistant(
  content: readonly Decoded[],
  names: Map<string, string>,
  extras: Extras | undefined,
  path: string,
): Message {
  const parts = content.flatMap((part, index) => {
    if (part.type === "tool-call") names.set(part.id, part.name);
    // Thinking that neither says nor signs anything: what a client keeps of another provider's hidden thoughts.
    if (part.type === "thinking" && part.text === "" && !part.signature) return [];
    if (part.type !== "tool-result") return [part];
    const place = at(at(path, "content"), index);
    throw invalidRequest(`${place}: tool results belong to the user's turn.`, place);
  });
  return { role: "assistant", content: parts, ...(extras && { extras }) };
}

/** Instructions in mid-conversation. Blocks that are no text (tools added on the way) are kept whole beside the texts. */
function decodeSystemTurn(message: JsonObject, content: readonly Decoded[], extras: Extras | undefined): Message {
  const texts = content.filter(isText);
  const more = texts.length < content.length && { blocks: message.content };
  return { role: "system", content: texts, ...ownExtras({ ...extras?.[OWN], ...more, $role: "system" }) };
}
