/**
 * Binary event streams: messages that other programs made, the format's limits, streams cut at every byte, and damage.
 * The frames are built by the specification here; two of them are published examples, byte for byte.
 */
import { describe, expect, test } from "bun:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import type { EventMessage } from "../core/frame.ts";
import { createMessageParser, EventStreamError, ofMessages } from "./event-stream.ts";
import { UpstreamFault, type UpstreamResponse } from "./http.ts";

function uint(value: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
}

function textHeader(name: string, value: string): Buffer {
  return Buffer.concat([
    uint(Buffer.byteLength(name), 1),
    Buffer.from(name),
    uint(7, 1),
    uint(Buffer.byteLength(value), 2),
    Buffer.from(value),
  ]);
}

function frame(headers: Buffer, payload: Buffer): Buffer {
  const prelude = Buffer.concat([uint(16 + headers.length + payload.length, 4), uint(headers.length, 4)]);
  const body = Buffer.concat([prelude, uint(crc32(prelude), 4), headers, payload]);
  return Buffer.concat([body, uint(crc32(body), 4)]);
}

const message = (headers: Record<string, string>, payload: string) =>
  frame(Buffer.concat(Object.entries(headers).map(([name, value]) => textHeader(name, value))), Buffer.from(payload));

/** The published test vectors of the format's implementations. */
const PUBLISHED = {
  empty: "000000100000000005c248eb7d98c8ff",
  payloadWithoutHeaders: "0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936",
};

function parse(bytes: Uint8Array, cut = bytes.length, limit?: number): EventMessage[] {
  const parser = createMessageParser(limit);
  const found: EventMessage[] = [];
  for (let at = 0; at < bytes.length; at += cut) {
    parser.push(bytes.subarray(at, at + cut));
    for (let next = parser.next(); next; next = parser.next()) found.push(next);
  }
  expect(parser.isEmpty()).toBe(true);
  return found;
}

const shown = (messages: EventMessage[]) =>
  messages.map(({ headers, payload }) => ({ headers: { ...headers }, payload: Buffer.from(payload).toString() }));

