/**
 * Reads `contents` and `systemInstruction` into canonical messages: roles, parts, and which result answers which call.
 * Stands in the request decoder; the wire may leave call ids out, so they are made from the position in the history.
 */
import { invalidRequest } from "../../core/error.ts";
import { asObject, type Json, type JsonObject } from "../../core/json.ts";
import { at, optionalArray, optionalBoolean, optionalObject, optionalString, toObject } from "../../core/read.ts";
import type { Message, OpaquePart, TextPart, ToolCallPart, ToolResultPart } from "../../core/request.ts";
import { markBillingHeader } from "../system-text.ts";
import { camelKeys, others } from "./keys.ts";
import { decodeMedia, ownExtras } from "./media.ts";
import { decodeResultContent } from "./result.ts";
import { CodeCalls } from "./server-parts.ts";
import { readThoughtSignature } from "./signature.ts";
import { GEMINI, MADE_ID_PREFIX } from "./wire.ts";

type UserPart = Extract<Message, { role: "user" }>["content"][number];
type AssistantPart = Extract<Message, { role: "assistant" }>["content"][number];

const PART_KNOWN = new Set([
  "text",
  "thought",
  "thoughtSignature",
  "inlineData",
  "fileData",
  "functionCall",
  "functionResponse",
]);
const CALL_KNOWN = new Set(["name", "args", "id"]);
const RESULT_KNOWN = new Set(["name", "id", "response", "parts"]);
const CONTENT_KNOWN = new Set(["role", "parts"]);

/** A call of the history that waits for its result. */
interface OpenCall {
  part: ToolCallPart;
  hasWireId: boolean;
}

/** What is carried from one content to the next. */
interface History {
  messages: Message[];
  /** The calls of the last model turn that have no result yet, in order. */
  open: OpenCall[];
  made: number;
  readonly code: CodeCalls;
}

/** One part with camelCase keys, beside how it was written. */
interface WirePart {
  part: JsonObject;
  original: JsonObject;
  path: string;
}

/** A list that the API also takes as a single value. */
function listOf(value: Json | undefined): Json[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
}

function partsOf(value: Json | undefined, path: string): WirePart[] {
  return listOf(value).map((entry, index) => {
    const place = at(path, index);
    const original = typeof entry === "string" ? { text: entry } : toObject(entry, place);
    return { part: camelKeys(original), original, path: place };
  });
}

/** The instruction as system texts; parts that are no text come as a first user message. */
export function decodeSystem(value: Json | undefined): { system: TextPart[]; messages: Message[] } {
  const path = "systemInstruction";
  const content = asObject(value);
  const parts = content && content.parts === undefined ? content : undefined;
  const list = partsOf(parts ?? (content ? content.parts : value), at(path, "parts"));
  const system: TextPart[] = [];
  const rest: UserPart[] = [];
  for (const wire of list) {
    const part = decodeUserPart(wire);
    if (part?.type === "text") system.push(markBillingHeader(part));
    else if (part) rest.push(part);
  }
  return { system, messages: rest.length > 0 ? [{ role: "user", content: rest }] : [] };
}

/** Reads `contents`. Throws `invalid_request` for a role or a value that the API does not know. */
export function decodeContents(value: Json | undefined): Message[] {
  if (value === undefined || value === null)
    throw invalidRequest("contents: expected an array, got nothing.", "contents");
  const code = new CodeCalls(`${MADE_ID_PREFIX}s`);
  const history: History = { messages: [], open: [], made: 0, code };
  for (const [index, entry] of listOf(value).entries()) {
    const path = at("contents", index);
    const content = typeof entry === "string" ? { parts: [{ text: entry }] } : camelKeys(toObject(entry, path));
    const role = optionalString(content, "role", path) ?? "user";
    const parts = partsOf(content.parts, at(path, "parts"));
    const extras = ownExtras(others(content, CONTENT_KNOWN));
    switch (role) {
      case "user":
      case "function":
      case "tool":
      case "":
        addUser(history, parts, extras);
        break;
      case "model":
      case "assistant":
        addModel(history, parts, extras);
        break;
      case "system":
        addSystem(history, parts, extras);
        break;
      default:
        throw invalidRequest("Please use a valid role: user, model.", at(path, "role"));
    }
  }
  return history.messages;
}

