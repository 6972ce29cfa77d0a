/**
 * Request fields that Chat took over from the old text completions: sampling, stop sequences, the stream's options.
 * Both formats' `request-decode.ts` and `request-encode.ts` begin with these.
 */
import type { JsonObject } from "../../core/json.ts";
import { at, optionalArray, optionalInteger, optionalNumber, optionalObject, toText } from "../../core/read.ts";
import type { CanonicalRequest } from "../../core/request.ts";
import { type FieldEncoders, type FieldScope, verbatim } from "../dialect.ts";
import { leftovers } from "./wire.ts";

/** The longest end user's id that OpenAI takes. */
export const MAX_END_USER_LENGTH = 64;
/** Stop sequences beyond these are refused. */
export const MAX_STOPS = 4;

/** Reads the shared fields but `stream`. Throws `invalid_request` with the parameter's path for a wrong type. */
export function decodeShared(body: JsonObject, request: CanonicalRequest, extras: JsonObject): void {
  request.temperature = optionalNumber(body, "temperature");
  request.topP = optionalNumber(body, "top_p");
  request.topK = optionalNumber(body, "top_k");
  request.minP = optionalNumber(body, "min_p");
  request.frequencyPenalty = optionalNumber(body, "frequency_penalty");
  request.presencePenalty = optionalNumber(body, "presence_penalty");
  request.repetitionPenalty = optionalNumber(body, "repetition_penalty");
  request.seed = optionalNumber(body, "seed");
  request.candidates = optionalInteger(body, "n", "", 1);
  request.logitBias = optionalObject(body, "logit_bias");
  const { stop } = body;
  if (typeof stop === "string") request.stop = [stop];
  else request.stop = optionalArray(body, "stop")?.map((value, index) => toText(value, at("stop", index)));
  const options = optionalObject(body, "stream_options");
  const others = options && leftovers(options, new Set(["include_usage"]));
  if (others) extras.stream_options = others;
}

/** The request without fields that are there but undefined. */
export function dropAbsent(request: CanonicalRequest): CanonicalRequest {
  const fields = request as unknown as Record<string, unknown>;
  for (const key in fields) if (fields[key] === undefined) delete fields[key];
  return request;
}

/** A field that only imitators know. */
function extended(field: "topK" | "minP" | "repetitionPenalty", name: string) {
  return (value: number, body: JsonObject, scope: FieldScope): void => {
    if (scope.target.quirks.extendedSampling) body[name] = value;
    else scope.losses.add(field);
  };
}

/** The entries of the shared fields, for both formats' tables. */
export const SHARED_FIELDS = {
  model: (_model, body, { target }) => {
    body.model = target.model;
  },
  stream: (_stream, body, { target }) => {
    if (!target.stream) return;
    body.stream = true;
    if (!target.quirks.noStreamOptions) body.stream_options = { include_usage: true };
  },
  temperature: verbatim("temperature"),
  topP: verbatim("top_p"),
  topK: extended("topK", "top_k"),
  minP: extended("minP", "min_p"),
  frequencyPenalty: verbatim("frequency_penalty"),
  presencePenalty: verbatim("presence_penalty"),
  repetitionPenalty: extended("repetitionPenalty", "repetition_penalty"),
  seed: verbatim("seed"),
  stop: (stop, body, { losses }) => {
    if (stop.length > MAX_STOPS) losses.add("stop", "altered");
    if (stop.length > 0) body.stop = stop.slice(0, MAX_STOPS);
  },
  candidates: (count, body) => {
    if (count !== 1) body.n = count;
  },
  logitBias: verbatim("logit_bias"),
} satisfies Partial<FieldEncoders>;
