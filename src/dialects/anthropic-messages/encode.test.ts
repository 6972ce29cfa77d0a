/**
 * Tests of what a foreign request becomes on the Messages wire: thinking, sampling, tools, media, structured output.
 * They stand beside the dialect, away from the path of a call.
 */
import { describe, expect, test } from "bun:test";
import { CAPABILITIES } from "../../core/head.ts";
import type { CanonicalRequest, Message, Part } from "../../core/request.ts";
import type { EncodeTarget } from "../dialect.ts";
import { anthropicMessages as dialect } from "./index.ts";
import { constrainedSchema, toolSchema } from "./schema.ts";

const TARGET: EncodeTarget = {
  model: "upstream-model",
  stream: true,
  maxOutputTokens: 32_000,
  capabilities: new Set(CAPABILITIES),
  quirks: {},
};
const HI: Message[] = [{ role: "user", content: [{ type: "text", text: "hi" }] }];

function encode(fields: Partial<CanonicalRequest>, target: Partial<EncodeTarget> = {}) {
  const request: CanonicalRequest = { model: "m", stream: false, messages: HI, ...fields };
  const { body, losses } = dialect.encodeRequest(request, { ...TARGET, ...target });
  return { body: JSON.parse(JSON.stringify(body)), losses: losses.map(({ field, kind }) => `${field} ${kind}`) };
}

const tool = { type: "function", name: "f", parameters: { type: "object", properties: {} } } as const;
const without = (...gone: string[]) => new Set(CAPABILITIES.filter((name) => !gone.includes(name)));

describe("thinking", () => {
  test("an effort becomes adaptive thinking, or a budget where the model knows only that", () => {
    expect(encode({ reasoning: { effort: "medium" } }).body).toMatchObject({
      thinking: { type: "adaptive" },
      output_config: { effort: "medium" },
    });
    const budget = encode({ reasoning: { effort: "medium" } }, { quirks: { thinkingForm: "budget" } });
    expect(budget.body.thinking).toEqual({ type: "enabled", budget_tokens: 8192 });
    expect(budget.body.output_config).toBeUndefined();
  });

  test("a budget becomes an effort where the model knows only that", () => {
    const { body, losses } = encode(
      { reasoning: { mode: "on", budgetTokens: 16000 } },
      { quirks: { thinkingForm: "adaptive" } },
    );
    expect(body).toMatchObject({ thinking: { type: "adaptive" }, output_config: { effort: "high" } });
    expect(losses).toEqual(["reasoning.budgetTokens altered"]);
  });

  test("a budget stays below the output limit, and thinking is left out where it cannot fit", () => {
    const reasoning = { mode: "on", budgetTokens: 50_000 } as const;
    const { body } = encode({ reasoning, maxOutputTokens: 10_000 });
    expect(body).toMatchObject({ max_tokens: 10_000, thinking: { type: "enabled", budget_tokens: 8000 } });
    const tight = encode({ reasoning, maxOutputTokens: 1000 });
    expect(tight.body.thinking).toBeUndefined();
    expect(tight.losses).toEqual(["reasoning dropped"]);
  });

  test("sampling that the API refuses beside thinking is dropped", () => {
    const { body, losses } = encode({ reasoning: { effort: "low" }, temperature: 0.2, topK: 5 });
    expect(body.temperature).toBeUndefined();
    expect(body.top_k).toBeUndefined();
    expect(losses).toEqual(["temperature dropped", "topK dropped"]);
    expect(encode({ reasoning: { effort: "low" }, topP: 0.5 }).losses).toEqual(["topP dropped"]);
    expect(encode({ reasoning: { effort: "low" }, temperature: 1 }).losses).toEqual([]);
  });

  test("a forced tool goes before thinking with a budget", () => {
    const asked = {
      reasoning: { mode: "on", budgetTokens: 2000 },
      tools: [tool],
      toolChoice: { type: "required" },
    } as const;
    const { body, losses } = encode({ ...asked, tools: [tool] });
    expect(body.thinking).toBeUndefined();
    expect(body.tool_choice).toEqual({ type: "any" });
    expect(losses).toEqual(["reasoning dropped"]);
  });

  test("a turn that goes on after unsigned calls goes on without a budget for thinking", () => {
    const messages: Message[] = [
      ...HI,
      { role: "assistant", content: [{ type: "tool-call", id: "c", name: "f", kind: "function", arguments: "{}" }] },
      { role: "tool", content: [{ type: "tool-result", callId: "c", kind: "function", content: [] }] },
    ];
    const reasoning = { mode: "on", budgetTokens: 2000 } as const;
    expect(encode({ messages, tools: [tool], reasoning }).losses).toEqual(["reasoning dropped"]);
    const adaptive = encode({ messages, tools: [tool], reasoning: { effort: "high" } });
    expect(adaptive.body.thinking).toEqual({ type: "adaptive" });
  });

  test("a model that does not think is not asked to", () => {
    const { body, losses } = encode({ reasoning: { effort: "high" } }, { capabilities: without("thinking") });
    expect(body.thinking).toBeUndefined();
    expect(body.output_config).toBeUndefined();
    expect(losses).toEqual(["reasoning dropped"]);
    expect(encode({ reasoning: { mode: "off" } }, { capabilities: without("thinking") }).losses).toEqual([]);
  });

  test("thinking that is off or hidden is said so", () => {
    expect(encode({ reasoning: { effort: "none" } }).body.thinking).toEqual({ type: "disabled" });
    expect(encode({ reasoning: { mode: "adaptive", show: "none" } }).body.thinking).toEqual({
      type: "adaptive",
      display: "omitted",
    });
  });
});

