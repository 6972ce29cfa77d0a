/**
 * One answer of a Chat stream: deltas in, events of numbered parts out.
 * `stream-decode.ts` keeps one of these for each choice; it holds every call open until the end, since calls may interleave.
 */
import type { CanonicalEvent, PartStart } from "../../core/event.ts";
import { asArray, asNumber, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import { readSignature } from "../../core/signature.ts";
import { decodeAnnotation, decodeFinish, decodeImage, decodeLogprobs } from "./finish.ts";
import { detailSignature, detailText, plainReasoning, readDetail } from "./reasoning.ts";
import {
  CHOICE_FIELDS,
  callExtras,
  choiceExtras,
  LOGPROB_FIELDS,
  MESSAGE_FIELDS,
  thoughtSignature,
} from "./reply-decode.ts";
import { extrasOf, ID, joinedText, leftovers, sniffAudio } from "./wire.ts";

type Emit = (event: CanonicalEvent) => void;

interface OpenCall {
  /** Undefined until the call's name is known. */
  part: number | undefined;
  index: number | undefined;
  id: string | undefined;
  kind: "function" | "custom";
  /** Arguments that came before the name. */
  early: string;
  extras: JsonObject | undefined;
}

interface OpenThinking {
  part: number;
  text: string;
  detail: JsonObject | undefined;
}

/** What one choice has open and has said. */
export interface ChoiceState {
  readonly choice: number;
  readonly id: string;
  readonly emit: Emit;
  parts: number;
  text: number | undefined;
  refusal: number | undefined;
  thinking: OpenThinking | undefined;
  audio: { part: number; extras: JsonObject | undefined } | undefined;
  readonly calls: OpenCall[];
  finish: string | undefined;
  hasRefusal: boolean;
  own: JsonObject | undefined;
  message: JsonObject | undefined;
  logprobs: JsonObject | undefined;
  annotations: Json[];
}

/** A choice that has said nothing yet. `id` is the gateway's, for calls that come without one. */
export function openChoice(choice: number, id: string, emit: Emit): ChoiceState {
  return {
    choice,
    id,
    emit,
    parts: 0,
    text: undefined,
    refusal: undefined,
    thinking: undefined,
    audio: undefined,
    calls: [],
    finish: undefined,
    hasRefusal: false,
    own: undefined,
    message: undefined,
    logprobs: undefined,
    annotations: [],
  };
}

/** Takes one chunk's part for this choice. */
export function pushChoice(state: ChoiceState, wire: JsonObject): void {
  const delta = asObject(wire.delta) ?? (state.parts === 0 ? asObject(wire.message) : undefined);
  if (delta) pushDelta(state, delta);
  const { finish_reason: finish, logprobs } = wire;
  if (typeof finish === "string") state.finish = finish;
  if (logprobs) pushLogprobs(state, logprobs);
  const own = leftovers(wire, CHOICE_FIELDS);
  if (own) state.own = { ...state.own, ...own };
}

function pushDelta(state: ChoiceState, delta: JsonObject): void {
  const { content } = delta;
  if (delta.reasoning_details) pushDetails(state, delta);
  else {
    const plain = plainReasoning(delta);
    if (plain) pushThinking(state, plain);
  }
  if (typeof content === "string") pushText(state, content);
  else if (Array.isArray(content)) for (const part of content) pushPart(state, asObject(part));
  const refusal = delta.refusal;
  if (typeof refusal === "string" && refusal !== "") pushRefusal(state, refusal);
  if (delta.tool_calls) for (const call of asArray(delta.tool_calls)) pushCall(state, asObject(call), false);
  if (delta.function_call) pushCall(state, { function: delta.function_call }, true);
  if (delta.annotations) for (const note of asArray(delta.annotations)) pushAnnotation(state, note);
  if (delta.images) for (const image of asArray(delta.images)) pushImage(state, image);
  if (delta.audio) pushAudio(state, asObject(delta.audio));
  const own = leftovers(delta, MESSAGE_FIELDS);
  if (own) state.message = { ...state.message, ...own };
}

function start(state: ChoiceState, begin: PartStart): number {
  const part = state.parts++;
  state.emit({ type: "part-start", choice: state.choice, part, start: begin });
  return part;
}

function pushText(state: ChoiceState, text: string): void {
  if (text === "") return;
  state.emit({ type: "text-delta", choice: state.choice, part: openText(state), text });
}

function openText(state: ChoiceState): number {
  if (state.text === undefined) {
    closeThinking(state);
    state.text = start(state, { type: "text" });
  }
  return state.text;
}

function pushRefusal(state: ChoiceState, text: string): void {
  state.hasRefusal = true;
  state.refusal ??= start(state, { type: "refusal" });
  state.emit({ type: "text-delta", choice: state.choice, part: state.refusal, text });
}

function openThinking(state: ChoiceState, detail: JsonObject | undefined): OpenThinking {
  closeText(state);
  const summary = detail?.type === "reasoning.summary";
  const part = start(state, summary ? { type: "thinking", summary } : { type: "thinking" });
  state.thinking = { part, text: "", detail };
  return state.thinking;
}

function pushThinking(state: ChoiceState, text: string): void {
  if (state.thinking?.detail) closeThinking(state);
  addThought(state, state.thinking ?? openThinking(state, undefined), text);
}

function addThought(state: ChoiceState, open: OpenThinking, text: string): void {
  if (text === "") return;
  open.text += text;
  state.emit({ type: "thinking-delta", choice: state.choice, part: open.part, text });
}

/** Details come in pieces with an index each. One that repeats the text streamed before (ours) brings its signature. */
function pushDetails(state: ChoiceState, delta: JsonObject): void {
  const details = asArray(delta.reasoning_details).map(asObject);
  const plain = plainReasoning(delta);
  if (plain && !details.some((detail) => detail && detailText(detail) !== "")) pushThinking(state, plain);
  for (const detail of details) {
    if (!detail) continue;
    if (detail.type === "reasoning.encrypted") {
      pushWhole(state, readDetail(detail));
      continue;
    }
    const open = state.thinking;
    const text = detailText(detail);
    if (open?.detail && open.detail.type === detail.type && open.detail.index === detail.index) {
      open.detail = mergeDetail(open.detail, detail);
      addThought(state, open, text);
    } else if (open && !open.detail && open.text === text) open.detail = detail;
    else {
      closeThinking(state);
      addThought(state, openThinking(state, detail), text);
    }
  }
}

function mergeDetail(first: JsonObject, second: JsonObject): JsonObject {
  const merged = { ...first };
  for (const key in second) if (second[key] !== null && second[key] !== undefined) merged[key] = second[key];
  return merged;
}

type Whole = Extract<CanonicalEvent, { type: "part" }>["value"];

function pushWhole(state: ChoiceState, value: Whole | undefined): void {
  if (!value) return;
  closeFlow(state);
  state.emit({ type: "part", choice: state.choice, part: state.parts++, value });
}

function pushImage(state: ChoiceState, value: Json): void {
  pushWhole(state, decodeImage(value));
}

/** A piece of a content array (Mistral). */
function pushPart(state: ChoiceState, wire: JsonObject | undefined): void {
  if (wire?.type === "thinking") {
    const text = joinedText(wire.thinking);
    if (text) pushThinking(state, text);
  } else if (wire?.type === "text") pushText(state, asString(wire.text) ?? "");
  else if (wire?.type === "image_url") pushImage(state, wire);
  else if (wire) pushWhole(state, { type: "opaque", dialect: ID, value: wire });
}

function pushAnnotation(state: ChoiceState, value: Json): void {
  const annotation = decodeAnnotation(value);
  if (!annotation) state.annotations.push(value);
  else state.emit({ type: "annotation", choice: state.choice, part: openText(state), annotation });
}

const AUDIO_FIELDS = new Set(["data", "transcript"]);

function pushAudio(state: ChoiceState, wire: JsonObject | undefined): void {
  const data = asString(wire?.data) || undefined;
  const transcript = asString(wire?.transcript) || undefined;
  if (!wire || (!data && !transcript && !wire.id)) return;
  state.audio ??= { part: start(state, { type: "audio", mediaType: sniffAudio(data ?? "") }), extras: undefined };
  const { audio } = state;
  const own = leftovers(wire, AUDIO_FIELDS);
  if (own) audio.extras = { ...audio.extras, ...own };
  if (data || transcript) {
    state.emit({ type: "audio-delta", choice: state.choice, part: audio.part, data, transcript });
  }
}

const LEGACY_INDEX = -1;

/** The call that a delta belongs to. Imitators leave out the index, or give every call the same. */
function findCall(state: ChoiceState, index: number | undefined, id: string | undefined, name: string | undefined) {
  const { calls } = state;
  const isNew = (call: OpenCall) => id !== undefined && call.id !== undefined && id !== call.id && name !== undefined;
  if (index !== undefined) {
    for (let at = calls.length - 1; at >= 0; at--) {
      const call = calls[at] as OpenCall;
      if (call.index === index) return isNew(call) ? undefined : call;
    }
    return undefined;
  }
  if (id !== undefined) return calls.find((call) => call.id === id);
  return name === undefined ? calls.at(-1) : undefined;
}

function pushCall(state: ChoiceState, wire: JsonObject | undefined, isLegacy: boolean): void {
  if (!wire) return;
  const custom = wire.type === "custom" || !wire.function ? asObject(wire.custom) : undefined;
  const inner = custom ?? asObject(wire.function);
  const id = asString(wire.id) || undefined;
  const name = asString(inner?.name) || undefined;
  const index = isLegacy ? LEGACY_INDEX : asNumber(wire.index);
  let call = findCall(state, index, id, name);
  if (!call) {
    call = { part: undefined, index, id, kind: custom ? "custom" : "function", early: "", extras: callExtras(wire) };
    state.calls.push(call);
  }
  const text = custom ? custom.input : inner?.arguments;
  const pieces = typeof text === "string" ? text : asObject(text) ? JSON.stringify(text) : "";
  if (call.part === undefined) {
    call.id ??= id;
    call.early += pieces;
    if (name !== undefined) startCall(state, call, name);
  } else if (pieces !== "") {
    state.emit({ type: "tool-call-delta", choice: state.choice, part: call.part, arguments: pieces });
  }
  const signature = thoughtSignature(wire);
  if (signature && call.part !== undefined) {
    const value = readSignature(signature, "gemini");
    state.emit({ type: "signature", choice: state.choice, part: call.part, signature: value });
  }
}

function startCall(state: ChoiceState, call: OpenCall, name: string): void {
  closeFlow(state);
  const { kind, early } = call;
  const id = call.id ?? `call_${state.id}_${state.choice}_${state.parts}`;
  const extras = extrasOf(call.extras);
  call.part = start(state, { type: "tool-call", id, name, kind, ...(extras && { extras }) });
  if (early !== "") state.emit({ type: "tool-call-delta", choice: state.choice, part: call.part, arguments: early });
}

function pushLogprobs(state: ChoiceState, value: Json): void {
  const wire = asObject(value);
  if (!wire) return;
  for (const kind of ["content", "refusal"] as const) {
    const tokens = decodeLogprobs(wire[kind]);
    if (tokens.length > 0) state.emit({ type: "logprobs", choice: state.choice, kind, tokens });
  }
  const own = leftovers(wire, LOGPROB_FIELDS);
  if (own) state.logprobs = { ...state.logprobs, ...own };
}

function endPart(state: ChoiceState, part: number): void {
  state.emit({ type: "part-end", choice: state.choice, part });
}

function closeText(state: ChoiceState): void {
  if (state.text !== undefined) endPart(state, state.text);
  state.text = undefined;
}

function closeThinking(state: ChoiceState): void {
  const { thinking: open } = state;
  if (!open) return;
  if (open.detail) {
    const signature = detailSignature(open.detail);
    state.emit({ type: "signature", choice: state.choice, part: open.part, signature });
  }
  endPart(state, open.part);
  state.thinking = undefined;
}

/** Ends what is read as one flow: text, thinking and refusal. Calls stay open. */
function closeFlow(state: ChoiceState): void {
  closeThinking(state);
  closeText(state);
  if (state.refusal !== undefined) endPart(state, state.refusal);
  state.refusal = undefined;
}

/** Ends every open part. A call whose name never came is given up. */
export function closeParts(state: ChoiceState): void {
  closeFlow(state);
  if (state.audio) {
    const { part, extras } = state.audio;
    state.emit({ type: "part-end", choice: state.choice, part, extras: extrasOf(extras) });
    state.audio = undefined;
  }
  for (const call of state.calls) if (call.part !== undefined) endPart(state, call.part);
}

/** The choice's last event; `reply` is what belongs to the whole answer and came after its beginning. */
export function endChoice(state: ChoiceState, reply: JsonObject | undefined): void {
  const hasCalls = state.calls.some((call) => call.part !== undefined);
  const extras = choiceExtras(
    { ...state.own, ...(reply && { $reply: reply }) },
    state.message,
    state.annotations,
    state.logprobs,
  );
  const finish = decodeFinish(state.finish, hasCalls, state.hasRefusal);
  state.emit({ type: "message-end", choice: state.choice, finish, extras });
}
