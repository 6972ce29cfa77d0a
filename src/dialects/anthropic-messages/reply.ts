/**
 * Whole Messages replies in both directions.
 * Decoding gives the same events that a stream of the same message would; encoding writes a folded reply for a caller.
 */
import type { CanonicalEvent, Choice, Reply } from "../../core/event.ts";
import { asArray, asObject, asString, type Json, type JsonObject, rest } from "../../core/json.ts";
import { unfold } from "../../core/reply.ts";
import type { Extras, Part, Signature, TextPart } from "../../core/request.ts";
import { carrySignature, UNSIGNED } from "../../core/signature.ts";
import type { DecodeContext, EncodeContext } from "../dialect.ts";
import { parseArguments } from "../partial-json.ts";
import { isServerPart } from "../server-tools.ts";
import { restoreToolCall, type ToolNames, toolNames, wrapCustomInput } from "../tool-names.ts";
import { decodeBlock } from "./blocks-decode.ts";
import { urlCitation } from "./blocks-encode.ts";
import { failureOf } from "./error.ts";
import { decodeFinish, encodeFinish, isAtEnd, refusalAtEnd } from "./finish.ts";
import { encodeServerBlock } from "./server-blocks.ts";
import { decodeUsage, encodeUsage } from "./usage.ts";
import { OWN, ownExtras, wireFields, wireToolId } from "./wire.ts";

type ReplyPart = Choice["parts"][number];

const START_FIELDS = new Set([
  "type",
  "id",
  "role",
  "model",
  "content",
  "stop_reason",
  "stop_sequence",
  "usage",
  "stop_details",
  "container",
  "context_management",
]);
const END_FIELDS = ["stop_details", "container", "context_management"];

/** Fields of a message that only this dialect knows and that are known when it begins. */
export function startExtras(message: JsonObject): { extras?: Extras } {
  return ownExtras(withoutNulls(rest(message, START_FIELDS)));
}

/** The same for fields that come with the message's end. */
export function endExtras(...places: (JsonObject | undefined)[]): { extras?: Extras } {
  const fields: JsonObject = {};
  for (const place of places) for (const key of END_FIELDS) if (place?.[key] != null) fields[key] = place[key];
  return ownExtras(withoutNulls(fields));
}

/** The fields that have a value, or nothing. */
export function withoutNulls(fields: JsonObject | undefined): JsonObject | undefined {
  const kept = Object.entries(fields ?? {}).filter(([, value]) => value !== null && value !== undefined);
  return kept.length > 0 ? Object.fromEntries(kept) : undefined;
}

/** The events of a reply. A body that is no message becomes an `error` event. */
export function decodeReply(body: Json, context: DecodeContext): CanonicalEvent[] {
  const message = asObject(body);
  const isMessage = Array.isArray(message?.content) || message?.type === "message";
  if (!message || message.type === "error" || message.error != null || !isMessage) {
    return [{ type: "error", failure: failureOf(message) }];
  }
  const parts = asArray(message.content).flatMap((item): ReplyPart[] => {
    const block = asObject(item);
    return block ? [decodeBlock(block)] : [];
  });
  const hasCalls = parts.some((part) => part.type === "tool-call");
  const refusal = refusalAtEnd(message.stop_reason, message.stop_details);
  if (refusal) parts.push(refusal);
  const wire = { reason: message.stop_reason, sequence: message.stop_sequence };
  const finish = decodeFinish(wire, { hasCalls, isExplained: refusal !== undefined });
  const raw = asObject(message.usage);
  const usage = raw && decodeUsage(raw);
  return unfold({
    id: asString(message.id) ?? context.id,
    ...(typeof message.model === "string" && { model: message.model }),
    choices: [{ parts, finish, ...endExtras(message) }],
    ...(usage && { usage: usage.usage, usageExtras: usage.extras }),
    ...startExtras(message),
  });
}

