/**
 * What a Responses stream has told so far, and the events for items that all its parts are written with.
 * `stream-encode.ts` and the writers of parts (`stream-parts.ts`) stand on it.
 */
import type { TokenLogprob } from "../../core/event.ts";
import type { JsonObject } from "../../core/json.ts";
import type { Annotation, Extras, ServerCallPart, Signature } from "../../core/request.ts";
import type { EncodeContext } from "../dialect.ts";
import type { ToolNames } from "../tool-names.ts";
import { encodeLoneSignature } from "./items-encode.ts";
import { itemId } from "./reply-encode.ts";

/** Writes one part. */
export interface OpenWriter {
  delta(text: string): void;
  annotate(annotation: Annotation): void;
  sign(signature: Signature): void;
  end(extras: Extras | undefined): void;
}

/** A message item that further texts may join. */
export interface OpenMessage {
  readonly item: JsonObject;
  readonly content: JsonObject[];
  readonly index: number;
}

/** The state of one stream. */
export interface StreamState {
  readonly context: EncodeContext;
  readonly names: () => ToolNames;
  /** Text ready to be written. */
  out: string;
  /** The next event's number. */
  sequence: number;
  /** The output's items, as each was begun; finished ones are whole. */
  readonly output: JsonObject[];
  message: OpenMessage | undefined;
  part: OpenWriter | undefined;
  logprobs: TokenLogprob[];
  /** Calls of providers' own tools that wait for their results, by the call's id, with their items' places. */
  readonly running: Map<string, { call: ServerCallPart; index: number }>;
  id: string;
  createdAt: number;
  hasStarted: boolean;
  isOver: boolean;
  usage: string;
  echoed: string;
}

/** Writes one event; `fields` is the text of its JSON fields after the number. */
export function write(state: StreamState, type: string, fields: string): void {
  state.out += `event: ${type}\ndata: {"type":"${type}","sequence_number":${state.sequence++},${fields}}\n\n`;
}

/** Announces an item and returns its place. */
export function addItem(state: StreamState, item: JsonObject): number {
  const index = state.output.length;
  state.output.push(item);
  write(state, "response.output_item.added", `"output_index":${index},"item":${JSON.stringify(item)}`);
  return index;
}

/** Tells an item whole. */
export function finishItem(state: StreamState, index: number, item: JsonObject): void {
  state.output[index] = item;
  write(state, "response.output_item.done", `"output_index":${index},"item":${JSON.stringify(item)}`);
}

/** Ends the message that texts could have joined. */
export function closeMessage(state: StreamState, isIncomplete = false): void {
  const message = state.message;
  if (!message) return;
  state.message = undefined;
  const status = isIncomplete && message.index === state.output.length - 1 ? "incomplete" : "completed";
  finishItem(state, message.index, { ...message.item, status, content: message.content });
}

/** The signature of a call or a text as an item of its own. */
export function writeLoneSignature(state: StreamState, signature: Signature): void {
  closeMessage(state);
  const item = encodeLoneSignature(signature, { id: itemId("reasoning", state.context, state.output.length) });
  finishItem(state, addItem(state, item), item);
}
