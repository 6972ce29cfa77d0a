/**
 * A canonical request as a completions body: one entry for each canonical field, so that the compiler names a forgotten one.
 * The upstream's side of `convert`, for servers that only continue texts.
 */
import { asObject, type JsonObject } from "../../core/json.ts";
import type { CanonicalRequest, Reasoning } from "../../core/request.ts";
import {
  type EncodedRequest,
  type EncodeTarget,
  encodeFields,
  type FieldEncoders,
  type FieldsOfDialects,
  loseForeignExtras,
  lost,
  withoutHarmless,
  writtenElsewhere,
} from "../dialect.ts";
import { MAX_END_USER_LENGTH, MAX_STOPS, SHARED_FIELDS } from "../openai-chat/shared-fields.ts";
import { addExtras } from "../openai-chat/wire.ts";
import { encodePrompt, isTranscript, NEXT_TURN } from "./prompt.ts";
import { ECHO, ID, OWN } from "./wire.ts";

/** As many likely tokens are told for each position at most. */
const MAX_ALTERNATIVES = 5;
/** Fields of other formats that say how an answer travels or is kept, which means nothing here. */
const HARMLESS: FieldsOfDialects = {
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

const FIELDS: FieldEncoders = {
  ...SHARED_FIELDS,
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
  logprobs: (wanted, body) => {
    if (wanted) body.logprobs = 0;
  },
  topLogprobs: (count, body, { losses }) => {
    if (count > MAX_ALTERNATIVES) losses.add("topLogprobs", "altered");
    body.logprobs = Math.min(count, MAX_ALTERNATIVES);
  },
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
    const own = loseForeignExtras(withoutHarmless(extras, HARMLESS), ID, losses);
    if (own?.[ECHO] === true) body.echo = true;
    const options = asObject(body.stream_options);
    if (options) addExtras(options, asObject(own?.stream_options));
    addExtras(body, own);
  },
};

function isOff({ mode, effort, budgetTokens }: Reasoning): boolean {
  return mode === "off" || effort === "none" || budgetTokens === 0;
}
