/**
 * Writes a canonical request as a Messages body for an upstream.
 * `convert` calls it once per attempt; what the API cannot say is reported as a loss.
 */
import { asArray, asObject, type Json, type JsonObject } from "../../core/json.ts";
import type { Losses } from "../../core/loss.ts";
import type { CanonicalRequest, Extras, OutputFormat, Tool } from "../../core/request.ts";
import {
  type EncodedRequest,
  type EncodeTarget,
  encodeFields,
  type FieldEncoders,
  type FieldScope,
  loseForeignExtras,
  lost,
  verbatim,
} from "../dialect.ts";
import { CODE_EXECUTION } from "../web-search.ts";
import { appendSystem, encodeMessages, encodeSystem } from "./messages-encode.ts";
import { historicTools } from "./pairing.ts";
import { constrainedSchema } from "./schema.ts";
import { encodeReasoning, outputLimit, settleThinking } from "./thinking.ts";
import { encodeToolChoice, encodeTools } from "./tools.ts";
import { OWN, wireFields } from "./wire.ts";

/** The API refuses longer ids of end users. */
const MAX_USER_ID_LENGTH = 256;

/** Fields of other dialects about transport or storage, whose absence changes nothing in the answer. */
const HARMLESS = new Set([
  // Wishes about routing and accounting that the gateway itself fulfils.
  "provider",
  "models",
  "route",
  "usage",
  "stream_options",
  "store",
  "include",
  "client_metadata",
  "safety_identifier",
  "prompt_cache_retention",
  "prompt_cache_options",
  "prediction",
]);

/** The body for the target, and what it could not say. Never throws. */
export function encodeRequest(request: CanonicalRequest, target: EncodeTarget): EncodedRequest {
  const { body, losses } = encodeFields(request, target, FIELDS);
  const scope: FieldScope = { request, target, losses };
  body.max_tokens ??= target.maxOutputTokens;
  if (body.tools === undefined) offerHistoricTools(body);
  settleThinking(body, scope);
  limitMarks(body, losses);
  return { body, losses: losses.list(), ...(runsForeignCode(scope) && { headers: CODE_FLAG }) };
}

/** What the API wants to be told for its tool that runs code. Callers of the same format say it themselves. */
const CODE_FLAG = { "anthropic-beta": "code-execution-2025-08-25" };

function runsForeignCode({ request, target }: FieldScope): boolean {
  if (!target.quirks.serverTools?.includes(CODE_EXECUTION)) return false;
  const isForeign = (tool: Tool) => tool.type === "server" && tool.kind === CODE_EXECUTION && tool.dialect !== OWN;
  return request.tools?.some(isForeign) ?? false;
}

/** The API takes no more marks than this; later ones cache what the earlier would have. */
const MAX_MARKS = 4;

/** Leaves the first marks out where there are too many. */
function limitMarks(body: JsonObject, losses: Losses): void {
  const lists = ["tools", "system", "messages"].filter((key) => Array.isArray(body[key]));
  let surplus = (asObject(body.cache_control) ? 1 : 0) - MAX_MARKS;
  for (const key of lists) surplus += countMarks(body[key]);
  if (surplus <= 0) return;
  losses.add("cache", "altered");
  // What stands in the body may belong to the request, which later attempts read again: so copies are made.
  const without = (value: Json | undefined): Json[] =>
    asArray(value).map((item) => {
      const block = asObject(item);
      if (!block || surplus <= 0 || countMarks([block]) === 0) return item;
      const copy: JsonObject = Array.isArray(block.content)
        ? { ...block, content: without(block.content) }
        : { ...block };
      if (surplus > 0 && asObject(copy.cache_control)) {
        delete copy.cache_control;
        surplus -= 1;
      }
      return copy;
    });
  for (const key of lists) body[key] = without(body[key]);
}

function countMarks(value: Json | undefined): number {
  let count = 0;
  for (const item of asArray(value)) {
    const block = asObject(item);
    if (block) count += (asObject(block.cache_control) ? 1 : 0) + countMarks(block.content);
  }
  return count;
}

