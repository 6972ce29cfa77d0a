/**
 * Holds the order of canonical events that `core/event.ts` promises; every decoder's tests run their events through it.
 * It is the grammar that encoders rely on without checking.
 */
import type { CanonicalEvent } from "../../src/core/event.ts";

type Kind = "text" | "refusal" | "thinking" | "tool-call" | "audio";

const DELTA_OF: Record<string, readonly Kind[]> = {
  "text-delta": ["text", "refusal"],
  "thinking-delta": ["thinking"],
  "tool-call-delta": ["tool-call"],
  "audio-delta": ["audio"],
  annotation: ["text"],
  signature: ["thinking", "tool-call", "text"],
};

/** Throws when the events of one message break the promised order. `complete`: the message must have ended. */
export function checkOrder(events: readonly CanonicalEvent[], complete = true): void {
  const open = new Map<string, Kind>();
  const seen = new Set<string>();
  const next = new Map<number, number>();
  const ended = new Set<number>();
  let over = false;
  for (const [index, event] of events.entries()) {
    const fail = (why: string): never => {
      throw new Error(`Event ${index} (${JSON.stringify(event)}): ${why}`);
    };
    if (over) fail("comes after an error");
    if (index === 0 && event.type !== "message-start" && event.type !== "error") fail("is not message-start");
    if (index > 0 && event.type === "message-start") fail("is a second message-start");
    if (event.type === "error") over = true;
    if (event.type === "usage" && ended.size > 0) fail("usage comes after message-end");
    if (!("choice" in event)) continue;
    if (ended.has(event.choice)) fail("comes after its choice's message-end");
    if (event.type === "message-end") {
      for (const key of open.keys()) if (key.startsWith(`${event.choice}:`)) fail(`part ${key} is still open`);
      ended.add(event.choice);
      continue;
    }
    if (ended.size > 0) fail("content comes after a message-end");
    if (!("part" in event)) continue;
    const key = `${event.choice}:${event.part}`;
    if (event.type === "part-start" || event.type === "part") {
      const expected = next.get(event.choice) ?? 0;
      if (seen.has(key)) fail("begins a part a second time");
      if (event.part !== expected) fail(`part number should be ${expected}`);
      next.set(event.choice, expected + 1);
      seen.add(key);
      if (event.type === "part-start") open.set(key, event.start.type);
      continue;
    }
    const kind = open.get(key);
    if (kind === undefined) fail("belongs to no open part");
    if (event.type === "part-end") open.delete(key);
    else if (kind === undefined || !DELTA_OF[event.type]?.includes(kind)) fail(`does not fit a part of kind ${kind}`);
  }
  if (complete && !over && ended.size === 0) throw new Error("The message never ended.");
}
