/**
 * Tests of every format's errors against the whole table of codes: what tells clients whether and when to ask again.
 * The wording is each dialect's own and is tested there.
 */
import { expect, test } from "bun:test";
import { ERROR_TABLE, type ErrorCode, GatewayError } from "../core/error.ts";
import { DIALECTS } from "./index.ts";

const CODES = Object.keys(ERROR_TABLE) as ErrorCode[];

for (const dialect of Object.values(DIALECTS)) {
  test(`${dialect.id}: every error that a retry cannot help says so, and none that it can`, () => {
    for (const code of CODES) {
      const { headers } = dialect.encodeError(new GatewayError(code, "No."), "req_1");
      const expected = ERROR_TABLE[code].retryHelps ? undefined : "false";
      expect({ code, told: headers?.["x-should-retry"] }).toEqual({ code, told: expected });
    }
  });

  test(`${dialect.id}: a wait is told in whole seconds, rounded up, and only where it helps`, () => {
    for (const code of CODES) {
      const { headers } = dialect.encodeError(new GatewayError(code, "No.", { retryAfterMs: 1200 }), "req_1");
      if (ERROR_TABLE[code].retryHelps) expect({ code, wait: headers?.["retry-after"] }).toEqual({ code, wait: "2" });
      else expect({ code, wait: headers?.["retry-after"] }).toEqual({ code, wait: undefined });
    }
  });

  test(`${dialect.id}: a rate limit is a 429`, () => {
    const { status } = dialect.encodeError(new GatewayError("rate_limit_exceeded", "No."), "req_1");
    expect(status).toBe(429);
  });
}