const FIELDS: FieldEncoders = {
  model: (_value, body, { target }) => {
    body.model = target.model;
  },
  maxOutputTokens: (_value, body, { request, target }) => {
    body.max_tokens = outputLimit(request, target);
  },
  stream: (_value, body, { target }) => {
    if (target.stream) body.stream = true;
  },
  system: encodeSystem,
  messages: encodeMessages,
  tools: encodeTools,
  toolChoice: (_value, body, scope) => encodeToolChoice(body, scope),
  parallelToolCalls: (_value, body, scope) => encodeToolChoice(body, scope),
  temperature: (value, body, { losses }) => {
    if (value > 1) losses.add("temperature", "altered");
    body.temperature = Math.min(value, 1);
  },
  topP: (value, body, { losses }) => {
    // Current models refuse the two together, and temperature is what callers set on purpose.
    if (body.temperature === undefined) body.top_p = value;
    else if (value !== 1) losses.add("topP");
  },
  topK: verbatim("top_k"),
  minP: lost("minP"),
  frequencyPenalty: lostUnless(0, "frequencyPenalty"),
  presencePenalty: lostUnless(0, "presencePenalty"),
  repetitionPenalty: lostUnless(1, "repetitionPenalty"),
  seed: lost("seed"),
  stop: (value, body, { losses }) => {
    const usable = value.filter((text) => text.trim() !== "");
    if (usable.length < value.length) losses.add("stop", "altered");
    if (usable.length > 0) body.stop_sequences = usable;
  },
  candidates: lostUnless(1, "candidates"),
  logprobs: lostUnless(false, "logprobs"),
  topLogprobs: lostUnless(0, "topLogprobs"),
  logitBias: (value, _body, { losses }) => {
    if (Object.keys(value).length > 0) losses.add("logitBias");
  },
  outputFormat: encodeOutputFormat,
  modalities: (value, _body, { losses }) => {
    if (value.some((modality) => modality !== "text")) losses.add("modalities");
  },
  reasoning: encodeReasoning,
  verbosity: lostUnless("medium", "verbosity"),
  endUser: (value, body) => {
    body.metadata = { user_id: value.slice(0, MAX_USER_ID_LENGTH) };
  },
  metadata: lost("metadata"),
  cacheKey: (_value, body, { request }) => {
    if (!hasMarks(request)) markPrefix(body);
  },
  serviceTier: (value, body, { losses }) => {
    if (value === "auto" || value === "standard_only") body.service_tier = value;
    else if (value === "default" || value === "standard") body.service_tier = "standard_only";
    else losses.add("serviceTier");
  },
  extras: encodeExtras,
};

/** An entry for a field that the format lacks, but whose value may be what happens anyway. */
function lostUnless(usual: unknown, field: keyof CanonicalRequest) {
  return (value: unknown, _body: JsonObject, { losses }: FieldScope): void => {
    if (value !== usual) losses.add(field);
  };
}

function encodeOutputFormat(format: OutputFormat, body: JsonObject, { target, losses }: FieldScope): void {
  if (format.type === "text") return;
  if (format.type === "json") {
    losses.add("outputFormat", "altered");
    appendSystem(body, "Answer with a single JSON value and nothing else: no prose, no code fence.");
    return;
  }
  if (!target.capabilities.has("structured-output")) {
    losses.add("outputFormat", "altered");
    const schema = JSON.stringify(format.schema);
    appendSystem(body, `Answer with one JSON value and nothing else, valid under this JSON Schema:\n${schema}`);
    return;
  }
  const { schema, altered } = constrainedSchema(format.schema);
  if (altered) losses.add("outputFormat", "altered");
  body.output_config = { format: { type: "json_schema", schema } };
}

/** Fields that only this dialect knows. Objects that are also written from canonical fields are joined. */
function encodeExtras(extras: Extras, body: JsonObject, { losses }: FieldScope): void {
  const told: Extras = {};
  for (const [dialect, fields] of Object.entries(extras)) {
    const kept = Object.entries(fields).filter(([field, value]) => dialect === OWN || !isHarmless(field, value));
    told[dialect as keyof Extras] = Object.fromEntries(kept);
  }
  const own = wireFields(loseForeignExtras(told, OWN, losses));
  for (const key in own) {
    const written = asObject(body[key]);
    const value = asObject(own[key]);
    if (written && value) body[key] = { ...written, ...value };
    else body[key] ??= own[key];
  }
}

function isHarmless(field: string, value: unknown): boolean {
  if (HARMLESS.has(field)) return true;
  // Which earlier thoughts stay in sight: here that is always the same.
  return field === "reasoning" && Object.keys(asObject(value) ?? {}).every((key) => key === "context");
}

function hasMarks({ system, messages, tools }: CanonicalRequest): boolean {
  if (system?.some((part) => part.cache) || tools?.some((tool) => tool.type !== "server" && tool.cache)) return true;
  return messages.some((message) => message.content.some((part) => part.cache));
}

function offerHistoricTools(body: JsonObject): void {
  const tools = historicTools(asArray(body.messages));
  if (tools.length === 0) return;
  body.tools = tools;
  body.tool_choice = { type: "none" };
}

/** Marks the end of the instructions and of the last turn: what formats that cache without being asked do. */
function markPrefix(body: JsonObject): void {
  const mark = { cache_control: { type: "ephemeral" } };
  const marked = (content: unknown) => {
    const blocks = typeof content === "string" ? [{ type: "text", text: content }] : (content as JsonObject[]);
    return [...blocks.slice(0, -1), { ...blocks.at(-1), ...mark }];
  };
  if (body.system !== undefined) body.system = marked(body.system);
  const messages = body.messages as JsonObject[] | undefined;
  const last = messages?.at(-1);
  if (messages && last?.role === "user")
    body.messages = [...messages.slice(0, -1), { ...last, content: marked(last.content) }];
}
