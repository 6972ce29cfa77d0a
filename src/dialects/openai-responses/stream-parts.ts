/**
 * Writers for the single parts of a Responses stream: texts within messages, reasoning, tool calls.
 * `stream-encode.ts` opens one for each part and closes it; parts come one after the other.
 */
import type { PartStart } from "../../core/event.ts";
import type { JsonObject } from "../../core/json.ts";
import { mergeExtras } from "../../core/reply.ts";
import type { Extras, Signature, TextPart, ThinkingPart, ToolCallPart } from "../../core/request.ts";
import { createInputUnwrapper, restoreToolCall } from "../tool-names.ts";
import { encodeAnnotation } from "./content.ts";
import { encodeOutputContent, encodeReasoning } from "./items-encode.ts";
import { encodeLogprobs, encodeRestoredCall, itemHead } from "./reply-encode.ts";
import {
  addItem,
  closeMessage,
  finishItem,
  type OpenMessage,
  type OpenWriter,
  type StreamState,
  write,
  writeLoneSignature,
} from "./stream-output.ts";
import { itemNote, own } from "./wire.ts";

/** Begins a part. */
export function createPartWriter(state: StreamState, start: PartStart): OpenWriter {
  switch (start.type) {
    case "text":
    case "refusal":
      return contentWriter(state, start.type, start.extras);
    case "audio":
      return contentWriter(state, "text", undefined);
    case "thinking":
      return thinkingWriter(state, start);
    case "tool-call":
      return callWriter(state, start);
  }
}

function openMessage(state: StreamState, extras: Extras | undefined): OpenMessage {
  if (state.message && !itemNote({ extras })) return state.message;
  closeMessage(state);
  const head = itemHead("message", { extras }, state.context, state.output.length);
  const item: JsonObject = { ...head, type: "message", status: "in_progress", role: "assistant", content: [] };
  const message: OpenMessage = { item, content: [], index: addItem(state, item) };
  state.message = message;
  return message;
}

function contentWriter(state: StreamState, type: "text" | "refusal", extras: Extras | undefined): OpenWriter {
  const message = openMessage(state, extras);
  const place = `"item_id":${JSON.stringify(message.item.id)},"output_index":${message.index},"content_index":${message.content.length}`;
  const deltaPrefix = `${place},"delta":`;
  const event = type === "text" ? "response.output_text" : "response.refusal";
  const suffix = type === "text" ? `,"logprobs":[]` : "";
  const part: TextPart = { type: "text", text: "", extras };
  let signature: Signature | undefined;
  const begun =
    type === "text"
      ? `{"type":"output_text","text":"","annotations":[],"logprobs":[]}`
      : `{"type":"refusal","refusal":""}`;
  write(state, "response.content_part.added", `${place},"part":${begun}`);
  return {
    delta(text) {
      part.text += text;
      write(state, `${event}.delta`, `${deltaPrefix}${JSON.stringify(text)}${suffix}`);
    },
    annotate(annotation) {
      part.annotations ??= [];
      const notes = part.annotations;
      const fields = `${place},"annotation_index":${notes.length},"annotation":${JSON.stringify(encodeAnnotation(annotation))}`;
      notes.push(annotation);
      write(state, "response.output_text.annotation.added", fields);
    },
    sign(given) {
      signature = given;
    },
    end(endExtras) {
      part.extras = mergeExtras(extras, endExtras);
      const piece = encodeOutputContent(type === "text" ? part : { ...part, type: "refusal" }, true);
      if (type === "text") piece.logprobs = encodeLogprobs(state.logprobs);
      const whole = JSON.stringify(part.text);
      const said =
        type === "text" ? `"text":${whole},"logprobs":${JSON.stringify(piece.logprobs)}` : `"refusal":${whole}`;
      write(state, `${event}.done`, `${place},${said}`);
      write(state, "response.content_part.done", `${place},"part":${JSON.stringify(piece)}`);
      state.logprobs = [];
      message.content.push(piece);
      Object.assign(message.item, itemNote(part), { id: message.item.id });
      if (signature) writeLoneSignature(state, signature);
    },
  };
}

