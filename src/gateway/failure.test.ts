/**
 * Tests of what callers and the log are told of an upstream's failure, and of whether another endpoint may be tried.
 * Upstream texts reach callers only through `clean`, so secrets of every kind are put through it.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { FailureKind, UpstreamFailure } from "../core/error.ts";
import { type FaultKind, UpstreamFault } from "../upstream/http.ts";
import { clean, fromFault, retryElsewhere, toError } from "./failure.ts";

const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const word = (minLength: number, maxLength = minLength + 12) =>
  fc.string({ unit: fc.constantFrom(...alphanumeric), minLength, maxLength });
const lower = (minLength: number, maxLength = minLength + 8) =>
  fc.string({ unit: fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz0123456789"), minLength, maxLength });
const hexadecimal = (length: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: length, maxLength: length });

/** A secret as it may stand in an upstream's text, and the piece of it that nobody may read. */
type Secret = { text: string; secret: string };
const prefixed =
  (...prefixes: string[]) =>
  (body: string) =>
    fc.constantFrom(...prefixes).map((prefix): Secret => ({ text: prefix + body, secret: body }));

const KINDS: Record<string, fc.Arbitrary<Secret>> = {
  "keys with a provider's prefix": word(16, 48).chain(
    prefixed("sk-", "sk-proj-", "sk-ant-api03-", "sk_live_", "pk-", "gsk_", "xai-", "hf_", "r8_", "nvapi-", "csk-"),
  ),
  "more keys with a prefix": word(24, 48).chain(prefixed("pplx-", "fw_", "tgp_v1_", "ghp_", "sess-", "AKIA", "ya29.")),
  "Google's keys": word(35, 35).chain(prefixed("AIza")),
  "keys that are only hexadecimal": hexadecimal(32).map((text) => ({ text, secret: text })),
  "bearer tokens": word(12, 60).chain(prefixed("Bearer ", "bearer ", "Authorization: Bearer ", "Basic ")),
  "JSON web tokens": fc
    .tuple(word(20), word(20), word(20))
    .map(([a, b, c]) => ({ text: `eyJ${a}.eyJ${b}.${c}`, secret: c })),
  "named keys": word(12, 40).chain(
    prefixed("api_key=", "api-key: ", "apikey: ", "x-api-key: ", "password=", "secret: ", "token=", '"api_key": "'),
  ),
  "addresses with a path": fc
    .tuple(lower(4), word(8))
    .chain(([host, path]) =>
      fc
        .constantFrom("https", "http", "wss", "grpc")
        .map((scheme) => ({ text: `${scheme}://${host}.example.com:8443/${path}?key=${path}`, secret: path })),
    ),
  hosts: lower(6).chain((name) =>
    fc
      .constantFrom("com", "net", "io", "ai", "internal", "local", "co.uk", "eu", "de", "svc", "openai.azure.com", "cn")
      .map((zone) => ({ text: `${name}.${zone}`, secret: name })),
  ),
  "hosts with a port": fc
    .integer({ min: 1024, max: 65_535 })
    .chain((port) =>
      fc
        .constantFrom("localhost", "10.1.2.3", "[fe80::1]", "[2001:db8::7]")
        .map((host) => ({ text: `${host}:${port}`, secret: `${host}:${port}` })),
    ),
  "addresses of the network": fc.ipV4().map((text) => ({ text, secret: text })),
  "ids of organisations and projects": word(16, 24).chain(prefixed("org-", "proj_", "user-", "acct_", "req_")),
  "ids that are UUIDs": fc.uuid().map((text) => ({ text, secret: text })),
  "projects of a cloud": lower(8).chain(prefixed("projects/p-", "accounts/p-", "subscriptions/p-")),
  "names of resources": fc
    .tuple(fc.integer({ min: 100_000_000_000, max: 999_999_999_999 }), lower(8))
    .map(([account, name]) => ({
      text: `arn:aws:bedrock:eu-west-1:${account}:model/${name}`,
      secret: String(account),
    })),
  "e-mail addresses": fc.emailAddress().map((text) => ({ text, secret: text })),
};

