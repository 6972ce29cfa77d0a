/**
 * Tests of the patching of raw JSON: written cases for each kind of edit, and properties against JSON.parse over
 * documents with odd spacing, escapes, duplicate keys and numbers. They stand beside the patcher.
 */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Edit, exceedsDepth, PatchError, patchJson, replaceMember } from "./patch.ts";

function patch(text: string, ...edits: Edit[]): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(patchJson(new TextEncoder().encode(text), edits));
}

const model: Edit = { path: ["model"], value: '"b"' };
const usage: Edit = { path: ["stream_options", "include_usage"], value: "true" };
const noModel: Edit = { path: ["model"], remove: true };
const noUsage: Edit = { path: ["stream_options", "include_usage"], remove: true };

describe("setting a field", () => {
  const cases: [string, string, Edit, string][] = [
    ["in its place", '{ "x":1, "model" : "a" ,"y":[2]}\n', model, '{ "x":1, "model" : "b" ,"y":[2]}\n'],
    ["whatever its old value was", '{"model":{"model":["}"]},"y":2}', model, '{"model":"b","y":2}'],
    ["under an escaped key", '{"\\u006dodel":"a"}', model, '{"\\u006dodel":"b"}'],
    ["in every duplicate", '{"model":"a","x":0,"model":"c"}', model, '{"model":"b","x":0,"model":"b"}'],
    ["not deeper down", '{"x":{"model":"a"}}', model, '{"model":"b","x":{"model":"a"}}'],
    ["not where it is a value", '{"x":"model"}', model, '{"model":"b","x":"model"}'],
    ["into an empty object", " { } ", model, ' {"model":"b" } '],
    ["behind a byte order mark", '\uFEFF{"model":"a"}', model, '\uFEFF{"model":"b"}'],
    ["after strings full of backslashes", '{"x":"\\\\\\"","model":1}', model, '{"x":"\\\\\\"","model":"b"}'],
  ];
  for (const [name, text, edit, result] of cases) test(name, () => expect(patch(text, edit)).toBe(result));
});

describe("replacing a member that is known to be there", () => {
  const replace = (text: string) => {
    const patched = replaceMember(new TextEncoder().encode(text), "model", '"b"');
    return patched && new TextDecoder("utf-8", { ignoreBOM: true }).decode(patched);
  };

  test("changes its value and no other byte, whatever stands around it", () => {
    expect(replace('{ "x":"ü☃", "model" : "a" ,"y":[2]}\n')).toBe('{ "x":"ü☃", "model" : "b" ,"y":[2]}\n');
    expect(replace('{"model":"a\\"c","x":"say \\"model\\""}')).toBe('{"model":"b","x":"say \\"model\\""}');
    expect(replace('{"model":7}')).toBe('{"model":"b"}');
  });

  test("is left to the patcher where the key may be spelled in another way or stand elsewhere as well", () => {
    for (const text of [
      '{"\\u006dodel":"a","x":{"model":"c"}}',
      '{"model":"a","model":"c"}',
      '{"model":"a","x":{"model":"c"}}',
      '{"model":"a","x":"model"}',
      '{"model":"a","x":"\\u0041"}',
      '{"x":1}',
    ]) {
      expect(replace(text)).toBeUndefined();
    }
  });

  test("does what the patcher does, for any document that has the member", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue(), (others, value) => {
        const text = JSON.stringify({ ...others, model: value });
        const replaced = replace(text);
        if (replaced !== undefined) expect(replaced).toBe(patch(text, model));
      }),
    );
  });
});

