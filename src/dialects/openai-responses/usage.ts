/**
 * Token usage of the OpenAI Responses format and of its imitators, read and written.
 * The prompt count includes cached tokens and the completion count reasoning; the canon counts each token once.
 */
import { asNumber, asObject, type JsonObject } from "../../core/json.ts";
import { completionTokens, emptyUsage, promptTokens, split, tokenCount, type Usage } from "../../core/usage.ts";
import { leftover, withField } from "./wire.ts";

const KNOWN = new Set([
  "input_tokens",
  "output_tokens",
  "total_tokens",
  "input_tokens_details",
  "output_tokens_details",
]);
const KNOWN_INPUT = new Set(["cached_tokens", "cache_write_tokens"]);
const KNOWN_OUTPUT = new Set(["reasoning_tokens"]);

/**
 * The usage of a response object, and what of it the canon does not have; undefined when it has none.
 * `searches`: how many searches its output holds, for providers that do not say.
 */
export function decodeUsage(response: JsonObject, searches: number): { usage: Usage; extras?: JsonObject } | undefined {
  const wire = asObject(response.usage);
  if (!wire) return undefined;
  const inputs = asObject(wire.input_tokens_details) ?? asObject(wire.prompt_tokens_details);
  const outputs = asObject(wire.output_tokens_details) ?? asObject(wire.completion_tokens_details);
  const prompt = tokenCount(wire.input_tokens ?? wire.prompt_tokens);
  const completion = tokenCount(wire.output_tokens ?? wire.completion_tokens);
  const reasoning = tokenCount(outputs?.reasoning_tokens);
  const written = tokenCount(inputs?.cache_write_tokens ?? wire.cache_creation_input_tokens);
  const long = tokenCount(asObject(inputs?.cache_write_tokens_details)?.ttl_12h_tokens);
  const usage = emptyUsage("measured");
  const cached = tokenCount(inputs?.cached_tokens ?? wire.cache_read_input_tokens);
  [usage.input, usage.cacheRead, usage.cacheWrite1h, usage.cacheWrite5m, usage.imageInput, usage.audioInput] = split(
    prompt,
    cached,
    Math.min(long, written),
    Math.max(0, written - long),
    tokenCount(inputs?.image_tokens),
    tokenCount(inputs?.audio_tokens),
  ) as [number, number, number, number, number, number];
  const isOnTop = reasoning > 0 && tokenCount(wire.total_tokens) === prompt + completion + reasoning;
  const total = isOnTop ? completion + reasoning : completion;
  const images = tokenCount(outputs?.image_tokens);
  const audio = tokenCount(outputs?.audio_tokens);
  [usage.output, usage.thinking, usage.imageOutput, usage.audioOutput] = split(total, reasoning, images, audio) as [
    number,
    number,
    number,
    number,
  ];
  usage.webSearches = toldSearches(response, wire) ?? searches;
  const extras = unknownUsage(wire, inputs, outputs);
  return extras ? { usage, extras } : { usage };
}

function toldSearches(response: JsonObject, wire: JsonObject): number | undefined {
  const told =
    asNumber(asObject(asObject(response.tool_usage)?.web_search)?.num_requests) ??
    asNumber(asObject(wire.server_side_tool_usage_details)?.web_search_calls);
  return told === undefined ? undefined : tokenCount(told);
}

/** Whether an item is a search of the web; opening a page found before is not. */
export function isSearch(item: unknown): boolean {
  const call = asObject(item);
  if (call?.type !== "web_search_call") return false;
  const action = asObject(call.action)?.type;
  return action === undefined || action === "search";
}

function unknownUsage(
  wire: JsonObject,
  inputs: JsonObject | undefined,
  outputs: JsonObject | undefined,
): JsonObject | undefined {
  let extras = leftover(wire, KNOWN);
  const input = inputs && leftover(inputs, KNOWN_INPUT);
  const output = outputs && leftover(outputs, KNOWN_OUTPUT);
  if (input) extras = withField(extras, "input_tokens_details", input);
  if (output) extras = withField(extras, "output_tokens_details", output);
  return extras;
}

/** Usage on the wire, complete as the official types require it. */
export function encodeUsage(usage: Usage, extras: JsonObject | undefined): JsonObject {
  const input = promptTokens(usage);
  const output = completionTokens(usage);
  const written = usage.cacheWrite5m + usage.cacheWrite1h;
  const { input_tokens_details: inputs, output_tokens_details: outputs, ...others } = extras ?? {};
  return {
    ...others,
    input_tokens: input,
    input_tokens_details: { ...asObject(inputs), cached_tokens: usage.cacheRead, cache_write_tokens: written },
    output_tokens: output,
    output_tokens_details: { ...asObject(outputs), reasoning_tokens: usage.thinking },
    total_tokens: input + output,
  };
}