describe("messages", () => {
  test("are read as published", () => {
    expect(shown(parse(Buffer.from(PUBLISHED.empty, "hex")))).toEqual([{ headers: {}, payload: "" }]);
    expect(shown(parse(Buffer.from(PUBLISHED.payloadWithoutHeaders, "hex")))).toEqual([
      { headers: {}, payload: "{'foo':'bar'}" },
    ]);
  });

  test("have texts among headers of every type", () => {
    const header = (name: string, type: number, value: Buffer) =>
      Buffer.concat([uint(name.length, 1), Buffer.from(name), uint(type, 1), value]);
    const headers = Buffer.concat([
      header("true", 0, Buffer.alloc(0)),
      header("false", 1, Buffer.alloc(0)),
      header("byte", 2, Buffer.alloc(1)),
      header("short", 3, Buffer.alloc(2)),
      textHeader(":event-type", "chunk ü"),
      header("int", 4, Buffer.alloc(4)),
      header("long", 5, Buffer.alloc(8)),
      header("bytes", 6, Buffer.concat([uint(3, 2), Buffer.alloc(3)])),
      header("time", 8, Buffer.alloc(8)),
      header("uuid", 9, Buffer.alloc(16)),
      textHeader("__proto__", "harmless"),
    ]);
    const [one] = parse(frame(headers, Buffer.from("p")));
    expect(Object.entries(one?.headers ?? {})).toEqual([
      [":event-type", "chunk ü"],
      ["__proto__", "harmless"],
    ]);
  });

  test("are the same however the stream is cut", () => {
    const bytes = Buffer.concat([
      message({ ":message-type": "event", ":event-type": "chunk" }, '{"bytes":"e30="}'),
      message({}, ""),
      message({ ":message-type": "event" }, "x".repeat(300)),
    ]);
    const whole = shown(parse(bytes));
    expect(whole).toHaveLength(3);
    for (let cut = 1; cut <= bytes.length; cut++) expect(shown(parse(bytes, cut))).toEqual(whole);
  });

  test("that one byte changed in are refused", () => {
    const bytes = message({ ":event-type": "chunk" }, "payload");
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ 0x55;
      const parser = createMessageParser();
      parser.push(damaged);
      expect(() => parser.next()).toThrow(EventStreamError);
    }
  });

  test("of lengths that contradict each other, or with headers cut off, are refused", () => {
    const prelude = (length: number, headers: number) => {
      const both = Buffer.concat([uint(length, 4), uint(headers, 4)]);
      return Buffer.concat([both, uint(crc32(both), 4), Buffer.alloc(8)]);
    };
    const refusal = (bytes: Buffer) => {
      const parser = createMessageParser();
      parser.push(bytes);
      try {
        return parser.next();
      } catch (error) {
        return (error as EventStreamError).message;
      }
    };
    expect(refusal(prelude(15, 0))).toContain("contradict");
    expect(refusal(prelude(20, 5))).toContain("contradict");
    expect(refusal(prelude(0xffffffff, 0))).toContain("too long");
    expect(refusal(frame(Buffer.from([5, 97]), Buffer.alloc(0)))).toContain("cut off");
    expect(refusal(frame(Buffer.from([1, 97, 7, 0, 9]), Buffer.alloc(0)))).toContain("cut off");
    expect(refusal(frame(Buffer.from([1, 97, 77]), Buffer.alloc(0)))).toContain("unknown type");
  });

  test("beyond the limit are refused by their prelude, before they have come", () => {
    const parser = createMessageParser(100);
    parser.push(message({}, "x".repeat(85)).subarray(0, 12));
    expect(() => parser.next()).toThrow(expect.objectContaining({ tooLarge: true }));
    expect(shown(parse(message({}, "x".repeat(84)), 7, 100))[0]?.payload).toHaveLength(84);
  });

  test("survive any payload and any cutting; any bytes at all are read or refused", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), fc.nat(50), (payloads, cut) => {
        const bytes = Buffer.concat(payloads.map((payload) => frame(Buffer.alloc(0), Buffer.from(payload))));
        const read = parse(bytes, cut + 1).map(({ payload }) => Buffer.from(payload).toString("hex"));
        expect(read).toEqual(payloads.map((payload) => Buffer.from(payload).toString("hex")));
      }),
      { numRuns: 100 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const parser = createMessageParser();
        parser.push(bytes);
        try {
          parser.next();
        } catch (error) {
          expect(error).toBeInstanceOf(EventStreamError);
        }
      }),
      { numRuns: 200 },
    );
  });
});

function response(chunks: Uint8Array[]): UpstreamResponse & { cancelled: boolean } {
  const left = [...chunks];
  return {
    status: 200,
    headers: new Headers(),
    cancelled: false,
    next: async () => left.shift(),
    readAll: async () => Buffer.concat(left),
    cancel() {
      this.cancelled = true;
    },
  };
}

const textOf = ({ payload }: EventMessage) => Buffer.from(payload).toString();
const read = async (from: UpstreamResponse) => {
  let text = "";
  try {
    for (let piece = await from.next(); piece; piece = await from.next()) text += Buffer.from(piece).toString();
    return { text };
  } catch (error) {
    if (error instanceof UpstreamFault) return { text, fault: error.kind };
    throw error;
  }
};

describe("a response of messages", () => {
  const bytes = Buffer.concat([message({}, "one "), message({}, ""), message({}, "two")]);

  test("reads as the text of its messages", async () => {
    expect(await read(ofMessages(response([bytes]), textOf))).toEqual({ text: "one two" });
    const tiny = [...bytes].map((byte) => Uint8Array.of(byte));
    expect(await read(ofMessages(response(tiny), textOf))).toEqual({ text: "one two" });
    expect(Buffer.from(await ofMessages(response(tiny), textOf).readAll()).toString()).toBe("one two");
  });

  test("that ends inside of a message is a fault after the text before it, and is closed", async () => {
    const inner = response([bytes.subarray(0, bytes.length - 1)]);
    expect(await read(ofMessages(inner, textOf))).toEqual({ text: "one ", fault: "protocol" });
    expect(inner.cancelled).toBe(true);
  });

  test("that is damaged is a fault after the text before it", async () => {
    const damaged = Buffer.from(bytes);
    damaged[bytes.length - 6] = 0;
    expect(await read(ofMessages(response([damaged]), textOf))).toEqual({ text: "one ", fault: "protocol" });
  });

  test("is read whole up to a limit", async () => {
    expect(ofMessages(response([bytes]), textOf).readAll(3)).rejects.toThrow("too-large");
  });
});