describe("setting a field of a field", () => {
  const cases: [string, string, string][] = [
    ["in its place", '{"stream_options":{"include_usage":false}}', '{"stream_options":{"include_usage":true}}'],
    ["beside others", '{"stream_options":{ "x":1 }}', '{"stream_options":{"include_usage":true, "x":1 }}'],
    ["into an empty parent", '{"stream_options":{}}', '{"stream_options":{"include_usage":true}}'],
    ["into a null parent", '{"stream_options":null}', '{"stream_options":{"include_usage":true}}'],
    ["into a missing parent", '{"x":1}', '{"stream_options":{"include_usage":true},"x":1}'],
    [
      "in every duplicate of the parent",
      '{"stream_options":null,"stream_options":{"include_usage":0}}',
      '{"stream_options":{"include_usage":true},"stream_options":{"include_usage":true}}',
    ],
  ];
  for (const [name, text, result] of cases) test(name, () => expect(patch(text, usage)).toBe(result));

  test("a parent that has no fields is an error", () => {
    for (const value of ['"x"', "1", "[]", "true"]) {
      expect(() => patch(`{"stream_options":${value}}`, usage)).toThrow(PatchError);
      expect(patch(`{"stream_options":${value}}`, noUsage)).toBe(`{"stream_options":${value}}`);
    }
  });
  test("only a parent's last duplicate has to have fields", () => {
    expect(patch('{"stream_options":1,"stream_options":{}}', usage)).toContain('"stream_options":1,');
    expect(() => patch('{"stream_options":{},"stream_options":1}', usage)).toThrow(PatchError);
  });
});

describe("removing a field", () => {
  const cases: [string, string, Edit, string][] = [
    ["the first", '{"model":1, "x":2}', noModel, '{"x":2}'],
    ["one in the middle", '{"x":1, "model":2, "y":3}', noModel, '{"x":1, "y":3}'],
    ["the last", '{"x":1, "model":2 }', noModel, '{"x":1 }'],
    ["the only one", '{ "model":2 }', noModel, "{  }"],
    ["all duplicates", '{"model":0,"x":1,"model":1,"model":2}', noModel, '{"x":1}'],
    ["one of a field", '{"stream_options":{"include_usage":1,"y":2}}', noUsage, '{"stream_options":{"y":2}}'],
  ];
  for (const [name, text, edit, result] of cases) test(name, () => expect(patch(text, edit)).toBe(result));

  test("what is not there leaves the very same bytes", () => {
    const bytes = new TextEncoder().encode('{"x":1,"stream_options":null}');
    expect(patchJson(bytes, [noModel, noUsage])).toBe(bytes);
    expect(patchJson(bytes, [])).toBe(bytes);
  });
});

describe("several edits", () => {
  test("are all applied", () => {
    expect(patch('{"x":1,"model":"a"}', model, usage, { path: ["x"], remove: true })).toBe(
      '{"stream_options":{"include_usage":true},"model":"b"}',
    );
  });
  test("apply in their order where one lies inside of the other", () => {
    const parent: Edit = { path: ["stream_options"], value: '{"y":1}' };
    expect(JSON.parse(patch("{}", parent, usage))).toEqual({ stream_options: { y: 1, include_usage: true } });
    expect(JSON.parse(patch("{}", usage, parent))).toEqual({ stream_options: { y: 1 } });
  });
  test("the last of two for the same field counts", () => {
    expect(patch('{"model":1}', noModel, model)).toBe('{"model":"b"}');
    expect(patch('{"model":1}', model, noModel)).toBe("{}");
  });
});

