/**
 * Decodes a stream of OpenAI Responses events. It runs on every frame of every stream, relayed ones included (for metering).
 * Items are told apart by `output_index`, since some upstreams change an item's id on the way; what an item's end says
 * that its deltas did not is told then, so an upstream without deltas reads the same.
 */
import type { CanonicalEvent, PartStart, TokenLogprob } from "../../core/event.ts";
import type { SseFrame } from "../../core/frame.ts";
import { asArray, asNumber, asObject, asString, type JsonObject, tryParse } from "../../core/json.ts";
import type { StreamDecoder } from "../dialect.ts";
import { decodeAnnotation } from "./content.ts";
import { streamFailure } from "./error.ts";
import { callStart, decodeItem, messageFields, reasoningNotes } from "./items-decode.ts";
import {
  decodeLogprobs,
  logprobsOf,
  messageStart,
  NO_TOKENS,
  noteSaid,
  nothingSaid,
  pushEnd,
  pushPart,
  type Said,
} from "./reply-decode.ts";
import { asExtras, type OutputPart } from "./wire.ts";

/** A part that has begun. */
interface OpenPart {
  readonly number: number;
  readonly kind: PartStart["type"];
  /** Its `content_index`. Bedrock counts from 1. */
  readonly index: number;
  /** UTF-16 units told so far, and citations. */
  length: number;
  annotations: number;
  isOpen: boolean;
}

/** An item of the output. */
interface ItemState {
  item: JsonObject;
  /** In the order they began; a call or a reasoning item has one. */
  readonly parts: OpenPart[];
  /** Which summary or content piece of a reasoning item spoke last. */
  piece: number;
  /** How many log probabilities were told. */
  logprobs: number;
  isDone: boolean;
}

interface State {
  readonly items: Map<number, ItemState>;
  events: CanonicalEvent[];
  nextPart: number;
  hasStarted: boolean;
  readonly said: Said;
  isOver: boolean;
}

/** Most items that one answer may have: a bound on what a stream can make us remember. */
const MAX_ITEMS = 10_000;
const NOTHING: readonly CanonicalEvent[] = [];

export function streamDecoder(): StreamDecoder {
  const state: State = {
    items: new Map(),
    events: [],
    nextPart: 0,
    hasStarted: false,
    said: nothingSaid(),
    isOver: false,
  };
  return {
    frame(frame) {
      if (state.isOver) return NOTHING;
      const data = asObject(tryParse(frame.data));
      if (!data) return NOTHING;
      state.events = [];
      readEvent(state, data, frame);
      return state.events;
    },
    end() {
      if (state.isOver) return NOTHING;
      state.isOver = true;
      const failure = { kind: "server" as const, status: 502, code: "incomplete_stream", message: "" };
      return [{ type: "error", failure }];
    },
  };
}

function readEvent(state: State, data: JsonObject, frame: SseFrame): void {
  switch (data.type ?? frame.event) {
    case "response.output_text.delta":
      readTextDelta(state, data, "text");
      return;
    case "response.refusal.delta":
      readTextDelta(state, data, "refusal");
      return;
    case "response.reasoning_summary_text.delta":
      readThinkingDelta(state, data, asNumber(data.summary_index) ?? 0, true);
      return;
    case "response.reasoning_text.delta":
      readThinkingDelta(state, data, asNumber(data.content_index) ?? 0, false);
      return;
    case "response.function_call_arguments.delta":
    case "response.custom_tool_call_input.delta":
      readCallDelta(state, data);
      return;
    case "response.output_text.annotation.added":
      readAnnotation(state, data);
      return;
    case "response.content_part.added":
      readContentPart(state, data);
      return;
    case "response.output_item.added":
      readItemAdded(state, data);
      return;
    case "response.output_item.done":
      readItemDone(state, data);
      return;
    case "response.created":
    case "response.queued":
    case "response.in_progress":
      begin(state, asObject(data.response));
      return;
    case "response.completed":
    case "response.incomplete":
    case "response.failed":
    case "response.cancelled":
      readEnd(state, asObject(data.response) ?? {}, data.type ?? frame.event);
      return;
    case "error":
      fail(state, data);
      return;
    default:
      if (data.type === undefined && data.error) fail(state, data);
  }
}

