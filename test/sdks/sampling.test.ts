/**
 * Seeds, several answers and log probabilities through the whole server, between the two formats that have them all.
 * The rest name what they cannot say; log probabilities that come from Gemini are tested on recordings.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { GoogleGenAI } from "@google/genai";
import OpenAI from "openai";
import { type Family, type Sluice, startSluice } from "../support/server.ts";
import { CLIENT_TIMEOUT_MS } from "./drivers/driver.ts";

const START_TIMEOUT_MS = 60_000;

let sluice: Sluice;
beforeAll(async () => {
  sluice = await startSluice();
}, START_TIMEOUT_MS);
afterAll(() => sluice.stop(), START_TIMEOUT_MS);

const openai = () =>
  new OpenAI({ apiKey: sluice.key, baseURL: `${sluice.url}/v1`, maxRetries: 0, timeout: CLIENT_TIMEOUT_MS });
const google = () =>
  new GoogleGenAI({ apiKey: sluice.key, httpOptions: { baseUrl: sluice.url, timeout: CLIENT_TIMEOUT_MS } });

const TEXTS = ["You said: hi", "You said: hi [choice 2]"];
const WISH = { seed: 7, n: 2, logprobs: true, top_logprobs: 2 };
const CONFIG = { seed: 7, candidateCount: 2, responseLogprobs: true, logprobs: 2 };
const user = (content: string) => [{ role: "user" as const, content }];

test.each(["sim-chat", "sim-gemini", "sim-gemini-3"] as Family[])("Chat to %s: two answers", async (model) => {
  const whole = await openai().chat.completions.create({ model, messages: user("hi"), ...WISH });
  expect(whole.choices.map(({ message }) => message.content)).toEqual(TEXTS);
  const runner = openai().chat.completions.stream({ model, messages: user("hi"), ...WISH });
  const streamed = await runner.finalChatCompletion();
  expect(streamed.choices.map(({ message }) => message.content)).toEqual(TEXTS);
  expect(streamed.choices.map(({ finish_reason: reason }) => reason)).toEqual(["stop", "stop"]);
});

test.each(["sim-chat", "sim-gemini"] as Family[])("Gemini to %s: two answers", async (model) => {
  const whole = await google().models.generateContent({ model, contents: "hi", config: CONFIG });
  const told = whole.candidates?.map(({ content }) => content?.parts?.map((part) => part.text).join(""));
  expect(told).toEqual(TEXTS);
  const streamed = ["", ""];
  for await (const piece of await google().models.generateContentStream({ model, contents: "hi", config: CONFIG })) {
    for (const { index, content } of piece.candidates ?? []) {
      streamed[index ?? 0] += content?.parts?.map((part) => part.text).join("") ?? "";
    }
  }
  expect(streamed).toEqual(TEXTS);
});

test("Gemini to Chat: log probabilities with their alternatives", async () => {
  const config = { ...CONFIG, candidateCount: 1 };
  const whole = await google().models.generateContent({ model: "sim-chat", contents: "hi", config });
  const result = whole.candidates?.[0]?.logprobsResult;
  expect(result?.chosenCandidates?.map(({ token }) => token).join("")).toBe("You said: hi");
  expect(result?.chosenCandidates?.[0]?.logProbability).toBe(-0.21);
  expect(result?.topCandidates?.map(({ candidates }) => candidates?.length)).toEqual([2, 2, 2]);
});

test("what is asked for reaches the upstream in its own words", async () => {
  const ask = async (model: Family) => {
    const request = { model, messages: user("echo:request"), ...WISH };
    const { data, response } = await openai().chat.completions.create(request).withResponse();
    const body = JSON.parse(data.choices[0]?.message.content ?? "") as Record<string, unknown>;
    return { body, losses: response.headers.get("x-sluice-losses") };
  };
  expect((await ask("sim-gemini")).body.generationConfig).toEqual(CONFIG);
  const responses = await ask("sim-responses");
  expect(responses.body).toMatchObject({ top_logprobs: 2 });
  expect(responses.body.include).toContain("message.output_text.logprobs");
  expect(responses.losses).toBe("seed, candidates");
  expect((await ask("sim-messages")).losses).toBe("seed, candidates, logprobs, topLogprobs");
});
