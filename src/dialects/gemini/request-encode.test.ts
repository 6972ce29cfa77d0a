/** Unit tests of writing requests for an upstream: turns, results, signatures, thinking, tools, limits and losses. */
import { describe, expect, test } from "bun:test";
import { CAPABILITIES, type Capability } from "../../core/head.ts";
import type { JsonObject } from "../../core/json.ts";
import type { CanonicalRequest, Message } from "../../core/request.ts";
import type { EncodeTarget } from "../dialect.ts";
import { gemini } from "./index.ts";
import { SKIP_SIGNATURE } from "./wire.ts";

function target(model = "gemini-3-flash-preview", capabilities: readonly Capability[] = CAPABILITIES): EncodeTarget {
  return { model, stream: false, maxOutputTokens: 65_536, capabilities: new Set(capabilities), quirks: {} };
}

function encode(request: Partial<CanonicalRequest>, to = target()) {
  return gemini.encodeRequest({ model: "m", stream: false, messages: [], ...request }, to);
}

function contentsOf(messages: Message[], to = target()): JsonObject[] {
  return encode({ messages }, to).body.contents as JsonObject[];
}

const hello: Message = { role: "user", content: [{ type: "text", text: "hello" }] };

function call(id: string, name = "look"): Extract<Message, { role: "assistant" }>["content"][number] {
  return { type: "tool-call", id, name, kind: "function", arguments: '{"a":1}' };
}

function result(callId: string, text: string, isError = false): Extract<Message, { role: "tool" }>["content"][number] {
  return {
    type: "tool-result",
    callId,
    kind: "function",
    content: [{ type: "text", text }],
    ...(isError && { isError }),
  };
}

