/**
 * Tests that relay and convert are two ways to carry the same call: for the same bytes they report the same events.
 * They run over every recorded stream of every format, and over the odd answers that upstreams give.
 */
import { describe, expect, test } from "bun:test";
import { candidate, inquiryIn, SMALL } from "../../test/support/calls.ts";
import { haveRecordings, recordings, SKIP_REASON } from "../../test/support/wire.ts";
import type { CanonicalEvent } from "../core/event.ts";
import type { JsonObject } from "../core/json.ts";
import type { DialectId } from "../core/request.ts";
import { convert } from "./convert.ts";
import type { GenerationInquiry as Inquiry } from "./inquiry.ts";
import { relay } from "./relay.ts";
import type { Piece, ReplyStream } from "./translation.ts";

/** The formats of which there are recordings. */
const APIS = {
  "openai-chat": "openai.chat",
  "openai-responses": "openai.responses",
  "anthropic-messages": "anthropic.messages",
  gemini: "gemini.generateContent",
} as const satisfies Partial<Record<DialectId, string>>;
const FORMATS = Object.keys(APIS) as (keyof typeof APIS)[];
const encoder = new TextEncoder();
const PIECE = 1000;

/** A streamed call in the dialect that asked for usage. */
function asked(dialect: DialectId): Inquiry {
  const options: JsonObject = dialect === "openai-chat" ? { stream_options: { include_usage: true } } : {};
  return inquiryIn(dialect, { stream: true, body: { ...SMALL[dialect], ...options } });
}

function run(stream: ReplyStream, bytes: Uint8Array): { output: Buffer; events: CanonicalEvent[]; failed: boolean } {
  const outputs: Uint8Array[] = [];
  const events: CanonicalEvent[] = [];
  let failed = false;
  const take = (piece: Piece) => {
    outputs.push(Buffer.from(piece.output as string));
    events.push(...piece.events);
    failed ||= piece.events.some((event) => event.type === "error");
  };
  for (let at = 0; at < bytes.length && !failed; at += PIECE) take(stream.push(bytes.subarray(at, at + PIECE)));
  if (!failed) take(stream.end());
  return { output: Buffer.concat(outputs), events, failed };
}

function both(dialect: DialectId, text: string) {
  const bytes = encoder.encode(text);
  const relayed = run(relay(asked(dialect), candidate(dialect)).stream(), bytes);
  const converted = run(convert(asked(dialect), candidate(dialect)).stream(), bytes);
  return { bytes, relayed, converted };
}

for (const dialect of FORMATS) {
  describe(`recorded streams of ${dialect}`, () => {
    if (!haveRecordings()) test.skip(SKIP_REASON, () => {});
    const streams = recordings(APIS[dialect]).filter((one) => one.response.sse !== undefined);
    if (haveRecordings()) test("are there", () => expect(streams.length).toBeGreaterThan(50));

    for (const { file, response } of streams) {
      test(`${file}: relayed byte for byte, with the events that a conversion reports`, () => {
        const { bytes, relayed, converted } = both(dialect, response.sse ?? "");
        expect(relayed.events).toEqual(converted.events);
        if (!relayed.failed) expect(relayed.output.equals(bytes)).toBe(true);
      });
    }
  });

  describe(`recorded whole replies of ${dialect}`, () => {
    const replies = recordings(APIS[dialect]).filter(
      (one) => one.response.body !== undefined && one.response.status < 300,
    );
    test("are relayed byte for byte, with the events that a conversion reports", () => {
      for (const { response } of replies) {
        const bytes = encoder.encode(JSON.stringify(response.body));
        const relayed = relay(inquiryIn(dialect), candidate(dialect)).whole(bytes);
        const converted = convert(inquiryIn(dialect), candidate(dialect)).whole(bytes);
        expect(relayed.events).toEqual(converted.events);
        expect(relayed.output).toBe(bytes);
      }
    });

    test("that come where a stream was asked for are told as one, by relay and convert alike", () => {
      for (const { file, response } of replies) {
        const { relayed, converted } = both(dialect, JSON.stringify(response.body));
        const what = (events: CanonicalEvent[]) => ({ file, events });
        expect(what(relayed.events)).toEqual(what(converted.events));
      }
    });
  });
}

describe("one plain reply where a stream was asked for", () => {
  const reply = {
    id: "c1",
    object: "chat.completion",
    created: 1,
    model: "up",
    choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }],
    usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 },
  };

  for (const [how, text] of [
    ["on one line", JSON.stringify(reply)],
    ["over several lines", JSON.stringify(reply, null, 2)],
    ["with a line at its end", `${JSON.stringify(reply)}\n`],
  ] as const) {
    test(`${how} becomes the stream of a caller of the same format`, () => {
      const { output, events } = run(relay(asked("openai-chat"), candidate()).stream(), encoder.encode(text));
      expect(events.some((event) => event.type === "error")).toBe(false);
      expect(output.toString()).toStartWith("data: {");
      expect(output.toString()).toContain('"content":"Hello"');
      expect(output.toString()).toEndWith("data: [DONE]\n\n");
    });

    test(`${how} becomes the stream of a caller of another format`, () => {
      const to = inquiryIn("anthropic-messages", { stream: true });
      const { output, events } = run(convert(to, candidate("openai-chat")).stream(), encoder.encode(text));
      expect(events.map((event) => event.type)).toContain("message-end");
      expect(events.some((event) => event.type === "error")).toBe(false);
      expect(output.toString()).toContain('"text":"Hello"');
      expect(output.toString()).toContain("event: message_stop");
    });
  }
});

const ODD: [string, string][] = [
  ["nothing at all", ""],
  ["only comments", ": hello\n\n: there\n\n"],
  ["text that is no event", "Service Unavailable\n"],
  ["a page", "<html><body>502 Bad Gateway</body></html>"],
  ["half of a JSON text", 'data: {"id":"x","choices":[{"del\n\n'],
  ["JSON that is no object", "data: 5\n\ndata: null\n\ndata: []\n\n"],
  ["a bare error", '{"error":{"message":"no","type":"server_error","code":500,"status":"INTERNAL"}}'],
];
for (const dialect of FORMATS) {
  for (const [name, text] of ODD) {
    test(`${name} from an upstream of ${dialect} is the same failure to relay and convert`, () => {
      const { relayed, converted } = both(dialect, text);
      expect(relayed.events).toEqual(converted.events);
      expect(relayed.failed).toBe(true);
    });
  }
}
