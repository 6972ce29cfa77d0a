/**
 * What an upstream's failure means for the call: whether the next endpoint may be tried, and what the caller is told in the end.
 * Upstream texts pass through `clean` here, the only place where they can reach a caller.
 */
import { GatewayError, type UpstreamFailure } from "../core/error.ts";
import { UpstreamFault } from "../upstream/http.ts";

/** Failures that are the caller's own: another endpoint would say the same. */
const CALLERS: ReadonlySet<UpstreamFailure["kind"]> = new Set([
  "invalid-request",
  "context-length",
  "content-filter",
  "too-large",
  "not-found",
]);

/** Whether another endpoint may do better. */
export function retryElsewhere(failure: UpstreamFailure): boolean {
  return !CALLERS.has(failure.kind);
}

const SECRETS: readonly [RegExp, string][] = [
  [/\bhttps?:\/\/[^\s"'<>)\]]+/gi, "[url]"],
  [/\b(?:sk|pk|rk|gsk|xai|hf|r8|nvapi|key)[-_][A-Za-z0-9_*.-]{6,}/g, "[key]"],
  [/\bAIza[A-Za-z0-9_*-]{10,}/g, "[key]"],
  [/\bBearer\s+\S+/gi, "[key]"],
  [/\b(?:org|proj|user|acct|req|request)[-_][A-Za-z0-9]{8,}\b/g, "[id]"],
  [/\bprojects\/[a-z0-9-]+/gi, "projects/[id]"],
  [/\b[\w.+-]+@[\w-]+\.[\w.-]+\b/g, "[email]"],
  [/\b(?:[a-z0-9-]+\.)+(?:com|net|org|io|ai|dev|cloud|internal|local)(?::\d+)?\b/gi, "[host]"],
  [/\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b/g, "[host]"],
];

const MAX_MESSAGE = 1000;

/** An upstream's sentence without hosts, keys, ids of its accounts; at most 1,000 characters. */
export function clean(message: string): string {
  let text = message.slice(0, MAX_MESSAGE * 2);
  for (const [pattern, replacement] of SECRETS) text = text.replace(pattern, replacement);
  return text.slice(0, MAX_MESSAGE);
}

/** What the caller is told when this failure is the last word. */
export function toError(failure: UpstreamFailure): GatewayError {
  const detail = `upstream ${failure.status} ${failure.code ?? ""}: ${failure.message}`;
  const message = clean(failure.message) || "The provider refused the request.";
  const { param } = failure;
  switch (failure.kind) {
    case "invalid-request":
      return new GatewayError("invalid_request", message, { param, detail, status: callersStatus(failure.status) });
    case "context-length":
      return new GatewayError("invalid_request", message, { param, detail, reason: "context-length" });
    case "content-filter":
      return new GatewayError("invalid_request", message, { param, detail, reason: "content-filter" });
    case "too-large":
      return new GatewayError("request_too_large", message, { detail });
    case "not-found":
      return new GatewayError("model_not_available", message, { detail });
    case "timeout":
      return new GatewayError("upstream_timeout", "The provider did not answer in time.", { detail });
    default:
      return new GatewayError("upstream_unavailable", unavailable(failure.kind), {
        detail,
        retryAfterMs: failure.retryAfterMs ?? DEFAULT_RETRY_MS,
      });
  }
}

const DEFAULT_RETRY_MS = 5000;

/** 400 and 422 are the statuses that clients know for a request at fault; others would mean something else coming from here. */
function callersStatus(status: number): number {
  return status === 422 ? 422 : 400;
}

function unavailable(kind: UpstreamFailure["kind"]): string {
  if (kind === "rate-limit" || kind === "overloaded") return "The model's provider is overloaded. Try again shortly.";
  return "The model's provider could not serve the request.";
}

/** A transport fault in the terms of an upstream's failure. Anything else thrown is not one and is thrown on. */
export function fromFault(thrown: unknown): UpstreamFailure {
  if (!(thrown instanceof UpstreamFault)) throw thrown;
  const timeout = thrown.kind.endsWith("timeout");
  return { kind: timeout ? "timeout" : "server", status: 0, message: thrown.message, code: thrown.kind };
}
