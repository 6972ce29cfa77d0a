/**
 * Refusals through the whole server: a model that declines, from every upstream format, in each official client's own form.
 * Gemini's filter says nothing with its refusal; the others explain it in the same words.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { dialectOf, type Sluice, startSluice } from "../support/server.ts";
import type { Answer, Surface } from "./drivers/driver.ts";
import { WAYS, type Way } from "./drivers/index.ts";
import { expectTokensOfJournal } from "./drivers/journal.ts";

const START_TIMEOUT_MS = 60_000;

let sluice: Sluice;
beforeAll(async () => {
  sluice = await startSluice();
}, START_TIMEOUT_MS);
afterAll(() => sluice.stop(), START_TIMEOUT_MS);

const EXPLAINED = "I'm sorry, but I can't assist with that request.";

/** What each client sees of a model that explains why it declines. */
const REFUSED: Record<Surface, Pick<Answer, "text" | "refusal" | "finish">> = {
  "openai-chat": { text: "", refusal: EXPLAINED, finish: "stop" },
  "openai-responses": { text: "", refusal: EXPLAINED, finish: "completed" },
  "anthropic-messages": { text: EXPLAINED, refusal: "", finish: "refusal" },
  gemini: { text: EXPLAINED, refusal: "", finish: "SAFETY" },
};

/** What each client sees of a filter, which takes the answer away. */
const FILTERED: Record<Surface, string> = {
  "openai-chat": "content_filter",
  "openai-responses": "incomplete/content_filter",
  "anthropic-messages": "refusal",
  gemini: "SAFETY",
};

function seen({ driver, family }: Way): Pick<Answer, "text" | "refusal" | "finish"> {
  const { surface } = driver;
  if (dialectOf(family) === "gemini") return { text: "", refusal: "", finish: FILTERED[surface] };
  // Relayed, the explanation stands where Messages has it: in `stop_details`, not among the words.
  if (surface === "anthropic-messages" && family === "sim-messages") return { ...REFUSED[surface], text: "" };
  return REFUSED[surface];
}

test.each([...WAYS])("$name: a refusal is told in the client's own form", async (way) => {
  const turns = [{ user: "refuse" }];
  const answer = await way.driver.ask(sluice, { model: way.family, streamed: way.streamed, turns });
  const { text, refusal, finish } = answer;
  expect({ text, refusal, finish }).toEqual(seen(way));
});

describe("a refusal may stand in the conversation that goes on", () => {
  test.each([...WAYS].filter(({ family }) => dialectOf(family) !== "gemini"))("$name", async (way) => {
    const { driver, family: model, streamed } = way;
    const first = await driver.ask(sluice, { model, streamed, turns: [{ user: "refuse" }] });
    // A client of Messages is told nothing that it could send back when the explanation stands in `stop_details`.
    const isEmpty = Array.isArray(first.said) && first.said.length === 0;
    const said = isEmpty ? [] : [{ said: first.said }];
    const second = await driver.ask(sluice, {
      model,
      streamed,
      turns: [{ user: "hm" }, ...said, { user: "another question" }],
    });
    expect(second.text).toEndWith("another question");
    expectTokensOfJournal(sluice, second);
  });
});
