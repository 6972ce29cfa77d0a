/**
 * Tests of understanding upstreams' errors and of rendering the gateway's own.
 * They stand beside the dialect, away from the path of a call.
 */
import { expect, test } from "bun:test";
import { ERROR_TABLE, type ErrorCode, GatewayError } from "../../core/error.ts";
import { anthropicMessages as dialect } from "./index.ts";

const decode = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  dialect.decodeError(status, new Headers(headers), typeof body === "string" ? body : JSON.stringify(body));

test("envelopes of this API and of those in front of it are understood", () => {
  const error = (type: string, message = "m") => ({ type: "error", error: { type, message } });
  const cases: [number, unknown, string][] = [
    [529, error("overloaded_error", "Overloaded"), "overloaded"],
    [413, { error: { type: "request_too_large", message: "Request exceeds the maximum size" } }, "too-large"],
    [429, error("rate_limit_error"), "rate-limit"],
    [402, error("billing_error"), "billing"],
    [400, error("invalid_request_error", "Your credit balance is too low to access the API."), "billing"],
    [400, error("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"), "context-length"],
    [
      400,
      error("invalid_request_error", "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000"),
      "context-length",
    ],
    [400, { message: "Input is too long for requested model." }, "context-length"],
    [400, error("invalid_request_error", "Output blocked by content filtering policy"), "content-filter"],
    [403, { message: "not authorized" }, "permission"],
    [503, [{ error: { code: 503, message: "busy", status: "UNAVAILABLE" } }], "overloaded"],
    [404, { error: "no such model" }, "not-found"],
    [502, "<html><body>Bad gateway</body></html>", "server"],
    [504, "", "timeout"],
    [422, { detail: "bad field" }, "invalid-request"],
  ];
  for (const [status, body, kind] of cases)
    expect({ body, ...decode(status, body) }).toMatchObject({ body, kind, status });
});

test("a page of HTML is not taken for a message, plain text is", () => {
  expect(decode(502, "<!doctype html><p>secret host</p>").message).toBe("");
  expect(decode(500, "upstream connect error").message).toBe("upstream connect error");
});

test("retry hints count only where a retry makes sense", () => {
  expect(decode(429, {}, { "retry-after": "7" }).retryAfterMs).toBe(7000);
  expect(decode(529, {}, { "retry-after": "7", "retry-after-ms": "250" }).retryAfterMs).toBe(250);
  expect(decode(400, {}, { "retry-after": "7" }).retryAfterMs).toBeUndefined();
  expect(decode(429, {}, { "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT" }).retryAfterMs).toBeUndefined();
});

test("every code is rendered with its type, and headers say whether a retry helps", () => {
  for (const code of Object.keys(ERROR_TABLE) as ErrorCode[]) {
    const { status, body, headers } = dialect.encodeError(new GatewayError(code, "Sentence."), "req_1");
    expect(status).toBe(ERROR_TABLE[code].status);
    expect(body).toMatchObject({
      type: "error",
      error: { message: "Sentence.", details: { error_code: code } },
      request_id: "req_1",
    });
    expect(headers?.["x-should-retry"] === "false").toBe(!ERROR_TABLE[code].retryHelps);
  }
  expect(dialect.encodeError(new GatewayError("insufficient_credit", "x"), "r").body.error).toMatchObject({
    type: "billing_error",
  });
});

test("waiting times are whole seconds, rounded up, at least one", () => {
  const after = (retryAfterMs: number) =>
    dialect.encodeError(new GatewayError("rate_limit_exceeded", "Slow down.", { retryAfterMs }), "r").headers?.[
      "retry-after"
    ];
  expect([after(0), after(1), after(1000), after(1001)]).toEqual(["1", "1", "1", "2"]);
});

test("a prompt that does not fit is said in the words that clients parse", () => {
  const told = (message: string, tokens?: { used: number; limit: number }) => {
    const error = new GatewayError("invalid_request", message, { reason: "context-length", tokens });
    return (dialect.encodeError(error, "r").body.error as { message: string }).message;
  };
  expect(
    told("This model's maximum context length is 128000 tokens. However, your messages resulted in 130500 tokens."),
  ).toBe("prompt is too long: 130500 tokens > 128000 maximum");
  expect(told("The input token count (1,200,000) exceeds the maximum number of tokens allowed (1,048,576).")).toBe(
    "prompt is too long: 1200000 tokens > 1048576 maximum",
  );
  expect(told("prompt is too long: 5 tokens > 4 maximum")).toBe("prompt is too long: 5 tokens > 4 maximum");
  expect(told("Your input exceeds the context window of this model.")).toBe("prompt is too long");
  const guess = { used: 210_000, limit: 200_000 };
  for (const message of ["Your input exceeds the context window of this model.", "prompt is too long"]) {
    expect(told(message, guess)).toBe("prompt is too long: 210000 tokens > 200000 maximum");
  }
  expect(told("prompt is too long: 5 tokens > 4 maximum", guess)).toBe("prompt is too long: 5 tokens > 4 maximum");
});
