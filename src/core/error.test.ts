/**
 * Tests of the closed table of errors, and that nothing of the inside becomes a public sentence.
 * Every dialect renders from here, so what is kept apart here stays apart.
 */
import { describe, expect, test } from "bun:test";
import { ERROR_TABLE, type ErrorCode, GatewayError, invalidRequest, toGatewayError } from "./error.ts";
import { collectLosses } from "./loss.ts";

const codes = Object.keys(ERROR_TABLE) as ErrorCode[];

describe("the table", () => {
  test("gives every code a status that fits whose fault it is", () => {
    for (const code of codes) {
      const { status, fault } = ERROR_TABLE[code];
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status >= 500).toBe(fault !== "caller");
    }
  });

  test("tells callers to retry only what a retry can help", () => {
    const retryable = codes.filter((code) => ERROR_TABLE[code].retryHelps);
    expect(retryable.sort()).toEqual([
      "internal_error",
      "rate_limit_exceeded",
      "service_unavailable",
      "upstream_timeout",
      "upstream_unavailable",
    ]);
  });

  test("no trouble of the database looks like a bad key or an empty purse", () => {
    expect(ERROR_TABLE.service_unavailable.status).toBe(503);
  });
});

describe("a GatewayError", () => {
  test("takes its facts from the table", () => {
    for (const code of codes) {
      const error = new GatewayError(code, "Said.");
      const { status, fault, retryHelps } = ERROR_TABLE[code];
      expect(error).toMatchObject({ code, status, fault, retryHelps, message: "Said." });
    }
  });

  test("may answer with another status than the table's", () => {
    expect(new GatewayError("invalid_request", "No.", { status: 422 }).status).toBe(422);
  });

  test("has no parameter rather than an empty one", () => {
    expect(invalidRequest("No.", "").param).toBeUndefined();
    expect(invalidRequest("No.", "a.b").param).toBe("a.b");
  });
});

describe("anything thrown", () => {
  test("stays what it is when it is a GatewayError", () => {
    const error = invalidRequest("No.");
    expect(toGatewayError(error)).toBe(error);
  });

  const things: [string, unknown][] = [
    ["an error", new TypeError("password=hunter2 at /srv/app/db.ts")],
    ["a text", "password=hunter2"],
    ["an object", { toString: () => "password=hunter2" }],
    ["nothing", undefined],
    ["an error with a hostile name", Object.assign(new Error("x"), { name: "hunter2" })],
  ];
  for (const [what, thrown] of things) {
    test(`becomes an internal error that shows nothing of ${what}`, () => {
      const error = toGatewayError(thrown);
      expect(error.code).toBe("internal_error");
      expect(error.message).not.toContain("hunter2");
      expect(error.message).not.toContain("/srv");
      expect(error.param).toBeUndefined();
      if (thrown !== undefined) expect(error.detail).toContain("hunter2");
    });
  }

  test("becomes an internal error even when it cannot be turned into text", () => {
    const nameless = Object.create(null) as object;
    expect(toGatewayError(nameless).code).toBe("internal_error");
    expect(toGatewayError(Symbol("x")).code).toBe("internal_error");
  });
});

describe("losses", () => {
  test("are named once, the first word counts", () => {
    const losses = collectLosses();
    losses.add("topK");
    losses.add("topK", "altered");
    losses.add("seed", "altered");
    expect(losses.list()).toEqual([
      { field: "topK", kind: "dropped" },
      { field: "seed", kind: "altered" },
    ]);
  });

  test("are bounded in number and length, whatever a request names", () => {
    const losses = collectLosses();
    for (let i = 0; i < 10_000; i++) losses.add(`${i}-${"x".repeat(1000)}`);
    expect(losses.list().length).toBe(64);
    for (const { field } of losses.list()) expect(field.length).toBeLessThanOrEqual(80);
  });
});
