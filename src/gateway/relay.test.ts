/**
 * Tests of the relay: bytes come through untouched however they are cut, and only what must not reach the caller is left out.
 * A copy is decoded for metering; whatever happens to it, the caller's stream goes on.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { candidate, chatStream, chunk, inquiryIn, sse } from "../../test/support/calls.ts";
import type { CanonicalEvent } from "../core/event.ts";
import type { Dialect } from "../dialects/dialect.ts";
import { DIALECTS } from "../dialects/index.ts";
import { SseLimitError } from "../upstream/sse.ts";
import type { GenerationInquiry as Inquiry } from "./inquiry.ts";
import { relay } from "./relay.ts";
import type { Piece, ReplyStream } from "./translation.ts";

const encoder = new TextEncoder();

/** What the caller gets and the meter sees of a stream that comes in these pieces. Stops at an error, as its users do. */
function run(stream: ReplyStream, pieces: readonly Uint8Array[]): { output: Buffer; events: CanonicalEvent[] } {
  const outputs: Uint8Array[] = [];
  const events: CanonicalEvent[] = [];
  const take = (piece: Piece) => {
    outputs.push(typeof piece.output === "string" ? encoder.encode(piece.output) : Buffer.from(piece.output));
    events.push(...piece.events);
    return piece.events.some((event) => event.type === "error");
  };
  for (const piece of pieces) if (take(stream.push(piece))) return { output: Buffer.concat(outputs), events };
  take(stream.end());
  return { output: Buffer.concat(outputs), events };
}

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.slice(ends[index - 1] ?? 0, end)).filter((piece) => piece.length > 0);
}

function inquiry(usage: boolean, over: Partial<Inquiry> = {}): Inquiry {
  const stream_options = usage ? { stream_options: { include_usage: true } } : {};
  const body = { model: "m", messages: [{ role: "user", content: "Hi" }], ...stream_options };
  return { ...inquiryIn("openai-chat", { body, stream: true }), ...over };
}

function streamOf(usage: boolean, over: Partial<Inquiry> = {}): ReplyStream {
  return relay(inquiry(usage, over), candidate()).stream();
}

const places = fc.array(fc.nat(), { maxLength: 40 });
const lines = fc.constantFrom("\n", "\r\n");
/** Streams with comments, unknown fields, characters of several bytes, and either kind of line. */
const streams = fc
  .tuple(
    lines,
    fc.array(
      fc.oneof(
        fc
          .string({ unit: "grapheme", maxLength: 12 })
          .map((text) => `data: ${JSON.stringify(chunk({ content: text }))}\n\n`),
        fc.constantFrom(
          ": comment ✓\n\n",
          ":\n",
          "event: x\nid: 7\ndata: {}\n\n",
          "retry: 5\n\n",
          "data: half\ndata: two\n\n",
        ),
      ),
      { maxLength: 12 },
    ),
  )
  .map(([line, blocks]) => [...blocks, chatStream("done ü 🙂")].join("").replaceAll("\n", line));