const frames = fc.constantFrom(
  (text: string) => text,
  (text: string) => `Incorrect API key provided: ${text}. You can find your key in the console.`,
  (text: string) => `(${text})`,
  (text: string) => `"${text}"`,
  (text: string) => `'${text}', please`,
  (text: string) => `error=${text}; try again`,
  (text: string) => `upstream said\n\t${text}\n`,
  (text: string) => `<b>${text}</b>`,
);

describe("an upstream's text is cleaned of", () => {
  for (const [kind, secrets] of Object.entries(KINDS)) {
    test(kind, () => {
      fc.assert(
        fc.property(secrets, frames, ({ text, secret }, frame) => {
          expect(clean(frame(text))).not.toContain(secret);
        }),
        { numRuns: 200 },
      );
    });
  }

  test("a secret that the limit of length would cut in two", () => {
    const secret = word(40, 40).map((body) => `sk-${body}`);
    fc.assert(
      fc.property(secret, fc.nat(60), (key, back) => {
        const long = `${"https://a.example.com/long/path/that/goes ".repeat(60)}`.slice(0, 2000 - back);
        const text = clean(`${long} ${key}`);
        expect(text).not.toContain(key.slice(3, 9));
      }),
    );
  });
});

const KEPT = [
  "messages.2.content.0: Input should be a valid string",
  "This model's maximum context length is 128000 tokens. However, your messages resulted in 130012 tokens.",
  "prompt is too long: 208310 tokens > 200000 maximum",
  "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
  "Invalid schema for function 'get_weather': In context=('properties', 'city'), 'additionalProperties' is required.",
  "messages.4: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_01A09q90qw90lq917835lq9",
  "An assistant message with 'tool_calls' must be followed by tool messages: call_Zq8nWcYd3hRrVt7LkXo2Bp5s",
  "Item 'rs_0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f6071' of type 'reasoning' was provided without its item.",
  "The model `gpt-4.1-mini-2025-04-14` does not exist",
  "temperature: expected a number from 0 to 2, got 2.5",
  "Invalid value at 'generation_config.response_schema.properties[0].value' (TYPE_STRING)",
  "Image exceeds 5 MB maximum: 5316852 bytes > 5242880 bytes",
];
for (const text of KEPT) {
  test(`what a caller can act on stays: ${text.slice(0, 60)}`, () => expect(clean(text)).toBe(text));
}

test("a cleaned text is at most a thousand characters long, and long ones take no long time", () => {
  for (const piece of ["a", "a.", "a@", "sk-", "-", "http://", "1.", "[", "x-api-key: ", " "]) {
    expect(clean(piece.repeat(100_000)).length).toBeLessThanOrEqual(1000);
  }
});

function failure(kind: FailureKind, over: Partial<UpstreamFailure> = {}): UpstreamFailure {
  return { kind, status: 400, message: "Words of the provider.", ...over };
}

describe("the next endpoint", () => {
  const callers: FailureKind[] = ["invalid-request", "context-length", "content-filter", "too-large", "not-found"];
  const others: FailureKind[] = [
    "authentication",
    "permission",
    "billing",
    "rate-limit",
    "overloaded",
    "server",
    "timeout",
  ];
  test("is not tried for what is the caller's own", () => {
    for (const kind of callers) expect(retryElsewhere(failure(kind))).toBe(false);
  });
  test("is tried for everything else", () => {
    for (const kind of others) expect(retryElsewhere(failure(kind))).toBe(true);
  });
});

