/**
 * A completions stream as canonical events, frame by frame; runs for every chunk of every stream.
 * The finish reason is held back until `[DONE]` or the end, since usage and other choices come after it.
 */
import type { CanonicalEvent } from "../../core/event.ts";
import type { SseFrame } from "../../core/frame.ts";
import {
  asArray,
  asNumber,
  asObject,
  asString,
  type Json,
  type JsonObject,
  setOwn,
  tryParse,
} from "../../core/json.ts";
import type { DecodeContext, StreamDecoder } from "../dialect.ts";
import { brokenReply, decodeInnerError } from "../openai-chat/error.ts";
import { decodeUsage, usageExtras } from "../openai-chat/usage.ts";
import { decodeLogprobs } from "./logprobs.ts";
import { decodeFinish } from "./reply.ts";
import { CHOICE_FIELDS, extrasOf, LATE, OWN, REPLY_FIELDS } from "./wire.ts";

const NOTHING: readonly CanonicalEvent[] = [];
/** As many answers as OpenAI gives to one request at most, counting its prompts; an index above it is nonsense. */
const MAX_CHOICES = 2048;

interface ChoiceState {
  readonly number: number;
  hasText: boolean;
  finish: string | undefined;
  stopReason: Json | undefined;
  /** Unknown fields of the choice; the last value of each counts. */
  extras: JsonObject | undefined;
}

interface State {
  events: CanonicalEvent[];
  isStarted: boolean;
  isOver: boolean;
  /** Unknown fields of the first chunk, and those that came or changed later. */
  readonly early: JsonObject;
  late: JsonObject | undefined;
  readonly choices: Map<number, ChoiceState>;
}

/** A decoder for one stream. */
export function streamDecoder(_context: DecodeContext): StreamDecoder {
  const state: State = {
    events: [],
    isStarted: false,
    isOver: false,
    early: { [OWN]: true },
    late: undefined,
    choices: new Map(),
  };
  const taken = (): readonly CanonicalEvent[] => {
    if (state.events.length === 0) return NOTHING;
    const { events } = state;
    state.events = [];
    return events;
  };
  return {
    frame(frame) {
      if (state.isOver) return NOTHING;
      pushFrame(state, frame);
      return taken();
    },
    end() {
      if (state.isOver) return NOTHING;
      if (hasFinish(state)) finish(state);
      else fail(state);
      return taken();
    },
  };
}

function pushFrame(state: State, frame: SseFrame): void {
  if (frame.data === "[DONE]" || frame.data.trim() === "[DONE]") {
    if (state.isStarted) finish(state);
    else fail(state);
    return;
  }
  const chunk = asObject(tryParse(frame.data));
  if (!chunk) return;
  const choices = asArray(chunk.choices);
  const usage = asObject(chunk.usage);
  if (choices.length > 0 || usage) startMessage(state, chunk);
  if (state.isStarted) noteLate(state, chunk);
  for (const value of choices) {
    const wire = asObject(value);
    if (wire) pushChoice(state, wire);
  }
  const counted = usage && decodeUsage(usage);
  if (usage && counted) state.events.push({ type: "usage", usage: counted, extras: extrasOf(usageExtras(usage)) });
  const holder = errorHolder(chunk, frame.event, choices);
  if (!holder) return;
  state.events.push({ type: "error", failure: decodeInnerError(holder) });
  state.isOver = true;
}

/** The object that holds an error: the chunk itself, or one of its choices. */
function errorHolder(chunk: JsonObject, event: string | undefined, choices: Json[]): JsonObject | undefined {
  if (chunk.error || event === "error") return chunk;
  for (const value of choices) {
    const choice = asObject(value);
    if (choice && asObject(choice.error)) return choice;
  }
  return undefined;
}

function startMessage(state: State, chunk: JsonObject): void {
  if (state.isStarted) return;
  state.isStarted = true;
  for (const key in chunk) {
    const value = chunk[key];
    if (value !== null && value !== undefined && !REPLY_FIELDS.has(key)) setOwn(state.early, key, value);
  }
  state.events.push({
    type: "message-start",
    id: asString(chunk.id) || undefined,
    model: asString(chunk.model) || undefined,
    createdAt: asNumber(chunk.created),
    extras: extrasOf(state.early),
  });
}

/** Keeps what the first chunk did not say. */
function noteLate(state: State, chunk: JsonObject): void {
  for (const key in chunk) {
    const value = chunk[key];
    if (value === null || value === undefined || REPLY_FIELDS.has(key)) continue;
    const before = Object.hasOwn(state.early, key) ? state.early[key] : undefined;
    if (before === value || (before !== undefined && typeof value === "object")) continue;
    state.late ??= {};
    setOwn(state.late, key, value);
  }
}

function choiceOf(state: State, index: unknown): ChoiceState {
  const number = typeof index === "number" && Number.isInteger(index) && index >= 0 && index < MAX_CHOICES ? index : 0;
  let choice = state.choices.get(number);
  if (!choice) {
    choice = { number, hasText: false, finish: undefined, stopReason: undefined, extras: undefined };
    state.choices.set(number, choice);
  }
  return choice;
}

function pushChoice(state: State, wire: JsonObject): void {
  const choice = choiceOf(state, wire.index);
  const place = { choice: choice.number, part: 0 };
  const { text, logprobs, finish_reason: word } = wire;
  if (typeof text === "string" && text !== "") {
    if (!choice.hasText) {
      choice.hasText = true;
      state.events.push({ type: "part-start", ...place, start: { type: "text" } });
    }
    state.events.push({ type: "text-delta", ...place, text });
  }
  if (logprobs) {
    const tokens = decodeLogprobs(logprobs);
    if (tokens.length > 0) state.events.push({ type: "logprobs", choice: choice.number, kind: "content", tokens });
  }
  if (typeof word === "string" && word !== "") choice.finish ??= word;
  for (const key in wire) {
    const value = wire[key];
    if (value === null || value === undefined || CHOICE_FIELDS.has(key)) continue;
    if (key === "stop_reason") choice.stopReason = value;
    choice.extras ??= {};
    setOwn(choice.extras, key, value);
  }
}

function hasFinish(state: State): boolean {
  for (const choice of state.choices.values()) if (choice.finish !== undefined) return true;
  return false;
}

function finish(state: State): void {
  state.isOver = true;
  if (state.choices.size === 0) choiceOf(state, 0);
  for (const { number, hasText } of state.choices.values()) {
    if (hasText) state.events.push({ type: "part-end", choice: number, part: 0 });
  }
  let late = state.late;
  for (const choice of state.choices.values()) {
    const fields = late ? { ...choice.extras, [LATE]: late } : choice.extras;
    late = undefined;
    state.events.push({
      type: "message-end",
      choice: choice.number,
      finish: decodeFinish(choice.finish, choice.stopReason),
      extras: extrasOf(fields),
    });
  }
}

function fail(state: State): void {
  state.isOver = true;
  const failure = brokenReply("incomplete_stream", "The upstream's stream ended before the answer was complete.");
  state.events.push({ type: "error", failure });
}
