/**
 * Canonical turns as Chat messages: one message for each tool result, media of results in a user message after them.
 * Called by `request-encode.ts`; what an upstream cannot take is a loss.
 */
import type { Quirks } from "../../core/endpoint.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import type { Losses } from "../../core/loss.ts";
import type {
  Message,
  OpaquePart,
  Part,
  TextPart,
  ThinkingPart,
  ToolCallPart,
  ToolResultPart,
} from "../../core/request.ts";
import { carrySignature } from "../../core/signature.ts";
import { loseForeignExtras } from "../dialect.ts";
import { contentInWords } from "../failed-result.ts";
import { opaqueText } from "../opaque-text.ts";
import { inWords } from "../server-tools.ts";
import { visibleSystem } from "../system-text.ts";
import { type ToolNames, wrapCustomInput } from "../tool-names.ts";
import { callIdFor } from "./call-ids.ts";
import { encodeMedia, encodeText, type MediaPart } from "./parts-encode.ts";
import { writeDetail } from "./reasoning.ts";
import { addExtras, ID, writeCacheMark } from "./wire.ts";

/** What every encoder of messages sees. */
export interface MessageScope {
  readonly quirks: Quirks;
  readonly losses: Losses;
  readonly names: ToolNames;
  readonly isLegacy: boolean;
}

type Assistant = Extract<Message, { role: "assistant" }>;

/** The instructions before the first turn: one message for each role in a row. */
export function encodeSystem(system: TextPart[], scope: MessageScope): JsonObject[] {
  const messages: JsonObject[] = [];
  let open: TextPart[] = [];
  let openRole: string | undefined;
  let openName: Json | undefined;
  const close = () => {
    if (openRole === undefined) return;
    const message: JsonObject = { role: openRole, content: textContent(open, scope) };
    if (openName !== undefined) message.name = openName;
    messages.push(message);
    open = [];
  };
  for (const part of visibleSystem(system)) {
    const own = loseForeignExtras(part.extras, ID, scope.losses, "system");
    const role = instructionRole(own, scope);
    if (role !== openRole || own?.name !== openName) close();
    openRole = role;
    openName = own?.name;
    open.push(part);
  }
  close();
  return messages;
}

function instructionRole(own: JsonObject | undefined, { quirks }: MessageScope): string {
  return quirks.systemRole ?? (own?.$role === "developer" ? "developer" : "system");
}

/** The turns in order. */
export function encodeMessages(messages: readonly Message[], scope: MessageScope): JsonObject[] {
  const encoded: JsonObject[] = [];
  let media: JsonObject[] = [];
  // Nothing may stand between the results of one turn.
  const attach = () => {
    if (media.length === 0) return;
    scope.losses.add("messages.tool-result.media", "altered");
    encoded.push({ role: "user", content: media });
    media = [];
  };
  for (const message of messages) {
    const own = loseForeignExtras(message.extras, ID, scope.losses, "messages");
    if (message.role !== "tool") attach();
    switch (message.role) {
      case "system":
        encoded.push(
          withExtras({ role: instructionRole(own, scope), content: textContent(message.content, scope) }, own),
        );
        break;
      case "user":
        encoded.push(withExtras({ role: "user", content: userContent(message.content, scope) }, own));
        break;
      case "assistant": {
        const wire = withExtras(encodeAssistant(message, scope), own);
        // A turn of which nothing can be said is left out: upstreams refuse empty ones.
        if (!isEmptyTurn(wire) || message.content.length === 0) encoded.push(wire);
        break;
      }
      case "tool":
        encoded.push(...encodeResults(message.content, media, scope));
    }
  }
  attach();
  return encoded;
}

function isEmptyTurn(wire: JsonObject): boolean {
  return wire.content === "" && Object.keys(wire).length === 2;
}

function withExtras(message: JsonObject, own: JsonObject | undefined): JsonObject {
  addExtras(message, own);
  return message;
}

/** Text parts as one string where that says everything, else as an array. */
function textContent(parts: TextPart[], scope: MessageScope): Json {
  if (parts.length === 0) return "";
  if (scope.quirks.flattenText) {
    for (const part of parts) loseCache(part, scope);
    return parts.map((part) => part.text).join("\n\n");
  }
  const encoded = parts.map((part) => encodeText(part, scope));
  const [only] = encoded;
  return encoded.length === 1 && only && isBare(only) ? (only.text as string) : encoded;
}

