/**
 * Names of the Anthropic Messages wire: its block types, its fields, its stop reasons.
 * Every file of this dialect shares them; nothing else reads them.
 */
import { type JsonObject, rest } from "../../core/json.ts";
import type { CacheMark, DialectId, Extras } from "../../core/request.ts";

export const OWN = "anthropic-messages" satisfies DialectId;

/** Server tools and client tools with a built-in schema, by the beginning of their `type`, under their canonical kind. */
export const SERVER_TOOL_KINDS: readonly (readonly [prefix: string, kind: string])[] = [
  ["web_search", "web-search"],
  ["web_fetch", "web-fetch"],
  ["code_execution", "code-execution"],
  ["tool_search_tool", "tool-search"],
  ["computer", "computer-use"],
];

/** Blocks whose `input` streams as JSON fragments although the caller does not run them. */
export const ASSEMBLED_INPUT: ReadonlySet<string> = new Set(["server_tool_use", "mcp_tool_use"]);

/** Extras of this dialect, or nothing when there are none. */
export function ownExtras(fields: JsonObject | undefined): { extras?: Extras } {
  return fields ? { extras: { [OWN]: fields } } : {};
}

/** Own extras as fields of the wire. Keys that begin with `$` are notes to the encoder and stay out. */
export function wireFields(own: JsonObject | undefined): JsonObject {
  if (!own) return {};
  let noted = false;
  for (const key in own) noted ||= key.startsWith("$");
  return noted ? Object.fromEntries(Object.entries(own).filter(([key]) => !key.startsWith("$"))) : own;
}

/** What every block and tool may carry: the cache mark, and the fields that nobody else knows. */
export function readBase(block: JsonObject, known: ReadonlySet<string>): { cache?: CacheMark; extras?: Extras } {
  let fields = rest(block, known);
  if (!fields) return {};
  const mark = fields.cache_control;
  if (mark === undefined) return ownExtras(fields);
  const { cache_control: _, ...others } = fields;
  fields = others;
  const cache = readMark(mark);
  if (!cache.known && mark !== null) fields = { ...fields, cache_control: mark };
  return {
    ...(cache.mark && { cache: cache.mark }),
    ...ownExtras(Object.keys(fields).length > 0 ? fields : undefined),
  };
}

/** A mark with fields besides type and ttl is also kept whole, so that it goes back as it came. */
function readMark(value: unknown): { mark?: CacheMark; known: boolean } {
  if (typeof value !== "object" || value === null) return { known: false };
  const { type, ttl, ...others } = value as JsonObject;
  const plain = type === "ephemeral" && (ttl === undefined || ttl === null || ttl === "5m" || ttl === "1h");
  return { mark: { ttl: ttl === "1h" ? "1h" : "5m" }, known: plain && Object.keys(others).length === 0 };
}

/** The wire's form of a cache mark. */
export function writeMark(cache: CacheMark): JsonObject {
  return cache.ttl === "1h" ? { type: "ephemeral", ttl: "1h" } : { type: "ephemeral" };
}

/** A tool call's id in the characters that the API takes: a pure function, so that call and result still match. */
export function wireToolId(id: string): string {
  if (id === "") return "toolu_unnamed";
  return /^[a-zA-Z0-9_-]+$/.test(id) ? id : id.replace(/[^a-zA-Z0-9_-]/g, "_");
}