function addUser(history: History, parts: WirePart[], extras: Message["extras"]): void {
  const results: ToolResultPart[] = [];
  const content: UserPart[] = [];
  for (const wire of parts) {
    if (isSet(wire.part.functionResponse)) results.push(decodeResult(history, wire));
    else {
      const part = decodeUserPart(wire);
      if (part) content.push(part);
    }
  }
  const last = history.messages.at(-1);
  if (results.length > 0) {
    if (last?.role === "tool" && !extras) last.content.push(...results);
    else history.messages.push({ role: "tool", content: results, ...(extras && { extras }) });
  }
  if (content.length > 0) history.messages.push({ role: "user", content, ...(extras && { extras }) });
}

function addSystem(history: History, parts: WirePart[], extras: Message["extras"]): void {
  const content = parts.map(decodeUserPart).filter((part) => part?.type === "text");
  if (content.length > 0) history.messages.push({ role: "system", content, ...(extras && { extras }) });
}

/** Model contents that stand together are one turn: some clients keep each chunk of a stream as a content of its own. */
function addModel(history: History, parts: WirePart[], extras: Message["extras"]): void {
  const last = history.messages.at(-1);
  const goesOn = last?.role === "assistant" && !extras ? last : undefined;
  if (!goesOn) history.open = [];
  const content: AssistantPart[] = goesOn?.content ?? [];
  const before = content.length;
  for (const wire of parts) {
    const part = decodeModelPart(history, wire);
    if (part && !(content.length > 0 && continues(content, part, content.length === before))) content.push(part);
  }
  if (!goesOn && content.length > 0) {
    history.messages.push({ role: "assistant", content, ...(extras && { extras }) });
  }
}

/**
 * Joins a part with the one before where a stream cut them: texts on both sides of a content's border, and a signature of
 * another format with the thought that it signs, which that format's upstream wants back as one.
 */
function continues(content: AssistantPart[], part: AssistantPart, isBorder: boolean): boolean {
  const before = content.at(-1);
  if (part.type !== "text" && part.type !== "thinking") return false;
  if (before?.type !== part.type || before.signature || before.extras || part.extras) return false;
  const isForeign = part.signature !== undefined && part.signature.origin !== GEMINI;
  if (part.type === "thinking" && isForeign && !("redacted" in part)) {
    for (let one = content.at(-2); one?.type === "thinking" && !one.signature; one = content.at(-2)) {
      before.text = one.text + before.text;
      content.splice(-2, 1);
    }
  } else if (!isBorder || part.signature) return false;
  before.text += part.text;
  if (part.signature) before.signature = part.signature;
  return true;
}

function isSet(value: Json | undefined): boolean {
  return value !== undefined && value !== null;
}

/** What a part holds besides what the canon has a place for. */
function partExtras(part: JsonObject): JsonObject | undefined {
  return others(part, PART_KNOWN);
}

function decodeUserPart({ part, original, path }: WirePart): UserPart | undefined {
  const fields = partExtras(part);
  if (isSet(part.text) || isSet(part.inlineData) || isSet(part.fileData)) {
    const own = part.thought === true ? { ...fields, thought: true } : fields;
    if (!isSet(part.text)) return decodeMedia(part, own, path);
    const extras = ownExtras(own);
    return { type: "text", text: optionalString(part, "text", path) ?? "", ...(extras && { extras }) };
  }
  return opaque(part, original);
}

