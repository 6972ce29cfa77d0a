/**
 * The head of a completions request, and what relay changes in its raw body.
 * It is all that the gateway reads of a request that stays in this format: also of prompts that no other format could take.
 */
import { invalidRequest } from "../../core/error.ts";
import type { Head } from "../../core/head.ts";
import { asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import type { Edit } from "../../core/patch.ts";
import { readRoutingWish } from "../../core/preferences.ts";
import { optionalBoolean, optionalInteger, requiredString } from "../../core/read.ts";
import type { RelayTarget } from "../dialect.ts";

/** How many prompts the field holds. Tokens in a row, perhaps mixed with texts, are one. */
function countPrompts(prompt: Json | undefined): number {
  if (!Array.isArray(prompt) || prompt.some((item) => typeof item === "number")) return 1;
  return Math.max(1, prompt.length);
}

/** The output limit: here, unlike anywhere else, none at all may be asked for (a prompt is only scored). */
export function readOutputLimit(body: JsonObject): number | undefined {
  return optionalInteger(body, "max_tokens");
}

/** How many answers are written for each prompt; of `best_of` only the best are shown, but all are billed. */
function countAnswers(body: JsonObject): number {
  return Math.max(optionalInteger(body, "n", "", 1) ?? 1, optionalInteger(body, "best_of", "", 1) ?? 1);
}

/** The facts of a request. */
export function peek(body: JsonObject): Head {
  const model = requiredString(body, "model");
  if (model === "") throw invalidRequest("model: expected the name of a model.", "model");
  const stream = optionalBoolean(body, "stream") ?? false;
  return {
    model,
    stream,
    maxOutputTokens: readOutputLimit(body),
    candidates: countAnswers(body) * countPrompts(body.prompt),
    needs: [],
    wantsStreamUsage: !stream || asObject(body.stream_options)?.include_usage === true,
    session: asString(body.session_id) ?? asString(body.prompt_cache_key),
    routing: readRoutingWish(body),
    endUser: asString(body.user),
  };
}

/** The model's name, usage switched on in streams, and the target's output limit. */
export function relayEdits(head: Head, target: RelayTarget): Edit[] {
  const edits: Edit[] = [{ path: ["model"], value: JSON.stringify(target.model) }];
  if (head.stream && target.quirks.noStreamOptions) edits.push({ path: ["stream_options"], remove: true });
  else if (head.stream && !head.wantsStreamUsage) {
    edits.push({ path: ["stream_options", "include_usage"], value: "true" });
  }
  if (target.maxOutputTokens !== undefined) edits.push({ path: ["max_tokens"], value: String(target.maxOutputTokens) });
  return edits;
}
