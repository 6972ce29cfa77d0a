/**
 * Tests of the meter: what is billed comes from here, reported or counted.
 * A caller who leaves early must neither get the rest for nothing nor pay for what was not said.
 */
import { describe, expect, test } from "bun:test";
import type { CanonicalEvent } from "../core/event.ts";
import { emptyUsage, type Usage } from "../core/usage.ts";
import { Meter } from "./meter.ts";

const at = { choice: 0, part: 0 };
const begin: CanonicalEvent = { type: "part-start", ...at, start: { type: "text" } };
const stop: CanonicalEvent = { type: "message-end", choice: 0, finish: { reason: "stop" } };
const say = (text: string): CanonicalEvent => ({ type: "text-delta", ...at, text });
const report = (counts: Partial<Usage>): CanonicalEvent => ({
  type: "usage",
  usage: { ...emptyUsage("measured"), ...counts },
});

function meterOf(...events: CanonicalEvent[]): Meter {
  const meter = new Meter();
  for (const [index, event] of events.entries()) meter.observe([event], () => index);
  return meter;
}

describe("what was used", () => {
  test("is the provider's word, the last of several", () => {
    const usage = meterOf(begin, report({ input: 3 }), say("x"), report({ input: 3, output: 9 }), stop).usage(1000);
    expect(usage).toMatchObject({ input: 3, output: 9, source: "measured" });
  });

  test("is counted and flagged when nothing was reported", () => {
    const usage = meterOf(begin, say("12345678"), stop).usage(401);
    expect(usage).toMatchObject({ input: 101, output: 2, source: "estimated" });
  });

  test("counts thinking and the arguments of tool calls as well", () => {
    const usage = meterOf(
      begin,
      { type: "thinking-delta", ...at, text: "1234" },
      { type: "tool-call-delta", ...at, arguments: "12345678" },
    ).usage(0);
    expect(usage.output).toBe(3);
  });

  test("is nothing when nothing was said", () => {
    expect(meterOf({ type: "message-start" }).usage(1000)).toEqual(emptyUsage("none"));
    expect(meterOf().usage(1000)).toEqual(emptyUsage("none"));
  });

  test("of a stream left half-way is what was reported by then and a count of what was said since", () => {
    const early = report({ input: 50, output: 1 });
    const usage = meterOf(early, begin, say("x".repeat(4000))).usage(100);
    expect(usage).toMatchObject({ input: 50, output: 1001, source: "estimated" });
  });

  test("of a stream left right after a report is that report", () => {
    const usage = meterOf(begin, say("x".repeat(4000)), report({ input: 50, output: 7, thinking: 1 })).usage(100);
    expect(usage).toMatchObject({ input: 50, output: 7, thinking: 1, source: "measured" });
  });

  test("is counted where the report cannot be true: content of no tokens, out of a prompt of none", () => {
    const none = meterOf(begin, say("x".repeat(40)), report({ input: 0, output: 0 }), stop).usage(80);
    expect(none).toMatchObject({ input: 20, output: 10, source: "estimated" });
    const cached = meterOf(begin, say("x"), report({ cacheRead: 5, output: 1 }), stop).usage(80);
    expect(cached).toMatchObject({ input: 0, cacheRead: 5, output: 1, source: "measured" });
  });

  test("of an answer without a text may be none", () => {
    expect(meterOf(report({ input: 5 }), stop).usage(80)).toMatchObject({ input: 5, output: 0, source: "measured" });
  });

  test("of a finished stream is the provider's word even when that is less than was counted", () => {
    const usage = meterOf(begin, say("x".repeat(4000)), report({ input: 5, output: 10 }), stop).usage(100);
    expect(usage).toMatchObject({ output: 10, source: "measured" });
  });
});

describe("the first content", () => {
  test("is a part, whole or begun, and its moment is kept", () => {
    const meter = meterOf({ type: "message-start" }, report({}), begin, say("x"), stop);
    expect(meter.started).toBe(true);
    expect(meter.firstContentAtMs).toBe(2);
    const whole = { type: "thinking", text: "", redacted: true } as const;
    expect(meterOf({ type: "part", ...at, value: whole }).started).toBe(true);
  });

  test("may be the end: an empty answer is an answer", () => {
    expect(meterOf({ type: "message-start" }, stop).started).toBe(true);
  });

  test("is neither the head, nor usage, nor an error", () => {
    const failure = { kind: "server", status: 500, message: "" } as const;
    expect(meterOf({ type: "message-start" }, report({ input: 1 }), { type: "error", failure }).started).toBe(false);
  });
});

test("id, first finish reason and failure are kept", () => {
  const failure = { kind: "overloaded", status: 529, message: "" } as const;
  const second: CanonicalEvent = { type: "message-end", choice: 1, finish: { reason: "length" } };
  const meter = meterOf({ type: "message-start", id: "up_1" }, begin, stop, second, { type: "error", failure });
  expect(meter).toMatchObject({ upstreamId: "up_1", finish: "stop", failure });
});
