/**
 * Canonical parts of an assistant as items of the OpenAI Responses format; the way back is `items-decode.ts`.
 * Requests write their history with it, replies their output, streams each item as it becomes whole.
 */
import { asArray, asString, type JsonObject } from "../../core/json.ts";
import type { Losses } from "../../core/loss.ts";
import type { ImagePart, RefusalPart, Signature, TextPart, ThinkingPart, ToolCallPart } from "../../core/request.ts";
import { carrySignature, UNSIGNED } from "../../core/signature.ts";
import { loseForeignExtras } from "../dialect.ts";
import { inWords, isServerPart, ownForm, resultsByCall } from "../server-tools.ts";
import { encodeAnnotation } from "./content.ts";
import { REDACTED_MARK } from "./items-decode.ts";
import { encodeServerItem } from "./server-items.ts";
import { itemNote, type OutputPart, OWN, own, restoreFields } from "./wire.ts";

/** A text or a refusal as a piece of a message's content. */
export function encodeOutputContent(part: TextPart | RefusalPart, isReply: boolean): JsonObject {
  if (part.type === "refusal") {
    const piece: JsonObject = { type: "refusal", refusal: part.text };
    restoreFields(piece, own(part));
    return piece;
  }
  const piece: JsonObject = { type: "output_text", text: part.text };
  const notes = own(part)?.annotations;
  const placed = isReply
    ? part.annotations
    : part.annotations?.filter(({ start, end }) => start !== undefined && end !== undefined);
  if (notes !== undefined) piece.annotations = notes;
  else if (isReply || placed?.length) piece.annotations = (placed ?? []).map(encodeAnnotation);
  restoreFields(piece, own(part));
  return piece;
}

/** A tool call as an item, with the arguments as given. */
export function encodeCall(call: ToolCallPart, shared: JsonObject): JsonObject {
  const isCustom = call.kind === "custom";
  const item: JsonObject = {
    ...shared,
    type: isCustom ? "custom_tool_call" : "function_call",
    call_id: call.id,
    name: call.name,
  };
  if (call.namespace !== undefined) item.namespace = call.namespace;
  if (isCustom) item.input = call.arguments;
  else item.arguments = call.arguments.trim() === "" ? "{}" : call.arguments;
  restoreFields(item, itemNote(call));
  return item;
}

/**
 * A thinking part as a reasoning item. A signature of another origin is wrapped; a reply also says when there is none, or
 * OpenAI would look for the item under its id when it comes back.
 */
export function encodeReasoning(part: ThinkingPart, shared: JsonObject, isReply: boolean): JsonObject {
  const notes = own(part);
  const item: JsonObject = { ...shared, type: "reasoning" };
  const content = asArray(notes?.$content);
  item.summary = asArray(notes?.$summary);
  if (notes?.$summary === undefined && part.text !== "" && content.length === 0) {
    item.summary = [{ type: "summary_text", text: part.text }];
  }
  if (content.length > 0) item.content = content;
  if (part.signature) item.encrypted_content = encryptedContent(part.signature, part.redacted);
  else if (isReply && !itemNote(part)) item.encrypted_content = carrySignature(UNSIGNED, OWN);
  restoreFields(item, itemNote(part));
  return item;
}

/** The text for `encrypted_content`. */
export function encryptedContent(signature: Signature, isRedacted: boolean | undefined): string {
  if (!isRedacted) return carrySignature(signature, OWN);
  return carrySignature({ origin: signature.origin, value: REDACTED_MARK + signature.value }, OWN);
}

/** The signature of a call or a text, carried by a reasoning item of its own. */
export function encodeLoneSignature(signature: Signature, shared: JsonObject): JsonObject {
  return { ...shared, type: "reasoning", summary: [], encrypted_content: carrySignature(signature, OWN) };
}

/** An image that the model made, as the item in which this format has it; undefined for one that is only named. */
export function encodeImageCall(part: ImagePart, shared: JsonObject): JsonObject | undefined {
  if (part.source.type !== "base64") return undefined;
  const item: JsonObject = { ...shared, type: "image_generation_call", result: part.source.data };
  restoreFields(item, itemNote(part));
  item.status ??= "completed";
  return item;
}

/**
 * The items of an assistant's turn in a request. What no item can say is a loss. `replayable`: calls of other providers'
 * own tools that may stand here as this one's.
 */
export function encodeHistory(
  turn: readonly OutputPart[],
  losses: Losses,
  replayable: ReadonlySet<string>,
): JsonObject[] {
  const items: JsonObject[] = [];
  let message: JsonObject[] | undefined;
  for (const part of withoutTold(turn, losses, replayable)) {
    loseForeignExtras(part.extras, OWN, losses, "messages");
    if (part.type === "text" || part.type === "refusal") {
      const note = itemNote(part);
      if (!message || note) {
        message = [];
        const item: JsonObject = { type: "message", role: "assistant", content: message };
        restoreFields(item, note);
        items.push(item);
      }
      message.push(encodeOutputContent(part, false));
      if (part.type === "text" && part.signature) losses.add("messages.signature");
      continue;
    }
    const item = encodeHistoryItem(part, losses);
    if (!item) continue;
    items.push(item);
    message = undefined;
  }
  return items;
}

/**
 * The turn with calls of providers' own tools as the items that also hold their results, or both as texts: the item of a
 * search names pages without their titles.
 */
function withoutTold(parts: readonly OutputPart[], losses: Losses, replayable: ReadonlySet<string>): OutputPart[] {
  if (!parts.some(isServerPart)) return parts as OutputPart[];
  const results = resultsByCall(parts);
  const told = new Set<string>();
  return parts.flatMap((part): OutputPart[] => {
    if (!isServerPart(part)) return [part];
    if (part.type === "server-result" && told.has(part.callId)) return [];
    if (part.type === "server-call") {
      const own = ownForm(part, OWN);
      if (own || replayable.has(part.id)) {
        told.add(part.id);
        if (!own) losses.add(`messages.${part.call.kind}`, "altered");
        const value = own ?? encodeServerItem(part, results.get(part.id)?.result);
        return [{ type: "opaque", dialect: OWN, value }];
      }
    }
    return [{ type: "text", text: inWords(part, losses) }];
  });
}

function encodeHistoryItem(part: Exclude<OutputPart, TextPart | RefusalPart>, losses: Losses): JsonObject | undefined {
  switch (part.type) {
    case "tool-call":
      if (part.signature && part.signature.origin !== OWN) losses.add("messages.signature");
      return encodeCall(part, {});
    case "thinking":
      if (part.signature?.origin === OWN || (!part.signature && itemNote(part)?.id !== undefined)) {
        return encodeReasoning(part, {}, false);
      }
      losses.add("messages.thinking");
      return undefined;
    case "opaque":
      if (part.dialect === OWN) return part.value;
      losses.add(`messages.${asString(part.value.type) ?? "opaque"}`);
      return undefined;
    case "image": {
      const item = itemNote(part)?.id === undefined ? undefined : encodeImageCall(part, {});
      if (!item) losses.add("messages.image");
      return item;
    }
    default:
      losses.add(`messages.${part.type}`);
      return undefined;
  }
}
