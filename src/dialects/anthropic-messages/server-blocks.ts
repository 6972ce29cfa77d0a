/**
 * Searches and code that the provider ran, as blocks of Messages in both directions: `server_tool_use` and `*_tool_result`.
 * Requests and replies share it. The API marks what it found with ciphers of its own; what another provider found has none.
 */
import { asArray, asNumber, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import type { FoundPage, Native, ServerCall, ServerResult } from "../../core/request.ts";
import { carrySignature, readSlot, UNSIGNED } from "../../core/signature.ts";
import { NO_REASON, ownForm, type ServerPart } from "../server-tools.ts";
import { OWN } from "./wire.ts";

const ID_PREFIX = "srvtoolu_";
/** Begins the ids of calls that another provider ran. */
const MADE_PREFIX = `${ID_PREFIX}by_`;

/** Stands where the API expects a cipher of its own; it keeps the block from going to an upstream that would refuse it. */
export const NO_CIPHER = carrySignature(UNSIGNED, OWN);

/** Whether a cipher is the API's own. */
export function isOwnCipher(value: unknown): boolean {
  return readSlot(asString(value), OWN)?.origin === OWN;
}

/** A block of a tool that several providers run; undefined for any other block. */
export function decodeServerBlock(block: JsonObject): ServerPart | undefined {
  const native: { native?: Native } = isMade(block) ? {} : { native: { dialect: OWN, value: block } };
  if (block.type === "server_tool_use") {
    const call = decodeCall(block);
    const id = asString(block.id);
    return call && id !== undefined ? { type: "server-call", id: bareId(id), call, ...native } : undefined;
  }
  const callId = asString(block.tool_use_id);
  const result = decodeResult(block);
  return result && callId !== undefined
    ? { type: "server-result", callId: bareId(callId), result, ...native }
    : undefined;
}

/** Whether the block was made here of what another provider did: its id tells. */
function isMade(block: JsonObject): boolean {
  const id = asString(block.id) ?? asString(block.tool_use_id);
  return id?.startsWith(MADE_PREFIX) === true;
}

/** The id as the other provider gave it. */
function bareId(id: string): string {
  return id.startsWith(MADE_PREFIX) ? id.slice(MADE_PREFIX.length) : id;
}

function decodeCall({ name, input }: JsonObject): ServerCall | undefined {
  const given = asObject(input);
  switch (name) {
    case "web_search":
      return { kind: "web-search", queries: [given?.query].flatMap((query) => asString(query) ?? []) };
    case "code_execution":
      return { kind: "code-execution", code: asString(given?.code) ?? "", language: "python" };
    case "bash_code_execution":
      return { kind: "code-execution", code: asString(given?.command) ?? "", language: "bash" };
    default:
      return undefined;
  }
}

function decodeResult({ type, content }: JsonObject): ServerResult | undefined {
  const inner = asObject(content);
  const failure = asString(inner?.error_code);
  const error = failure === undefined ? {} : { error: failure };
  switch (type) {
    case "web_search_tool_result":
      return { kind: "web-search", pages: asArray(content).flatMap(decodePage), ...error };
    case "code_execution_tool_result":
    case "bash_code_execution_tool_result": {
      const errors = asString(inner?.stderr);
      return {
        kind: "code-execution",
        output: asString(inner?.stdout) ?? "",
        ...(errors && { errors }),
        ...((failure !== undefined || (asNumber(inner?.return_code) ?? 0) !== 0) && { failed: true }),
        ...error,
      };
    }
    default:
      return undefined;
  }
}

function decodePage(value: Json): FoundPage[] {
  const page = asObject(value);
  const url = asString(page?.url);
  if (url === undefined) return [];
  const title = asString(page?.title);
  const age = asString(page?.page_age);
  return [{ url, ...(title !== undefined && { title }), ...(age !== undefined && { age }) }];
}

/** The id of a call that another provider ran, in the form that the API's ids have. */
function wireServerId(id: string): string {
  if (id.startsWith(ID_PREFIX)) return id;
  return `${MADE_PREFIX}${id.replace(/[^a-zA-Z0-9_]/g, "_")}`;
}

/** The part as a block: its own, or one made of what another provider did. */
export function encodeServerBlock(part: ServerPart): JsonObject {
  const own = ownForm(part, OWN);
  if (own) return own;
  if (part.type === "server-result") return encodeResult(wireServerId(part.callId), part.result);
  const { call } = part;
  const isSearch = call.kind === "web-search";
  return {
    type: "server_tool_use",
    id: wireServerId(part.id),
    name: isSearch ? "web_search" : "code_execution",
    input: isSearch ? { query: call.queries.join("; ") } : { code: call.code },
  };
}

function encodeResult(id: string, result: ServerResult): JsonObject {
  const type = result.kind === "web-search" ? "web_search_tool_result" : "code_execution_tool_result";
  const { error } = result;
  if (error !== undefined) {
    const error_code = ERROR_CODES.has(error) ? error : NO_REASON;
    return { type, tool_use_id: id, content: { type: `${type}_error`, error_code } };
  }
  if (result.kind === "web-search") return { type, tool_use_id: id, content: result.pages.map(encodePage) };
  const { output, errors, failed } = result;
  const content = {
    type: "code_execution_result",
    stdout: output,
    stderr: errors ?? "",
    return_code: failed ? 1 : 0,
    content: [],
  };
  return { type, tool_use_id: id, content };
}

/** Clients show titles; where nobody told one, the address is all there is. */
function encodePage({ url, title, age }: FoundPage): JsonObject {
  return {
    type: "web_search_result",
    title: title || url,
    url,
    encrypted_content: NO_CIPHER,
    page_age: age ?? null,
  };
}

/** The reasons that the API's types name. */
const ERROR_CODES: ReadonlySet<string> = new Set([
  "invalid_tool_input",
  "unavailable",
  "max_uses_exceeded",
  "too_many_requests",
  "query_too_long",
  "request_too_large",
  "execution_time_exceeded",
]);
