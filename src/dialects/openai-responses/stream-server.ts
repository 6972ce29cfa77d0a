/**
 * Writes the items of tools that the provider runs in a Responses stream: begun with the call, ended with the result.
 * Other items may come between the two, so the places of those that run are kept in the stream's state.
 */
import type { JsonObject } from "../../core/json.ts";
import type { ServerCallPart, ServerResult } from "../../core/request.ts";
import { ownForm } from "../server-tools.ts";
import { serverItem } from "./reply-encode.ts";
import { addItem, closeMessage, finishItem, type StreamState, write } from "./stream-output.ts";

/** Announces a call. One that the API told itself is whole: its item holds the result too. */
export function beginServerItem(state: StreamState, call: ServerCallPart): void {
  closeMessage(state);
  const item = serverItem(call, undefined);
  if (ownForm(call, "openai-responses")) {
    finishItem(state, addItem(state, item), item);
    return;
  }
  const code = asCode(item);
  const index = addItem(state, { ...item, status: "in_progress", ...(code !== undefined && { code: "" }) });
  const place = placeOf(index, item);
  write(state, `response.${item.type}.in_progress`, place);
  if (code === undefined) write(state, `response.${item.type}.searching`, place);
  else {
    write(state, `response.${item.type}_code.delta`, `${place},"delta":${JSON.stringify(code)}`);
    write(state, `response.${item.type}_code.done`, `${place},"code":${JSON.stringify(code)}`);
    write(state, `response.${item.type}.interpreting`, place);
  }
  state.running.set(call.id, { call, index });
}

/** Ends the item of a call; nothing where none is running under that id. */
export function endServerItem(state: StreamState, id: string, result: ServerResult | undefined): void {
  const running = state.running.get(id);
  if (!running) return;
  state.running.delete(id);
  const { call, index } = running;
  const item = serverItem(call, result);
  write(state, `response.${item.type}.completed`, placeOf(index, item));
  finishItem(state, index, item);
}

function asCode(item: JsonObject): string | undefined {
  return item.type === "code_interpreter_call" ? String(item.code) : undefined;
}

function placeOf(index: number, item: JsonObject): string {
  return `"output_index":${index},"item_id":${JSON.stringify(item.id)}`;
}
