/**
 * Errors of Chat upstreams in every envelope, and ours as OpenAI's clients want them.
 * Each behaviour by its name.
 */
import { describe, expect, test } from "bun:test";
import { GatewayError } from "../../core/error.ts";
import type { Json } from "../../core/json.ts";
import { openaiChat } from "./index.ts";

const decode = (status: number, body: Json, headers: Record<string, string> = {}) =>
  openaiChat.decodeError(status, new Headers(headers), typeof body === "string" ? body : JSON.stringify(body));

describe("decoding", () => {
  test("context overflow in everybody's words", () => {
    const said = [
      { message: "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens." },
      { message: "x", code: "context_length_exceeded" },
      { message: "The total length of all messages is too long.", type: "too_many_prompt_tokens", code: 400 },
      { message: "prompt too long; exceeded max context length by 1119046 tokens" },
      { message: "the request exceeds the available context size. try increasing the context size" },
      { message: "prompt is too long: 210000 tokens > 200000 maximum" },
      { message: "Input token count (1200000) exceeds the maximum number of tokens allowed (1048576)." },
      { message: "Your input exceeds the context window of this model." },
    ];
    for (const error of said)
      expect({ error, kind: decode(400, { error }).kind }).toMatchObject({ kind: "context-length" });
  });

  test("out of quota is not a rate limit", () => {
    expect(decode(429, { error: { message: "You exceeded your quota", code: "insufficient_quota" } }).kind).toBe(
      "billing",
    );
    expect(decode(429, { error: { message: "slow down", code: "rate_limit_exceeded" } }).kind).toBe("rate-limit");
  });

  test("envelopes that are not OpenAI's", () => {
    expect(decode(401, { detail: "Invalid API Key" })).toEqual({
      kind: "authentication",
      status: 401,
      message: "Invalid API Key",
    });
    expect(decode(422, { detail: [{ loc: ["body"], msg: "field required" }] }).message).toBe("field required");
    expect(decode(400, { object: "error", message: "no", type: "bad", code: "3051" })).toMatchObject({
      message: "no",
      code: "3051",
    });
    expect(decode(404, { error: "Specified model not found: x" })).toMatchObject({
      kind: "not-found",
      message: "Specified model not found: x",
    });
    expect(
      decode(400, [{ error: { code: 400, message: "API key not valid.", status: "INVALID_ARGUMENT" } }]),
    ).toMatchObject({ kind: "authentication" });
    const raw = JSON.stringify({ error: { message: "inner" } });
    expect(decode(400, { error: { message: "Provider returned error", code: 400, metadata: { raw } } }).message).toBe(
      "inner",
    );
  });

  test("HTML and nothing at all", () => {
    expect(decode(502, "<html>Bad gateway</html>")).toEqual({ kind: "server", status: 502, message: "" });
    expect(decode(503, "")).toEqual({ kind: "overloaded", status: 503, message: "" });
    expect(decode(500, "null").kind).toBe("server");
  });

  test("when to try again", () => {
    const wait = (body: Json, headers: Record<string, string> = {}) => decode(429, body, headers).retryAfterMs;
    expect(wait("", { "retry-after-ms": "1500", "retry-after": "2" })).toBe(1500);
    expect(wait("", { "retry-after": "2" })).toBe(2000);
    expect(wait("", { "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", date: "Wed, 21 Oct 2026 07:28:00 GMT" })).toBe(
      30_000,
    );
    expect(wait({ error: { message: "Rate limit. Please try again in 7.66s." } })).toBe(7660);
    expect(wait({ error: { message: "Rate limit. Please try again in 1m2s." } })).toBe(62_000);
    expect(wait({ error: { message: "Rate limit. Please try again in 20ms." } })).toBe(20);
    expect(wait({ error: { message: "x", details: [{ retryDelay: "34s" }] } })).toBe(34_000);
    expect(wait("")).toBeUndefined();
  });
});

describe("encoding", () => {
  test("says when a repeat cannot help, and when it can", () => {
    const credit = openaiChat.encodeError(new GatewayError("insufficient_credit", "No credit."), "r");
    expect(credit).toEqual({
      status: 402,
      headers: { "x-should-retry": "false" },
      body: {
        error: { message: "No credit.", type: "insufficient_quota", param: null, code: "insufficient_credit" },
        request_id: "r",
      },
    });
    const limit = openaiChat.encodeError(new GatewayError("rate_limit_exceeded", "Slow.", { retryAfterMs: 200 }), "r");
    expect(limit.headers).toEqual({ "retry-after": "1" });
  });

  test("context overflow has the code and words that clients look for", () => {
    const error = new GatewayError("invalid_request", "Too much.", { reason: "context-length", param: "messages" });
    const { error: body } = openaiChat.encodeError(error, "r").body;
    expect(body).toMatchObject({ code: "context_length_exceeded", param: "messages" });
    expect((body as { message: string }).message).toContain("maximum context length");
  });
});
