/**
 * Tests of the array cutter: elements of every kind, documents outside of an array, limits, and any split of the
 * bytes. They stand beside the parser.
 */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { SseFrame } from "../../src/core/frame.ts";
import { SseLimitError } from "../../src/upstream/sse.ts";
import { createJsonArrayParser } from "./json-array.ts";

function parse(chunks: Uint8Array[], maxEventBytes?: number): SseFrame[] {
  const parser = createJsonArrayParser({ maxEventBytes });
  const frames = chunks.flatMap((chunk) => parser.push(chunk));
  return [...frames, ...parser.end()];
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function dataOf(text: string): string[] {
  return parse([bytesOf(text)]).map((frame) => frame.data);
}

describe("elements", () => {
  test("objects come out as they were written", () => {
    expect(dataOf('[{ "a": "]}\\"" }\n,\r\n{"b":[1,{"c":"{["}]}\n]\n')).toEqual([
      '{ "a": "]}\\"" }',
      '{"b":[1,{"c":"{["}]}',
    ]);
  });
  test("an element is delivered by the chunk that closes it", () => {
    const parser = createJsonArrayParser();
    expect(parser.push(bytesOf('[{"a":'))).toEqual([]);
    expect(parser.push(bytesOf('1}\n,{"b"'))).toEqual([{ event: undefined, data: '{"a":1}' }]);
    expect(parser.end()).toEqual([{ event: undefined, data: '{"b"' }]);
  });
  test("an object outside of an array is marked as bare", () => {
    expect(parse([bytesOf('\uFEFF {"error":{}}\n')])).toEqual([{ event: undefined, data: '{"error":{}}', bare: true }]);
    expect(parse([bytesOf('[{"a":1}]\n{"error":{}}')])[1]).toEqual({
      event: undefined,
      data: '{"error":{}}',
      bare: true,
    });
  });
  test("an empty array and text that is no JSON give nothing", () => {
    expect(dataOf("[ ]")).toEqual([]);
    expect(dataOf("<html>Bad gateway</html>")).toEqual([]);
  });
});

describe("limits", () => {
  test("an element of just the limit passes, one more does not", () => {
    const text = `[${JSON.stringify("x".repeat(98))}]`;
    expect(parse([bytesOf(text)], 100)).toHaveLength(1);
    expect(() => parse([bytesOf(text)], 99)).toThrow(SseLimitError);
  });
  test("an element without an end is cut off at the limit", () => {
    const parser = createJsonArrayParser({ maxEventBytes: 1000 });
    parser.push(bytesOf('["'));
    expect(() => {
      for (let i = 0; i < 11; i++) parser.push(bytesOf("x".repeat(100)));
    }).toThrow(SseLimitError);
  });
});

describe("properties", () => {
  const spaces = fc.constantFrom(0, 2, "\t");

  test("an array's elements come out, however the bytes are split", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), spaces, fc.array(fc.nat(2000)), (values, indent, positions) => {
        const bytes = bytesOf(JSON.stringify(values, null, indent));
        const cuts = [0, ...positions.map((p) => p % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
        const chunks = cuts.slice(1).map((cut, i) => bytes.subarray(cuts[i], cut));
        const expected = values.map((value) => JSON.parse(JSON.stringify(value)));
        expect(parse(chunks).map((frame) => JSON.parse(frame.data))).toEqual(expected);
        const single = Array.from(bytes, (byte) => Uint8Array.of(byte));
        expect(parse(single)).toEqual(parse([bytes]));
      }),
      { numRuns: 500 },
    );
  });

  test("random text throws nothing but the limit, and splits make no difference", () => {
    const part = fc.constantFrom("[", "]", "{", "}", '"', "\\", ",", " ", "a", "1", ":", "é", "\n");
    const run = (chunks: Uint8Array[]) => {
      const parser = createJsonArrayParser({ maxEventBytes: 30 });
      const frames: (SseFrame | string)[] = [];
      try {
        for (const chunk of chunks) frames.push(...parser.push(chunk));
        frames.push(...parser.end());
      } catch (error) {
        if (!(error instanceof SseLimitError)) throw error;
        frames.push(...error.frames, "limit");
      }
      return frames;
    };
    fc.assert(
      fc.property(fc.array(part, { maxLength: 80 }), (parts) => {
        const bytes = bytesOf(parts.join(""));
        expect(run(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(run([bytes]));
      }),
      { numRuns: 3000 },
    );
  });
});
