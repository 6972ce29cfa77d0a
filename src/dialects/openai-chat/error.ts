/**
 * Errors of Chat upstreams understood, whatever their envelope, and the gateway's own rendered in OpenAI's.
 * The attempt loop reads failures to decide what to try next; surfaces write the rendered ones to callers.
 */
import type { FailureKind, GatewayError, UpstreamFailure } from "../../core/error.ts";
import { asArray, asNumber, asObject, asString, type Json, type JsonObject, tryParse } from "../../core/json.ts";
import type { ErrorReply } from "../dialect.ts";
import { kindOfStatus, retryHeaders, STATUS_OF_KIND, waitInHeaders, waitInWords } from "../failure.ts";

/** Words that say "too long" in the overflow messages of OpenAI, its imitators and those they wrap. */
const OVERFLOW =
  /maximum context length|context[ _](?:length|window|size)|prompt (?:is )?too long|input is too long|too many (?:prompt_)?tokens|total length of all messages|exceed_context|reduce the length of the (?:messages|prompt|input)|token count.{0,40}exceeds the maximum|max_tokens` exceed context/i;
const FILTERED = /content[ _](?:filter|policy|management policy)|responsible ?ai|safety system|moderation/i;
const CODES: Readonly<Record<string, FailureKind>> = {
  context_length_exceeded: "context-length",
  too_many_prompt_tokens: "context-length",
  exceed_context_size_error: "context-length",
  content_filter: "content-filter",
  content_policy_violation: "content-filter",
  insufficient_quota: "billing",
  billing_hard_limit_reached: "billing",
  invalid_api_key: "authentication",
  authentication_error: "authentication",
  permission_denied: "permission",
  model_not_found: "not-found",
  DeploymentNotFound: "not-found",
  rate_limit_exceeded: "rate-limit",
  rate_limit_error: "rate-limit",
  overloaded_error: "overloaded",
};
interface Envelope {
  message: string;
  code: string | undefined;
  type: string | undefined;
  param: string | undefined;
  details: Json[];
  status: number | undefined;
}

/** The inner text that OpenRouter wraps behind a sentence of its own. */
function wrappedMessage(error: JsonObject): string | undefined {
  const raw = asObject(error.metadata)?.raw;
  if (typeof raw !== "string") return undefined;
  const inner = asObject(tryParse(raw));
  return asString(asObject(inner?.error)?.message) ?? asString(inner?.message) ?? raw;
}

function readEnvelope(body: Json | undefined): Envelope | undefined {
  const outer = asObject(Array.isArray(body) ? body[0] : body);
  if (!outer) return undefined;
  const error = asObject(outer.error) ?? outer;
  const detail = asArray(outer.detail)[0];
  const message =
    wrappedMessage(error) ??
    asString(error.message) ??
    asString(outer.error) ??
    asString(outer.detail) ??
    asString(asObject(detail)?.msg) ??
    "";
  const code = error.code ?? error.type ?? error.status;
  return {
    message,
    code: typeof code === "string" || typeof code === "number" ? String(code) : undefined,
    type: asString(error.type),
    param: asString(error.param),
    details: asArray(error.details),
    status: asNumber(error.status_code) ?? asNumber(error.code) ?? asNumber(outer.code),
  };
}

function kindOf(status: number, envelope: Envelope): FailureKind {
  const { code, type, message } = envelope;
  const named = CODES[code ?? ""] ?? CODES[type ?? ""];
  if (named === "context-length") return named;
  const byStatus = kindOfStatus(status);
  if (byStatus === "authentication" || byStatus === "billing") return byStatus;
  if (status < 500 || /context/i.test(message)) {
    if (byStatus !== "rate-limit" && OVERFLOW.test(message)) return "context-length";
  }
  if (named) return named;
  if (status === 400 && /api key not valid|invalid api key/i.test(message)) return "authentication";
  if ((status === 400 || status === 403) && FILTERED.test(message)) return "content-filter";
  return byStatus;
}

/** Milliseconds until a retry may help, from the headers, Google's detail or the sentence; undefined when nothing says. */
function retryAfter(headers: Headers | undefined, envelope: Envelope): number | undefined {
  const told = headers && waitInHeaders(headers);
  if (told !== undefined) return told;
  for (const detail of envelope.details) {
    const delay = Number.parseFloat(asString(asObject(detail)?.retryDelay) ?? "");
    if (delay >= 0) return delay * 1000;
  }
  return waitInWords(envelope.message);
}

function failure(status: number, envelope: Envelope, headers: Headers | undefined): UpstreamFailure {
  const kind = kindOf(status, envelope);
  const found: UpstreamFailure = { kind, status, message: envelope.message };
  if (envelope.code !== undefined) found.code = envelope.code;
  if (envelope.param !== undefined) found.param = envelope.param;
  if (kind === "rate-limit" || kind === "overloaded" || kind === "server" || kind === "timeout") {
    const wait = retryAfter(headers, envelope);
    if (wait !== undefined) found.retryAfterMs = wait;
  }
  return found;
}

/** An HTTP error of an upstream. `body` may be JSON of any envelope, HTML or empty. */
export function decodeError(status: number, headers: Headers, body: string): UpstreamFailure {
  const text = body.trim();
  const envelope = readEnvelope(tryParse(text));
  if (envelope && (envelope.message || envelope.code)) {
    // llama.cpp and others answer with a status of their own that is nearer the truth only inside of a 200.
    return failure(status, envelope, headers);
  }
  const plain = text.startsWith("<") ? "" : text.slice(0, 2000);
  const unknown = {
    message: plain,
    code: undefined,
    type: undefined,
    param: undefined,
    details: [],
    status: undefined,
  };
  return failure(status, unknown, headers);
}

/** The error inside a 200: a body, a chunk or a choice with `error`. The status is the one it stands for. */
export function decodeInnerError(holder: JsonObject): UpstreamFailure {
  const envelope = readEnvelope(holder) as Envelope;
  const named = CODES[envelope.code ?? ""] ?? CODES[envelope.type ?? ""];
  const told = envelope.status;
  const guessed = named ? STATUS_OF_KIND[named] : envelope.type === "invalid_request_error" ? 400 : 502;
  return failure(told !== undefined && told >= 400 && told < 600 ? told : guessed, envelope, undefined);
}

/** The stream or body ended before the answer was complete, or made no sense. */
export function brokenReply(code: "incomplete_stream" | "invalid_reply", message: string): UpstreamFailure {
  return { kind: "server", status: 502, code, message };
}

function publicMessage(error: GatewayError): string {
  if (error.reason !== "context-length" || /context (?:length|window)/i.test(error.message)) return error.message;
  return `This model's maximum context length is exceeded. ${error.message}`;
}

function errorType(error: GatewayError): string {
  if (error.code === "insufficient_credit") return "insufficient_quota";
  if (error.code === "rate_limit_exceeded") return "rate_limit_error";
  if (error.status === 401) return "authentication_error";
  if (error.status === 403) return "permission_error";
  return error.status >= 500 ? "server_error" : "invalid_request_error";
}

function errorBody(error: GatewayError, requestId: string): JsonObject {
  const special = error.reason === "context-length" ? "context_length_exceeded" : "content_filter";
  return {
    error: {
      message: publicMessage(error),
      type: errorType(error),
      param: error.param ?? null,
      code: error.reason ? special : error.code,
    },
    request_id: requestId,
  };
}

/** OpenAI's envelope. */
export function encodeError(error: GatewayError, requestId: string): ErrorReply {
  return { status: error.status, body: errorBody(error, requestId), headers: retryHeaders(error) };
}

/** The frame that OpenAI's SDKs raise as an error inside a stream. Nothing follows it. */
export function encodeStreamError(error: GatewayError, requestId: string): string {
  return `data: ${JSON.stringify(errorBody(error, requestId))}\n\n`;
}
