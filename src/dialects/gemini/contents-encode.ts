/**
 * Writes the conversation as `contents` for an upstream: parts, signatures, function calls and their responses.
 * Stands in the request encoder, after `history.ts` has put the turns in order.
 */
import type { JsonObject } from "../../core/json.ts";
import type { Losses } from "../../core/loss.ts";
import type { Message, Signature, TextPart, ToolCallPart, ToolResultPart } from "../../core/request.ts";
import { type FieldScope, loseForeignExtras } from "../dialect.ts";
import { parseArguments } from "../partial-json.ts";
import { inWords, ownForm, replayable, type ServerPart } from "../server-tools.ts";
import { type ToolNames, toolNames } from "../tool-names.ts";
import { CODE_EXECUTION } from "../web-search.ts";
import { type AssistantMessage, type ModelTurn, type Turn, turnsOf, type UserTurn } from "./history.ts";
import { encodeMedia } from "./media.ts";
import { encodeResult } from "./result.ts";
import { encodeCodePart } from "./server-parts.ts";
import { GEMINI, isThirdGeneration, MADE_ID_PREFIX, SKIP_SIGNATURE } from "./wire.ts";

/** What writing a conversation needs to know. */
interface Scope {
  losses: Losses;
  names: ToolNames;
  /** Thoughts may be sent. */
  thinks: boolean;
  /** Function calls must be signed, and media may stand inside function responses. */
  isThird: boolean;
  /** Calls of other providers' own tools that may stand here as the API's. */
  replayable: ReadonlySet<string>;
}

type Content = JsonObject & { role: string; parts: JsonObject[] };

/** The contents, never empty, the first from the user. */
export function encodeContents(messages: readonly Message[], { request, target, losses }: FieldScope): JsonObject[] {
  const hasFunctions = request.tools?.some((tool) => tool.type !== "server");
  const scope: Scope = {
    losses,
    names: toolNames(request.tools),
    thinks: target.capabilities.has("thinking"),
    isThird: isThirdGeneration(target.model),
    // Another format's tool is not offered beside functions.
    replayable: replayable(request, hasFunctions ? {} : target.quirks, GEMINI, [CODE_EXECUTION]),
  };
  const contents: Content[] = [];
  for (const turn of turnsOf(messages, losses)) {
    const content = encodeTurn(turn, scope);
    const last = contents.at(-1);
    if (content.parts.length === 0) continue;
    // A turn that came out empty between two of one role leaves them side by side.
    if (last?.role === content.role) Object.assign(last, content, { parts: [...last.parts, ...content.parts] });
    else contents.push(content);
  }
  if (contents[0]?.role !== "user") {
    if (contents.length > 0) losses.add("messages", "altered");
    contents.unshift({ role: "user", parts: [{ text: contents.length > 0 ? "(The conversation goes on.)" : "" }] });
  }
  return contents;
}

function encodeTurn(turn: Turn, scope: Scope): Content {
  const parts = turn.role === "model" ? modelParts(turn, scope) : userParts(turn, scope);
  const content: Content = { role: turn.role, parts };
  for (const message of turn.messages) {
    Object.assign(content, loseForeignExtras(message.extras, GEMINI, scope.losses, "messages"));
  }
  return content;
}

function userParts(turn: UserTurn, scope: Scope): JsonObject[] {
  const parts: JsonObject[] = [];
  const beside: JsonObject[] = [];
  for (const { call, result } of turn.answers) parts.push(functionResponse(call, result, beside, scope));
  for (const orphan of turn.orphans) parts.push(...orphanResult(orphan, scope));
  parts.push(...beside);
  for (const { dialect, value } of turn.opaque) {
    if (dialect === GEMINI) parts.push(value);
    else scope.losses.add(`messages.${opaqueName(value)}`);
  }
  for (const message of turn.messages) {
    if (message.role === "system") parts.push(...systemReminder(message.content, scope));
    else for (const part of message.content) pushPart(parts, part, scope);
  }
  return parts;
}

function systemReminder(content: TextPart[], { losses }: Scope): JsonObject[] {
  losses.add("messages.system", "altered");
  return content.map(({ text }) => ({
    text: text.startsWith("<system-reminder>") ? text : `<system-reminder>\n${text}\n</system-reminder>`,
  }));
}

function functionResponse(call: ToolCallPart, result: ToolResultPart, beside: JsonObject[], scope: Scope): JsonObject {
  const { response, media } = encodeResult(result, scope.losses);
  const { functionResponse: wireRest, ...own } = ownFields(result, scope);
  const inside = scope.isThird && media.length > 0;
  if (!inside) beside.push(...media);
  return {
    ...own,
    functionResponse: {
      ...(wireRest as JsonObject | undefined),
      ...sentId(call.id),
      name: scope.names.flatten(call.name, call.namespace),
      response,
      ...(inside && { parts: media }),
    },
  };
}

/** A result whose call is not in the history: the API refuses it as a function response, so the model reads it as text. */
function orphanResult(result: ToolResultPart, scope: Scope): JsonObject[] {
  const { response, media } = encodeResult(result, scope.losses);
  const name = result.name ? ` of ${result.name}` : "";
  return [{ text: `Tool result${name}: ${JSON.stringify(response)}` }, ...media];
}

