/**
 * Requests in both directions: what callers say in ways of their own, and what other formats' requests become here.
 * Recorded requests are in `recordings.test.ts`.
 */
import { describe, expect, test } from "bun:test";
import { CAPABILITIES } from "../../core/head.ts";
import type { JsonObject } from "../../core/json.ts";
import type { CanonicalRequest } from "../../core/request.ts";
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
const encode = (request: Partial<CanonicalRequest>, to = target) =>
  dialect.encodeRequest({ model: "m", stream: false, messages: [], ...request }, to);
const roundTrip = (body: JsonObject) => dialect.encodeRequest(decode(body), target).body;
const user = (text: string) => ({ role: "user", content: [{ type: "input_text", text }] });

describe("the input", () => {
  test("a string is a user's turn; a message needs no type", () => {
    const said = [{ role: "user", content: [{ type: "text", text: "hi" }] }];
    expect(decode({ input: "hi" }).messages as unknown).toEqual(said);
    expect(decode({ input: [{ role: "user", content: "hi" }] }).messages as unknown).toEqual(said);
    expect(decode({ input: [user("hi")] }).messages as unknown).toEqual(said);
  });

  test("instructions and leading developer messages are system text and go back where they stood", () => {
    const input = [
      {
        type: "message",
        role: "developer",
        content: [
          { type: "input_text", text: "b" },
          { type: "input_text", text: "c" },
        ],
      },
      { type: "message", role: "system", content: [{ type: "input_text", text: "d" }] },
      { type: "message", role: "developer", id: "msg_1", content: [{ type: "input_text", text: "e" }] },
      { type: "message", ...user("hi") },
      { type: "message", role: "system", content: [{ type: "input_text", text: "f" }] },
    ];
    const request = decode({ instructions: "a", input });
    expect(request.system?.map(({ text }) => text)).toEqual(["a", "b", "c", "d", "e"]);
    expect(request.messages.map(({ role }) => role)).toEqual(["user", "system"]);
    expect(dialect.encodeRequest(request, target).body).toMatchObject({ instructions: "a", input });
  });

  test("items of one turn are one message, their order and boundaries kept", () => {
    const input = [
      { type: "message", ...user("hi") },
      { type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: "hm" }], encrypted_content: "e" },
      {
        type: "message",
        role: "assistant",
        id: "msg_1",
        phase: "commentary",
        content: [{ type: "output_text", text: "a" }],
      },
      {
        type: "message",
        role: "assistant",
        content: [
          { type: "output_text", text: "b" },
          { type: "output_text", text: "c" },
        ],
      },
      {
        type: "function_call",
        id: "fc_1",
        call_id: "c1",
        name: "f",
        namespace: "ns",
        arguments: "{}",
        status: "completed",
      },
      { type: "custom_tool_call", call_id: "c2", name: "g", input: "free text" },
      { type: "function_call_output", call_id: "c1", output: "ok" },
      {
        type: "custom_tool_call_output",
        call_id: "c2",
        output: [
          { type: "input_text", text: "x" },
          { type: "input_image", image_url: "https://a.example/i.png" },
        ],
      },
      { type: "message", role: "assistant", content: [{ type: "output_text", text: "d" }] },
    ];
    const request = decode({ input });
    expect(request.messages.map(({ role }) => role)).toEqual(["user", "assistant", "tool", "assistant"]);
    expect(request.messages[1]?.content.map(({ type }) => type)).toEqual([
      "thinking",
      "text",
      "text",
      "text",
      "tool-call",
      "tool-call",
    ]);
    expect(request.messages[2]?.content).toMatchObject([
      { callId: "c1", name: "f", kind: "function", content: [{ text: "ok" }] },
      { callId: "c2", name: "g", kind: "custom", content: [{ type: "text" }, { type: "image" }] },
    ]);
    expect(dialect.encodeRequest(request, target)).toMatchObject({ body: { input }, losses: [] });
  });

  test("items that only this format has travel verbatim, on the side where they belong", () => {
    const input = [
      { type: "compaction", encrypted_content: "x" },
      { type: "message", ...user("hi") },
      { type: "web_search_call", id: "ws", status: "completed", action: { type: "search", query: "q" } },
      { type: "shell_call_output", call_id: "s", output: [{ stdout: "" }] },
      { type: "tool_search_output", execution: "server", tools: [] },
      { type: "compaction_trigger" },
      { id: "msg_9", type: "item_reference" },
    ];
    const request = decode({ input });
    const roles = request.messages.map(({ role }) => role);
    expect(roles).toEqual(["user", "user", "assistant", "tool", "assistant", "user", "user"]);
    expect(dialect.encodeRequest(request, target)).toMatchObject({ body: { input }, losses: [] });
  });

  test("files, images and audio in all their forms come back", () => {
    const content = [
      { type: "input_image", image_url: "data:image/png;base64,AA==", detail: "low" },
      { type: "input_image", file_id: "file_1" },
      { type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,AA==" },
      { type: "input_file", file_url: "https://a.example/a.pdf" },
      { type: "input_file", file_id: "file_2" },
      { type: "input_audio", input_audio: { data: "AA==", format: "mp3" } },
      { type: "input_text", text: "t", prompt_cache_breakpoint: { mode: "explicit" } },
      { type: "input_hologram", light: 1 },
    ];
    const input = [{ type: "message", role: "user", content }];
    const head = dialect.peek({ model: "m", input }, {});
    expect([...head.needs].sort()).toEqual(["audio", "files", "images"]);
    expect(roundTrip({ input }).input).toEqual(input);
  });

  test("a foreign signature that came wrapped is its origin's thinking again", () => {
    const input = [
      { type: "reasoning", id: "rs", summary: [], content: null, encrypted_content: "sluice.gemini.Z2Vt" },
    ];
    const parts = decode({ input }).messages[0]?.content;
    expect(parts as unknown).toEqual([{ type: "thinking", text: "", signature: { origin: "gemini", value: "Z2Vt" } }]);
    const { body, losses } = dialect.encodeRequest(decode({ input }), target);
    expect(body.input).toEqual([]);
    expect(losses).toEqual([{ field: "messages.thinking", kind: "dropped" }]);
  });
});

