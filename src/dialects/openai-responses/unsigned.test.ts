/**
 * Thinking and calls that nobody signed, told to a Responses caller: marked so that a replay is never taken for the upstream's own.
 * Beside `reply-encode.ts` and `stream-parts.ts`, whose slots carry the mark.
 */
import { expect, test } from "bun:test";
import type { CanonicalEvent } from "../../core/event.ts";
import { collect } from "../../core/reply.ts";
import { holdsWrapped } from "../../core/signature.ts";
import { openaiResponses as dialect } from "./index.ts";

const place = { choice: 0, part: 0 };
const EVENTS: CanonicalEvent[] = [
  { type: "message-start" },
  { type: "part-start", ...place, start: { type: "thinking" } },
  { type: "thinking-delta", ...place, text: "hm" },
  { type: "part-end", ...place },
  { type: "message-end", choice: 0, finish: { reason: "stop" } },
];

test("reasoning that nobody signed says so, and is left out when it comes back to an upstream that never saw it", () => {
  const request = { model: "m", stream: false, messages: [] };
  const context = { id: "req_1", createdAt: 0, model: "m", request, wantsStreamUsage: true };
  const { output } = dialect.encodeReply(collect(EVENTS), context);
  expect(holdsWrapped(new TextEncoder().encode(JSON.stringify(output)))).toBe(true);
  const items = JSON.parse(JSON.stringify(output)) as object[];
  const input = [{ role: "user", content: "hi" }, ...items, { role: "user", content: "go on" }];
  const decoded = dialect.decodeRequest({ model: "m", input } as never, {});
  expect(decoded.messages[1]?.content).toEqual([{ type: "thinking", text: "hm" }]);
  const target = { model: "m", stream: false, maxOutputTokens: 100, capabilities: new Set([]), quirks: {} };
  const { body, losses } = dialect.encodeRequest(decoded, target);
  expect(JSON.stringify(body.input)).not.toContain("rs_");
  expect(losses).toContainEqual({ field: "messages.thinking", kind: "dropped" });
});
