/**
 * Tests of flattening and restoring tool names and free-text inputs.
 * They stand for every dialect that lacks namespaces or custom tools.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Tool } from "../core/request.ts";
import {
  createInputUnwrapper,
  customToolAsFunction,
  restoreToolCall,
  toolNames,
  unwrapCustomInput,
  withoutNamesakes,
  wrapCustomInput,
} from "./tool-names.ts";

const offered: Tool[] = [
  { type: "function", name: "exec_command" },
  { type: "function", name: "spawn_agent", namespace: "multi_agent_v1" },
  { type: "custom", name: "exec", namespace: "functions" },
  { type: "custom", name: "apply_patch" },
  { type: "server", kind: "web-search", dialect: "openai-responses", value: { type: "web_search" } },
];

describe("names", () => {
  const names = toolNames(offered);

  test("a namespaced tool is flattened with two underscores and restored", () => {
    expect(names.flatten("spawn_agent", "multi_agent_v1")).toBe("multi_agent_v1__spawn_agent");
    expect(names.restore("multi_agent_v1__spawn_agent")).toEqual({
      name: "spawn_agent",
      namespace: "multi_agent_v1",
      kind: "function",
    });
  });

  test("a plain name stays as it is", () => {
    expect(names.flatten("exec_command")).toBe("exec_command");
    expect(names.restore("exec_command")).toEqual({ name: "exec_command", kind: "function" });
  });

  test("a bare or dotted name of a namespaced tool finds it when there is only one", () => {
    expect(names.flatten("spawn_agent")).toBe("multi_agent_v1__spawn_agent");
    expect(names.restore("spawn_agent")?.namespace).toBe("multi_agent_v1");
    expect(names.restore("functions.exec")?.kind).toBe("custom");
    const two = toolNames([
      { type: "function", name: "run", namespace: "a" },
      { type: "function", name: "run", namespace: "b" },
    ]);
    expect(two.restore("run")).toBeUndefined();
    expect(two.flatten("run")).toBe("run");
  });

  test("a name that was not offered is restored to nothing and still flattened", () => {
    expect(names.restore("other")).toBeUndefined();
    expect(names.flatten("other", "past")).toBe("past__other");
    expect(toolNames(undefined).flatten("a.b")).toBe("a_b");
  });

  test("every flat name is unique, short, of plain characters, and leads back", () => {
    const tool = fc.record(
      {
        type: fc.constantFrom("function" as const, "custom" as const),
        name: fc.oneof(fc.constantFrom("a", "b__c", "c", "a.b", "a_b", "__proto__"), fc.string({ maxLength: 90 })),
        namespace: fc.oneof(fc.constantFrom("a", "a__b"), fc.string({ maxLength: 90 })),
      },
      { requiredKeys: ["type", "name"] },
    );
    fc.assert(
      fc.property(fc.array(tool, { maxLength: 12 }), (tools) => {
        const names = toolNames(tools);
        const distinct = new Map(tools.map((one) => [JSON.stringify([one.namespace, one.name]), one]));
        const flat = new Set<string>();
        for (const { name, namespace } of distinct.values()) {
          const wire = names.flatten(name, namespace);
          expect(wire).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
          flat.add(wire);
          expect(names.restore(wire)).toMatchObject(namespace === undefined ? { name } : { name, namespace });
        }
        expect(flat.size).toBe(distinct.size);
      }),
      { numRuns: 200 },
    );
  });
});

describe("calls", () => {
  const names = toolNames(offered);

  test("a function call of a tool that was offered as custom comes back custom with its text", () => {
    const call = { type: "tool-call", id: "1", name: "apply_patch", kind: "function", arguments: '{"input":"*** a"}' };
    expect(restoreToolCall(call as never, names)).toEqual({ ...call, kind: "custom", arguments: "*** a" } as never);
  });

  test("a call that is custom or namespaced already is left alone", () => {
    const custom = { id: "1", name: "apply_patch", kind: "custom" as const, arguments: '{"input":"x"}' };
    expect(restoreToolCall(custom, names)).toBe(custom);
    const other = { id: "1", name: "exec_command", kind: "function" as const, namespace: "x" };
    expect(restoreToolCall(other, names)).toBe(other);
  });

  test("a custom tool becomes a function whose description holds the grammar", () => {
    const tool = customToolAsFunction({
      type: "custom",
      name: "apply_patch",
      description: "Edits files.",
      grammar: { syntax: "lark", definition: "start: x" },
      cache: { ttl: "5m" },
    });
    expect(tool).toMatchObject({ type: "function", name: "apply_patch", cache: { ttl: "5m" } });
    expect(tool.description).toContain("Edits files.");
    expect(tool.description).toContain("start: x");
    expect(tool.parameters?.required).toEqual(["input"]);
    expect(customToolAsFunction({ type: "custom", name: "a" })).not.toHaveProperty("description");
  });
});

describe("inputs", () => {
  test("what was wrapped comes back however the pieces are cut", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.array(fc.nat(30)), (text, cuts) => {
        const wrapped = wrapCustomInput(text);
        expect(unwrapCustomInput(wrapped)).toBe(text);
        const unwrapper = createInputUnwrapper();
        let rest = wrapped;
        let out = "";
        for (const cut of cuts) {
          out += unwrapper.push(rest.slice(0, cut));
          rest = rest.slice(cut);
        }
        expect(out + unwrapper.push(rest) + unwrapper.end()).toBe(text);
      }),
    );
  });

  test("text streams out before the arguments are complete", () => {
    const unwrapper = createInputUnwrapper();
    expect(unwrapper.push('{ "inp')).toBe("");
    expect(unwrapper.push('ut" : "one\\')).toBe("one");
    expect(unwrapper.push("ntwo\\u00")).toBe("\ntwo");
    expect(unwrapper.push('e9"')).toBe("é");
    expect(unwrapper.push("}")).toBe("");
    expect(unwrapper.end()).toBe("");
  });

  test("arguments of another form are read at the end, or taken as the text", () => {
    expect(unwrapCustomInput('{"note":1,"input":"late"}')).toBe("late");
    expect(unwrapCustomInput('"only a string"')).toBe("only a string");
    expect(unwrapCustomInput("*** Begin Patch")).toBe("*** Begin Patch");
    expect(unwrapCustomInput('{"patch":"x"}')).toBe('{"patch":"x"}');
    expect(unwrapCustomInput("{}")).toBe("");
    expect(unwrapCustomInput("")).toBe("");
  });

  test("input that was cut off keeps what had come", () => {
    expect(unwrapCustomInput('{"input":"half')).toBe("half");
  });
});

test("of tools with one name and namespace the last counts, in place of the first", () => {
  const server: Tool = { type: "server", kind: "web-search", dialect: "gemini", value: {} };
  const late: Tool = { type: "function", name: "exec_command", description: "as it was found" };
  const spaced: Tool = { type: "function", name: "exec_command", namespace: "other" };
  const [first, ...others] = withoutNamesakes([...offered, server, spaced, late, { ...server }]);
  expect(first).toEqual(late);
  expect(others).toEqual([...offered.slice(1), server, spaced, server]);
});

test("a call in a namespace that nobody offered is a call of the tool without one", () => {
  const names = toolNames([
    { type: "function", name: "look" },
    { type: "function", name: "go", namespace: "a" },
  ]);
  expect(names.flatten("look", "look")).toBe("look");
  expect(names.flatten("go", "b")).toBe("b__go");
});