describe("what the caller is told", () => {
  const TABLE: [FailureKind, number, string, number, shown: boolean][] = [
    ["invalid-request", 400, "invalid_request", 400, true],
    ["invalid-request", 422, "invalid_request", 422, true],
    ["invalid-request", 418, "invalid_request", 400, true],
    ["invalid-request", 0, "invalid_request", 400, true],
    ["context-length", 400, "invalid_request", 400, true],
    ["content-filter", 400, "invalid_request", 400, true],
    ["too-large", 413, "request_too_large", 413, true],
    ["not-found", 404, "model_not_available", 404, true],
    ["authentication", 401, "upstream_unavailable", 503, false],
    ["permission", 403, "upstream_unavailable", 503, false],
    ["billing", 402, "upstream_unavailable", 503, false],
    ["rate-limit", 429, "upstream_unavailable", 503, false],
    ["overloaded", 529, "upstream_unavailable", 503, false],
    ["server", 500, "upstream_unavailable", 503, false],
    ["timeout", 0, "upstream_timeout", 504, false],
  ];
  for (const [kind, status, code, answered, shown] of TABLE) {
    test(`of ${kind} with ${status} is ${code}, ${shown ? "in the provider's words" : "in our own words"}`, () => {
      const error = toError(failure(kind, { status, param: "messages[0]" }));
      expect(error).toMatchObject({ code, status: answered });
      expect(error.message.includes("Words of the provider.")).toBe(shown);
    });
  }

  test("has a reason where clients look for one, and a parameter where the provider named it", () => {
    expect(toError(failure("context-length", { param: "messages" }))).toMatchObject({
      reason: "context-length",
      param: "messages",
    });
    expect(toError(failure("content-filter")).reason).toBe("content-filter");
  });

  test("guesses how far a prompt is over the context, never below it and never far above", () => {
    const guess = (bytes: number) => toError(failure("context-length"), { bytes, contextTokens: 1000 }).tokens;
    expect(guess(6000)).toEqual({ used: 1500, limit: 1000 });
    expect(guess(10)).toEqual({ used: 1001, limit: 1000 });
    expect(guess(10_000_000)).toEqual({ used: 2000, limit: 1000 });
    expect(toError(failure("context-length")).tokens).toBeUndefined();
    expect(toError(failure("too-large"), { bytes: 1, contextTokens: 1 }).tokens).toBeUndefined();
  });

  test("of a provider without words is a sentence all the same", () => {
    expect(toError(failure("invalid-request", { message: "" })).message).toBe("The provider refused the request.");
  });

  test("says when to come back: the provider's time, or a short one", () => {
    expect(toError(failure("rate-limit", { retryAfterMs: 1234 })).retryAfterMs).toBe(1234);
    expect(toError(failure("rate-limit", { retryAfterMs: 3_600_000 })).retryAfterMs).toBe(60_000);
    expect(toError(failure("server")).retryAfterMs).toBe(5000);
  });

  test("and what the log is told hold no key: neither message nor detail", () => {
    const message = "Incorrect API key provided: sk-canary-0123456789abcdef for https://canary.example.com/v1";
    for (const kind of ["authentication", "invalid-request", "server", "timeout", "not-found"] as const) {
      const error = toError(
        failure(kind, { message, code: "sk-canary-0123456789abcdef", param: "sk-canary-0123456789" }),
      );
      expect(JSON.stringify([error.message, error.detail, error.param])).not.toContain("canary");
    }
  });
});

describe("faults of the transport", () => {
  const kinds: [FaultKind, FailureKind][] = [
    ["connect", "server"],
    ["connect-timeout", "timeout"],
    ["tls", "server"],
    ["reset", "server"],
    ["first-byte-timeout", "timeout"],
    ["idle-timeout", "timeout"],
    ["too-large", "server"],
    ["protocol", "server"],
  ];
  for (const [kind, expected] of kinds) {
    test(`${kind} counts as ${expected}`, () => {
      expect(fromFault(new UpstreamFault(kind, "CODE", false))).toMatchObject({
        kind: expected,
        status: 0,
        code: kind,
      });
    });
  }

  test("anything else is no failure of an upstream and is thrown on", () => {
    const bug = new TypeError("ours");
    expect(() => fromFault(bug)).toThrow(bug);
  });
});
