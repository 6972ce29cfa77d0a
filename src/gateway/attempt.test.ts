/**
 * Tests of attempts against small upstreams on the loopback: what fails over, what does not, and what is told in the end.
 * The promises of the retry policy are kept here or nowhere.
 */
import { describe, expect, test } from "bun:test";
import { good, goodStream, NOWHERE, outcomes, REPLY, refuse, tryAll } from "../../test/support/attempts.ts";
import { chunk, httpUpstream, provider, sse, streamed } from "../../test/support/calls.ts";
import { expectNothingLeft } from "../../test/support/tcp-upstream.ts";
import type { JsonObject } from "../core/json.ts";
import type { DialectId } from "../core/request.ts";

expectNothingLeft();

describe("the next endpoint is tried after", () => {
  test("a refused connection", async () => {
    const { served, attempts } = await tryAll([NOWHERE, good]);
    expect(served?.candidate.endpoint.provider).toBe("p1");
    expect(outcomes(attempts)).toEqual(["p0 failed 0 connect", "p1 served 200"]);
  });

  for (const status of [401, 402, 403, 429, 500, 502, 503, 529]) {
    test(`status ${status}`, async () => {
      const { served, attempts } = await tryAll([refuse(status), good]);
      expect(served?.candidate.endpoint.provider).toBe("p1");
      expect(attempts.map((one) => one.status)).toEqual([status, 200]);
    });
  }

  test("a redirect, which is not followed", async () => {
    let followed = false;
    const target = httpUpstream(() => {
      followed = true;
      return new Response();
    });
    const { served, attempts } = await tryAll([() => Response.redirect(target, 307), good]);
    expect(served).toBeDefined();
    expect(outcomes(attempts)[0]).toBe("p0 failed 307 redirect");
    expect(followed).toBe(false);
  });

  const broken: [string, () => Response][] = [
    ["a page in place of a reply", () => new Response("<html>", { headers: { "content-type": "text/html" } })],
    ["an empty body", () => new Response("")],
    ["an error with status 200", () => Response.json({ error: { message: "no", type: "server_error" } })],
    ["half of a JSON text", () => new Response('{"choices":[{"mess')],
  ];
  for (const [name, handler] of broken) {
    test(`${name}`, async () => {
      expect((await tryAll([handler, good])).served?.candidate.endpoint.provider).toBe("p1");
    });
  }

  const brokenStreams: [string, () => Response][] = [
    ["a stream whose first event is an error", () => streamed(sse({ error: { message: "no", type: "server_error" } }))],
    ["an empty stream", () => streamed("")],
    ["a stream of comments only", () => streamed(": a\n\n: b\n\n")],
    ["a stream that ends before any content", () => streamed("data: [DONE]\n\n")],
    ["a stream that never begins and never stops", () => streamed(endlessComments())],
  ];
  for (const [name, handler] of brokenStreams) {
    test(`${name}`, async () => {
      const { served, attempts } = await tryAll([handler, goodStream], { stream: true });
      expect(served?.candidate.endpoint.provider).toBe("p1");
      expect(attempts[0]?.outcome).toBe("failed");
    });
  }

  test("silence", async () => {
    const { served } = await tryAll([() => new Promise<Response>(() => {}), good], { firstByteTimeoutMs: 60 });
    expect(served?.candidate.endpoint.provider).toBe("p1");
  });
});

function endlessComments(): ReadableStream {
  const comment = new TextEncoder().encode(`: ${"x".repeat(50_000)}\n\n`);
  return new ReadableStream({ pull: (controller) => controller.enqueue(comment) });
}

describe("no other endpoint is tried after what is the caller's own", () => {
  const own: [number, JsonObject, string, number][] = [
    [400, { message: "temperature is wrong", type: "invalid_request_error" }, "invalid_request", 400],
    [422, { message: "temperature is wrong", type: "invalid_request_error" }, "invalid_request", 422],
    [404, { message: "no such model", code: "model_not_found" }, "model_not_available", 404],
    [413, { message: "too much", type: "invalid_request_error" }, "request_too_large", 413],
  ];
  for (const [status, body, code, answered] of own) {
    test(`status ${status}`, async () => {
      let asked = false;
      const second = () => {
        asked = true;
        return Response.json(REPLY);
      };
      const { error, attempts } = await tryAll([refuse(status, body), second]);
      expect(error).toMatchObject({ code, status: answered });
      expect(asked).toBe(false);
      expect(attempts.length).toBe(1);
    });
  }
});

describe("for a strict caller", () => {
  const body = { model: "m", messages: [{ role: "user", content: "Hi" }], seed: 1, logit_bias: { "1": 1 } };
  let asked = 0;
  const lossy = () => {
    asked += 1;
    return Response.json(REPLY);
  };

  test("an endpoint that would lose something is not asked, and the next one is", async () => {
    const dialects: DialectId[] = ["anthropic-messages", "openai-chat"];
    const { served, attempts } = await tryAll([lossy, good], { strict: true, body, dialects, maxAttempts: 1 });
    expect(outcomes(attempts)).toEqual(["p1 served 200"]);
    expect(served?.translation.path).toBe("relay");
    expect(asked).toBe(0);
  });

  test("the losses are told when every endpoint would lose something", async () => {
    const { error, attempts } = await tryAll([lossy], { strict: true, body, dialects: ["anthropic-messages"] });
    expect(error).toMatchObject({ code: "invalid_request", status: 400 });
    expect(error?.message).toContain("seed would be dropped, logitBias would be dropped");
    expect(attempts).toEqual([]);
    expect(asked).toBe(0);
  });

  test("the failure of an endpoint that loses nothing is the last word", async () => {
    const dialects: DialectId[] = ["openai-chat", "anthropic-messages"];
    const { error } = await tryAll([refuse(500), lossy], { strict: true, body, dialects });
    expect(error?.code).toBe("upstream_unavailable");
  });
});

