/**
 * Canonical events as a Chat stream for a caller: role first, deltas, a finish reason for each choice, usage on request, `[DONE]`.
 * Runs for every event of every converted stream, so chunks are put together as text.
 */
import type { GatewayError } from "../../core/error.ts";
import type { CanonicalEvent } from "../../core/event.ts";
import { asObject, type JsonObject } from "../../core/json.ts";
import type { ThinkingPart } from "../../core/request.ts";
import { carrySignature } from "../../core/signature.ts";
import type { Usage } from "../../core/usage.ts";
import type { EncodeContext, StreamEncoder } from "../dialect.ts";
import { createInputUnwrapper, type InputUnwrapper, type ToolNames, toolNames } from "../tool-names.ts";
import { chunkHead, encodeEnd, moreFields } from "./chunks-encode.ts";
import { encodeStreamError } from "./error.ts";
import { encodeAnnotation, encodeFinish, encodeImage, encodeLogprobs } from "./finish.ts";
import { writeDetail } from "./reasoning.ts";
import { completionId, encodeAudio, encodeCall, signatureContent } from "./reply-encode.ts";
import { usesLegacyFunctions } from "./request-decode.ts";
import { addExtras, ID } from "./wire.ts";

type Event = Exclude<CanonicalEvent, { type: "error" }>;
type Start = Extract<Event, { type: "part-start" }>;

interface OpenPart {
  readonly type: "text" | "refusal" | "thinking" | "tool-call" | "audio";
  /** Of a call: its number among the choice's calls. */
  readonly call: number;
  readonly isCustom: boolean;
  readonly unwrapper: InputUnwrapper | undefined;
  /** Of thinking: what was said, for its detail. Of text: the length of the text before it. */
  said: string;
  readonly shift: number;
  readonly summary: boolean;
}

interface ChoiceState {
  readonly parts: Map<number, OpenPart>;
  calls: number;
  details: number;
  textLength: number;
}

interface State {
  readonly context: EncodeContext;
  readonly names: ToolNames;
  readonly isLegacy: boolean;
  /** The text of a chunk up to its choices. */
  head: string;
  /** Fields that only the first chunk carries. */
  first: string;
  readonly choices: Map<number, ChoiceState>;
  usage: Usage | undefined;
  usageExtras: JsonObject | undefined;
}

/** An encoder for one stream. */
export function streamEncoder(context: EncodeContext): StreamEncoder {
  const state: State = {
    context,
    names: toolNames(context.request.tools),
    isLegacy: usesLegacyFunctions(context.request),
    head: headOf(completionId(undefined, context), context.createdAt, context),
    first: "",
    choices: new Map(),
    usage: undefined,
    usageExtras: undefined,
  };
  return {
    event: (event) => encodeEvent(state, event),
    end: () => encodeEnd(state),
    error: (error: GatewayError) => encodeStreamError(error, context.id),
  };
}

function headOf(id: string, createdAt: number, context: EncodeContext): string {
  return chunkHead("chat.completion.chunk", id, createdAt, context);
}

/** A chunk with one delta, given as JSON text. */
function chunk(state: State, choice: number, delta: string, finish = "null", more = ""): string {
  return `${state.head}"choices":[{"index":${choice},"delta":${delta},"logprobs":null,"finish_reason":${finish}${more}}]}\n\n`;
}

/** A choice begins with its role, as OpenAI's do. */
function choiceOf(state: State, number: number): { choice: ChoiceState; role: string } {
  const known = state.choices.get(number);
  if (known) return { choice: known, role: "" };
  const choice: ChoiceState = { parts: new Map(), calls: 0, details: 0, textLength: 0 };
  state.choices.set(number, choice);
  const extras = state.first;
  state.first = "";
  const delta = `{"role":"assistant","content":"","refusal":null}`;
  const text = `${state.head}"choices":[{"index":${number},"delta":${delta},"logprobs":null,"finish_reason":null}]${extras}}\n\n`;
  return { choice, role: text };
}

