/**
 * Requests that are wrong, unknown or hostile: named, carried or refused, never a crash.
 * What well-formed requests become is in `request.test.ts`.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { GatewayError } from "../../core/error.ts";
import { CAPABILITIES } from "../../core/head.ts";
import type { JsonObject } from "../../core/json.ts";
import type { EncodeTarget } from "../dialect.ts";
import { openaiResponses as dialect } from "./index.ts";

const target: EncodeTarget = {
  model: "up",
  stream: true,
  maxOutputTokens: 1000,
  capabilities: new Set(CAPABILITIES),
  quirks: {},
};
const plain: EncodeTarget = { ...target, capabilities: new Set(["tools"]) };
const decode = (body: JsonObject) => dialect.decodeRequest({ model: "m", store: false, ...body }, {});
const roundTrip = (body: JsonObject) => dialect.encodeRequest(decode(body), target).body;
describe("what is wrong or unknown", () => {
  test("a wrong type is named by its path", () => {
    const wrong: [JsonObject, string][] = [
      [{ input: 5 }, "input"],
      [{ input: [5] }, "input[0]"],
      [{ input: [{ role: "user", content: [{ type: "input_text" }] }] }, "input[0].content[0].text"],
      [{ input: [{ role: "robot", content: "x" }] }, "input[0].role"],
      [{ input: [{ type: "function_call", name: "f" }] }, "input[0].call_id"],
      [{ input: [{ type: "function_call_output", call_id: "c", output: 5 }] }, "input[0].output"],
      [{ input: [{}] }, "input[0].type"],
      [{ tools: [{ type: "function" }] }, "tools[0].name"],
      [{ tools: [{ type: "namespace", name: "n", tools: [{ type: "function" }] }] }, "tools[0].tools[0].name"],
      [{ temperature: "hot" }, "temperature"],
      [{ text: { format: { type: "json_schema", schema: 1 } } }, "text.format.schema"],
      [{ tool_choice: 5 }, "tool_choice"],
      [{ model: 5 }, "model"],
    ];
    for (const [body, param] of wrong) {
      let thrown: unknown;
      try {
        decode(body);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(GatewayError);
      expect([(thrown as GatewayError).code, (thrown as GatewayError).param]).toEqual(["invalid_request", param]);
    }
  });

  test("unknown fields come back, nulls count as absent, notes cannot be forged", () => {
    const body = roundTrip({
      input: "x",
      previous_response_id: null,
      truncation: "auto",
      new_field: { a: 1 },
      $additional: [{ count: 9 }],
    });
    expect(body).toMatchObject({ truncation: "auto", new_field: { a: 1 } });
    expect(body).not.toHaveProperty("previous_response_id");
    expect(body).not.toHaveProperty("$additional");
    const text = { format: { type: "json_schema", name: "n", schema: {}, new: 1 }, verbosity: "low", other: 2 };
    expect(roundTrip({ input: "x", text }).text).toEqual(text);
    const reasoning = { effort: "ultra", summary: "auto", context: "all_turns" };
    expect(roundTrip({ input: "x", reasoning }).reasoning).toEqual(reasoning);
  });

  test("any JSON decodes or is refused politely, and what decodes encodes", () => {
    const text = fc.record({
      type: fc.constantFrom("input_text", "output_text", "refusal", "x"),
      text: fc.string(),
      refusal: fc.string(),
    });
    const item = fc.record(
      {
        type: fc.constantFrom(
          "message",
          "function_call",
          "function_call_output",
          "reasoning",
          "custom_tool_call",
          "additional_tools",
          "y_call",
        ),
        role: fc.constantFrom("user", "assistant", "system", "developer"),
        content: fc.oneof(fc.string(), fc.array(text), fc.jsonValue()),
        call_id: fc.string(),
        name: fc.string(),
        arguments: fc.string(),
        output: fc.oneof(fc.string(), fc.array(text)),
        summary: fc.array(text),
        encrypted_content: fc.string(),
        id: fc.jsonValue(),
        tools: fc.array(fc.record({ type: fc.constantFrom("function", "custom", "z"), name: fc.string() })),
      },
      { requiredKeys: ["type"] },
    );
    const body = fc.oneof(
      fc.record(
        { model: fc.constant("m"), input: fc.array(item), instructions: fc.string(), text: fc.jsonValue() },
        { requiredKeys: ["model", "input"] },
      ),
      fc.dictionary(
        fc.constantFrom("model", "input", "tools", "text", "reasoning", "include", "metadata", "tool_choice", "store"),
        fc.jsonValue(),
      ),
    );
    fc.assert(
      fc.property(body, (value) => {
        const wire = JSON.parse(JSON.stringify(value)) as JsonObject;
        try {
          dialect.peek(wire, {});
          const request = dialect.decodeRequest(wire, {});
          dialect.encodeRequest(request, target);
          const { body: again } = dialect.encodeRequest(request, plain);
          dialect.decodeRequest(again, {});
        } catch (error) {
          if (!(error instanceof GatewayError)) throw error;
        }
      }),
      { numRuns: 300 },
    );
  });

  test("a thousand levels of nesting are no trouble", () => {
    let deep: JsonObject = {};
    for (let depth = 0; depth < 1000; depth++) deep = { a: [deep] };
    const input = [
      { role: "user", content: [{ type: "new", deep }] },
      { type: "new_call", deep },
    ];
    const body = roundTrip({ input, tools: [{ type: "function", name: "f", parameters: deep }], deep });
    expect(JSON.stringify(body).length).toBeGreaterThan(3000);
  });
});
