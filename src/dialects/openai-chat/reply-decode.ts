/**
 * A whole Chat reply as canonical events. Lenient: imitators leave out, empty or misname nearly every field.
 * `convert` and the metering of relayed answers read replies through it.
 */
import type { CanonicalEvent, Choice, Reply } from "../../core/event.ts";
import { asArray, asNumber, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import { unfold } from "../../core/reply.ts";
import type { AudioPart, Extras, TextPart, ToolCallPart } from "../../core/request.ts";
import { readSignature } from "../../core/signature.ts";
import type { DecodeContext } from "../dialect.ts";
import { brokenReply, decodeInnerError } from "./error.ts";
import { decodeAnnotation, decodeFinish, decodeImage, decodeLogprobs } from "./finish.ts";
import { readReasoning } from "./reasoning.ts";
import { decodeUsage, usageExtras } from "./usage.ts";
import { extrasOf, ID, joinedText, leftovers, sniffAudio } from "./wire.ts";

/** Fields of a reply or chunk that are read; `obfuscation` and `p` are padding. */
export const REPLY_FIELDS: ReadonlySet<string> = new Set([
  "id",
  "object",
  "created",
  "model",
  "choices",
  "usage",
  "error",
  "obfuscation",
  "p",
]);
/** Fields of a choice that are read. */
export const CHOICE_FIELDS: ReadonlySet<string> = new Set([
  "index",
  "message",
  "delta",
  "finish_reason",
  "logprobs",
  "error",
  "usage",
]);
/** Fields of a message or delta that are read; `padding` is just that. */
export const MESSAGE_FIELDS: ReadonlySet<string> = new Set([
  "role",
  "content",
  "refusal",
  "tool_calls",
  "function_call",
  "audio",
  "reasoning_content",
  "reasoning",
  "reasoning_details",
  "annotations",
  "images",
  "padding",
]);
const CALL_FIELDS = new Set(["id", "type", "function", "custom", "index", "extra_content"]);
const AUDIO_FIELDS = new Set(["data", "transcript"]);
export const LOGPROB_FIELDS: ReadonlySet<string> = new Set(["content", "refusal"]);

/** What a whole reply of Chat or of the old text completions holds: how its choices are read, and whose its extras are. */
interface ReplyFormat {
  extrasOf(fields: JsonObject | undefined): Extras | undefined;
  /** The format's own notes in the reply's extras. */
  readonly notes?: JsonObject;
  decodeChoice(wire: JsonObject, index: number): Choice;
}

/** The events of a reply; never throws. What is no reply becomes an `error` event. */
export function decodeReply(body: Json, context: DecodeContext): CanonicalEvent[] {
  return readReply(body, { extrasOf, decodeChoice: (wire, index) => decodeChoice(wire, index, context) });
}

/** `decodeReply` for both formats, which tell all but their choices alike. */
export function readReply(body: Json, format: ReplyFormat): CanonicalEvent[] {
  const wire = asObject(body);
  if (!wire) return [{ type: "error", failure: brokenReply("invalid_reply", "The upstream's reply is no object.") }];
  const choices = asArray(wire.choices);
  if (wire.error !== undefined && wire.error !== null) {
    return [{ type: "error", failure: decodeInnerError(wire) }];
  }
  if (choices.length === 0) {
    return [{ type: "error", failure: brokenReply("invalid_reply", "The upstream's reply holds no answer.") }];
  }
  const others = leftovers(wire, REPLY_FIELDS);
  const reply: Reply = {
    choices: choices.map((choice, index) => format.decodeChoice(asObject(choice) ?? {}, index)),
    extras: format.extrasOf(format.notes ? { ...others, ...format.notes } : others),
  };
  const id = asString(wire.id);
  const model = asString(wire.model);
  const created = asNumber(wire.created);
  if (id) reply.id = id;
  if (model) reply.model = model;
  if (created !== undefined) reply.createdAt = created;
  const usage = asObject(wire.usage) ?? asObject(asObject(wire.x_groq)?.usage) ?? asObject(asObject(choices[0])?.usage);
  const counted = usage && decodeUsage(usage);
  if (usage && counted) {
    reply.usage = counted;
    reply.usageExtras = format.extrasOf(usageExtras(usage));
  }
  const failed = choices.map(asObject).find((choice) => asObject(choice?.error));
  if (failed) reply.failure = decodeInnerError(failed);
  return unfold(reply);
}

function decodeChoice(wire: JsonObject, index: number, context: DecodeContext): Choice {
  const message = asObject(wire.message) ?? asObject(wire.delta) ?? {};
  const parts: Choice["parts"] = [...readReasoning(message)];
  const notes = decodeText(message, parts);
  for (const [number, value] of asArray(message.tool_calls).entries()) {
    const call = decodeCall(asObject(value), `call_${context.id}_${index}_${number}`);
    if (call) parts.push(call);
  }
  const legacy = decodeCall(
    message.function_call ? { function: message.function_call } : undefined,
    `call_${context.id}_${index}`,
  );
  if (legacy) parts.push(legacy);
  const hasCalls = parts.some((part) => part.type === "tool-call");
  const hasRefusal = parts.some((part) => part.type === "refusal");
  const choice: Choice = { parts, finish: decodeFinish(asString(wire.finish_reason), hasCalls, hasRefusal) };
  const probabilities = asObject(wire.logprobs);
  if (probabilities) choice.logprobs = decodeBoth(probabilities);
  const inner = probabilities && leftovers(probabilities, LOGPROB_FIELDS);
  choice.extras = choiceExtras(wire, leftovers(message, MESSAGE_FIELDS), notes, inner);
  return choice;
}

/** What a choice says besides: its own fields, its message's under `message`, of log probabilities under `logprobs`. */
export function choiceExtras(
  choice: JsonObject,
  message: JsonObject | undefined,
  annotations: Json[],
  logprobs: JsonObject | undefined,
): ReturnType<typeof extrasOf> {
  const fields: JsonObject = { ...leftovers(choice, CHOICE_FIELDS) };
  const inner = annotations.length > 0 ? { ...message, annotations } : message;
  if (inner) fields.message = inner;
  if (logprobs) fields.logprobs = logprobs;
  return extrasOf(Object.keys(fields).length > 0 ? fields : undefined);
}

function decodeBoth(wire: JsonObject): Choice["logprobs"] {
  const content = decodeLogprobs(wire.content);
  const refusal = decodeLogprobs(wire.refusal);
  if (content.length === 0 && refusal.length === 0) return undefined;
  return { ...(content.length > 0 && { content }), ...(refusal.length > 0 && { refusal }) };
}

/** Adds text, refusal, images and audio; returns the annotations that are no citations. */
function decodeText(message: JsonObject, parts: Choice["parts"]): Json[] {
  const others: Json[] = [];
  const texts: TextPart[] = [];
  const { content } = message;
  if (typeof content === "string") addText(content, texts);
  for (const value of asArray(content)) {
    const wire = asObject(value);
    if (wire?.type === "thinking") parts.push({ type: "thinking", text: joinedText(wire.thinking) });
    else if (wire?.type === "text") addText(asString(wire.text) ?? "", texts);
    else if (wire?.type === "image_url") pushImage(value, parts);
    else if (wire) parts.push({ type: "opaque", dialect: ID, value: wire });
  }
  parts.push(...texts);
  const refusal = asString(message.refusal);
  if (refusal) parts.push({ type: "refusal", text: refusal });
  for (const value of asArray(message.annotations)) {
    const annotation = decodeAnnotation(value);
    if (!annotation) {
      others.push(value);
      continue;
    }
    let last = texts.at(-1);
    if (!last) {
      last = { type: "text", text: "" };
      texts.push(last);
      parts.push(last);
    }
    last.annotations = [...(last.annotations ?? []), annotation];
  }
  for (const value of asArray(message.images)) pushImage(value, parts);
  const audio = decodeAudio(asObject(message.audio));
  if (audio) parts.push(audio);
  return others;
}

function addText(text: string, texts: TextPart[]): void {
  if (text === "") return;
  const [first] = texts;
  if (first) first.text += text;
  else texts.push({ type: "text", text });
}

function pushImage(value: Json, parts: Choice["parts"]): void {
  const image = decodeImage(value);
  if (image) parts.push(image);
}

function decodeAudio(wire: JsonObject | undefined): AudioPart | undefined {
  const data = asString(wire?.data) ?? "";
  const transcript = asString(wire?.transcript);
  if (!wire || (data === "" && !transcript && !wire.id)) return undefined;
  const part: AudioPart = { type: "audio", source: { type: "base64", data, mediaType: sniffAudio(data) } };
  if (transcript !== undefined) part.transcript = transcript;
  part.extras = extrasOf(leftovers(wire, AUDIO_FIELDS));
  return part;
}

function decodeCall(wire: JsonObject | undefined, fallbackId: string): ToolCallPart | undefined {
  if (!wire) return undefined;
  const custom = wire.type === "custom" ? asObject(wire.custom) : undefined;
  const call = custom ?? asObject(wire.function);
  const name = asString(call?.name);
  if (!call || !name) return undefined;
  const text = custom ? custom.input : call.arguments;
  const part: ToolCallPart = {
    type: "tool-call",
    id: asString(wire.id) || fallbackId,
    name,
    kind: custom ? "custom" : "function",
    arguments: typeof text === "string" ? text : asObject(text) ? JSON.stringify(text) : "",
  };
  const signature = thoughtSignature(wire);
  if (signature) part.signature = readSignature(signature, "gemini");
  const extras = extrasOf(callExtras(wire));
  if (extras) part.extras = extras;
  return part;
}

/** Gemini's signature, where a tool call carries it. */
export function thoughtSignature(wire: JsonObject): string | undefined {
  return asString(asObject(asObject(wire.extra_content)?.google)?.thought_signature) || undefined;
}

/** What a call says besides the known fields. */
export function callExtras(wire: JsonObject): JsonObject | undefined {
  return leftovers(wire, CALL_FIELDS);
}
