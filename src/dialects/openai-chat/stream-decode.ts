/**
 * A Chat stream as canonical events, frame by frame; runs for every chunk of every stream.
 * The finish reason is held back until `[DONE]` or the end, since usage (and sometimes a second reason) comes after it.
 */
import type { CanonicalEvent } from "../../core/event.ts";
import type { SseFrame } from "../../core/frame.ts";
import { asArray, asNumber, asObject, asString, type JsonObject, setOwn, tryParse } from "../../core/json.ts";
import type { DecodeContext, StreamDecoder } from "../dialect.ts";
import { brokenReply, decodeInnerError } from "./error.ts";
import { REPLY_FIELDS } from "./reply-decode.ts";
import { type ChoiceState, closeParts, endChoice, openChoice, pushChoice } from "./stream-choice.ts";
import { decodeUsage, usageExtras } from "./usage.ts";
import { extrasOf } from "./wire.ts";

const NOTHING: readonly CanonicalEvent[] = [];
/** OpenAI's own limit for `n`; an index above it is nonsense. */
const MAX_CHOICES = 128;

interface State {
  readonly context: DecodeContext;
  events: CanonicalEvent[];
  isStarted: boolean;
  isOver: boolean;
  id: string | undefined;
  model: string | undefined;
  createdAt: number | undefined;
  /** Unknown fields up to the first chunk with content, and those that came or changed later. */
  early: JsonObject | undefined;
  late: JsonObject | undefined;
  readonly choices: Map<number, ChoiceState>;
}

/** A decoder for one stream. */
export function streamDecoder(context: DecodeContext): StreamDecoder {
  const state: State = {
    context,
    events: [],
    isStarted: false,
    isOver: false,
    id: undefined,
    model: undefined,
    createdAt: undefined,
    early: undefined,
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
  noteHead(state, chunk);
  const choices = asArray(chunk.choices);
  if (choices.length > 0) {
    startMessage(state);
    for (const value of choices) {
      const wire = asObject(value);
      if (wire) pushChoice(choiceOf(state, wire.index), wire);
    }
  }
  const usage = chunk.usage ?? asObject(chunk.x_groq)?.usage ?? asObject(choices[0])?.usage;
  if (usage) pushUsage(state, asObject(usage));
  const holder = errorHolder(chunk, frame.event);
  if (holder) {
    state.events.push({ type: "error", failure: decodeInnerError(holder) });
    state.isOver = true;
  }
}

/** The object that holds an error: the chunk itself, or one of its choices. */
function errorHolder(chunk: JsonObject, event: string | undefined): JsonObject | undefined {
  if (chunk.error || event === "error") return chunk;
  if (!Array.isArray(chunk.choices)) return undefined;
  for (const value of chunk.choices) {
    const choice = asObject(value);
    if (choice && asObject(choice.error)) return choice;
  }
  return undefined;
}

function noteHead(state: State, chunk: JsonObject): void {
  state.id ??= asString(chunk.id) || undefined;
  state.model ??= asString(chunk.model) || undefined;
  state.createdAt ??= asNumber(chunk.created);
  for (const key in chunk) {
    const value = chunk[key];
    if (value === null || value === undefined || REPLY_FIELDS.has(key)) continue;
    if (!state.isStarted) {
      state.early ??= {};
      setOwn(state.early, key, value);
      continue;
    }
    const before = state.early?.[key];
    if (before === value || (before !== undefined && typeof value === "object")) continue;
    state.late ??= {};
    setOwn(state.late, key, value);
  }
}

function startMessage(state: State): void {
  if (state.isStarted) return;
  state.isStarted = true;
  const { id, model, createdAt } = state;
  state.events.push({ type: "message-start", id, model, createdAt, extras: extrasOf(state.early) });
}

function choiceOf(state: State, index: unknown): ChoiceState {
  const number = typeof index === "number" && Number.isInteger(index) && index >= 0 && index < MAX_CHOICES ? index : 0;
  let choice = state.choices.get(number);
  if (!choice) {
    choice = openChoice(number, state.context.id, (event) => state.events.push(event));
    state.choices.set(number, choice);
  }
  return choice;
}

function pushUsage(state: State, wire: JsonObject | undefined): void {
  const usage = wire && decodeUsage(wire);
  if (!wire || !usage) return;
  startMessage(state);
  state.events.push({ type: "usage", usage, extras: extrasOf(usageExtras(wire)) });
}

function hasFinish(state: State): boolean {
  for (const choice of state.choices.values()) if (choice.finish !== undefined) return true;
  return false;
}

function finish(state: State): void {
  state.isOver = true;
  if (state.choices.size === 0) choiceOf(state, 0);
  for (const choice of state.choices.values()) closeParts(choice);
  let reply = state.late;
  for (const choice of state.choices.values()) {
    endChoice(choice, reply);
    reply = undefined;
  }
}

function fail(state: State): void {
  state.isOver = true;
  const failure = brokenReply("incomplete_stream", "The upstream's stream ended before the answer was complete.");
  state.events.push({ type: "error", failure });
}
