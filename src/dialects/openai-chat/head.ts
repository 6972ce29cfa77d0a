/**
 * The head of a Chat request, and what relay changes in its raw body.
 * It is all that the gateway reads of a request that stays in this format.
 */
import { invalidRequest } from "../../core/error.ts";
import type { SseFrame } from "../../core/frame.ts";
import type { Capability, Head } from "../../core/head.ts";
import { asArray, asObject, asString, type Json, type JsonObject, tryParse } from "../../core/json.ts";
import type { Edit } from "../../core/patch.ts";
import { readRoutingWish } from "../../core/preferences.ts";
import { optionalBoolean, optionalInteger, requiredString } from "../../core/read.ts";
import type { RelayTarget } from "../dialect.ts";
import { isSaid } from "../fits.ts";
import { searchesOf } from "../web-search.ts";
import { hasFlatTools, isBorrowed, peekBorrowed } from "./borrowed.ts";

const NEED_OF_PART: Readonly<Record<string, Capability>> = {
  image_url: "images",
  input_audio: "audio",
  file: "files",
  video_url: "video",
};

function addMessageNeeds(content: Json | undefined, needs: Set<Capability>): void {
  if (!Array.isArray(content)) return;
  for (const part of content) {
    const type = asString(asObject(part)?.type);
    const need = type === undefined ? undefined : NEED_OF_PART[type];
    if (need) needs.add(need);
  }
}

/** What the model must be able to do. Thinking is no need: encoders leave it out for models that lack it. */
function needsOf(body: JsonObject): Capability[] {
  const needs = new Set<Capability>();
  if (asArray(body.tools).length > 0 || asArray(body.functions).length > 0) needs.add("tools");
  for (const message of asArray(body.messages)) addMessageNeeds(asObject(message)?.content, needs);
  if (asObject(body.response_format)?.type === "json_schema") needs.add("structured-output");
  const modalities = asArray(body.modalities);
  if (modalities.includes("image")) needs.add("image-output");
  if (modalities.includes("audio")) needs.add("audio-output");
  return [...needs];
}

/** The output limit under either of its names; the newer one wins. Throws `invalid_request` for anything but a count. */
export function readOutputLimit(body: JsonObject): number | undefined {
  return optionalInteger(body, "max_completion_tokens", "", 1) ?? optionalInteger(body, "max_tokens", "", 1);
}

/** The facts of a request. A body of another shape (`input` for `messages`) is looked at as far as it goes. */
export function peek(body: JsonObject): Head {
  const model = requiredString(body, "model");
  if (model === "") throw invalidRequest("model: expected the name of a model.", "model");
  const stream = optionalBoolean(body, "stream") ?? false;
  const wantsStreamUsage = !stream || asObject(body.stream_options)?.include_usage === true;
  const limit = readOutputLimit(body);
  if (isBorrowed(body)) return { ...peekBorrowed(body, limit), wantsStreamUsage };
  return {
    model,
    stream,
    maxOutputTokens: limit,
    candidates: optionalInteger(body, "n", "", 1) ?? 1,
    needs: needsOf(body),
    searches: isSaid(body.web_search_options) ? 1 : searchesOf(asArray(body.tools)),
    wantsStreamUsage,
    ...(hasFlatTools(body) && { shape: "mixed" }),
    session: asString(body.session_id) ?? asString(body.prompt_cache_key),
    routing: readRoutingWish(body),
    endUser: asString(body.safety_identifier) ?? asString(body.user),
  };
}

/** The model's name, usage switched on in streams, the output limit under the name that the upstream knows, and fields that it always wants. */
export function relayEdits(head: Head, target: RelayTarget, body: JsonObject): Edit[] {
  const { quirks } = target;
  const edits: Edit[] = [{ path: ["model"], value: JSON.stringify(target.model) }];
  if (head.stream && quirks.noStreamOptions) edits.push({ path: ["stream_options"], remove: true });
  else if (head.stream && !head.wantsStreamUsage) {
    edits.push({ path: ["stream_options", "include_usage"], value: "true" });
  }
  const isRenamed = quirks.maxTokensField !== undefined && head.maxOutputTokens !== undefined;
  const limit = target.maxOutputTokens ?? (isRenamed ? head.maxOutputTokens : undefined);
  if (limit !== undefined) edits.push(...limitEdits(limit, quirks.maxTokensField ?? limitField(body)));
  for (const name in quirks.adds) {
    if (body[name] === undefined) edits.push({ path: [name], value: JSON.stringify(quirks.adds[name]) });
  }
  return edits;
}

type LimitField = "max_tokens" | "max_completion_tokens";

/** The name that the caller uses, where the upstream takes either. */
function limitField(body: JsonObject): LimitField {
  return isSaid(body.max_tokens) && !isSaid(body.max_completion_tokens) ? "max_tokens" : "max_completion_tokens";
}

function limitEdits(limit: number, field: LimitField): Edit[] {
  const other = field === "max_tokens" ? "max_completion_tokens" : "max_tokens";
  return [
    { path: [other], remove: true },
    { path: [field], value: String(limit) },
  ];
}

/** Whether `"choices"` is followed by an empty array; reads no more of the text than that. */
function hasEmptyChoices(data: string): boolean {
  let at = data.indexOf('"choices"');
  if (at < 0) return false;
  at += 9;
  for (const wanted of ":[]") {
    while (data.charCodeAt(at) <= 32) at += 1;
    if (data[at] !== wanted) return false;
    at += 1;
  }
  return true;
}

/** A frame with usage and no choices. Nearly every other frame is told apart without parsing it. */
export function isUsageOnly(frame: SseFrame): boolean {
  if (!hasEmptyChoices(frame.data) || !frame.data.includes('"usage"')) return false;
  const chunk = asObject(tryParse(frame.data));
  return chunk !== undefined && asArray(chunk.choices).length === 0 && asObject(chunk.usage) !== undefined;
}
