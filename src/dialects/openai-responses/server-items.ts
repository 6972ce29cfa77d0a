/**
 * Searches and code that the provider ran, as items of the Responses format in both directions: one item for call and result.
 * Requests, replies and streams share it; opening a page that was found is no search and stays opaque.
 */
import { asArray, asObject, asString, type Json, type JsonObject, tryParse } from "../../core/json.ts";
import type { FoundPage, ServerCallPart, ServerResult, ServerResultPart } from "../../core/request.ts";
import { isSearch } from "./usage.ts";
import { type OutputPart, OWN } from "./wire.ts";

/** The longest id that the API takes for an item. */
const MAX_ID_LENGTH = 64;

/** The call and, where the item tells it, the result; undefined for other items. */
export function decodeServerItem(item: JsonObject): [ServerCallPart, ...ServerResultPart[]] | undefined {
  const id = (asString(item.id) ?? "").replace(/^(?:ws|ci)_/, "");
  const native = { dialect: OWN, value: item };
  if (isSearch(item)) {
    const call: ServerCallPart = {
      type: "server-call",
      id,
      call: { kind: "web-search", queries: queriesOf(item) },
      native,
    };
    const result = searchResult(item);
    return result ? [call, { type: "server-result", callId: id, result }] : [call];
  }
  if (item.type !== "code_interpreter_call") return undefined;
  const code = asString(item.code) ?? "";
  return [
    { type: "server-call", id, call: { kind: "code-execution", code, language: "python" }, native },
    { type: "server-result", callId: id, result: codeResult(item) },
  ];
}

/** The queries of a search: in its action, or as imitators tell them, in arguments of a call. */
function queriesOf(item: JsonObject): string[] {
  const action = asObject(item.action) ?? asObject(tryParse(asString(item.arguments) ?? ""));
  const many = asArray(action?.queries).filter((query) => typeof query === "string");
  const one = asString(action?.query);
  return many.length > 0 ? many : one === undefined ? [] : [one];
}

/** Undefined when the item does not tell what was found: the API does so only on request. */
function searchResult(item: JsonObject): ServerResult | undefined {
  if (item.status === "failed") return { kind: "web-search", pages: [], error: "failed" };
  const sources = asObject(item.action)?.sources;
  return Array.isArray(sources) ? { kind: "web-search", pages: sources.flatMap(pageOf) } : undefined;
}

function pageOf(value: Json): FoundPage[] {
  const source = asObject(value);
  const url = asString(source?.url);
  const title = asString(source?.title);
  return url === undefined ? [] : [{ url, ...(title !== undefined && { title }) }];
}

function codeResult({ outputs, status }: JsonObject): ServerResult {
  const logs = asArray(outputs).map((output) => asString(asObject(output)?.logs));
  const output = logs.filter((text) => text !== undefined).join("\n");
  return { kind: "code-execution", output, ...(status === "failed" && { failed: true }) };
}

/** The item of a call that another provider ran. Without a result it is told as completed: nothing else will follow. */
export function encodeServerItem({ id, call }: ServerCallPart, result: ServerResult | undefined): JsonObject {
  const body = id.replace(/[^a-zA-Z0-9_-]/g, "_").slice(0, MAX_ID_LENGTH - "cntr_".length);
  const failed = result?.error !== undefined || (result?.kind === "code-execution" && result.failed === true);
  const status = failed ? "failed" : "completed";
  if (call.kind === "web-search") {
    const pages = result?.kind === "web-search" ? result.pages : [];
    const action = {
      type: "search",
      query: call.queries.join("; "),
      ...(call.queries.length > 1 && { queries: call.queries }),
      ...(result && { sources: pages.map(({ url }) => ({ type: "url", url })) }),
    };
    return { id: `ws_${body}`, type: "web_search_call", status, action };
  }
  const printed = result?.kind === "code-execution" ? [result.output, result.errors, result.error] : [];
  const logs = printed.filter(Boolean).join("\n");
  return {
    id: `ci_${body}`,
    type: "code_interpreter_call",
    status,
    code: call.code,
    container_id: `cntr_${body}`,
    outputs: result ? [{ type: "logs", logs }] : null,
  };
}

/** Searches of an answer whose items do not say what they found; what the answer cites then stands for it. */
export class UntoldSearches {
  private readonly calls: string[] = [];
  private readonly pages = new Map<string, FoundPage>();

  /** Takes notice of the parts of an item. */
  note(parts: readonly OutputPart[]): void {
    const [first] = parts;
    if (first?.type === "server-call" && parts.length === 1) this.calls.push(first.id);
    if (this.calls.length === 0) return;
    for (const part of parts) {
      if (part.type !== "text") continue;
      for (const { url, title } of part.annotations ?? []) {
        if (!this.pages.has(url)) this.pages.set(url, { url, ...(title && { title }) });
      }
    }
  }

  /** The results that nobody told: the last search found what is cited. */
  results(): ServerResultPart[] {
    return this.calls.map((callId, index) => {
      const pages = index === this.calls.length - 1 ? [...this.pages.values()] : [];
      return { type: "server-result", callId, result: { kind: "web-search", pages } };
    });
  }
}
