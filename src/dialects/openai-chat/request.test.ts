/**
 * How Chat requests are read into the canon and written for upstreams with their quirks.
 * The recordings' test has the breadth; here is each behaviour by its name.
 */
import { describe, expect, test } from "bun:test";
import type { Quirks } from "../../core/endpoint.ts";
import { GatewayError } from "../../core/error.ts";
import type { Capability } from "../../core/head.ts";
import type { JsonObject } from "../../core/json.ts";
import type { CanonicalRequest, Message, Part } from "../../core/request.ts";
import type { EncodeTarget } from "../dialect.ts";
import { openaiChat } from "./index.ts";

const decode = (body: JsonObject) => openaiChat.decodeRequest({ model: "m", messages: [], ...body }, {});
const turns = (...messages: JsonObject[]) => decode({ messages });

function target(quirks: Quirks = {}, more: Partial<EncodeTarget> = {}): EncodeTarget {
  const capabilities = new Set<Capability>(["thinking"]);
  return { model: "up", stream: false, maxOutputTokens: 1000, capabilities, quirks, ...more };
}

function encode(request: Partial<CanonicalRequest>, quirks: Quirks = {}, more: Partial<EncodeTarget> = {}) {
  const { body, losses } = openaiChat.encodeRequest(
    { model: "m", stream: false, messages: [], ...request },
    target(quirks, more),
  );
  return { body, messages: body.messages as JsonObject[], losses: losses.map((loss) => loss.field) };
}

const user = (content: Extract<Message, { role: "user" }>["content"]): Message => ({ role: "user", content });
const text = (value: string) => ({ type: "text" as const, text: value });

function pathOfError(body: JsonObject): string | undefined {
  try {
    decode(body);
  } catch (error) {
    if (error instanceof GatewayError) return error.param;
    throw error;
  }
  return undefined;
}

describe("decoding messages", () => {
  test("leading instructions are system, later ones stay in their place", () => {
    const request = turns(
      { role: "system", content: "a" },
      { role: "developer", content: [text("b"), text("c")] },
      { role: "user", content: "hi" },
      { role: "system", content: "d" },
    );
    expect(request.system?.map((part) => part.text)).toEqual(["a", "b", "c"]);
    expect(request.messages.map((message) => message.role)).toEqual(["user", "system"]);
  });

  test("the results of one turn are one tool message, with names from the calls", () => {
    const request = turns(
      { role: "user", content: "x" },
      {
        role: "assistant",
        content: null,
        tool_calls: [
          { id: "1", type: "function", function: { name: "f", arguments: "{}" } },
          { id: "2", type: "custom", custom: { name: "g", input: "free" } },
        ],
      },
      { role: "tool", tool_call_id: "1", content: [text("one")] },
      { role: "tool", tool_call_id: "2", content: "two" },
    );
    expect(request.messages).toHaveLength(3);
    expect(request.messages[2]?.content).toEqual([
      { type: "tool-result", callId: "1", name: "f", kind: "function", content: [text("one")] },
      { type: "tool-result", callId: "2", name: "g", kind: "custom", content: [text("two")] },
    ]);
  });

  test("a call without arguments keeps its empty text", () => {
    const request = turns({
      role: "assistant",
      tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: "" } }],
    });
    expect(request.messages[0]?.content[0]).toMatchObject({ type: "tool-call", arguments: "" });
  });

  test("reasoning is read under each of its names", () => {
    for (const field of ["reasoning_content", "reasoning"]) {
      const request = turns({ role: "assistant", [field]: "hm", content: "ok" });
      expect(request.messages[0]?.content).toEqual([{ type: "thinking", text: "hm" }, text("ok")]);
    }
    const mistral = turns({ role: "assistant", content: [{ type: "thinking", thinking: [text("hm")] }, text("ok")] });
    expect(mistral.messages[0]?.content).toEqual([{ type: "thinking", text: "hm" }, text("ok")]);
  });

  test("a wrapped signature in a detail gets its origin back", () => {
    const request = turns({
      role: "assistant",
      reasoning_content: "hm",
      reasoning_details: [{ type: "reasoning.text", text: "hm", signature: "sluice.anthropic-messages.SIG", index: 0 }],
    });
    expect(request.messages[0]?.content).toEqual([
      { type: "thinking", text: "hm", signature: { origin: "anthropic-messages", value: "SIG" } },
    ]);
  });

  test("media become sources", () => {
    const request = turns({
      role: "user",
      content: [
        { type: "image_url", image_url: { url: "data:image/png;base64,AAAA", detail: "low" } },
        { type: "image_url", image_url: "https://example.com/a.png" },
        { type: "input_audio", input_audio: { data: "BBBB", format: "mp3" } },
        { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,CCCC" } },
        { type: "file", file: { file_id: "file-1" } },
      ],
    });
    expect(request.messages[0]?.content as Part[]).toEqual([
      { type: "image", source: { type: "base64", mediaType: "image/png", data: "AAAA" }, detail: "low" },
      { type: "image", source: { type: "url", url: "https://example.com/a.png" } },
      { type: "audio", source: { type: "base64", mediaType: "audio/mpeg", data: "BBBB" } },
      { type: "file", source: { type: "base64", mediaType: "application/pdf", data: "CCCC" }, filename: "a.pdf" },
      { type: "file", source: { type: "file-id", id: "file-1", origin: "openai-chat" } },
    ]);
  });

  test("a cache mark on a message stands behind its last part", () => {
    const mark = { type: "ephemeral" };
    const request = decode({
      messages: [
        { role: "system", content: "a", cache_control: mark },
        { role: "user", content: [text("b"), { ...text("c"), cache_control: { ...mark, ttl: "1h" } }] },
      ],
      tools: [{ type: "function", function: { name: "f" }, cache_control: mark }],
    });
    expect(request.system).toEqual([{ ...text("a"), cache: { ttl: "5m" } }]);
    expect(request.messages[0]?.content).toEqual([text("b"), { ...text("c"), cache: { ttl: "1h" } }]);
    expect(request.tools).toEqual([{ type: "function", name: "f", cache: { ttl: "5m" } }]);
  });

  test("wrong types are told by their path", () => {
    expect(pathOfError({ messages: "x" })).toBe("messages");
    expect(pathOfError({ messages: [{ role: "user", content: [{ type: "text" }] }] })).toBe(
      "messages[0].content[0].text",
    );
    expect(pathOfError({ messages: [{ role: "assistant", tool_calls: [{ id: "1" }] }] })).toBe(
      "messages[0].tool_calls[0].function",
    );
    expect(pathOfError({ messages: [{ role: "robot" }] })).toBe("messages[0].role");
    expect(pathOfError({ temperature: "hot" })).toBe("temperature");
    expect(pathOfError({ tools: [{ type: "function", function: {} }] })).toBe("tools[0].function.name");
  });
});

