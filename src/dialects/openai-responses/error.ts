/**
 * Errors of the OpenAI Responses format: an upstream's understood, the gateway's own rendered, as an answer or in a stream.
 * Codex decides by these codes whether to stop, to wait or to ask again, so they are its words.
 */
import type { FailureKind, GatewayError, UpstreamFailure } from "../../core/error.ts";
import { asNumber, asObject, asString, type Json, type JsonObject, tryParse } from "../../core/json.ts";
import type { ErrorReply } from "../dialect.ts";
import { kindOfStatus, retryHeaders, STATUS_OF_KIND, waitInHeaders, waitInWords, waitSeconds } from "../failure.ts";

const MAX_RAW_MESSAGE = 500;

const KIND_OF_CODE: Record<string, FailureKind> = {
  context_length_exceeded: "context-length",
  content_filter: "content-filter",
  content_policy_violation: "content-filter",
  image_content_policy_violation: "content-filter",
  invalid_prompt: "content-filter",
  bio_policy: "content-filter",
  insufficient_quota: "billing",
  billing_hard_limit_reached: "billing",
  usage_limit_reached: "billing",
  rate_limit_exceeded: "rate-limit",
  invalid_api_key: "authentication",
  model_not_found: "not-found",
  not_found: "not-found",
  server_error: "server",
  internal_server_error: "server",
  server_is_overloaded: "overloaded",
  slow_down: "overloaded",
  overloaded: "overloaded",
  vector_store_timeout: "timeout",
};

const OVERFLOW =
  /context (window|length)|maximum context|prompt is too long|input is too long|exceeds? the (maximum|max|model'?s?) .{0,30}(tokens|context)|too many (input )?tokens/i;
function kindOf(code: string | undefined, type: string | undefined, status: number, message: string): FailureKind {
  const named = (code && KIND_OF_CODE[code]) || (type && KIND_OF_CODE[type]) || undefined;
  if (named) return named;
  if (status < 500 && OVERFLOW.test(message)) return "context-length";
  if (status === 400 && /api key/i.test(message)) return "authentication";
  return kindOfStatus(status);
}

/** Understands an HTTP error. `body` may be JSON of any envelope, HTML or empty. */
export function decodeError(status: number, headers: Headers, body: string): UpstreamFailure {
  const json = tryParse(body);
  const parsed = asObject(json) ?? asObject(Array.isArray(json) ? json[0] : undefined);
  const failure = failureOf(parsed, status) ?? {
    kind: kindOf(undefined, undefined, status, ""),
    status,
    message: parsed || body.trimStart().startsWith("<") ? "" : body.slice(0, MAX_RAW_MESSAGE),
  };
  const wait = waitInHeaders(headers);
  if (wait !== undefined) failure.retryAfterMs = wait;
  return failure;
}

/** The failure in an error body; undefined when there is none in it. `status` 0 means it came inside a stream. */
function failureOf(body: JsonObject | undefined, status: number): UpstreamFailure | undefined {
  if (!body) return undefined;
  const error = asObject(body.error) ?? body;
  const message =
    asString(error.message) ?? asString(body.error) ?? asString(body.message) ?? detailOf(body.detail) ?? undefined;
  const code = wordOf(error.code) ?? wordOf(body.code);
  const type = asString(error.type);
  if (message === undefined && code === undefined) return undefined;
  const numeric = asNumber(error.status_code) ?? asNumber(error.code) ?? 0;
  const told = status || (numeric >= 400 && numeric < 600 ? numeric : 0);
  const kind = kindOf(code, type, told || 500, message ?? "");
  const failure: UpstreamFailure = { kind, status: told || STATUS_OF_KIND[kind], message: message ?? "" };
  const name = code ?? (type === "error" ? undefined : type);
  if (name !== undefined) failure.code = name;
  const param = asString(error.param);
  if (param !== undefined) failure.param = param;
  const wait = kind === "billing" ? undefined : waitInWords(failure.message);
  if (wait !== undefined) failure.retryAfterMs = wait;
  return failure;
}

function wordOf(value: Json | undefined): string | undefined {
  return typeof value === "number" ? String(value) : asString(value);
}

function detailOf(value: Json | undefined): string | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === "string" ? value : JSON.stringify(value).slice(0, MAX_RAW_MESSAGE);
}

/** An error inside a stream or a 200 answer: an `error` event, a failed response's `error`, or an error body. */
export function streamFailure(body: JsonObject): UpstreamFailure {
  return failureOf(body, 0) ?? { kind: "server", status: 500, message: "" };
}

/** What an error is called on this wire. */
interface WireError {
  status: number;
  type: string;
  code: string;
}

/** Out of credit is told as Codex understands it; an overflow as OpenAI says it; a missing model likewise. */
function wireError(error: GatewayError): WireError {
  const { code, status, reason } = error;
  if (reason === "context-length") return { status, type: "invalid_request_error", code: "context_length_exceeded" };
  if (reason === "content-filter") return { status, type: "invalid_request_error", code: "content_filter" };
  if (code === "insufficient_credit") return { status: 429, type: "insufficient_quota", code: "insufficient_quota" };
  if (code === "rate_limit_exceeded") return { status, type: "rate_limit_error", code };
  return { status, type: status >= 500 ? "server_error" : "invalid_request_error", code };
}

/** The text that callers see. Codex reads the wait from the sentence. */
function messageOf(error: GatewayError): string {
  if (error.code !== "rate_limit_exceeded" || error.retryAfterMs === undefined) return error.message;
  if (waitInWords(error.message) !== undefined) return error.message;
  return `${error.message} Please try again in ${waitSeconds(error.retryAfterMs)}s.`;
}

/** Renders an error as an answer. */
export function encodeError(error: GatewayError, requestId: string): ErrorReply {
  const { status, type, code } = wireError(error);
  const body = {
    error: { message: messageOf(error), type, param: error.param ?? null, code },
    request_id: requestId,
  };
  return { status, body, headers: retryHeaders(error) };
}

/** The codes at which Codex stops, or waits as long as it is told, if only `response.failed` says them. */
const FINAL_CODES: ReadonlySet<string> = new Set([
  "insufficient_quota",
  "context_length_exceeded",
  "rate_limit_exceeded",
]);

/** An error in a stream: the `error` of a failed response, and the `error` event before it where clients want one. */
export function encodeStreamFailure(
  error: GatewayError,
  requestId: string,
): { failed: JsonObject; event?: JsonObject } {
  const { type, code } = wireError(error);
  const message = messageOf(error);
  const failed = { code, message };
  if (FINAL_CODES.has(code)) return { failed };
  return { failed, event: { type, code, message, param: error.param ?? null, request_id: requestId } };
}
