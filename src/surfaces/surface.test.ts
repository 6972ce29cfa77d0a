/**
 * Tests of what surfaces find in a request: the key in any of its carriers, and Gemini's model, verb and framing in the path.
 * Every carrier must lead to the same checks.
 */
import { describe, expect, test } from "bun:test";
import { gemini } from "./gemini.ts";
import { credential } from "./surface.ts";
import { locate } from "./url.ts";

const keyIn = (headers: Record<string, string>, query?: string) => credential(new Headers(headers), () => query);

describe("a key is found", () => {
  test("in each of its carriers", () => {
    expect(keyIn({ authorization: "Bearer k" })).toBe("k");
    expect(keyIn({ "x-api-key": "k" })).toBe("k");
    expect(keyIn({ "x-goog-api-key": "k" })).toBe("k");
    expect(keyIn({}, "k")).toBe("k");
    expect(keyIn({})).toBeUndefined();
  });

  test("in the first of several: authorization, then the headers, then the query", () => {
    const all = { authorization: "Bearer a", "x-api-key": "b", "x-goog-api-key": "c" };
    expect(keyIn(all, "d")).toBe("a");
    const { authorization: _, ...two } = all;
    expect(keyIn(two, "d")).toBe("b");
    expect(keyIn({ "x-goog-api-key": "c" }, "d")).toBe("c");
  });

  test("however the scheme is written, and without the blanks around it", () => {
    expect(keyIn({ authorization: "bearer k" })).toBe("k");
    expect(keyIn({ authorization: "BEARER   k " })).toBe("k");
  });

  test("in another carrier when the first one holds none", () => {
    expect(keyIn({ authorization: "Bearer ", "x-api-key": "k" })).toBe("k");
    expect(keyIn({ authorization: "Basic abc", "x-api-key": "k" })).toBe("k");
    expect(keyIn({ authorization: "k", "x-goog-api-key": "g" })).toBe("g");
    expect(keyIn({ "x-api-key": "" }, "q")).toBe("q");
  });
});

const match = (path: string) => gemini.match(locate(`http://host${path}`));

describe("Gemini's paths", () => {
  const PATHS: [path: string, model: string, stream: boolean, framing: string][] = [
    ["/v1beta/models/m:generateContent", "m", false, "sse"],
    ["/v1/models/m:generateContent", "m", false, "sse"],
    ["/v1beta/models/m:streamGenerateContent?alt=sse", "m", true, "sse"],
    ["/v1beta/models/m:streamGenerateContent?key=k&alt=sse", "m", true, "sse"],
    ["/v1beta/models/m:streamGenerateContent", "m", true, "json-array"],
    ["/v1beta/models/m:streamGenerateContent?alt=json", "m", true, "json-array"],
    ["/v1beta/models/m:generateContent?alt=json", "m", false, "sse"],
    ["/v1beta/models/vendor/m:generateContent", "vendor/m", false, "sse"],
    ["/v1beta/models/vendor%2Fm:generateContent", "vendor/m", false, "sse"],
    ["/v1beta/models/vendor/m:free:generateContent", "vendor/m:free", false, "sse"],
    ["/v1beta/models/m%3Afree:generateContent", "m:free", false, "sse"],
  ];
  for (const [path, model, stream, framing] of PATHS) {
    test(`${path} asks ${model}`, () => expect(match(path)).toMatchObject({ path: { model, stream }, framing }));
  }

  const OTHERS = [
    "/v1beta/models",
    "/v1beta/models/m",
    "/v1beta/models/:generateContent",
    "/v1beta/models/m:",
    "/v1beta/models/m:GenerateContent",
    "/v1beta/models/m:generateContent/x",
    "/v1beta/models/m%3AgenerateContent",
    "/v1beta/model/m:generateContent",
    "/v1beta/modelsx/m:generateContent",
    "/v1beta/m:generateContent",
  ];
  for (const path of OTHERS) test(`${path} is no call`, () => expect(match(path)).toBeUndefined());
});
