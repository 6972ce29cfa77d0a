/**
 * Streams of chunks as canonical events, frame by frame: what those of Chat and of the old text completions share.
 * The finish reason is held back until `[DONE]` or the end, since usage (and sometimes a second reason) comes after it.
 */
import type { CanonicalEvent } from "../../core/event.ts";
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
import type { Extras } from "../../core/request.ts";
import type { StreamDecoder } from "../dialect.ts";
import { brokenReply, decodeInnerError } from "./error.ts";
import { REPLY_FIELDS } from "./reply-decode.ts";
import { decodeUsage, usageExtras } from "./usage.ts";

const NOTHING: readonly CanonicalEvent[] = [];

/** All that is asked of a choice's state: the finish reason, once it came. */
interface AnyChoice {
  readonly finish: string | undefined;
}

/** What one format's chunks hold: how its choices are read, and whose its extras are. */
export interface ChunkFormat<Choice extends AnyChoice> {
  /** An index that is not below this is nonsense. */
  readonly maxChoices: number;
  /** Fields as the format's extras. */
  extrasOf(fields: JsonObject | undefined): Extras | undefined;
  /** The format's own notes in the message's extras. */
  readonly notes?: JsonObject;
  openChoice(number: number, emit: (event: CanonicalEvent) => void): Choice;
  /** Takes one chunk's part for a choice. */
  pushChoice(choice: Choice, wire: JsonObject): void;
  /** Ends the choice's open parts. */
  closeParts(choice: Choice): void;
  /** Ends the choice. `late` are the reply's fields that came after its first chunk; the first choice carries them. */
  endChoice(choice: Choice, late: JsonObject | undefined): void;
}

interface State<Choice extends AnyChoice> {
  readonly format: ChunkFormat<Choice>;
  events: CanonicalEvent[];
  isStarted: boolean;
  isOver: boolean;
  id: string | undefined;
  model: string | undefined;
  createdAt: number | undefined;
  /** Unknown fields up to the first chunk with content, and those that came or changed later. */
  early: JsonObject | undefined;
  late: JsonObject | undefined;
  readonly choices: Map<number, Choice>;
}

/** A decoder for one stream. */
export function chunkDecoder<Choice extends AnyChoice>(format: ChunkFormat<Choice>): StreamDecoder {
  const state: State<Choice> = {
    format,
    events: [],
    isStarted: false,
    isOver: false,
    id: undefined,
    model: undefined,
    createdAt: undefined,
    early: format.notes && { ...format.notes },
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
    frame({ data, event }) {
      if (state.isOver) return NOTHING;
      if (data === "[DONE]" || data.trim() === "[DONE]") end(state, state.isStarted);
      else pushChunk(state, asObject(tryParse(data)), event);
      return taken();
    },
    end() {
      if (state.isOver) return NOTHING;
      end(state, hasFinish(state));
      return taken();
    },
  };
}

function pushChunk<Choice extends AnyChoice>(
  state: State<Choice>,
  chunk: JsonObject | undefined,
  event: string | undefined,
): void {
  if (!chunk) return;
  noteHead(state, chunk);
  const choices = asArray(chunk.choices);
  if (choices.length > 0) startMessage(state);
  for (const value of choices) {
    const wire = asObject(value);
    if (wire) state.format.pushChoice(choiceOf(state, wire.index), wire);
  }
  const usage = chunk.usage ?? asObject(chunk.x_groq)?.usage ?? asObject(choices[0])?.usage;
  if (usage) pushUsage(state, asObject(usage));
  const holder = errorHolder(chunk, choices, event);
  if (!holder) return;
  state.events.push({ type: "error", failure: decodeInnerError(holder) });
  state.isOver = true;
}

/** The object that holds an error: the chunk itself, or one of its choices. */
function errorHolder(chunk: JsonObject, choices: Json[], event: string | undefined): JsonObject | undefined {
  if (chunk.error || event === "error") return chunk;
  for (const value of choices) {
    const choice = asObject(value);
    if (choice && asObject(choice.error)) return choice;
  }
  return undefined;
}

function noteHead<Choice extends AnyChoice>(state: State<Choice>, chunk: JsonObject): void {
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
    const before = state.early && Object.hasOwn(state.early, key) ? state.early[key] : undefined;
    if (before === value || (before !== undefined && typeof value === "object")) continue;
    state.late ??= {};
    setOwn(state.late, key, value);
  }
}

function startMessage<Choice extends AnyChoice>(state: State<Choice>): void {
  if (state.isStarted) return;
  state.isStarted = true;
  const { id, model, createdAt } = state;
  state.events.push({ type: "message-start", id, model, createdAt, extras: state.format.extrasOf(state.early) });
}

function choiceOf<Choice extends AnyChoice>(state: State<Choice>, index: unknown): Choice {
  const { choices, format } = state;
  const isIndex = typeof index === "number" && Number.isInteger(index) && index >= 0 && index < format.maxChoices;
  const number = isIndex ? index : 0;
  let choice = choices.get(number);
  if (!choice) {
    choice = format.openChoice(number, (event) => state.events.push(event));
    choices.set(number, choice);
  }
  return choice;
}

function pushUsage<Choice extends AnyChoice>(state: State<Choice>, wire: JsonObject | undefined): void {
  const usage = wire && decodeUsage(wire);
  if (!wire || !usage) return;
  startMessage(state);
  state.events.push({ type: "usage", usage, extras: state.format.extrasOf(usageExtras(wire)) });
}

function hasFinish<Choice extends AnyChoice>({ choices }: State<Choice>): boolean {
  for (const choice of choices.values()) if (choice.finish !== undefined) return true;
  return false;
}

/** The stream is over: with a whole answer, or cut off. */
function end<Choice extends AnyChoice>(state: State<Choice>, isComplete: boolean): void {
  state.isOver = true;
  if (!isComplete) {
    const failure = brokenReply("incomplete_stream", "The upstream's stream ended before the answer was complete.");
    state.events.push({ type: "error", failure });
    return;
  }
  const { choices, format } = state;
  if (choices.size === 0) choiceOf(state, 0);
  for (const choice of choices.values()) format.closeParts(choice);
  let { late } = state;
  for (const choice of choices.values()) {
    format.endChoice(choice, late);
    late = undefined;
  }
}