describe("decoding the rest", () => {
  test("nulls count as absent", () => {
    expect(
      decode({ stop: null, tools: null, temperature: null, n: null, response_format: null, stream: null }),
    ).toEqual({
      model: "m",
      stream: false,
      messages: [],
    });
  });

  test("tool choices in all forms", () => {
    const choice = (tool_choice: JsonObject | string) => decode({ tool_choice }).toolChoice;
    expect(choice("any")).toEqual({ type: "required" });
    expect(choice({ type: "function", function: { name: "f" } })).toEqual({
      type: "tool",
      name: "f",
      kind: "function",
    });
    expect(choice({ type: "custom", custom: { name: "g" } })).toEqual({ type: "tool", name: "g", kind: "custom" });
    const tools = [{ type: "function", function: { name: "f" } }];
    expect(choice({ type: "allowed_tools", allowed_tools: { mode: "required", tools } })).toEqual({
      type: "allowed",
      mode: "required",
      names: ["f"],
    });
  });

  test("custom tools with a grammar", () => {
    const format = { type: "grammar", grammar: { syntax: "lark", definition: "start: X" } };
    expect(decode({ tools: [{ type: "custom", custom: { name: "g", format } }] }).tools).toEqual([
      { type: "custom", name: "g", grammar: format.grammar },
    ]);
  });

  test("reasoning in its three forms", () => {
    const reasoning = (body: JsonObject) => decode(body).reasoning as unknown;
    expect(reasoning({ reasoning_effort: "high" })).toEqual({ effort: "high" });
    expect(reasoning({ reasoning: { max_tokens: 2000, exclude: true } })).toEqual({ budgetTokens: 2000, show: "none" });
    expect(reasoning({ thinking: { type: "disabled" } })).toEqual({ mode: "off" });
  });

  test("unknown fields travel in extras and come back", () => {
    const request = decode({
      messages: [{ role: "user", content: "x", name: "bob" }],
      prediction: { type: "content", content: "y" },
      store: true,
    });
    expect(request.extras).toEqual({ "openai-chat": { prediction: { type: "content", content: "y" }, store: true } });
    const { body, messages } = encode(request);
    expect(body).toMatchObject({ prediction: { type: "content", content: "y" }, store: true });
    expect(messages[0]).toEqual({ role: "user", content: "x", name: "bob" });
  });
});