describe("tools", () => {
  const spawn = { type: "function", name: "spawn", parameters: { type: "object" }, strict: false };
  const exec = { type: "custom", name: "exec", format: { type: "grammar", syntax: "lark", definition: "start: x" } };

  test("namespaces are flattened and put together again", () => {
    const tools = [
      { type: "namespace", name: "a", description: "A.", tools: [spawn, exec] },
      { type: "namespace", name: "a", description: "Again.", tools: [spawn] },
      spawn,
      { type: "web_search", external_web_access: true },
    ];
    const request = decode({ input: [], tools });
    expect(request.tools).toMatchObject([
      { name: "spawn", namespace: "a" },
      { type: "custom", namespace: "a", grammar: { syntax: "lark" } },
      { name: "spawn", namespace: "a" },
      { name: "spawn" },
      { type: "server", kind: "web-search" },
    ]);
    expect(roundTrip({ input: [], tools }).tools).toEqual(tools);
  });

  test("tools that the input brings are offered, and go back into the input", () => {
    const item = {
      type: "additional_tools",
      role: "developer",
      tools: [{ type: "namespace", name: "n", description: "N", tools: [exec] }],
    };
    const input = [item, { type: "message", ...user("hi") }];
    expect(decode({ input }).tools).toMatchObject([{ type: "custom", name: "exec", namespace: "n" }]);
    expect(dialect.peek({ model: "m", input }, {}).needs).toContain("tools");
    const body = roundTrip({ input, tools: [spawn] });
    expect(body).toMatchObject({ input, tools: [spawn] });
  });

  test("strict is said again as it was; what others leave out is false here", () => {
    const named = (strict?: boolean | null) => ({
      type: "function",
      name: "f",
      parameters: {},
      ...(strict !== undefined && { strict }),
    });
    const strictOf = (tool: JsonObject) => (roundTrip({ input: [], tools: [tool] }).tools as JsonObject[])[0]?.strict;
    expect(strictOf(named(true))).toBe(true);
    expect(strictOf(named(false))).toBe(false);
    expect(strictOf(named())).toBeUndefined();
    expect(encode({ tools: [{ type: "function", name: "f" }] }).body.tools).toMatchObject([{ strict: false }]);
  });

  test("every choice comes back, also of the kinds that only this format has", () => {
    const tools = [spawn, exec];
    const choices = [
      "auto",
      "none",
      "required",
      { type: "function", name: "spawn" },
      { type: "custom", name: "exec" },
      {
        type: "allowed_tools",
        mode: "required",
        tools: [
          { type: "function", name: "spawn" },
          { type: "custom", name: "exec" },
        ],
      },
      { type: "allowed_tools", mode: "auto", tools: [{ type: "mcp", server_label: "x" }] },
      { type: "web_search_preview" },
    ];
    for (const choice of choices)
      expect(roundTrip({ input: [], tools, tool_choice: choice }).tool_choice).toEqual(choice);
  });
});

