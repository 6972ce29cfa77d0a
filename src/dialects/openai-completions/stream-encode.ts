/**
 * Canonical events as a completions stream for a caller: texts, a finish reason for each choice, usage on request, `[DONE]`.
 * Runs for every event of every converted stream, so chunks are put together as text.
 */
import type { GatewayError } from "../../core/error.ts";
import type { CanonicalEvent } from "../../core/event.ts";
import { asObject, type JsonObject } from "../../core/json.ts";
import type { Usage } from "../../core/usage.ts";
import type { EncodeContext, StreamEncoder } from "../dialect.ts";
import { chunkHead, encodeEnd, moreFields } from "../openai-chat/chunks-encode.ts";
import { encodeStreamError } from "../openai-chat/error.ts";
import { encodeLogprobs, lengthOf } from "./logprobs.ts";
import { completionId, echoOf, encodeFinish } from "./reply.ts";
import { ID, LATE, OWN } from "./wire.ts";

type Event = Exclude<CanonicalEvent, { type: "error" }>;

interface State {
  readonly context: EncodeContext;
  /** The text of a chunk up to its choices. */
  head: string;
  /** Fields that only the first chunk carries. */
  first: string;
  echo: string;
  /** The open text parts of each choice that was begun, and where its next log probability stands. */
  readonly choices: Map<number, { readonly texts: Set<number>; offset: number }>;
  usage: Usage | undefined;
  usageExtras: JsonObject | undefined;
}

/** An encoder for one stream. */
export function streamEncoder(context: EncodeContext): StreamEncoder {
  const state: State = {
    context,
    head: headOf(completionId(undefined, context), context.createdAt, context),
    first: "",
    echo: echoOf(context.request, false),
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
  return chunkHead("text_completion", id, createdAt, context);
}

/** A chunk of one choice, its values given as JSON text. */
function chunk(state: State, choice: number, text: string, logprobs = "null", finish = "null", more = ""): string {
  const { first } = state;
  state.first = "";
  return `${state.head}"choices":[{"text":${text},"index":${choice},"logprobs":${logprobs},"finish_reason":${finish}${more}}]${first}}\n\n`;
}

function encodeEvent(state: State, event: Event): string {
  switch (event.type) {
    case "message-start":
      startMessage(state, event);
      return "";
    case "usage":
      state.usage = event.usage;
      state.usageExtras = event.extras?.[ID] ?? state.usageExtras;
      return "";
    case "text-delta":
    case "part-start":
    case "part-end":
    case "part":
      return encodeText(state, event);
    case "logprobs": {
      const { choice, begun } = choiceOf(state, event.choice);
      const { wire, next } = encodeLogprobs(event.tokens, choice.offset);
      choice.offset = next;
      return begun + chunk(state, event.choice, '""', JSON.stringify(wire));
    }
    case "message-end": {
      const { begun } = choiceOf(state, event.choice);
      const own = event.extras?.[ID];
      state.first += moreFields(asObject(own?.[LATE]));
      return (
        begun + chunk(state, event.choice, '""', "null", JSON.stringify(encodeFinish(event.finish)), moreFields(own))
      );
    }
    default:
      // Thinking, tool calls, media and citations have no place in a text.
      return "";
  }
}

function startMessage(state: State, event: Extract<Event, { type: "message-start" }>): void {
  const own = event.extras?.[ID];
  if (own?.[OWN] !== true) return;
  state.echo = "";
  state.first = moreFields(own);
  if (event.id) state.head = headOf(event.id, event.createdAt ?? state.context.createdAt, state.context);
}

/** A choice begins with the prompt where the caller wants it. */
function choiceOf(state: State, number: number) {
  const known = state.choices.get(number);
  if (known) return { choice: known, begun: "" };
  const choice = { texts: new Set<number>(), offset: lengthOf(state.echo) };
  state.choices.set(number, choice);
  return { choice, begun: state.echo === "" ? "" : chunk(state, number, JSON.stringify(state.echo)) };
}

function encodeText(
  state: State,
  event: Extract<Event, { type: "text-delta" | "part-start" | "part-end" | "part" }>,
): string {
  const { choice, begun } = choiceOf(state, event.choice);
  switch (event.type) {
    case "part-start":
      if (event.start.type === "text" || event.start.type === "refusal") choice.texts.add(event.part);
      return begun;
    case "part-end":
      choice.texts.delete(event.part);
      return begun;
    case "text-delta":
      if (event.text === "" || !choice.texts.has(event.part)) return begun;
      return begun + chunk(state, event.choice, JSON.stringify(event.text));
    case "part": {
      const { value } = event;
      if ((value.type !== "text" && value.type !== "refusal") || value.text === "") return begun;
      return begun + chunk(state, event.choice, JSON.stringify(value.text));
    }
  }
}
