/**
 * Tests of the instruction that a bare wish for JSON needs at OpenAI, in both of its formats.
 * They stand beside the dialects, away from the path of a call.
 */
import { expect, test } from "bun:test";
import { CAPABILITIES } from "../core/head.ts";
import type { CanonicalRequest } from "../core/request.ts";
import type { Dialect } from "./dialect.ts";
import { JSON_INSTRUCTION } from "./json-wish.ts";
import { openaiChat } from "./openai-chat/index.ts";
import { openaiResponses } from "./openai-responses/index.ts";

function bodyOf(dialect: Dialect, text: string) {
  const request: CanonicalRequest = {
    model: "m",
    stream: false,
    messages: [{ role: "user", content: [{ type: "text", text }] }],
    outputFormat: { type: "json" },
  };
  const target = { model: "m", stream: false, maxOutputTokens: 100, capabilities: new Set(CAPABILITIES), quirks: {} };
  return JSON.stringify(dialect.encodeRequest(request, target).body);
}

test("a wish for JSON comes with the word where nobody has said it", () => {
  for (const dialect of [openaiChat, openaiResponses]) {
    expect(bodyOf(dialect, "List three colours.")).toContain(JSON_INSTRUCTION);
    expect(bodyOf(dialect, "List three colours as Json.")).not.toContain(JSON_INSTRUCTION);
  }
});