describe("encoding the history", () => {
  test("every call has its result right after it, in the calls' order, and ids made here are not sent", () => {
    const contents = contentsOf([
      hello,
      { role: "assistant", content: [call("call_1"), call("callgm_h1", "touch")] },
      { role: "tool", content: [result("callgm_h1", "soft"), result("call_1", '{"seen":true}')] },
      { role: "user", content: [{ type: "text", text: "well?" }] },
    ]);
    expect(contents[1]?.parts).toEqual([
      { functionCall: { id: "call_1", name: "look", args: { a: 1 } }, thoughtSignature: SKIP_SIGNATURE },
      { functionCall: { name: "touch", args: { a: 1 } } },
    ]);
    expect(contents[2]).toEqual({
      role: "user",
      parts: [
        { functionResponse: { id: "call_1", name: "look", response: { seen: true } } },
        { functionResponse: { name: "touch", response: { result: "soft" } } },
        { text: "well?" },
      ],
    });
  });

  test("a call without a result gets an error for one, a result without a call becomes a text", () => {
    const messages: Message[] = [
      { role: "tool", content: [result("gone", "lost")] },
      { role: "assistant", content: [call("call_1")] },
      hello,
    ];
    const { body, losses } = encode({ messages });
    const contents = body.contents as { role: string; parts: JsonObject[] }[];
    expect(contents.map((content) => content.role)).toEqual(["user", "model", "user"]);
    expect(contents[0]?.parts).toEqual([{ text: 'Tool result: {"result":"lost"}' }]);
    expect(contents[2]?.parts[0]).toMatchObject({ functionResponse: { id: "call_1", name: "look" } });
    expect(contents[2]?.parts[1]).toEqual({ text: "hello" });
    expect(losses).toEqual([
      { field: "messages.tool-result", kind: "altered" },
      { field: "messages.tool-call", kind: "altered" },
    ]);
  });

  test("a conversation that begins with the model gets a user before it; one that ends in a call gets its results", () => {
    const contents = contentsOf([{ role: "assistant", content: [call("call_1")] }]);
    expect(contents.map((content) => content.role)).toEqual(["user", "model", "user"]);
    expect(contentsOf([])).toEqual([{ role: "user", parts: [{ text: "" }] }]);
  });

  test("system messages in mid-conversation become reminders of the user", () => {
    const { body, losses } = encode({
      messages: [hello, { role: "system", content: [{ type: "text", text: "Now." }] }],
    });
    expect(body.contents).toEqual([
      { role: "user", parts: [{ text: "hello" }, { text: "<system-reminder>\nNow.\n</system-reminder>" }] },
    ]);
    expect(losses).toEqual([{ field: "messages.system", kind: "altered" }]);
  });

  test("an empty thought with a signature of Gemini's signs what follows it", () => {
    const signature = { origin: "gemini", value: "SIG=" } as const;
    const contents = contentsOf([
      hello,
      { role: "assistant", content: [{ type: "thinking", text: "", signature }, call("call_1")] },
      { role: "tool", content: [result("call_1", "x")] },
      {
        role: "assistant",
        content: [
          { type: "text", text: "ok" },
          { type: "thinking", text: "", signature },
        ],
      },
      hello,
    ]);
    expect(contents[1]?.parts).toEqual([
      { functionCall: { id: "call_1", name: "look", args: { a: 1 } }, thoughtSignature: "SIG=" },
    ]);
    expect(contents[3]?.parts).toEqual([{ text: "ok" }, { text: "", thoughtSignature: "SIG=" }]);
  });

  test("thinking signed elsewhere is left out; unsigned thinking goes as a thought", () => {
    const { body, losses } = encode({
      messages: [
        hello,
        {
          role: "assistant",
          content: [
            { type: "thinking", text: "theirs", signature: { origin: "anthropic-messages", value: "x" } },
            { type: "thinking", text: "open" },
            { type: "text", text: "ok" },
          ],
        },
        hello,
      ],
    });
    expect((body.contents as JsonObject[])[1]?.parts).toEqual([{ text: "open", thought: true }, { text: "ok" }]);
    expect(losses).toEqual([{ field: "messages.thinking", kind: "dropped" }]);
  });

  test("unsigned calls are excused to models that check, and only to those", () => {
    const messages: Message[] = [
      hello,
      { role: "assistant", content: [call("a"), call("b")] },
      { role: "tool", content: [result("a", "1"), result("b", "2")] },
    ];
    const signatures = (to: EncodeTarget) =>
      ((contentsOf(messages, to)[1]?.parts ?? []) as JsonObject[]).map((part) => part.thoughtSignature);
    expect(signatures(target("gemini-3-pro-preview"))).toEqual([SKIP_SIGNATURE, undefined]);
    expect(signatures(target("gemini-2.5-pro"))).toEqual([undefined, undefined]);
    expect(signatures(target("gemini-3-pro-preview", ["tools"]))).toEqual([undefined, undefined]);
  });

  test("media of a result stand inside the response where the model knows that, else beside it", () => {
    const image = { type: "image", source: { type: "base64", data: "AA==", mediaType: "image/png" } } as const;
    const messages: Message[] = [
      hello,
      { role: "assistant", content: [call("a")] },
      { role: "tool", content: [{ type: "tool-result", callId: "a", kind: "function", content: [image] }] },
    ];
    const inlineData = { mimeType: "image/png", data: "AA==" };
    expect(contentsOf(messages)[2]?.parts).toEqual([
      { functionResponse: { id: "a", name: "look", response: {}, parts: [{ inlineData }] } },
    ]);
    expect(contentsOf(messages, target("gemini-2.5-flash"))[2]?.parts).toEqual([
      { functionResponse: { id: "a", name: "look", response: {} } },
      { inlineData },
    ]);
  });

  test("custom tools become functions with one input, their calls too", () => {
    const { body, losses } = encode({
      tools: [{ type: "custom", name: "patch", description: "d", grammar: { syntax: "lark", definition: "start: x" } }],
      messages: [
        hello,
        {
          role: "assistant",
          content: [{ type: "tool-call", id: "c", name: "patch", kind: "custom", arguments: "*** a" }],
        },
        { role: "tool", content: [{ ...result("c", "done"), kind: "custom" } as never] },
      ],
    });
    expect((body.contents as JsonObject[])[1]).toMatchObject({
      parts: [{ functionCall: { name: "patch", args: { input: "*** a" } } }],
    });
    expect(body.tools).toMatchObject([
      { functionDeclarations: [{ name: "patch", parametersJsonSchema: { required: ["input"] } }] },
    ]);
    expect(losses).toEqual([{ field: "tools.grammar", kind: "altered" }]);
  });

  test("a file of another provider is a loss, an address and a data address are not", () => {
    const { body, losses } = encode({
      messages: [
        {
          role: "user",
          content: [
            { type: "file", source: { type: "file-id", id: "file_1", origin: "openai-chat" } },
            { type: "image", source: { type: "url", url: "https://example.com/a.webp?x=1" } },
            { type: "image", source: { type: "url", url: "data:image/gif;base64,R0lG" } },
          ],
        },
      ],
    });
    expect(body.contents).toEqual([
      {
        role: "user",
        parts: [
          { fileData: { mimeType: "image/webp", fileUri: "https://example.com/a.webp?x=1" } },
          { inlineData: { mimeType: "image/gif", data: "R0lG" } },
        ],
      },
    ]);
    expect(losses).toEqual([{ field: "messages.file", kind: "dropped" }]);
  });
});

