/** Unit tests of errors in both directions: envelopes of any kind in, Google's envelope with the details its clients read out. */
import { describe, expect, test } from "bun:test";
import { GatewayError } from "../../core/error.ts";
import { gemini } from "./index.ts";

function failure(status: number, body: unknown, headers: Record<string, string> = {}) {
  return gemini.decodeError(status, new Headers(headers), typeof body === "string" ? body : JSON.stringify(body));
}

describe("an upstream's error", () => {
  test("a hint when to come back is found in header, detail or sentence", () => {
    const RetryInfo = { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "34.2s" };
    const error = { code: 429, message: "Slow down.", status: "RESOURCE_EXHAUSTED", details: [RetryInfo] };
    expect(failure(429, { error })).toMatchObject({ kind: "rate-limit", retryAfterMs: 34_200 });
    expect(failure(429, [{ error }], { "retry-after": "2" }).retryAfterMs).toBe(2000);
    expect(failure(429, "", { "retry-after-ms": "150" }).retryAfterMs).toBe(150);
    expect(
      failure(503, "", { "retry-after": "Wed, 21 Oct 2026 07:28:10 GMT", date: "Wed, 21 Oct 2026 07:28:00 GMT" })
        .retryAfterMs,
    ).toBe(10_000);
    expect(failure(429, { error: { message: "Please retry in 7.5s." } }).retryAfterMs).toBe(7500);
    expect(failure(400, { error: { message: "no" } })).not.toHaveProperty("retryAfterMs");
  });

  test("a prompt that is too long is known by every wording", () => {
    for (const message of [
      "The input token count (1250074) exceeds the maximum number of tokens allowed (1048576).",
      "input token count exceeds the maximum",
      "This model's maximum context length is 4096 tokens",
      "prompt is too long: 210000 tokens > 200000 maximum",
    ]) {
      expect(failure(400, { error: { code: 400, message, status: "INVALID_ARGUMENT" } }).kind).toBe("context-length");
    }
  });

  test("a wrong key is told as 400 and means our credential; credit that is used up is billing", () => {
    expect(failure(400, { error: { message: "API key not valid. Please pass a valid API key." } }).kind).toBe(
      "authentication",
    );
    expect(failure(400, { error: { message: "x", details: [{ reason: "API_KEY_INVALID" }] } }).kind).toBe(
      "authentication",
    );
    expect(failure(429, { error: { message: "Your prepayment credits are depleted." } }).kind).toBe("billing");
    expect(failure(429, { error: { message: "check your plan and billing details" } }).kind).toBe("rate-limit");
  });

  test("pages, empty bodies and other formats' envelopes are understood", () => {
    expect(failure(502, "<html><style>a{}</style><body><h1>Bad Gateway</h1></body></html>")).toEqual({
      kind: "server",
      status: 502,
      message: "Bad Gateway",
    });
    expect(failure(503, "")).toEqual({ kind: "overloaded", status: 503, message: "" });
    expect(
      failure(404, { error: { message: "nope", type: "not_found", code: "model_not_found", param: "model" } }),
    ).toEqual({
      kind: "not-found",
      status: 404,
      message: "nope",
      code: "model_not_found",
      param: "model",
    });
    expect(failure(422, { detail: "wrong" })).toMatchObject({ kind: "invalid-request", message: "wrong" });
  });
});

describe("an error for a caller", () => {
  const id = "req_9";

  test("it has Google's envelope, the request's id, and says whether repeating helps", () => {
    const error = new GatewayError("invalid_request", "contents: expected an array.", { param: "contents" });
    expect(gemini.encodeError(error, id)).toEqual({
      status: 400,
      headers: { "x-should-retry": "false" },
      body: {
        error: {
          code: 400,
          message: "contents: expected an array.",
          status: "INVALID_ARGUMENT",
          details: [
            { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "INVALID_REQUEST", domain: "gateway" },
            {
              "@type": "type.googleapis.com/google.rpc.BadRequest",
              fieldViolations: [{ field: "contents", description: "contents: expected an array." }],
            },
            { "@type": "type.googleapis.com/google.rpc.RequestInfo", requestId: id },
          ],
        },
      },
    });
  });

  test("a wait is told in whole seconds, in the header and in the detail", () => {
    const reply = gemini.encodeError(new GatewayError("rate_limit_exceeded", "Slow.", { retryAfterMs: 1200 }), id);
    expect(reply.headers).toEqual({ "retry-after": "2" });
    expect(JSON.stringify(reply.body)).toContain('"retryDelay":"2s"');
    expect(reply.body).toMatchObject({ error: { code: 429, status: "RESOURCE_EXHAUSTED" } });
  });

  test("spent credit carries the detail at which Google's tool stops", () => {
    const reply = gemini.encodeError(new GatewayError("insufficient_credit", "No credit."), id);
    expect(reply.status).toBe(402);
    expect(JSON.stringify(reply.body)).toContain('"reason":"QUOTA_EXHAUSTED"');
  });

  test("a prompt that is too long is said in the API's own words", () => {
    const long = (message: string, tokens?: { used: number; limit: number }) => {
      const error = new GatewayError("invalid_request", message, { reason: "context-length", tokens });
      return (gemini.encodeError(error, id).body.error as { message: string }).message;
    };
    expect(long("prompt is too long: 210000 tokens > 200000 maximum")).toBe(
      "The input token count (210000) exceeds the maximum number of tokens allowed (200000).",
    );
    expect(long("Too long.")).toBe("The input token count exceeds the maximum number of tokens allowed. Too long.");
    expect(long("Too long.", { used: 210_000, limit: 200_000 })).toBe(
      "The input token count (210000) exceeds the maximum number of tokens allowed (200000).",
    );
  });
});
