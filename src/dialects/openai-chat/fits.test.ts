/**
 * When a Chat body may be relayed to an upstream with known deviations, and when it has to be encoded anew.
 * Beside `fits.ts`.
 */
import { expect, test } from "bun:test";
import type { Quirks } from "../../core/endpoint.ts";
import type { JsonObject } from "../../core/json.ts";
import { fitsUpstream as fits } from "./fits.ts";

const fitsUpstream = (body: JsonObject, quirks: Quirks) => fits(body, { model: "up", quirks });
const user = { role: "user", content: "hi" };
const body = (more: JsonObject = {}, ...messages: JsonObject[]): JsonObject => ({
  model: "m",
  messages: [user, ...messages],
  ...more,
});

test("a plain body fits every upstream, and every body fits one without deviations", () => {
  const strict: Quirks = {
    systemRole: "system",
    flattenText: true,
    reasoningField: "none",
    callIds: "nine",
    refuses: ["seed"],
  };
  expect(fitsUpstream(body(), strict)).toBe(true);
  const odd = body({ seed: 1 }, { role: "developer", content: [] }, { role: "assistant", reasoning_details: [{}] });
  expect(fitsUpstream(odd, {})).toBe(true);
});

test("a field that the upstream refuses does not fit, an absent or null one does", () => {
  const quirks: Quirks = { refuses: ["seed", "logprobs"] };
  expect(fitsUpstream(body({ seed: 7 }), quirks)).toBe(false);
  expect(fitsUpstream(body({ logprobs: true }), quirks)).toBe(false);
  expect(fitsUpstream(body({ seed: null, temperature: 1 }), quirks)).toBe(true);
});

test("developer instructions fit only where the role is known", () => {
  const developer = { role: "developer", content: "Be brief." };
  expect(fitsUpstream(body({}, developer), { systemRole: "system" })).toBe(false);
  expect(fitsUpstream(body({}, developer), { systemRole: "developer" })).toBe(true);
});

test("thoughts of earlier turns fit only under the upstream's own name", () => {
  const turn = (fields: JsonObject) => body({}, { role: "assistant", content: "a", ...fields });
  expect(fitsUpstream(turn({ reasoning_content: "t" }), { reasoningField: "none" })).toBe(false);
  expect(fitsUpstream(turn({ reasoning_content: "t" }), { reasoningField: "reasoning_content" })).toBe(true);
  expect(fitsUpstream(turn({ reasoning: "t" }), { reasoningField: "reasoning_content" })).toBe(false);
  expect(fitsUpstream(turn({ reasoning_details: [{}] }), { reasoningField: "reasoning" })).toBe(false);
  expect(fitsUpstream(turn({ reasoning_details: [{}] }), { reasoningField: "reasoning", reasoningDetails: true })).toBe(
    true,
  );
  expect(fitsUpstream(turn({ reasoning_content: "" }), { reasoningField: "none" })).toBe(true);
  const twice = turn({ reasoning: "t", reasoning_content: "t" });
  expect(fitsUpstream(twice, { reasoningField: "reasoning_content" })).toBe(true);
  expect(fitsUpstream(twice, { reasoningField: "none" })).toBe(false);
  expect(fitsUpstream(twice, { reasoningField: "reasoning" })).toBe(false);
  expect(fitsUpstream(twice, { reasoningField: "content" })).toBe(false);
});

test("content lists, call ids, efforts and fixed fields are looked at where the upstream is particular about them", () => {
  const list = body({}, { role: "user", content: [{ type: "text", text: "a" }] });
  expect(fitsUpstream(list, { flattenText: true })).toBe(false);
  const called = body(
    {},
    { role: "assistant", tool_calls: [{ id: "call_1" }] },
    { role: "tool", tool_call_id: "call_1" },
  );
  expect(fitsUpstream(called, { callIds: "nine" })).toBe(false);
  const nine = body(
    {},
    { role: "assistant", tool_calls: [{ id: "abcDEF123" }] },
    { role: "tool", tool_call_id: "abcDEF123" },
  );
  expect(fitsUpstream(nine, { callIds: "nine" })).toBe(true);
  expect(fitsUpstream(body({ reasoning_effort: "xhigh" }), { efforts: ["low", "high"] })).toBe(false);
  expect(fitsUpstream(body({ reasoning_effort: "low" }), { reasoningRequest: "reasoning" })).toBe(false);
});

test("efforts fit beside a switch for thinking, and so does a word that only the upstream knows", () => {
  expect(fitsUpstream(body({ reasoning_effort: "low" }), { reasoningRequest: "thinking" })).toBe(true);
  expect(fitsUpstream(body({ reasoning_effort: "low" }), { reasoningRequest: "thinking", efforts: [] })).toBe(false);
  expect(fitsUpstream(body({ reasoning_effort: "default" }), { efforts: ["none"] })).toBe(true);
});

test("what only imitators know is refused by an upstream that is said to lack it", () => {
  expect(fitsUpstream(body({ top_k: 3 }), { extendedSampling: false })).toBe(false);
  expect(fitsUpstream(body({ top_k: 3 }), {})).toBe(true);
  const mark = { cache_control: { type: "ephemeral" } };
  const unmarked: Quirks = { cacheControl: false };
  expect(fitsUpstream(body({}, { role: "system", content: "s", ...mark }), unmarked)).toBe(false);
  expect(fitsUpstream(body({}, { role: "user", content: [{ type: "text", text: "t", ...mark }] }), unmarked)).toBe(
    false,
  );
  expect(fitsUpstream(body({ tools: [{ type: "function", function: { name: "f" }, ...mark }] }), unmarked)).toBe(false);
  expect(fitsUpstream(body({}, { role: "system", content: "s", ...mark }), {})).toBe(true);
  expect(fitsUpstream(body({ tools: [{ type: "custom", custom: { name: "c" } }] }), { customTools: false })).toBe(
    false,
  );
  expect(fitsUpstream(body({ tools: [{ type: "custom", custom: { name: "c" } }] }), {})).toBe(true);
});

test("a thinking budget fits below a lowered output limit, and nowhere else", () => {
  const target = { model: "up", quirks: {}, maxOutputTokens: 2000 };
  expect(fits(body({ reasoning: { max_tokens: 1999 } }), target)).toBe(true);
  expect(fits(body({ reasoning: { max_tokens: 2000 } }), target)).toBe(false);
  expect(fits(body({ thinking: { type: "enabled", budget_tokens: 4000 } }), target)).toBe(false);
  expect(fits(body({ reasoning: { max_tokens: 4000 } }), { model: "up", quirks: {} })).toBe(true);
});