describe("the last word", () => {
  test("is upstream_unavailable when endpoints failed in different ways", async () => {
    const { error } = await tryAll([refuse(500), refuse(429), NOWHERE]);
    expect(error).toMatchObject({ code: "upstream_unavailable", status: 503 });
  });

  test("is upstream_timeout when every endpoint was silent", async () => {
    const silent = () => new Promise<Response>(() => {});
    const { error, attempts } = await tryAll([silent, silent], { firstByteTimeoutMs: 60 });
    expect(error).toMatchObject({ code: "upstream_timeout", status: 504 });
    expect(outcomes(attempts)).toEqual(["p0 failed 0 first-byte-timeout", "p1 failed 0 first-byte-timeout"]);
  });

  test("is upstream_unavailable when only the last endpoint was silent", async () => {
    const { error } = await tryAll([refuse(500), () => new Promise<Response>(() => {})], { firstByteTimeoutMs: 60 });
    expect(error?.code).toBe("upstream_unavailable");
  });

  test("says when to come back, as the provider said", async () => {
    const busy = () =>
      Response.json({ error: { message: "slow down" } }, { status: 429, headers: { "retry-after": "7" } });
    expect((await tryAll([busy])).error?.retryAfterMs).toBe(7000);
  });

  test("never comes after more attempts than allowed", async () => {
    const { attempts } = await tryAll([refuse(500), refuse(500), refuse(500), good], { maxAttempts: 2 });
    expect(attempts.length).toBe(2);
  });
});

describe("a stream that has begun", () => {
  test("may be longer than any reply that is kept in memory", async () => {
    const text = "x".repeat(100_000);
    const long = () => streamed(sse(...Array.from({ length: 30 }, () => chunk({ content: text })), chunk({}, "stop")));
    const { served } = await tryAll([long], { stream: true, keep: true });
    let size = 0;
    for (;;) {
      const piece = await served?.rest?.response.next();
      if (!piece) break;
      size += piece.length;
    }
    expect(size).toBeGreaterThan(2_000_000);
  });

  test("is handed over with everything up to its first content", async () => {
    const { served } = await tryAll([goodStream], { stream: true });
    expect(served?.meter.started).toBe(true);
    expect(served?.opening.map((output) => Buffer.from(output as string).toString()).join("")).toStartWith("data: {");
  });

  test("is not tried elsewhere when it breaks off in the same breath", async () => {
    const text = `data: ${JSON.stringify(chunk({ content: "a" }))}\n\ndata: {"error":{"message":"no"}}\n\n`;
    const { served, attempts } = await tryAll([() => streamed(text), goodStream], { stream: true });
    expect(served?.candidate.endpoint.provider).toBe("p0");
    expect(served?.meter.failure).toBeDefined();
    expect(attempts.length).toBe(1);
  });
});

describe("a failed try that was charged for", () => {
  const usage = { prompt_tokens: 40, completion_tokens: 0, total_tokens: 40 };

  test("is kept, so that it is booked", async () => {
    const failing = () => streamed(sse({ choices: [], usage }, { error: { message: "no", type: "server_error" } }));
    const { served, wasted } = await tryAll([failing, goodStream], { stream: true });
    expect(served?.candidate.endpoint.provider).toBe("p1");
    expect(wasted.map(({ candidate: { endpoint } }) => endpoint.provider)).toEqual(["p0"]);
    expect(wasted[0]?.meter.usage(wasted[0])).toMatchObject({ input: 40, source: "measured" });
  });

  test("is none where nothing was reported", async () => {
    const { wasted } = await tryAll([refuse(500), () => streamed(""), goodStream], { stream: true });
    expect(wasted).toEqual([]);
  });
});

describe("what is sent", () => {
  test("carries the provider's key and headers, never the caller's", async () => {
    let seen: Headers | undefined;
    const url = httpUpstream((request) => {
      seen = request.headers;
      return Response.json(REPLY);
    });
    const headers = { "x-team": "blue", "x-request-id": "configured" };
    await tryAll([], { providers: [provider("p0", url, { credentials: ["sk-upstream", "sk-second"], headers })] });
    expect(seen?.get("authorization")).toBe("Bearer sk-upstream");
    expect(seen?.get("x-team")).toBe("blue");
    expect(seen?.get("x-request-id")).toBe("configured");
    expect(seen?.get("content-type")).toBe("application/json");
  });
});

describe("keys that an upstream repeats", () => {
  const canary = "canary-of-no-known-form";
  const repeat = (status: number) => () =>
    Response.json(
      { error: { message: `bad key ${canary} at`, code: canary, param: canary, type: "invalid_request_error" } },
      { status },
    );

  for (const status of [400, 401, 404, 500]) {
    test(`with status ${status} are in neither message, detail nor record`, async () => {
      const providers = [provider("p0", httpUpstream(repeat(status)), { credentials: [canary] })];
      const { error, attempts } = await tryAll([], { providers });
      expect(error?.code).toBeDefined();
      expect(JSON.stringify([error?.message, error?.detail, error?.param, attempts])).not.toContain(canary);
    });
  }
});
