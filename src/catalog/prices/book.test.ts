/**
 * Prices put in force while calls run: what is applied, what waits for a person, and that a call keeps the price it was admitted with.
 * The database's part is tested in `overrides.test.ts`; here a map stands in.
 */
import { describe, expect, test } from "bun:test";
import type { GatewayError } from "../../core/error.ts";
import { bearer, type Provider } from "../../providers/provider.ts";
import type { ModelDefinition, PriceDefinition } from "../definition.ts";
import { createPriceBook } from "./book.ts";
import type { Overrides } from "./overrides.ts";
import type { Published } from "./published.ts";

const PROVIDER: Provider = {
  id: "p",
  type: { type: "p", name: "P", keyVariables: [], dialects: ["openai-chat"], authorize: bearer },
  baseUrl: "https://example.com",
  credentials: [],
  dialects: ["openai-chat"],
  headers: {},
  timeouts: {},
};

function definition(id: string): ModelDefinition {
  const endpoints = [{ provider: "p", model: id, priority: 1 }];
  return { id, aliases: [], context: 1000, maxOutput: 100, price: { input: 1, output: 2 }, endpoints };
}

/** Stands in for the table. */
function memory(): Overrides & { readonly stored: Map<string, PriceDefinition>; broken: string[]; reads: number } {
  const stored = new Map<string, PriceDefinition>();
  return {
    stored,
    broken: [],
    reads: 0,
    async load() {
      this.reads++;
      return { prices: new Map(stored), broken: this.broken };
    },
    async put(prices) {
      for (const [id, price] of prices) stored.set(id, price);
    },
    async remove(ids) {
      for (const id of ids) stored.delete(id);
    },
  };
}

function open(inputs: Record<string, string>, marginPercent = 0) {
  const overrides = memory();
  const list = { inputs, loads: 0 };
  const published: Published = (_, model) => {
    const input = list.inputs[model];
    return input === undefined ? undefined : { listedAs: model, rates: { input }, unbilled: [], changesOn: undefined };
  };
  const told: string[][] = [];
  const book = createPriceBook({
    input: { definitions: [], curated: ["a", "b", "c"].map(definition), providers: [PROVIDER], marginPercent },
    overrides,
    loadPublished: async () => {
      list.loads++;
      return published;
    },
    source: "test",
    now: () => new Date("2026-11-20T00:00:00Z"),
    onBroken: (ids) => void told.push([...ids]),
  });
  const input = (model: string) => book.catalog.find(model)?.price.perToken.input;
  return { book, overrides, list, told, input };
}

describe("a price book", () => {
  test("compares without changing anything, and loads the list on the first comparison only", async () => {
    const { book, list, input, overrides } = open({ a: "1.5", b: "1", z: "9" });
    expect(list.loads).toBe(0);
    const diff = await book.diff({});
    expect(diff.rows.map((row) => row.endpoint)).toEqual(["p/a"]);
    expect([diff.same, diff.unlisted, diff.at]).toEqual([["p/b"], ["p/c"], "2026-11-20T00:00:00.000Z"]);
    await book.diff({ only: ["a"] });
    expect([list.loads, overrides.stored.size, input("a")]).toEqual([1, 0, 1_000_000n as never]);
  });

  test("puts what is published in force at once, with the margin, and then finds no difference", async () => {
    const { book, input, overrides } = open({ a: "1.5" }, 10);
    expect(input("a")).toBe(1_100_000n as never);
    const { applied, skipped } = await book.apply({});
    expect([applied.map((row) => row.endpoint), skipped]).toEqual([["p/a"], []]);
    expect(input("a")).toBe(1_650_000n as never);
    expect(book.catalog.find("a")?.endpoints[0]?.cost.perToken.input).toBe(1_500_000n as never);
    expect(overrides.stored.get("p/a")).toMatchObject({ input: "1.5", output: "2" });
    expect((await book.diff({})).rows).toEqual([]);
  });

  test("leaves suspicious changes alone unless they are named", async () => {
    const { book, input } = open({ a: "1.5", b: "3", c: "0" });
    const first = await book.apply({});
    expect(first.applied.map((row) => row.endpoint)).toEqual(["p/a"]);
    expect(first.skipped.map((row) => row.endpoint)).toEqual(["p/b", "p/c"]);
    expect((await book.apply({ only: ["p/b"] })).applied.map((row) => row.endpoint)).toEqual(["p/b"]);
    expect([input("a"), input("b"), input("c")]).toEqual([1_500_000n, 3_000_000n, 1_000_000n] as never);
  });

  test("applies only the comparison that was read", async () => {
    const { book, list, overrides } = open({ a: "1.5" });
    const { digest } = await book.diff({});
    list.inputs = { a: "1.6" };
    const refused = await book.apply({ digest }).catch((error: GatewayError) => error);
    expect(refused).toMatchObject({ code: "invalid_request", param: "digest" });
    expect(overrides.stored.size).toBe(0);
    await book.apply({ digest: (await book.diff({})).digest });
    expect(overrides.stored.size).toBe(1);
  });

  test("a call keeps the prices of the catalogue that admitted it", async () => {
    const { book } = open({ a: "1.5" });
    const models = book.catalog.models;
    const endpoint = book.catalog.find("a")?.endpoints[0];
    await book.apply({});
    expect(endpoint?.price.perToken.input).toBe(1_000_000n as never);
    expect(models[0]?.endpoints[0]).toBe(endpoint as never);
    expect(book.catalog.models).not.toBe(models);
  });

  test("picks up what another node applied, and builds nothing when nothing changed", async () => {
    const { book, overrides, input } = open({});
    await book.refresh();
    const before = book.catalog.models;
    await book.refresh();
    expect(book.catalog.models).toBe(before);
    overrides.stored.set("p/a", { input: "7", output: "8" });
    await book.refresh();
    expect(input("a")).toBe(7_000_000n as never);
  });

  test("takes accepted prices back", async () => {
    const { book, input } = open({ a: "1.5", b: "1.5" });
    await book.apply({});
    expect(await book.reset({ only: ["b"] })).toEqual({ reset: ["p/b"] });
    expect([input("a"), input("b")]).toEqual([1_500_000n, 1_000_000n] as never);
    expect(await book.reset({})).toEqual({ reset: ["p/a"] });
  });

  test("goes on with the curated price where a stored one cannot be read, and says so once", async () => {
    const { book, overrides, told, input } = open({});
    overrides.broken = ["p/a"];
    await book.refresh();
    await book.refresh();
    expect([told, input("a")]).toEqual([[["p/a"]], 1_000_000n] as never);
  });

  test("a slow reading never puts older prices in place of newer ones", async () => {
    const { book, overrides, input } = open({ a: "1.5" });
    const load = overrides.load.bind(overrides);
    const gate = Promise.withResolvers<void>();
    overrides.load = async () => {
      const found = await load();
      await gate.promise;
      overrides.load = load;
      return found;
    };
    const slow = book.refresh();
    const applied = book.apply({});
    gate.resolve();
    await Promise.all([slow, applied]);
    expect(input("a")).toBe(1_500_000n as never);
  });

  test("keeps the prices of before when the store cannot be read", async () => {
    const { book, overrides, input } = open({ a: "1.5" });
    await book.apply({});
    overrides.load = () => Promise.reject(new Error("down"));
    await expect(book.refresh()).rejects.toThrow("down");
    expect(input("a")).toBe(1_500_000n as never);
  });
});
