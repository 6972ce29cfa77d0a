/**
 * How a conversation begins: its instructions and its first question, which stay the same from turn to turn.
 * Routing tells conversations apart by it where the caller does not name them. One function serves the bodies of all formats.
 */
import { asArray, asObject, type Json, type JsonObject } from "../core/json.ts";

/** Beginnings that are alike for so long belong together. */
const MAX_CHARACTERS = 4096;
/** Parts of one message that are looked at. */
const MAX_PARTS = 32;
const MAX_DEPTH = 4;

/** The beginning as text, cut where it is long; empty where there is no conversation. */
export function openingOf(body: JsonObject): string {
  const system = body.system ?? body.instructions ?? body.systemInstruction ?? body.system_instruction;
  const turns = body.messages ?? body.input ?? body.contents;
  if (turns === undefined) return "";
  let text = textOf(system, MAX_CHARACTERS);
  if (typeof turns === "string") return `${text}\n${turns.slice(0, MAX_CHARACTERS)}`;
  for (const value of asArray(turns)) {
    const turn = asObject(value);
    if (!turn || text.length > MAX_CHARACTERS * 2) break;
    text += `\n${textOf(turn.content ?? turn.parts, MAX_CHARACTERS)}`;
    const role = turn.role ?? "user";
    if (role !== "system" && role !== "developer") break;
  }
  return text;
}

/** The text in a value: itself, or that of its parts. */
function textOf(value: Json | undefined, most: number, depth = 0): string {
  if (typeof value === "string") return value.slice(0, most);
  if (depth > MAX_DEPTH || typeof value !== "object" || value === null) return "";
  if (!Array.isArray(value)) return textOf(value.text ?? value.content ?? value.parts, most, depth + 1);
  let text = "";
  for (const part of value.slice(0, MAX_PARTS)) {
    text += textOf(part, most - text.length, depth + 1);
    if (text.length >= most) break;
  }
  return text;
}
