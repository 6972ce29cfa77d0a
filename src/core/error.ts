/**
 * The closed table of errors that a caller may see, and the one error class that carries them.
 * Everything that goes wrong on the path of a call becomes a GatewayError before a dialect renders it in the caller's envelope.
 */

/** Status, whose fault, and whether the caller's repeating the same request can help. */
interface ErrorRule {
  readonly status: number;
  readonly fault: "caller" | "upstream" | "gateway";
  readonly retryHelps: boolean;
}

export const ERROR_TABLE = {
  invalid_api_key: { status: 401, fault: "caller", retryHelps: false },
  key_expired: { status: 403, fault: "caller", retryHelps: false },
  key_limit_exceeded: { status: 403, fault: "caller", retryHelps: false },
  forbidden: { status: 403, fault: "caller", retryHelps: false },
  model_not_allowed: { status: 403, fault: "caller", retryHelps: false },
  insufficient_credit: { status: 402, fault: "caller", retryHelps: false },
  model_not_available: { status: 404, fault: "caller", retryHelps: false },
  not_found: { status: 404, fault: "caller", retryHelps: false },
  method_not_allowed: { status: 405, fault: "caller", retryHelps: false },
  upgrade_refused: { status: 426, fault: "caller", retryHelps: false },
  invalid_request: { status: 400, fault: "caller", retryHelps: false },
  request_too_large: { status: 413, fault: "caller", retryHelps: false },
  rate_limit_exceeded: { status: 429, fault: "caller", retryHelps: true },
  no_matching_provider: { status: 404, fault: "caller", retryHelps: false },
  upstream_unavailable: { status: 503, fault: "upstream", retryHelps: true },
  upstream_timeout: { status: 504, fault: "upstream", retryHelps: true },
  service_unavailable: { status: 503, fault: "gateway", retryHelps: true },
  internal_error: { status: 500, fault: "gateway", retryHelps: true },
} as const satisfies Record<string, ErrorRule>;

export type ErrorCode = keyof typeof ERROR_TABLE;

/** What dialects word in a special way because clients parse the text (`context-length` becomes each API's own overflow sentence). */
export type ErrorReason = "context-length" | "content-filter";

/** How long a prompt was for how long a context, for sentences of which clients parse the numbers. */
export interface PromptTokens {
  /** An estimate, above the limit. */
  readonly used: number;
  readonly limit: number;
}

export interface GatewayErrorOptions {
  /** The parameter at fault, as a path such as `messages[2].content`. */
  param?: string;
  reason?: ErrorReason;
  /** With `context-length`, where the endpoint's context is known: for when the upstream told no numbers. */
  tokens?: PromptTokens;
  /** Milliseconds after which a retry may succeed; rendered as `Retry-After` in whole seconds, rounded up. */
  retryAfterMs?: number;
  /** For the log only: never shown to a caller. */
  detail?: string;
  /** The HTTP status to answer where it differs from the table's, e.g. an upstream's own 4xx (422). */
  status?: number;
  cause?: unknown;
}

/** An error with a public sentence (`message`) and a private `detail`; only the first ever leaves the program. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
  readonly code: ErrorCode;
  readonly status: number;
  readonly fault: ErrorRule["fault"];
  readonly retryHelps: boolean;
  readonly param: string | undefined;
  readonly reason: ErrorReason | undefined;
  readonly tokens: PromptTokens | undefined;
  readonly retryAfterMs: number | undefined;
  readonly detail: string | undefined;

  constructor(code: ErrorCode, message: string, options: GatewayErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    const rule = ERROR_TABLE[code];
    this.code = code;
    this.status = options.status ?? rule.status;
    this.fault = rule.fault;
    this.retryHelps = rule.retryHelps;
    this.param = options.param || undefined;
    this.reason = options.reason;
    this.tokens = options.tokens;
    this.retryAfterMs = options.retryAfterMs;
    this.detail = options.detail;
  }
}

/** A caller's mistake, with the path of the parameter at fault. */
export function invalidRequest(message: string, param?: string): GatewayError {
  return new GatewayError("invalid_request", message, param ? { param } : {});
}

/** Any thrown thing as a GatewayError: what is not one already is `internal_error`, its text kept in `detail` only. */
export function toGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  return new GatewayError("internal_error", "Something went wrong inside the gateway.", {
    detail: describe(thrown),
    cause: thrown,
  });
}

/** Text about a thrown thing. Even an object that cannot become text must not turn one failure into another. */
function describe(thrown: unknown): string {
  try {
    return thrown instanceof Error ? `${thrown.name}: ${thrown.message}\n${thrown.stack ?? ""}` : String(thrown);
  } catch {
    return "something was thrown that cannot be shown as text";
  }
}

/** What an upstream's failure means, whatever words it used. */
export type FailureKind =
  | "invalid-request"
  | "context-length"
  | "content-filter"
  | "too-large"
  | "not-found"
  | "authentication"
  | "permission"
  | "billing"
  | "rate-limit"
  | "overloaded"
  | "server"
  | "timeout";

/** An upstream's failure as its dialect understood it: an HTTP error, or an error event inside a 200 stream. */
export interface UpstreamFailure {
  kind: FailureKind;
  /** The HTTP status; for an error inside a stream the status it stands for. */
  status: number;
  /** The upstream's own sentence, uncleaned: it may hold hosts, keys, organisation ids. */
  message: string;
  /** The upstream's code or type, as text. */
  code?: string;
  param?: string;
  retryAfterMs?: number;
}
