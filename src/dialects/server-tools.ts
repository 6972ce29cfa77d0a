/**
 * What all formats need to tell of tools that providers run themselves: a call's or a result's own form, and both in words.
 * The encoders of histories and replies use it; the tools as they are offered are in `web-search.ts`.
 */
import type { Quirks } from "../core/endpoint.ts";
import type { JsonObject } from "../core/json.ts";
import type { Losses } from "../core/loss.ts";
import type {
  CanonicalRequest,
  DialectId,
  FoundPage,
  Part,
  ServerCall,
  ServerCallPart,
  ServerResult,
  ServerResultPart,
} from "../core/request.ts";

export type ServerPart = ServerCallPart | ServerResultPart;

/** What a provider says for a tool that brought nothing, where its format has no words for why. */
export const NO_REASON = "unavailable";

/** Whether the part is one of a provider's own tool. */
export function isServerPart(part: { type: string }): part is ServerPart {
  return part.type === "server-call" || part.type === "server-result";
}

/** The part as this dialect said it; undefined where another one did. */
export function ownForm({ native }: ServerPart, dialect: DialectId): JsonObject | undefined {
  return native?.dialect === dialect ? native.value : undefined;
}

/** The results among some parts, by the call that each belongs to. */
export function resultsByCall(parts: readonly Part[]): ReadonlyMap<string, ServerResultPart> {
  const results = new Map<string, ServerResultPart>();
  for (const part of parts) if (part.type === "server-result") results.set(part.callId, part);
  return results;
}

/**
 * The calls of another format that can go to the target as its own: those of tools that it runs and is offered in this
 * request, and that have a result. A format refuses calls of tools that it does not know, and calls without results.
 */
export function replayable(
  request: CanonicalRequest,
  quirks: Quirks,
  to: DialectId,
  kinds: readonly ServerCall["kind"][],
): ReadonlySet<string> {
  const offered = kinds.filter((kind) =>
    request.tools?.some(
      (tool) =>
        tool.type === "server" && tool.kind === kind && (tool.dialect === to || quirks.serverTools?.includes(kind)),
    ),
  );
  const ids = new Set<string>();
  if (offered.length === 0) return ids;
  for (const { role, content } of request.messages) {
    if (role !== "assistant") continue;
    const results = resultsByCall(content);
    for (const part of content) {
      if (part.type === "server-call" && offered.includes(part.call.kind) && results.has(part.id)) ids.add(part.id);
    }
  }
  return ids;
}

/** The part as a text of its own paragraph, for a model whose API has no such item: an altered loss. */
export function inWords(part: ServerPart, losses: Losses): string {
  const said = part.type === "server-call" ? part.call : part.result;
  losses.add(`messages.${said.kind}`, "altered");
  return `${part.type === "server-call" ? callInWords(part.call) : resultInWords(part.result)}\n\n`;
}

function callInWords(call: ServerCall): string {
  if (call.kind === "web-search") return `[Web search: ${call.queries.join("; ") || "unknown query"}]`;
  return `[Code run:]\n${fenced(call.code, call.language)}`;
}

function resultInWords(result: ServerResult): string {
  if (result.kind === "web-search") {
    if (result.error !== undefined) return `[The web search failed: ${result.error}]`;
    if (result.pages.length === 0) return "[The web search told no pages.]";
    return ["[The web search found:]", ...result.pages.map(pageInWords)].join("\n");
  }
  if (result.error !== undefined) return `[The code did not run: ${result.error}]`;
  const outcome = result.failed ? "[The code failed:]" : "[The code printed:]";
  return `${outcome}\n${fenced([result.output, result.errors].filter(Boolean).join("\n"), "")}`;
}

function pageInWords({ url, title, age }: FoundPage): string {
  return `- ${title ? `${title}: ` : ""}${url}${age ? ` (${age})` : ""}`;
}

/** Longer fences than any inside keep the code together. */
function fenced(text: string, language: string): string {
  const inside = text.match(/`{3,}/g) ?? [];
  const fence = "`".repeat(Math.max(3, ...inside.map(({ length }) => length + 1)));
  return `${fence}${language}\n${text}${text.endsWith("\n") ? "" : "\n"}${fence}`;
}
