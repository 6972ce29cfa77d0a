/**
 * Reads and checks a generateContent request the way Gemini does.
 * The simulated provider's first half of `:generateContent`, `:streamGenerateContent` and `:countTokens`.
 */
import type { Incoming } from "./api.ts";
import { camel, field, readContents } from "./gemini-contents.ts";
import { checkSchema } from "./gemini-schema.ts";
import { arrayOf, isObject, type Json, numberOf, objectOf, stringOf } from "./json.ts";
import { isUnknownModel } from "./openai-common.ts";
import { invalid, Problem } from "./problem.ts";
import { createView, seeSystem, seeTool, type View } from "./reading.ts";

const FIELDS: ReadonlySet<string> = new Set(
  `contents systemInstruction tools toolConfig safetySettings generationConfig cachedContent model labels serviceTier
  store modelArmorConfig generateContentRequest`.split(/\s+/),
);
const CONFIG_FIELDS: ReadonlySet<string> = new Set(
  `stopSequences responseMimeType responseSchema responseJsonSchema responseFormat candidateCount maxOutputTokens
  temperature topP topK seed presencePenalty frequencyPenalty responseLogprobs logprobs responseModalities speechConfig
  thinkingConfig imageConfig mediaResolution enableEnhancedCivicAnswers audioTimestamp routingConfig`.split(/\s+/),
);
const TOOL_NAME = /^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$/;
const CACHED_TOKENS = 1_000;
const MAX_CHOICES = 8;

function checkNames(json: Json, known: ReadonlySet<string>, at: string): void {
  for (const key of Object.keys(json)) {
    if (known.has(camel(key))) continue;
    const where = at === "" ? "" : ` at '${at}'`;
    throw invalid(`Invalid JSON payload received. Unknown name "${key}"${where}: Cannot find field.`);
  }
}

function readDeclaration(view: View, given: unknown, at: string): void {
  const declaration = objectOf(given);
  const name = stringOf(declaration.name);
  if (!TOOL_NAME.test(name)) {
    throw invalid(
      `* GenerateContentRequest.${at}.name: Invalid function name. Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 64.\n`,
    );
  }
  if (view.tools.some((tool) => tool.name === name)) throw invalid(`Duplicate function declaration found: ${name}`);
  const free = field(declaration, "parametersJsonSchema");
  if (free !== undefined && declaration.parameters !== undefined) {
    throw invalid(`* GenerateContentRequest.${at}: parameters and parameters_json_schema cannot both be set\n`);
  }
  checkSchema(declaration.parameters, `${at}.parameters`);
  seeTool(
    view,
    name,
    "function",
    free ?? declaration.parameters ?? { type: "OBJECT" },
    JSON.stringify(declaration).length,
  );
}

function readTools(view: View, body: Json): void {
  for (const [index, given] of arrayOf(body.tools).entries()) {
    const declarations = arrayOf(field(objectOf(given), "functionDeclarations"));
    for (const [position, declaration] of declarations.entries()) {
      readDeclaration(view, declaration, `tools[${index}].function_declarations[${position}]`);
    }
  }
  const config = objectOf(field(objectOf(field(body, "toolConfig")), "functionCallingConfig"));
  const names = field(config, "allowedFunctionNames");
  const allowed = Array.isArray(names) && names.length > 0 ? names.map(stringOf) : undefined;
  const mode = stringOf(config.mode).toUpperCase();
  if (allowed !== undefined && mode !== "ANY" && mode !== "VALIDATED") {
    throw invalid(
      "Function calling config is set without mode ANY, but allowed_function_names is set: it may only be set when the mode is ANY.",
    );
  }
  if (mode === "ANY") view.choice = { mode: "any", allowed };
  else if (mode === "NONE") view.choice = { mode: "none" };
  else view.choice = { mode: "auto", allowed };
}