function begin(state: State, response: JsonObject | undefined): void {
  if (state.hasStarted) return;
  state.hasStarted = true;
  state.events.push(messageStart(response ?? {}));
}

function fail(state: State, data: JsonObject): void {
  state.isOver = true;
  state.events.push({ type: "error", failure: streamFailure(data) });
}

/** The item that an event belongs to; one that nobody announced is taken as begun. */
function itemOf(state: State, data: JsonObject, type: string): ItemState | undefined {
  const index = asNumber(data.output_index) ?? 0;
  const known = state.items.get(index);
  if (known) return known;
  if (state.items.size >= MAX_ITEMS) return undefined;
  begin(state, undefined);
  const id = asString(data.item_id);
  const item: JsonObject = id === undefined ? { type } : { type, id };
  const made: ItemState = { item, parts: [], piece: 0, logprobs: 0, isDone: false };
  state.items.set(index, made);
  return made;
}

function startPart(state: State, item: ItemState, index: number, start: PartStart): OpenPart {
  const part = { number: state.nextPart++, kind: start.type, index, length: 0, annotations: 0, isOpen: true };
  item.parts.push(part);
  state.events.push({ type: "part-start", choice: 0, part: part.number, start });
  return part;
}

/** The piece of content that an event belongs to. */
function contentOf(data: JsonObject, item: ItemState): OpenPart | undefined {
  const index = asNumber(data.content_index) ?? 0;
  const last = item.parts.at(-1);
  return last?.index === index ? last : item.parts.find((part) => part.index === index);
}

function startContent(state: State, item: ItemState, data: JsonObject, type: "text" | "refusal"): OpenPart {
  const before = item.parts.at(-1);
  if (before?.isOpen) endPart(state, before);
  const fields = before ? undefined : messageFields(item.item, true);
  const start = { type, ...asExtras(fields && { $item: fields }) };
  return startPart(state, item, asNumber(data.content_index) ?? 0, start);
}

function endPart(state: State, part: OpenPart, extras?: OutputPart["extras"]): void {
  part.isOpen = false;
  state.events.push({ type: "part-end", choice: 0, part: part.number, ...(extras && { extras }) });
}

function readContentPart(state: State, data: JsonObject): void {
  const piece = asObject(data.part);
  const type = piece?.type === "output_text" ? "text" : piece?.type === "refusal" ? "refusal" : undefined;
  if (!type) return;
  const item = itemOf(state, data, "message");
  if (!item || item.isDone) return;
  if (!contentOf(data, item) && item.parts.length < MAX_ITEMS) startContent(state, item, data, type);
}

function readTextDelta(state: State, data: JsonObject, type: "text" | "refusal"): void {
  const item = itemOf(state, data, "message");
  if (!item || item.isDone) return;
  const known = contentOf(data, item);
  if (!known && item.parts.length >= MAX_ITEMS) return;
  const part = known ?? startContent(state, item, data, type);
  const text = asString(data.delta);
  if (!part.isOpen || part.kind !== type) return;
  if (text) {
    part.length += text.length;
    state.events.push({ type: "text-delta", choice: 0, part: part.number, text });
  }
  if (!Array.isArray(data.logprobs) || data.logprobs.length === 0) return;
  const tokens = decodeLogprobs(data.logprobs);
  item.logprobs += tokens.length;
  if (tokens.length > 0) state.events.push({ type: "logprobs", choice: 0, kind: "content", tokens });
}

function readThinkingDelta(state: State, data: JsonObject, piece: number, isSummary: boolean): void {
  const item = itemOf(state, data, "reasoning");
  let text = asString(data.delta);
  if (!item || item.isDone || !text) return;
  let part = item.parts[0];
  if (!part) {
    const notes = reasoningNotes(item.item);
    const start: PartStart = isSummary
      ? { type: "thinking", ...asExtras(notes) }
      : { type: "thinking", ...asExtras({ ...notes, $content: [] }) };
    part = startPart(state, item, 0, start);
  } else if (item.piece !== piece) text = `\n\n${text}`;
  item.piece = piece;
  if (!part.isOpen || part.kind !== "thinking") return;
  part.length += text.length;
  state.events.push({ type: "thinking-delta", choice: 0, part: part.number, text });
}