describe("encoding settings", () => {
  const thinking = (reasoning: CanonicalRequest["reasoning"], model: string) => {
    const { body, losses } = encode({ reasoning }, target(model));
    return [(body.generationConfig as JsonObject | undefined)?.thinkingConfig, losses.length] as const;
  };

  test("effort is a level for generation 3 and a budget within the model's range for generation 2", () => {
    expect(thinking({ effort: "medium" }, "gemini-3-flash")).toEqual([{ thinkingLevel: "MEDIUM" }, 0]);
    expect(thinking({ effort: "medium" }, "gemini-3-pro-preview")).toEqual([{ thinkingLevel: "LOW" }, 1]);
    expect(thinking({ effort: "max" }, "gemini-3.1-pro")).toEqual([{ thinkingLevel: "HIGH" }, 1]);
    expect(thinking({ effort: "low" }, "gemini-2.5-flash")).toEqual([{ thinkingBudget: 2048 }, 0]);
    expect(thinking({ effort: "max" }, "gemini-2.5-flash")).toEqual([{ thinkingBudget: 24_576 }, 1]);
  });

  test("no thinking is said as near as the model allows", () => {
    expect(thinking({ mode: "off" }, "gemini-2.5-flash")).toEqual([{ thinkingBudget: 0 }, 0]);
    expect(thinking({ mode: "off" }, "gemini-2.5-pro")).toEqual([{ thinkingBudget: 128 }, 1]);
    expect(thinking({ effort: "none" }, "gemini-3-flash")).toEqual([{ thinkingLevel: "MINIMAL" }, 1]);
  });

  test("thinking that was asked for by name is shown, unless it is to be hidden", () => {
    expect(thinking({ mode: "on", budgetTokens: 4000 }, "gemini-2.5-pro")).toEqual([
      { thinkingBudget: 4000, includeThoughts: true },
      0,
    ]);
    expect(thinking({ mode: "adaptive", show: "none" }, "gemini-2.5-pro")).toEqual([
      { thinkingBudget: -1, includeThoughts: false },
      0,
    ]);
  });

  test("a model that cannot think is not told to, and thinking is then a loss", () => {
    const { body, losses } = encode({ reasoning: { effort: "high" } }, target("gemini-2.0-flash", ["tools"]));
    expect(body.generationConfig).toBeUndefined();
    expect(losses).toEqual([{ field: "reasoning", kind: "dropped" }]);
  });

  test("limits are kept: output, stop sequences, seeds", () => {
    const { body, losses } = encode({ maxOutputTokens: 999_999, stop: ["1", "2", "3", "4", "5", "6"], seed: 2 ** 40 });
    expect(body.generationConfig).toMatchObject({ maxOutputTokens: 65_536, stopSequences: ["1", "2", "3", "4", "5"] });
    expect(Math.abs((body.generationConfig as { seed: number }).seed)).toBeLessThan(2 ** 31);
    expect(losses.map((loss) => loss.field).sort()).toEqual(["seed", "stop"]);
  });

  test("each choice has its mode, and a list of names needs VALIDATED where the model may also answer", () => {
    const tools: CanonicalRequest["tools"] = [{ type: "function", name: "f" }];
    const mode = (toolChoice: CanonicalRequest["toolChoice"]) =>
      (encode({ tools, toolChoice }).body.toolConfig as JsonObject).functionCallingConfig;
    expect(mode({ type: "auto" })).toEqual({ mode: "AUTO" });
    expect(mode({ type: "none" })).toEqual({ mode: "NONE" });
    expect(mode({ type: "required" })).toEqual({ mode: "ANY" });
    expect(mode({ type: "tool", name: "f", kind: "function" })).toEqual({ mode: "ANY", allowedFunctionNames: ["f"] });
    expect(mode({ type: "allowed", mode: "auto", names: ["f"] })).toEqual({
      mode: "VALIDATED",
      allowedFunctionNames: ["f"],
    });
    expect(encode({ toolChoice: { type: "required" } }).body.toolConfig).toBeUndefined();
  });

  test("tools of other providers are losses, Gemini's own go as they came", () => {
    const { body, losses } = encode({
      tools: [
        { type: "server", kind: "web-search", dialect: "anthropic-messages", value: { type: "web_search_20250305" } },
        { type: "server", kind: "web-search", dialect: "gemini", value: { googleSearch: {} } },
      ],
    });
    expect(body.tools).toEqual([{ googleSearch: {} }]);
    expect(losses).toEqual([{ field: "tools.web-search", kind: "dropped" }]);
  });

  test("the billing line of another caller's instructions is not sent", () => {
    const text = "x-anthropic-billing-header: cc_version=1;";
    const { system } = gemini.decodeRequest({ systemInstruction: [{ text }, { text: "Be good." }], contents: [] }, {});
    expect(system).toHaveLength(2);
    const { body } = encode({ system });
    expect(body.systemInstruction).toEqual({ parts: [{ text: "Be good." }] });
  });
});

describe("JSON answers together with functions", () => {
  const tools: CanonicalRequest["tools"] = [{ type: "function", name: "look" }];
  const outputFormat = { type: "json-schema", schema: { type: "object" } } as const;

  test("are asked for in words before generation 3, which refuses the two together", () => {
    const { body, losses } = encode(
      { tools, outputFormat, system: [{ type: "text", text: "Be kind." }] },
      target("gemini-2.5-pro"),
    );
    expect(body.generationConfig).toBeUndefined();
    const { parts } = body.systemInstruction as { parts: { text: string }[] };
    expect(parts[0]).toEqual({ text: "Be kind." });
    expect(parts[1]?.text).toContain('{"type":"object"}');
    expect(losses).toEqual([{ field: "outputFormat", kind: "altered" }]);
  });

  test("are held to the schema where that is possible", () => {
    const wanted = { responseMimeType: "application/json", responseJsonSchema: { type: "object" } };
    expect(encode({ tools, outputFormat }).body.generationConfig).toEqual(wanted);
    expect(encode({ outputFormat }, target("gemini-2.5-pro")).body.generationConfig).toEqual(wanted);
  });
});
