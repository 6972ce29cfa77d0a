/**
 * What the gateway learns of a Chat request without decoding it, and what relay changes in its body.
 * Each behaviour by its name.
 */
import { describe, expect, test } from "bun:test";
import type { Quirks } from "../../core/endpoint.ts";
import type { JsonObject } from "../../core/json.ts";
import { openaiChat } from "./index.ts";

describe("the head", () => {
  test("tells what the model must be able to do", () => {
    const head = openaiChat.peek(
      {
        model: "m",
        stream: true,
        n: 2,
        max_tokens: 9,
        prompt_cache_key: "k",
        user: "u",
        tools: [{}],
        messages: [{ role: "user", content: [{ type: "image_url" }, { type: "file" }] }],
        response_format: { type: "json_schema" },
      },
      {},
    );
    expect(head).toEqual({
      model: "m",
      stream: true,
      candidates: 2,
      maxOutputTokens: 9,
      needs: ["tools", "images", "files", "structured-output"],
      wantsStreamUsage: false,
      session: "k",
      endUser: "u",
    });
  });

  test("looks at a body of the Responses format without failing", () => {
    expect(openaiChat.peek({ model: "m", input: [{ role: "user", content: "x" }] }, {}).model).toBe("m");
  });

  test("relay changes the model, asks for usage, and renames the limit only where told", () => {
    const body = { model: "m", stream: true, max_tokens: 9, messages: [] };
    const head = openaiChat.peek(body, {});
    expect(openaiChat.relayEdits(head, { model: "up", quirks: {} }, body)).toEqual([
      { path: ["model"], value: '"up"' },
      { path: ["stream_options", "include_usage"], value: "true" },
    ]);
    const quirks: Quirks = { noStreamOptions: true, maxTokensField: "max_completion_tokens" };
    expect(openaiChat.relayEdits(head, { model: "up", quirks }, body)).toEqual([
      { path: ["model"], value: '"up"' },
      { path: ["stream_options"], remove: true },
      { path: ["max_tokens"], remove: true },
      { path: ["max_completion_tokens"], value: "9" },
    ]);
  });

  test("relay adds what the upstream always wants, unless the caller said it", () => {
    const quirks: Quirks = { adds: { reasoning_format: "parsed" } };
    const edits = (body: JsonObject) => openaiChat.relayEdits(openaiChat.peek(body, {}), { model: "up", quirks }, body);
    const body = { model: "m", messages: [] };
    expect(edits(body)).toContainEqual({ path: ["reasoning_format"], value: '"parsed"' });
    expect(edits({ ...body, reasoning_format: "raw" })).toEqual([{ path: ["model"], value: '"up"' }]);
  });

  test("knows the frame that exists only for usage", () => {
    const isUsageOnly = (data: string) => openaiChat.isUsageOnly({ event: undefined, data });
    expect(isUsageOnly('{"choices":[],"usage":{"prompt_tokens":1}}')).toBe(true);
    expect(isUsageOnly('{"usage": {"prompt_tokens": 1}, "choices": [ ]}')).toBe(true);
    expect(isUsageOnly('{"choices":[],"usage":null}')).toBe(false);
    expect(isUsageOnly('{"choices":[],"prompt_filter_results":[]}')).toBe(false);
    expect(isUsageOnly('{"choices":[{"index":0,"delta":{}}],"usage":{"prompt_tokens":1}}')).toBe(false);
    expect(isUsageOnly("[DONE]")).toBe(false);
  });
});
