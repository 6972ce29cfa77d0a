/**
 * Reads a Messages event stream as canonical events, one frame at a time.
 * Blocks that only this dialect knows are assembled and come whole; the finish waits until the wire has ended.
 */
import type { CanonicalEvent } from "../../core/event.ts";
import type { SseFrame } from "../../core/frame.ts";
import { asArray, asObject, asString, type Json, type JsonObject, tryParse } from "../../core/json.ts";
import { readSlot } from "../../core/signature.ts";
import type { DecodeContext, StreamDecoder } from "../dialect.ts";
import { parseArguments } from "../partial-json.ts";
import { decodeBlock, sortCitations } from "./blocks-decode.ts";
import { failureOf } from "./error.ts";
import { decodeFinish, refusalAtEnd } from "./finish.ts";
import { decodeReply, endExtras, startExtras, withoutNulls } from "./reply.ts";
import { decodeUsage, mergeUsage } from "./usage.ts";
import { ASSEMBLED_INPUT, OWN, ownExtras, readBase } from "./wire.ts";

/** A block that has begun. `part` is absent for one that is being assembled. */
type OpenBlock =
  | { kind: "text"; part: number; length: number; citations: Json[] }
  | { kind: "thinking"; part: number }
  | { kind: "tool-call"; part: number; initial: JsonObject | undefined; sawInput: boolean }
  | { kind: "opaque"; value: JsonObject; input: string }
  | { kind: "done" };

interface State {
  started: boolean;
  over: boolean;
  parts: number;
  hasCalls: boolean;
  /** Usage as reported so far, in the wire's fields. */
  usage: JsonObject | undefined;
  ending: { reason: Json | undefined; sequence: Json | undefined; fields: JsonObject[] } | undefined;
  readonly open: Map<number, OpenBlock>;
  readonly context: DecodeContext;
}

const TEXT_START = new Set(["type", "text", "citations"]);
const THINKING_START = new Set(["type", "thinking", "signature"]);
const CALL_START = new Set(["type", "id", "name", "input"]);

/** A decoder for one stream. Never throws; frames after the end are ignored. */
export function createStreamDecoder(context: DecodeContext): StreamDecoder {
  const state: State = {
    started: false,
    over: false,
    parts: 0,
    hasCalls: false,
    usage: undefined,
    ending: undefined,
    open: new Map(),
    context,
  };
  return {
    frame(frame) {
      if (state.over) return [];
      const out: CanonicalEvent[] = [];
      readFrame(state, frame, out);
      return out;
    },
    end() {
      if (state.over) return [];
      state.over = true;
      const out: CanonicalEvent[] = [];
      if (state.ending) finish(state, out);
      else out.push({ type: "error", failure: incomplete() });
      return out;
    },
  };
}

function incomplete() {
  const message = "The upstream's stream ended before the message did.";
  return { kind: "server" as const, status: 502, message, code: "incomplete_stream" };
}

function readFrame(state: State, frame: SseFrame, out: CanonicalEvent[]): void {
  const data = asObject(tryParse(frame.data));
  if (!data) return;
  switch (data.type ?? frame.event) {
    case "content_block_delta":
      onDelta(state, data, out);
      return;
    case "content_block_start":
      start(state, undefined, out);
      onBlockStart(state, indexOf(data), asObject(data.content_block) ?? {}, out);
      return;
    case "content_block_stop":
      onBlockStop(state, indexOf(data), out);
      return;
    case "message_start":
      start(state, asObject(data.message), out);
      return;
    case "message_delta":
      onMessageDelta(state, data, out);
      return;
    case "message_stop":
      state.over = true;
      start(state, undefined, out);
      finish(state, out);
      return;
    case "message":
      if (state.started) return;
      state.over = true;
      out.push(...decodeReply(data, state.context));
      return;
    case "ping":
      return;
    default:
      if (data.type !== "error" && data.error == null) return;
      state.over = true;
      out.push({ type: "error", failure: failureOf(data) });
  }
}

function indexOf(data: JsonObject): number {
  return typeof data.index === "number" ? data.index : 0;
}