describe("bytes of a stream", () => {
  test("come through as they were, however they are cut", () => {
    fc.assert(
      fc.property(streams, places, (text, at) => {
        const bytes = encoder.encode(text);
        expect(run(streamOf(true), cut(bytes, at)).output.equals(bytes)).toBe(true);
      }),
    );
  });

  test("report the same events, however they are cut", () => {
    fc.assert(
      fc.property(streams, places, (text, at) => {
        const bytes = encoder.encode(text);
        expect(run(streamOf(true), cut(bytes, at)).events).toEqual(run(streamOf(true), [bytes]).events);
      }),
    );
  });

  test("that are no valid UTF-8 come through as they were", () => {
    const bytes = Buffer.concat([
      encoder.encode('data: {"a":"'),
      Buffer.from([0xff, 0xc3, 0x28]),
      encoder.encode('"}\n\n'),
    ]);
    const all = Buffer.concat([bytes, encoder.encode(chatStream("x"))]);
    expect(run(streamOf(true), [all]).output.equals(all)).toBe(true);
  });

  test("one at a time come through as they were", () => {
    const bytes = encoder.encode(chatStream("Hello ü"));
    expect(
      run(
        streamOf(true),
        [...bytes].map((byte) => Uint8Array.of(byte)),
      ).output.equals(bytes),
    ).toBe(true);
  });

  test("of a last event without its blank line come through as well", () => {
    const bytes = encoder.encode(chatStream("x").trimEnd());
    const { output, events } = run(streamOf(true), [bytes]);
    expect(output.equals(bytes)).toBe(true);
    expect(events.at(-1)?.type).toBe("message-end");
  });

  test("of a last event that broke off are left out, so that an error after it is read as one", () => {
    const first = `data: ${JSON.stringify(chunk({ content: "a" }))}\n\n`;
    for (const broken of ['data: {"id":"c1","cho', "da", ": commen", "event: x", "data: [DON"]) {
      const { output, events } = run(streamOf(true), [encoder.encode(first + broken)]);
      expect(events.at(-1)?.type).toBe("error");
      expect(output.toString()).toStartWith(first);
      expect(output.toString()).toEndWith("\n\n");
      expect(output.toString()).not.toContain('data: {"id":"c1","cho');
    }
    const second = `data: ${JSON.stringify(chunk({ content: "b" }))}`;
    const { output } = run(streamOf(true), [encoder.encode(first + second)]);
    expect(output.toString()).toBe(`${first}${second}\n\n`);
  });

  test("are not held back once an event is whole", () => {
    const stream = streamOf(true);
    const first = `data: ${JSON.stringify(chunk({ content: "a" }))}\n\n`;
    expect(Buffer.from(stream.push(encoder.encode(`${first}data: {"ha`)).output as Uint8Array).toString()).toBe(first);
  });
});

describe("the chunk with usage", () => {
  const usage = /"choices":\[\],"usage"/;

  test("reaches a caller who asked for it", () => {
    expect(run(streamOf(true), [encoder.encode(chatStream("x"))]).output.toString()).toMatch(usage);
  });

  test("is kept from a caller who did not, and nothing else is, however the stream is cut", () => {
    const expected = chatStream("x ü").replace(/data: [^\n]*"choices":\[\],"usage"[^\n]*\n\n/, "");
    fc.assert(
      fc.property(places, lines, (at, line) => {
        const bytes = encoder.encode(chatStream("x ü").replaceAll("\n", line));
        const { output, events } = run(streamOf(false), cut(bytes, at));
        expect(output.toString()).toBe(expected.replaceAll("\n", line));
        expect(events.find((event) => event.type === "usage")).toMatchObject({ usage: { input: 10, output: 5 } });
      }),
    );
  });

  test("is kept from a caller who did not ask even when the stream ends in the middle of its last line", () => {
    const text = chatStream("x").replace("data: [DONE]\n\n", "").trimEnd();
    expect(run(streamOf(false), [encoder.encode(text)]).output.toString()).not.toMatch(usage);
  });

  test("that has choices as well is content, and stays", () => {
    const both = sse(
      { ...chunk({ content: "x" }), usage: { prompt_tokens: 1, completion_tokens: 1 } },
      chunk({}, "stop"),
    );
    expect(run(streamOf(false), [encoder.encode(both)]).output.toString()).toBe(both);
  });
});

describe("an upstream's raw error", () => {
  const before = `data: ${JSON.stringify(chunk({ content: "before ü" }))}\n\n`;
  const error = JSON.stringify({ error: { message: "secret-host.internal broke", type: "server_error" } });

  for (const [name, frame] of [
    ["as an event", `data: ${error}\n\n`],
    ["with a name", `event: error\ndata: ${error}\n\n`],
    ["bare", `${error}\n\n`],
    ["without its blank line", `data: ${error}`],
    ["bare and without its blank line", error],
  ] as const) {
    test(`${name} never reaches the caller, what came before it does`, () => {
      fc.assert(
        fc.property(places, (at) => {
          const bytes = encoder.encode(before + frame);
          const { output, events } = run(streamOf(true), cut(bytes, at));
          expect(output.toString()).toBe(before);
          expect(events.at(-1)).toMatchObject({ type: "error" });
          expect(events.filter((event) => event.type === "error").length).toBe(1);
        }),
        { numRuns: 30 },
      );
    });
  }

  test("is followed by nothing, not even what came in the same piece", () => {
    const bytes = encoder.encode(`${before}data: ${error}\n\n${before}`);
    expect(run(streamOf(true), [bytes]).output.toString()).toBe(before);
  });
});