function isBare(wire: JsonObject): boolean {
  return wire.type === "text" && Object.keys(wire).length === 2;
}

function loseOpaque({ value }: OpaquePart, scope: MessageScope): void {
  scope.losses.add(`messages.${typeof value.type === "string" ? value.type : "part"}`);
}

/** Of what other formats say in a word of their own, the few kinds that the model has to read. */
function wordsOf(part: OpaquePart, scope: MessageScope): TextPart[] {
  const text = opaqueText(part);
  if (text === undefined) loseOpaque(part, scope);
  else scope.losses.add(`messages.${part.value.type}`, "altered");
  return text === undefined ? [] : [{ type: "text", text }];
}

function loseCache(part: Part, scope: MessageScope): void {
  if (part.cache) scope.losses.add("cache");
}

function userContent(parts: Extract<Message, { role: "user" }>["content"], scope: MessageScope): Json {
  if (parts.every((part) => part.type === "text")) return textContent(parts, scope);
  const encoded: JsonObject[] = [];
  for (const part of parts) {
    if (part.type === "text") encoded.push(encodeText(part, scope));
    else if (part.type === "opaque") {
      if (part.dialect === ID) encoded.push(part.value);
      else loseOpaque(part, scope);
    } else {
      const media = encodeMedia(part, scope);
      if (media) encoded.push(media);
    }
  }
  return encoded.length === 0 ? "" : encoded;
}

/** What an assistant message is made of, gathered part by part. */
interface Gathered {
  text: TextPart[];
  thinking: ThinkingPart[];
  calls: ToolCallPart[];
  refusal: string;
  audioId: string | undefined;
  opaque: JsonObject[];
}

function gather(message: Assistant, scope: MessageScope): Gathered {
  const found: Gathered = { text: [], thinking: [], calls: [], refusal: "", audioId: undefined, opaque: [] };
  for (const part of message.content) {
    if (part.type !== "text") loseForeignExtras(part.extras, ID, scope.losses, "messages");
    switch (part.type) {
      case "text":
        found.text.push(part);
        break;
      case "thinking":
        found.thinking.push(part);
        break;
      case "tool-call":
        found.calls.push(part);
        break;
      case "refusal":
        found.refusal += part.text;
        break;
      case "audio":
        if (part.source.type === "file-id" && part.source.origin === ID) found.audioId = part.source.id;
        else if (part.transcript) found.text.push({ type: "text", text: part.transcript });
        else scope.losses.add("messages.audio");
        break;
      case "server-call":
      case "server-result":
        found.text.push({ type: "text", text: inWords(part, scope.losses) });
        break;
      case "opaque":
        if (part.dialect === ID) found.opaque.push(part.value);
        else loseOpaque(part, scope);
        break;
      default:
        scope.losses.add(`messages.${part.type}`);
    }
  }
  return found;
}

function encodeAssistant(message: Assistant, scope: MessageScope): JsonObject {
  const found = gather(message, scope);
  const wire: JsonObject = { role: "assistant" };
  const hasCalls = found.calls.length > 0;
  wire.content = assistantContent(found, scope) || (hasCalls || found.refusal || found.audioId ? null : "");
  if (found.refusal) wire.refusal = found.refusal;
  if (found.audioId !== undefined) wire.audio = { id: found.audioId };
  if (found.thinking.length > 0) writeThinking(wire, found.thinking, scope);
  const [first] = found.calls;
  if (scope.isLegacy && first && found.calls.length === 1) {
    wire.function_call = { name: first.name, arguments: first.arguments };
  } else if (hasCalls) wire.tool_calls = found.calls.map((call) => encodeCall(call, scope));
  return wire;
}

/** Text as one string, since imitators take no other; an array only where marks or other parts need one. */
function assistantContent(found: Gathered, scope: MessageScope): Json {
  const encoded = found.text.map((part) => encodeText(part, scope));
  if (scope.quirks.reasoningField === "content" && found.thinking.some((part) => part.text)) {
    const thoughts = found.thinking.map((part) => ({
      type: "thinking",
      thinking: [{ type: "text", text: part.text }],
    }));
    return [...thoughts, ...encoded];
  }
  if (found.opaque.length > 0) return [...encoded, ...found.opaque];
  if (encoded.every(isBare) || scope.quirks.flattenText) return encoded.map((part) => part.text).join("");
  return encoded;
}

