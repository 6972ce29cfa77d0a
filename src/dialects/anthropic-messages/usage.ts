/**
 * Usage of Messages in both directions. Input counts exclude cached tokens here, output counts include thinking.
 * Replies and streams share it; a stream's counts are cumulative, so later fields replace earlier ones and are never added.
 */
import { asArray, asNumber, asObject, type JsonObject, rest } from "../../core/json.ts";
import type { Extras } from "../../core/request.ts";
import { completionTokens, emptyUsage, split, tokenCount, type Usage } from "../../core/usage.ts";
import { OWN, ownExtras, wireFields } from "./wire.ts";

const KNOWN = new Set([
  "input_tokens",
  "output_tokens",
  "cache_creation_input_tokens",
  "cache_read_input_tokens",
  "cache_creation",
  "output_tokens_details",
  "server_tool_use",
]);

/** Two reports of one stream as one: fields of the later that are not null win. */
export function mergeUsage(earlier: JsonObject | undefined, later: JsonObject): JsonObject {
  const merged: JsonObject = { ...earlier };
  for (const key in later) {
    const value = later[key];
    if (value !== null && value !== undefined) merged[key] = value;
  }
  return merged;
}

/** The token counts that an entry names, before anything is split off. */
function counts(raw: JsonObject) {
  const ttl = asObject(raw.cache_creation);
  const hour = tokenCount(ttl?.ephemeral_1h_input_tokens);
  const minutes = tokenCount(ttl?.ephemeral_5m_input_tokens);
  const written = asNumber(raw.cache_creation_input_tokens) === undefined ? hour + minutes : undefined;
  const [short, long] = split(written ?? tokenCount(raw.cache_creation_input_tokens), hour);
  return {
    input: tokenCount(raw.input_tokens),
    cacheRead: tokenCount(raw.cache_read_input_tokens),
    cacheWrite5m: short ?? 0,
    cacheWrite1h: long ?? 0,
    output: tokenCount(raw.output_tokens),
  };
}

/** Iterations that are billed on top: the API's own totals leave out compaction and the advisor's sampling. */
const ON_TOP = new Set(["compaction", "advisor_message"]);

function onTop(iterations: unknown) {
  const total = { input: 0, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 0 };
  for (const item of asArray(iterations)) {
    const entry = asObject(item);
    if (!entry || typeof entry.type !== "string" || !ON_TOP.has(entry.type)) continue;
    const more = counts(entry);
    for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += more[key];
  }
  return total;
}

/** Usage in token classes, and the fields that nobody else knows. */
export function decodeUsage(raw: JsonObject): { usage: Usage; extras?: Extras } {
  const base = counts(raw);
  const more = onTop(raw.iterations);
  const details = asObject(raw.output_tokens_details);
  const serverTools = asObject(raw.server_tool_use);
  const [output = 0, thinking = 0] = split(base.output, tokenCount(details?.thinking_tokens));
  const usage: Usage = {
    ...emptyUsage("measured"),
    input: base.input + more.input,
    cacheRead: base.cacheRead + more.cacheRead,
    cacheWrite5m: base.cacheWrite5m + more.cacheWrite5m,
    cacheWrite1h: base.cacheWrite1h + more.cacheWrite1h,
    output: output + more.output,
    thinking,
    webSearches: tokenCount(serverTools?.web_search_requests),
  };
  const fields: JsonObject = { ...rest(raw, KNOWN) };
  const otherDetails = details && rest(details, new Set(["thinking_tokens"]));
  const otherTools = serverTools && rest(serverTools, new Set(["web_search_requests"]));
  if (otherDetails) fields.output_tokens_details = otherDetails;
  if (otherTools && Object.values(otherTools).some(Boolean)) fields.server_tool_use = otherTools;
  for (const key in fields) if (fields[key] === null) delete fields[key];
  return { usage, ...ownExtras(Object.keys(fields).length > 0 ? fields : undefined) };
}

/** Usage as the API writes it. `usage` undefined means that nothing is known: zeros, which clients need to be there. */
export function encodeUsage(usage: Usage | undefined, extras: Extras | undefined): JsonObject {
  const known = usage ?? emptyUsage();
  const own = wireFields(extras?.[OWN]);
  const more = onTop(own.iterations);
  const less = (count: number, part: number) => Math.max(0, count - part);
  const short = less(known.cacheWrite5m, more.cacheWrite5m);
  const long = less(known.cacheWrite1h, more.cacheWrite1h);
  const { output_tokens_details: details, server_tool_use: tools, ...fields } = own;
  const written: JsonObject = {
    input_tokens: less(known.input + known.imageInput + known.audioInput, more.input),
    cache_creation_input_tokens: short + long,
    cache_read_input_tokens: less(known.cacheRead, more.cacheRead),
    cache_creation: { ephemeral_5m_input_tokens: short, ephemeral_1h_input_tokens: long },
    output_tokens: less(completionTokens(known), more.output),
    output_tokens_details: null,
    server_tool_use: null,
    service_tier: null,
    inference_geo: null,
  };
  if (known.thinking > 0 || details) {
    written.output_tokens_details = { thinking_tokens: known.thinking, ...asObject(details) };
  }
  if (known.webSearches > 0 || tools) {
    written.server_tool_use = { web_search_requests: known.webSearches, web_fetch_requests: 0, ...asObject(tools) };
  }
  return Object.assign(written, fields);
}
