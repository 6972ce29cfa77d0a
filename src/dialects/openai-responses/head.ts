/**
 * The head of a Responses request: the facts that the gateway reads before it knows whether the body will be decoded.
 * Chat's surface uses it too, for clients that send this format there.
 */
import type { Capability, Head } from "../../core/head.ts";
import { asArray, asObject, asString, type JsonObject } from "../../core/json.ts";
import type { Edit } from "../../core/patch.ts";
import { readRoutingWish } from "../../core/preferences.ts";
import {
  optionalArray,
  optionalBoolean,
  optionalInteger,
  optionalObject,
  optionalString,
  requiredString,
} from "../../core/read.ts";
import type { RelayTarget } from "../dialect.ts";
import { searchesOf } from "../web-search.ts";
import { isTriggered } from "./compaction.ts";

const NEED_OF_CONTENT: Record<string, Capability> = {
  input_image: "images",
  input_file: "files",
  input_audio: "audio",
};

/** Throws `invalid_request` when one of the facts has a wrong type. */
export function peek(body: JsonObject): Head {
  const head: Head = {
    model: requiredString(body, "model"),
    stream: optionalBoolean(body, "stream") ?? false,
    candidates: 1,
    needs: needsOf(body),
    wantsStreamUsage: true,
  };
  if (isTriggered(body)) head.compacts = true;
  const searches = searchesOf(asArray(body.tools));
  if (searches !== undefined) head.searches = searches;
  const limit = optionalInteger(body, "max_output_tokens");
  if (limit !== undefined) head.maxOutputTokens = limit;
  const routing = readRoutingWish(body);
  if (routing) head.routing = routing;
  const key = optionalString(body, "prompt_cache_key") ?? optionalString(body, "previous_response_id");
  const session = asString(body.session_id) ?? key;
  if (session !== undefined) head.session = session;
  const endUser = optionalString(body, "safety_identifier") ?? optionalString(body, "user");
  if (endUser !== undefined) head.endUser = endUser;
  return head;
}

function needsOf(body: JsonObject): Capability[] {
  const needs = new Set<Capability>();
  if ((optionalArray(body, "tools")?.length ?? 0) > 0) needs.add("tools");
  for (const value of asArray(body.input)) {
    const item = asObject(value);
    if (!item) continue;
    if (item.type === "additional_tools") needs.add("tools");
    for (const piece of asArray(item.content ?? item.output)) {
      const need = NEED_OF_CONTENT[asString(asObject(piece)?.type) ?? ""];
      if (need) needs.add(need);
    }
  }
  if (asObject(optionalObject(body, "text")?.format)?.type === "json_schema") needs.add("structured-output");
  const effort = asString(optionalObject(body, "reasoning")?.effort);
  if (effort !== undefined && effort !== "none") needs.add("thinking");
  return [...needs];
}

/** The model's name, and the target's output limit. */
export function relayEdits(_head: Head, { model, maxOutputTokens }: RelayTarget): Edit[] {
  const edits: Edit[] = [{ path: ["model"], value: JSON.stringify(model) }];
  if (maxOutputTokens !== undefined) edits.push({ path: ["max_output_tokens"], value: String(maxOutputTokens) });
  return edits;
}
