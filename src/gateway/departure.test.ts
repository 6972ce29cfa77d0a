/**
 * Tests of streams whose caller has left: what is read on, how far, and who had had everything by then.
 * They use the pump's own upstream of promises.
 */
import { describe, expect, test } from "bun:test";
import { begin, FAILURE, type Setting, settle, text } from "../../test/support/pumping.ts";
import { until } from "../../test/support/tcp-upstream.ts";
import type { CanonicalEvent } from "../core/event.ts";
import { emptyUsage } from "../core/usage.ts";
import { Departure } from "./departure.ts";
import type { Ending } from "./pump.ts";
import type { ReplyStream } from "./translation.ts";

/** A caller's signal, and what stands between it and the upstream where leaving saves nothing. */
function leavingCaller(timeMs = 60_000) {
  const caller = new AbortController();
  const abandoned = { settings: { timeMs, maxCalls: 1 }, count: 0 };
  return { caller, abandoned, departure: new Departure(caller.signal, abandoned) };
}

describe("a caller who leaves while the provider charges on", () => {
  const usage = { ...emptyUsage("measured"), input: 3, output: 9 };
  const events: CanonicalEvent[] = [
    { type: "usage", usage },
    { type: "message-end", choice: 0, finish: { reason: "stop" } },
  ];
  const says: ReplyStream["push"] = (chunk) => ({ output: chunk, events: text(chunk) === "last" ? events : [] });

  for (const waits of [true, false]) {
    test(`costs what it costs: the rest is read, ${waits ? "the waiting read first" : "from where it was"}`, async () => {
      const { departure } = leavingCaller();
      const { reader, give, endings, seen, pulse, meter } = begin({ departure, push: says });
      await reader.read();
      if (waits) reader.read().catch(() => {});
      await settle();
      await reader.cancel();
      await settle();
      expect([endings.length, seen.cancelled, seen.reads, pulse.live.size]).toEqual([0, 0, 1, 0]);
      give("more");
      await settle();
      give("last");
      await settle();
      give(undefined);
      await settle();
      expect(endings).toEqual([{ cancelled: true }]);
      expect(meter.finish).toBe("stop");
    });
  }

  test("has had it all when nothing more comes", async () => {
    const { reader, give, endings } = begin({ departure: leavingCaller().departure, push: says, silentEnd: true });
    await reader.read();
    const read = reader.read();
    await settle();
    give("last");
    await read;
    await reader.cancel();
    await settle();
    give(undefined);
    await settle();
    expect(endings).toEqual([{ cancelled: false }]);
  });

  test("is followed no further than the limits of bytes and time", async () => {
    const long = begin({ departure: leavingCaller().departure });
    await long.reader.read();
    await long.reader.cancel();
    await settle();
    long.give("x".repeat(1001));
    await settle();
    expect([long.endings, long.seen.cancelled]).toEqual([[{ cancelled: true }], 1]);
    const { departure, abandoned } = leavingCaller(5);
    const slow = begin({ departure });
    departure.addEventListener("abort", { handleEvent: () => slow.response.cancel() });
    await slow.reader.read();
    await slow.reader.cancel();
    expect([slow.endings.length, abandoned.count]).toEqual([0, 1]);
    await until(() => slow.endings.length > 0);
    expect(slow.endings).toEqual([{ cancelled: true }]);
    departure.removeEventListener();
    expect(abandoned.count).toBe(0);
  });

  test("is let go when too many others are followed", async () => {
    const { departure, abandoned } = leavingCaller();
    abandoned.count = 1;
    departure.addEventListener("abort", { handleEvent() {} });
    const { reader, endings, seen } = begin({ departure });
    await reader.read();
    await reader.cancel();
    expect([endings, seen.cancelled]).toEqual([[{ cancelled: true }], 1]);
    departure.removeEventListener();
    expect(abandoned.count).toBe(1);
  });
});

describe("a caller who closes right after the end has a complete answer", () => {
  const end: CanonicalEvent = { type: "message-end", choice: 0, finish: { reason: "stop" } };
  const usage: CanonicalEvent = { type: "usage", usage: emptyUsage("measured") };

  async function leaveAfter(setting: Setting): Promise<Ending[]> {
    const { reader, give, endings } = begin(setting);
    await reader.read();
    const read = reader.read();
    await settle();
    give("x");
    await read;
    await reader.cancel();
    await settle();
    return endings;
  }

  test("where its last event says so", async () => {
    const push = () => ({ output: "last", events: [usage, end] });
    expect(await leaveAfter({ push })).toEqual([{ cancelled: false }]);
  });

  test("where only the connection's end does", async () => {
    const push = () => ({ output: "last", events: [usage] });
    expect(await leaveAfter({ push, endEvents: [end], silentEnd: true })).toEqual([{ cancelled: false }]);
  });

  test("not where something was still to come, or nobody knows what it cost", async () => {
    const push = () => ({ output: "last", events: [usage] });
    expect(await leaveAfter({ push, endEvents: [end] })).toEqual([{ cancelled: true }]);
    const failure: CanonicalEvent = { type: "error", failure: FAILURE };
    expect(await leaveAfter({ push, endEvents: [failure], silentEnd: true })).toEqual([{ cancelled: true }]);
    const quiet = () => ({ output: "last", events: [] });
    expect(await leaveAfter({ push: quiet, endEvents: [end], silentEnd: true })).toEqual([{ cancelled: true }]);
  });

  test("not where it left before it was given anything", async () => {
    const { reader, endings, meter } = begin();
    meter.observe([usage, end], () => 0);
    await reader.cancel();
    expect(endings).toEqual([{ cancelled: true }]);
  });
});