function readFormat(view: View, config: Json): void {
  const mime = field(config, "responseMimeType");
  const strict = field(config, "responseSchema");
  const free = field(config, "responseJsonSchema");
  if (strict !== undefined && free !== undefined) {
    throw invalid("Only one of response_schema and response_json_schema may be set.");
  }
  if (mime !== "application/json") {
    if (strict === undefined && free === undefined) return;
    if (mime === "text/x.enum") view.format = { schema: strict ?? free };
    else
      throw invalid(
        "* GenerateContentRequest.generation_config.response_schema: only allowed with response_mime_type application/json\n",
      );
    return;
  }
  checkSchema(strict, "generation_config.response_schema");
  if (view.tools.length > 0 && !view.model.includes("gemini-3")) {
    throw invalid("Function calling with a response mime type: 'application/json' is unsupported");
  }
  view.format = { schema: strict ?? free };
}

function readConfig(view: View, body: Json): void {
  const config = objectOf(field(body, "generationConfig"));
  checkNames(config, CONFIG_FIELDS, "generation_config");
  const limit = field(config, "maxOutputTokens");
  if (limit !== undefined && limit !== null) {
    if (typeof limit !== "number")
      throw invalid(`Invalid value at 'generation_config.max_output_tokens' (TYPE_INT32), ${JSON.stringify(limit)}`);
    if (limit < 1) throw invalid(`max_output_tokens must be positive, but got ${limit}.`);
    view.maxTokens = limit;
  }
  const temperature = numberOf(config.temperature);
  if (temperature !== undefined && (temperature < 0 || temperature > 2)) {
    throw invalid(
      `* GenerateContentRequest.generation_config.temperature: temperature must be in the range [0.0, 2.0].\n`,
    );
  }
  view.stops = arrayOf(field(config, "stopSequences")).map(stringOf);
  if (view.stops.length > 5)
    throw invalid(
      "* GenerateContentRequest.generation_config.stop_sequences: the maximum number of stop sequences is 5.\n",
    );
  view.choices = Math.min(Math.max(1, numberOf(field(config, "candidateCount")) ?? 1), MAX_CHOICES);
  const thinking = field(config, "thinkingConfig");
  view.thinks = isObject(thinking) && field(thinking, "thinkingBudget") !== 0;
  readFormat(view, config);
}

function readSystem(view: View, body: Json): void {
  const system = field(body, "systemInstruction");
  if (typeof system === "string")
    throw invalid(
      `Invalid value at 'system_instruction' (type.googleapis.com/google.ai.generativelanguage.v1beta.Content), "${system}"`,
    );
  for (const part of arrayOf(objectOf(system).parts)) seeSystem(view, stringOf(objectOf(part).text));
}

/** Whether thoughts are shown; they are charged in any case. */
export function showsThoughts(view: View): boolean {
  const config = objectOf(field(objectOf(field(view.body, "generationConfig")), "thinkingConfig"));
  return field(config, "includeThoughts") === true;
}

/** Reads a generateContent request; throws what Gemini would refuse. */
export function readGemini(call: Incoming): View {
  const { body, pathModel: model } = call;
  if (isUnknownModel(model)) {
    const words = "Call ListModels to see the list of available models and their supported methods.";
    throw new Problem(
      404,
      `models/${model} is not found for API version v1beta, or is not supported for ${call.verb}. ${words}`,
    );
  }
  if (!call.orders.flags.has("lenient")) checkNames(body, FIELDS, "");
  if (body.contents !== undefined && !Array.isArray(body.contents)) {
    throw invalid(
      `Invalid value at 'contents' (type.googleapis.com/google.ai.generativelanguage.v1beta.Content), ${JSON.stringify(body.contents).slice(0, 200)}`,
    );
  }
  const contents = arrayOf(body.contents);
  if (contents.length === 0) throw invalid("* GenerateContentRequest.contents: contents is not specified\n");
  const view = createView(call.raw, body, model);
  view.stream = call.verb === "streamGenerateContent";
  readSystem(view, body);
  readTools(view, body);
  readContents(view, contents);
  readConfig(view, body);
  const cached = field(body, "cachedContent");
  if (cached !== undefined) {
    if (typeof cached !== "string" || !cached.includes("cachedContents/"))
      throw invalid(`Invalid CachedContent name: ${String(cached)}.`);
    view.cacheRead = CACHED_TOKENS;
    view.chars += CACHED_TOKENS * 4;
  }
  return view;
}
