/** Unit tests of requests in both directions: spellings, roles, results and their calls, signatures, thinking, tools. */
import { describe, expect, test } from "bun:test";
import { GatewayError } from "../../core/error.ts";
import { CAPABILITIES, type Capability } from "../../core/head.ts";
import type { JsonObject } from "../../core/json.ts";
import type { CanonicalRequest, Message } from "../../core/request.ts";
import type { EncodeTarget } from "../dialect.ts";
import { gemini } from "./index.ts";
import { SKIP_SIGNATURE } from "./wire.ts";

function decode(body: JsonObject): CanonicalRequest {
  return gemini.decodeRequest(body, { model: "m", stream: false });
}

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

describe("decoding", () => {
  test("snake_case and camelCase say the same", () => {
    const camel = decode({
      contents: [{ parts: [{ inlineData: { mimeType: "image/png", data: "AA==" } }] }],
      systemInstruction: { parts: [{ text: "Be brief." }] },
      generationConfig: { maxOutputTokens: 5, topP: 0.5, stopSequences: ["x"], thinkingConfig: { thinkingBudget: 9 } },
      toolConfig: { functionCallingConfig: { mode: "ANY", allowedFunctionNames: ["do_it"] } },
      tools: [{ functionDeclarations: [{ name: "do_it", parameters: { type: "OBJECT", properties: { a_b: {} } } }] }],
    });
    const snake = decode({
      contents: [{ parts: [{ inline_data: { mime_type: "image/png", data: "AA==" } }] }],
      system_instruction: { parts: [{ text: "Be brief." }] },
      generation_config: {
        max_output_tokens: 5,
        top_p: 0.5,
        stop_sequences: ["x"],
        thinking_config: { thinking_budget: 9 },
      },
      tool_config: { function_calling_config: { mode: "any", allowed_function_names: ["do_it"] } },
      tools: [{ function_declarations: [{ name: "do_it", parameters: { type: "OBJECT", properties: { a_b: {} } } }] }],
    });
    expect(snake).toEqual(camel);
    expect(camel.toolChoice).toEqual({ type: "tool", name: "do_it", kind: "function" });
    expect(camel.tools).toEqual([
      { type: "function", name: "do_it", parameters: { type: "object", properties: { a_b: {} } } },
    ]);
  });

  test("the instruction may be an object, a text or parts; a content may lack its role or be a text", () => {
    const system = [{ type: "text", text: "s" }];
    for (const systemInstruction of ["s", { parts: { text: "s" } }, [{ text: "s" }], { text: "s" }]) {
      const request = decode({ systemInstruction, contents: "hi" } as JsonObject);
      expect(request.system).toEqual(system as never);
      expect(request.messages).toEqual([{ role: "user", content: [{ type: "text", text: "hi" }] }]);
    }
  });

  test("calls without ids get made ones by position, and results find them by name and order", () => {
    const { messages } = decode({
      contents: [
        { role: "user", parts: [{ text: "go" }] },
        { role: "model", parts: ["a", "b", "a"].map((name) => ({ functionCall: { name } })) },
        {
          role: "user",
          parts: ["b", "a", "a"].map((name, at) => ({ functionResponse: { name, response: { result: String(at) } } })),
        },
      ],
    });
    const calls = messages[1]?.content.map((part) => part.type === "tool-call" && part.id);
    expect(calls).toEqual(["callgm_h0", "callgm_h1", "callgm_h2"]);
    const results = messages[2]?.content.map((part) => part.type === "tool-result" && [part.callId, part.content]);
    expect(results).toEqual([
      ["callgm_h1", [{ type: "text", text: "0" }]],
      ["callgm_h0", [{ type: "text", text: "1" }]],
      ["callgm_h2", [{ type: "text", text: "2" }]],
    ]);
  });

  test("an id that a client tells only with the result becomes the call's id", () => {
    const { messages } = decode({
      contents: [
        { role: "model", parts: [{ functionCall: { name: "look", args: { x: 1 } } }] },
        { role: "user", parts: [{ functionResponse: { id: "look_7", name: "look", response: { output: "fine" } } }] },
      ],
    });
    expect(messages).toEqual([
      {
        role: "assistant",
        content: [{ type: "tool-call", id: "look_7", name: "look", kind: "function", arguments: '{"x":1}' }],
      },
      {
        role: "tool",
        content: [
          {
            type: "tool-result",
            callId: "look_7",
            name: "look",
            kind: "function",
            content: [{ type: "text", text: "fine" }],
          },
        ],
      },
    ]);
  });

  test("a turn that mixes results and texts is split, results first; an error result is one", () => {
    const { messages } = decode({
      contents: [
        { role: "model", parts: [{ functionCall: { id: "1", name: "f" } }] },
        {
          role: "user",
          parts: [{ text: "and" }, { functionResponse: { id: "1", name: "f", response: { error: "no" } } }],
        },
      ],
    });
    expect(messages.map((message) => message.role)).toEqual(["assistant", "tool", "user"]);
    expect(messages[1]?.content[0]).toMatchObject({ isError: true, content: [{ type: "text", text: "no" }] });
  });

  test("chunks of a stream that a client kept as contents of their own are one message again", () => {
    const model = (...parts: JsonObject[]) => ({ role: "model", parts });
    const wrapped = Buffer.from("sluice.anthropic-messages.SIG").toString("base64");
    const { messages } = decode({
      contents: [
        { role: "user", parts: [{ text: "?" }] },
        model({ text: "I th", thought: true }),
        model({ text: "ink", thought: true }),
        model({ text: "", thought: true, thoughtSignature: wrapped }),
        model({ text: "Hel" }),
        model({ text: "lo" }),
        model({ functionCall: { name: "f" } }),
      ],
    });
    expect(messages[1]?.content).toEqual([
      { type: "thinking", text: "I think", signature: { origin: "anthropic-messages", value: "SIG" } },
      { type: "text", text: "Hello" },
      { type: "tool-call", id: "callgm_h0", name: "f", kind: "function", arguments: "{}" },
    ]);
  });

  test("signatures stay on their part, also on an empty text; a placeholder is none", () => {
    const { messages } = decode({
      contents: [
        {
          role: "model",
          parts: [
            { functionCall: { id: "1", name: "f" }, thoughtSignature: "AAA=" },
            { functionCall: { id: "2", name: "f" }, thoughtSignature: SKIP_SIGNATURE },
            { text: "", thoughtSignature: "BBB=" },
          ],
        },
      ],
    });
    expect(messages[0]?.content).toMatchObject([
      { type: "tool-call", signature: { origin: "gemini", value: "AAA=" } },
      { type: "tool-call", id: "2" },
      { type: "text", text: "", signature: { origin: "gemini", value: "BBB=" } },
    ]);
    expect(messages[0]?.content[1]).not.toHaveProperty("signature");
  });

  test("media are parts by their type; uploads belong to Google; parts that only Gemini knows stay whole", () => {
    const file = "https://generativelanguage.googleapis.com/v1beta/files/abc";
    const { messages } = decode({
      contents: [
        {
          parts: [
            { inlineData: { mimeType: "audio/wav", data: "AA==" } },
            { fileData: { mimeType: "video/mp4", fileUri: "https://example.com/a.mp4" }, videoMetadata: { fps: 1 } },
            { fileData: { mimeType: "application/pdf", fileUri: file } },
            { executableCode: { language: "PYTHON", code: "1" } },
          ],
        },
      ],
    });
    expect(messages[0]?.content).toEqual([
      { type: "audio", source: { type: "base64", data: "AA==", mediaType: "audio/wav" } },
      {
        type: "file",
        source: { type: "url", url: "https://example.com/a.mp4", mediaType: "video/mp4" },
        extras: { gemini: { videoMetadata: { fps: 1 } } },
      },
      {
        type: "file",
        source: { type: "file-id", id: file, origin: "gemini" },
        extras: { gemini: { fileData: { mimeType: "application/pdf" } } },
      },
      { type: "opaque", dialect: "gemini", value: { executableCode: { language: "PYTHON", code: "1" } } },
    ]);
  });

  test("what has no place in the canon is kept under its path", () => {
    const { extras } = decode({
      contents: [],
      safetySettings: [{ category: "c" }],
      cachedContent: "cachedContents/1",
      generationConfig: { speechConfig: { a: 1 }, responseMimeType: "text/x.enum", mediaResolution: null },
      toolConfig: { includeServerSideToolInvocations: true, functionCallingConfig: { mode: "VALIDATED" } },
    });
    expect(extras?.gemini).toEqual({
      safetySettings: [{ category: "c" }],
      cachedContent: "cachedContents/1",
      "generationConfig.speechConfig": { a: 1 },
      "generationConfig.responseMimeType": "text/x.enum",
      "toolConfig.includeServerSideToolInvocations": true,
      "toolConfig.functionCallingConfig.mode": "VALIDATED",
    });
  });

  test("wrong types are told with their path", () => {
    const wrong: [JsonObject, string][] = [
      [{ contents: [{ role: "wizard", parts: [] }] }, "contents[0].role"],
      [{ contents: [{ parts: [{ text: 5 }] }] }, "contents[0].parts[0].text"],
      [{ contents: [], generationConfig: { topK: "many" } }, "generationConfig.topK"],
      [{ contents: [], tools: [{ functionDeclarations: [{}] }] }, "tools[0].functionDeclarations[0].name"],
      [{}, "contents"],
    ];
    for (const [body, param] of wrong) {
      try {
        decode(body);
        throw new Error("should have been refused");
      } catch (error) {
        expect(error).toBeInstanceOf(GatewayError);
        expect((error as GatewayError).param).toBe(param);
      }
    }
  });
});

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
    const { system } = decode({ systemInstruction: { parts: [{ text }, { text: "Be good." }] }, contents: [] });
    expect(system).toHaveLength(2);
    const { body } = encode({ system });
    expect(body.systemInstruction).toEqual({ parts: [{ text: "Be good." }] });
  });
});

describe("paths and heads", () => {
  test("slashes in a model's name stay, everything else is encoded", () => {
    expect(gemini.upstreamPath("gemini-3-flash", false)).toBe("/models/gemini-3-flash:generateContent");
    expect(gemini.upstreamPath("openai/gpt 4", true)).toBe("/models/openai/gpt%204:streamGenerateContent?alt=sse");
    expect(gemini.upstreamPath("models/x", false)).toBe("/models/x:generateContent");
    expect(gemini.upstreamPath("tunedModels/x", false)).toBe("/tunedModels/x:generateContent");
  });

  test("the head tells limit, answers and needs in either spelling", () => {
    const head = gemini.peek(
      {
        contents: [{ parts: [{ inline_data: { mime_type: "image/png", data: "" } }] }],
        tools: [{ function_declarations: [{ name: "f" }] }],
        generation_config: { max_output_tokens: 7, candidate_count: 2, response_modalities: ["IMAGE"] },
      },
      { model: "models/a/b", stream: true },
    );
    expect(head).toEqual({
      model: "a/b",
      stream: true,
      maxOutputTokens: 7,
      candidates: 2,
      needs: ["tools", "images", "image-output"],
      wantsStreamUsage: true,
    });
  });
});
