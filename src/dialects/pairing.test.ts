/**
 * Tests of pairing calls and results in histories that clients cut, rearranged or sent twice.
 * They stand for every format that takes results in one place only.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { collectLosses } from "../core/loss.ts";
import type { Message, ToolResultPart } from "../core/request.ts";
import { pairCalls } from "./pairing.ts";

const call = (id: string) => ({ type: "tool-call", id, name: "look", kind: "function", arguments: "{}" }) as const;
const result = (callId: string): ToolResultPart => {
  return { type: "tool-result", callId, name: "look", kind: "function", content: [{ type: "text", text: callId }] };
};
const calls = (...ids: string[]): Message => ({ role: "assistant", content: ids.map(call) });
const results = (...ids: string[]): Message => ({ role: "tool", content: ids.map(result) });
const says = (text: string): Message => ({ role: "user", content: [{ type: "text", text }] });

function pair(...messages: Message[]) {
  const losses = collectLosses();
  return { paired: pairCalls(messages, losses), losses: losses.list().map(({ field }) => field) };
}

/** Roles with the ids that are called or answered. */
function outline(messages: readonly Message[]): string[] {
  return messages.map(({ role, content }) => {
    const ids = content.flatMap((part) =>
      part.type === "tool-call" ? [part.id] : part.type === "tool-result" ? [part.callId] : [],
    );
    return [role, ...ids].join(" ");
  });
}

describe("pairing", () => {
  test("a history in order stays as it is, also when results come one by one and not in the calls' order", () => {
    const history = [says("go"), calls("a", "b"), results("b"), results("a"), says("on"), calls("a"), results("a")];
    const { paired, losses } = pair(...history);
    expect(paired).toEqual(history);
    expect(losses).toEqual([]);
  });

  test("a result that came late or early moves to its call", () => {
    const { paired, losses } = pair(calls("a", "b"), results("a"), says("wait"), results("b"));
    expect(outline(paired)).toEqual(["assistant a b", "tool a", "tool b", "user"]);
    expect(losses).toEqual([]);
    expect(outline(pair(results("a"), says("?"), calls("a")).paired)).toEqual(["user", "assistant a", "tool a"]);
  });

  test("a call that nobody answered is answered by saying so", () => {
    const { paired, losses } = pair(calls("a", "b"), results("b"));
    expect(outline(paired)).toEqual(["assistant a b", "tool b", "tool a"]);
    expect(JSON.stringify(paired[2])).toContain("No result");
    expect(losses).toEqual(["messages.tool-call"]);
  });

  test("calls of one turn that share an id are told apart", () => {
    const { paired } = pair(calls("a", "a", "b"), results("a", "b", "a"), calls("a"), results("a"));
    expect(outline(paired)).toEqual(["assistant a a_2 b", "tool a b a_2", "assistant a", "tool a"]);
  });

  test("a result that answers no call is told as the user's text", () => {
    const { paired, losses } = pair(says("go"), results("x"), calls("a"), results("a", "a"));
    expect(outline(paired)).toEqual(["user", "user", "assistant a", "tool a", "user"]);
    expect(paired[1]?.content).toEqual([
      { type: "text", text: "Result of look:" },
      { type: "text", text: "x" },
    ]);
    expect(losses).toEqual(["messages.tool-result"]);
  });

  test("whatever the history, every call is answered once right after it and nothing else is", () => {
    const ids = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 });
    const message = fc.oneof(
      ids.map((list) => calls(...new Set(list))),
      ids.map((list) => results(...list)),
      fc.constant(says("hm")),
    );
    fc.assert(
      fc.property(fc.array(message, { maxLength: 10 }), (history) => {
        const { paired } = pair(...history);
        let open: string[] = [];
        for (const { role, content } of paired) {
          if (role !== "tool") expect(open).toEqual([]);
          if (role === "assistant") open = content.flatMap((part) => (part.type === "tool-call" ? [part.id] : []));
          if (role !== "tool") continue;
          for (const part of content) {
            const answered = part.type === "tool-result" ? part.callId : "";
            expect(open).toContain(answered);
            open = open.filter((id) => id !== answered);
          }
        }
        expect(open).toEqual([]);
      }),
    );
  });
});
