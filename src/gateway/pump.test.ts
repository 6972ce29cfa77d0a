/**
 * Tests of the pump with an upstream made of promises and a clock of their own.
 * However a stream ends, it is settled exactly once, and nothing is read that nobody takes.
 */
import { describe, expect, test } from "bun:test";
import { begin, FAILURE, settle, text } from "../../test/support/pumping.ts";
import { type FaultKind, UpstreamFault } from "../upstream/http.ts";
import { SseLimitError } from "../upstream/sse.ts";

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

test("streams are looked after only while they live", async () => {
  const { reader, pulse } = begin();
  expect(pulse.live.size).toBe(1);
  await reader.cancel();
  expect(pulse.live.size).toBe(0);
});
