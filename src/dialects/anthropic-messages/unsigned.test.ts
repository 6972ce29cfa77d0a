/**
 * Thinking and calls that nobody signed, told to a Messages caller: marked so that a replay is never taken for the upstream's own.
 * Beside `reply.ts` and `stream-encode.ts`, whose slots carry the mark.
 */
import { expect, test } from "bun:test";
import type { CanonicalEvent } from "../../core/event.ts";
import { collect } from "../../core/reply.ts";
import { holdsWrapped } from "../../core/signature.ts";
import { anthropicMessages as dialect } from "./index.ts";

const context = {
  id: "req_1",
  createdAt: 0,
  model: "m",
  request: { model: "m", stream: true, messages: [] },
  wantsStreamUsage: true,
};
const place = { choice: 0, part: 0 };
const EVENTS: Exclude<CanonicalEvent, { type: "error" }>[] = [
  { type: "message-start" },
  { type: "part-start", ...place, start: { type: "thinking" } },
  { type: "thinking-delta", ...place, text: "hm" },
  { type: "part-end", ...place },
  { type: "message-end", choice: 0, finish: { reason: "stop" } },
];

test("thinking that nobody signed says so, streamed and whole, so that it is never relayed as the upstream's own", () => {
  const encoder = dialect.streamEncoder(context, "sse");
  const streamed = EVENTS.map((event) => encoder.event(event)).join("") + encoder.end();
  expect(holdsWrapped(new TextEncoder().encode(streamed))).toBe(true);
  const whole = dialect.encodeReply(collect(EVENTS), context);
  expect(holdsWrapped(new TextEncoder().encode(JSON.stringify(whole)))).toBe(true);
  const [block] = whole.content as { signature: string }[];
  expect(streamed).toContain(`"signature":${JSON.stringify(block?.signature)}`);
});

test("what says so is decoded as thinking without a signature, which the API is not sent", () => {
  const { content } = dialect.encodeReply(collect(EVENTS), context);
  const messages = [
    { role: "user", content: "hi" },
    { role: "assistant", content },
    { role: "user", content: "go on" },
  ];
  const request = dialect.decodeRequest({ model: "m", max_tokens: 10, messages }, {});
  expect(request.messages[1]?.content).toEqual([{ type: "thinking", text: "hm" }]);
  const target = { model: "m", stream: false, maxOutputTokens: 100, capabilities: new Set([]), quirks: {} };
  const { body, losses } = dialect.encodeRequest(request, target);
  expect(JSON.stringify(body)).not.toContain("signature");
  expect(losses).toContainEqual({ field: "messages.thinking", kind: "dropped" });
});
