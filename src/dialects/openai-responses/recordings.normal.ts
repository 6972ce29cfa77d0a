/**
 * Brings recorded bodies to a normal form, so that a body and its round trip compare equal where they mean the same.
 * Used by `recordings.test.ts` only; each step is a difference that is allowed, with its reason.
 */
import { asArray, asObject, type Json, type JsonObject } from "../../core/json.ts";

/** Without nulls, empty lists and empty objects, which the wire treats like absent fields. */
function sparse(value: Json | undefined): Json | undefined {
  if (value === null || value === undefined) return undefined;
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map((one) => sparse(one) ?? null);
  if (typeof value !== "object") return value;
  const kept: JsonObject = {};
  for (const key of Object.keys(value).sort()) {
    const inner = sparse(value[key]);
    if (inner !== undefined) kept[key] = inner;
  }
  return Object.keys(kept).length === 0 ? undefined : kept;
}

/** What the echo of a request adds where an imitator leaves the field out. */
const ECHOED = [
  "background",
  "max_output_tokens",
  "metadata",
  "parallel_tool_calls",
  "service_tier",
  "store",
  "temperature",
  "text",
  "tool_choice",
  "tools",
  "top_logprobs",
  "top_p",
  "truncation",
  "user",
  "instructions",
  "prompt_cache_key",
  "previous_response_id",
  "max_tool_calls",
  "reasoning",
  "safety_identifier",
];

/** A reply's body in normal form. */
export function normalReply(body: JsonObject): Json | undefined {
  const copy = structuredClone(body);
  // The caller sees the gateway's name of the model, and ids in OpenAI's form.
  delete copy.model;
  if (typeof copy.id === "string" && !copy.id.startsWith("resp_")) copy.id = "resp_test";
  // The SDK computes it from the output.
  delete copy.output_text;
  copy.object = "response";
  for (const key of ECHOED) delete copy[key];
  const usage = asObject(copy.usage);
  // Counts of nothing are always written.
  const details = asObject(usage?.input_tokens_details);
  if (details) details.cache_write_tokens ??= 0;
  for (const item of asArray(copy.output)) normalItem(asObject(item));
  return sparse(copy);
}

function normalItem(item: JsonObject | undefined): void {
  // An item that came without an id gets one.
  if (item && /^[a-z]+_test_\d+$/.test(String(item.id))) delete item.id;
  // The official types require a title; xAI leaves it out.
  for (const piece of asArray(item?.content)) {
    for (const note of asArray(asObject(piece)?.annotations)) {
      const citation = asObject(note);
      if (citation?.type !== "url_citation") continue;
      citation.title ??= "";
      citation.start_index ??= 0;
      citation.end_index ??= 0;
    }
  }
}

/** A request's body in normal form. */
export function normalRequest(body: JsonObject): Json | undefined {
  const copy = structuredClone(body);
  // The target names the model and whether it streams.
  delete copy.model;
  delete copy.stream;
  // Not to store is the canon's default, so the wire's own default is written out.
  copy.store ??= true;
  // Encrypted reasoning is always asked for.
  const include = asArray(copy.include).filter((one) => one !== "reasoning.encrypted_content");
  copy.include = include;
  // A text may stand as itself or as a list of one.
  if (typeof copy.input === "string") copy.input = [{ role: "user", content: copy.input }];
  const items = asArray(copy.input).filter((item) => asObject(item)) as JsonObject[];
  for (const item of items) normalInput(item);
  // Tools that the input brings are put to its front.
  const first = items.filter(({ type }) => type === "additional_tools");
  copy.input = [...first, ...items.filter(({ type }) => type !== "additional_tools")];
  // OpenAI accepts no lower limit.
  if (typeof copy.max_output_tokens === "number") copy.max_output_tokens = Math.max(16, copy.max_output_tokens);
  return sparse(copy);
}

function normalInput(item: JsonObject): void {
  if (item.type === undefined && item.role !== undefined) item.type = "message";
  const kind = item.role === "assistant" ? "output_text" : "input_text";
  if (item.type === "message" && typeof item.content === "string") {
    item.content = [{ type: kind, text: item.content }];
  }
  const output = asArray(item.output);
  const only = asObject(output[0]);
  if (output.length === 1 && only?.type === "input_text" && Object.keys(only).length === 2) item.output = only.text;
}
