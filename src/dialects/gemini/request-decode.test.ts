/** Unit tests of reading requests: spellings, roles, results and their calls, signatures, media, extras, and the head. */
import { describe, expect, test } from "bun:test";
import { GatewayError } from "../../core/error.ts";
import type { JsonObject } from "../../core/json.ts";
import type { CanonicalRequest } from "../../core/request.ts";
import { gemini } from "./index.ts";
import { SKIP_SIGNATURE } from "./wire.ts";

function decode(body: JsonObject): CanonicalRequest {
  return gemini.decodeRequest(body, { model: "m", stream: false });
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
