/**
 * Encodes a canonical request as a generateContent body for an upstream, and names what it could not say.
 * `convert` calls it for each attempt at an endpoint that speaks this format.
 */
import { asArray, asObject, type JsonObject, setOwn } from "../../core/json.ts";
import type { CanonicalRequest, Extras, OutputFormat } from "../../core/request.ts";
import {
  type EncodedRequest,
  type EncodeTarget,
  encodeFields,
  type FieldEncoders,
  type FieldScope,
  type FieldsOfDialects,
  loseForeignExtras,
  lost,
  withoutHarmless,
  writtenElsewhere,
} from "../dialect.ts";
import { visibleSystem } from "../system-text.ts";
import { toolNames } from "../tool-names.ts";
import { encodeContents } from "./contents-encode.ts";
import { toGeminiSchema } from "./schema.ts";
import { encodeThinking } from "./thinking.ts";
import { encodeToolChoice, encodeTools } from "./tools.ts";
import { GEMINI, isThirdGeneration, MAX_STOP_SEQUENCES } from "./wire.ts";

const INT32_MAX = 2 ** 31 - 1;

/** The inner object of a body, made when it is not there. */
function inner(body: JsonObject, key: string): JsonObject {
  const existing = asObject(body[key]);
  if (existing) return existing;
  const made: JsonObject = {};
  body[key] = made;
  return made;
}

function config(body: JsonObject): JsonObject {
  return inner(body, "generationConfig");
}

/** An entry that puts a value unchanged into `generationConfig`. */
function setting(name: string): (value: number | boolean, body: JsonObject) => void {
  return (value, body) => {
    config(body)[name] = value;
  };
}

/** An instruction of the gateway's own, after the caller's. */
function appendInstruction(body: JsonObject, text: string): void {
  const instruction = inner(body, "systemInstruction");
  instruction.parts = [...asArray(instruction.parts), { text }];
}

/** The wish for JSON in words, for models that cannot be held to it. */
function jsonInstruction(format: Exclude<OutputFormat, { type: "text" }>): string {
  const answer =
    "When you answer and call no function, answer with one JSON value and nothing else: no prose, no code fence.";
  return format.type === "json"
    ? answer
    : `${answer} It must be valid under this schema:\n${JSON.stringify(format.schema)}`;
}

/** Service tiers as the API names them, by the words of any format. `auto` is what the API does unasked. */
const SERVICE_TIERS: Readonly<Record<string, string | undefined>> = {
  auto: undefined,
  default: "standard",
  standard: "standard",
  standard_only: "standard",
  unspecified: "unspecified",
  flex: "flex",
  priority: "priority",
};

/** Fields of other formats about how an answer travels or is kept, which mean nothing here. */
const HARMLESS: FieldsOfDialects = {
  "openai-chat": new Set(["stream_options", "store", "usage"]),
  "openai-responses": new Set(["stream_options", "store", "include", "client_metadata"]),
};

