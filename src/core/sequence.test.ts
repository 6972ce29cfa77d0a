/**
 * Tests of the sequencer: interleaved parts come out one after the other, with nothing lost and nothing turned around.
 * Clients of formats without part numbers would put deltas into the wrong part otherwise.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { messages } from "../../test/support/events.ts";
import { checkOrder } from "../../test/support/order.ts";
import type { CanonicalEvent } from "./event.ts";
import { createSequencer } from "./sequence.ts";

const start = (part: number): CanonicalEvent => ({ type: "part-start", choice: 0, part, start: { type: "text" } });
const say = (part: number, text: string): CanonicalEvent => ({ type: "text-delta", choice: 0, part, text });
const end = (part: number): CanonicalEvent => ({ type: "part-end", choice: 0, part });
const over: CanonicalEvent = { type: "message-end", choice: 0, finish: { reason: "stop" } };

function sequence(events: readonly CanonicalEvent[]): CanonicalEvent[] {
  const next = createSequencer();
  return events.flatMap((event) => next(event));
}

function partOf(event: CanonicalEvent): number | undefined {
  return "part" in event ? event.part : undefined;
}

describe("parts that interleave", () => {
  test("come one after the other, each with all of its events", () => {
    const mixed = [start(0), say(0, "a"), start(1), say(1, "x"), say(0, "b"), end(0), say(1, "y"), end(1), over];
    const apart = [start(0), say(0, "a"), say(0, "b"), end(0), start(1), say(1, "x"), say(1, "y"), end(1), over];
    expect(sequence(mixed)).toEqual(apart);
  });

  test("of which the later ends first: it waits, and follows at once", () => {
    const next = createSequencer();
    for (const event of [start(0), start(1), say(1, "x"), end(1)]) next(event);
    expect(next(end(0))).toEqual([end(0), start(1), say(1, "x"), end(1)]);
  });

  test("three of them are released one by one", () => {
    const mixed = [start(0), start(1), start(2), say(2, "c"), end(1), end(0), say(2, "d"), end(2)];
    const apart = [start(0), end(0), start(1), end(1), start(2), say(2, "c"), say(2, "d"), end(2)];
    expect(sequence(mixed)).toEqual(apart);
  });
});

describe("what does not wait", () => {
  test("the open part's events pass at once", () => {
    const next = createSequencer();
    expect(next(start(0))).toEqual([start(0)]);
    next(start(1));
    expect(next(say(0, "a"))).toEqual([say(0, "a")]);
  });

  test("events of no part pass at once", () => {
    const next = createSequencer();
    next(start(0));
    next(start(1));
    const usage: CanonicalEvent = { type: "logprobs", choice: 0, kind: "content", tokens: [] };
    expect(next(usage)).toEqual([usage]);
  });
});

test("the end of the message lets out what a careless upstream never ended", () => {
  expect(sequence([start(0), start(1), say(1, "x"), over])).toEqual([start(0), start(1), say(1, "x"), over]);
});

test("no order of events makes parts overlap, loses one, or turns a part's events around", () => {
  fc.assert(
    fc.property(messages(), (events) => {
      checkOrder(events);
      const out = sequence(events);
      checkOrder(out);
      expect(out.length).toBe(events.length);
      let open: number | undefined;
      for (const event of out) {
        const part = partOf(event);
        if (part === undefined) continue;
        if (open !== undefined) expect(part).toBe(open);
        if (event.type === "part-start") open = part;
        if (event.type === "part-end") open = undefined;
      }
      for (const part of new Set(events.map(partOf))) {
        const ofPart = (all: CanonicalEvent[]) => all.filter((event) => partOf(event) === part);
        expect(ofPart(out)).toEqual(ofPart(events));
      }
      const begun = (all: CanonicalEvent[]) =>
        all.filter((event) => event.type === "part-start" || event.type === "part").map(partOf);
      expect(begun(out)).toEqual(begun(events));
    }),
  );
});
