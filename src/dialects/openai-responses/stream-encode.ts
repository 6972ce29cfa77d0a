/**
 * Writes canonical events as an OpenAI Responses stream for a caller: every item announced, told in pieces, and whole.
 * Runs on every delta of a converted stream, so what repeats on each delta is made once for each part.
 */

import type { GatewayError } from "../../core/error.ts";
import type { CanonicalEvent } from "../../core/event.ts";
import type { JsonObject } from "../../core/json.ts";
import { createSequencer } from "../../core/sequence.ts";
import type { Usage } from "../../core/usage.ts";
import type { EncodeContext, StreamEncoder } from "../dialect.ts";
import { isCompacting, sealStream } from "./compaction.ts";
import { encodeStreamFailure } from "./error.ts";
import { pushPart } from "./reply-decode.ts";
import {
  echoText,
  finishOnWire,
  lazyNames,
  responseId,
  shellText,
  type WireFinish,
  wholeItem,
} from "./reply-encode.ts";
import { addItem, closeMessage, finishItem, type StreamState, write } from "./stream-output.ts";
import { createPartWriter } from "./stream-parts.ts";
import { beginServerItem, endServerItem } from "./stream-server.ts";
import { encodeUsage } from "./usage.ts";
import { OWN } from "./wire.ts";

type Told = Exclude<CanonicalEvent, { type: "error" }>;

/** See `Dialect`. */
export function streamEncoder(context: EncodeContext): StreamEncoder {
  const encoder = plainEncoder(context);
  return isCompacting(context.request) ? sealStream(encoder, context) : encoder;
}

function plainEncoder(context: EncodeContext): StreamEncoder {
  const state: StreamState = {
    context,
    names: lazyNames(context),
    out: "",
    sequence: 0,
    output: [],
    message: undefined,
    part: undefined,
    logprobs: [],
    running: new Map(),
    id: responseId(undefined, context),
    createdAt: context.createdAt,
    hasStarted: false,
    isOver: false,
    usage: "null",
    echoed: "",
  };
  const sequence = createSequencer();
  return {
    event(event) {
      if (state.isOver || ("choice" in event && event.choice !== 0)) return "";
      state.out = "";
      for (const told of sequence(event)) writeEvent(state, told as Told);
      return state.out;
    },
    end: () => "",
    error(error) {
      state.out = "";
      if (!state.isOver) writeFailure(state, error);
      return state.out;
    },
  };
}

function writeEvent(state: StreamState, event: Told): void {
  switch (event.type) {
    case "message-start":
      start(state, event);
      return;
    case "part-start":
      state.part = createPartWriter(state, event.start);
      return;
    case "part":
      writeWhole(state, event);
      return;
    case "usage":
      if (event.usage.source !== "none") state.usage = usageText(event.usage, event.extras?.[OWN]);
      return;
    case "logprobs":
      if (event.kind === "content") state.logprobs = state.logprobs.concat(event.tokens);
      return;
    case "message-end":
      finish(state, event);
      return;
    case "part-end":
      state.part?.end(event.extras);
      state.part = undefined;
      return;
    case "text-delta":
    case "thinking-delta":
      state.part?.delta(event.text);
      return;
    case "tool-call-delta":
      state.part?.delta(event.arguments);
      return;
    case "audio-delta":
      if (event.transcript) state.part?.delta(event.transcript);
      return;
    case "annotation":
      state.part?.annotate(event.annotation);
      return;
    case "signature":
      state.part?.sign(event.signature);
  }
}

function usageText(usage: Usage, extras: JsonObject | undefined): string {
  return JSON.stringify(encodeUsage(usage, extras));
}

function start(state: StreamState, event: Extract<Told, { type: "message-start" }>): void {
  if (state.hasStarted) return;
  state.hasStarted = true;
  state.id = responseId(event.id, state.context);
  state.createdAt = event.createdAt ?? state.context.createdAt;
  state.echoed = echoText(state.context.request, event.extras?.[OWN]);
  const response = `"response":${shell(state, { status: "in_progress", incomplete: null }, "[]", "null")}`;
  write(state, "response.created", response);
  write(state, "response.in_progress", response);
}

function shell(state: StreamState, finish: WireFinish & { error?: JsonObject }, output: string, usage: string): string {
  const { id, createdAt, echoed } = state;
  return shellText({ id, createdAt, model: state.context.model, ...finish }, output, usage, echoed);
}

function finish(state: StreamState, event: Extract<Told, { type: "message-end" }>): void {
  const told = finishOnWire(event.finish);
  for (const id of [...state.running.keys()]) endServerItem(state, id, undefined);
  closeMessage(state, told.status === "incomplete");
  const last = state.output.at(-1);
  if (told.status === "incomplete" && last?.type === "function_call") last.status = "incomplete";
  state.isOver = true;
  const extras = event.extras?.[OWN];
  if (extras) state.echoed = echoText(state.context.request, extras);
  const type = told.status === "incomplete" ? "response.incomplete" : "response.completed";
  write(state, type, `"response":${shell(state, told, JSON.stringify(state.output), state.usage)}`);
}

function writeFailure(state: StreamState, error: GatewayError): void {
  if (!state.hasStarted) start(state, { type: "message-start" });
  state.isOver = true;
  const { failed, event } = encodeStreamFailure(error, state.context.id);
  if (event) write(state, "error", `"error":${JSON.stringify(event)}`);
  const output = JSON.stringify(state.output);
  const finish = { status: "failed", incomplete: null, error: failed };
  write(state, "response.failed", `"response":${shell(state, finish, output, state.usage)}`);
}

function writeWhole(state: StreamState, event: Extract<Told, { type: "part" }>): void {
  const { value } = event;
  if (value.type === "text" || value.type === "refusal" || value.type === "tool-call") {
    const events: CanonicalEvent[] = [];
    pushPart(events, value, event.part);
    for (const one of events) writeEvent(state, one as Told);
    return;
  }
  if (value.type === "server-call") {
    beginServerItem(state, value);
    return;
  }
  if (value.type === "server-result") {
    endServerItem(state, value.callId, value.result);
    return;
  }
  const item = wholeItem(value, state.context, state.output.length);
  if (!item) return;
  closeMessage(state);
  finishItem(state, addItem(state, item), item);
}
