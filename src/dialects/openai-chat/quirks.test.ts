/**
 * Deviations of Chat upstreams that provider files name, each by its behaviour.
 * What the recordings say of a provider is compared in `test/providers.test.ts`.
 */
import { expect, test } from "bun:test";
import type { Quirks } from "../../core/endpoint.ts";
import type { Capability } from "../../core/head.ts";
import type { JsonObject } from "../../core/json.ts";
import type { CanonicalRequest, Reasoning, ThinkingPart } from "../../core/request.ts";
import { openaiChat } from "./index.ts";

function encode(request: Partial<CanonicalRequest>, quirks: Quirks, capabilities: Capability[] = ["thinking"]) {
  const { body, losses } = openaiChat.encodeRequest(
    { model: "m", stream: false, messages: [], ...request },
    { model: "up", stream: false, maxOutputTokens: 1000, capabilities: new Set(capabilities), quirks },
  );
  return { body, messages: body.messages as JsonObject[], losses: losses.map((loss) => loss.field) };
}

const asked = (reasoning: Reasoning, quirks: Quirks) => encode({ reasoning }, quirks);

test("an effort that the model lacks becomes one that it takes", () => {
  const quirks: Quirks = { efforts: ["none", "high"] };
  expect(asked({ effort: "medium" }, quirks)).toMatchObject({
    body: { reasoning_effort: "high" },
    losses: ["reasoning"],
  });
  expect(asked({ effort: "high" }, quirks)).toMatchObject({ body: { reasoning_effort: "high" }, losses: [] });
  expect(asked({ mode: "off" }, quirks).body.reasoning_effort).toBe("none");
  expect(asked({ budgetTokens: 2000 }, quirks).body.reasoning_effort).toBe("high");
});

test("an effort is left out where the model takes none", () => {
  expect(asked({ effort: "high" }, { efforts: ["none"] }).body.reasoning_effort).toBeUndefined();
  expect(asked({ mode: "off" }, { efforts: ["low", "high"] })).toMatchObject({ losses: ["reasoning"] });
  const { body } = asked({ mode: "on", effort: "high" }, { reasoningRequest: "thinking", efforts: [] });
  expect(body.thinking).toEqual({ type: "enabled" });
  expect(body.reasoning_effort).toBeUndefined();
});

const THOUGHT: ThinkingPart = {
  type: "thinking",
  text: "hm",
  signature: { origin: "openai-chat", value: '{"type":"reasoning.text","signature":"s","index":0}' },
};
const SEALED: ThinkingPart = {
  type: "thinking",
  text: "",
  redacted: true,
  signature: { origin: "openai-chat", value: '{"type":"reasoning.encrypted","data":"x","index":1}' },
};

test("details go back only to an upstream that takes them; others get their visible text", () => {
  const history = { messages: [{ role: "assistant" as const, content: [THOUGHT, SEALED] }] };
  const whole = encode(history, { reasoningField: "reasoning", reasoningDetails: true });
  expect(whole.messages[0]?.reasoning_details).toHaveLength(2);
  expect(whole.losses).toEqual([]);
  const plain = encode(history, { reasoningField: "reasoning" });
  expect(plain.messages[0]).toMatchObject({ reasoning: "hm" });
  expect(plain.messages[0]?.reasoning_details).toBeUndefined();
  expect(plain.losses).toContain("messages.thinking");
});

test("a model that does not think is sent no reasoning of earlier turns", () => {
  const history = {
    messages: [{ role: "assistant" as const, content: [THOUGHT, { type: "text" as const, text: "hi" }] }],
  };
  for (const reasoningField of ["reasoning", "reasoning_content", "content"] as const) {
    const { messages, losses } = encode(history, { reasoningField }, []);
    expect(messages).toEqual([{ role: "assistant", content: "hi" }]);
    expect(losses).toContain("messages.thinking");
  }
});

test("tool call ids become nine letters and digits, the same for call and result", () => {
  const messages: CanonicalRequest["messages"] = [
    {
      role: "assistant",
      content: [
        { type: "tool-call", kind: "function", id: "toolu_01ABC", name: "a", arguments: "{}" },
        { type: "tool-call", kind: "function", id: "toolu_01ABD", name: "b", arguments: "{}" },
        { type: "tool-call", kind: "function", id: "hY8Kay6xf", name: "c", arguments: "{}" },
      ],
    },
    {
      role: "tool",
      content: [
        { type: "tool-result", kind: "function", callId: "toolu_01ABC", content: [{ type: "text", text: "1" }] },
      ],
    },
  ];
  const wire = encode({ messages }, { callIds: "nine" }).messages;
  const ids = ((wire[0]?.tool_calls ?? []) as JsonObject[]).map((call) => call.id as string);
  for (const id of ids) expect(id).toMatch(/^[a-zA-Z0-9]{9}$/);
  expect(new Set(ids).size).toBe(3);
  expect(ids[2]).toBe("hY8Kay6xf");
  expect(wire[1]?.tool_call_id).toBe(ids[0]);
  expect(encode({ messages }, {}).messages[1]?.tool_call_id).toBe("toolu_01ABC");
});

test("fields that an upstream needs are added, unless the caller said them", () => {
  const quirks: Quirks = { adds: { reasoning_format: "parsed" } };
  expect(encode({}, quirks).body.reasoning_format).toBe("parsed");
  const own = { extras: { "openai-chat": { reasoning_format: "hidden" } } };
  expect(encode(own, quirks).body.reasoning_format).toBe("hidden");
});
