/**
 * Stop reasons of Messages and their canonical meaning, in both directions.
 * Replies and streams share it.
 */

import type { Finish, FinishReason } from "../../core/event.ts";
import { asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import type { Extras, RefusalPart } from "../../core/request.ts";
import { OWN } from "./wire.ts";

const REASONS: Record<string, FinishReason> = {
  end_turn: "stop",
  stop_sequence: "stop",
  tool_use: "tool-calls",
  max_tokens: "length",
  pause_turn: "pause",
  compaction: "pause",
  refusal: "refusal",
  model_context_window_exceeded: "context-length",
};

const WORDS: Record<FinishReason, string> = {
  stop: "end_turn",
  length: "max_tokens",
  "tool-calls": "tool_use",
  "content-filter": "refusal",
  refusal: "refusal",
  pause: "pause_turn",
  "context-length": "model_context_window_exceeded",
  "malformed-tool-call": "end_turn",
  other: "end_turn",
};

/**
 * Why the message ended. A stop with client tool calls in the message is `tool-calls`, whatever the wire says. A refusal that
 * nobody explains is a filter's: other formats would take the answer for a complete one.
 */
export function decodeFinish(
  wire: { reason: Json | undefined; sequence: Json | undefined },
  { hasCalls, isExplained }: { hasCalls: boolean; isExplained: boolean },
): Finish {
  const word = asString(wire.reason);
  const known = word !== undefined && Object.hasOwn(REASONS, word) ? (REASONS[word] as FinishReason) : "other";
  const reason = known === "refusal" && !isExplained ? "content-filter" : known;
  const sequence = asString(wire.sequence);
  return {
    reason: reason === "stop" && hasCalls ? "tool-calls" : reason,
    ...(sequence !== undefined && { stopSequence: sequence }),
    ...(word !== undefined && { native: { dialect: OWN, value: word } }),
  };
}

/** Says that the refusal is told by the message's end, so that this format does not tell it as a text too. */
const AT_END = "$atEnd";

/**
 * The refusal that a message's end tells; other formats tell it as content. `details` are the values of `stop_details` in
 * the order they came. Undefined for any other reason, and where nobody explains it.
 */
export function refusalAtEnd(reason: Json | undefined, ...details: (Json | undefined)[]): RefusalPart | undefined {
  if (reason !== "refusal") return undefined;
  const told = details.map((one) => asString(asObject(one)?.explanation)).findLast((text) => text?.trim());
  return told === undefined ? undefined : { type: "refusal", text: told, extras: { [OWN]: { [AT_END]: true } } };
}

/** Whether a refusal is one that the message's end tells. */
export function isAtEnd(of: { extras?: Extras }): boolean {
  const own: JsonObject | undefined = of.extras?.[OWN];
  return own?.[AT_END] === true;
}

/** `stop_reason` and `stop_sequence`: the wire's own words where they came from here; `tool_use` follows from the calls. */
export function encodeFinish(
  finish: Finish,
  hasCalls: boolean,
  refused: boolean,
): { stop_reason: string; stop_sequence: string | null } {
  const { native, stopSequence, reason } = finish;
  const own = native?.dialect === OWN ? asString(native.value) : undefined;
  let word = own ?? WORDS[reason];
  if (!own && stopSequence !== undefined && reason === "stop") word = "stop_sequence";
  if (!own && refused && word === "end_turn") word = "refusal";
  if (hasCalls && word === "end_turn") word = "tool_use";
  else if (!own && !hasCalls && word === "tool_use") word = "end_turn";
  return { stop_reason: word, stop_sequence: stopSequence ?? null };
}
