/**
 * Searches and code that the provider ran: `executableCode` and `codeExecutionResult` parts in both directions, and what
 * `groundingMetadata` tells of a search. Contents, replies and streams share it.
 */
import { asArray, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import type { FoundPage, ServerCallPart, ServerResult, ServerResultPart } from "../../core/request.ts";
import { ownForm, type ServerPart } from "../server-tools.ts";
import { GEMINI } from "./wire.ts";

/** The word of the API for code that ran too long, in those of the canon. */
const TOO_LONG = "execution_time_exceeded";

/** Names the calls of one conversation or answer, since the wire mostly leaves their ids out. */
export class CodeCalls {
  private readonly stem: string;
  private made = 0;
  private last: string | undefined;

  /** `stem` begins the ids that are made. */
  constructor(stem: string) {
    this.stem = stem;
  }

  /** The part as code or its result; undefined for any other. `native`: the part as it was written. */
  decode(part: JsonObject, native = part): ServerPart | undefined {
    const own = { native: { dialect: GEMINI, value: native } } as const;
    const call = asObject(part.executableCode);
    if (call) {
      this.last = asString(call.id) || this.next();
      const language = asString(call.language)?.toLowerCase() ?? "python";
      const code = asString(call.code) ?? "";
      return { type: "server-call", id: this.last, call: { kind: "code-execution", code, language }, ...own };
    }
    const result = asObject(part.codeExecutionResult);
    if (!result) return undefined;
    const callId = asString(result.id) || this.last || this.next();
    return { type: "server-result", callId, result: decodeResult(result), ...own };
  }

  /** An id that no call has yet. */
  next(): string {
    return `${this.stem}${this.made++}`;
  }
}

function decodeResult({ outcome, output: said }: JsonObject): ServerResult {
  const output = asString(said) ?? "";
  switch (outcome) {
    case "OUTCOME_FAILED":
      return { kind: "code-execution", output: "", errors: output, failed: true };
    case "OUTCOME_DEADLINE_EXCEEDED":
      return { kind: "code-execution", output, failed: true, error: TOO_LONG };
    default:
      return { kind: "code-execution", output };
  }
}

/** Code or its result as a part; undefined for searches, which stand in the metadata. */
export function encodeCodePart(part: ServerPart): JsonObject | undefined {
  const own = ownForm(part, GEMINI);
  if (own) return own;
  if (part.type === "server-call") {
    if (part.call.kind === "web-search") return undefined;
    const { code, language } = part.call;
    return { executableCode: { language: language === "python" ? "PYTHON" : "LANGUAGE_UNSPECIFIED", code } };
  }
  if (part.result.kind === "web-search") return undefined;
  const { output, errors, failed, error } = part.result;
  const outcome = error === TOO_LONG ? "DEADLINE_EXCEEDED" : failed || error !== undefined ? "FAILED" : "OK";
  const said = [output, errors, error === TOO_LONG ? undefined : error].filter(Boolean).join("\n");
  return { codeExecutionResult: { outcome: `OUTCOME_${outcome}`, output: said } };
}

/** The search that an answer's metadata tells of, as a call and its result; nothing where it tells of none. */
export function decodeSearch(
  metadata: JsonObject | undefined,
  id: () => string,
): [ServerCallPart, ServerResultPart] | undefined {
  const queries = asArray(metadata?.webSearchQueries).filter((query) => typeof query === "string");
  if (queries.length === 0) return undefined;
  const pages = asArray(metadata?.groundingChunks).flatMap(pageOf);
  const call: ServerCallPart = { type: "server-call", id: id(), call: { kind: "web-search", queries } };
  return [call, { type: "server-result", callId: call.id, result: { kind: "web-search", pages } }];
}

function pageOf(chunk: Json): FoundPage[] {
  const web = asObject(asObject(chunk)?.web);
  const url = asString(web?.uri);
  const title = asString(web?.title);
  return url === undefined ? [] : [{ url, ...(title !== undefined && { title }) }];
}

/** What the searches of an answer were asked and found. */
export interface Searches {
  queries: string[];
  pages: FoundPage[];
}

/** Adds what a part tells of a search. */
export function noteSearch(searches: Searches, part: ServerPart): void {
  if (part.type === "server-call" && part.call.kind === "web-search") searches.queries.push(...part.call.queries);
  if (part.type === "server-result" && part.result.kind === "web-search") searches.pages.push(...part.result.pages);
}
