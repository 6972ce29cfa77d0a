/**
 * What all formats' errors share: statuses, waits in headers and in sentences, and the headers that callers get.
 * What each API says in its own words is tested beside its `error.ts`.
 */
import { expect, test } from "bun:test";
import { GatewayError } from "../core/error.ts";
import { kindOfStatus, retryHeaders, waitInHeaders, waitInWords } from "./failure.ts";

test("a status means the same in every format", () => {
  expect([400, 409, 422].map(kindOfStatus)).toEqual(["invalid-request", "invalid-request", "invalid-request"]);
  expect([408, 504, 524].map(kindOfStatus)).toEqual(["timeout", "timeout", "timeout"]);
  expect([500, 502, 499, 302].map(kindOfStatus)).toEqual(["server", "server", "server", "server"]);
  expect([503, 529].map(kindOfStatus)).toEqual(["overloaded", "overloaded"]);
});

test("a wait is read from milliseconds, seconds or a date, and is never longer than a day", () => {
  expect(waitInHeaders(new Headers({ "retry-after-ms": "1500.2", "retry-after": "9" }))).toBe(1501);
  expect(waitInHeaders(new Headers({ "retry-after-ms": "soon", "retry-after": "2.5" }))).toBe(2500);
  expect(waitInHeaders(new Headers({ "retry-after": "99999999" }))).toBe(86_400_000);
  const date = "Wed, 21 Oct 2026 07:28:00 GMT";
  expect(waitInHeaders(new Headers({ date, "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT" }))).toBe(30_000);
  expect(waitInHeaders(new Headers({ "retry-after": date }))).toBeUndefined();
  expect(waitInHeaders(new Headers({ "retry-after": "-1" }))).toBeUndefined();
  expect(waitInHeaders(new Headers())).toBeUndefined();
});

test("a wait is read from a sentence", () => {
  expect(waitInWords("Limit reached. Please try again in 1m2.5s.")).toBe(62_500);
  expect(waitInWords("Please try again in 20ms")).toBe(20);
  expect(waitInWords("try again in 1.2.3s")).toBeUndefined();
  expect(waitInWords("try again later")).toBeUndefined();
});

test("callers are told when to try again, or not to", () => {
  const limited = new GatewayError("rate_limit_exceeded", "Too many.", { retryAfterMs: 20 });
  expect(retryHeaders(limited)).toEqual({ "retry-after": "1" });
  expect(retryHeaders(new GatewayError("rate_limit_exceeded", "Too many."))).toEqual({});
  expect(retryHeaders(new GatewayError("invalid_request", "No."))).toEqual({ "x-should-retry": "false" });
});