describe("bytes that are no JSON object", () => {
  const texts = ["", "[]", '"x"', "{", '{"x"}', '{"x":}', '{"x":1', '{"x":1,}', '{"x":"', '{"x":[1}', '{"x":1}}'];
  for (const text of [...texts, "{x:1}", '{"x":1 "y":2}', '{"x":1}{}', '{"\\uZZZZ":1}', '{"x":"a"b"}']) {
    test(`${text} is an error`, () => expect(() => patch(text, model)).toThrow(PatchError));
  }
  test("an empty value is an error", () => {
    expect(() => patch("{}", { path: ["model"], value: " " })).toThrow(PatchError);
  });
  test("random text is patched into what parses, or refused", () => {
    const part = fc.constantFrom("{", "}", "[", "]", '"', "\\", ",", ":", " ", "1", "null", '"model"', '"model":');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        try {
          patch(`{${parts.join("")}`, model, usage);
        } catch (error) {
          expect(error).toBeInstanceOf(PatchError);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

const space = fc.constantFrom("", "", "", " ", "\n", "\t\r\n  ");
const names = ["model", "stream", "stream_options", "include_usage", "é", "😀", 'a"b', "a\\b", "", "x", "__proto__"];
/** A key's text, now and then with escapes that nobody needs. */
const keyText = fc.tuple(fc.constantFrom(...names), fc.nat(5), fc.nat(3)).map(([name, at, kind]) => {
  if (kind > 0 || at >= name.length) return JSON.stringify(name);
  const code = name.charCodeAt(at).toString(16).padStart(4, "0");
  const rest = [name.slice(0, at), name.slice(at + 1)].map((part) => JSON.stringify(part).slice(1, -1));
  return `"${rest[0]}\\u${code}${rest[1]}"`;
});
const scalarText = fc.oneof(
  fc.constantFrom(
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1E+5",
    "-12.50e-3",
    "1e400",
    "123456789012345678901",
    '"\\/\\b\\ud83d"',
  ),
  fc.string({ unit: "grapheme" }).map((text) => JSON.stringify(text)),
  fc.string({ minLength: 50, maxLength: 150 }).map((text) => JSON.stringify(text)),
);
type Member = { lead: string; text: string; trail: string };
const { value: valueText, members } = fc.letrec<{ value: string; members: Member[]; object: string; array: string }>(
  (tie) => ({
    value: fc.oneof({ maxDepth: 3 }, scalarText, tie("object"), tie("array")),
    members: fc.array(
      fc
        .tuple(space, keyText, space, space, tie("value"), space)
        .map(([lead, key, s1, s2, value, trail]) => ({ lead, text: `${key}${s1}:${s2}${value}`, trail })),
      { maxLength: 5 },
    ),
    object: fc.tuple(tie("members"), space).map(([list, inner]) => objectText(list, inner)),
    array: fc
      .array(fc.tuple(space, tie("value"), space), { maxLength: 4 })
      .map((l) => `[${l.map((p) => p.join("")).join()}]`),
  }),
);

function objectText(list: Member[], inner: string): string {
  return list.length === 0 ? `{${inner}}` : `{${list.map((m) => m.lead + m.text + m.trail).join(",")}}`;
}

const editPath = fc.oneof(
  fc.constantFrom(...names).map((key) => [key] as const),
  fc.tuple(fc.constantFrom("stream_options", "model", "x", "é"), fc.constantFrom(...names)),
);
const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ path: editPath, value: valueText }),
  fc.record({ path: editPath, remove: fc.constant(true as const) }),
);

/** A null-prototype copy, in which `__proto__` is a key like any other. */
function fieldsOf(value: unknown): Map<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? new Map(Object.entries(value))
    : undefined;
}

/** The document with one edit, by JSON.parse; undefined when the edit leads into a value without fields. */
function edited(document: Map<string, unknown>, change: Edit): Map<string, unknown> | undefined {
  const [key, child] = change.path;
  const result = new Map(document);
  const isSet = "value" in change;
  if (child === undefined) {
    if (isSet) result.set(key, JSON.parse(change.value));
    else result.delete(key);
    return result;
  }
  const parent = fieldsOf(document.get(key));
  if (parent === undefined && (document.get(key) ?? null) !== null) return isSet ? undefined : result;
  if (parent === undefined && !isSet) return result;
  const fields = parent ?? new Map<string, unknown>();
  if (isSet) fields.set(child, JSON.parse(change.value));
  else fields.delete(child);
  return result.set(key, Object.fromEntries(fields));
}

function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  const fields = fieldsOf(value);
  if (fields === undefined) return Object.is(value, -0) ? "-0" : value;
  return [...fields]
    .map(([key, inner]) => [key, canonical(inner)])
    .sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1));
}