function start(state: State, message: JsonObject | undefined, out: CanonicalEvent[]): void {
  if (state.started) return;
  state.started = true;
  const model = asString(message?.model);
  out.push({
    type: "message-start",
    id: asString(message?.id) ?? state.context.id,
    ...(model !== undefined && { model }),
    ...(message && startExtras(message)),
  });
  const usage = asObject(message?.usage);
  if (usage) addUsage(state, usage, out);
}

function addUsage(state: State, raw: JsonObject, out: CanonicalEvent[]): void {
  state.usage = mergeUsage(state.usage, raw);
  out.push({ type: "usage", ...decodeUsage(state.usage) });
}

function onBlockStart(state: State, index: number, block: JsonObject, out: CanonicalEvent[]): void {
  if (state.open.get(index)) onBlockStop(state, index, out);
  switch (block.type) {
    case "text":
      startText(state, index, block, out);
      return;
    case "thinking":
      startThinking(state, index, block, out);
      return;
    case "tool_use":
      startCall(state, index, block, out);
      return;
    case "redacted_thinking":
    case "image":
    case "document": {
      const value = decodeBlock(block);
      if (value.type !== "text" && value.type !== "tool-call") whole(state, value, out);
      state.open.set(index, { kind: "done" });
      return;
    }
    default:
      state.open.set(index, { kind: "opaque", value: block, input: "" });
  }
}

function whole(state: State, value: Extract<CanonicalEvent, { type: "part" }>["value"], out: CanonicalEvent[]): void {
  out.push({ type: "part", choice: 0, part: state.parts++, value });
}

function startText(state: State, index: number, block: JsonObject, out: CanonicalEvent[]): void {
  const part = state.parts++;
  const text = asString(block.text) ?? "";
  state.open.set(index, { kind: "text", part, length: text.length, citations: asArray(block.citations) });
  out.push({ type: "part-start", choice: 0, part, start: { type: "text", ...extrasOf(block, TEXT_START) } });
  if (text) out.push({ type: "text-delta", choice: 0, part, text });
}

function startThinking(state: State, index: number, block: JsonObject, out: CanonicalEvent[]): void {
  const part = state.parts++;
  state.open.set(index, { kind: "thinking", part });
  out.push({ type: "part-start", choice: 0, part, start: { type: "thinking", ...extrasOf(block, THINKING_START) } });
  const text = asString(block.thinking);
  if (text) out.push({ type: "thinking-delta", choice: 0, part, text });
  const signature = readSlot(asString(block.signature), OWN);
  if (signature) out.push({ type: "signature", choice: 0, part, signature });
}

function startCall(state: State, index: number, block: JsonObject, out: CanonicalEvent[]): void {
  const part = state.parts++;
  const id = asString(block.id) || `toolu_${state.context.id}_${part}`;
  state.hasCalls = true;
  state.open.set(index, { kind: "tool-call", part, initial: asObject(block.input), sawInput: false });
  const name = asString(block.name) ?? "";
  const begin = { type: "tool-call", id, name, kind: "function", ...extrasOf(block, CALL_START) } as const;
  out.push({ type: "part-start", choice: 0, part, start: begin });
}

function extrasOf(block: JsonObject, known: ReadonlySet<string>) {
  return ownExtras(withoutNulls(readBase(block, known).extras?.[OWN]));
}

function onDelta(state: State, data: JsonObject, out: CanonicalEvent[]): void {
  const delta = asObject(data.delta);
  if (!delta) return;
  const index = indexOf(data);
  let block = state.open.get(index);
  if (!block) {
    const type = delta.type === "text_delta" ? "text" : delta.type === "thinking_delta" ? "thinking" : undefined;
    if (!type) return;
    start(state, undefined, out);
    onBlockStart(state, index, { type }, out);
    block = state.open.get(index);
  }
  switch (block?.kind) {
    case "text":
      if (delta.type === "text_delta" && typeof delta.text === "string" && delta.text !== "") {
        block.length += delta.text.length;
        out.push({ type: "text-delta", choice: 0, part: block.part, text: delta.text });
      } else if (delta.type === "citations_delta" && delta.citation != null) block.citations.push(delta.citation);
      return;
    case "thinking":
      onThinkingDelta(block.part, delta, out);
      return;
    case "tool-call":
      if (typeof delta.partial_json === "string" && delta.partial_json !== "") {
        block.sawInput = true;
        out.push({ type: "tool-call-delta", choice: 0, part: block.part, arguments: delta.partial_json });
      }
      return;
    case "opaque":
      growOpaque(block, delta);
  }
}

