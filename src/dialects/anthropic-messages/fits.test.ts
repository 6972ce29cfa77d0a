/**
 * When a Messages body may be relayed to an upstream with known deviations.
 * Beside `fits.ts`.
 */
import { expect, test } from "bun:test";
import type { Quirks } from "../../core/endpoint.ts";
import type { JsonObject } from "../../core/json.ts";
import { anthropicMessages } from "./index.ts";

const fits = (body: JsonObject, quirks: Quirks, maxOutputTokens?: number) => {
  const target = maxOutputTokens === undefined ? { model: "up", quirks } : { model: "up", quirks, maxOutputTokens };
  return anthropicMessages.fitsUpstream?.({ model: "m", max_tokens: 9000, messages: [], ...body }, target);
};
const enabled = { thinking: { type: "enabled", budget_tokens: 4000 } };
const adaptive = { thinking: { type: "adaptive" }, output_config: { effort: "high" } };

test("a form of thinking fits the models that know it", () => {
  for (const body of [enabled, adaptive, { thinking: { type: "disabled" } }, {}]) expect(fits(body, {})).toBe(true);
  expect(fits(adaptive, { thinkingForm: "budget" })).toBe(false);
  expect(fits(enabled, { thinkingForm: "budget" })).toBe(true);
  expect(fits(enabled, { thinkingForm: "adaptive" })).toBe(false);
  expect(fits(adaptive, { thinkingForm: "adaptive" })).toBe(true);
  expect(fits({ thinking: { type: "disabled" } }, { thinkingForm: "adaptive" })).toBe(true);
});

test("a budget fits below a lowered output limit", () => {
  expect(fits(enabled, {}, 4001)).toBe(true);
  expect(fits(enabled, {}, 4000)).toBe(false);
});

test("a refused field does not fit, also inside of others", () => {
  expect(fits({ top_k: 3 }, { refuses: ["topK"] })).toBe(false);
  expect(fits({ top_k: null, temperature: 1 }, { refuses: ["topK"] })).toBe(true);
  expect(fits({ output_config: { effort: "low" } }, { refuses: ["reasoning"] })).toBe(false);
  expect(fits({ output_config: { format: { type: "json_schema" } } }, { refuses: ["outputFormat"] })).toBe(false);
  expect(fits({ output_config: { effort: "low" } }, { refuses: ["outputFormat"] })).toBe(true);
});