function thinkingWriter(state: StreamState, start: Extract<PartStart, { type: "thinking" }>): OpenWriter {
  closeMessage(state);
  const head = itemHead("reasoning", start, state.context, state.output.length);
  const index = addItem(state, { ...head, type: "reasoning", summary: [] });
  const isContent = own(start)?.$content !== undefined;
  const where = isContent ? "content_index" : "summary_index";
  const place = `"item_id":${JSON.stringify(head.id)},"output_index":${index},"${where}":0`;
  const event = isContent ? "response.reasoning_text" : "response.reasoning_summary_text";
  const frame = isContent ? "response.content_part" : "response.reasoning_summary_part";
  const kind = isContent ? "reasoning_text" : "summary_text";
  const part: ThinkingPart = { ...start, text: "" };
  return {
    delta(text) {
      if (text === "") return;
      if (part.text === "") write(state, `${frame}.added`, `${place},"part":{"type":"${kind}","text":""}`);
      part.text += text;
      write(state, `${event}.delta`, `${place},"delta":${JSON.stringify(text)}`);
    },
    annotate() {},
    sign(signature) {
      part.signature = signature;
    },
    end(extras) {
      if (part.text !== "") {
        const whole = JSON.stringify(part.text);
        write(state, `${event}.done`, `${place},"text":${whole}`);
        write(state, `${frame}.done`, `${place},"part":{"type":"${kind}","text":${whole}}`);
      }
      part.extras = mergeExtras(start.extras, extras);
      finishItem(state, index, {
        ...encodeReasoning(part, itemHead("reasoning", part, state.context, index), true),
        id: head.id,
      });
    },
  };
}

/** A call's beginning is held until its first words are followed by something: its signature has to stand before it. */
function callWriter(state: StreamState, start: Extract<PartStart, { type: "tool-call" }>): OpenWriter {
  closeMessage(state);
  const call: ToolCallPart = { ...restoreToolCall(start, state.names()), arguments: "" };
  const unwrapper = call.kind === "custom" && start.kind === "function" ? createInputUnwrapper() : undefined;
  const isCustom = call.kind === "custom";
  const event = isCustom ? "response.custom_tool_call_input" : "response.function_call_arguments";
  let held: string | undefined = "";
  let index = -1;
  let place = "";

  function release(): void {
    if (held === undefined) return;
    const first = held;
    held = undefined;
    const item = encodeRestoredCall(call, state.context, state.output.length);
    item.status = "in_progress";
    if (!isCustom) item.arguments = "";
    index = addItem(state, item);
    place = `"item_id":${JSON.stringify(item.id)},"output_index":${index}`;
    tell(first);
  }

  function tell(text: string): void {
    const said = unwrapper ? unwrapper.push(text) : text;
    if (said === "") return;
    call.arguments += said;
    write(state, `${event}.delta`, `${place},"delta":${JSON.stringify(said)}`);
  }

  function tellRest(): void {
    const left = unwrapper?.end() ?? (!isCustom && call.arguments.trim() === "" ? "{}" : "");
    if (left === "") return;
    call.arguments += left;
    write(state, `${event}.delta`, `${place},"delta":${JSON.stringify(left)}`);
  }

  return {
    delta(text) {
      if (held === undefined) return tell(text);
      if (held === "") held = text;
      else {
        release();
        tell(text);
      }
    },
    annotate() {},
    sign(signature) {
      if (held !== undefined) writeLoneSignature(state, signature);
    },
    end(extras) {
      release();
      tellRest();
      call.extras = mergeExtras(start.extras, extras);
      finishCall(state, call, index, place);
    },
  };
}

function finishCall(state: StreamState, call: ToolCallPart, index: number, place: string): void {
  const whole = JSON.stringify(call.arguments);
  if (call.kind === "custom") write(state, "response.custom_tool_call_input.done", `${place},"input":${whole}`);
  else {
    const said = `${place},"name":${JSON.stringify(call.name)},"arguments":${whole}`;
    write(state, "response.function_call_arguments.done", said);
  }
  finishItem(state, index, { ...encodeRestoredCall(call, state.context, index), id: state.output[index]?.id });
}
