/**
 * The small parts of the simulated provider: tokens, seeds, samples, orders.
 * Their promises hold for any input, so most are tested as properties.
 */
import { describe, expect, test } from "bun:test";
import Ajv from "ajv";
import fc from "fast-check";
import { numberFrom, readHeader, readText } from "./directives.ts";
import { createSimulator } from "./index.ts";
import { sampleOf } from "./sample.ts";
import { bindingOf, isSigned, seedOf, sign } from "./seed.ts";
import { strictFault } from "./strict.ts";
import { fit, fragment, tokenise, weighAll } from "./tokens.ts";

describe("tokens", () => {
  test("pieces joined are the text, and no character is cut", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 300 }), (text) => {
        for (const pieces of [tokenise(text), fragment(text)]) {
          expect(pieces.join("")).toBe(text);
          expect(pieces.every((piece) => piece !== "" && !/[\ud800-\udbff]$/.test(piece))).toBe(true);
        }
      }),
    );
  });

  test("what fits is a beginning and within the room", () => {
    fc.assert(
      fc.property(fc.lorem({ maxCount: 40 }), fc.nat(50), (text, room) => {
        const kept = fit(tokenise(text), room);
        expect(text.startsWith(kept.join(""))).toBe(true);
        expect(weighAll(kept)).toBeLessThanOrEqual(room);
      }),
    );
  });
});

describe("signatures", () => {
  test("are known by their dialect and by what they sign", () => {
    const signature = sign("messages", bindingOf("a thought"));
    expect(isSigned("messages", signature)).toBe(true);
    expect(isSigned("messages", signature, bindingOf("a thought"))).toBe(true);
    expect(isSigned("messages", signature, bindingOf("another"))).toBe(false);
    expect(isSigned("gemini", signature)).toBe(false);
  });

  test("no other text is taken for one", () => {
    fc.assert(fc.property(fc.base64String(), (text) => !isSigned("messages", text)));
    expect(seedOf("a")).not.toEqual(seedOf("b"));
  });
});

describe("samples", () => {
  const schemas: object[] = [
    {
      type: "object",
      properties: { a: { type: "string", minLength: 20 }, b: { type: "integer", minimum: 5 } },
      required: ["a", "b"],
    },
    { type: "array", items: { type: "number", exclusiveMinimum: 2, multipleOf: 0.5 }, minItems: 3 },
    { anyOf: [{ type: "null" }, { type: "object", properties: { x: { enum: ["p", "q"] } }, required: ["x"] }] },
    {
      $ref: "#/$defs/node",
      $defs: {
        node: {
          type: "object",
          properties: { next: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] } },
          required: ["next"],
        },
      },
    },
    {
      allOf: [
        { properties: { a: { const: 1 } }, required: ["a"] },
        { properties: { b: { type: "boolean" } }, required: ["b"] },
      ],
    },
    { type: ["null", "string"], maxLength: 3 },
  ];
  test.each(schemas.map((schema) => [JSON.stringify(schema).slice(0, 60), schema] as const))(
    "satisfy %s",
    (_, schema) => {
      expect(new Ajv({ strict: false }).validate(schema, sampleOf(schema))).toBe(true);
    },
  );

  test("Gemini's upper-case types count as well", () => {
    expect(sampleOf({ type: "OBJECT", properties: { n: { type: "INTEGER" } }, required: ["n"] })).toEqual({ n: 1 });
  });

  test("a strict schema lists and closes everything", () => {
    const open = { type: "object", properties: { a: { type: "string" } }, required: ["a"] };
    expect(strictFault(open)).toContain("additionalProperties");
    expect(strictFault({ ...open, additionalProperties: false })).toBeUndefined();
    expect(strictFault({ ...open, additionalProperties: false, required: [] })).toContain("Missing 'a'");
  });
});

