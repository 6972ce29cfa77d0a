/**
 * When a request towards an upstream asks for a summary of the reasoning.
 * The other fields are tested in `request.test.ts`.
 */
import { describe, expect, test } from "bun:test";
import type { Quirks } from "../../core/endpoint.ts";
import type { Reasoning } from "../../core/request.ts";
import { encodeRequest } from "./request-encode.ts";

function reasoningOf(reasoning: Reasoning, quirks: Quirks = {}) {
  const messages = [{ role: "user" as const, content: [{ type: "text" as const, text: "hi" }] }];
  const target = {
    model: "m",
    stream: false,
    maxOutputTokens: 32_000,
    capabilities: new Set(["thinking"] as const),
    quirks,
  };
  return encodeRequest({ model: "m", stream: false, messages, reasoning }, target).body.reasoning;
}

describe("a summary of the reasoning", () => {
  test("is asked for when thinking was asked for in so many words", () => {
    expect(reasoningOf({ mode: "on", budgetTokens: 1024 })).toMatchObject({ summary: "auto" });
    expect(reasoningOf({ mode: "adaptive" })).toEqual({ summary: "auto" });
    expect(reasoningOf({ effort: "low", show: "detailed" })).toEqual({ effort: "low", summary: "detailed" });
  });

  test("is not asked for when only an effort was named, or when thoughts are to be hidden", () => {
    expect(reasoningOf({ effort: "low" })).toEqual({ effort: "low" });
    expect(reasoningOf({ mode: "on", effort: "high", show: "none" })).toEqual({ effort: "high" });
    expect(reasoningOf({ mode: "off" })).toEqual({ effort: "none" });
  });
});

test("an effort that the model lacks becomes the nearest one that it takes, or is left out", () => {
  const quirks: Quirks = { efforts: ["low", "medium", "high"] };
  expect(reasoningOf({ effort: "max" }, quirks)).toEqual({ effort: "high" });
  expect(reasoningOf({ effort: "minimal" }, quirks)).toEqual({ effort: "low" });
  expect(reasoningOf({ mode: "off" }, quirks)).toBeUndefined();
});
