/**
 * Tests of vectors in both encodings and of estimated tokens.
 * A client reads base64 as bytes without asking, so a wrong byte is a wrong vector that nobody notices.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type EmbeddingInput, type EmbeddingPart, encodeVector, estimateTokens } from "./embedding.ts";

/** JSON has no negative zero. */
const float = fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => value || 0);
const bits = (values: readonly number[]) => Array.from(new Int32Array(Float32Array.from(values).buffer));

describe("a vector", () => {
  test("is little-endian in base64, four bytes a number", () => {
    expect(encodeVector([1, -2, 0.5], "base64")).toBe("AACAPwAAAMAAAAA/");
    expect(encodeVector("AACAPwAAAMAAAAA/", "float")).toEqual([1, -2, 0.5]);
  });

  test("stays as it is in the encoding that it has", () => {
    const numbers = [0.1, 0.2];
    expect(encodeVector(numbers, "float")).toBe(numbers);
    expect(encodeVector("AACAPw==", "base64")).toBe("AACAPw==");
  });

  test("loses nothing on the way through base64 and back", () => {
    fc.assert(
      fc.property(fc.array(float, { minLength: 1, maxLength: 50 }), (values) => {
        const back = encodeVector(encodeVector(values, "base64") as string, "float") as number[];
        expect(bits(back)).toEqual(bits(values));
      }),
    );
  });

  test("is written with no more digits than a 32-bit float has", () => {
    const text = encodeVector([0.102023296, -0.0138916], "base64") as string;
    expect(JSON.stringify(encodeVector(text, "float"))).toBe("[0.102023296,-0.0138916001]");
  });

  test("that holds anything else is none", () => {
    for (const wrong of [[1, null], [Number.NaN], ["1"], [[1]], [Number.POSITIVE_INFINITY]] as unknown as number[][]) {
      expect(encodeVector(wrong, "float")).toBeUndefined();
      expect(encodeVector(wrong, "base64")).toBeUndefined();
    }
    expect(encodeVector([1e39], "base64")).toBeUndefined();
    for (const text of ["", "AAA", "AACAPwA=", "AADAfw=="]) expect(encodeVector(text, "float")).toBeUndefined();
  });
});

describe("tokens", () => {
  const of = (...contents: EmbeddingInput["content"][]) =>
    estimateTokens({ model: "m", inputs: contents.map((content) => ({ content })), single: false, encoding: "float" });
  const text = (value: string): EmbeddingPart => ({ type: "text", text: value });

  test("are about a quarter of a text's bytes, and at least one for each input", () => {
    expect(of({ type: "parts", parts: [text("a".repeat(40))] })).toBe(10);
    expect(of({ type: "parts", parts: [text("日本語のテキスト")] })).toBe(6);
    expect(of({ type: "parts", parts: [text("")] }, { type: "parts", parts: [text("a")] })).toBe(2);
  });

  test("are counted where they are given, and a picture is some hundreds whatever its size", () => {
    expect(of({ type: "tokens", tokens: [1, 2, 3] })).toBe(3);
    const picture: EmbeddingPart = { type: "opaque", dialect: "gemini-embeddings", value: "x".repeat(100_000) };
    expect(of({ type: "parts", parts: [text("logo"), picture] })).toBe(259);
  });
});