describe("legacy functions", () => {
  const request = decode({
    messages: [
      { role: "user", content: "x" },
      { role: "assistant", content: null, function_call: { name: "f", arguments: "{}" } },
      { role: "function", name: "f", content: "done" },
    ],
    functions: [{ name: "f", parameters: { type: "object" } }],
    function_call: { name: "f" },
  });

  test("are tools, calls and results in the canon", () => {
    expect(request.tools).toEqual([{ type: "function", name: "f", parameters: { type: "object" } }]);
    expect(request.toolChoice).toEqual({ type: "tool", name: "f", kind: "function" });
    const [, call, result] = request.messages;
    expect(call?.content[0]).toMatchObject({ id: "call_1_function", name: "f" });
    expect(result?.content[0]).toMatchObject({ callId: "call_1_function", name: "f" });
  });

  test("are written in the old form again", () => {
    const { body } = encode(request);
    expect(body.functions).toEqual([{ name: "f", parameters: { type: "object" } }]);
    expect(body.function_call).toEqual({ name: "f" });
    expect(body.tools).toBeUndefined();
    expect((body.messages as JsonObject[])[1]?.function_call).toEqual({ name: "f", arguments: "{}" });
    expect((body.messages as JsonObject[])[2]).toEqual({ role: "function", name: "f", content: "done" });
  });
});

const call = (id: string) => ({ type: "tool-call", id, name: "f", kind: "function", arguments: "{}" }) as const;

