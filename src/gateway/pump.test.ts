/**
 * Tests of the pump with an upstream made of promises and a clock of their own.
 * However a stream ends, it is settled exactly once, and nothing is read that nobody takes.
 */
import { describe, expect, test } from "bun:test";
import { candidate, inquiryIn } from "../../test/support/calls.ts";
import { until } from "../../test/support/tcp-upstream.ts";
import type { CanonicalEvent } from "../core/event.ts";
import { emptyUsage } from "../core/usage.ts";
import { type FaultKind, UpstreamFault, type UpstreamResponse } from "../upstream/http.ts";
import { SseLimitError } from "../upstream/sse.ts";
import { Departure } from "./departure.ts";
import { Meter } from "./meter.ts";
import { createPulse, type Ending, pump } from "./pump.ts";
import type { ReplyStream, Translation } from "./translation.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined) => Buffer.from(value ?? []).toString();
const FAILURE = { kind: "server", status: 500, message: "sk-canary-0123456789 broke" } as const;

/** An upstream that gives what the test hands it, when it hands it. */
function upstream() {
  let waiting: PromiseWithResolvers<Uint8Array | undefined> | undefined;
  const seen = { reads: 0, cancelled: 0 };
  const response: UpstreamResponse = {
    status: 200,
    headers: new Headers(),
    next() {
      seen.reads += 1;
      waiting = Promise.withResolvers();
      return waiting.promise;
    },
    readAll: () => Promise.reject(new Error("not here")),
    cancel() {
      seen.cancelled += 1;
      waiting?.reject(new UpstreamFault("cancelled", undefined, true));
    },
  };
  return {
    response,
    seen,
    give: (value: string | undefined) => waiting?.resolve(value === undefined ? undefined : bytes(value)),
    fail: (error: unknown) => waiting?.reject(error),
  };
}

interface Setting {
  opening?: string[];
  /** What the stream makes of each chunk; by default it is passed on. */
  push?: ReplyStream["push"];
  endEvents?: CanonicalEvent[];
  /** The end makes nothing for the caller. */
  silentEnd?: boolean;
  ended?: boolean;
  failed?: boolean;
  /** Where the provider charges on. */
  departure?: Departure;
}

function begin(setting: Setting = {}) {
  const source = upstream();
  const clock = { ms: 0 };
  const pulse = createPulse({ keepAliveMs: 1000, writeStallMs: 5000, nowMs: () => clock.ms, maxAbandonedBytes: 1000 });
  const meter = new Meter();
  if (setting.failed) meter.observe([{ type: "error", failure: FAILURE }], () => 0);
  const stream: ReplyStream = {
    push: setting.push ?? ((chunk) => ({ output: chunk, events: [] })),
    end: () => ({ output: setting.silentEnd ? "" : "END", events: setting.endEvents ?? [] }),
    fail: (error) => `FAILED ${error.code} ${error.message}`,
    keepAlive: () => ": keep-alive\n\n",
  };
  const endings: Ending[] = [];
  const served = {
    inquiry: inquiryIn("openai-chat"),
    candidate: candidate(),
    translation: {} as Translation,
    meter,
    opening: setting.opening ?? ["OPENING"],
    secrets: () => [],
    rest: { response: source.response, stream, ended: setting.ended ?? false, departure: setting.departure },
  };
  const reader = pump(served, pulse, (ending) => void endings.push(ending)).getReader();
  const beat = (ms: number) => {
    clock.ms += ms;
    for (const one of pulse.live) one.beat(clock.ms);
  };
  return { ...source, reader, endings, beat, pulse, meter };
}

/** Lets everything that is ready happen. */
const settle = () => Bun.sleep(1);

describe("reading", () => {
  test("begins with what the attempt has read, in one piece", async () => {
    const { reader, seen } = begin({ opening: ["a", "", "b"] });
    expect(text((await reader.read()).value)).toBe("ab");
    expect(seen.reads).toBe(0);
    await reader.cancel();
  });

  test("asks the upstream for a piece only when the caller asks, and never for two", async () => {
    const { reader, seen, give } = begin();
    await settle();
    expect(seen.reads).toBe(0);
    await reader.read();
    await settle();
    expect(seen.reads).toBe(0);
    const first = reader.read();
    await settle();
    expect(seen.reads).toBe(1);
    give("one");
    expect(text((await first).value)).toBe("one");
    await settle();
    expect(seen.reads).toBe(1);
    await reader.cancel();
  });

  test("goes on by itself over pieces that make nothing for the caller", async () => {
    const { reader, give, seen } = begin({
      push: (chunk) => ({ output: text(chunk) === "quiet" ? "" : chunk, events: [] }),
    });
    await reader.read();
    const read = reader.read();
    await settle();
    give("quiet");
    await settle();
    give("loud");
    expect(text((await read).value)).toBe("loud");
    expect(seen.reads).toBe(2);
    await reader.cancel();
  });
});

