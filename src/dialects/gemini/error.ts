/**
 * Errors in both directions: an upstream's failure as its dialect understands it, and ours in Google's envelope.
 * Also errors inside a stream that has begun, in every form in which Google's clients notice them.
 */
import type { FailureKind, GatewayError, UpstreamFailure } from "../../core/error.ts";
import { asArray, asNumber, asObject, asString, type Json, type JsonObject, tryParse } from "../../core/json.ts";
import type { ErrorReply, Framing } from "../dialect.ts";
import { kindOfStatus, retryHeaders, waitInHeaders, waitSeconds } from "../failure.ts";

const TYPE = "type.googleapis.com/google.rpc.";

const STATUS_NAMES: Readonly<Record<number, string>> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  402: "RESOURCE_EXHAUSTED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  405: "UNIMPLEMENTED",
  408: "DEADLINE_EXCEEDED",
  409: "ABORTED",
  426: "FAILED_PRECONDITION",
  429: "RESOURCE_EXHAUSTED",
  499: "CANCELLED",
  501: "UNIMPLEMENTED",
  502: "UNAVAILABLE",
  503: "UNAVAILABLE",
  504: "DEADLINE_EXCEEDED",
};

/** HTTP statuses by the name of a gRPC status, for errors that tell no number. */
const STATUS_BY_NAME: Readonly<Record<string, number>> = {
  INVALID_ARGUMENT: 400,
  FAILED_PRECONDITION: 400,
  OUT_OF_RANGE: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  ABORTED: 409,
  RESOURCE_EXHAUSTED: 429,
  CANCELLED: 499,
  INTERNAL: 500,
  UNKNOWN: 500,
  UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504,
};

const CONTEXT_LENGTH =
  /token count.{0,40}exceed|exceeds? the maximum number of (?:input )?tokens|prompt is too long|maximum context length|context[ _](?:length|window)/i;
const TOO_LARGE = /payload size exceeds|request (?:entity )?(?:is )?too large/i;
const WRONG_KEY = /api[ _]key (?:not valid|expired|not found)|API_KEY_INVALID/i;
const WRONG_PLACE = /user location is not supported/i;
const NO_CREDIT = /credits? (?:are|is|have been|has been) (?:depleted|exhausted)|billing (?:is|has been) disabled/i;
const BLOCKED = /content (?:was |is )?(?:blocked|filtered)|safety polic/i;

function kindOf(status: number, message: string, reasons: readonly string[]): FailureKind {
  if (reasons.includes("API_KEY_INVALID") || (status < 500 && WRONG_KEY.test(message))) return "authentication";
  if (reasons.includes("BILLING_DISABLED") || NO_CREDIT.test(message)) return "billing";
  if (status >= 400 && status < 429) {
    if (CONTEXT_LENGTH.test(message)) return "context-length";
    if (TOO_LARGE.test(message)) return "too-large";
    if (WRONG_PLACE.test(message)) return "permission";
    if (status === 400 && BLOCKED.test(message)) return "content-filter";
  }
  return kindOfStatus(status);
}

/** A duration such as `34.5s` in milliseconds. */
function durationMs(text: string | undefined): number | undefined {
  const seconds = text?.endsWith("s") ? Number(text.slice(0, -1)) : Number.NaN;
  return Number.isFinite(seconds) && seconds >= 0 ? Math.ceil(seconds * 1000) : undefined;
}