function onThinkingDelta(part: number, delta: JsonObject, out: CanonicalEvent[]): void {
  if (delta.type === "thinking_delta" && typeof delta.thinking === "string" && delta.thinking !== "") {
    out.push({ type: "thinking-delta", choice: 0, part, text: delta.thinking });
  } else if (delta.type === "signature_delta") {
    const signature = readSlot(asString(delta.signature), OWN);
    if (signature) out.push({ type: "signature", choice: 0, part, signature });
  }
}

/** Deltas of blocks that are not taken apart: input fragments and texts are joined, other fields are final values. */
function growOpaque(block: Extract<OpenBlock, { kind: "opaque" }>, delta: JsonObject): void {
  const { type, ...fields } = delta;
  if (type === "input_json_delta") {
    block.input += asString(delta.partial_json) ?? "";
    return;
  }
  const value = { ...block.value };
  const joins = type === "text_delta" || type === "thinking_delta";
  for (const key in fields) {
    const before = value[key];
    const after = fields[key];
    value[key] = joins && typeof before === "string" && typeof after === "string" ? before + after : after;
  }
  block.value = value;
}

function onBlockStop(state: State, index: number, out: CanonicalEvent[]): void {
  const block = state.open.get(index);
  if (!block) return;
  state.open.delete(index);
  switch (block.kind) {
    case "text":
      endText(block, out);
      return;
    case "thinking":
      out.push({ type: "part-end", choice: 0, part: block.part });
      return;
    case "tool-call":
      if (!block.sawInput) {
        const input = JSON.stringify(block.initial ?? {});
        out.push({ type: "tool-call-delta", choice: 0, part: block.part, arguments: input });
      }
      out.push({ type: "part-end", choice: 0, part: block.part });
      return;
    case "opaque":
      whole(state, decodeBlock(assembled(block)), out);
  }
}

function assembled({ value, input }: Extract<OpenBlock, { kind: "opaque" }>): JsonObject {
  if (input !== "") return { ...value, input: parseArguments(input).value };
  return ASSEMBLED_INPUT.has(asString(value.type) ?? "") && value.input === undefined ? { ...value, input: {} } : value;
}

/** Citations wait for the block's end: only then is it known how much text they cover. */
function endText(block: Extract<OpenBlock, { kind: "text" }>, out: CanonicalEvent[]): void {
  const place = { choice: 0, part: block.part };
  const { annotations, others } = sortCitations(block.citations, block.length);
  for (const annotation of annotations ?? []) out.push({ type: "annotation", ...place, annotation });
  out.push({ type: "part-end", ...place, ...(others && ownExtras({ citations: others })) });
}

function onMessageDelta(state: State, data: JsonObject, out: CanonicalEvent[]): void {
  start(state, undefined, out);
  const delta = asObject(data.delta);
  if (delta?.stop_reason != null) closeBlocks(state, out);
  const fields = [...(state.ending?.fields ?? []), data, ...(delta ? [delta] : [])];
  const reason = delta?.stop_reason ?? state.ending?.reason;
  if (reason != null || state.ending) {
    state.ending = { reason, sequence: delta?.stop_sequence ?? state.ending?.sequence, fields };
  }
  const usage = asObject(data.usage);
  if (usage) addUsage(state, usage, out);
}

function closeBlocks(state: State, out: CanonicalEvent[]): void {
  for (const index of [...state.open.keys()]) onBlockStop(state, index, out);
}

function finish(state: State, out: CanonicalEvent[]): void {
  closeBlocks(state, out);
  const { reason, sequence, fields = [] } = state.ending ?? {};
  const refusal = refusalAtEnd(reason, ...fields.map((place) => place.stop_details));
  if (refusal) {
    const { text, ...begun } = refusal;
    const place = { choice: 0, part: state.parts++ };
    out.push({ type: "part-start", ...place, start: begun });
    out.push({ type: "text-delta", ...place, text }, { type: "part-end", ...place });
  }
  out.push({
    type: "message-end",
    choice: 0,
    finish: decodeFinish({ reason, sequence }, { hasCalls: state.hasCalls, isExplained: refusal !== undefined }),
    ...endExtras(...fields),
  });
}
