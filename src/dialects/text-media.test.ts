/**
 * Tests of files and sounds that a format takes only in another form, or not at all: the encoders of Chat, Messages and Gemini.
 * That media reach a model at all is tested through the whole server.
 */
import { describe, expect, test } from "bun:test";
import { CAPABILITIES } from "../core/head.ts";
import { asArray, asObject } from "../core/json.ts";
import type { DialectId, Message } from "../core/request.ts";
import { DIALECTS } from "./index.ts";
import { textOf } from "./text-media.ts";

const base64 = (mediaType: string, text: string) => ({
  type: "base64" as const,
  mediaType,
  data: Buffer.from(text).toString("base64"),
});

/** What the first message or content became, and the losses. */
function encode(id: DialectId, messages: Message[]) {
  const target = {
    model: "up",
    stream: false,
    maxOutputTokens: 100,
    capabilities: new Set(CAPABILITIES),
    quirks: {},
  };
  const { body, losses } = DIALECTS[id].encodeRequest({ model: "m", stream: false, messages }, target);
  return { turns: asArray(body.messages ?? body.contents).map(asObject), losses: losses.map((loss) => loss.field) };
}

type UserPart = Extract<Message, { role: "user" }>["content"][number];
const show = (id: DialectId, part: UserPart) => encode(id, [{ role: "user", content: [part] }]);

test("text is told by its media type, whatever stands after it", () => {
  expect(textOf(base64("text/csv;charset=utf-8", "a,ö"))).toBe("a,ö");
  expect(textOf(base64("application/json", "{}"))).toBe("{}");
  expect(textOf(base64("application/pdf", "x"))).toBeUndefined();
  expect(textOf(base64("application/xmlrpc", "x"))).toBeUndefined();
});

describe("Chat", () => {
  test("a file of text goes as text under its name, others as files", () => {
    const csv = show("openai-chat", { type: "file", source: base64("text/csv", "a,b"), filename: "t.csv" });
    expect(csv.turns[0]?.content).toEqual([{ type: "text", text: "t.csv:\na,b" }]);
    expect(csv.losses).toEqual(["messages.file"]);
    const pdf = show("openai-chat", { type: "file", source: base64("application/pdf", "x") });
    expect(pdf.turns[0]?.content).toMatchObject([{ type: "file", file: { filename: "file.pdf" } }]);
    expect(pdf.losses).toEqual([]);
  });

  test.each([
    ["audio/wave", "wav"],
    ["audio/vnd.wave", "wav"],
    ["audio/x-wav", "wav"],
    ["audio/mpeg", "mp3"],
    ["audio/mp3", "mp3"],
    ["audio/constructor", "constructor"],
  ])("%s is %s", (mediaType, format) => {
    const { turns } = show("openai-chat", { type: "audio", source: base64(mediaType, "x") });
    expect(turns[0]?.content).toMatchObject([{ input_audio: { format } }]);
  });
});

describe("Messages", () => {
  test("an image of a type that the API refuses is a loss", () => {
    const { losses } = show("anthropic-messages", { type: "image", source: base64("image/heic", "x") });
    expect(losses).toContain("messages.image");
  });

  test("media types are written as the API knows them", () => {
    const { turns } = show("anthropic-messages", { type: "image", source: base64("image/JPG; q=1", "x") });
    expect(turns[0]?.content).toMatchObject([{ source: { media_type: "image/jpeg" } }]);
  });
});

test("Gemini is told of a failure whose result is only an image", () => {
  const { turns } = encode("gemini", [
    { role: "user", content: [{ type: "text", text: "go" }] },
    { role: "assistant", content: [{ type: "tool-call", id: "1", name: "look", kind: "function", arguments: "{}" }] },
    {
      role: "tool",
      content: [
        {
          type: "tool-result",
          callId: "1",
          kind: "function",
          content: [{ type: "image", source: base64("image/png", "x") }],
          isError: true,
        },
      ],
    },
  ]);
  expect(turns[2]?.parts).toMatchObject([
    {
      functionResponse: { response: { error: "The tool failed." }, parts: [{ inlineData: { mimeType: "image/png" } }] },
    },
  ]);
});
