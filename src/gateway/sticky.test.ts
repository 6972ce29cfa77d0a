/**
 * Tests of telling conversations apart and of remembering who served them.
 * Two conversations taken for one would share nothing but an endpoint; one taken for two would miss its warm cache.
 */
import { describe, expect, test } from "bun:test";
import type { Head } from "../core/head.ts";
import type { JsonObject } from "../core/json.ts";
import { conversationOf, createSticky } from "./sticky.ts";

const head: Head = { model: "m", stream: false, candidates: 1, needs: [], wantsStreamUsage: true };
const user = (content: JsonObject["content"]) => ({ role: "user", content });
const answer = { role: "assistant", content: "Hello" };

function number(
  body: JsonObject,
  over: Partial<Head> = {},
  headers: Record<string, string> = {},
  key = "k",
  model = "m",
) {
  return conversationOf(key, model, { ...head, ...over }, new Headers(headers), body);
}

describe("a conversation", () => {
  const first = { messages: [user("Hi")] };

  test("is the one that the caller names, in a header before the body", () => {
    const named = number(first, { session: "s" });
    expect(number({ messages: [user("Else")] }, { session: "s" })).toBe(named!);
    expect(number(first, { session: "t" })).not.toBe(named!);
    expect(number(first, { session: "t" }, { "x-session-id": "s" })).toBe(named!);
    expect(number(first)).not.toBe(named!);
  });

  test("is of one key and one model", () => {
    const named = number(first, { session: "s" });
    expect(number(first, { session: "s" }, {}, "other")).not.toBe(named!);
    expect(number(first, { session: "s" }, {}, "k", "other")).not.toBe(named!);
  });

  const BEGINNINGS: [format: string, begun: JsonObject, later: JsonObject, other: JsonObject][] = [
    [
      "Chat",
      { messages: [{ role: "system", content: "Be" }, user("Hi")] },
      { messages: [{ role: "system", content: "Be" }, user([{ type: "text", text: "Hi" }]), answer, user("So?")] },
      { messages: [{ role: "system", content: "Bee" }, user("Hi")] },
    ],
    [
      "Messages",
      { system: [{ type: "text", text: "Be" }], messages: [user("Hi")] },
      { system: "Be", messages: [user("Hi"), answer, user("So?")] },
      { system: "Be", messages: [user("Ho")] },
    ],
    [
      "Responses",
      {
        instructions: "Be",
        input: [{ role: "developer", content: "Now" }, user([{ type: "input_text", text: "Hi" }])],
      },
      { instructions: "Be", input: [{ role: "developer", content: "Now" }, user("Hi"), answer] },
      { instructions: "Be", input: "Hi" },
    ],
    [
      "Gemini",
      { systemInstruction: { parts: [{ text: "Be" }] }, contents: [{ role: "user", parts: [{ text: "Hi" }] }] },
      { system_instruction: { parts: [{ text: "Be" }] }, contents: [{ parts: [{ text: "Hi" }] }, { role: "model" }] },
      { contents: [{ parts: [{ text: "Hi" }] }] },
    ],
  ];
  test.each(BEGINNINGS)("of %s without a name is known by how it begins", (_, begun, later, other) => {
    expect(number(begun)).toBeDefined();
    expect(number(later)).toBe(number(begun)!);
    expect(number(other)).not.toBe(number(begun)!);
  });

  test("is none where nothing is said, and of no size or shape too much", () => {
    expect(number({ prompt: "Hi" })).toBeUndefined();
    const deep = JSON.parse(`${"[".repeat(400)}"x"${"]".repeat(400)}`) as JsonObject["messages"];
    for (const messages of [deep, 7, null, [null], [{ role: "system", content: deep }], Array(10_000).fill(user("x"))])
      expect(() => number({ messages: messages as never })).not.toThrow();
    const long = "x".repeat(100_000);
    expect(number({ messages: [user(long)] })).toBe(number({ messages: [user(`${long}y`)] })!);
  });
});

describe("the memory", () => {
  test("holds the last endpoint for a while after each use", () => {
    let nowMs = 0;
    const sticky = createSticky({ nowMs: () => nowMs, keepMs: 100 });
    expect(sticky.remembered(1)).toBeUndefined();
    sticky.keep(1, "a");
    sticky.keep(1, "b");
    nowMs = 99;
    expect(sticky.remembered(1)).toBe("b");
    sticky.keep(1, "b");
    nowMs = 198;
    expect(sticky.remembered(1)).toBe("b");
    nowMs = 199;
    expect(sticky.remembered(1)).toBeUndefined();
  });

  test("is bounded, and forgets who was silent for longest", () => {
    const sticky = createSticky({ nowMs: () => 0, maxConversations: 2 });
    sticky.keep(1, "a");
    sticky.keep(2, "b");
    sticky.keep(1, "a");
    sticky.keep(3, "c");
    expect([1, 2, 3].map(sticky.remembered)).toEqual(["a", undefined, "c"]);
  });
});