describe("sampling and limits", () => {
  test("the output limit is always there and never above the model's", () => {
    expect(encode({}).body.max_tokens).toBe(32_000);
    expect(encode({ maxOutputTokens: 128_000 }).body.max_tokens).toBe(32_000);
    expect(encode({ maxOutputTokens: 5 }).body.max_tokens).toBe(5);
  });

  test("what the API lacks is a loss, unless it asks for what happens anyway", () => {
    expect(
      encode({ frequencyPenalty: 0, candidates: 1, logprobs: false, logitBias: {}, modalities: ["text"] }).losses,
    ).toEqual([]);
    expect(
      encode({ frequencyPenalty: 1, candidates: 2, logprobs: true, seed: 1, modalities: ["audio"] }).losses,
    ).toEqual([
      "frequencyPenalty dropped",
      "seed dropped",
      "candidates dropped",
      "logprobs dropped",
      "modalities dropped",
    ]);
  });

  test("a temperature above one is brought down, and stops of white space are left out", () => {
    const { body, losses } = encode({ temperature: 1.7, stop: ["\n", "END"] });
    expect(body).toMatchObject({ temperature: 1, stop_sequences: ["END"] });
    expect(losses).toEqual(["temperature altered", "stop altered"]);
  });

  test("fields that the upstream refuses are losses", () => {
    const { body, losses } = encode({ temperature: 0.5 }, { quirks: { refuses: ["temperature"] } });
    expect(body.temperature).toBeUndefined();
    expect(losses).toEqual(["temperature dropped"]);
  });

  test("a shared prompt prefix is marked for the cache when the caller's format caches unasked", () => {
    const { body } = encode({ cacheKey: "k", system: [{ type: "text", text: "S" }] });
    const mark = { cache_control: { type: "ephemeral" } };
    expect(body.system).toEqual([{ type: "text", text: "S", ...mark }]);
    expect(body.messages[0].content).toEqual([{ type: "text", text: "hi", ...mark }]);
    const own = encode({ cacheKey: "k", system: [{ type: "text", text: "S", cache: { ttl: "1h" } }] });
    expect(own.body.messages[0].content).toBe("hi");
  });

  test("fields of other formats are losses, wishes about transport are not", () => {
    const extras = { "openai-chat": { stream_options: {}, store: true, web_search_options: {} } };
    expect(encode({ extras }).losses).toEqual(["web_search_options dropped"]);
  });
});

