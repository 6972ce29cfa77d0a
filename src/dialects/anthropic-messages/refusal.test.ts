/**
 * Tests of refusals that a message's end tells: content for other formats, and nothing but the end for this one.
 * They stand over the decoders and encoders of replies, whole and streamed.
 */
import { expect, test } from "bun:test";
import type { CanonicalEvent } from "../../core/event.ts";
import type { JsonObject } from "../../core/json.ts";
import { collect } from "../../core/reply.ts";
import { openaiChat } from "../openai-chat/index.ts";
import { anthropicMessages as dialect } from "./index.ts";

const context = {
  id: "req_1",
  createdAt: 1,
  model: "m",
  request: { model: "m", stream: false, messages: [] },
  wantsStreamUsage: true,
};

function message(explanation: string | null, content: JsonObject[] = []): JsonObject {
  const stop_details = { type: "refusal", category: null, explanation };
  return { type: "message", id: "msg_1", role: "assistant", content, stop_reason: "refusal", stop_details };
}

function streamed({ content: _, stop_reason, stop_details, ...start }: JsonObject): CanonicalEvent[] {
  const decoder = dialect.streamDecoder({ id: "req_1" });
  const frames: JsonObject[] = [
    { type: "message_start", message: { ...start, content: [] } },
    { type: "message_delta", delta: { stop_reason, stop_details } },
    { type: "message_stop" },
  ];
  return frames.flatMap((frame) => [...decoder.frame({ event: String(frame.type), data: JSON.stringify(frame) })]);
}

const WAYS: [string, (body: JsonObject) => CanonicalEvent[]][] = [
  ["whole", (body) => dialect.decodeReply(body, { id: "req_1" })],
  ["streamed", streamed],
];

test.each(WAYS)("%s: an explained refusal is content elsewhere, and stays at the end here", (_, decode) => {
  const reply = collect(decode(message("I can't help with that.")));
  expect(reply.choices[0]).toMatchObject({
    parts: [{ type: "refusal", text: "I can't help with that." }],
    finish: { reason: "refusal" },
  });
  expect(openaiChat.encodeReply(reply, context).choices).toMatchObject([
    { message: { content: null, refusal: "I can't help with that." }, finish_reason: "stop" },
  ]);
  expect(dialect.encodeReply(reply, context)).toMatchObject({
    content: [],
    stop_reason: "refusal",
    stop_details: { explanation: "I can't help with that." },
  });
});

test.each(WAYS)("%s: a refusal that nobody explains is a filter's", (_, decode) => {
  const reply = collect(decode(message(null)));
  expect(reply.choices[0]).toMatchObject({ parts: [], finish: { reason: "content-filter" } });
  expect(openaiChat.encodeReply(reply, context).choices).toMatchObject([{ finish_reason: "content_filter" }]);
  expect(dialect.encodeReply(reply, context)).toMatchObject({ content: [], stop_reason: "refusal" });
});

test("a refusal at the end is not streamed as a text", () => {
  const encoder = dialect.streamEncoder(context, "sse");
  let output = "";
  for (const event of streamed(message("No."))) if (event.type !== "error") output += encoder.event(event);
  output += encoder.end();
  expect(output).not.toContain("content_block");
  expect(output).toContain('"explanation":"No."');
});
