/**
 * A canonical request as an OpenAI Responses body for an upstream. The gateway encodes here when it converts;
 * what the format cannot say is reported as a loss.
 */
import { asArray, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import { collectLosses, type Losses } from "../../core/loss.ts";
import type {
  CanonicalRequest,
  Extras,
  Message,
  OutputFormat,
  Reasoning,
  ServerTool,
  TextPart,
  Tool,
  ToolChoice,
} from "../../core/request.ts";
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
import { contentInWords } from "../failed-result.ts";
import { JSON_INSTRUCTION, speaksOfJson } from "../json-wish.ts";
import { pairCalls } from "../pairing.ts";
import { budgetToEffort, fitEffort, toEffort } from "../reasoning.ts";
import { replayable } from "../server-tools.ts";
import { visibleSystem } from "../system-text.ts";
import { WEB_SEARCH } from "../web-search.ts";
import { encodeInputContent } from "./content.ts";
import { additionalTools } from "./input-decode.ts";
import { encodeHistory } from "./items-encode.ts";
import { withPlainTools } from "./plain-tools.ts";
import { INCLUDE_LOGPROBS, INCLUDE_REASONING, INCLUDE_SOURCES, SERVICE_TIERS } from "./request-decode.ts";
import { encodeToolChoice, encodeTools } from "./tools.ts";
import { itemNote, OWN, own, restoreFields, transportOf } from "./wire.ts";

/** The least that OpenAI accepts for `max_output_tokens`. */
const MIN_OUTPUT_TOKENS = 16;
/** The longest id of an end user that OpenAI accepts. */
const MAX_END_USER_LENGTH = 64;

/** Never throws for what a `decodeRequest` returned. */
export function encodeRequest(asked: CanonicalRequest, target: EncodeTarget): EncodedRequest {
  const unsaid = collectLosses();
  const { customTools, serverTools } = target.quirks;
  const request = customTools === false ? withPlainTools(asked, unsaid, serverTools) : asked;
  const { body, losses } = encodeFields(request, target, FIELDS);
  for (const { field, kind } of unsaid.list()) losses.add(field, kind);
  body.model = target.model;
  body.stream = target.stream;
  const { text: _, reasoning: __, ...others } = loseForeignExtras(request.extras, OWN, losses) ?? {};
  const { reasoning: ___, include, ...transport } = transportOf(request);
  restoreFields(body, others);
  restoreFields(body, transport);
  body.store ??= false;
  encodeInclude(request, target, body, asArray(include));
  finishFormat(body, target);
  return { body, losses: losses.list() };
}

/** A JSON answer may only be asked for where the input speaks of JSON. */
function finishFormat(body: JsonObject, { quirks }: EncodeTarget): void {
  if (asObject(asObject(body.text)?.format)?.type !== "json_object" || speaksOfJson(body.input)) return;
  const content = [{ type: "input_text", text: JSON_INSTRUCTION }];
  body.input = [{ type: "message", role: quirks.systemRole ?? "developer", content }, ...asArray(body.input)];
}

const FIELDS: FieldEncoders = {
  model: writtenElsewhere,
  stream: writtenElsewhere,
  system: writtenElsewhere,
  messages: encodeInput,
  tools: encodeOfferedTools,
  toolChoice(choice, body, { request, losses }) {
    const served = request.tools?.find(
      (tool) => tool.type === "server" && tool.dialect !== OWN && isChosen(tool, choice),
    );
    if (!served) body.tool_choice = encodeToolChoice(choice, request.tools);
    else if (asArray(body.tools).some((tool) => asObject(tool)?.type === "web_search")) {
      body.tool_choice = { type: "web_search" };
    } else losses.add("toolChoice");
  },
  parallelToolCalls: verbatim("parallel_tool_calls"),
  maxOutputTokens(limit, body, { target, losses }) {
    const allowed = Math.min(limit, target.maxOutputTokens);
    if (allowed < MIN_OUTPUT_TOKENS) losses.add("maxOutputTokens", "altered");
    body.max_output_tokens = Math.max(allowed, MIN_OUTPUT_TOKENS);
  },
  temperature: verbatim("temperature"),
  topP: verbatim("top_p"),
  topK: lost("topK"),
  minP: lost("minP"),
  frequencyPenalty: lost("frequencyPenalty"),
  presencePenalty: lost("presencePenalty"),
  repetitionPenalty: lost("repetitionPenalty"),
  seed: lost("seed"),
  stop: lost("stop"),
  candidates(count, _body, { losses }) {
    if (count > 1) losses.add("candidates");
  },
  logprobs: writtenElsewhere,
  topLogprobs: verbatim("top_logprobs"),
  logitBias: lost("logitBias"),
  outputFormat: encodeFormat,
  modalities(modalities, _body, { losses }) {
    if (modalities.some((one) => one !== "text")) losses.add("modalities");
  },
  reasoning: encodeReasoningWish,
  verbosity(verbosity, body) {
    body.text = { ...asObject(body.text), verbosity };
  },
  endUser: encodeEndUser,
  metadata: verbatim("metadata"),
  cacheKey: verbatim("prompt_cache_key"),
  serviceTier(tier, body, { losses }) {
    if (SERVICE_TIERS.has(tier)) body.service_tier = tier;
    else losses.add("serviceTier");
  },
  extras(extras, body, { target }) {
    const text = asObject(extras[OWN]?.text);
    const reasoning = wireReasoning(extras);
    if (reasoning && target.capabilities.has("thinking"))
      body.reasoning = { ...reasoning, ...asObject(body.reasoning) };
    if (!text) return;
    const format = asObject(text.format);
    const said = asObject(body.text);
    body.text = { ...text, ...said, ...(format && { format: { ...format, ...asObject(said?.format) } }) };
  },
};

/** Whether the choice names a tool that another format's provider runs: Messages names it as it names functions. */
function isChosen(tool: ServerTool, choice: ToolChoice): boolean {
  return choice.type === "tool" && tool.value.name === choice.name;
}

/** What a Responses caller said of reasoning that the canon does not have. */
export function wireReasoning(extras: Extras | undefined): JsonObject | undefined {
  const word = asObject(extras?.[OWN]?.reasoning);
  const others = asObject(transportOf({ extras }).reasoning);
  return word || others ? { ...others, ...word } : undefined;
}

function encodeInput(messages: Message[], body: JsonObject, { request, target, losses }: FieldScope): void {
  const input: JsonObject[] = [];
  encodeSystem(request.system ?? [], body, input, target, losses);
  const known = continuesElsewhere(request, messages) ? messages : pairCalls(messages, losses);
  const scope = { target, losses, replayable: replayable(request, target.quirks, OWN, [WEB_SEARCH]) };
  for (const message of known) encodeMessage(message, input, scope);
  body.input = input;
}

/** Whether the calls that the results answer may stand in what the provider has kept. */
function continuesElsewhere(request: CanonicalRequest, messages: readonly Message[]): boolean {
  const { previous_response_id: id, conversation } = request.extras?.[OWN] ?? {};
  if (id || conversation) return true;
  return messages.some(({ content }) =>
    content.some((part) => part.type === "opaque" && part.value.type === "item_reference"),
  );
}

function encodeSystem(
  system: readonly TextPart[],
  body: JsonObject,
  input: JsonObject[],
  target: EncodeTarget,
  losses: Losses,
): void {
  let content: JsonObject[] | undefined;
  let roleBefore: string | undefined;
  for (const part of visibleSystem(system)) {
    const notes = own(part);
    if (notes?.$instructions && body.instructions === undefined) {
      body.instructions = part.text;
      continue;
    }
    const role = asString(notes?.$role) ?? target.quirks.systemRole ?? "developer";
    const piece = encodeInputContent(part, losses);
    if (!piece) continue;
    const note = itemNote(part);
    if (!content || note || role !== roleBefore) {
      content = [];
      const item: JsonObject = { type: "message", role, content };
      restoreFields(item, note);
      input.push(item);
      roleBefore = role;
    }
    content.push(piece);
  }
}

/** What writing the turns needs to know. */
interface TurnScope {
  readonly target: EncodeTarget;
  readonly losses: Losses;
  /** Searches of other providers that may stand here as this one's. */
  readonly replayable: ReadonlySet<string>;
}

function encodeMessage(message: Message, input: JsonObject[], { target, losses, replayable }: TurnScope): void {
  loseForeignExtras(message.extras, OWN, losses, "messages");
  switch (message.role) {
    case "assistant":
      input.push(...encodeHistory(message.content, losses, replayable));
      return;
    case "tool":
      encodeResults(message, input, losses);
      return;
    default: {
      const role =
        message.role === "user" ? "user" : (asString(own(message)?.$role) ?? target.quirks.systemRole ?? "developer");
      encodeTurn(message, role, input, losses);
    }
  }
}

function encodeTurn(
  message: Extract<Message, { role: "user" | "system" }>,
  role: string,
  input: JsonObject[],
  losses: Losses,
): void {
  const content: JsonObject[] = [];
  for (const part of message.content) {
    if (part.type === "opaque" && part.dialect === OWN && own(part)?.$whole) input.push(part.value);
    else {
      const piece = encodeInputContent(part, losses);
      if (piece) content.push(piece);
    }
  }
  if (content.length === 0) return;
  const item: JsonObject = { type: "message", role, content };
  restoreFields(item, itemNote(message));
  input.push(item);
}

function encodeResults(message: Extract<Message, { role: "tool" }>, input: JsonObject[], losses: Losses): void {
  for (const part of message.content) {
    loseForeignExtras(part.extras, OWN, losses, "messages");
    if (part.type === "opaque") {
      if (part.dialect === OWN) input.push(part.value);
      else losses.add(`messages.${asString(part.value.type) ?? "opaque"}`);
      continue;
    }
    const content = contentInWords(part, losses);
    const pieces = content.map((one) => encodeInputContent(one, losses)).filter((piece) => piece !== undefined);
    const only = pieces.length === 1 ? pieces[0] : undefined;
    const isPlain = only?.type === "input_text" && Object.keys(only).length === 2;
    const item: JsonObject = {
      type: part.kind === "custom" ? "custom_tool_call_output" : "function_call_output",
      call_id: part.callId,
      output: pieces.length === 0 ? "" : isPlain ? only.text : pieces,
    };
    restoreFields(item, itemNote(part));
    input.push(item);
  }
}

/** Tools that came in items of the input go back there, to its front. */
function encodeOfferedTools(tools: Tool[], body: JsonObject, { request, target, losses }: FieldScope): void {
  const notes = additionalTools(request.extras?.[OWN]?.$additional);
  let rest = tools;
  const items: JsonObject[] = [];
  for (const { count, item } of notes.reverse()) {
    const from = Math.max(0, rest.length - count);
    const wire: JsonObject = { type: "additional_tools", tools: encodeTools(rest.slice(from), losses) };
    restoreFields(wire, item);
    items.unshift(wire);
    rest = rest.slice(0, from);
  }
  if (items.length > 0) body.input = [...items, ...asArray(body.input)];
  const list = encodeTools(rest, losses, target.quirks.serverTools);
  if (list.length > 0) body.tools = list;
}

function encodeFormat(format: OutputFormat, body: JsonObject): void {
  body.text = { ...asObject(body.text), format: formatOnWire(format) };
}

/** An output format as `text.format`. */
export function formatOnWire(format: OutputFormat): JsonObject {
  if (format.type === "text") return { type: "text" };
  if (format.type === "json") return { type: "json_object" };
  const wire: JsonObject = { type: "json_schema", name: format.name ?? "answer", schema: format.schema };
  if (format.description !== undefined) wire.description = format.description;
  if (format.strict !== undefined) wire.strict = format.strict;
  return wire;
}

function encodeReasoningWish(reasoning: Reasoning, body: JsonObject, { target, losses }: FieldScope): void {
  const wish = reasoningOnWire(reasoning);
  if (!target.capabilities.has("thinking")) {
    if (wish.effort !== undefined && wish.effort !== "none") losses.add("reasoning");
    return;
  }
  const effort = toEffort(wish.effort);
  const fitting = effort && fitEffort(effort, target.quirks.efforts);
  if (fitting !== effort) {
    losses.add("reasoning", "altered");
    delete wish.effort;
    if (fitting) wish.effort = fitting;
  }
  // Formats that ask for thinking in so many words show it by default.
  const showsByDefault = reasoning.mode === "on" || reasoning.mode === "adaptive";
  if (reasoning.show === undefined && showsByDefault) wish.summary = "auto";
  if (Object.keys(wish).length > 0) body.reasoning = wish;
}

/** A wish for reasoning as `reasoning`. A budget becomes the nearest effort. */
export function reasoningOnWire(reasoning: Reasoning): JsonObject {
  const wire: JsonObject = {};
  if (reasoning.effort) wire.effort = reasoning.effort;
  else if (reasoning.mode === "off") wire.effort = "none";
  else if (reasoning.budgetTokens !== undefined) wire.effort = budgetToEffort(reasoning.budgetTokens);
  if (reasoning.show && reasoning.show !== "none") wire.summary = reasoning.show;
  return wire;
}

function encodeEndUser(user: string, body: JsonObject, { request, losses }: FieldScope): void {
  const note = asString(request.extras?.[OWN]?.$user);
  if (note !== undefined) {
    body.safety_identifier = user;
    if (note !== "safety_identifier") body.user = note;
  } else if (user.length > MAX_END_USER_LENGTH) losses.add("endUser");
  else body.user = user;
}

/** Reasoning always comes encrypted, so that the next turn can bring it back whoever keeps the conversation. */
function encodeInclude(request: CanonicalRequest, target: EncodeTarget, body: JsonObject, asked: Json[]): void {
  const include = asked.slice();
  const thinks = target.capabilities.has("thinking") && asObject(body.reasoning)?.effort !== "none";
  if (thinks && !include.includes(INCLUDE_REASONING)) include.push(INCLUDE_REASONING);
  if (searchesForOthers(request, body) && !include.includes(INCLUDE_SOURCES)) include.push(INCLUDE_SOURCES);
  if (request.logprobs && !include.includes(INCLUDE_LOGPROBS)) include.push(INCLUDE_LOGPROBS);
  if (include.length > 0) body.include = include;
}

/** Whether the upstream searches for a caller of another format, which tells its callers what a search found. */
function searchesForOthers({ tools = [] }: CanonicalRequest, body: JsonObject): boolean {
  const isSearch = (tool: unknown) => asObject(tool)?.type === "web_search";
  const asked = tools.some((tool) => tool.type === "server" && tool.kind === WEB_SEARCH && tool.dialect !== OWN);
  return asked && asArray(body.tools).some(isSearch);
}