describe("tools", () => {
  test("choices are translated, with the wish for single calls", () => {
    const chosen = encode({
      tools: [tool],
      toolChoice: { type: "tool", name: "f", kind: "function" },
      parallelToolCalls: false,
    });
    expect(chosen.body.tool_choice).toEqual({ type: "tool", name: "f", disable_parallel_tool_use: true });
    expect(encode({ tools: [tool], parallelToolCalls: false }).body.tool_choice).toEqual({
      type: "auto",
      disable_parallel_tool_use: true,
    });
    expect(encode({ toolChoice: { type: "none" }, parallelToolCalls: true }).body.tool_choice).toBeUndefined();
    expect(encode({ toolChoice: { type: "required" } }).losses).toEqual(["toolChoice dropped"]);
  });

  test("a choice among some tools sends only those", () => {
    const other = { ...tool, name: "g" };
    const { body } = encode({ tools: [tool, other], toolChoice: { type: "allowed", mode: "required", names: ["g"] } });
    expect(body.tools.map(({ name }: { name: string }) => name)).toEqual(["g"]);
    expect(body.tool_choice).toEqual({ type: "any" });
  });

  test("free-text tools become functions and namespaces part of the name", () => {
    const { body, losses } = encode({
      tools: [
        { type: "custom", name: "patch", grammar: { syntax: "lark", definition: "start: x" } },
        { ...tool, namespace: "ns" },
        { type: "server", kind: "web-search", dialect: "openai-responses", value: { type: "web_search" } },
      ],
    });
    expect(body.tools[0]).toMatchObject({ name: "patch", input_schema: { required: ["input"] } });
    expect(body.tools[1].name).toBe("ns__f");
    expect(losses).toEqual(["tools.grammar altered", "tools.web-search dropped"]);
  });

  test("input schemas are objects at the top, alternatives there folded", () => {
    expect(toolSchema(undefined)).toEqual({ type: "object", properties: {} });
    expect(toolSchema({ properties: { a: {} } })).toEqual({ type: "object", properties: { a: {} } });
    const a = { type: "object", properties: { a: {}, s: {} }, required: ["a", "s"] };
    const b = { type: "object", properties: { b: {}, s: {} }, required: ["b", "s"] };
    expect(toolSchema({ anyOf: [a, b] })).toEqual({
      type: "object",
      properties: { a: {}, s: {}, b: {} },
      required: ["s"],
    });
  });

  test("no more than twenty tools are strict", () => {
    const tools = Array.from({ length: 21 }, (_, index) => ({ ...tool, name: `f${index}`, strict: true }));
    const { body, losses } = encode({ tools });
    expect(body.tools.filter(({ strict }: { strict?: boolean }) => strict)).toHaveLength(20);
    expect(losses).toEqual(["tools.strict dropped"]);
  });
});

describe("structured output", () => {
  test("a schema is said in the language that the API takes", () => {
    const age = { type: "integer", minimum: 0, description: "Years." };
    const { schema, altered } = constrainedSchema({ type: "object", properties: { age }, required: ["age"] });
    expect(altered).toBe(true);
    expect(schema).toEqual({
      type: "object",
      properties: { age: { type: "integer", description: "Years.\n\n{minimum: 0}" } },
      required: ["age"],
      additionalProperties: false,
    });
  });

  test("a property may be called like a keyword", () => {
    const schema = { type: "object", properties: { maximum: { type: "number" } }, additionalProperties: false };
    expect(constrainedSchema(schema)).toEqual({ schema, altered: false });
  });

  test("JSON without a schema, and schemas for models that know none, are instructions", () => {
    const system = [{ type: "text", text: "S" }] as const;
    const json = encode({ system: [...system], outputFormat: { type: "json" } });
    expect(json.body.system).toHaveLength(2);
    expect(json.losses).toEqual(["outputFormat altered"]);
    const schema = { type: "object" };
    const told = encode(
      { outputFormat: { type: "json-schema", schema } },
      { capabilities: without("structured-output") },
    );
    expect(told.body.output_config).toBeUndefined();
    expect(told.body.system[0].text).toContain('{"type":"object"}');
  });
});

