/**
 * Items of the OpenAI Responses format (messages, calls, reasoning) as canonical parts; the way back is `items-encode.ts`.
 * The same items stand in a request's history and in a reply's output, so both decoders use this. Nothing here throws.
 */
import { asArray, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import type { OpaquePart, ThinkingPart, ToolCallPart } from "../../core/request.ts";
import { readSlot } from "../../core/signature.ts";
import { decodeOutputContent } from "./content.ts";
import { decodeServerItem } from "./server-items.ts";
import { asExtras, leftover, type OutputPart, OWN, own, withField } from "./wire.ts";

const MESSAGE_FIELDS = new Set(["type", "role", "content"]);
const CALL_FIELDS = new Set(["type", "call_id", "name", "namespace", "arguments", "input"]);
const REASONING_FIELDS = new Set(["type", "summary", "content", "encrypted_content"]);
const IMAGE_CALL_FIELDS = new Set(["type", "result"]);

/** The mark of encrypted thinking (Anthropic `redacted_thinking`) inside a wrapped signature. */
export const REDACTED_MARK = "redacted:";

/** An item's own fields for the `$item` note. In replies an ordinary status says nothing: it follows from the reply's own. */
export function itemFields(item: JsonObject, known: ReadonlySet<string>, isReply: boolean): JsonObject | undefined {
  const fields = leftover(item, known);
  if (!fields || !isReply) return fields;
  const { status } = fields;
  if (status === "completed" || status === "in_progress" || status === "incomplete") {
    const { status: _, ...others } = fields;
    return Object.keys(others).length > 0 ? others : undefined;
  }
  return fields;
}

/** The notes on a message's first part. */
export function messageFields(item: JsonObject, isReply: boolean): JsonObject | undefined {
  return itemFields(item, MESSAGE_FIELDS, isReply);
}

/** The parts of an assistant's item, at least one. Items of kinds that only this format has become one opaque part. */
export function decodeItem(item: JsonObject, isReply: boolean): OutputPart[] {
  switch (item.type ?? (item.role === undefined ? undefined : "message")) {
    case "message":
      return decodeMessage(item, isReply);
    case "function_call":
    case "custom_tool_call":
      return [decodeCall(item, isReply) ?? opaque(item)];
    case "reasoning":
      return [decodeReasoning(item) ?? opaque(item)];
    case "image_generation_call":
      return [decodeImageCall(item) ?? opaque(item)];
    default:
      return decodeServerItem(item) ?? [opaque(item)];
  }
}

function opaque(value: JsonObject): OpaquePart {
  return { type: "opaque", dialect: OWN, value };
}

function decodeMessage(item: JsonObject, isReply: boolean): OutputPart[] {
  const content = typeof item.content === "string" ? [{ type: "output_text", text: item.content }] : item.content;
  const parts: OutputPart[] = [];
  let startsItem = true;
  for (const value of asArray(content)) {
    const piece = asObject(value);
    if (!piece) continue;
    const part = decodeOutputContent(piece);
    if (!part) {
      parts.push(opaque({ ...item, content: [piece] }));
      startsItem = true;
      continue;
    }
    parts.push(startsItem ? withItemNote(part, messageFields(item, isReply)) : part);
    startsItem = false;
  }
  return parts.length > 0 ? parts : [opaque(item)];
}

/** The part with a `$item` note. An empty note says that the part begins an item, where one before it could be continued. */
export function withItemNote<P extends OutputPart>(part: P, fields: JsonObject | undefined): P {
  return fields ? { ...part, ...asExtras({ ...own(part), $item: fields }) } : part;
}

function decodeCall(item: JsonObject, isReply: boolean): ToolCallPart | undefined {
  const isCustom = item.type === "custom_tool_call";
  const id = asString(item.call_id) ?? asString(item.id);
  const name = asString(item.name);
  if (id === undefined || name === undefined) return undefined;
  const written = isCustom ? item.input : item.arguments;
  const call: ToolCallPart = {
    type: "tool-call",
    id,
    name,
    kind: isCustom ? "custom" : "function",
    arguments: typeof written === "string" ? written : written === undefined ? "" : JSON.stringify(written),
  };
  const namespace = asString(item.namespace);
  if (namespace !== undefined) call.namespace = namespace;
  return withItemNote(call, itemFields(item, CALL_FIELDS, isReply));
}

/** What a tool call's start tells before its arguments are there; undefined when it has no name yet. */
export function callStart(item: JsonObject, isReply: boolean): Omit<ToolCallPart, "arguments"> | undefined {
  const call = decodeCall(item, isReply);
  if (!call) return undefined;
  const { arguments: _, ...start } = call;
  return start;
}

function textsOf(pieces: Json[]): string {
  let text = "";
  for (const piece of pieces) {
    const written = asString(asObject(piece)?.text);
    if (written) text += text === "" ? written : `\n\n${written}`;
  }
  return text;
}

function isPlain(pieces: Json[], type: string): boolean {
  if (pieces.length > 1) return false;
  const piece = asObject(pieces[0]);
  return !piece || (piece.type === type && !!piece.text && Object.keys(piece).length === 2);
}

/** Undefined for an item that is only a name of reasoning kept at the provider. */
function decodeReasoning(item: JsonObject): ThinkingPart | undefined {
  const summary = asArray(item.summary);
  const content = asArray(item.content);
  const slot = asString(item.encrypted_content);
  const signature = readSlot(slot, OWN);
  const shown = textsOf(content);
  const text = shown || textsOf(summary);
  if (text === "" && !signature) return undefined;
  const part: ThinkingPart = { type: "thinking", text };
  if (signature) {
    if (signature.origin !== OWN && signature.value.startsWith(REDACTED_MARK)) {
      part.redacted = true;
      signature.value = signature.value.slice(REDACTED_MARK.length);
    }
    part.signature = signature;
  }
  // What another provider said without a signature has an id that this one never gave.
  const isForeign = !!slot && signature?.origin !== OWN;
  let notes = isForeign ? undefined : reasoningNotes(item);
  if (content.length > 0 && (!isForeign || shown !== "")) notes = withField(notes, "$content", content);
  if (!isPlain(summary, "summary_text") || (shown !== "" && summary.length > 0)) {
    notes = withField(notes, "$summary", summary);
  }
  return { ...part, ...asExtras(notes) };
}

/** The notes that a reasoning item's start already tells. */
export function reasoningNotes(item: JsonObject): JsonObject | undefined {
  const fields = leftover(item, REASONING_FIELDS);
  return fields && { $item: fields };
}

function decodeImageCall(item: JsonObject): OutputPart | undefined {
  const data = asString(item.result);
  if (!data) return undefined;
  const source = { type: "base64" as const, data, mediaType: `image/${asString(item.output_format) ?? "png"}` };
  const fields = leftover(item, IMAGE_CALL_FIELDS);
  return withItemNote({ type: "image", source }, fields);
}
