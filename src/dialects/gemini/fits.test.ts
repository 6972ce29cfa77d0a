/**
 * When a generateContent body may be relayed to an upstream and a model with known deviations.
 * Beside `fits.ts`.
 */
import { expect, test } from "bun:test";
import { candidate, inquiryIn } from "../../../test/support/calls.ts";
import type { Quirks } from "../../core/endpoint.ts";
import type { JsonObject } from "../../core/json.ts";
import { translate } from "../../gateway/translate.ts";
import { gemini } from "./index.ts";

const contents = [{ role: "user", parts: [{ text: "Hi" }] }];
const fits = (body: JsonObject, model = "gemini-3-pro", quirks: Quirks = {}) =>
  gemini.fitsUpstream?.({ contents, ...body }, { model, quirks });
const level = { generationConfig: { thinkingConfig: { thinkingLevel: "HIGH" } } };

test("a thinking level fits no model of an earlier generation", () => {
  expect(fits(level)).toBe(true);
  expect(fits(level, "gemini-flash-latest")).toBe(true);
  expect(fits(level, "gemini-2.5-flash")).toBe(false);
  expect(fits({ generation_config: { thinking_config: { thinking_level: "low" } } }, "gemini-2.5-flash")).toBe(false);
  expect(fits({ generationConfig: { thinkingConfig: { thinkingBudget: 100 } } }, "gemini-2.5-flash")).toBe(true);
});

test("a level becomes a budget for a model that knows only those", () => {
  const inquiry = inquiryIn("gemini", { body: { contents, ...level } });
  const to = candidate("gemini", {
    upstreamModel: "gemini-2.5-flash",
    maxOutputTokens: 65_536,
    capabilities: new Set(["thinking"]),
  });
  const { body, path } = translate(inquiry, to);
  expect(path).toBe("convert");
  expect(JSON.parse(body as string).generationConfig.thinkingConfig.thinkingBudget).toBeGreaterThan(0);
});

test("JSON answers fit together with functions only later models", () => {
  const both = {
    tools: [{ functionDeclarations: [{ name: "f" }] }],
    generationConfig: { responseMimeType: "application/json" },
  };
  expect(fits(both)).toBe(true);
  expect(fits(both, "gemini-2.5-flash")).toBe(false);
  expect(fits({ ...both, tools: [{ googleSearch: {} }] }, "gemini-2.5-flash")).toBe(true);
});

test("a refused field does not fit in either spelling", () => {
  expect(fits({ generation_config: { top_k: 3 } }, "m", { refuses: ["topK"] })).toBe(false);
  expect(fits({ generationConfig: { topK: 3 } }, "m", { refuses: ["topK"] })).toBe(false);
  expect(fits({ generationConfig: { topP: 0.5 } }, "m", { refuses: ["topK"] })).toBe(true);
  expect(fits({ service_tier: "flex" }, "m", { refuses: ["serviceTier"] })).toBe(false);
});