/** Reasoning of earlier turns, where the upstream takes it back. Foreign signatures prove nothing there. */
function writeThinking(wire: JsonObject, parts: ThinkingPart[], scope: MessageScope): void {
  const field = scope.quirks.reasoningField ?? "none";
  if (field === "content") {
    if (parts.some((part) => part.redacted)) scope.losses.add("messages.thinking");
    return;
  }
  if (field === "none") {
    scope.losses.add("messages.thinking");
    return;
  }
  const details: JsonObject[] = [];
  let text = "";
  for (const part of parts) {
    const own = part.signature?.origin === ID;
    const detail = own && scope.quirks.reasoningDetails ? writeDetail(part, details.length) : undefined;
    if (detail) details.push(detail);
    else if (part.text) text += part.text;
    else scope.losses.add("messages.thinking");
    if (!detail && part.signature && part.text) scope.losses.add("messages.thinking", "altered");
  }
  if (text) wire[field] = text;
  if (details.length > 0) wire.reasoning_details = details;
}

function encodeCall(call: ToolCallPart, scope: MessageScope): JsonObject {
  const name = scope.names.flatten(call.name, call.namespace);
  const wire: JsonObject = { id: callIdFor(call.id, scope.quirks), type: "function" };
  if (call.kind === "custom" && scope.quirks.customTools) {
    wire.type = "custom";
    wire.custom = { name, input: call.arguments };
  } else {
    // No arguments are an empty text in the canon, but some imitators parse it as JSON.
    const text = call.kind === "custom" ? wrapCustomInput(call.arguments) : call.arguments || "{}";
    wire.function = { name, arguments: text };
  }
  if (call.signature) {
    if (scope.quirks.thoughtSignatures && call.signature.origin === "gemini") {
      wire.extra_content = { google: { thought_signature: carrySignature(call.signature, "gemini") } };
    } else scope.losses.add("messages.signature");
  }
  markMessage(wire, call, scope);
  addExtras(wire, call.extras?.[ID]);
  return wire;
}

function markMessage(wire: JsonObject, part: Part, scope: MessageScope): void {
  if (!part.cache) return;
  if (scope.quirks.cacheControl) wire.cache_control = writeCacheMark(part.cache);
  else scope.losses.add("cache");
}

type ToolContent = Extract<Message, { role: "tool" }>["content"];

/** Each result as its own message; images and files, which a tool message cannot hold, are gathered for the user's. */
function encodeResults(parts: ToolContent, media: JsonObject[], scope: MessageScope): JsonObject[] {
  const messages: JsonObject[] = [];
  for (const part of parts) {
    if (part.type === "opaque") {
      if (part.dialect === ID) messages.push(part.value);
      else loseOpaque(part, scope);
    } else messages.push(encodeResult(part, media, scope));
  }
  return messages;
}

function encodeResult(part: ToolResultPart, media: JsonObject[], scope: MessageScope): JsonObject {
  const own = loseForeignExtras(part.extras, ID, scope.losses, "messages");
  const texts: TextPart[] = [];
  const attached: JsonObject[] = [];
  for (const content of contentInWords(part, scope.losses)) {
    if (content.type === "text") texts.push(content);
    else if (content.type !== "opaque") {
      const wire = encodeMedia(content as MediaPart, scope);
      if (wire) attached.push(wire);
    } else texts.push(...wordsOf(content, scope));
  }
  if (attached.length > 0) {
    media.push({ type: "text", text: `Attached to the result of tool call ${part.callId}:` }, ...attached);
    if (texts.length === 0) texts.push({ type: "text", text: "The result is attached in the next message." });
  }
  const content = textContent(texts, scope);
  const wire: JsonObject = scope.isLegacy
    ? { role: "function", name: part.name ?? part.callId, content }
    : { role: "tool", tool_call_id: callIdFor(part.callId, scope.quirks), content };
  markMessage(wire, part, scope);
  addExtras(wire, own);
  return wire;
}
