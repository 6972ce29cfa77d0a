/**
 * Tests of how a tool's failure is told where no field tells it.
 * That it reaches a model is tested through the whole server.
 */
import { expect, test } from "bun:test";
import { collectLosses } from "../core/loss.ts";
import type { ToolResultContent } from "../core/request.ts";
import { contentInWords } from "./failed-result.ts";

const image: ToolResultContent = { type: "image", source: { type: "url", url: "https://example.com/a.png" } };

function told(content: ToolResultContent[], isError: boolean) {
  const losses = collectLosses();
  const part = { type: "tool-result" as const, callId: "1", kind: "function" as const, content, isError };
  return { content: contentInWords(part, losses), losses: losses.list() };
}

test("a result that is no failure stays as it is", () => {
  expect(told([{ type: "text", text: "12 degrees" }], false)).toEqual({
    content: [{ type: "text", text: "12 degrees" }],
    losses: [],
  });
});

test("a failure is told before the first text, whatever stands before that", () => {
  const { content, losses } = told([image, { type: "text", text: "no such city" }], true);
  expect(content).toEqual([image, { type: "text", text: "The tool failed: no such city" }]);
  expect(losses).toMatchObject([{ field: "messages.isError", kind: "altered" }]);
});

test("a failure without words is told all the same", () => {
  expect(told([], true).content).toEqual([{ type: "text", text: "The tool failed." }]);
  expect(told([image], true).content).toEqual([{ type: "text", text: "The tool failed." }, image]);
});