describe("orders", () => {
  test("are read from a header word by word", () => {
    const orders = readHeader("status=503; gap=50ms ttfb=2s;pad");
    expect([...orders.flags]).toEqual(["pad"]);
    expect(numberFrom(orders, "gap", 1e6)).toBe(50);
    expect(numberFrom(orders, "ttfb", 1e6)).toBe(2000);
    expect(numberFrom(orders, "status", 599)).toBe(503);
  });

  test("are read from a text only where they are meant", () => {
    expect([...readText("hang").flags]).toEqual(["hang"]);
    expect([...readText("hang chunks=3").flags]).toEqual(["hang"]);
    expect([...readText("do not hang the picture").flags]).toEqual([]);
    expect(readText("the status=fine is x=3").values.get("x")).toBeUndefined();
    expect(readText('call:a{"x":"}"} then call:b.c').rounds).toEqual([
      [
        { name: "a", args: '{"x":"}"}' },
        { name: "b.c", args: undefined },
      ],
    ]);
  });

  test("never fail, whatever the text", () => {
    fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => Array.isArray(readText(`call:x${text}`).rounds)));
  });
});

describe("one conversation in four dialects", () => {
  const simulator = createSimulator();
  const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
  const args = { city: "Paris" };
  const schema = { type: "object", properties: { city: { type: "string" } } };
  const text = "What is the weather?";

  async function ask(path: string, body: object): Promise<string> {
    const headers = { authorization: "Bearer k", "anthropic-version": "2023-06-01" };
    const response = await simulator.fetch(
      new Request(`http://simulator${path}`, { method: "POST", headers, body: JSON.stringify(body) }),
    );
    const answer = (await response.text()).match(/"(?:text|content)":"(You said(?:[^"\\]|\\.)*)"/);
    return JSON.parse(`"${answer?.[1]}"`);
  }

  const url = `data:image/png;base64,${png}`;
  const CHAT = {
    model: "m",
    tools: [{ type: "function", function: { name: "look", parameters: schema } }],
    messages: [
      { role: "system", content: "Be brief." },
      {
        role: "user",
        content: [
          { type: "image_url", image_url: { url } },
          { type: "text", text },
        ],
      },
      {
        role: "assistant",
        tool_calls: [{ id: "c1", type: "function", function: { name: "look", arguments: JSON.stringify(args) } }],
      },
      { role: "tool", tool_call_id: "c1", content: "sunny" },
    ],
  };
  const RESPONSES = {
    model: "m",
    instructions: "Be brief.",
    tools: [{ type: "function", name: "look", parameters: schema }],
    input: [
      {
        role: "user",
        content: [
          { type: "input_image", image_url: url },
          { type: "input_text", text },
        ],
      },
      { type: "function_call", call_id: "c1", name: "look", arguments: JSON.stringify(args) },
      { type: "function_call_output", call_id: "c1", output: "sunny" },
    ],
  };
  const MESSAGES = {
    model: "m",
    max_tokens: 100,
    system: "Be brief.",
    tools: [{ name: "look", input_schema: schema }],
    messages: [
      {
        role: "user",
        content: [
          { type: "image", source: { type: "base64", media_type: "image/png", data: png } },
          { type: "text", text },
        ],
      },
      { role: "assistant", content: [{ type: "tool_use", id: "c1", name: "look", input: args }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "c1", content: "sunny" }] },
    ],
  };
  const GEMINI = {
    systemInstruction: { parts: [{ text: "Be brief." }] },
    tools: [{ functionDeclarations: [{ name: "look", parameters: schema }] }],
    contents: [
      { role: "user", parts: [{ inlineData: { mimeType: "image/png", data: png } }, { text }] },
      { role: "model", parts: [{ functionCall: { name: "look", args } }] },
      { role: "user", parts: [{ functionResponse: { name: "look", response: { output: "sunny" } } }] },
    ],
  };

  test("gets the same answer", async () => {
    const chat = await ask("/v1/chat/completions", CHAT);
    const responses = await ask("/v1/responses", RESPONSES);
    const messages = await ask("/v1/messages", MESSAGES);
    const gemini = await ask("/v1beta/models/m:generateContent", GEMINI);
    const expected =
      'You said: What is the weather? [system: 9 chars] [images: 1: image/png 70 bytes] [tools: 1: look] [tool results: 1: "sunny"]';
    expect([chat, responses, messages, gemini]).toEqual([expected, expected, expected, expected]);
  });
});
