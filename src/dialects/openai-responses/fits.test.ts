/**
 * When a Responses body may be relayed to an upstream with known deviations, and what becomes of one that may not.
 * Beside `fits.ts` and `plain-tools.ts`.
 */
import { describe, expect, test } from "bun:test";
import { candidate, inquiryIn } from "../../../test/support/calls.ts";
import type { Quirks } from "../../core/endpoint.ts";
import type { JsonObject } from "../../core/json.ts";
import { translate } from "../../gateway/translate.ts";
import { openaiResponses } from "./index.ts";

const fits = (body: JsonObject, quirks: Quirks) =>
  openaiResponses.fitsUpstream?.({ model: "m", input: "Hi", ...body }, { model: "up", quirks });
const message = (role: string) => ({ role, content: "x" });

test("every body fits an upstream without deviations, and a plain one fits them all", () => {
  const odd = {
    temperature: 1,
    reasoning: { effort: "max" },
    input: [message("developer")],
    tools: [{ type: "custom" }],
  };
  expect(fits(odd, {})).toBe(true);
  const strict: Quirks = {
    refuses: ["temperature", "reasoning"],
    systemRole: "system",
    efforts: [],
    customTools: false,
  };
  expect(fits({}, strict)).toBe(true);
  expect(fits({ input: [message("system"), message("user")], tools: [{ type: "function", name: "f" }] }, strict)).toBe(
    true,
  );
});

test("a refused field does not fit, also inside of others", () => {
  expect(fits({ temperature: 0 }, { refuses: ["temperature"] })).toBe(false);
  expect(fits({ temperature: null }, { refuses: ["temperature"] })).toBe(true);
  expect(fits({ text: { verbosity: "low" } }, { refuses: ["verbosity"] })).toBe(false);
  expect(fits({ text: { format: { type: "json_object" } } }, { refuses: ["outputFormat"] })).toBe(false);
  expect(fits({ text: { format: { type: "text" } } }, { refuses: ["outputFormat"] })).toBe(true);
  expect(fits({ include: ["message.output_text.logprobs"] }, { refuses: ["logprobs"] })).toBe(false);
});

test("efforts and roles that the upstream lacks do not fit", () => {
  expect(fits({ reasoning: { effort: "xhigh" } }, { efforts: ["low", "high"] })).toBe(false);
  expect(fits({ reasoning: { effort: "low", summary: "auto" } }, { efforts: ["low", "high"] })).toBe(true);
  expect(fits({ input: [message("user"), message("developer")] }, { systemRole: "system" })).toBe(false);
});

test("what refers to a conversation that the upstream keeps always fits: nobody else has it", () => {
  const strict: Quirks = { systemRole: "system", customTools: false };
  expect(fits({ store: true, previous_response_id: "resp_1", input: [message("user")] }, strict)).toBe(true);
});

describe("an upstream that knows only functions", () => {
  const quirks: Quirks = { customTools: false };
  const patch = {
    type: "custom",
    name: "apply_patch",
    format: { type: "grammar", syntax: "lark", definition: "start: A" },
  };
  const wait = { type: "function", name: "wait", parameters: { type: "object", properties: {} } };
  const space = { type: "namespace", name: "agents", description: "Agents", tools: [wait] };
  const input = [
    { type: "additional_tools", role: "developer", tools: [space] },
    message("user"),
    { type: "custom_tool_call", id: "ctc_1", call_id: "c1", name: "apply_patch", input: "*** Begin" },
    { type: "custom_tool_call_output", call_id: "c1", output: "done" },
    { type: "function_call", id: "fc_2", call_id: "c2", name: "wait", namespace: "agents", arguments: "{}" },
    { type: "function_call_output", call_id: "c2", output: "waited" },
  ];
  const body = { model: "m", input, tools: [patch, { type: "image_generation" }] };

  test("is not sent anything else as it is", () => {
    expect(fits(body, quirks)).toBe(false);
    for (const item of [input[0], input[2], input[4]])
      expect(fits({ input: [item] as JsonObject[] }, quirks)).toBe(false);
    expect(fits({ tools: [{ type: "web_search" }] }, quirks)).toBe(false);
    expect(fits({ tools: [{ type: "web_search" }] }, { ...quirks, serverTools: ["web-search"] })).toBe(true);
  });

  const target = candidate("openai-responses", { quirks: { "openai-responses": quirks } });
  const { body: text, losses, path, whole } = translate(inquiryIn("openai-responses", { body }), target);
  const sent = JSON.parse(text as string);

  test("is offered functions and told of the earlier calls as such", () => {
    expect(path).toBe("convert");
    expect(sent.tools.map(({ type, name }: JsonObject) => [type, name])).toEqual([
      ["function", "apply_patch"],
      ["function", "agents__wait"],
    ]);
    expect(sent.input.map(({ type, name, arguments: text }: JsonObject) => [type, name, text])).toEqual([
      ["message", undefined, undefined],
      ["function_call", "apply_patch", '{"input":"*** Begin"}'],
      ["function_call_output", undefined, undefined],
      ["function_call", "agents__wait", "{}"],
      ["function_call_output", undefined, undefined],
    ]);
    expect(JSON.stringify(sent)).not.toContain("ctc_1");
    expect(losses).toContainEqual({ field: "tools.image_generation", kind: "dropped" });
    expect(losses).toContainEqual({ field: "tools.grammar", kind: "altered" });
  });

  test("calls the caller's tools in the kind in which they were offered", () => {
    const call = (id: string, name: string, args: string) => ({
      type: "function_call",
      id: `fc_${id}`,
      call_id: id,
      name,
      arguments: args,
      status: "completed",
    });
    const output = [call("c3", "apply_patch", '{"input":"*** End"}'), call("c4", "agents__wait", "{}")];
    const reply = { id: "resp_1", object: "response", status: "completed", model: "up", output };
    const told = JSON.parse(whole(new TextEncoder().encode(JSON.stringify(reply))).output as string);
    expect(told.output).toMatchObject([
      { type: "custom_tool_call", name: "apply_patch", input: "*** End" },
      { type: "function_call", name: "wait", namespace: "agents" },
    ]);
  });
});
