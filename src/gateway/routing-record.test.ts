/**
 * Tests of what is kept of a decision: nothing of plain ones, the reasons of others, never more than fits.
 * Records are written for every call, so what needs no explanation must take no room.
 */
import { expect, test } from "bun:test";
import { endpoint, model } from "../../test/support/calls.ts";
import type { Exclusion } from "./filter.ts";
import { type Explained, routingRecord } from "./routing-record.ts";

const served = model([endpoint({ id: "a" })]);
const plain: Explained = {
  candidates: [{ endpoint: { id: "a" } }],
  scores: [0.123456789],
  excluded: [],
  preferences: undefined,
  models: { wishes: [{ model: served }], passedOver: [] },
};
const left: Exclusion = { endpoint: endpoint({ id: "b" }), kind: "needs", reason: "cannot do images" };

test("nothing is kept of a decision that nobody could ask about", () => {
  expect(routingRecord(plain)).toBeUndefined();
});

test("the order, who was left out and the wishes are kept where there are any", () => {
  expect(routingRecord({ ...plain, excluded: [left] })).toEqual({
    candidates: [{ endpoint: "a", score: 0.1235 }],
    excluded: [{ endpoint: "b", reason: "cannot do images" }],
    wishes: [],
  });
  const wishes = [{ model: served, sort: "price" as const, free: true as const }, { model: served }] as const;
  const wished = { ...plain, preferences: { zeroRetention: true }, models: { wishes, passedOver: ["gone"] } };
  expect(routingRecord({ ...wished, models: { wishes: [...wishes], passedOver: ["gone"] } })).toMatchObject({
    excluded: [{ endpoint: "gone", reason: "is no model for this key" }],
    wishes: ["zeroRetention", "models", "sort:price", "free"],
  });
});

test("what is kept has an end", () => {
  const excluded = Array<Exclusion>(500).fill(left);
  const candidates = Array(200).fill({ endpoint: { id: "a" } });
  const passedOver = Array<string>(10).fill("x".repeat(100_000));
  const kept = routingRecord({ ...plain, candidates, excluded, models: { ...plain.models, passedOver } });
  expect(JSON.stringify(kept).length).toBeLessThan(6000);
  expect(kept).toMatchObject({ more: 494 + 184 });
});
