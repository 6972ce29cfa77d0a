/**
 * Tests of saying opaque parts in words.
 * They stand beside the function, away from the path of a call.
 */
import { expect, test } from "bun:test";
import type { JsonObject } from "../core/json.ts";
import { opaqueText } from "./opaque-text.ts";

const told = (value: JsonObject) => opaqueText({ type: "opaque", dialect: "anthropic-messages", value });

test("a tool that was found is named", () => {
  expect(told({ type: "tool_reference", tool_name: "WebFetch" })).toBe("The tool WebFetch is available now.");
});

test("a search result gives its title, source and texts", () => {
  const content = [{ type: "text", text: "Ruby is a language." }];
  expect(told({ type: "search_result", title: "Ruby", source: "https://e.org", content })).toBe(
    "Ruby\nhttps://e.org\nRuby is a language.",
  );
});

test("anything else is not said", () => {
  expect(told({ type: "container_upload", file_id: "f" })).toBeUndefined();
  expect(told({ type: "tool_reference" })).toBeUndefined();
  expect(told({ type: "search_result" })).toBeUndefined();
});
