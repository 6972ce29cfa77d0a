/**
 * Tests of citations that another format's answer brings: where they stand in the text that Gemini's clients see.
 * The breadth is in the recordings; here is each behaviour by its name.
 */
import { expect, test } from "bun:test";
import { asArray, asObject, type JsonObject } from "../../core/json.ts";
import type { TextPart } from "../../core/request.ts";
import { writeGrounding } from "./grounding.ts";
import { gemini } from "./index.ts";

const context = {
  id: "req_1",
  createdAt: 1,
  model: "m",
  request: { model: "m", stream: false, messages: [] },
  wantsStreamUsage: true,
};

const cited = (text: string, url: string): TextPart => ({
  type: "text",
  text,
  annotations: [{ type: "url", url, title: "T", start: 0, end: text.length }],
});

test("a source without a place is listed, and no passage is made up for it", () => {
  const note = (start?: number, end?: number) => ({ type: "url" as const, url: "https://a.example", start, end });
  for (const annotation of [note(), note(0, 0), note(3, 3), note(5, 2)]) {
    const grounding = writeGrounding([{ annotation, text: "hello there", before: 0 }]);
    expect(grounding).toEqual({ groundingChunks: [{ web: { uri: "https://a.example" } }] });
  }
});

test("places count in bytes, over all texts of the answer, which stand as one", () => {
  const parts: TextPart[] = [{ type: "text", text: "Grüße: " }, cited("wärmer", "https://a.example")];
  const body = gemini.encodeReply({ choices: [{ parts, finish: { reason: "stop" } }] }, context);
  const [candidate] = asArray(body.candidates).map(asObject);
  expect(asObject(candidate?.content)?.parts).toEqual([{ text: "Grüße: wärmer" }]);
  const support = asObject(candidate?.groundingMetadata)?.groundingSupports as JsonObject[];
  expect(support).toEqual([{ segment: { startIndex: 9, endIndex: 16, text: "wärmer" }, groundingChunkIndices: [0] }]);
});

test("without citations the texts stay as many as they were", () => {
  const parts: TextPart[] = [
    { type: "text", text: "a" },
    { type: "text", text: "b" },
  ];
  const body = gemini.encodeReply({ choices: [{ parts, finish: { reason: "stop" } }] }, context);
  expect(body.candidates).toMatchObject([{ content: { parts: [{ text: "a" }, { text: "b" }] } }]);
});
