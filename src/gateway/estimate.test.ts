/**
 * Tests of the guesses that are billed when a provider says nothing.
 * They need not be right, but neither may a kind of text or an attached file make them wrong by a multiple.
 */
import { describe, expect, test } from "bun:test";
import { encode } from "gpt-tokenizer/encoding/o200k_base";
import type { JsonObject } from "../core/json.ts";
import { estimatePrompt, tokensOf, weigh } from "./estimate.ts";

const PROSE =
  "The promise: no account ever goes below zero through use, no request is billed twice or not at all, and the books " +
  "balance at every instant, through any crash. Most other programs of this kind do not even publish a test of it.";
const TEXTS: Record<string, string> = {
  prose: PROSE,
  "a long text": PROSE.repeat(40),
  code: "export function tokensOf(weight: number): number {\n  return Math.ceil(weight / UNITS_PER_TOKEN);\n}\n".repeat(
    5,
  ),
  JSON: JSON.stringify({
    location: "Paris, France",
    days: 5,
    items: [
      { id: 1, price: 12.5 },
      { id: 2, price: 3.25 },
    ],
  }),
  Chinese:
    "人工智能是计算机科学的一个分支，它企图了解智能的实质，并生产出一种新的能以人类智能相似的方式做出反应的智能机器。",
  Japanese:
    "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所で泣いていた。",
  Russian: "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему.",
  German: "Der Mensch ist frei geboren, und überall liegt er in Ketten. Wie ist diese Veränderung zustande gekommen?",
};

describe("a text's guess", () => {
  for (const [name, text] of Object.entries(TEXTS)) {
    test(`is near the truth for ${name}, whole and in a model's own pieces`, () => {
      const tokens = encode(text);
      const whole = tokensOf(weigh(text)) / tokens.length;
      let pieces = 0;
      for (const piece of text.match(/\s*\S{1,4}/g) ?? []) pieces += weigh(piece);
      for (const ratio of [whole, tokensOf(pieces) / tokens.length]) {
        expect(ratio).toBeGreaterThan(0.7);
        expect(ratio).toBeLessThan(1.4);
      }
    });
  }

  test("of nothing is nothing", () => {
    expect(tokensOf(weigh(""))).toBe(0);
  });
});

const BYTES = Buffer.from(new Uint8Array(60_000).map((_, index) => (index * 7919) % 251)).toString("base64");

describe("a prompt's guess", () => {
  const body = (content: unknown): JsonObject =>
    ({ model: "a-name-of-some-length", max_tokens: 100_000, messages: [{ role: "user", content }] }) as JsonObject;

  test("leaves out what is no prompt", () => {
    const bare = estimatePrompt(body("Hi"));
    expect(bare).toBeLessThan(8);
    expect(estimatePrompt({ ...body("Hi"), user: "x".repeat(500), stream: true })).toBe(bare);
    expect(estimatePrompt({ model: "m", input: PROSE })).toBeGreaterThan(30);
  });

  const attached: [string, JsonObject, number][] = [
    ["a picture in a URL", { type: "image_url", image_url: { url: `data:image/png;base64,${BYTES}` } }, 800],
    ["a picture in a source", { type: "image", source: { type: "base64", media_type: "image/png", data: BYTES } }, 800],
    ["a picture in Gemini's words", { inlineData: { mimeType: "image/png", data: BYTES } }, 800],
    ["a file", { type: "file", file: { filename: "a.pdf", file_data: `data:application/pdf;base64,${BYTES}` } }, 1200],
    ["sound", { type: "input_audio", input_audio: { format: "wav", data: BYTES } }, 1200],
  ];
  for (const [name, part, about] of attached) {
    test(`counts ${name} as what it is, not as text`, () => {
      const tokens = estimatePrompt(body([{ type: "text", text: "What is this?" }, part]));
      expect(tokens).toBeGreaterThan(about * 0.9);
      expect(tokens).toBeLessThan(about * 1.2);
    });
  }

  test("counts a long word in a text as text, whatever it looks like", () => {
    expect(estimatePrompt(body(BYTES))).toBeGreaterThan(10_000);
    expect(estimatePrompt(body([{ type: "text", text: BYTES }]))).toBeGreaterThan(10_000);
  });

  test("counts tools, and texts in documents", () => {
    const tools = [{ type: "function", function: { name: "get_weather", description: PROSE, parameters: {} } }];
    expect(estimatePrompt({ ...body("Hi"), tools })).toBeGreaterThan(40);
    const source = { type: "text", media_type: "text/plain", data: PROSE.repeat(10) };
    expect(estimatePrompt(body([{ type: "document", source }]))).toBeGreaterThan(350);
  });
});
