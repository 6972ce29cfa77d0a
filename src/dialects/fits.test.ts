/**
 * What the checks before a relay have in common, and those of the formats that refuse by name only.
 * Beside `fits.ts`.
 */
import { expect, test } from "bun:test";
import type { Quirks } from "../core/endpoint.ts";
import type { JsonObject } from "../core/json.ts";
import { crowdsOut, hasRefused, lacksEffort } from "./fits.ts";
import { geminiEmbeddings } from "./gemini-embeddings/index.ts";
import { openaiCompletions } from "./openai-completions/index.ts";
import { openaiEmbeddings } from "./openai-embeddings/index.ts";

test("a field is refused by its canonical name and found under the wire's", () => {
  const names = { topK: ["top_k"], endUser: ["user", "safety_identifier"] };
  expect(hasRefused({ top_k: 0 }, { refuses: ["topK"] }, names)).toBe(true);
  expect(hasRefused({ safety_identifier: "u" }, { refuses: ["endUser"] }, names)).toBe(true);
  expect(hasRefused({ top_k: null, seed: 1 }, { refuses: ["topK", "seed"] }, names)).toBe(false);
  expect(hasRefused({ top_k: 0 }, {}, names)).toBe(false);
});

test("an effort is lacking only where the list of known ones leaves it out", () => {
  expect(lacksEffort("high", {})).toBe(false);
  expect(lacksEffort("high", { efforts: ["low"] })).toBe(true);
  expect(lacksEffort("low", { efforts: ["low"] })).toBe(false);
  for (const word of ["default", null, undefined, 3]) expect(lacksEffort(word, { efforts: [] })).toBe(false);
});

test("a budget crowds the answer out at the limit, and never without one", () => {
  expect([crowdsOut(5, 6), crowdsOut(6, 6), crowdsOut(6, undefined), crowdsOut("6", 6)]).toEqual([
    false,
    true,
    false,
    false,
  ]);
});

test("completions and embeddings are looked at for what their upstream refuses", () => {
  const completion = (body: JsonObject, quirks: Quirks) =>
    openaiCompletions.fitsUpstream?.({ prompt: "a", ...body }, { model: "up", quirks });
  expect(completion({ seed: 1 }, { refuses: ["seed"] })).toBe(false);
  expect(completion({ seed: 1 }, {})).toBe(true);
  const embedding = (body: JsonObject, refuses: string[]) =>
    openaiEmbeddings.fitsUpstream?.({ input: "a", ...body }, { model: "up", quirks: { refuses } });
  expect(embedding({ dimensions: 8 }, ["dimensions"])).toBe(false);
  expect(embedding({ user: "u" }, ["endUser"])).toBe(false);
  expect(embedding({ encoding_format: "base64" }, ["encoding", "dimensions"])).toBe(true);
  const google = (body: JsonObject, refuses: string[]) =>
    geminiEmbeddings.fitsUpstream?.(body, { model: "up", quirks: { refuses } });
  expect(google({ requests: [{ content: {} }, { content: {}, taskType: "RETRIEVAL_QUERY" }] }, ["task"])).toBe(false);
  expect(google({ content: {}, output_dimensionality: 8 }, ["dimensions"])).toBe(false);
  expect(google({ requests: [{ content: {}, title: "t" }] }, ["task"])).toBe(true);
});
