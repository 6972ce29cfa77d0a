/**
 * Visible reasoning in Chat's many spellings: `reasoning_content`, `reasoning`, OpenRouter's `reasoning_details`.
 * Requests and replies both go through here, so that what one turn brought goes back verbatim with the next.
 *
 * A detail is a thinking part whose signature is the detail itself without its text, as JSON: so it survives any other
 * format on the way. A signature of another origin is a detail whose `signature` (or `data`) holds it wrapped.
 */
import { asObject, asString, type Json, type JsonObject, tryParse } from "../../core/json.ts";
import type { Signature, ThinkingPart } from "../../core/request.ts";
import { carrySignature, readSignature } from "../../core/signature.ts";
import { ID } from "./wire.ts";

/** The visible text of a detail. */
export function detailText(detail: JsonObject): string {
  return asString(detail.text) ?? asString(detail.summary) ?? "";
}

/** One detail as a part; undefined when it is no object. */
export function readDetail(value: Json | undefined): ThinkingPart | undefined {
  const detail = asObject(value);
  if (!detail) return undefined;
  const part: ThinkingPart = { type: "thinking", text: detailText(detail), signature: detailSignature(detail) };
  if (detail.type === "reasoning.summary") part.summary = true;
  if (detail.type === "reasoning.encrypted") part.redacted = true;
  return part;
}

/** What has to come back for a detail: its foreign signature unwrapped, or the detail without its text. */
export function detailSignature(detail: JsonObject): Signature {
  const slot = asString(detail.signature) ?? asString(detail.data);
  if (slot !== undefined) {
    const carried = readSignature(slot, ID);
    if (carried.origin !== ID) return carried;
  }
  const { text: _, summary: __, ...others } = detail;
  return { origin: ID, value: JSON.stringify(others) };
}

/** The part as a detail; undefined for a part without a signature. */
export function writeDetail(part: Omit<ThinkingPart, "type">, index: number): JsonObject | undefined {
  const { signature, text } = part;
  if (!signature) return undefined;
  const own = signature.origin === ID ? asObject(tryParse(signature.value)) : undefined;
  if (own) {
    if (own.type === "reasoning.encrypted") return own;
    return own.type === "reasoning.summary" ? { ...own, summary: text } : { ...own, text };
  }
  const carried = carrySignature(signature, ID);
  if (part.redacted) return { type: "reasoning.encrypted", data: carried, format: "unknown", index };
  const kind = part.summary ? { type: "reasoning.summary", summary: text } : { type: "reasoning.text", text };
  return { ...kind, signature: carried, format: "unknown", index };
}

/** The reasoning of a whole message. Details win; the plain fields repeat their text. */
export function readReasoning(message: JsonObject): ThinkingPart[] {
  const parts: ThinkingPart[] = [];
  for (const value of Array.isArray(message.reasoning_details) ? message.reasoning_details : []) {
    const part = readDetail(value);
    if (part) parts.push(part);
  }
  const plain = plainReasoning(message);
  if (plain && !parts.some((part) => part.text !== "")) parts.unshift({ type: "thinking", text: plain });
  return parts;
}

/** The text under one of the two plain names; empty when there is none. */
export function plainReasoning(message: JsonObject): string {
  return asString(message.reasoning_content) || asString(message.reasoning) || "";
}