/** The id of a message for a caller: the reply's own where it is one of ours, else derived from the request's. */
export function messageId(id: string | undefined, context: EncodeContext): string {
  return id?.startsWith("msg_") ? id : `msg_${context.id.replace(/^[a-z]+_/, "").replace(/[^a-zA-Z0-9_-]/g, "_")}`;
}

/** The reply as a `message` body. Only the first answer is told: the format has no others. */
export function encodeReply(reply: Reply, context: EncodeContext): JsonObject {
  const choice: Choice = reply.choices[0] ?? { parts: [], finish: { reason: "other" } };
  const names = toolNames(context.request.tools);
  const hasCalls = choice.parts.some((part) => part.type === "tool-call");
  const refused = choice.parts.some((part) => part.type === "refusal");
  return {
    id: messageId(reply.id, context),
    type: "message",
    role: "assistant",
    model: context.model,
    content: choice.parts.flatMap((part) => encodeReplyPart(part, names)),
    ...encodeFinish(choice.finish, hasCalls, refused),
    stop_details: null,
    container: null,
    ...wireFields(choice.extras?.[OWN]),
    usage: encodeUsage(reply.usage, reply.usageExtras),
    ...wireFields(reply.extras?.[OWN]),
  };
}

/** The blocks of a part; a signature of another provider rides on an empty thinking block before the call that it signs. */
export function encodeReplyPart(part: ReplyPart, names: ToolNames): JsonObject[] {
  const own = wireFields(part.extras?.[OWN]);
  switch (part.type) {
    case "text":
      // A text's signature is not carried: callers expect the text in the first block, and its origin does without.
      return [encodeReplyText(part, own)];
    case "refusal":
      return isAtEnd(part) ? [] : [{ type: "text", text: part.text, ...own }];
    case "thinking": {
      const signature = carrySignature(part.signature ?? UNSIGNED, OWN);
      if (part.redacted) return [{ type: "redacted_thinking", data: signature, ...own }];
      return [{ type: "thinking", thinking: part.text, signature, ...own }];
    }
    case "tool-call": {
      const call = restoreToolCall(part, names);
      const text = call.kind === "custom" ? wrapCustomInput(call.arguments) : call.arguments;
      const { value } = parseArguments(text);
      return [
        ...signatureBlock(part.signature),
        { type: "tool_use", id: wireToolId(call.id), name: callName(call, names), input: value, ...own },
      ];
    }
    default:
      return encodeWhole(part);
  }
}

/** The name that the caller knows a call by: as it offered the tool, whatever namespace the upstream put it in. */
export function callName(call: { name: string; namespace?: string }, names: ToolNames): string {
  if (call.namespace === undefined) return call.name;
  return names.restore(call.name)?.name ?? names.flatten(call.name, call.namespace);
}

/** A part that has no form of its own in a reply, as blocks: verbatim where it came from here, else a note in words. */
function encodeWhole(part: Exclude<Part, { type: "tool-result" }>): JsonObject[] {
  if (isServerPart(part)) return [encodeServerBlock(part)];
  if (part.type === "opaque") return part.dialect === OWN ? [part.value] : [];
  if (part.type === "audio" && part.transcript) return [{ type: "text", text: part.transcript }];
  if (part.type !== "image" && part.type !== "file" && part.type !== "audio") return [];
  const { source } = part;
  if (source.type === "url") return [{ type: "text", text: `[${part.type}: ${source.url}]` }];
  const kind = source.type === "base64" ? source.mediaType : part.type;
  return [{ type: "text", text: `[The answer holds ${kind} data, which this API's replies cannot carry.]` }];
}

function signatureBlock(signature: Signature | undefined): JsonObject[] {
  if (!signature || signature.origin === OWN) return [];
  return [{ type: "thinking", thinking: "", signature: carrySignature(signature, OWN) }];
}

function encodeReplyText(part: TextPart, own: JsonObject): JsonObject {
  const { citations, ...fields } = own;
  const notes = (part.annotations ?? []).map((annotation) => urlCitation(annotation, part.text));
  const written = [...asArray(citations), ...notes];
  return { type: "text", text: part.text, ...(written.length > 0 && { citations: written }), ...fields };
}
