/**
 * Errors of Messages in both directions: an upstream's failure understood, the gateway's own errors in this API's envelope.
 * HTTP errors, error events inside a stream and bodies that make no sense all end here.
 */
import type { ErrorCode, FailureKind, GatewayError, UpstreamFailure } from "../../core/error.ts";
import { asArray, asNumber, asObject, asString, type JsonObject, tryParse } from "../../core/json.ts";
import type { ErrorReply } from "../dialect.ts";
import { kindOfStatus, retryHeaders, waitInHeaders } from "../failure.ts";

/** Error types of the wire: what they mean, and the status they stand for inside a stream. */
const TYPES: Record<string, readonly [FailureKind, number]> = {
  invalid_request_error: ["invalid-request", 400],
  authentication_error: ["authentication", 401],
  billing_error: ["billing", 402],
  permission_error: ["permission", 403],
  not_found_error: ["not-found", 404],
  conflict_error: ["invalid-request", 409],
  request_too_large: ["too-large", 413],
  rate_limit_error: ["rate-limit", 429],
  api_error: ["server", 500],
  timeout_error: ["timeout", 504],
  overloaded_error: ["overloaded", 529],
};

const BY_CODE: Record<ErrorCode, string> = {
  invalid_api_key: "authentication_error",
  key_expired: "permission_error",
  key_limit_exceeded: "permission_error",
  forbidden: "permission_error",
  model_not_allowed: "permission_error",
  insufficient_credit: "billing_error",
  model_not_available: "not_found_error",
  not_found: "not_found_error",
  method_not_allowed: "invalid_request_error",
  upgrade_refused: "invalid_request_error",
  invalid_request: "invalid_request_error",
  request_too_large: "request_too_large",
  rate_limit_exceeded: "rate_limit_error",
  no_matching_provider: "not_found_error",
  upstream_unavailable: "overloaded_error",
  upstream_timeout: "timeout_error",
  service_unavailable: "overloaded_error",
  internal_error: "api_error",
};

/** How upstreams of this format, and those behind them, say that the prompt does not fit. */
const OVERFLOW =
  /prompt is too long|input is too long|exceeds? (?:the )?context (?:limit|window|length)|maximum context length|context window (?:is |was )?exceeded|too many (?:total )?(?:text bytes|tokens)|exceeds the maximum number of tokens/i;
const FILTERED = /blocked by (?:our |the )?content filter/i;
const NO_CREDIT = /credit balance is too low|insufficient (?:balance|credit|quota)/i;

/** The failure that an error document stands for. `status` is absent inside a stream: the error's type tells it. */
export function failureOf(document: JsonObject | undefined, status?: number): UpstreamFailure {
  const inner = asObject(document?.error);
  const message =
    asString(inner?.message) ?? asString(document?.message) ?? asString(document?.error) ?? asString(document?.detail);
  const code = asString(inner?.type) ?? asString(inner?.code) ?? asString(document?.__type);
  const known = code !== undefined && Object.hasOwn(TYPES, code) ? TYPES[code] : undefined;
  const numeric = asNumber(inner?.code);
  const own = status ?? known?.[1] ?? (numeric !== undefined && numeric >= 400 && numeric < 600 ? numeric : 502);
  const text = message ?? (document ? "The upstream sent an answer that is no message." : "");
  return {
    kind: refine(known?.[0] ?? kindOfStatus(own), text),
    status: own,
    message: text,
    ...(code !== undefined && { code }),
  };
}

function refine(kind: FailureKind, message: string): FailureKind {
  if (kind !== "invalid-request" && kind !== "too-large" && kind !== "server") return kind;
  if (OVERFLOW.test(message)) return "context-length";
  if (FILTERED.test(message)) return "content-filter";
  return kind === "invalid-request" && NO_CREDIT.test(message) ? "billing" : kind;
}

/** Understands an HTTP error. `body` is the raw text: this API's envelope, a cloud's, a page, or nothing. */
export function decodeError(status: number, headers: Headers, body: string): UpstreamFailure {
  const parsed = tryParse(body);
  const document = asObject(parsed) ?? asObject(asArray(parsed)[0]);
  const failure = document ? failureOf(document, status) : plainFailure(status, body);
  // A hint without such a status means nothing: successes carry it too.
  const retryAfterMs = status === 429 || status >= 500 ? waitInHeaders(headers) : undefined;
  return retryAfterMs === undefined ? failure : { ...failure, retryAfterMs };
}

function plainFailure(status: number, body: string): UpstreamFailure {
  const isPage = body.trimStart().startsWith("<");
  const message = isPage ? "" : body.trim().slice(0, 500);
  return { kind: refine(kindOfStatus(status), message), status, message };
}

/** Whole numbers with or without thousands separators. */
const NUMBER = /\d{1,3}(?:,\d{3})+|\d+/g;

/** The overflow sentence that clients of this API parse, with the upstream's numbers or, where it told none, the gateway's. */
function overflowMessage({ message, tokens: guess }: GatewayError): string {
  if (/prompt is too long: \d|exceed context limit: \d/.test(message)) return message;
  const numbers = [...message.matchAll(NUMBER)]
    .map((match) => ({ value: Number(match[0].replaceAll(",", "")), at: match.index }))
    .filter((number) => number.value >= 256);
  const word = message.search(/maximum|limit|allowed/i);
  const limit = numbers.find((number) => word >= 0 && number.at > word) ?? numbers[0];
  const over = numbers.filter((number) => limit && number.value > limit.value);
  if (limit && over.length > 0) return tooLong(Math.max(...over.map((number) => number.value)), limit.value);
  return guess ? tooLong(guess.used, guess.limit) : "prompt is too long";
}

function tooLong(tokens: number, limit: number): string {
  return `prompt is too long: ${tokens} tokens > ${limit} maximum`;
}

/** The envelope's document. The gateway's own code stands in `details.error_code`, where SDKs look for one. */
export function errorDocument(error: GatewayError, requestId: string): JsonObject {
  const message = error.reason === "context-length" ? overflowMessage(error) : error.message;
  return {
    type: "error",
    error: { type: BY_CODE[error.code], message, details: { error_code: error.code } },
    request_id: requestId,
  };
}

/** Renders an error with its status and the headers that tell clients whether and when to try again. */
export function encodeError(error: GatewayError, requestId: string): ErrorReply {
  return { status: error.status, body: errorDocument(error, requestId), headers: retryHeaders(error) };
}

/** The event that ends a stream with an error. */
export function encodeStreamError(error: GatewayError, requestId: string): string {
  return `event: error\ndata: ${JSON.stringify(errorDocument(error, requestId))}\n\n`;
}