describe("towards an upstream", () => {
  test("nothing is stored, and encrypted reasoning is asked for where the model thinks", () => {
    expect(encode({ reasoning: { effort: "low" } }).body).toMatchObject({
      store: false,
      reasoning: { effort: "low" },
      include: ["reasoning.encrypted_content"],
    });
    const { body, losses } = encode({ reasoning: { effort: "low", show: "auto" } }, plain);
    expect(body).not.toHaveProperty("reasoning");
    expect(body).not.toHaveProperty("include");
    expect(losses).toEqual([{ field: "reasoning", kind: "dropped" }]);
    expect(encode({ reasoning: { show: "auto" } }, plain).losses).toEqual([]);
    expect(encode({ reasoning: { budgetTokens: 8192 } }).body.reasoning).toEqual({ effort: "medium" });
    expect(encode({ reasoning: { mode: "off" } }).body).not.toHaveProperty("include");
  });

  test("a caller's wish to store is kept, which is this format's default", () => {
    const stored = dialect.decodeRequest({ model: "m", input: "x" }, {});
    expect(dialect.encodeRequest(stored, target).body.store).toBe(true);
    expect(roundTrip({ input: "x" }).store).toBe(false);
  });

  test("the output limit is between what OpenAI accepts and what the model has", () => {
    expect(encode({ maxOutputTokens: 5000 })).toMatchObject({ body: { max_output_tokens: 1000 }, losses: [] });
    expect(encode({ maxOutputTokens: 1 })).toMatchObject({
      body: { max_output_tokens: 16 },
      losses: [{ kind: "altered" }],
    });
  });

  test("what the format lacks is a loss; what only transport knew is none", () => {
    const lacking = { topK: 1, minP: 0, seed: 1, stop: ["x"], logitBias: {}, candidates: 2, repetitionPenalty: 1 };
    const fields = encode({ ...lacking, modalities: ["text", "audio"], serviceTier: "standard_only" }).losses.map(
      ({ field }) => field,
    );
    expect(fields.sort()).toEqual(
      [
        "candidates",
        "logitBias",
        "minP",
        "modalities",
        "repetitionPenalty",
        "seed",
        "serviceTier",
        "stop",
        "topK",
      ].sort(),
    );
    expect(encode({ candidates: 1, modalities: ["text"] }).losses).toEqual([]);
    expect(encode({ extras: { "anthropic-messages": { context_management: {} } } }).losses).toHaveLength(1);
  });

  test("unsigned and foreign thinking stays behind, a signature of a call too", () => {
    const { body, losses } = encode({
      messages: [
        {
          role: "assistant",
          content: [
            { type: "thinking", text: "secret" },
            {
              type: "tool-call",
              id: "c",
              name: "f",
              kind: "function",
              arguments: "",
              signature: { origin: "gemini", value: "x" },
            },
          ],
        },
      ],
    });
    expect(body.input).toMatchObject([
      { type: "function_call", call_id: "c", name: "f", arguments: "{}" },
      { type: "function_call_output", call_id: "c" },
    ]);
    expect(losses.map(({ field }) => field)).toEqual(["messages.tool-call", "messages.thinking", "messages.signature"]);
  });

  test("a long id of an end user is left out, short ones go where they came from", () => {
    expect(encode({ endUser: "x".repeat(65) })).toMatchObject({ losses: [{ field: "endUser" }] });
    expect(roundTrip({ input: "x", user: "u" })).toMatchObject({ user: "u" });
    expect(roundTrip({ input: "x", safety_identifier: "s" })).toMatchObject({ safety_identifier: "s" });
    expect(roundTrip({ input: "x", safety_identifier: "s", user: "u" })).toMatchObject({
      safety_identifier: "s",
      user: "u",
    });
  });

  test("a quirk's role is used for instructions", () => {
    const request: Partial<CanonicalRequest> = {
      system: [{ type: "text", text: "a" }],
      messages: [{ role: "system", content: [{ type: "text", text: "b" }] }],
    };
    const roles = (encode(request, { ...target, quirks: { systemRole: "system" } }).body.input as JsonObject[]).map(
      ({ role }) => role,
    );
    expect(roles).toEqual(["system", "system"]);
  });
});