function opaque(part: JsonObject, original: JsonObject): OpaquePart | undefined {
  const isEmpty = Object.keys(part).every((key) => part[key] === null || key === "thought");
  return isEmpty ? undefined : { type: "opaque", dialect: GEMINI, value: original };
}

function decodeModelPart(history: History, { part, original, path }: WirePart): AssistantPart | undefined {
  const read = readThoughtSignature(optionalString(part, "thoughtSignature", path));
  const signature = read?.signature;
  const fields = partExtras(part);
  if (isSet(part.functionCall)) {
    const call = decodeCall(history, part, fields, `${path}.functionCall`);
    return signature ? { ...call, signature } : call;
  }
  if (isSet(part.inlineData) || isSet(part.fileData)) {
    const own = signature ? { ...fields, thoughtSignature: part.thoughtSignature } : fields;
    return decodeMedia(part, own, path);
  }
  const text = optionalString(part, "text", path);
  if (text === undefined && (fields || !signature)) {
    return history.code.decode(part, original) ?? opaque(part, original);
  }
  if (text === "" && !fields && !signature) return undefined;
  const extras = ownExtras(fields);
  const shared = { text: text ?? "", ...(signature && { signature }), ...(extras && { extras }) };
  if (!optionalBoolean(part, "thought", path)) return { type: "text", ...shared };
  return { type: "thinking", ...shared, ...(read?.redacted && { redacted: true }) };
}

function decodeCall(history: History, part: JsonObject, fields: JsonObject | undefined, path: string): ToolCallPart {
  const call = camelKeys(toObject(part.functionCall, path));
  const id = optionalString(call, "id", path);
  const callRest = others(call, CALL_KNOWN);
  const extras = ownExtras({ ...fields, ...(callRest && { functionCall: callRest }) });
  const decoded: ToolCallPart = {
    type: "tool-call",
    id: id || `${MADE_ID_PREFIX}h${history.made++}`,
    name: optionalString(call, "name", path) ?? "",
    kind: "function",
    arguments: JSON.stringify(optionalObject(call, "args", path) ?? {}),
    ...(extras && { extras }),
  };
  history.open.push({ part: decoded, hasWireId: Boolean(id) });
  return decoded;
}

function decodeResult(history: History, { part, path: partPath }: WirePart): ToolResultPart {
  const path = `${partPath}.functionResponse`;
  const wire = camelKeys(toObject(part.functionResponse, path));
  const id = optionalString(wire, "id", path);
  const name = optionalString(wire, "name", path);
  const call = takeCall(history, id, name);
  const media = partsOf(optionalArray(wire, "parts", path), `${path}.parts`);
  const { content, isError } = decodeResultContent(
    optionalObject(wire, "response", path),
    media.map((one) => decodeMedia(one.part, partExtras(one.part), one.path)),
  );
  const wireRest = others(wire, RESULT_KNOWN);
  const extras = ownExtras({ ...partExtras(part), ...(wireRest && { functionResponse: wireRest }) });
  return {
    type: "tool-result",
    callId: call?.id ?? (id || `${MADE_ID_PREFIX}r${history.made++}`),
    ...((name || call) && { name: name || call?.name }),
    kind: "function",
    content,
    ...(isError && { isError }),
    ...(extras && { extras }),
  };
}

/** The open call that a result answers: by id, else by name in order, else simply the next. */
function takeCall(history: History, id: string | undefined, name: string | undefined): ToolCallPart | undefined {
  const { open } = history;
  let index = id ? open.findIndex((call) => call.part.id === id) : -1;
  if (index < 0) {
    const fits = ({ part, hasWireId }: OpenCall) => !(id && hasWireId) && (!name || part.name === name);
    index = open.findIndex(fits);
  }
  if (index < 0 && !id && !name) index = 0;
  const [call] = index < 0 ? [] : open.splice(index, 1);
  if (!call) return undefined;
  // A client that numbers the calls itself tells the id only with the result: call and result then share it.
  if (id && !call.hasWireId) call.part.id = id;
  return call.part;
}
