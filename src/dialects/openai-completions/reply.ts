/**
 * A whole completion in both directions: an upstream's as canonical events, a canonical reply as one for a caller.
 * A text is all it holds, so thinking and tool calls of other formats' models have no place in it.
 */
import type { CanonicalEvent, Choice, Finish, FinishReason, Reply } from "../../core/event.ts";
import { asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import type { CanonicalRequest } from "../../core/request.ts";
import type { DecodeContext, EncodeContext } from "../dialect.ts";
import { decodeFinish as decodeChatFinish } from "../openai-chat/finish.ts";
import { readReply } from "../openai-chat/reply-decode.ts";
import { encodeUsage } from "../openai-chat/usage.ts";
import { addExtras, leftovers } from "../openai-chat/wire.ts";
import { decodeLogprobs, encodeLogprobs, lengthOf } from "./logprobs.ts";
import { CHOICE_FIELDS, ECHO, extrasOf, ID, OWN } from "./wire.ts";

/** The canonical reason and the wire's own word. vLLM tells which stop sequence it was. */
export function decodeFinish(word: string | undefined, stopReason: Json | undefined): Finish {
  const finish: Finish = { reason: decodeChatFinish(word, false, false).reason };
  if (word !== undefined) finish.native = { dialect: ID, value: word };
  if (typeof stopReason === "string") finish.stopSequence = stopReason;
  return finish;
}

const WORDS: Readonly<Record<FinishReason, string>> = {
  stop: "stop",
  length: "length",
  "tool-calls": "stop",
  "content-filter": "content_filter",
  refusal: "stop",
  pause: "stop",
  "context-length": "length",
  "malformed-tool-call": "stop",
  other: "stop",
};

/** The wire's word: its own again where it came from here. */
export function encodeFinish({ native, reason }: Finish): string {
  return native?.dialect === ID && typeof native.value === "string" ? native.value : WORDS[reason];
}

/** The events of a reply; never throws. What is no reply becomes an `error` event. */
export function decodeReply(body: Json, _context: DecodeContext): CanonicalEvent[] {
  return readReply(body, { extrasOf, notes: { [OWN]: true }, decodeChoice });
}

function decodeChoice(wire: JsonObject): Choice {
  const text = asString(wire.text) ?? "";
  const choice: Choice = {
    parts: text === "" ? [] : [{ type: "text", text }],
    finish: decodeFinish(asString(wire.finish_reason), wire.stop_reason),
  };
  const tokens = decodeLogprobs(wire.logprobs);
  if (tokens.length > 0) choice.logprobs = { content: tokens };
  const extras: JsonObject = { ...leftovers(wire, CHOICE_FIELDS) };
  // As they came: null for a prompt's first token, and places in the text, are told nowhere else.
  if (asObject(wire.logprobs)) extras.logprobs = wire.logprobs;
  if (Object.keys(extras).length > 0) choice.extras = extrasOf(extras);
  return choice;
}

/** A completion's id: the upstream's where it spoke this format, else one made of the gateway's own. */
export function completionId(id: string | undefined, context: EncodeContext): string {
  return id ?? `cmpl-${context.id}`;
}

/** What the caller wants before the answer: the prompt, unless the upstream has put it there. */
export function echoOf(request: CanonicalRequest, isOwn: boolean): string {
  if (isOwn || request.extras?.[ID]?.[ECHO] !== true) return "";
  const part = request.messages[0]?.content[0];
  return part?.type === "text" ? part.text : "";
}

/** The reply's body. */
export function encodeReply(reply: Reply, context: EncodeContext): JsonObject {
  const own = reply.extras?.[ID];
  const isOwn = own?.[OWN] === true;
  const echo = echoOf(context.request, isOwn);
  const body: JsonObject = {
    id: completionId(isOwn ? reply.id : undefined, context),
    object: "text_completion",
    created: (isOwn ? reply.createdAt : undefined) ?? context.createdAt,
    model: context.model,
    choices: reply.choices.map((choice, index) => encodeChoice(choice, index, echo)),
  };
  if (reply.usage) body.usage = encodeUsage(reply.usage, reply.usageExtras?.[ID]);
  addExtras(body, own);
  return body;
}

function encodeChoice(choice: Choice, index: number, echo: string): JsonObject {
  let text = echo;
  for (const part of choice.parts) if (part.type === "text" || part.type === "refusal") text += part.text;
  const own = choice.extras?.[ID];
  const tokens = choice.logprobs?.content ?? choice.logprobs?.refusal;
  const told = asObject(own?.logprobs) ?? (tokens && encodeLogprobs(tokens, lengthOf(echo)).wire);
  const wire: JsonObject = { text, index, logprobs: told ?? null, finish_reason: encodeFinish(choice.finish) };
  addExtras(wire, own);
  return wire;
}
