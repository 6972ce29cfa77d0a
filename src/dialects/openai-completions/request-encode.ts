/**
 * A canonical request as a completions body: one entry for each canonical field, so that the compiler names a forgotten one.
 * The upstream's side of `convert`, for servers that only continue texts.
 */
import { asObject, type JsonObject, rest } from "../../core/json.ts";
import type { CanonicalRequest, DialectId, Reasoning } from "../../core/request.ts";
import {
  type EncodedRequest,
  type EncodeTarget,
  encodeFields,
  type FieldEncoders,
  type FieldScope,
  loseForeignExtras,
  lost,
  verbatim,
  writtenElsewhere,
} from "../dialect.ts";
import { addExtras } from "../openai-chat/wire.ts";
import { encodePrompt, isTranscript, NEXT_TURN } from "./prompt.ts";
import { ECHO, ID, OWN } from "./wire.ts";

/** The longest end user's id that OpenAI takes. */
const MAX_END_USER_LENGTH = 64;
/** Stop sequences beyond these are refused. */
const MAX_STOPS = 4;
/** As many likely tokens are told for each position at most. */
const MAX_ALTERNATIVES = 5;
/** Fields of other formats that say how an answer travels or is kept, which means nothing here. */
const HARMLESS: { readonly [D in DialectId]?: ReadonlySet<string> } = {
  "openai-chat": new Set(["store", "stream_options"]),
  "openai-responses": new Set(["store", "include", "client_metadata", "stream_options"]),
};

/** The body for an upstream. Never throws; what a prompt cannot say is a loss. */
export function encodeRequest(request: CanonicalRequest, target: EncodeTarget): EncodedRequest {
  const { body, losses } = encodeFields(request, target, FIELDS);
  if (isTranscript(request.messages)) stopAtNextTurn(body);
  fillLimit(body, request, target);
  return { body, losses: losses.list() };
}

function stopAtNextTurn(body: JsonObject): void {
  const stops = Array.isArray(body.stop) ? body.stop : [];
  if (stops.length < MAX_STOPS && !stops.includes(NEXT_TURN)) body.stop = [...stops, NEXT_TURN];
}

/**
 * Without a limit this format's servers stop after 16 tokens, which its own callers know and no others expect: for those
 * the limit is the model's own.
 */
function fillLimit(body: JsonObject, request: CanonicalRequest, target: EncodeTarget): void {
  if (body.max_tokens !== undefined || request.extras?.[ID]?.[OWN] === true) return;
  if (target.maxOutputTokens > 0 && !target.quirks.refuses?.includes("maxOutputTokens")) {
    body.max_tokens = target.maxOutputTokens;
  }
}

/** A field that only imitators know. */
function extended(field: "topK" | "minP" | "repetitionPenalty", name: string) {
  return (value: number, body: JsonObject, scope: FieldScope): void => {
    if (scope.target.quirks.extendedSampling) body[name] = value;
    else scope.losses.add(field);
  };
}

const FIELDS: FieldEncoders = {
  model: (_model, body, { target }) => {
    body.model = target.model;
  },
  stream: (_stream, body, { target }) => {
    if (!target.stream) return;
    body.stream = true;
    if (!target.quirks.noStreamOptions) body.stream_options = { include_usage: true };
  },
  system: writtenElsewhere,
  messages: (_messages, body, { request, losses }) => {
    body.prompt = encodePrompt(request, losses);
  },
  tools: (tools, _body, { losses }) => {
    if (tools.length > 0) losses.add("tools");
  },
  // Without tools there is nothing to choose from.
  toolChoice: writtenElsewhere,
  parallelToolCalls: writtenElsewhere,
  maxOutputTokens: (limit, body, { target }) => {
    body.max_tokens = target.maxOutputTokens > 0 ? Math.min(limit, target.maxOutputTokens) : limit;
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
  logprobs: (wanted, body) => {
    if (wanted) body.logprobs = 0;
  },
  topLogprobs: (count, body, { losses }) => {
    if (count > MAX_ALTERNATIVES) losses.add("topLogprobs", "altered");
    body.logprobs = Math.min(count, MAX_ALTERNATIVES);
  },
  logitBias: verbatim("logit_bias"),
  outputFormat: (format, _body, { losses }) => {
    if (format.type !== "text") losses.add("outputFormat");
  },
  modalities: (modalities, _body, { losses }) => {
    if (modalities.some((kind) => kind !== "text")) losses.add("modalities");
  },
  reasoning: (reasoning, _body, { losses }) => {
    if (!isOff(reasoning)) losses.add("reasoning");
  },
  verbosity: lost("verbosity"),
  endUser: (user, body, { losses }) => {
    if (user.length > MAX_END_USER_LENGTH) losses.add("endUser");
    else body.user = user;
  },
  metadata: lost("metadata"),
  cacheKey: lost("cacheKey"),
  serviceTier: lost("serviceTier"),
  extras: (extras, body, { losses }) => {
    const own = loseForeignExtras(withoutHarmless(extras), ID, losses);
    if (own?.[ECHO] === true) body.echo = true;
    const options = asObject(body.stream_options);
    if (options) addExtras(options, asObject(own?.stream_options));
    addExtras(body, own);
  },
};

function isOff({ mode, effort, budgetTokens }: Reasoning): boolean {
  return mode === "off" || effort === "none" || budgetTokens === 0;
}

function withoutHarmless(extras: NonNullable<CanonicalRequest["extras"]>): CanonicalRequest["extras"] {
  const kept = { ...extras };
  for (const dialect of Object.keys(HARMLESS) as DialectId[]) {
    const fields = extras[dialect];
    if (fields) kept[dialect] = rest(fields, HARMLESS[dialect] as ReadonlySet<string>);
  }
  return kept;
}
