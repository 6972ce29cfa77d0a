/**
 * OpenAI refuses the wish for a JSON answer of no schema unless a message says the word; other formats ask without it.
 * The request encoders of both OpenAI formats add an instruction with it.
 */
import type { Json } from "../core/json.ts";

export const JSON_INSTRUCTION = "Answer with a single JSON value and nothing else.";

/** Whether any text inside says "json" in some form. */
export function speaksOfJson(messages: Json | undefined): boolean {
  if (typeof messages === "string") return /json/i.test(messages);
  if (typeof messages !== "object" || messages === null) return false;
  return Object.values(messages).some((inner) => speaksOfJson(inner));
}
