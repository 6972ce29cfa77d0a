/**
 * Usage that no provider can mean, in every format: whatever is told, what is billed is positive, within what was held, and
 * not more than the true charge by a multiple.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { FORMATS } from "./formats.ts";
import { chargeOf, type Ended, type Rig, startRig } from "./rig.ts";

const START_MS = 120_000;
/** What is billed of it. `told`: exactly the provider's own charge. */
const KINDS: Readonly<Record<string, "told" | "counted" | "held">> = {
  negative: "counted",
  nan: "counted",
  text: "counted",
  "in:0,out:0": "counted",
  huge: "held",
  "in:99999999,out:5": "held",
  "in:5,out:99999999": "held",
  twice: "told",
  decreasing: "told",
};

describe("usage that cannot be", () => {
  let rig: Rig;
  let count = 0;
  beforeAll(async () => {
    rig = await startRig();
  }, START_MS);
  afterAll(() => rig.stop(), START_MS);

  for (const format of FORMATS) {
    for (const streamed of [true, false]) {
      for (const [usage, billed] of Object.entries(KINDS)) {
        const name = `${format}-${streamed ? "streamed" : "plain"}-nonsense-${++count}`;
        test.concurrent(`${usage}: ${format}, ${streamed ? "streamed" : "plain"}`, async () => {
          const orders = `words=30 usage=${usage}`;
          const wish = {
            name,
            format,
            target: format,
            streamed,
            orders,
            kind: "usual",
            leave: { at: "never" },
          } as const;
          // The last report's null leaves the first one's count of the answer, one token, as the provider's word.
          const isOwnWord = format === "messages" && streamed && usage === "nan";
          holds(await rig.run(wish), billed, isOwnWord);
        });
      }
      test.concurrent(`more cached than sent: ${format}, ${streamed ? "streamed" : "plain"}`, async () => {
        const name = `${format}-${streamed ? "streamed" : "plain"}-cached-over`;
        const orders = "words=30 usage=cached-over";
        const wish = { name, format, target: format, streamed, orders, kind: "usual", leave: { at: "never" } } as const;
        const { row, entries } = await rig.run(wish);
        expect([row.status, row.outcome, row.source, row.lossNano]).toEqual([200, "posted", "measured", 0n]);
        expect(row.costNano).toBeLessThanOrEqual(row.holdNano);
        // Where cached tokens are part of the prompt they are cut to it; where they are beside it, to what can be.
        if (format === "messages") expect(row.clamped).toBe(true);
        else expect(row.costNano).toBe(chargeOf(entries));
      });
    }
  }

  describe("afterwards", () => {
    test("the books are as they should be", async () => expect(await rig.audit()).toEqual([]), START_MS);
  });
});

/** A count may be wrong by this factor, either way. */
const FACTOR = 4n;

function holds({ row, entries }: Ended, billed: "told" | "counted" | "held", isOwnWord: boolean): void {
  const source = billed === "counted" ? "estimated" : "measured";
  expect([row.status, row.outcome, row.source, row.lossNano]).toEqual([200, "posted", source, 0n]);
  expect(row.costNano).toBeGreaterThan(0n);
  expect(row.costNano).toBeLessThanOrEqual(row.holdNano);
  expect(row.clamped).toBe(billed === "held");
  const charged = chargeOf(entries);
  if (billed === "told") expect(row.costNano).toBe(charged);
  else if (billed === "counted") {
    expect(row.costNano).toBeLessThanOrEqual(charged * FACTOR);
    if (!isOwnWord) expect(row.costNano * FACTOR).toBeGreaterThanOrEqual(charged);
  }
}
