/**
 * Token counting with the official SDKs through the whole server: asked from the provider where its format can tell,
 * counted here where not, always free and without a record.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import OpenAI from "openai";
import { FAMILIES, type Sluice, startSluice } from "../support/server.ts";

let sluice: Sluice;
beforeAll(async () => {
  sluice = await startSluice();
}, 60_000);
afterAll(() => sluice.stop());

const TEXT = "How many tokens are in this sentence, all in all?";
const tool = { type: "object" as const, properties: { city: { type: "string", description: "The city's name." } } };

/** What the simulated provider and the tokenizer both say of so short a text, within a factor. */
function plausible(count: number | null | undefined): void {
  expect(count).toBeGreaterThan(8);
  expect(count).toBeLessThan(200);
}

for (const model of FAMILIES) {
  describe(`counting for ${model}`, () => {
    test("Messages", async () => {
      const client = new Anthropic({ baseURL: sluice.url, apiKey: sluice.key, maxRetries: 0 });
      const plain = await client.messages.countTokens({ model, messages: [{ role: "user", content: TEXT }] });
      plausible(plain.input_tokens);
      const more = await client.messages.countTokens({
        model,
        system: "You are a careful assistant who counts.",
        messages: [{ role: "user", content: TEXT }],
        tools: [{ name: "get_weather", description: "The weather of a city.", input_schema: tool }],
      });
      expect(more.input_tokens).toBeGreaterThan(plain.input_tokens);
    });

    test("Responses", async () => {
      const client = new OpenAI({ baseURL: `${sluice.url}/v1`, apiKey: sluice.key, maxRetries: 0 });
      const counted = await client.responses.inputTokens.count({ model, input: TEXT });
      expect(counted.object).toBe("response.input_tokens");
      plausible(counted.input_tokens);
    });

    test("Gemini", async () => {
      const client = new GoogleGenAI({ apiKey: sluice.key, httpOptions: { baseUrl: sluice.url } });
      plausible((await client.models.countTokens({ model, contents: TEXT })).totalTokens);
    });
  });
}

test("counting is free: many calls at once leave no record and no cost", async () => {
  const client = new Anthropic({ baseURL: sluice.url, apiKey: sluice.key, maxRetries: 0 });
  const ask = () => client.messages.countTokens({ model: "sim-chat", messages: [{ role: "user", content: TEXT }] });
  const counts = await Promise.all(Array.from({ length: 40 }, ask));
  expect(new Set(counts.map((count) => count.input_tokens)).size).toBe(1);
  const credits = await fetch(`${sluice.url}/api/v1/credits`, { headers: { "x-api-key": sluice.key } });
  expect(await credits.json()).toEqual({ data: { total_credits: 0, total_usage: 0 } });
});

test("a provider that fails to count is no reason to fail: the tokens are counted here", async () => {
  const client = new Anthropic({ baseURL: sluice.url, apiKey: sluice.key, maxRetries: 0 });
  const counted = await client.messages.countTokens({
    model: "sim-messages",
    messages: [{ role: "user", content: `${TEXT} status=500 chunks=2` }],
  });
  plausible(counted.input_tokens);
});

test("a text of 200,000 equal letters is counted in bounded time", async () => {
  const client = new Anthropic({ baseURL: sluice.url, apiKey: sluice.key, maxRetries: 0 });
  const content = "a".repeat(200_000);
  const counted = await client.messages.countTokens({ model: "sim-chat", messages: [{ role: "user", content }] });
  expect(counted.input_tokens).toBeGreaterThan(10_000);
}, 30_000);

test("bad counting requests are refused in the caller's format", async () => {
  const post = (path: string, body: string) =>
    fetch(sluice.url + path, { method: "POST", headers: { "x-api-key": sluice.key }, body });
  const broken = await post("/v1/messages/count_tokens", "{");
  expect(broken.status).toBe(400);
  expect(await broken.json()).toMatchObject({ type: "error", error: { type: "invalid_request_error" } });
  const unknown = await post("/v1beta/models/nope:countTokens", '{"contents":[{"parts":[{"text":"x"}]}]}');
  expect(unknown.status).toBe(404);
  expect(await unknown.json()).toMatchObject({ error: { code: 404, status: "NOT_FOUND" } });
});