describe("properties", () => {
  test("parsing the patched text gives the parsed text with the edits applied", () => {
    fc.assert(
      fc.property(members, space, fc.array(edit, { maxLength: 4 }), (list, inner, edits) => {
        const text = objectText(list, inner);
        let expected = fieldsOf(JSON.parse(text));
        for (const change of edits) expected = expected && edited(expected, change);
        if (expected === undefined) expect(() => patch(text, ...edits)).toThrow(PatchError);
        else {
          const found = fieldsOf(JSON.parse(patch(text, ...edits)));
          expect(canonical(Object.fromEntries(found ?? []))).toEqual(canonical(Object.fromEntries(expected)));
        }
      }),
      { numRuns: 5000 },
    );
  });

  test("members that no edit names keep their bytes and their order", () => {
    fc.assert(
      fc.property(members, space, fc.array(edit, { minLength: 1, maxLength: 3 }), (list, inner, edits) => {
        const named = new Set(edits.map((change) => change.path[0]));
        const kept = list.filter((member) => !named.has(Object.keys(JSON.parse(`{${member.text}}`))[0] ?? ""));
        const text = objectText(list, inner);
        let result: string;
        try {
          result = patch(text, ...edits);
        } catch {
          return;
        }
        let position = 0;
        for (const member of kept) {
          position = result.indexOf(member.text, position);
          expect(position).toBeGreaterThan(-1);
          position += member.text.length;
        }
        const onlySets = edits.every((change) => "value" in change);
        if (onlySets && kept.length === list.length) expect(result.endsWith(text.slice(1))).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test("replacing and putting back gives the text that was", () => {
    fc.assert(
      fc.property(fc.array(scalarText, { minLength: 1, maxLength: 5 }), fc.nat(4), space, (values, at, gap) => {
        const build = (value: string) =>
          `{${values.map((v, i) => `"k${i}"${gap}:${gap}${i === at ? value : v}${gap}`).join(",")}}`;
        fc.pre(at < values.length);
        const key = `k${at}`;
        const replaced = patch(build(values[at] ?? ""), { path: [key], value: '"other"' });
        expect(replaced).toBe(build('"other"'));
        expect(patch(replaced, { path: [key], value: values[at] ?? "" })).toBe(build(values[at] ?? ""));
      }),
    );
  });
});

describe("depth", () => {
  const exceeds = (text: string, depth: number) => exceedsDepth(new TextEncoder().encode(text), depth);

  test("is counted for objects and arrays together, the outermost being 1", () => {
    expect(exceeds('[{"a":[1]}]', 3)).toBe(false);
    expect(exceeds('[{"a":[1]}]', 2)).toBe(true);
    expect(exceeds("1", 0)).toBe(false);
    expect(exceeds("{}", 0)).toBe(true);
  });
  test("brackets side by side do not add up, brackets in strings do not count", () => {
    expect(exceeds(`[${"[],".repeat(100)}{}]`, 2)).toBe(false);
    expect(exceeds(`["${"[{".repeat(100)}\\"[[[", []]`, 2)).toBe(false);
  });
  test("a million open brackets are found out, and no text makes it throw", () => {
    expect(exceeds("[".repeat(1_000_000), 64)).toBe(true);
    expect(exceeds('{"a":'.repeat(100_000), 64)).toBe(true);
    expect(exceeds(`${"[".repeat(50)}"`, 40)).toBe(true);
    expect(exceeds("]]]]}}}}[[[", 2)).toBe(false);
  });
  test("agrees with a walk over the parsed value", () => {
    const depthOf = (value: unknown): number =>
      typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.nat(7), (value, depth) => {
        expect(exceeds(JSON.stringify(value), depth)).toBe(depthOf(value) > depth);
      }),
      { numRuns: 1000 },
    );
  });
});
