/**
 * What a comparison finds: changes of every rate and tier, what stays, and what a person should look twice at.
 * A wrong price that slips through here is billed to every customer.
 */
import { describe, expect, test } from "bun:test";
import type { PriceDefinition } from "../definition.ts";
import { compare } from "./compare.ts";
import type { Published, PublishedPrice } from "./published.ts";

const NOW = new Date("2026-11-20");

function listed(rates: PublishedPrice["rates"], more: Partial<PublishedPrice> = {}): Published {
  return () => ({ listedAs: "listed", rates, unbilled: [], changesOn: undefined, ...more });
}

function endpoint(price: PriceDefinition, id = "p/m") {
  return { id, modelId: "m", listedBy: "p", upstreamModel: "m", price };
}

function compared(price: PriceDefinition, published: Published) {
  const { rows, proposed } = compare([endpoint(price)], published, NOW);
  return { row: rows[0], price: proposed.get("p/m") };
}

describe("a comparison", () => {
  test("tells old, new and percent of each rate that differs, and nothing of those that do not", () => {
    const { row, price } = compared(
      { input: 2, output: "8.00", cacheRead: 0.5, request: "0.01" },
      listed({ input: "2.5", output: "8", cacheRead: "0.333333", request: "0.012" }),
    );
    expect(row?.changes).toEqual([
      { rate: "input", old: "2", new: "2.5", percent: "+25.0", suspicious: [] },
      { rate: "cacheRead", old: "0.5", new: "0.333333", percent: "-33.3", suspicious: [] },
      { rate: "request", old: "0.01", new: "0.012", percent: "+20.0", suspicious: [] },
    ]);
    expect(row).toMatchObject({ endpoint: "p/m", model: "m", listed_as: "listed", suspicious: false, problem: null });
    expect(price).toMatchObject({ input: "2.5", output: "8", cacheRead: "0.333333", request: "0.012" });
  });

  test("keeps what the list does not state, and says so", () => {
    const present = { input: 1, output: 2, cacheRead: 0.1, webSearch: "0.01", searchedRequest: "0.035" };
    const { row, price } = compared(present, listed({ input: "1.5" }, { unbilled: ["audio_hours"] }));
    expect(price).toMatchObject({ input: "1.5", output: "2", cacheRead: "0.1", webSearch: "0.01" });
    expect(row?.kept).toEqual(["output", "cacheRead", "webSearch", "searchedRequest"]);
    expect(row?.unbilled).toEqual(["audio_hours"]);
  });

  test("compares tiers by what a prompt above the bound costs", () => {
    const present = {
      input: 2,
      output: 8,
      cacheRead: 0.2,
      tiers: [{ above: 200, input: 4, output: 12, cacheRead: 0.4 }],
    };
    const tiers = [
      { above: 200, input: "4", output: "13" },
      { above: 500, input: "6", output: "13" },
    ];
    const { row, price } = compared(present, listed({ input: "2", output: "8", tiers }));
    expect(row?.changes).toEqual([
      { rate: "output", above: 200, old: "12", new: "13", percent: "+8.3", suspicious: [] },
      { rate: "input", above: 500, old: "4", new: "6", percent: "+50.0", suspicious: [] },
      { rate: "output", above: 500, old: "12", new: "13", percent: "+8.3", suspicious: [] },
    ]);
    expect(price?.tiers).toEqual([
      { above: 200, cacheRead: "0.4", input: "4", output: "13" },
      { above: 500, cacheRead: "0.4", input: "6", output: "13" },
    ]);
  });

  test("sorts out what is the same, what is not listed and what cannot be taken", () => {
    const published: Published = (_, model) => {
      if (model === "unknown") return undefined;
      if (model === "inexact") throw new RangeError("too many digits");
      const falling = { tiers: [{ above: 10, input: "0.5" }] };
      return {
        listedAs: model,
        rates: { input: "1", ...(model === "falling" ? falling : {}) },
        unbilled: [],
        changesOn: undefined,
      };
    };
    const all = ["same", "unknown", "inexact", "falling"].map((model) => ({
      ...endpoint({ input: 1, output: 2 }, `p/${model}`),
      upstreamModel: model,
    }));
    const { rows, same, unlisted, proposed } = compare(all, published, NOW);
    expect([same, unlisted]).toEqual([["p/same"], ["p/unknown"]]);
    expect(rows.map((row) => [row.endpoint, row.problem])).toEqual([
      ["p/inexact", "too many digits"],
      ["p/falling", "A tier has a lower rate for input than shorter prompts have"],
    ]);
    expect(proposed.size).toBe(0);
  });

  test("tells of a price to come, also where nothing differs today", () => {
    const { row, price } = compared({ input: 1, output: 2 }, listed({ input: "1" }, { changesOn: "2027-01-01" }));
    expect(row).toMatchObject({ changes: [], changes_on: "2027-01-01" });
    expect(price).toBeUndefined();
  });
});

describe("a person should look twice", () => {
  const cases: [string, PriceDefinition, PublishedPrice["rates"], string[]][] = [
    ["at more than twice as much", { input: 1, output: 2 }, { input: "2.000001" }, ["more than twice as much"]],
    ["not at exactly twice as much", { input: 1, output: 2 }, { input: "2" }, []],
    ["at less than half as much", { input: 1, output: 2 }, { input: "0.499999" }, ["less than half as much"]],
    ["not at exactly half as much", { input: 1, output: 2 }, { input: "0.5" }, []],
    ["at a price that becomes zero", { input: 1, output: 2 }, { input: "0" }, ["to zero"]],
    ["at a price that was zero", { input: 1, output: 2, request: 0 }, { request: "0.01" }, ["from zero"]],
  ];
  for (const [name, price, rates, reasons] of cases) {
    test(name, () => {
      const { row } = compared(price, listed(rates));
      expect(row?.changes.flatMap((change) => change.suspicious)).toEqual(reasons);
      expect(row?.suspicious).toBe(reasons.length > 0);
    });
  }

  test("at a tier that vanished, or moved", () => {
    const tiered = { input: 2, output: 8, tiers: [{ above: 200, input: 3, output: 12 }] };
    const { row } = compared(tiered, listed({ input: "2", output: "8" }));
    expect(row?.changes).toEqual([
      { rate: "input", above: 200, old: "3", new: "2", percent: "-33.3", suspicious: ["a tier vanished"] },
      { rate: "output", above: 200, old: "12", new: "8", percent: "-33.3", suspicious: ["a tier vanished"] },
    ]);
    const later = listed({ input: "2", output: "8", tiers: [{ above: 300, input: "3", output: "12" }] });
    expect(compared(tiered, later).row?.suspicious).toBe(true);
  });
});