/** The wire's id for a call, unless it was made here. */
function sentId(id: string): { id?: string } {
  return id === "" || id.startsWith(MADE_ID_PREFIX) ? {} : { id };
}

function opaqueName(value: JsonObject): string {
  if (typeof value.type === "string") return value.type;
  return Object.keys(value)[0] ?? "opaque";
}

/** A part's own extras; those of other formats and cache marks are losses. */
function ownFields(part: { extras?: Message["extras"]; cache?: unknown }, { losses }: Scope): JsonObject {
  if (part.cache) losses.add("cache", "altered");
  return loseForeignExtras(part.extras, GEMINI, losses, "messages") ?? {};
}

type AnyPart = AssistantMessage["content"][number];

/** Writes a part that needs nothing but itself. */
function pushPart(parts: JsonObject[], part: AnyPart, scope: Scope): void {
  switch (part.type) {
    case "text":
      if (part.annotations?.length) scope.losses.add("messages.annotations");
      parts.push({ ...ownFields(part, scope), text: part.text });
      return;
    case "refusal":
      parts.push({ ...ownFields(part, scope), text: part.text });
      return;
    case "image":
    case "audio":
    case "file": {
      const { inlineData: _, fileData: __, ...own } = ownFields(part, scope);
      const encoded = encodeMedia(part);
      if (encoded) parts.push({ ...own, ...encoded });
      else scope.losses.add(`messages.${part.type}`);
      if (!encoded && part.type === "audio" && part.transcript) parts.push({ text: part.transcript });
      if (part.type === "image" && part.detail && part.detail !== "auto") scope.losses.add("messages.detail");
      if (part.type === "file" && part.filename !== undefined) scope.losses.add("messages.filename");
      return;
    }
    case "server-call":
    case "server-result":
      parts.push(serverPart(part, scope));
      return;
    case "opaque":
      if (part.dialect === GEMINI) parts.push(part.value);
      else scope.losses.add(`messages.${opaqueName(part.value)}`);
  }
}

function serverPart(part: ServerPart, { losses, replayable }: Scope): JsonObject {
  const isReplayed = replayable.has(part.type === "server-call" ? part.id : part.callId);
  const code = ownForm(part, GEMINI) || isReplayed ? encodeCodePart(part) : undefined;
  return code ?? { text: inWords(part, losses) };
}

function modelParts(turn: ModelTurn, scope: Scope): JsonObject[] {
  const parts: JsonObject[] = [];
  // A signature that came as an empty thought belongs to what follows it.
  let carried: string | undefined;
  const place = () => {
    if (carried !== undefined) parts.push({ text: "", thoughtSignature: carried });
    carried = undefined;
  };
  for (const message of turn.messages) {
    for (const part of message.content) {
      if (part.type === "thinking") {
        const value = ownSignature(part.signature);
        if (part.redacted || (part.signature && value === undefined) || !scope.thinks) {
          scope.losses.add("messages.thinking");
        } else if (part.text === "" && value !== undefined) {
          place();
          carried = value;
        } else if (part.text !== "") {
          parts.push({ ...ownFields(part, scope), text: part.text, thought: true, ...signed(value) });
        }
        continue;
      }
      if (part.type !== "text" && part.type !== "tool-call") {
        place();
        pushPart(parts, part, scope);
        continue;
      }
      const value = ownSignature(part.signature);
      if (value !== undefined) place();
      const signature = value ?? carried;
      carried = undefined;
      if (part.type === "tool-call") parts.push(functionCall(part, signature, scope));
      else if (part.text !== "" || signature !== undefined) {
        pushPart(parts, part, scope);
        Object.assign(parts.at(-1) as JsonObject, signed(signature));
      }
    }
  }
  place();
  if (scope.isThird && scope.thinks) signFirstCall(parts);
  return parts;
}

function ownSignature(signature: Signature | undefined): string | undefined {
  return signature?.origin === GEMINI ? signature.value : undefined;
}

function signed(signature: string | undefined): { thoughtSignature?: string } {
  return signature === undefined ? {} : { thoughtSignature: signature };
}

function functionCall(call: ToolCallPart, signature: string | undefined, scope: Scope): JsonObject {
  const { functionCall: wireRest, ...own } = ownFields(call, scope);
  const parsed =
    call.kind === "custom" ? { value: { input: call.arguments }, complete: true } : parseArguments(call.arguments);
  if (!parsed.complete) scope.losses.add("messages.arguments", "altered");
  return {
    ...own,
    functionCall: {
      ...(wireRest as JsonObject | undefined),
      ...sentId(call.id),
      name: scope.names.flatten(call.name, call.namespace),
      args: parsed.value,
    },
    ...signed(signature),
  };
}

/** Generation 3 refuses a turn whose first call has no signature; calls that another model made have none. */
function signFirstCall(parts: JsonObject[]): void {
  const first = parts.find((part) => part.functionCall !== undefined);
  if (first && first.thoughtSignature === undefined) first.thoughtSignature = SKIP_SIGNATURE;
}
