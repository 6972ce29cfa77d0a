/**
 * A completions request as a canonical one: the prompt is the user's only turn.
 * The caller's side of `convert` starts here; what is relayed never comes this way.
 */
import { invalidRequest } from "../../core/error.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import { at, optionalBoolean, optionalInteger, optionalString, requiredString, toText } from "../../core/read.ts";
import type { CanonicalRequest } from "../../core/request.ts";
import { decodeShared, dropAbsent } from "../openai-chat/shared-fields.ts";
import { leftovers } from "../openai-chat/wire.ts";
import { readOutputLimit } from "./head.ts";
import { ECHO, extrasOf, OWN, REQUEST_FIELDS } from "./wire.ts";

/** Reads a request. Throws `invalid_request` with the parameter's path for a wrong type; unknown fields go into extras. */
export function decodeRequest(body: JsonObject): CanonicalRequest {
  const extras: JsonObject = { ...leftovers(body, REQUEST_FIELDS), [OWN]: true };
  const request: CanonicalRequest = {
    model: requiredString(body, "model"),
    stream: optionalBoolean(body, "stream") ?? false,
    messages: [{ role: "user", content: [{ type: "text", text: readPrompt(body.prompt) }] }],
    extras: extrasOf(extras),
  };
  decodeShared(body, request, extras);
  request.maxOutputTokens = readLimit(body);
  request.endUser = optionalString(body, "user");
  decodeAnswers(body, request, extras);
  return dropAbsent(request);
}

/** The one text. Throws `invalid_request` for several prompts and for tokens, which only this format's own upstreams take. */
function readPrompt(prompt: Json | undefined): string {
  if (typeof prompt === "string") return prompt;
  if (!Array.isArray(prompt)) throw invalidRequest("prompt: expected a string.", "prompt");
  if (prompt.some((item) => typeof item === "number" || Array.isArray(item))) {
    throw invalidRequest("prompt: this model takes text, not token ids. Send the prompt as a string.", "prompt");
  }
  if (prompt.length !== 1) {
    const found = prompt.length === 0 ? "none" : String(prompt.length);
    throw invalidRequest(
      `prompt: this model takes one prompt in a request, got ${found}. Send a request for each.`,
      "prompt",
    );
  }
  return toText(prompt[0], at("prompt", 0));
}

function readLimit(body: JsonObject): number | undefined {
  const limit = readOutputLimit(body);
  if (limit === 0) throw invalidRequest("max_tokens: this model has to write at least one token.", "max_tokens");
  return limit;
}

/** How many answers, and what comes with them. `best_of` says nothing unless it exceeds `n`. */
function decodeAnswers(body: JsonObject, request: CanonicalRequest, extras: JsonObject): void {
  const best = optionalInteger(body, "best_of", "", 1);
  if (best !== undefined && best > (request.candidates ?? 1)) extras.best_of = best;
  if (optionalBoolean(body, "echo")) extras[ECHO] = true;
  const alternatives = optionalInteger(body, "logprobs");
  if (alternatives === undefined) return;
  request.logprobs = true;
  if (alternatives > 0) request.topLogprobs = alternatives;
}