describe("media", () => {
  const send = (part: Part) => encode({ messages: [{ role: "user", content: [part as never] }] });
  const base64 = (mediaType: string, text: string) => ({ type: "base64", mediaType, data: btoa(text) }) as const;

  test("pictures and documents go by data, address or own file id", () => {
    const url = "https://example.org/a";
    expect(send({ type: "image", source: { type: "url", url } }).body.messages[0].content).toEqual([
      { type: "image", source: { type: "url", url } },
    ]);
    expect(
      send({ type: "file", source: base64("application/pdf", "x"), filename: "a.pdf" }).body.messages[0].content,
    ).toEqual([
      { type: "document", source: { type: "base64", media_type: "application/pdf", data: "eA==" }, title: "a.pdf" },
    ]);
    const own = send({ type: "file", source: { type: "file-id", id: "file_1", origin: "anthropic-messages" } });
    expect(own.body.messages[0].content[0].source).toEqual({ type: "file", file_id: "file_1" });
    const data = send({ type: "image", source: { type: "url", url: `data:image/png;base64,${btoa("x")}` } });
    expect(data.body.messages[0].content[0].source).toEqual({ type: "base64", media_type: "image/png", data: "eA==" });
  });

  test("text files become text documents", () => {
    const { body } = send({ type: "file", source: base64("application/json", '{"a":1}') });
    expect(body.messages[0].content[0].source).toEqual({ type: "text", media_type: "text/plain", data: '{"a":1}' });
  });

  test("what cannot be sent is a loss", () => {
    expect(send({ type: "audio", source: base64("audio/wav", "x") }).losses).toContain("messages.audio dropped");
    expect(send({ type: "file", source: base64("video/mp4", "x") }).losses).toContain("messages.file dropped");
    expect(send({ type: "file", source: { type: "file-id", id: "f", origin: "gemini" } }).losses).toContain(
      "messages.file dropped",
    );
    const drawn: Message = { role: "assistant", content: [{ type: "image", source: base64("image/png", "x") }] };
    expect(encode({ messages: [...HI, drawn, ...HI] }).losses).toEqual(["messages.image dropped"]);
  });

  test("a document of blocks gives others its text and comes back whole", () => {
    const source = {
      type: "content",
      content: [
        { type: "text", text: "a" },
        { type: "text", text: "b" },
      ],
    };
    const content = [{ type: "document", source, citations: { enabled: true } }];
    const decoded = dialect.decodeRequest({ model: "m", max_tokens: 1, messages: [{ role: "user", content }] }, {});
    expect(decoded.messages[0]?.content[0]).toMatchObject({ type: "file", source: { type: "text", text: "a\nb" } });
    expect(encode(decoded).body.messages[0].content).toEqual(content);
  });
});

test("a strict tool with optional properties is strict for this API alone, whose promise others cannot give", () => {
  const input_schema = { type: "object", properties: { a: { type: "string" } }, additionalProperties: false };
  const tools = [
    { name: "lenient", input_schema, strict: true },
    { name: "exact", input_schema: { ...input_schema, required: ["a"] }, strict: true },
  ];
  const messages = [{ role: "user", content: "hi" }];
  const decoded = dialect.decodeRequest({ model: "m", max_tokens: 1, messages, tools }, {});
  expect(decoded.tools).toMatchObject([{ name: "lenient" }, { name: "exact", strict: true }]);
  expect(decoded.tools?.[0]).not.toHaveProperty("strict");
  expect(encode(decoded).body.tools).toMatchObject(tools);
});

test("of more than four cache marks the last stay, and the request keeps its own", () => {
  const text = (value: string) => ({ type: "text", text: value, cache: { ttl: "5m" } }) as const;
  const messages: Message[] = [{ role: "user", content: ["a", "b", "c", "d"].map(text) }];
  const value = { type: "web_search_20250305", name: "web_search", cache_control: { type: "ephemeral" } };
  const tools: CanonicalRequest["tools"] = [
    { type: "server", kind: "web-search", dialect: "anthropic-messages", value },
  ];
  const { body, losses } = encode({ messages, tools });
  expect(body.tools).toEqual([{ type: "web_search_20250305", name: "web_search" }]);
  expect(JSON.stringify(body).split("cache_control")).toHaveLength(5);
  expect(losses).toEqual(["cache altered"]);
  expect(value.cache_control).toEqual({ type: "ephemeral" });
});
