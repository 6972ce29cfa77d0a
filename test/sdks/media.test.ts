/**
 * Media and failed tools through the whole server: every official client to every upstream format, whole and streamed.
 * The simulated provider says in its answer which media reached it, with their type and size.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { dialectOf, type Family, type Sluice, startSluice } from "../support/server.ts";
import type { Answer, Medium, OfferedTool, Question, Result } from "./drivers/driver.ts";
import { WAYS, type Way } from "./drivers/index.ts";

const START_TIMEOUT_MS = 60_000;

let sluice: Sluice;
beforeAll(async () => {
  sluice = await startSluice();
}, START_TIMEOUT_MS);
afterAll(() => sluice.stop(), START_TIMEOUT_MS);

function show(way: Way, media: readonly Medium[], more: Partial<Question> = {}) {
  const turns = [{ user: "look", media }];
  return way.driver.ask(sluice, { model: way.family, streamed: way.streamed, turns, ...more });
}

const lossesOf = (answer: Answer): string[] =>
  (answer.headers.get("x-sluice-losses") ?? "").split(/,\s*/).filter(Boolean);

const base64 = (text: string): string => Buffer.from(text, "latin1").toString("base64");
const bytesOf = (data: string): number => Buffer.from(data, "base64").length;

const PDF: Medium = {
  kind: "file",
  mediaType: "application/pdf",
  base64: base64("%PDF-1.4\n1 0 obj << /Type /Catalog >> endobj\n%%EOF\n"),
  filename: "paper.pdf",
};
const NOTES: Medium = {
  kind: "file",
  mediaType: "text/plain",
  base64: base64("The code is 4711."),
  filename: "notes.txt",
};
const WAV: Medium = { kind: "audio", mediaType: "audio/wav", base64: base64("RIFF\x24\0\0\0WAVEfmt ") };
const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
const GIF = base64("GIF89a\x01\0\x01\0\0\0\0;");
const PNG_SEEN = `image/png ${bytesOf(PNG)} bytes`;
const PICTURE: Medium = { kind: "image", mediaType: "image/png", base64: PNG };

const TOOLS: readonly OfferedTool[] = [{ name: "screenshot", parameters: { type: "object", properties: {} } }];
const CALL = "call:screenshot{}";

/** The answer to one result of a tool. */
async function answerResult(way: Way, result: Omit<Result, "call">): Promise<Answer> {
  const { driver, family: model, streamed } = way;
  const ask = (turns: Question["turns"]) => driver.ask(sluice, { model, streamed, tools: TOOLS, turns });
  const first = await ask([{ user: CALL }]);
  const [call] = first.calls;
  if (!call) throw new Error("The model did not call the tool.");
  return ask([{ user: CALL }, { said: first.said }, { results: [{ call, ...result }] }]);
}

describe.each([...WAYS])("$name", (way) => {
  const { driver, family } = way;
  const isRelayed = driver.surface === dialectOf(family);

  test("a PDF reaches the model", async () => {
    const answer = await show(way, [PDF]);
    expect(answer.text).toContain(`[files: 1: application/pdf ${bytesOf((PDF as { base64: string }).base64)} bytes]`);
    expect(answer.text).toStartWith("You said: look");
  });

  test("a document of plain text reaches the model", async () => {
    const answer = await show(way, [NOTES]);
    // Where a format takes no such document, its text stands among the user's words.
    expect(answer.text).toMatch(/\[files: 1: text\/plain 17 bytes\]|The code is 4711\./);
    expect(lossesOf(answer).filter((loss) => loss === "messages.file")).toEqual([]);
  });

  test("several images reach the model in their order", async () => {
    const gif: Medium = { kind: "image", mediaType: "image/gif", base64: GIF };
    const answer = await show(way, [PICTURE, gif, PICTURE]);
    expect(answer.text).toContain(`[images: 3: ${PNG_SEEN}, image/gif ${bytesOf(GIF)} bytes, ${PNG_SEEN}]`);
  });

  test("an image's address reaches the model", async () => {
    const answer = await show(way, [{ kind: "image", url: "https://images.example.com/cat.png" }]);
    expect(answer.text).toContain("[images: 1: https://images.example.com/cat.png]");
    expect(lossesOf(answer)).toEqual([]);
  });

  test("an image from a tool reaches the model with the tool's words", async () => {
    const answer = await answerResult(way, { text: "the screen", image: { mediaType: "image/png", base64: PNG } });
    expect(answer.text).toContain('[tool results: 1: "the screen"]');
    expect(answer.text).toContain(`[images: 1: ${PNG_SEEN}]`);
  });

  test("a tool's failure is told to the model", async () => {
    const answer = await answerResult(way, { text: "no such screen", isError: true });
    const hasWord = driver.surface === "anthropic-messages" || driver.surface === "gemini";
    if (!hasWord) expect(answer.text).toContain('[tool results: 1: "no such screen"]');
    else if (FAILS[family]) expect(answer.text).toContain('[tool results: 1: error "no such screen"]');
    else {
      expect(answer.text).toContain('[tool results: 1: "The tool failed: no such screen"]');
      expect(answer.headers.get("x-sluice-losses")).toContain("messages.isError");
    }
  });

  // The official types of the other two have no audio.
  const hasAudio = driver.surface === "openai-chat" || driver.surface === "gemini";
  (hasAudio ? test : () => {})("a sound reaches the model, or is named as lost", async () => {
    const answer = await show(way, [WAV]);
    if (family === "sim-messages") {
      expect(answer.text).toBe("You said: look");
      expect(lossesOf(answer)).toEqual(["messages.audio"]);
    } else {
      expect(answer.text).toContain(`[audio: 1: audio/wav ${bytesOf((WAV as { base64: string }).base64)} bytes]`);
      expect(isRelayed || lossesOf(answer).length === 0).toBe(true);
    }
  });
});

/** Whether the upstream's format has a word for a tool's failure. */
const FAILS: Record<Family, boolean> = {
  "sim-chat": false,
  "sim-responses": false,
  "sim-messages": true,
  "sim-gemini": true,
  "sim-gemini-3": true,
};
