/**
 * The words of Gemini's generateContent wire: enumerations, numbers that stand for them, marks and limits.
 * Decoders and encoders of this dialect share it; it holds no logic but look-ups.
 */
import type { FinishReason } from "../../core/event.ts";
import type { Json } from "../../core/json.ts";

export const GEMINI = "gemini";

/** A signature that tells the API not to check for one; documented for calls that no Gemini model made. */
export const SKIP_SIGNATURE = "skip_thought_signature_validator";

/** Texts that stand in the signature slot and are no signatures. */
export const PLACEHOLDER_SIGNATURES: ReadonlySet<string> = new Set([
  SKIP_SIGNATURE,
  "context_engineering_is_the_way_to_go",
]);

/** Begins every tool-call id that was made here because the wire had none; such an id is not sent to an upstream. */
export const MADE_ID_PREFIX = "callgm_";

/** The API takes no more stop sequences than this. */
export const MAX_STOP_SEQUENCES = 5;

/** Finish reasons by their number, as `enum-encoding=int` writes them (recorded: 1 and 2; the rest from the API's definition). */
const FINISH_BY_NUMBER: readonly string[] = [
  "FINISH_REASON_UNSPECIFIED",
  "STOP",
  "MAX_TOKENS",
  "SAFETY",
  "RECITATION",
  "OTHER",
  "BLOCKLIST",
  "PROHIBITED_CONTENT",
  "SPII",
  "MALFORMED_FUNCTION_CALL",
  "MODEL_ARMOR",
  "IMAGE_SAFETY",
  "IMAGE_PROHIBITED_CONTENT",
  "IMAGE_RECITATION",
  "IMAGE_OTHER",
  "UNEXPECTED_TOOL_CALL",
  "NO_IMAGE",
];

const FINISH_REASONS: Readonly<Record<string, FinishReason>> = {
  STOP: "stop",
  MAX_TOKENS: "length",
  SAFETY: "content-filter",
  RECITATION: "content-filter",
  BLOCKLIST: "content-filter",
  PROHIBITED_CONTENT: "content-filter",
  SPII: "content-filter",
  MODEL_ARMOR: "content-filter",
  IMAGE_SAFETY: "content-filter",
  IMAGE_PROHIBITED_CONTENT: "content-filter",
  IMAGE_RECITATION: "content-filter",
  MALFORMED_FUNCTION_CALL: "malformed-tool-call",
  UNEXPECTED_TOOL_CALL: "malformed-tool-call",
  TOO_MANY_TOOL_CALLS: "malformed-tool-call",
};

/** What a finish reason means, given by name or number; a word that nobody knows is `other`. */
export function finishReason(value: Json | undefined, hasToolCalls: boolean): FinishReason {
  const word = typeof value === "number" ? FINISH_BY_NUMBER[value] : value;
  const reason = typeof word === "string" && Object.hasOwn(FINISH_REASONS, word) ? FINISH_REASONS[word] : undefined;
  if (reason === "stop" && hasToolCalls) return "tool-calls";
  return reason ?? "other";
}

/** The word for a reason that came from another format. The API says STOP for tool calls too. */
export const FINISH_WORDS: Readonly<Record<FinishReason, string>> = {
  stop: "STOP",
  "tool-calls": "STOP",
  length: "MAX_TOKENS",
  "context-length": "MAX_TOKENS",
  "content-filter": "SAFETY",
  refusal: "SAFETY",
  "malformed-tool-call": "MALFORMED_FUNCTION_CALL",
  pause: "OTHER",
  other: "OTHER",
};

/** Modalities of token details by their number. */
export const MODALITY_BY_NUMBER: readonly string[] = ["TEXT", "TEXT", "IMAGE", "VIDEO", "AUDIO", "DOCUMENT"];

/** The generation of a model by its name (`gemini-2.5-pro` is 2); undefined for names that do not tell. */
export function generation(model: string): number | undefined {
  const digits = /gemini-(\d+)/.exec(model)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Whether the model belongs to generation 3 or later, which checks signatures and knows thinking levels. Unknown names do. */
export function isThirdGeneration(model: string): boolean {
  return (generation(model) ?? 3) >= 3;
}
