/**
 * Tests of the log: one line an event, whatever the text that others had a hand in.
 * Forged lines would mislead whoever reads it after an attack.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createLog, type Level } from "./log.ts";

function logTo(format: "json" | "text", level: Level = "debug") {
  const lines: string[] = [];
  return { lines, log: createLog({ level, format, write: (line) => void lines.push(line) }) };
}

const LEVELS: Level[] = ["error", "warn", "info", "debug"];

describe("the level", () => {
  for (const [index, level] of LEVELS.entries()) {
    test(`${level} lets through what is at least as grave`, () => {
      const { lines, log } = logTo("json", level);
      for (const each of LEVELS) log[each]("x");
      expect(lines.map((line) => JSON.parse(line).level)).toEqual(LEVELS.slice(0, index + 1));
    });
  }
});

for (const format of ["json", "text"] as const) {
  describe(`as ${format}`, () => {
    test("an event is one line, whatever its texts", () => {
      fc.assert(
        fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (message, detail) => {
          const { lines, log } = logTo(format);
          log.warn(message, { detail, nested: { detail } });
          expect(lines.length).toBe(1);
          expect(lines[0]).not.toMatch(/[\n\r]/);
        }),
      );
    });

    test("no text moves the terminal's cursor or begins a line", () => {
      const { lines, log } = logTo(format);
      log.warn("a\n12:00:00 error forged", { detail: "b\r\n\x1b[2J\x00\x9b31m\u2028c" });
      if (format === "text") expect(lines[0]).not.toMatch(/[\p{Cc}\u2028]/u);
      expect(lines[0]).toContain("forged");
    });

    test("amounts of money and absent fields are no error", () => {
      const { lines, log } = logTo(format);
      log.info("x", { cost: 12n, nested: { cost: 13n }, absent: undefined, nothing: null });
      expect(lines[0]).toContain("12");
      expect(lines[0]).toContain("13");
      expect(lines[0]).not.toContain("absent");
    });
  });
}

test("fields of an event come after its time, level and message", () => {
  const { lines, log } = logTo("json");
  log.error("down", { reason: "x" });
  expect(JSON.parse(lines[0] ?? "")).toEqual({
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    level: "error",
    message: "down",
    reason: "x",
  });
  const text = logTo("text");
  text.log.error("down", { reason: "x", count: 3, list: [1] });
  expect(text.lines[0]).toMatch(/^\d\d:\d\d:\d\d error down reason=x count=3 list=\[1\]$/);
});