const encoders: FieldEncoders = {
  model: writtenElsewhere,
  stream: writtenElsewhere,
  system: (system, body, { losses }) => {
    const parts = visibleSystem(system).map((part) => {
      if (part.cache) losses.add("cache", "altered");
      return { ...loseForeignExtras(part.extras, GEMINI, losses, "system"), text: part.text };
    });
    if (parts.length > 0) body.systemInstruction = { parts };
  },
  messages: (messages, body, scope) => {
    body.contents = encodeContents(messages, scope);
  },
  tools: (tools, body, { target, losses }) => {
    const encoded = encodeTools(tools, toolNames(tools), losses, target.quirks.serverTools);
    if (encoded.length > 0) body.tools = encoded;
  },
  toolChoice: (choice, body, { request }) => {
    // The API refuses to be told which function to call where none is declared.
    const hasFunctions = request.tools?.some((tool) => tool.type !== "server");
    const isMild = choice.type === "auto" || choice.type === "none";
    if (!hasFunctions && !(isMild && body.tools !== undefined)) return;
    inner(body, "toolConfig").functionCallingConfig = encodeToolChoice(choice, toolNames(request.tools));
  },
  parallelToolCalls: (isParallel, _body, { request, losses }) => {
    if (!isParallel && request.tools) losses.add("parallelToolCalls");
  },
  maxOutputTokens: (limit, body, { target }) => {
    config(body).maxOutputTokens = Math.min(limit, target.maxOutputTokens);
  },
  temperature: setting("temperature"),
  topP: setting("topP"),
  topK: setting("topK"),
  minP: lost("minP"),
  frequencyPenalty: setting("frequencyPenalty"),
  presencePenalty: setting("presencePenalty"),
  repetitionPenalty: lost("repetitionPenalty"),
  seed: (seed, body, { losses }) => {
    if (Math.abs(seed) > INT32_MAX) losses.add("seed", "altered");
    config(body).seed = seed % INT32_MAX;
  },
  stop: (stop, body, { losses }) => {
    if (stop.length > MAX_STOP_SEQUENCES) losses.add("stop", "altered");
    if (stop.length > 0) config(body).stopSequences = stop.slice(0, MAX_STOP_SEQUENCES);
  },
  candidates: (count, body) => {
    if (count !== 1) config(body).candidateCount = count;
  },
  logprobs: setting("responseLogprobs"),
  topLogprobs: setting("logprobs"),
  logitBias: lost("logitBias"),
  outputFormat: (format, body, { request, target, losses }) => {
    if (format.type === "text") return;
    // Earlier generations refuse a JSON answer together with functions.
    const hasFunctions = request.tools?.some((tool) => tool.type !== "server");
    if (hasFunctions && !isThirdGeneration(target.model)) {
      losses.add("outputFormat", "altered");
      appendInstruction(body, jsonInstruction(format));
      return;
    }
    config(body).responseMimeType = "application/json";
    if (format.type === "json-schema") config(body).responseJsonSchema = toGeminiSchema(format.schema);
  },
  modalities: (modalities, body) => {
    config(body).responseModalities = modalities.map((name) => name.toUpperCase());
  },
  reasoning: (reasoning, body, scope) => {
    const thinking = encodeThinking(reasoning, scope);
    if (thinking) config(body).thinkingConfig = thinking;
  },
  verbosity: lost("verbosity"),
  endUser: lost("endUser"),
  metadata: lost("metadata"),
  cacheKey: lost("cacheKey"),
  serviceTier: (tier, body, { losses }) => {
    if (!Object.hasOwn(SERVICE_TIERS, tier)) losses.add("serviceTier");
    else if (SERVICE_TIERS[tier] !== undefined) body.serviceTier = SERVICE_TIERS[tier];
  },
  extras: (extras, body, scope) => encodeExtras(extras, body, scope),
};

const PATHS = ["generationConfig.thinkingConfig", "generationConfig", "toolConfig.functionCallingConfig", "toolConfig"];

/** Puts this format's own fields back where they stood; they carry their path in their name. */
function encodeExtras(extras: Extras, body: JsonObject, { losses, target }: FieldScope): void {
  const own = loseForeignExtras(withoutHarmless(extras, HARMLESS), GEMINI, losses);
  for (const key in own) {
    const path = PATHS.find((prefix) => key.startsWith(`${prefix}.`));
    const isThinking = path === "generationConfig.thinkingConfig";
    if (isThinking && !target.capabilities.has("thinking")) continue;
    let place = body;
    for (const step of path?.split(".") ?? []) place = inner(place, step);
    setOwn(place, path ? key.slice(path.length + 1) : key, own[key]);
  }
}

/** Never throws for anything that a `decodeRequest` returned: what cannot be said is a loss. */
export function encodeRequest(request: CanonicalRequest, target: EncodeTarget): EncodedRequest {
  const { body, losses } = encodeFields(request, target, encoders);
  return { body, losses: losses.list() };
}