describe("a stream is settled exactly once when", () => {
  test("it ends, after what its end makes and before the caller sees the end", async () => {
    const { reader, give, endings, pulse } = begin();
    await reader.read();
    const read = reader.read();
    await settle();
    give(undefined);
    expect(text((await read).value)).toBe("END");
    expect(endings).toEqual([{ cancelled: false, error: undefined }]);
    expect((await reader.read()).done).toBe(true);
    await reader.cancel();
    expect(endings.length).toBe(1);
    expect(pulse.live.size).toBe(0);
  });

  test("its end was read with its opening", async () => {
    const { reader, seen, endings } = begin({ ended: true });
    await reader.read();
    expect((await reader.read()).done).toBe(true);
    expect(seen.reads).toBe(0);
    expect(endings).toEqual([{ cancelled: false, error: undefined }]);
  });

  test("the upstream sends an error: the caller gets it in-band, cleaned, and nothing after", async () => {
    const { reader, give, endings, seen } = begin({
      push: () => ({ output: "before", events: [{ type: "error", failure: FAILURE }] }),
    });
    await reader.read();
    const read = reader.read();
    await settle();
    give("x");
    expect(text((await read).value)).toBe("before");
    const last = text((await reader.read()).value);
    expect(last).toStartWith("FAILED upstream_unavailable");
    expect(last).not.toContain("canary");
    expect((await reader.read()).done).toBe(true);
    expect(endings.map((ending) => [ending.cancelled, ending.error?.code])).toEqual([[false, "upstream_unavailable"]]);
    expect(seen.cancelled).toBeGreaterThan(0);
  });

  test("the error came in the same breath as the first content", async () => {
    const { reader, endings, seen } = begin({ failed: true });
    await reader.read();
    expect(text((await reader.read()).value)).toStartWith("FAILED");
    expect((await reader.read()).done).toBe(true);
    expect(endings.length).toBe(1);
    expect(seen.reads).toBe(0);
  });

  test("it ends too early", async () => {
    const { reader, give, endings } = begin({ endEvents: [{ type: "error", failure: FAILURE }] });
    await reader.read();
    const read = reader.read();
    await settle();
    give(undefined);
    expect(text((await read).value)).toBe("END");
    expect(text((await reader.read()).value)).toStartWith("FAILED");
    expect(endings.length).toBe(1);
  });

  const faults: [FaultKind, string][] = [
    ["idle-timeout", "upstream_timeout"],
    ["reset", "upstream_unavailable"],
    ["too-large", "upstream_unavailable"],
  ];
  for (const [kind, code] of faults) {
    test(`the connection fails: ${kind} is told in-band as ${code}`, async () => {
      const { reader, fail, endings } = begin();
      await reader.read();
      const read = reader.read();
      await settle();
      fail(new UpstreamFault(kind, undefined, true));
      expect(text((await read).value)).toStartWith(`FAILED ${code}`);
      expect((await reader.read()).done).toBe(true);
      expect(endings[0]?.error?.code).toBe(code as never);
      expect(endings.length).toBe(1);
    });
  }

  test("an event is over the limit, or something of ours breaks", async () => {
    for (const [thrown, code] of [
      [new SseLimitError(10, []), "upstream_unavailable"],
      [new TypeError("canary of the inside"), "internal_error"],
    ] as const) {
      const { reader, give, endings } = begin({
        push() {
          throw thrown;
        },
      });
      await reader.read();
      const read = reader.read();
      await settle();
      give("x");
      const last = text((await read).value);
      expect(last).toStartWith(`FAILED ${code}`);
      expect(last).not.toContain("canary");
      expect(endings.length).toBe(1);
    }
  });

  test("the caller leaves before reading, while the upstream is silent, and between two pieces", async () => {
    for (const reads of [0, 1, 2]) {
      const { reader, endings, seen, pulse } = begin();
      if (reads > 0) await reader.read();
      if (reads > 1) reader.read().catch(() => {});
      await settle();
      await reader.cancel();
      await settle();
      expect(endings).toEqual([{ cancelled: true }]);
      expect(seen.cancelled).toBe(1);
      expect(pulse.live.size).toBe(0);
    }
  });
});

describe("a silent upstream", () => {
  test("is bridged with keep-alives, as often as the time passes", async () => {
    const { reader, give, beat, seen } = begin();
    await reader.read();
    const first = reader.read();
    await settle();
    beat(999);
    await settle();
    beat(1);
    expect(text((await first).value)).toBe(": keep-alive\n\n");
    const second = reader.read();
    await settle();
    beat(1000);
    expect(text((await second).value)).toBe(": keep-alive\n\n");
    const third = reader.read();
    await settle();
    give("at last");
    expect(text((await third).value)).toBe("at last");
    expect(seen.reads).toBe(1);
    await reader.cancel();
  });

  test("gets no keep-alive when the caller is the one who waits", async () => {
    const { reader, beat } = begin();
    beat(4999);
    expect(text((await reader.read()).value)).toBe("OPENING");
    await reader.cancel();
  });
});

describe("a caller who does not read", () => {
  test("is cut off after the stall time, and the upstream is let go", async () => {
    const { reader, beat, endings, seen, pulse } = begin();
    await reader.read();
    await settle();
    beat(4999);
    expect(endings).toEqual([]);
    beat(1);
    expect(endings).toEqual([{ cancelled: true }]);
    expect(seen.cancelled).toBe(1);
    expect(pulse.live.size).toBe(0);
    expect(await reader.read().then(Boolean, () => "cut off")).toBe("cut off");
    beat(10_000);
    expect(endings.length).toBe(1);
  });

  test("is cut off when it has never read at all", async () => {
    const { beat, endings, reader } = begin();
    beat(5000);
    expect(endings).toEqual([{ cancelled: true }]);
    await reader.read().catch(() => {});
  });
});

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

test("streams are looked after only while they live", async () => {
  const { reader, pulse } = begin();
  expect(pulse.live.size).toBe(1);
  await reader.cancel();
  expect(pulse.live.size).toBe(0);
});
