/**
 * Tests of reading a body: sizes, encodings, what is held in memory at once, and what does not parse.
 * Everything here happens before anything is known of the request, so it is where floods arrive.
 */
import { describe, expect, test } from "bun:test";
import { afterThisTest, expectNothingLeft } from "../../test/support/tcp-upstream.ts";
import { GatewayError } from "../core/error.ts";
import { type BodyLimits, type BodyMemory, parseBody, readBody } from "./body.ts";

expectNothingLeft();

const LIMITS: BodyLimits = { maxBodyBytes: 1000, maxBodyBytesInFlight: 2500, maxJsonDepth: 10 };

function post(body: string | ReadableStream | null, headers: Record<string, string> = {}): Request {
  return new Request("http://localhost/", { method: "POST", body, headers });
}

function declared(bytes: number, over: Record<string, string> = {}): Request {
  return post("x".repeat(bytes), { "content-length": String(bytes), ...over });
}

/** A body in these pieces whose length nobody says. */
function chunked(...pieces: string[]): Request {
  const body = new ReadableStream({
    pull(controller) {
      const piece = pieces.shift();
      if (piece === undefined) controller.close();
      else controller.enqueue(new TextEncoder().encode(piece));
    },
  });
  return post(body);
}

async function refusal(work: Promise<unknown> | (() => unknown)): Promise<GatewayError> {
  try {
    await (typeof work === "function" ? work() : work);
  } catch (error) {
    expect(error).toBeInstanceOf(GatewayError);
    return error as GatewayError;
  }
  throw new Error("nothing was refused");
}

describe("a body within the limits", () => {
  test("is read, declared or chunked, and counted until it is given back", async () => {
    const memory = { bytes: 0 };
    expect((await readBody(declared(1000), LIMITS, memory)).length).toBe(1000);
    expect(Buffer.from(await readBody(chunked("ab", "", "cd"), LIMITS, memory)).toString()).toBe("abcd");
    expect(memory.bytes).toBe(1004);
  });

  test("may be empty or absent", async () => {
    const memory = { bytes: 0 };
    expect((await readBody(post(null), LIMITS, memory)).length).toBe(0);
    expect((await readBody(chunked(), LIMITS, memory)).length).toBe(0);
    expect(memory.bytes).toBe(0);
  });

  test("may say that it has no encoding", async () => {
    for (const encoding of ["identity", "Identity"]) {
      const request = declared(5, { "content-encoding": encoding });
      expect((await readBody(request, LIMITS, { bytes: 0 })).length).toBe(5);
    }
  });
});

describe("a body that is refused", () => {
  test("is too large by what it declares, before a byte of it is read", async () => {
    const memory = { bytes: 0 };
    const request = declared(1001);
    expect(await refusal(readBody(request, LIMITS, memory))).toMatchObject({ code: "request_too_large", status: 413 });
    expect(request.bodyUsed).toBe(false);
    expect(memory.bytes).toBe(0);
  });

  test("is too large by what comes, however often that is said", async () => {
    const memory = { bytes: 0 };
    const pieces = Array.from({ length: 50 }, () => "x".repeat(100));
    expect((await refusal(readBody(chunked(...pieces), LIMITS, memory))).code).toBe("request_too_large");
    expect(memory.bytes).toBe(0);
  });

  test("is larger than it said", async () => {
    const memory = { bytes: 0 };
    const request = post("x".repeat(2000), { "content-length": "10" });
    expect((await refusal(readBody(request, LIMITS, memory))).code).toBe("request_too_large");
    expect(memory.bytes).toBe(0);
  });

  test("is encoded", async () => {
    for (const encoding of ["gzip", "br", "identity, gzip"]) {
      const request = declared(5, { "content-encoding": encoding });
      expect((await refusal(readBody(request, LIMITS, { bytes: 0 }))).code).toBe("invalid_request");
    }
  });
});

describe("the bodies of all calls together", () => {
  test("are counted from the moment they are declared, so that many at once cannot pass the check together", async () => {
    const memory: BodyMemory = { bytes: 0 };
    const readings = Array.from({ length: 5 }, () => readBody(declared(1000), LIMITS, memory));
    const outcomes = await Promise.allSettled(readings);
    const refused = outcomes.filter((outcome) => outcome.status === "rejected");
    expect(refused.length).toBe(3);
    for (const { reason } of refused) expect(reason).toMatchObject({ code: "service_unavailable", retryAfterMs: 1000 });
    expect(memory.bytes).toBe(2000);
  });

  test("are counted while they come when their length is not declared", async () => {
    const memory: BodyMemory = { bytes: 2000 };
    expect((await refusal(readBody(chunked("x".repeat(400), "x".repeat(400)), LIMITS, memory))).code).toBe(
      "service_unavailable",
    );
    expect(memory.bytes).toBe(2000);
  });

  test("lose nothing when a caller leaves in the middle of its body", async () => {
    const memory: BodyMemory = { bytes: 0 };
    const outcome = Promise.withResolvers<unknown>();
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      async fetch(request) {
        await readBody(request, LIMITS, memory).then(outcome.resolve, outcome.reject);
        return new Response();
      },
    });
    afterThisTest(() => server.stop(true));
    const socket = await Bun.connect({ hostname: "127.0.0.1", port: server.port ?? 0, socket: { data() {} } });
    socket.write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 900\r\n\r\nhalf");
    for (let i = 0; i < 400 && memory.bytes === 0; i++) await Bun.sleep(5);
    expect(memory.bytes).toBe(900);
    socket.end();
    expect(await outcome.promise.then(Boolean, () => "left")).toBe("left");
    expect(memory.bytes).toBe(0);
  });
});

describe("the parsed body", () => {
  const parse = (text: string | Uint8Array) =>
    parseBody(typeof text === "string" ? new TextEncoder().encode(text) : text, LIMITS);

  test("is an object", () => {
    expect(parse('{"a":1}')).toEqual({ a: 1 });
    expect(parse('\ufeff{"a":1}')).toEqual({ a: 1 });
  });

  test("holds __proto__ as a key like any other", () => {
    const body = parse('{"__proto__":{"model":"x"},"a":1}');
    expect(Object.getPrototypeOf(body)).toBe(Object.prototype);
    expect(body.model).toBeUndefined();
  });

  const refused: [string, string | Uint8Array, string][] = [
    ["nothing", "", "not valid JSON"],
    ["half of an object", '{"a":', "not valid JSON"],
    ["an array", "[]", "must be a JSON object"],
    ["null", "null", "must be a JSON object"],
    ["a text", '"x"', "must be a JSON object"],
    ["invalid UTF-8", Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d), "not valid UTF-8"],
    ["a surrogate in UTF-8", Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22), "not valid UTF-8"],
    ["eleven levels", `${'{"a":'.repeat(11)}1${"}".repeat(11)}`, "nested deeper than 10 levels"],
    ["a hundred thousand levels", "[".repeat(100_000), "nested deeper than 10 levels"],
  ];
  for (const [what, text, why] of refused) {
    test(`is not ${what}`, async () => {
      const error = await refusal(() => parse(text));
      expect(error.code).toBe("invalid_request");
      expect(error.message).toContain(why);
      expect(error.message.length).toBeLessThan(200);
    });
  }

  test("may be as deep as the limit", () => {
    expect(() => parse(`${'{"a":'.repeat(10)}1${"}".repeat(10)}`)).not.toThrow();
  });
});