describe("encoding for upstreams", () => {
  test("usage is always asked for in a stream, unless the upstream refuses", () => {
    expect(encode({}, {}, { stream: true }).body.stream_options).toEqual({ include_usage: true });
    expect(encode({}, { noStreamOptions: true }, { stream: true }).body.stream_options).toBeUndefined();
    expect(encode({}).body).toEqual({ model: "up", messages: [] });
  });

  test("the output limit has the upstream's name and its bound", () => {
    expect(encode({ maxOutputTokens: 5000 }).body.max_completion_tokens).toBe(1000);
    expect(encode({ maxOutputTokens: 50 }, { maxTokensField: "max_tokens" }).body.max_tokens).toBe(50);
  });

  test("instructions take the upstream's role and form", () => {
    const system = [text("a"), text("b")];
    expect(encode({ system }).messages).toEqual([{ role: "system", content: [text("a"), text("b")] }]);
    expect(encode({ system }, { flattenText: true, systemRole: "developer" }).messages).toEqual([
      { role: "developer", content: "a\n\nb" },
    ]);
  });

  test("cache marks are dropped as a loss, or kept where the upstream knows them", () => {
    const messages = [user([{ ...text("a"), cache: { ttl: "1h" } }])];
    expect(encode({ messages }).losses).toEqual(["cache"]);
    expect(encode({ messages }).messages[0]?.content).toBe("a");
    expect(encode({ messages }, { cacheControl: true }).messages[0]?.content).toEqual([
      { ...text("a"), cache_control: { type: "ephemeral", ttl: "1h" } },
    ]);
  });

  test("free-text tools and their calls become functions by default", () => {
    const request: Partial<CanonicalRequest> = {
      tools: [{ type: "custom", name: "patch", namespace: "ns", description: "Edits." }],
      messages: [
        {
          role: "assistant",
          content: [{ type: "tool-call", id: "1", name: "patch", namespace: "ns", kind: "custom", arguments: 'a "b"' }],
        },
      ],
    };
    const { body, messages, losses } = encode(request);
    expect(body.tools).toMatchObject([
      { type: "function", function: { name: "ns__patch", parameters: { required: ["input"] } } },
    ]);
    expect(messages[0]?.tool_calls).toEqual([
      { id: "1", type: "function", function: { name: "ns__patch", arguments: '{"input":"a \\"b\\""}' } },
    ]);
    expect(losses.sort()).toEqual(["messages.tool-call", "tools.custom"]);
    const native = encode(request, { customTools: true });
    expect(native.messages[0]?.tool_calls).toEqual([
      { id: "1", type: "custom", custom: { name: "ns__patch", input: 'a "b"' } },
    ]);
  });

  test("empty arguments are an empty object for upstreams that parse them", () => {
    const messages: Message[] = [
      { role: "assistant", content: [{ type: "tool-call", id: "1", name: "f", kind: "function", arguments: "" }] },
    ];
    expect(encode({ messages }).messages[0]).toMatchObject({
      content: null,
      tool_calls: [{ function: { arguments: "{}" } }],
    });
  });

  test("images that a tool returned follow its results as the user's", () => {
    const image = { type: "image" as const, source: { type: "url" as const, url: "https://example.com/a.png" } };
    const messages: Message[] = [
      { role: "assistant", content: [call("1"), call("2")] },
      {
        role: "tool",
        content: [
          { type: "tool-result", callId: "1", kind: "function", content: [text("see"), image] },
          { type: "tool-result", callId: "2", kind: "function", content: [text("ok")] },
        ],
      },
    ];
    const encoded = encode({ messages });
    expect(encoded.messages.map((message) => message.role)).toEqual(["assistant", "tool", "tool", "user"]);
    expect(encoded.messages[1]).toEqual({ role: "tool", tool_call_id: "1", content: "see" });
    expect(encoded.losses).toEqual(["messages.tool-result.media"]);
  });

  test("thinking goes back only where the upstream takes it", () => {
    const details = [
      { type: "reasoning.text", text: "hm", signature: "S", format: "anthropic-claude-v1", index: 0 },
      { type: "reasoning.encrypted", data: "D", id: "rs_1", index: 1 },
    ];
    const { messages } = turns({ role: "assistant", reasoning: "hm", reasoning_details: details, content: "ok" });
    expect(encode({ messages }).losses).toEqual(["messages.thinking"]);
    expect(
      encode({ messages }, { reasoningField: "reasoning", reasoningDetails: true }).messages[0]?.reasoning_details,
    ).toEqual(details);
    const foreign: Message[] = [
      {
        role: "assistant",
        content: [{ type: "thinking", text: "hm", signature: { origin: "gemini", value: "G" } }, text("ok")],
      },
    ];
    const encoded = encode({ messages: foreign }, { reasoningField: "reasoning_content" });
    expect(encoded.messages[0]).toEqual({ role: "assistant", content: "ok", reasoning_content: "hm" });
    expect(encoded.losses).toEqual(["messages.thinking"]);
  });

  test("effort and budget in the upstream's own form", () => {
    const reasoning = { budgetTokens: 8000 };
    expect(encode({ reasoning }).body.reasoning_effort).toBe("medium");
    expect(encode({ reasoning }, { reasoningRequest: "reasoning" }).body.reasoning).toEqual({ max_tokens: 8000 });
    expect(encode({ reasoning: { mode: "off" } }, { reasoningRequest: "thinking" }).body.thinking).toEqual({
      type: "disabled",
    });
    const without = encode({ reasoning }, {}, { capabilities: new Set() });
    expect(without.body.reasoning_effort).toBeUndefined();
    expect(without.losses).toEqual(["reasoning"]);
  });

  test("what Chat cannot say is a loss", () => {
    const { losses } = encode({
      topK: 5,
      tools: [{ type: "server", kind: "web-search", dialect: "anthropic-messages", value: {} }],
      toolChoice: { type: "auto" },
      endUser: "x".repeat(100),
      extras: { "anthropic-messages": { context_management: {} }, "openai-responses": { store: false } },
      messages: [
        user([{ type: "file", source: { type: "url", url: "https://example.com/a.pdf" } }]),
        { role: "assistant", content: [call("1")] },
        { role: "tool", content: [{ type: "tool-result", callId: "1", kind: "function", content: [], isError: true }] },
      ],
    });
    expect(losses.sort()).toEqual([
      "context_management",
      "endUser",
      "messages.file",
      "messages.isError",
      "tools.web-search",
      "topK",
    ]);
  });

  test("fields that the upstream refuses are losses", () => {
    const { body, losses } = encode({ temperature: 1, stop: ["x"] }, { refuses: ["temperature", "stop"] });
    expect(body).toEqual({ model: "up", messages: [] });
    expect(losses).toEqual(["temperature", "stop"]);
  });
});
