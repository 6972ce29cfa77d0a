/**
 * Tests of the meter: what is billed comes from here, reported or counted.
 * A caller who leaves early must neither get the rest for nothing nor pay for what was not said.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { candidate, inquiryIn } from "../../test/support/calls.ts";
import type { CanonicalEvent } from "../core/event.ts";
import { completionTokens, emptyUsage, promptTokens, TOKEN_CLASSES, type Usage } from "../core/usage.ts";
import { Meter, type Metered } from "./meter.ts";

const at = { choice: 0, part: 0 };
const begin: CanonicalEvent = { type: "part-start", ...at, start: { type: "text" } };
const stop: CanonicalEvent = { type: "message-end", choice: 0, finish: { reason: "stop" } };
const say = (text: string): CanonicalEvent => ({ type: "text-delta", ...at, text });
const report = (counts: Partial<Usage>): CanonicalEvent => ({
  type: "usage",
  usage: { ...emptyUsage("measured"), ...counts },
});

/** A prompt of so many tokens by the rule of thumb, at a model that says up to a thousand tokens. */
function prompt(tokens: number): Metered {
  const content = "x".repeat(tokens * 5 - 9);
  const inquiry = inquiryIn("openai-chat", { body: { model: "m", messages: [{ role: "user", content }] } });
  return { inquiry, candidate: candidate() };
}

function meterOf(...events: CanonicalEvent[]): Meter {
  const meter = new Meter();
  for (const [index, event] of events.entries()) meter.observe([event], () => index);
  return meter;
}

describe("what was used", () => {
  test("is the provider's word, the last of several", () => {
    const usage = meterOf(begin, report({ input: 3 }), say("x"), report({ input: 3, output: 9 }), stop).usage(
      prompt(250),
    );
    expect(usage).toMatchObject({ input: 3, output: 9, source: "measured" });
  });

  test("is counted and flagged when nothing was reported", () => {
    const usage = meterOf(begin, say("ten letter"), stop).usage(prompt(101));
    expect(usage).toMatchObject({ input: 101, output: 2, source: "estimated" });
  });

  test("counts thinking and the arguments of tool calls as well", () => {
    const usage = meterOf(
      begin,
      { type: "thinking-delta", ...at, text: "abcde" },
      { type: "tool-call-delta", ...at, arguments: "fghijklmno" },
    ).usage(prompt(9));
    expect(usage.output).toBe(3);
  });

  test("is nothing when nothing was said", () => {
    expect(meterOf({ type: "message-start" }).usage(prompt(250))).toEqual(emptyUsage("none"));
    expect(meterOf().usage(prompt(250))).toEqual(emptyUsage("none"));
  });

  test("of a stream left half-way is what was reported by then and a count of what was said since", () => {
    const early = report({ input: 50, output: 1 });
    const usage = meterOf(early, begin, say("x".repeat(4000))).usage(prompt(25));
    expect(usage).toMatchObject({ input: 50, output: 801, source: "estimated" });
  });

  test("of a stream left right after a report is that report", () => {
    const usage = meterOf(begin, say("x".repeat(4000)), report({ input: 50, output: 7, thinking: 1 })).usage(
      prompt(25),
    );
    expect(usage).toMatchObject({ input: 50, output: 7, thinking: 1, source: "measured" });
  });

  test("is counted where the report cannot be true: content of no tokens, out of a prompt of none", () => {
    const none = meterOf(begin, say("x".repeat(50)), report({ input: 0, output: 0 }), stop).usage(prompt(20));
    expect(none).toMatchObject({ input: 20, output: 10, source: "estimated" });
    const cached = meterOf(begin, say("x"), report({ cacheRead: 5, output: 1 }), stop).usage(prompt(20));
    expect(cached).toMatchObject({ input: 0, cacheRead: 5, output: 1, source: "measured" });
  });

  test("of an answer without a text may be none", () => {
    expect(meterOf(report({ input: 5 }), stop).usage(prompt(20))).toMatchObject({
      input: 5,
      output: 0,
      source: "measured",
    });
  });

  test("of a finished stream is the provider's word even when that is less than was counted", () => {
    const usage = meterOf(begin, say("x".repeat(4000)), report({ input: 5, output: 10 }), stop).usage(prompt(25));
    expect(usage).toMatchObject({ output: 10, source: "measured" });
  });
});

describe("what cannot be", () => {
  test("is billed as the most that can be, and flagged", () => {
    const meter = meterOf(begin, report({ input: 5_000_000, cacheRead: 70, output: 9_000 }), stop);
    const call = prompt(25);
    expect(meter.usage(call)).toMatchObject({
      input: call.inquiry.bytes.length - 70,
      cacheRead: 70,
      output: 1000,
      source: "measured",
    });
    expect(meter.clamped).toBe(true);
  });

  test("is not what a template or a tool adds to a short prompt, or what a provider keeps", () => {
    const call = prompt(25);
    const added = meterOf(begin, report({ input: 1100, output: 9 }), stop);
    expect(added.usage(call).input).toBe(1100);
    const long = meterOf(begin, report({ input: 90_000, output: 9 }), stop);
    for (const more of [
      { previous_response_id: "resp_1" },
      { tools: [{ type: "function", function: { name: "f" } }] },
    ]) {
      const inquiry = inquiryIn("openai-chat", { body: { ...call.inquiry.body, ...more } });
      expect(long.usage({ ...call, inquiry }).input).toBe(90_000);
    }
    expect([added.clamped, long.clamped]).toEqual([false, false]);
  });

  test("grows with the number of answers", () => {
    const body = { ...prompt(25).inquiry.body, n: 3 };
    const call = { ...prompt(25), inquiry: inquiryIn("openai-chat", { body }) };
    expect(meterOf(begin, report({ input: 1, output: 2500 }), stop).usage(call).output).toBe(2500);
    expect(meterOf(begin, report({ input: 1, output: 3500 }), stop).usage(call).output).toBe(3000);
  });

  test("whatever is reported, what is billed is whole numbers within the bounds", () => {
    const number = fc.oneof(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 0, max: 100_000_000 }));
    const call = prompt(25);
    fc.assert(
      fc.property(fc.array(number, { minLength: 11, maxLength: 11 }), (counts) => {
        const usage = { ...emptyUsage("measured"), webSearches: counts[10] ?? 0 };
        for (const [index, name] of TOKEN_CLASSES.entries()) usage[name] = counts[index] ?? 0;
        const billed = meterOf(begin, { type: "usage", usage }, stop).usage(call);
        expect(promptTokens(billed)).toBeLessThanOrEqual(call.inquiry.bytes.length + 1024);
        expect(completionTokens(billed)).toBeLessThanOrEqual(1000);
        expect(billed.webSearches).toBeLessThanOrEqual(100);
        for (const name of TOKEN_CLASSES) expect(billed[name]).toBeLessThanOrEqual(usage[name] + 1000);
      }),
    );
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
