/**
 * Loads the star-shaped cases and brings events to a form in which two dialects' tellings of the same answer are equal.
 * Used by `test/cases.test.ts` only.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { CanonicalEvent, Reply } from "../../src/core/event.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { collect } from "../../src/core/reply.ts";
import { type CanonicalRequest, DIALECT_IDS, type DialectId } from "../../src/core/request.ts";

const ROOT = join(import.meta.dir, "../cases");

export interface Case {
  name: string;
  request: CanonicalRequest;
  events: CanonicalEvent[];
  /** The text of one of the case's files; undefined when the dialect has none. */
  file(name: string): string | undefined;
}

/** Every case, by name. */
export function cases(): Case[] {
  return readdirSync(ROOT)
    .sort()
    .map((name) => {
      const file = (part: string) => {
        const path = join(ROOT, name, part);
        return existsSync(path) ? readFileSync(path, "utf8") : undefined;
      };
      return {
        name,
        file,
        request: JSON.parse(file("canonical.request.json") ?? "{}") as CanonicalRequest,
        events: parseLines(file("canonical.events.jsonl") ?? ""),
      };
    });
}

function parseLines(text: string): CanonicalEvent[] {
  const lines = text.trim().split("\n");
  return lines.map((line) => JSON.parse(line) as CanonicalEvent);
}

/** A prompt and its continuation are all that the old text completions can say, so only the cases of plain texts have them. */
const OPTIONAL: readonly DialectId[] = ["openai-completions"];

/** The dialects that take part in a case: all but the optional ones that have no files there. */
export function dialectsOf(one: Case): DialectId[] {
  return DIALECT_IDS.filter((id) => !OPTIONAL.includes(id) || one.file(`${id}.request.json`) !== undefined);
}

/** Drops undefined values, `extras`, and what each format names for itself (ids of messages, the wire's own finish word). */
function strip(value: unknown, lost: ReadonlySet<string> = new Set()): unknown {
  if (Array.isArray(value)) return value.map((inner) => strip(inner, lost));
  if (typeof value !== "object" || value === null) return value;
  const kept: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    if (inner === undefined || key === "extras" || key === "native" || key === "usageExtras" || lost.has(key)) continue;
    kept[key] = strip(inner, lost);
  }
  return kept;
}

/** A request without what only one dialect knows, and without lost fields: `topK` at the top, `messages.filename` anywhere. */
export function plainRequest(request: CanonicalRequest, lost: readonly string[] = []): unknown {
  const top = Object.fromEntries(Object.entries(request).filter(([field]) => !lost.includes(field)));
  return strip(
    top,
    new Set(lost.filter((field) => field.includes(".")).map((field) => field.slice(field.lastIndexOf(".") + 1))),
  );
}

/** The request with the name of its schema, a mere label that some formats have no field for. */
export function withLabel(request: CanonicalRequest, labelled: CanonicalRequest): CanonicalRequest {
  const { outputFormat } = request;
  const label = labelled.outputFormat?.type === "json-schema" ? labelled.outputFormat.name : undefined;
  if (outputFormat?.type !== "json-schema" || outputFormat.name !== undefined || label === undefined) return request;
  return { ...request, outputFormat: { ...outputFormat, name: label } };
}

/** A reply without ids, dates and what only one dialect knows. */
export function plainReply(events: readonly CanonicalEvent[]): unknown {
  const { id: _, model: __, createdAt: ___, ...reply } = collect(events) as Reply;
  return strip(reply);
}

/** Which losses a dialect's encoder is expected to report for a case; none without the file. */
export function expectedLosses(one: Case, dialect: DialectId): unknown[] {
  return JSON.parse(one.file(`${dialect}.losses.json`) ?? "[]") as unknown[];
}

/** What a dialect's own files decode to: the canon's request and events, or where the format says less of them, its own. */
export function decodedBy(one: Case, dialect: DialectId): Pick<Case, "request" | "events"> {
  const request = one.file(`${dialect}.decoded.request.json`);
  const events = one.file(`${dialect}.decoded.events.jsonl`);
  return {
    request: request === undefined ? one.request : (JSON.parse(request) as CanonicalRequest),
    events: events === undefined ? one.events : parseLines(events),
  };
}

/** The data of each event of an SSE text, parsed where it is JSON, with the event's name. */
export function sseData(text: string): { event: string | undefined; data: unknown }[] {
  return text
    .replaceAll("\r\n", "\n")
    .split("\n\n")
    .filter((block) => block.trim() !== "")
    .map((block) => {
      const lines = block.split("\n");
      const event = lines.find((line) => line.startsWith("event: "))?.slice(7);
      const data = lines
        .filter((line) => line.startsWith("data: "))
        .map((line) => line.slice(6))
        .join("\n");
      return { event, data: data === "[DONE]" ? data : (JSON.parse(data) as JsonObject) };
    });
}
