/**
 * How upstream errors are understood and the gateway's own are told.
 * The recorded errors of real providers are the sample; what Codex needs is in the second half.
 */
import { describe, expect, test } from "bun:test";
import { haveRecordings, recordings, SKIP_REASON } from "../../../test/support/wire.ts";
import { ERROR_TABLE, type ErrorCode, GatewayError } from "../../core/error.ts";
import { openaiResponses as dialect } from "./index.ts";

const none = new Headers();
const decode = (status: number, body: unknown, headers: Headers = none) =>
  dialect.decodeError(status, headers, typeof body === "string" ? body : JSON.stringify(body));

describe("an upstream's error", () => {
  test.skipIf(!haveRecordings())(`every recorded one is understood (${SKIP_REASON})`, () => {
    const kinds: Record<string, number> = {};
    for (const { file, response } of recordings("openai.responses")) {
      if (response.status < 400) continue;
      const failure = decode(response.status, response.body, new Headers(response.headers));
      expect([file, failure.message]).not.toEqual([file, ""]);
      expect(failure.status).toBe(response.status);
      kinds[failure.kind] = (kinds[failure.kind] ?? 0) + 1;
    }
    expect(kinds).toEqual({
      "not-found": 8,
      authentication: 6,
      "invalid-request": 7,
      billing: 1,
      "context-length": 1,
    });
  });

  test("an overflow is one in all the words known for it", () => {
    const messages = [
      "Your input exceeds the context window of this model. Please adjust your input and try again.",
      "This model's maximum context length is 128000 tokens.",
      "prompt is too long: 210000 tokens > 200000 maximum",
      "Input is too long for requested model.",
    ];
    for (const message of messages) {
      expect(decode(400, { error: { message, type: "invalid_request_error" } }).kind).toBe("context-length");
    }
    expect(decode(400, { error: { message: "x", code: "context_length_exceeded" } }).kind).toBe("context-length");
  });

  test("waits are read from headers and sentences", () => {
    const wait = (headers: Record<string, string>, message = "slow") =>
      decode(429, { error: { message } }, new Headers(headers)).retryAfterMs;
    expect(wait({ "retry-after": "3" })).toBe(3000);
    expect(wait({ "retry-after-ms": "250", "retry-after": "1" })).toBe(250);
    expect(wait({ date: "Tue, 03 Nov 2026 10:00:00 GMT", "retry-after": "Tue, 03 Nov 2026 10:00:05 GMT" })).toBe(5000);
    expect(wait({ "retry-after": "soon" })).toBeUndefined();
    expect(wait({}, "Rate limit reached. Please try again in 6m0s. Then")).toBe(360_000);
    expect(wait({}, "Please try again in 20ms.")).toBe(20);
  });

  test("HTML, nothing and strange JSON are told by the status", () => {
    expect(decode(502, "<html>Bad gateway</html>")).toMatchObject({ kind: "server", status: 502, message: "" });
    expect(decode(429, "")).toMatchObject({ kind: "rate-limit" });
    expect(decode(503, "upstream connect error")).toMatchObject({
      kind: "overloaded",
      message: "upstream connect error",
    });
    expect(decode(400, [{ error: { message: "in a list" } }])).toMatchObject({ message: "in a list" });
    expect(decode(404, { detail: "Not Found" })).toMatchObject({ kind: "not-found", message: "Not Found" });
    expect(decode(500, { a: 1 })).toMatchObject({ kind: "server" });
    expect(decode(413, { error: { message: "big" } })).toMatchObject({ kind: "too-large" });
  });
});

describe("the gateway's error", () => {
  test("every code has OpenAI's envelope, its status, and says whether to retry", () => {
    for (const code of Object.keys(ERROR_TABLE) as ErrorCode[]) {
      const { status, body, headers } = dialect.encodeError(new GatewayError(code, "Sentence."), "req_1");
      expect(body).toMatchObject({ error: { message: "Sentence.", param: null }, request_id: "req_1" });
      expect(headers?.["x-should-retry"]).toBe(ERROR_TABLE[code].retryHelps ? undefined : "false");
      expect(status).toBe(code === "insufficient_credit" ? 429 : ERROR_TABLE[code].status);
    }
  });

  test("out of credit is a spent quota, without a wait, so that Codex stops", () => {
    const error = new GatewayError("insufficient_credit", "No credit.", { retryAfterMs: 1000 });
    const { status, body, headers } = dialect.encodeError(error, "r");
    expect(status).toBe(429);
    expect(body.error).toMatchObject({ type: "insufficient_quota", code: "insufficient_quota" });
    expect(headers?.["retry-after"]).toBeUndefined();
  });

  test("an overflow has OpenAI's code, a rate limit its wait in whole seconds", () => {
    const overflow = new GatewayError("invalid_request", "Too long.", { reason: "context-length", param: "input" });
    expect(dialect.encodeError(overflow, "r").body.error).toMatchObject({
      code: "context_length_exceeded",
      param: "input",
    });
    const limit = dialect.encodeError(new GatewayError("rate_limit_exceeded", "Slow.", { retryAfterMs: 1200 }), "r");
    expect(limit.headers?.["retry-after"]).toBe("2");
    expect(limit.body.error).toMatchObject({ message: "Slow. Please try again in 2s." });
  });
});
