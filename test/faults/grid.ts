/**
 * Makes tests of a table of points: every point, streamed and plain, for pairs of the caller's and the upstream's format.
 * All of them run at once against one gateway, whose books are looked at when the last has ended.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Format } from "./formats.ts";
import { type Case, check, type Point, type Variant } from "./point.ts";
import { type Rig, startRig } from "./rig.ts";

const CASE_MS = 120_000;

/** Declares the tests. `pairs`: the caller's format, and the upstream's. */
export function grid(points: readonly Point[], pairs: readonly (readonly [Format, Format])[]): void {
  let rig: Rig;
  let count = 0;
  beforeAll(async () => {
    rig = await startRig();
  }, CASE_MS);
  afterAll(() => rig.stop(), CASE_MS);

  async function runCase(one: Case, name: string): Promise<void> {
    const { variant, format, target, streamed } = one;
    const { kind = "usual", orders = "", leave = { at: "never" } } = variant;
    check(one, await rig.run({ name, format, target, streamed, kind, orders, leave }));
  }

  for (const [format, target] of pairs) {
    describe(format === target ? format : `${format} by way of ${target}`, () => {
      for (const { name, ...variants } of points) {
        for (const how of ["streamed", "plain"] as const) {
          const variant: Variant = variants[how];
          const id = `${format}-${target}-${how}-${++count}`;
          const one = { format, target, streamed: how === "streamed", variant };
          test.concurrent(`${how}: ${variant.what ?? name}`, () => runCase(one, id), CASE_MS);
        }
      }
    });
  }

  describe("afterwards", () => {
    test(
      "nothing is held, every movement adds up, and the provider's journal has no call that is not explained",
      async () => {
        expect(await rig.audit()).toEqual([]);
      },
      CASE_MS,
    );
  });
}
