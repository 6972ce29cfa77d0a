/**
 * A completions request as a canonical one: the prompt is the user's only turn.
 * The caller's side of `convert` starts here; what is relayed never comes this way.
 */
import { invalidRequest } from "../../core/error.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import {
  at,
  optionalArray,
  optionalBoolean,
  optionalInteger,
  optionalNumber,
  optionalObject,
  optionalString,
  requiredString,
  toText,
} from "../../core/read.ts";
import type { CanonicalRequest } from "../../core/request.ts";
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
  decodeSampling(body, request);
  decodeAnswers(body, request, extras);
  const options = optionalObject(body, "stream_options");
  const others = options && leftovers(options, new Set(["include_usage"]));
  if (others) extras.stream_options = others;
  const fields = request as unknown as Record<string, unknown>;
  for (const key in fields) if (fields[key] === undefined) delete fields[key];
  return request;
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

function decodeSampling(body: JsonObject, request: CanonicalRequest): void {
  const limit = readOutputLimit(body);
  if (limit === 0) throw invalidRequest("max_tokens: this model has to write at least one token.", "max_tokens");
  request.maxOutputTokens = limit;
  request.temperature = optionalNumber(body, "temperature");
  request.topP = optionalNumber(body, "top_p");
  request.topK = optionalNumber(body, "top_k");
  request.minP = optionalNumber(body, "min_p");
  request.frequencyPenalty = optionalNumber(body, "frequency_penalty");
  request.presencePenalty = optionalNumber(body, "presence_penalty");
  request.repetitionPenalty = optionalNumber(body, "repetition_penalty");
  request.seed = optionalNumber(body, "seed");
  request.logitBias = optionalObject(body, "logit_bias");
  const { stop } = body;
  if (typeof stop === "string") request.stop = [stop];
  else request.stop = optionalArray(body, "stop")?.map((value, index) => toText(value, at("stop", index)));
  request.endUser = optionalString(body, "user");
}

/** How many answers, and what comes with them. `best_of` says nothing unless it exceeds `n`. */
function decodeAnswers(body: JsonObject, request: CanonicalRequest, extras: JsonObject): void {
  request.candidates = optionalInteger(body, "n", "", 1);
  const best = optionalInteger(body, "best_of", "", 1);
  if (best !== undefined && best > (request.candidates ?? 1)) extras.best_of = best;
  if (optionalBoolean(body, "echo")) extras[ECHO] = true;
  const alternatives = optionalInteger(body, "logprobs");
  if (alternatives === undefined) return;
  request.logprobs = true;
  if (alternatives > 0) request.topLogprobs = alternatives;
}
