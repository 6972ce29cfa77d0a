/**
 * Tests of taking a URL apart: which spellings of a path are the same place, and that no other spelling is.
 * A path that is read in two ways is how checks are walked around.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decodeSegment, locate, queryParameter } from "./url.ts";

const at = (path: string) => locate(`http://host:8080${path}`);

describe("the same place", () => {
  const SPELLINGS: [path: string, route: string, beta?: boolean, api?: boolean][] = [
    ["/v1/chat/completions", "chat/completions"],
    ["/chat/completions", "chat/completions"],
    ["/v1/v1/messages", "messages"],
    ["/v1/v1/v1/messages", "messages"],
    ["/api/v1/chat/completions", "chat/completions", false, true],
    ["/api/v1/v1/messages", "messages", false, true],
    ["/v1/api/v1/messages", "messages", false, true],
    ["/v1/chat/completions/", "chat/completions"],
    ["/v1/chat/completions?x=1", "chat/completions"],
    ["/v1/chat/completions/?x=1", "chat/completions"],
    ["/v1beta/models/m:generateContent", "models/m:generateContent", true],
    ["/v1/models/m:generateContent", "models/m:generateContent"],
    ["/v1/v1beta/models", "models", true],
    ["/v1beta/v1beta/models", "models", true],
    ["/v1beta/v1/models", "models", true],
    ["/v1/models/vendor/m", "models/vendor/m"],
    ["/healthz", "healthz"],
    ["/", ""],
    ["", ""],
  ];
  for (const [path, route, beta = false, api = false] of SPELLINGS) {
    test(`${path || "(nothing)"} is ${route || "the root"}`, () =>
      expect(at(path)).toMatchObject({ route, beta, api }));
  }
});

describe("another place", () => {
  const TRICKS = [
    "//v1/chat/completions",
    "/v1//chat/completions",
    "/v1/chat//completions",
    "/v1/chat/completions//",
    "/v1/./chat/completions",
    "/v1/../v1/chat/completions",
    "/v1/chat%2fcompletions",
    "/v1/chat%2Fcompletions",
    "/v1/%63hat/completions",
    "/v1/%2e/chat/completions",
    "/V1/chat/completions",
    "/v1/Chat/completions",
    "/v1/chat/COMPLETIONS",
    "/v1/chat/completions;x",
    "/v1;x=y/chat/completions",
    "/v1/chat;x/completions",
    "/v1/chat/completions%20",
    "/v1/chat/completions%00",
    "/v1/chat/completions\\",
    "/v1\\chat\\completions",
    "/v2/chat/completions",
    "/v1x/chat/completions",
    "/api/chat/completions",
    "/API/v1/chat/completions",
    "/v1BETA/chat/completions",
    "/prefix/v1/chat/completions",
  ];
  for (const path of TRICKS) {
    test(`${path} is not chat/completions`, () => expect(at(path).route).not.toBe("chat/completions"));
  }
});

describe("the query", () => {
  test("begins at the first question mark and belongs to no path", () => {
    expect(at("/v1/models?key=a/b?c&d=/v1/")).toMatchObject({ route: "models", query: "key=a/b?c&d=/v1/" });
    expect(at("/v1/models#x?y")).toMatchObject({ route: "models" });
  });

  test("of a URL without a path is none of the host", () => {
    expect(locate("http://host")).toEqual({ route: "", beta: false, api: false, query: "" });
  });

  test("is read by name: the first value, decoded", () => {
    expect(queryParameter("alt=sse&key=a%20b&key=c", "key")).toBe("a b");
    expect(queryParameter("alt=sse", "key")).toBeUndefined();
    expect(queryParameter("", "key")).toBeUndefined();
    expect(queryParameter("key=%zz", "key")).toBeDefined();
  });
});

test("a segment is decoded, and stays as it is when it cannot be", () => {
  expect(decodeSegment("a%2Fb%3Ac")).toBe("a/b:c");
  expect(decodeSegment("plain")).toBe("plain");
  expect(decodeSegment("%zz%2F")).toBe("%zz%2F");
});

test("any URL is taken apart without an error, and its route never begins with a version", () => {
  const pieces = fc.constantFrom(
    "v1",
    "api",
    "v1beta",
    "models",
    "",
    ".",
    "..",
    "%2e",
    "?",
    "#",
    "m:x",
    ";",
    "\\",
    "//",
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), (all) => {
      const { route } = at(`/${all.join("/")}`);
      expect(route).not.toMatch(/^(v1|v1beta|api\/v1)\//);
    }),
  );
});