function encodeEvent(state: State, event: Event): string {
  switch (event.type) {
    case "message-start":
      return startMessage(state, event);
    case "usage":
      state.usage = event.usage;
      state.usageExtras = event.extras?.[ID] ?? state.usageExtras;
      return "";
    default: {
      const { choice, role } = choiceOf(state, event.choice);
      return role + encodeInChoice(state, choice, event);
    }
  }
}

function startMessage(state: State, event: Extract<Event, { type: "message-start" }>): string {
  const own = event.extras?.[ID];
  // Only this format's ids begin like this; another upstream's would be taken for one.
  if (event.id && (own || event.id.startsWith("chatcmpl"))) {
    state.head = headOf(event.id, event.createdAt ?? state.context.createdAt, state.context);
  }
  state.first = moreFields(own);
  return choiceOf(state, 0).role;
}

function encodeInChoice(
  state: State,
  choice: ChoiceState,
  event: Exclude<Event, { type: "message-start" | "usage" }>,
): string {
  switch (event.type) {
    case "text-delta": {
      const part = choice.parts.get(event.part);
      if (!part || event.text === "") return "";
      const field = part.type === "refusal" ? "refusal" : "content";
      if (field === "content") choice.textLength += event.text.length;
      return chunk(state, event.choice, `{"${field}":${JSON.stringify(event.text)}}`);
    }
    case "thinking-delta": {
      const part = choice.parts.get(event.part);
      if (!part || event.text === "") return "";
      part.said += event.text;
      return chunk(state, event.choice, `{"reasoning_content":${JSON.stringify(event.text)}}`);
    }
    case "tool-call-delta":
      return callDelta(state, choice, event.choice, event.part, event.arguments);
    case "part-start":
      return startPart(state, choice, event);
    case "part-end":
      return endPart(state, choice, event.choice, event.part);
    case "signature":
      return signature(state, choice, event);
    case "annotation": {
      const wire = encodeAnnotation(event.annotation, choice.parts.get(event.part)?.shift ?? 0);
      return chunk(state, event.choice, `{"annotations":[${JSON.stringify(wire)}]}`);
    }
    case "audio-delta": {
      const audio: JsonObject = { id: "audio" };
      if (event.data !== undefined) audio.data = event.data;
      if (event.transcript !== undefined) audio.transcript = event.transcript;
      return chunk(state, event.choice, `{"audio":${JSON.stringify(audio)}}`);
    }
    case "logprobs": {
      const tokens = JSON.stringify(encodeLogprobs(event.tokens));
      const both =
        event.kind === "content" ? `"content":${tokens},"refusal":null` : `"content":null,"refusal":${tokens}`;
      return `${state.head}"choices":[{"index":${event.choice},"delta":{},"logprobs":{${both}},"finish_reason":null}]}\n\n`;
    }
    case "part":
      return wholePart(state, choice, event);
    case "message-end":
      return endMessage(state, event);
  }
}

function startPart(state: State, choice: ChoiceState, { choice: number, part, start }: Start): string {
  const open: OpenPart = {
    type: start.type,
    call: -1,
    isCustom: false,
    unwrapper: undefined,
    said: "",
    shift: choice.textLength,
    summary: start.type === "thinking" && start.summary === true,
  };
  if (start.type !== "tool-call") {
    choice.parts.set(part, open);
    return "";
  }
  const offered =
    start.kind === "function" && start.namespace === undefined ? state.names.restore(start.name) : undefined;
  const name = offered?.name ?? start.name;
  const isCustom = start.kind === "custom" || offered?.kind === "custom";
  const unwrapper = isCustom && start.kind === "function" ? createInputUnwrapper() : undefined;
  const call = choice.calls++;
  choice.parts.set(part, { ...open, call, isCustom, unwrapper });
  if (state.isLegacy) {
    return chunk(state, number, `{"function_call":{"name":${JSON.stringify(name)},"arguments":""}}`);
  }
  const wire = encodeCall({
    ...start,
    name,
    kind: isCustom ? "custom" : "function",
    arguments: "",
  });
  return chunk(state, number, `{"tool_calls":[{"index":${call},${JSON.stringify(wire).slice(1)}]}`);
}

