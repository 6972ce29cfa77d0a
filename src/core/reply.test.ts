/**
 * Tests of folding events into a reply and back.
 * Streamed and unstreamed answers meet here, so what is lost here is lost for every format.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { messages } from "../../test/support/events.ts";
import { checkOrder } from "../../test/support/order.ts";
import type { CanonicalEvent } from "./event.ts";
import { collect, mergeExtras, unfold } from "./reply.ts";
import type { Annotation } from "./request.ts";
import { emptyUsage } from "./usage.ts";

const head: CanonicalEvent = { type: "message-start", id: "m1", model: "x", createdAt: 5 };
const stop: CanonicalEvent = { type: "message-end", choice: 0, finish: { reason: "stop" } };
const at = { choice: 0, part: 0 };

function parts(...events: CanonicalEvent[]) {
  return collect([head, ...events, stop]).choices[0]?.parts;
}

describe("collecting", () => {
  test("joins a part's deltas, and keeps the order in which parts began", () => {
    const found = parts(
      { type: "part-start", ...at, start: { type: "thinking" } },
      { type: "part-start", choice: 0, part: 1, start: { type: "text" } },
      { type: "text-delta", choice: 0, part: 1, text: "Hel" },
      { type: "thinking-delta", ...at, text: "Hm" },
      { type: "text-delta", choice: 0, part: 1, text: "lo" },
      { type: "signature", ...at, signature: { origin: "gemini", value: "s" } },
    );
    expect(found).toEqual([
      { type: "thinking", text: "Hm", signature: { origin: "gemini", value: "s" } },
      { type: "text", text: "Hello" },
    ]);
  });

  test("joins the arguments of a tool call as text, however broken they are", () => {
    const start = { type: "tool-call", id: "c", name: "f", kind: "function" } as const;
    const found = parts(
      { type: "part-start", ...at, start },
      { type: "tool-call-delta", ...at, arguments: '{"a":' },
      { type: "tool-call-delta", ...at, arguments: "1" },
    );
    expect(found).toEqual([{ ...start, arguments: '{"a":1' }]);
  });

  test("joins audio and its transcript", () => {
    const found = parts(
      { type: "part-start", ...at, start: { type: "audio", mediaType: "audio/wav" } },
      { type: "audio-delta", ...at, data: "AA" },
      { type: "audio-delta", ...at, transcript: "Hi" },
      { type: "audio-delta", ...at, data: "BB", transcript: "!" },
    );
    const source = { type: "base64", data: "AABB", mediaType: "audio/wav" };
    expect(found).toEqual([{ type: "audio", source, transcript: "Hi!" }] as never);
  });

  test("keeps annotations in order", () => {
    const note = (url: string): Annotation => ({ type: "url", url });
    const found = parts(
      { type: "part-start", ...at, start: { type: "text" } },
      { type: "annotation", ...at, annotation: note("a") },
      { type: "annotation", ...at, annotation: note("b") },
    );
    expect(found).toEqual([{ type: "text", text: "", annotations: [note("a"), note("b")] }]);
  });

  test("takes the last usage: it is cumulative", () => {
    const usage = (output: number): CanonicalEvent => ({ type: "usage", usage: { ...emptyUsage("measured"), output } });
    expect(collect([head, usage(1), usage(7), stop]).usage?.output).toBe(7);
  });

  test("keeps what came before an error, and the error", () => {
    const failure = { kind: "server", status: 500, message: "no" } as const;
    const reply = collect([
      head,
      { type: "part-start", ...at, start: { type: "text" } },
      { type: "text-delta", ...at, text: "Hel" },
      { type: "error", failure },
    ]);
    expect(reply.failure).toEqual(failure);
    expect(reply.choices[0]?.parts).toEqual([{ type: "text", text: "Hel" }]);
  });

  test("ignores deltas of parts that never began, or of another kind", () => {
    const found = parts(
      { type: "part-start", ...at, start: { type: "text" } },
      { type: "tool-call-delta", ...at, arguments: "{}" },
      { type: "audio-delta", ...at, data: "AA" },
      { type: "text-delta", choice: 0, part: 9, text: "lost" },
    );
    expect(found).toEqual([{ type: "text", text: "" }]);
  });

  test("does not change the events it was given", () => {
    const events: CanonicalEvent[] = [head, { type: "part-start", ...at, start: { type: "text" } }];
    events.push({ type: "text-delta", ...at, text: "x" }, { type: "part-end", ...at }, stop);
    const before = JSON.stringify(events);
    expect(collect(events)).toEqual(collect(events));
    expect(JSON.stringify(events)).toBe(before);
  });
});

describe("there and back", () => {
  test("a reply unfolds into legal events that fold into the same reply", () => {
    fc.assert(
      fc.property(messages(3), (events) => {
        const reply = collect(events);
        const again = unfold(reply);
        checkOrder(again);
        expect(JSON.parse(JSON.stringify(collect(again)))).toEqual(JSON.parse(JSON.stringify(reply)));
      }),
    );
  });

  test("every part of an answer keeps every text that was streamed into it", () => {
    fc.assert(
      fc.property(messages(), (events) => {
        const said = events.map((event) => {
          if (event.type === "text-delta" || event.type === "thinking-delta") return event.text;
          if (event.type === "tool-call-delta") return event.arguments;
          return event.type === "part" && event.value.type === "thinking" ? event.value.text : "";
        });
        const found = collect(events).choices.flatMap((choice) => choice.parts);
        const kept = found.map((part) =>
          "text" in part ? part.text : part.type === "tool-call" ? part.arguments : "",
        );
        expect([...kept.join("")].sort()).toEqual([...said.join("")].sort());
      }),
    );
  });

  test("usage, logprobs, finish and signatures survive", () => {
    const tokens = [{ token: "a", logprob: -1, bytes: null }];
    const events: CanonicalEvent[] = [
      head,
      { type: "part-start", ...at, start: { type: "text" } },
      { type: "text-delta", ...at, text: "a" },
      { type: "signature", ...at, signature: { origin: "gemini", value: "s" } },
      { type: "part-end", ...at, extras: { gemini: { x: 1 } } },
      { type: "logprobs", choice: 0, kind: "content", tokens },
      { type: "usage", usage: { ...emptyUsage("measured"), input: 3 }, extras: { gemini: { y: 2 } } },
      { type: "message-end", choice: 0, finish: { reason: "stop", stopSequence: "END" }, extras: { gemini: { z: 3 } } },
    ];
    const reply = collect(events);
    expect(collect(unfold(reply))).toEqual(reply);
    expect(reply.choices[0]?.logprobs).toEqual({ content: tokens });
    expect(reply.usageExtras).toEqual({ gemini: { y: 2 } });
  });

  test("a reply that failed ends in its error and in nothing else", () => {
    const failure = { kind: "server", status: 500, message: "no" } as const;
    const reply = collect([head, { type: "part-start", ...at, start: { type: "text" } }, { type: "error", failure }]);
    const events = unfold(reply);
    checkOrder(events);
    expect(events.at(-1)).toEqual({ type: "error", failure });
    expect(events.some((event) => event.type === "message-end")).toBe(false);
  });
});

describe("extras", () => {
  test("of the end win over those of the start, field by field", () => {
    const merged = mergeExtras({ gemini: { a: 1, b: 1 } }, { gemini: { b: 2 }, "openai-chat": { c: 3 } });
    expect(merged).toEqual({ gemini: { a: 1, b: 2 }, "openai-chat": { c: 3 } });
    expect(mergeExtras(undefined, undefined)).toBeUndefined();
  });

  test("are not shared between the reply and the events", () => {
    const first = { gemini: { a: 1 } };
    mergeExtras(first, { gemini: { a: 2 } });
    expect(first).toEqual({ gemini: { a: 1 } });
  });
});