function readCallDelta(state: State, data: JsonObject): void {
  const part = state.items.get(asNumber(data.output_index) ?? 0)?.parts[0];
  const text = asString(data.delta);
  if (!part?.isOpen || part.kind !== "tool-call" || !text) return;
  part.length += text.length;
  state.events.push({ type: "tool-call-delta", choice: 0, part: part.number, arguments: text });
}

function readAnnotation(state: State, data: JsonObject): void {
  const item = state.items.get(asNumber(data.output_index) ?? 0);
  const part = item && contentOf(data, item);
  const annotation = decodeAnnotation(data.annotation ?? null);
  if (!part?.isOpen || part.kind !== "text" || !annotation) return;
  part.annotations++;
  state.events.push({ type: "annotation", choice: 0, part: part.number, annotation });
}

function readItemAdded(state: State, data: JsonObject): void {
  const item = asObject(data.item);
  const index = asNumber(data.output_index) ?? state.items.size;
  if (!item || state.items.has(index) || state.items.size >= MAX_ITEMS) return;
  begin(state, undefined);
  const added: ItemState = { item, parts: [], piece: 0, logprobs: 0, isDone: false };
  state.items.set(index, added);
  if (item.type !== "function_call" && item.type !== "custom_tool_call") return;
  const start = callStart(item, true);
  if (!start) return;
  state.said.hasCalls = true;
  startPart(state, added, 0, start);
}

function readItemDone(state: State, data: JsonObject): void {
  const item = asObject(data.item);
  if (!item) return;
  begin(state, undefined);
  finishItem(state, asNumber(data.output_index) ?? state.items.size, item);
}

/** Tells what of the whole item was not told yet, and ends its parts. */
function finishItem(state: State, index: number, item: JsonObject): void {
  const known = state.items.get(index);
  if (known?.isDone || (!known && state.items.size >= MAX_ITEMS)) return;
  const parts = decodeItem(item, true);
  let tokens = logprobsOf(item);
  if (known && known.logprobs > 0) tokens = tokens.slice(known.logprobs);
  noteSaid(state.said, item, parts);
  state.items.set(index, { item: NO_ITEM, parts: [], piece: 0, logprobs: 0, isDone: true });
  for (const [place, part] of parts.entries()) {
    const open = known?.parts[place];
    if (!open) pushPart(state.events, part, state.nextPart++, tokens);
    else if (open.isOpen) completePart(state, open, part, tokens);
    tokens = NO_TOKENS;
  }
  for (const open of known?.parts.slice(parts.length) ?? []) if (open.isOpen) endPart(state, open);
}

const NO_ITEM: JsonObject = {};

function completePart(state: State, open: OpenPart, part: OutputPart, tokens: TokenLogprob[]): void {
  const place = { choice: 0, part: open.number };
  if (part.type === open.kind) {
    if ((part.type === "text" || part.type === "refusal") && part.text.length > open.length) {
      state.events.push({ type: "text-delta", ...place, text: part.text.slice(open.length) });
    } else if (part.type === "thinking" && part.text.length > open.length) {
      state.events.push({ type: "thinking-delta", ...place, text: part.text.slice(open.length) });
    } else if (part.type === "tool-call" && part.arguments.length > open.length) {
      state.events.push({ type: "tool-call-delta", ...place, arguments: part.arguments.slice(open.length) });
    }
    if (part.type === "text") {
      for (const annotation of part.annotations?.slice(open.annotations) ?? []) {
        state.events.push({ type: "annotation", ...place, annotation });
      }
    }
    if (part.type === "thinking" && part.signature) {
      state.events.push({ type: "signature", ...place, signature: part.signature });
    }
  }
  if (tokens.length > 0) state.events.push({ type: "logprobs", choice: 0, kind: "content", tokens });
  endPart(state, open, part.extras);
}

function readEnd(state: State, response: JsonObject, type: unknown): void {
  begin(state, response);
  const output = asArray(response.output);
  if (state.items.size < output.length || [...state.items.values()].some((item) => !item.isDone)) {
    for (const [index, value] of output.entries()) {
      const item = asObject(value);
      if (item) finishItem(state, index, item);
    }
  }
  for (const { parts } of state.items.values()) for (const part of parts) if (part.isOpen) endPart(state, part);
  state.isOver = true;
  response.status ??= typeof type === "string" ? type.slice("response.".length) : "completed";
  pushEnd(state.events, response, state.said, state.nextPart);
}
