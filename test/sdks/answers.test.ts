/**
 * Answers through the whole server: every official client to every upstream format, whole and streamed.
 * What the simulated provider saw comes back in its answer's text, and what it charged is in its journal.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { dialectOf, FAMILIES, type Family, type Sluice, startSluice } from "../support/server.ts";
import type { Question, Surface } from "./drivers/driver.ts";
import { DRIVERS, WAYS, type Way } from "./drivers/index.ts";
import { expectTokensOfJournal, journalOf } from "./drivers/journal.ts";

const START_TIMEOUT_MS = 60_000;

let sluice: Sluice;
beforeAll(async () => {
  sluice = await startSluice();
}, START_TIMEOUT_MS);
afterAll(() => sluice.stop(), START_TIMEOUT_MS);

function ask(way: Way, user: string, more: Partial<Question> = {}) {
  return way.driver.ask(sluice, { model: way.family, streamed: way.streamed, turns: [{ user }], ...more });
}

const STOPPED: Record<Surface, string> = {
  "openai-chat": "stop",
  "openai-responses": "completed",
  "anthropic-messages": "end_turn",
  gemini: "STOP",
};
const CUT: Record<Surface, string> = {
  "openai-chat": "length",
  "openai-responses": "incomplete/max_output_tokens",
  "anthropic-messages": "max_tokens",
  gemini: "MAX_TOKENS",
};

describe.each([...WAYS])("$name", (way) => {
  const { driver, family, streamed } = way;

  test("a text, with the model's name, the finish and the tokens", async () => {
    const answer = await ask(way, "Hello there");
    expect(answer).toMatchObject({
      text: "You said: Hello there",
      thinking: "",
      calls: [],
      finish: STOPPED[driver.surface],
    });
    // Relayed bytes are the upstream's own, its name of the model with them.
    const isRelayed = answer.model !== family;
    expect(isRelayed).toBe(driver.surface === dialectOf(family));
    expect(answer.headers.get("x-sluice-model")).toBe(family);
    expect(answer.headers.get("x-sluice-losses")).toBeNull();
    expect(journalOf(sluice, answer)).toMatchObject({ streamed, status: 200, finished: true });
    expectTokensOfJournal(sluice, answer);
  });

  test("letters of every width survive", async () => {
    const answer = await ask(way, 'Grüße, 世界 👋🏽 \\ "quoted" \u2028 end');
    expect(answer.text).toBe('You said: Grüße, 世界 👋🏽 \\ "quoted" end');
  });

  test("instructions reach the model", async () => {
    const answer = await ask(way, "Hello there", { system: "Be brief." });
    expect(answer.text).toBe("You said: Hello there [system: 9 chars]");
    expectTokensOfJournal(sluice, answer);
  });

  test("a conversation goes on", async () => {
    const first = await ask(way, "Hello there");
    const turns = [{ user: "Hello there" }, { said: first.said }, { user: "And now?" }];
    const second = await driver.ask(sluice, { model: family, streamed, turns });
    // Generation 3 of Gemini signs plain answers too; the signature may come back, but need not.
    expect(second.text).toMatch(/^You said: And now\?( \[signatures: 1\])?$/);
    expect(second.tokens.input).toBeGreaterThan(first.tokens.input);
    expectTokensOfJournal(sluice, second);
  });

  test("an image reaches the model byte for byte", async () => {
    const turns = [{ user: "look", media: [{ kind: "image" as const, mediaType: "image/png", base64: PNG }] }];
    const answer = await driver.ask(sluice, { model: family, streamed, turns });
    expect(answer.text).toBe(`You said: look [images: 1: image/png ${Buffer.from(PNG, "base64").length} bytes]`);
  });

  test("an answer in the form of a schema", async () => {
    const answer = await ask(way, "hi", { schema: WEATHER });
    expect(JSON.parse(answer.text)).toEqual({ city: "sample city", days: 1 });
    expect(answer.finish).toBe(STOPPED[driver.surface]);
    expectTokensOfJournal(sluice, answer);
  });

  test("the limit of output tokens cuts the answer", async () => {
    const answer = await ask(way, "words=100", { maxTokens: 20 });
    expect(answer.text.split(" ")).toHaveLength(20);
    expect(answer.finish).toBe(CUT[driver.surface]);
    expect(answer.tokens.output).toBe(20);
    expectTokensOfJournal(sluice, answer);
  });

  // A Responses client has no way to name one.
  const hasStops = driver.surface !== "openai-responses";
  (hasStops ? test : () => {})("a stop sequence", async () => {
    const answer = await ask(way, "one two three", { stop: "two" });
    if (family === "sim-responses") {
      expect(answer.text).toBe("You said: one two three");
      expect(answer.headers.get("x-sluice-losses")).toBe("stop");
      return;
    }
    expect(answer.text).toBe("You said: one ");
    // Only Messages tells which sequence it was, so only from there a Messages client can know.
    const isTold = driver.surface === "anthropic-messages" && family === "sim-messages";
    expect(answer.finish).toBe(isTold ? "stop_sequence/two" : STOPPED[driver.surface]);
    expectTokensOfJournal(sluice, answer);
  });

  test("every class of tokens arrives in the client's own fields", async () => {
    const answer = await ask(way, `hi ${REPORTED[family]}`);
    const cacheWrite = family === "sim-messages" && driver.surface !== "gemini" ? 200 : 0;
    expect(answer.tokens).toEqual({ input: 1000, cacheRead: 300, cacheWrite, output: 70, thinking: 20 });
  });
});

/** 1000 tokens in, 300 of them from the cache, at Messages 200 written to it; 70 out, 20 of them thought: as each format counts. */
const REPORTED: Record<Family, string> = {
  "sim-chat": "usage=in:1000,cached:300,out:70,think:20",
  "sim-responses": "usage=in:1000,cached:300,out:70,think:20",
  "sim-messages": "usage=in:500,cached:300,write:200,out:70,think:20",
  "sim-gemini": "usage=in:1000,cached:300,out:50,think:20",
  "sim-gemini-3": "usage=in:1000,cached:300,out:50,think:20",
};

const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

const WEATHER = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer" } },
  required: ["city", "days"],
  additionalProperties: false,
};

test("every client and every upstream format took part", () => {
  expect(WAYS).toHaveLength(DRIVERS.length * FAMILIES.length * 2);
});
