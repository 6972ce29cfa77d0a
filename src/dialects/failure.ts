/**
 * What every format's errors share: what an HTTP status means, how long an upstream says to wait, and how callers are told.
 * The `error.ts` of each dialect builds on it; envelopes and the wordings of each API stay there.
 */
import type { FailureKind, GatewayError } from "../core/error.ts";

/** No hint makes anyone wait longer than this. */
const MAX_RETRY_AFTER_MS = 24 * 3600 * 1000;

const KIND_OF_STATUS: Readonly<Record<number, FailureKind>> = {
  401: "authentication",
  402: "billing",
  403: "permission",
  404: "not-found",
  408: "timeout",
  413: "too-large",
  429: "rate-limit",
  // Google's "cancelled", and what proxies write of a call that was given up: no fault of the request.
  499: "server",
  503: "overloaded",
  504: "timeout",
  // Cloudflare's own word for an origin that did not answer.
  524: "timeout",
  529: "overloaded",
};

/** What a status means where the body does not say more. One that is no error at all is the upstream's fault. */
export function kindOfStatus(status: number): FailureKind {
  return KIND_OF_STATUS[status] ?? (status >= 400 && status < 500 ? "invalid-request" : "server");
}

/** The status that a failure would have had, for errors inside a 200 answer. */
export const STATUS_OF_KIND: Readonly<Record<FailureKind, number>> = {
  "invalid-request": 400,
  "context-length": 400,
  "content-filter": 400,
  "too-large": 413,
  "not-found": 404,
  authentication: 401,
  permission: 403,
  billing: 402,
  "rate-limit": 429,
  overloaded: 503,
  server: 500,
  timeout: 504,
};

/**
 * How long the headers say to wait, in whole milliseconds; undefined when they do not. A date is counted from the answer's
 * own `date`, since a dialect has no clock.
 */
export function waitInHeaders(headers: Headers): number | undefined {
  const exact = waitOf(Number(headers.get("retry-after-ms") ?? Number.NaN));
  const text = headers.get("retry-after");
  if (exact !== undefined || !text) return exact;
  return waitOf(Number(text) * 1000) ?? waitOf(Date.parse(text) - Date.parse(headers.get("date") ?? ""));
}

function waitOf(milliseconds: number): number | undefined {
  return milliseconds >= 0 ? Math.min(Math.ceil(milliseconds), MAX_RETRY_AFTER_MS) : undefined;
}

const RETRY_WORDS = /try again in (?:(\d{1,6})m ?)?([\d.]{1,12}) ?(ms|s)\b/i;

/** "Please try again in 1m2.5s" in milliseconds; undefined for any other sentence. */
export function waitInWords(message: string): number | undefined {
  const [, minutes = "0", amount, unit] = RETRY_WORDS.exec(message) ?? [];
  return waitOf(Number(minutes) * 60_000 + Number(amount) * (unit === "ms" ? 1 : 1000));
}

/** A wait as callers are told it: whole seconds, at least one. */
export function waitSeconds(waitMs: number): number {
  return Math.max(1, Math.ceil(waitMs / 1000));
}

/** Whether and when to try again. `x-should-retry: false` where the same request cannot succeed: SDKs obey it. */
export function retryHeaders(error: GatewayError): Record<string, string> {
  if (!error.retryHelps) return { "x-should-retry": "false" };
  return error.retryAfterMs === undefined ? {} : { "retry-after": String(waitSeconds(error.retryAfterMs)) };
}