/** The failure that an error object stands for; `status` is used where the object tells none. Understands other formats' objects too. */
export function readFailure(error: Json | undefined, status?: number): UpstreamFailure {
  const object = asObject(error);
  const details = asArray(object?.details).map((detail) => asObject(detail) ?? {});
  const message = asString(object?.message) ?? asString(object?.detail) ?? asString(error) ?? "";
  const name = asString(object?.status) ?? asString(object?.type);
  const code = asNumber(object?.code);
  const told = code !== undefined && code >= 400 && code < 600 ? code : name && STATUS_BY_NAME[name];
  const effective = status ?? (told || 500);
  const reasons = details.map((detail) => asString(detail.reason)).filter((reason) => reason !== undefined);
  // A debug detail may tell what the message hides.
  const inner = details.map((detail) => asString(detail.detail)).filter((text) => text !== undefined);
  const retry = details.map((detail) => durationMs(asString(detail.retryDelay))).find((delay) => delay !== undefined);
  const sentence = /retry in ([\d.]+s)/i.exec(message)?.[1];
  const retryAfterMs = retry ?? durationMs(sentence);
  const field = asString(
    asObject(asArray(details.find((detail) => detail.fieldViolations)?.fieldViolations)[0])?.field,
  );
  const word = asString(object?.code) ?? name;
  return {
    kind: kindOf(effective, [message, ...inner].join("\n"), reasons),
    status: effective,
    message,
    ...(word && { code: word }),
    ...((field ?? asString(object?.param)) && { param: field ?? asString(object?.param) }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
}

/** Understands an HTTP error of an upstream: Google's envelope, also in an array, other formats' envelopes, HTML or nothing. */
export function decodeError(status: number, headers: Headers, body: string): UpstreamFailure {
  const parsed = tryParse(body);
  const document = asObject(Array.isArray(parsed) ? parsed[0] : parsed);
  const failure = document
    ? readFailure(document.error ?? document, status)
    : { kind: kindOf(status, body, []), status, message: plainText(body) };
  const delay = waitInHeaders(headers) ?? failure.retryAfterMs;
  return { ...failure, ...(delay !== undefined && { retryAfterMs: delay }) };
}

/** A page or a bare sentence as a short text. */
function plainText(body: string): string {
  const text = body.slice(0, 4000).replace(/<(style|script)[\s\S]*?<\/\1>|<[^>]*>/gi, " ");
  return text.replace(/\s+/g, " ").trim().slice(0, 500);
}

function statusName(status: number): string {
  return STATUS_NAMES[status] ?? (status >= 500 ? "INTERNAL" : "INVALID_ARGUMENT");
}

/** The API's own sentence for a prompt that is too long, with the upstream's numbers or, where it told none, the gateway's. */
function overflowMessage({ message, tokens }: GatewayError): string {
  const told = (message.match(/\d{3,}/g) ?? []).map(Number).sort((a, b) => b - a);
  const [sent, most] = told.length > 1 ? told : [tokens?.used, tokens?.limit];
  if (sent === undefined || most === undefined) {
    return `The input token count exceeds the maximum number of tokens allowed. ${message}`.trim();
  }
  return `The input token count (${sent}) exceeds the maximum number of tokens allowed (${most}).`;
}

function errorBody(error: GatewayError, requestId: string): JsonObject {
  const details: JsonObject[] = [];
  // Google's command line tool stops retrying for these two words together and for nothing weaker.
  if (error.code === "insufficient_credit") {
    details.push({ "@type": `${TYPE}ErrorInfo`, reason: "QUOTA_EXHAUSTED", domain: "cloudcode-pa.googleapis.com" });
  } else {
    details.push({ "@type": `${TYPE}ErrorInfo`, reason: error.code.toUpperCase(), domain: "gateway" });
  }
  if (error.param !== undefined) {
    const fieldViolations = [{ field: error.param, description: error.message }];
    details.push({ "@type": `${TYPE}BadRequest`, fieldViolations });
  }
  if (error.retryHelps && error.retryAfterMs !== undefined) {
    details.push({ "@type": `${TYPE}RetryInfo`, retryDelay: `${waitSeconds(error.retryAfterMs)}s` });
  }
  details.push({ "@type": `${TYPE}RequestInfo`, requestId });
  const message = error.reason === "context-length" ? overflowMessage(error) : error.message;
  return { error: { code: error.status, message, status: statusName(error.status), details } };
}

/** Renders an error in this format's envelope. */
export function encodeError(error: GatewayError, requestId: string): ErrorReply {
  return { status: error.status, body: errorBody(error, requestId), headers: retryHeaders(error) };
}

/** The error for a stream that has begun: a last event and the same as a bare document, or the last element of the array. */
export function encodeStreamError(error: GatewayError, requestId: string, framing: Framing, isFirst = false): string {
  const text = JSON.stringify(errorBody(error, requestId));
  // Google's newer clients read the event, wherever the network cut the stream; older ones take it for an empty answer and
  // only notice what is no event. To anyone else the document is an unfinished line, which is to be ignored.
  if (framing === "sse") return `data: ${text}\r\n\r\n${text}`;
  return isFirst ? `[${text}\r\n]` : `\r\n,${text}\r\n]`;
}