function callDelta(state: State, choice: ChoiceState, number: number, part: number, text: string): string {
  const open = choice.parts.get(part);
  const piece = open?.unwrapper ? open.unwrapper.push(text) : text;
  return open ? callPiece(state, number, open, piece) : "";
}

function callPiece(state: State, number: number, open: OpenPart, piece: string): string {
  if (piece === "") return "";
  const text = JSON.stringify(piece);
  if (state.isLegacy) return chunk(state, number, `{"function_call":{"arguments":${text}}}`);
  const inner = open.isCustom ? `"type":"custom","custom":{"input":${text}}` : `"function":{"arguments":${text}}`;
  return chunk(state, number, `{"tool_calls":[{"index":${open.call},${inner}}]}`);
}

function endPart(state: State, choice: ChoiceState, number: number, part: number): string {
  const open = choice.parts.get(part);
  choice.parts.delete(part);
  return open?.unwrapper ? callPiece(state, number, open, open.unwrapper.end()) : "";
}

function signature(state: State, choice: ChoiceState, event: Extract<Event, { type: "signature" }>): string {
  const open = choice.parts.get(event.part);
  if (!open) return "";
  if (open.type === "tool-call") {
    if (state.isLegacy) return "";
    const content = JSON.stringify(signatureContent(carrySignature(event.signature, "gemini")));
    // Some clients refuse a call's delta without its function.
    const inner = open.isCustom ? `"type":"custom","custom":{"input":""}` : `"function":{"arguments":""}`;
    const delta = `{"tool_calls":[{"index":${open.call},${inner},"extra_content":${content}}]}`;
    return chunk(state, event.choice, delta);
  }
  const text = open.type === "thinking" ? open.said : "";
  return detailChunk(state, choice, event.choice, { text, summary: open.summary, signature: event.signature });
}

function detailChunk(state: State, choice: ChoiceState, number: number, part: Omit<ThinkingPart, "type">): string {
  const detail = writeDetail(part, choice.details);
  if (!detail) return "";
  choice.details += 1;
  return chunk(state, number, `{"reasoning_details":[${JSON.stringify(detail)}]}`);
}

function wholePart(state: State, choice: ChoiceState, event: Extract<Event, { type: "part" }>): string {
  const { value, choice: number } = event;
  if (value.type === "thinking") {
    const shown = value.text ? chunk(state, number, `{"reasoning_content":${JSON.stringify(value.text)}}`) : "";
    return shown + detailChunk(state, choice, number, value);
  }
  if (value.type === "image") {
    const image = encodeImage(value);
    return image ? chunk(state, number, `{"images":[${JSON.stringify(image)}]}`) : "";
  }
  if (value.type === "audio") return chunk(state, number, `{"audio":${JSON.stringify(encodeAudio(value))}}`);
  if (value.type === "text" || value.type === "refusal") {
    const field = value.type === "text" ? "content" : "refusal";
    if (value.type === "text") choice.textLength += value.text.length;
    return chunk(state, number, `{"${field}":${JSON.stringify(value.text)}}`);
  }
  if (value.type !== "tool-call") return "";
  const { arguments: text, type, id, name, kind, namespace } = value;
  const place = { choice: number, part: event.part };
  const begun = startPart(state, choice, { type: "part-start", ...place, start: { type, id, name, kind, namespace } });
  return begun + callDelta(state, choice, number, event.part, text) + endPart(state, choice, number, event.part);
}

function endMessage(state: State, event: Extract<Event, { type: "message-end" }>): string {
  const own = event.extras?.[ID];
  const finish = JSON.stringify(encodeFinish(event.finish, state.isLegacy));
  if (!own) return chunk(state, event.choice, "{}", finish);
  const delta: JsonObject = {};
  addExtras(delta, asObject(own.message));
  const { message: _, logprobs: __, $reply, ...others } = own;
  const tail = moreFields(asObject($reply));
  const text = chunk(state, event.choice, JSON.stringify(delta), finish, moreFields(others));
  return tail === "" ? text : `${text.slice(0, -3)}${tail}}\n\n`;
}
