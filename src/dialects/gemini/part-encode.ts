/**
 * Writes single parts of an answer for a caller; the reply encoder and the stream encoder say them in the same words.
 * Names and inputs of tools are restored to the form in which the caller offered them.
 */
import type { CanonicalEvent, Finish } from "../../core/event.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import type { Extras, Signature, ToolCallPart } from "../../core/request.ts";
import { UNSIGNED } from "../../core/signature.ts";
import { type ParsedArguments, parseArguments } from "../partial-json.ts";
import { restoreToolCall, type ToolNames } from "../tool-names.ts";
import { encodeMedia } from "./media.ts";
import { encodeCodePart } from "./server-parts.ts";
import { writeThoughtSignature } from "./signature.ts";
import { FINISH_WORDS, GEMINI } from "./wire.ts";

type WholePart = Extract<CanonicalEvent, { type: "part" }>["value"];

/** This dialect's own fields in some extras. */
export function ownOf(extras: Extras | undefined): JsonObject | undefined {
  return extras?.[GEMINI];
}

/** The signature slot of a part. */
export function signed(signature: Signature | undefined, redacted = false): { thoughtSignature?: string } {
  return signature ? { thoughtSignature: writeThoughtSignature(signature, redacted) } : {};
}

/** A text of any kind. */
export function textPart(text: string, isThought: boolean): JsonObject {
  return isThought ? { text, thought: true } : { text };
}

/**
 * A function call with its assembled arguments, and whether these were a whole JSON object. The API wants the first call of
 * a turn signed; a model of another provider signs none, which the slot then says.
 */
export function callPart(
  call: ToolCallPart,
  names: ToolNames,
  isFirst: boolean,
): { part: JsonObject; complete: boolean } {
  const restored = restoreToolCall(call, names);
  const parsed: ParsedArguments =
    restored.kind === "custom"
      ? { value: { input: restored.arguments }, complete: true }
      : parseArguments(restored.arguments);
  const { functionCall: fields, ...own } = ownOf(call.extras) ?? {};
  const functionCall = { ...(fields as JsonObject | undefined), id: call.id, name: restored.name, args: parsed.value };
  const signature = call.signature ?? (isFirst ? UNSIGNED : undefined);
  return { part: { ...own, functionCall, ...signed(signature) }, complete: parsed.complete };
}

/** A part that came whole; undefined when the wire has no form for it. */
export function wholePart(value: WholePart): JsonObject | undefined {
  switch (value.type) {
    case "image":
    case "audio":
    case "file": {
      const { inlineData: _, fileData: __, ...own } = ownOf(value.extras) ?? {};
      const encoded = encodeMedia(value);
      return encoded && { ...own, ...encoded };
    }
    case "thinking":
      return { ...ownOf(value.extras), text: value.text, thought: true, ...signed(value.signature, value.redacted) };
    case "text":
      return { ...ownOf(value.extras), text: value.text, ...signed(value.signature) };
    case "refusal":
      return { ...ownOf(value.extras), text: value.text };
    case "opaque":
      return value.dialect === GEMINI ? value.value : undefined;
    case "server-call":
    case "server-result":
      return encodeCodePart(value);
    case "tool-call":
      return undefined;
  }
}

/** The wire's finish reason. `hasBrokenCalls`: a call was left out because its arguments broke off. */
export function finishWord(finish: Finish, hasBrokenCalls = false): Json {
  if (finish.native?.dialect === GEMINI && typeof finish.native.value !== "object") return finish.native.value;
  return hasBrokenCalls ? FINISH_WORDS.length : FINISH_WORDS[finish.reason];
}

/** Whether the prompt was blocked by the API itself, which then names no candidate. */
export function isPromptBlocked(finish: Finish): boolean {
  return finish.native?.dialect === GEMINI && typeof finish.native.value === "object";
}

/** Whether a call whose arguments are no whole JSON object was cut off and must not be carried out. */
export function isCutOff(finish: Finish): boolean {
  return finish.reason === "length" || finish.reason === "context-length";
}

/** The fields of a candidate's end: what the canon has no place for, and what of it belongs to the whole response. */
export function endFields(extras: Extras | undefined): { candidate: JsonObject; response: JsonObject } {
  const { response, content: _, ...candidate } = ownOf(extras) ?? {};
  return { candidate, response: (response as JsonObject | undefined) ?? {} };
}
