/**
 * Tests of the event stream parser: the standard's rules, bare documents, limits, any split of the bytes, and every
 * recorded stream. They stand beside the parser; the recordings are read in place.
 */

import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { createJsonArrayParser } from "../../test/support/json-array.ts";
import type { SseFrame } from "../core/frame.ts";
import { createSseParser, SseLimitError, type SseOptions } from "./sse.ts";

const encoder = new TextEncoder();

function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}

function parse(chunks: Uint8Array[], options: SseOptions = {}): SseFrame[] {
  const parser = createSseParser(options);
  const frames = chunks.flatMap((chunk) => parser.push(chunk));
  return [...frames, ...parser.end()];
}

function parseText(text: string, options: SseOptions = {}): SseFrame[] {
  return parse([bytesOf(text)], options);
}

function split(bytes: Uint8Array, positions: number[]): Uint8Array[] {
  const cuts = [0, ...positions.map((p) => p % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return cuts.slice(1).map((cut, i) => bytes.subarray(cuts[i], cut));
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The same rules without any care for speed: one text, split into lines, one pass. */
function reference(text: string): SseFrame[] {
  const frames: SseFrame[] = [];
  let event = "";
  let data: string[] = [];
  let isBare = false;
  const dispatch = () => {
    const frame: SseFrame = { event: event === "" ? undefined : event, data: data.join("\n") };
    if (isBare) frame.bare = true;
    if (data.length > 0) frames.push(frame);
    event = "";
    data = [];
    isBare = false;
  };
  for (const line of text.replace(/^\uFEFF/, "").split(/\r\n|\r|\n/)) {
    if (line === "") {
      dispatch();
      continue;
    }
    if (isBare) {
      if (!/^(:|data:|event:|id:|retry:)/.test(line)) {
        data.push(line);
        continue;
      }
      dispatch();
    }
    const field = /^(data|event):? ?(.*)$/s.exec(line);
    if (/^data(:|$)/.test(line)) data.push(line === "data" ? "" : (field?.[2] ?? ""));
    else if (line.startsWith("event:")) event = field?.[2] ?? "";
    else if (/^[{[]/.test(line.startsWith(" ") || line.startsWith("\t") ? line.trimStart() : line)) {
      if (data.length > 0) dispatch();
      data.push(line);
      isBare = true;
      if (isJson(line)) dispatch();
    }
  }
  dispatch();
  return frames;
}

describe("the standard's rules", () => {
  const cases: [string, string, SseFrame[]][] = [
    ["a data line and a blank line", 'data: {"a":1}\n\n', [{ event: undefined, data: '{"a":1}' }]],
    ["an event's name before its data", "event: ping\ndata: 1\n\n", [{ event: "ping", data: "1" }]],
    ["an event's name after its data", "data: 1\nevent: ping\n\n", [{ event: "ping", data: "1" }]],
    ["the last of two names", "event: a\nevent: b\ndata: 1\n\n", [{ event: "b", data: "1" }]],
    ["an empty name", "event:\ndata: 1\n\n", [{ event: undefined, data: "1" }]],
    ["a name that does not outlive its block", "event: a\n\ndata: 1\n\n", [{ event: undefined, data: "1" }]],
    ["no space after the colon", "data:1\n\n", [{ event: undefined, data: "1" }]],
    ["only one space is taken away", "data:  1  \n\n", [{ event: undefined, data: " 1  " }]],
    ["several data lines", "data: a\ndata:\ndata: b\n\n", [{ event: undefined, data: "a\n\nb" }]],
    ["an empty data line alone", "data\n\ndata:\n\n", Array(2).fill({ event: undefined, data: "" })],
    ["CRLF", "event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n", parseText("event: a\ndata: 1\n\ndata: 2\n\n")],
    ["lone CR", "event: a\rdata: 1\r\rdata: 2\r\r", parseText("event: a\ndata: 1\n\ndata: 2\n\n")],
    ["line ends mixed", "data: 1\r\n\ndata: 2\n\r\ndata: 3\r\r\n", parseText("data: 1\n\ndata: 2\n\ndata: 3\n\n")],
    ["a byte order mark", "\uFEFFdata: 1\n\n", [{ event: undefined, data: "1" }]],
    ["comments, ids, unknown fields", ": hi\nid: 3\nretry: 1\nfoo: 2\nbar\ndata: 1\n:\n\n", parseText("data: 1\n\n")],
    ["names that only begin like ours", "dataset: 1\nevents: 2\ndat\ndata: 1\n\n", parseText("data: 1\n\n")],
    ["a last event without its blank line", "data: 1\n\ndata: 2", parseText("data: 1\n\ndata: 2\n\n")],
    ["nothing at all", "", []],
    ["only blank lines", "\n\n\r\n\n", []],
  ];
  for (const [name, text, frames] of cases) test(name, () => expect(parseText(text)).toEqual(frames));

  test("an event is delivered by the chunk that closes it", () => {
    const parser = createSseParser();
    expect(parser.push(bytesOf("data: 1\n"))).toEqual([]);
    expect(parser.push(bytesOf("\ndata: 2"))).toEqual([{ event: undefined, data: "1" }]);
    expect(parser.push(bytesOf("3\r\n\r"))).toEqual([]);
    expect(parser.push(bytesOf("\n"))).toEqual([{ event: undefined, data: "23" }]);
    expect(parser.end()).toEqual([]);
  });

  test("invalid UTF-8 becomes the replacement character", () => {
    const bytes = Uint8Array.from([...bytesOf("data: a"), 0xff, 0xe2, 0x82, ...bytesOf("b\n\n")]);
    expect(parse([bytes])).toEqual([{ event: undefined, data: "a\uFFFD\uFFFDb" }]);
  });
});

describe("documents without the data prefix", () => {
  const error = '{"error":{"code":429}}';
  const bare = (data: string) => ({ event: undefined, data, bare: true });
  test("the whole body is one line", () => expect(parseText(error)).toEqual([bare(error)]));
  test("a line is delivered before its blank line", () => {
    expect(createSseParser().push(bytesOf(`${error}\n`))).toEqual([bare(error)]);
  });
  test("after events", () => {
    expect(parseText(`data: 1\r\n\r\n${error}\r\n`)).toEqual([{ event: undefined, data: "1" }, bare(error)]);
  });
  test("right after a data line", () => {
    expect(parseText(`data: 1\n${error}\n`)).toEqual([{ event: undefined, data: "1" }, bare(error)]);
  });
  test("under a name", () => {
    expect(parseText(`event: error\n${error}\n\n`)).toEqual([{ event: "error", data: error, bare: true }]);
  });
  test("over several lines, ended by the stream, a blank line or a field", () => {
    const pretty = JSON.stringify([{ error: { code: 429, message: "x" } }], null, 2);
    expect(parseText(pretty)).toEqual([bare(pretty)]);
    expect(parseText(`data: 1\n\n${pretty}\n\ndata: 2\n\n`)[1]).toEqual(bare(pretty));
    expect(parseText(`${pretty}\ndata: 2\n\n`)).toEqual([bare(pretty), { event: undefined, data: "2" }]);
  });
  test("one document per line", () => expect(parseText('{"a":1}\n{"b":2}\n').map((f) => f.data)).toHaveLength(2));
});

describe("limits", () => {
  test("an event of just the limit passes, one more does not", () => {
    const text = `data: ${"x".repeat(92)}\n\n`;
    expect(parseText(text, { maxEventBytes: 100 })).toHaveLength(1);
    expect(() => parseText(text, { maxEventBytes: 99 })).toThrow(SseLimitError);
  });
  test("a line without an end is cut off at the limit", () => {
    const parser = createSseParser({ maxEventBytes: 1000 });
    const chunk = bytesOf("x".repeat(100));
    for (let i = 0; i < 10; i++) parser.push(chunk);
    expect(() => parser.push(chunk)).toThrow(SseLimitError);
  });
  test("an event of endless lines is cut off at the limit", () => {
    const parser = createSseParser({ maxEventBytes: 1000 });
    const chunk = bytesOf("data: x\n".repeat(10));
    expect(() => {
      for (let i = 0; i < 13; i++) parser.push(chunk);
    }).toThrow(SseLimitError);
  });
  test("the error carries the frames of the same chunk", () => {
    try {
      parseText(`data: 1\n\ndata: ${"x".repeat(100)}\n\n`, { maxEventBytes: 50 });
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(SseLimitError);
      expect((error as SseLimitError).frames).toEqual([{ event: undefined, data: "1" }]);
    }
  });
  test("keep-alive comments never add up to the limit", () => {
    const parser = createSseParser({ maxEventBytes: 100 });
    for (let i = 0; i < 100; i++) expect(parser.push(bytesOf(i % 2 ? ": ping\n" : ": ping\n\n"))).toEqual([]);
  });
});

describe("exact text", () => {
  test("each frame carries its own text, comments before it included", () => {
    const frames = parseText(": hi\n\ndata: 1\r\n\r\nevent: x\n\ndata: 2\n\n", { raw: true });
    expect(frames.map((f) => f.raw)).toEqual([": hi\n\ndata: 1\r\n\r\n", "event: x\n\ndata: 2\n\n"]);
  });
  test("comments can be taken before the next event comes", () => {
    const parser = createSseParser({ raw: true });
    parser.push(bytesOf(": ping\n\ndata: 1"));
    expect(parser.takeRest()).toBe(": ping\n\n");
    expect(parser.push(bytesOf("\n\n: x")).map((f) => f.raw)).toEqual(["data: 1\n\n"]);
    expect(parser.end()).toEqual([]);
    expect(parser.takeRest()).toBe(": x");
  });
  test("comments that nobody takes are limited", () => {
    const parser = createSseParser({ raw: true, maxEventBytes: 100 });
    expect(() => {
      for (let i = 0; i < 100; i++) parser.push(bytesOf(": ping\n\n"));
    }).toThrow(SseLimitError);
  });
});

const piece = fc.constantFrom(
  "data: ",
  "data:",
  "data",
  "event: ",
  "event:",
  "id: 1",
  ": c",
  "\n",
  "\n",
  "\n\n",
  "\r\n",
  "\r\n\r\n",
  "\r",
  " ",
  "\t",
  "{",
  "}",
  '{"a":1}',
  "[",
  "]",
  "é€😀",
  "\uFEFF",
  "x",
  '"',
  "[DONE]",
);
const streamText = fc.array(fc.oneof(piece, piece, fc.string({ unit: "binary", maxLength: 8 })), { maxLength: 40 });
const cutPositions = fc.array(fc.nat(400), { maxLength: 12 });

describe("properties", () => {
  test("any text gives the reference's frames, however its bytes are split", () => {
    fc.assert(
      fc.property(streamText, cutPositions, (pieces, positions) => {
        const bytes = bytesOf(pieces.join(""));
        const expected = reference(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
        expect(parse([bytes])).toEqual(expected);
        expect(parse(split(bytes, positions))).toEqual(expected);
        expect(parse(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });

  test("with raw, all text comes out once and in order", () => {
    fc.assert(
      fc.property(streamText, cutPositions, fc.boolean(), (pieces, positions, takesRest) => {
        const bytes = bytesOf(pieces.join(""));
        const parser = createSseParser({ raw: true });
        let raw = "";
        const frames: SseFrame[] = [];
        const take = (more: SseFrame[], rest: boolean) => {
          for (const frame of more) raw += frame.raw;
          if (rest) raw += parser.takeRest();
          frames.push(...more);
        };
        for (const chunk of split(bytes, positions)) take(parser.push(chunk), takesRest);
        take(parser.end(), true);
        expect(raw).toBe(new TextDecoder().decode(bytes));
        expect(frames.map(({ raw: _, ...frame }) => frame)).toEqual(parse([bytes]));
      }),
      { numRuns: 1000 },
    );
  });

  test("random bytes throw nothing but the limit, at the same place however they are split", () => {
    const byte = fc.oneof(fc.nat(255), fc.constantFrom(10, 13, 123, 91, 0xe2, 0xef, 0xbb, 0xbf, 0xf0));
    const run = (chunks: Uint8Array[]) => {
      const frames: SseFrame[] = [];
      const parser = createSseParser({ maxEventBytes: 40 });
      try {
        for (const chunk of chunks) frames.push(...parser.push(chunk));
        frames.push(...parser.end());
      } catch (error) {
        if (!(error instanceof SseLimitError)) throw error;
        return [...frames, ...error.frames, "limit"];
      }
      return frames;
    };
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 200 }), cutPositions, (values, positions) => {
        const bytes = Uint8Array.from(values);
        expect(run(split(bytes, positions))).toEqual(run([bytes]));
      }),
      { numRuns: 2000 },
    );
  });
});

const recordings = join(import.meta.dir, "../../../shared/wire");
const isAbsent = !existsSync(recordings);

/** The text of every recorded stream, by its file. */
function* recordedStreams(): Generator<[string, string]> {
  for (const path of readdirSync(recordings, { recursive: true, encoding: "utf8" })) {
    if (!path.includes("/") || !path.endsWith(".json")) continue;
    const { response } = JSON.parse(readFileSync(join(recordings, path), "utf8"));
    if (typeof response?.sse === "string") yield [path, response.sse];
  }
}

describe("recorded streams", () => {
  test("the recordings are there in continuous integration", () => {
    if (Bun.env.CI === "true") expect(isAbsent).toBe(false);
  });

  // Skipped where ../shared/wire, which is not part of the repository, is absent.
  test.skipIf(isAbsent)("each gives the reference's frames, and data that is JSON", () => {
    let streams = 0;
    let frames = 0;
    const odd: string[] = [];
    for (const [path, text] of recordedStreams()) {
      const bytes = bytesOf(text);
      const isArray = text.trimStart().startsWith("[");
      const found = isArray ? parseArray(bytes) : parse([bytes]);
      const expected = isArray ? JSON.parse(text).length : reference(text).length;
      expect([path, found.length]).toEqual([path, expected]);
      if (!isArray) expect(parse(split(bytes, [7, 1001, 1002, 4097, 65537]))).toEqual(found);
      for (const frame of found) if (frame.data !== "[DONE]" && !isJson(frame.data)) odd.push(path);
      streams++;
      frames += found.length;
    }
    console.log(`${streams} recorded streams, ${frames} frames, ${odd.length} of them no JSON`, [...new Set(odd)]);
    expect(streams).toBeGreaterThan(500);
    expect(odd.length).toBeLessThan(10);
  });
});

function parseArray(bytes: Uint8Array): SseFrame[] {
  const parser = createJsonArrayParser();
  return [...parser.push(bytes), ...parser.end()];
}