describe("a stream that ends too early", () => {
  test("is an error event, and its bytes were the caller's", () => {
    const text = `data: ${JSON.stringify(chunk({ content: "a" }))}\n\n`;
    const { output, events } = run(streamOf(true), [encoder.encode(text)]);
    expect(output.toString()).toBe(text);
    expect(events.at(-1)).toMatchObject({ type: "error", failure: { code: "incomplete_stream" } });
  });
});

describe("limits", () => {
  test("an event that never ends is given up, in large pieces and in one", () => {
    const endless = (size: number) => encoder.encode(`data: ${"x".repeat(size)}`);
    expect(() => streamOf(true).push(endless(3_000_000))).toThrow(SseLimitError);
    const stream = streamOf(true);
    expect(() => {
      for (let i = 0; i < 30; i++) stream.push(endless(100_000));
    }).toThrow(SseLimitError);
  });

  test("an event that is over the limit although it ends is given up as well", () => {
    expect(() => streamOf(true).push(encoder.encode(`data: ${"x".repeat(3_000_000)}\n\n`))).toThrow(SseLimitError);
  });
});

describe("a decoder that fails", () => {
  function broken(over: Partial<Dialect>): Inquiry {
    return inquiry(true, { dialect: { ...DIALECTS["openai-chat"], ...over } });
  }
  const fail = () => {
    throw new Error("a bug of ours");
  };

  test("does not harm the bytes of a stream", () => {
    const bytes = encoder.encode(chatStream("x"));
    const stream = relay(broken({ streamDecoder: () => ({ frame: fail, end: fail }) }), candidate()).stream();
    expect(run(stream, cut(bytes, [10, 50, 90])).output.equals(bytes)).toBe(true);
  });

  test("does not harm the bytes of a whole reply", () => {
    const bytes = encoder.encode('{"choices":[]}');
    const piece = relay(broken({ decodeReply: fail }), candidate()).whole(bytes);
    expect(piece).toEqual({ output: bytes, events: [] });
  });
});

describe("the request", () => {
  const raw = '{ "model" : "m",\n "messages":[{"role":"user","content":"é \\u00e9"}], "x":1e2, "stream":true}';

  test("keeps every byte but the model's name and what switches usage on", () => {
    const asked = inquiry(false, { bytes: encoder.encode(raw) });
    const body = Buffer.from(relay(asked, candidate()).body as Uint8Array).toString();
    expect(JSON.parse(body)).toMatchObject({ model: "up", stream_options: { include_usage: true } });
    expect(body).toContain('"content":"é \\u00e9"}], "x":1e2');
    expect(Buffer.from(asked.bytes).toString()).toBe(raw);
  });

  test("is the caller's own bytes where nothing has to change", () => {
    const asked = inquiryIn("gemini", { stream: true });
    expect(relay(asked, candidate("gemini")).body).toBe(asked.bytes);
  });

  test("that cannot be patched is the caller's mistake", () => {
    const bytes = encoder.encode('{"model":"m","stream":true,"stream_options":"yes"}');
    expect(() => relay(inquiry(false, { bytes }), candidate())).toThrow("cannot be passed on");
  });

  test("hands on the headers of its format, and no key of the caller", () => {
    const headers = { "anthropic-beta": "b1", "x-api-key": "sk-caller", authorization: "Bearer x", cookie: "c" };
    const asked = inquiryIn("anthropic-messages", { headers });
    expect(relay(asked, candidate("anthropic-messages")).headers).toEqual({
      "anthropic-version": "2023-06-01",
      "anthropic-beta": "b1",
    });
  });
});
