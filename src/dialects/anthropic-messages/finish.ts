/**
 * Stop reasons of Messages and their canonical meaning, in both directions.
 * Replies and streams share it.
 */

import type { Finish, FinishReason } from "../../core/event.ts";
import { asString, type Json } from "../../core/json.ts";
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

/** Why the message ended. A stop with client tool calls in the message is `tool-calls`, whatever the wire says. */
export function decodeFinish(reason: Json | undefined, stopSequence: Json | undefined, hasCalls: boolean): Finish {
  const word = asString(reason);
  const known = word !== undefined && Object.hasOwn(REASONS, word) ? (REASONS[word] as FinishReason) : "other";
  const sequence = asString(stopSequence);
  return {
    reason: known === "stop" && hasCalls ? "tool-calls" : known,
    ...(sequence !== undefined && { stopSequence: sequence }),
    ...(word !== undefined && { native: { dialect: OWN, value: word } }),
  };
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
