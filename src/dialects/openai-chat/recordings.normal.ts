/**
 * What two Chat bodies may differ in and still say the same; only the recordings' test uses it.
 * Each rule is a spelling that the canon does not keep, with its reason.
 */
import { asArray, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import { joinedText } from "./wire.ts";

/** Without nulls, zeros, false, empty texts, arrays and objects: imitators fill fields that mean nothing. */
export function strip(value: Json | undefined): Json | undefined {
  if (value === null || value === "" || value === 0 || value === false) return undefined;
  if (Array.isArray(value)) {
    const items = value.map(strip).filter((item) => item !== undefined);
    return items.length > 0 ? items : undefined;
  }
  if (typeof value !== "object") return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, strip(inner)] as const);
  const kept = entries.filter(([, inner]) => inner !== undefined);
  return kept.length > 0 ? (Object.fromEntries(kept) as JsonObject) : undefined;
}

/** A reply's body without what may differ. */
export function normalReply(body: JsonObject): Json | undefined {
  const { usage: rawUsage, created: _, object: __, ...others } = body;
  // What an upstream left out is filled in.
  if (others.id === "chatcmpl-test") delete others.id;
  if (others.model === "m") delete others.model;
  const choices = asArray(body.choices).map((value) => {
    const choice = asObject(value) ?? {};
    return { ...choice, message: normalMessage(asObject(choice.message) ?? {}) };
  });
  return strip({ ...others, choices, usage: normalUsage(asObject(rawUsage)) });
}

function normalMessage(message: JsonObject): JsonObject {
  // `padding` is noise; the two names of reasoning are one; details repeat its text.
  const { padding: _, reasoning, reasoning_content, role: __, ...others } = message;
  const details = asArray(message.reasoning_details).map(asObject);
  const shown = asString(reasoning_content) || asString(reasoning) || "";
  const texts = details.map((detail) => asString(detail?.text) ?? asString(detail?.summary) ?? "");
  const result: JsonObject = { ...others, reasoning: shown || texts.join("") };
  // Mistral's thinking stands in the content.
  if (Array.isArray(message.content)) {
    const parts = message.content.map(asObject);
    const of = (type: string) => parts.filter((part) => part?.type === type);
    result.content = of("text")
      .map((part) => asString(part?.text))
      .join("");
    result.reasoning = of("thinking")
      .map((part) => joinedText(part?.thinking))
      .join("");
  }
  // Calls have their place in the array; an id that Google left out is made up.
  result.tool_calls = asArray(message.tool_calls).map((value) => {
    const { index: _index, id, ...call } = asObject(value) ?? {};
    return { ...call, id: asString(id)?.startsWith("call_test") ? "" : id };
  });
  return result;
}

function normalUsage(usage: JsonObject | undefined): JsonObject {
  const { completion_tokens: _, prompt_tokens: __, ...others } = usage ?? {};
  const prompt = asObject(usage?.prompt_tokens_details) ?? {};
  const completion = asObject(usage?.completion_tokens_details) ?? {};
  const { text_tokens: _t, image_tokens: _i, cached_tokens: _c, cache_write_tokens: _w, ...promptOthers } = prompt;
  const { text_tokens: _o, reasoning_tokens: _r, ...completionOthers } = completion;
  // The total stays. What came on top of the counts (xAI, Mistral's audio, Gemini's thoughts) is in them afterwards,
  // shares that overlap are cut, other spellings of cached tokens get the usual one too: the usage test compares these.
  return { ...others, prompt_tokens_details: promptOthers, completion_tokens_details: completionOthers };
}

const DEFAULTS: JsonObject = { stream: false, n: 1 };

/** A request's body without what may differ. */
export function normalRequest(body: JsonObject): Json | undefined {
  const result: JsonObject = {};
  for (const [key, value] of Object.entries(body)) {
    if (value === null || value === undefined || DEFAULTS[key] === value) continue;
    result[key] = value;
  }
  if (typeof result.stop === "string") result.stop = [result.stop];
  if (result.tool_choice === "any") result.tool_choice = "required";
  if (asArray(result.tools).length === 0) {
    delete result.tools;
    delete result.tool_choice;
    delete result.parallel_tool_calls;
  } else result.tools = asArray(result.tools).map((tool) => ({ type: "function", ...asObject(tool) }));
  // Usage is always asked for in streams.
  delete result.stream_options;
  const messages: JsonObject[] = [];
  for (const value of asArray(result.messages)) {
    const message = normalTurn(asObject(value) ?? {});
    const last = messages.at(-1);
    // Instructions in a row are one message.
    if (last && isInstruction(message) && last.role === message.role && messages.length === 1) {
      last.content = [...asArray(last.content), ...asArray(message.content)];
    } else messages.push(message);
  }
  result.messages = messages;
  return stripNulls(result);
}

function isInstruction(message: JsonObject): boolean {
  return message.role === "system" || message.role === "developer";
}

function normalPart(part: JsonObject): JsonObject {
  // A thought in pieces is one text.
  if (part.type === "thinking") return { type: "thinking", thinking: joinedText(part.thinking) };
  const file = asObject(part.file);
  // OpenAI wants a name with a file; one is made where the caller gave none.
  if (file?.filename === "file.pdf") part.file = { ...file, filename: null };
  return part;
}

/** Without nulls, and without five minutes as the time of a cache mark: that is the default. */
function stripNulls(value: Json): Json {
  if (Array.isArray(value)) return value.map(stripNulls);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(
    ([key, inner]) => inner !== null && inner !== undefined && !(key === "ttl" && inner === "5m"),
  );
  return Object.fromEntries(kept.map(([key, inner]) => [key, stripNulls(inner as Json)]));
}

function normalTurn(message: JsonObject): JsonObject {
  const { cache_control, annotations, reasoning, reasoning_content, content, ...others } = message;
  const result: JsonObject = { ...others };
  let parts = asArray(content).map((part) => normalPart({ ...asObject(part) }));
  if (typeof content === "string" && content !== "") parts = [{ type: "text", text: content }];
  // A mark on the message stands behind its last part, or its last call.
  const calls = asArray(message.tool_calls).map((value) => {
    const { index: _, type: __, ...call } = asObject(value) ?? {};
    const inner = asObject(call.function);
    return inner?.arguments === "" ? { ...call, function: { ...inner, arguments: "{}" } } : call;
  });
  if (cache_control && message.role === "tool") result.cache_control = cache_control;
  else if (cache_control) Object.assign(calls.at(-1) ?? parts.at(-1) ?? {}, { cache_control });
  if (asArray(annotations).length > 0) result.annotations = annotations;
  if (calls.length > 0) result.tool_calls = calls;
  else delete result.tool_calls;
  // Two names for the same text.
  if (reasoning_content || reasoning) result.reasoning = reasoning_content || reasoning;
  result.content = parts.filter((part) => part.type !== "text" || part.text !== "" || message.role !== "assistant");
  if (asArray(result.content).length === 0) delete result.content;
  return result;
}
