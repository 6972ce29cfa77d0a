/**
 * Tests of reading callers' Messages requests and of writing requests for upstreams, one behaviour each.
 * They stand beside the dialect, away from the path of a call.
 */
import { describe, expect, test } from "bun:test";
import { GatewayError } from "../../core/error.ts";
import { CAPABILITIES } from "../../core/head.ts";
import type { JsonObject } from "../../core/json.ts";
import type { CanonicalRequest, Message, ToolCallPart, ToolResultPart } from "../../core/request.ts";
import type { EncodeTarget } from "../dialect.ts";
import { visibleSystem } from "../system-text.ts";
import { anthropicMessages as dialect } from "./index.ts";

const TARGET: EncodeTarget = {
  model: "upstream-model",
  stream: false,
  maxOutputTokens: 32_000,
  capabilities: new Set(CAPABILITIES),
  quirks: {},
};
const HI: CanonicalRequest["messages"] = [{ role: "user", content: [{ type: "text", text: "hi" }] }];

function decode(fields: JsonObject): CanonicalRequest {
  return dialect.decodeRequest(
    { model: "m", max_tokens: 100, messages: [{ role: "user", content: "hi" }], ...fields },
    {},
  );
}

function encode(fields: Partial<CanonicalRequest>, target: Partial<EncodeTarget> = {}) {
  const request: CanonicalRequest = { model: "m", stream: false, messages: HI, ...fields };
  const { body, losses } = dialect.encodeRequest(request, { ...TARGET, ...target });
  return { body: JSON.parse(JSON.stringify(body)), losses: losses.map(({ field, kind }) => `${field} ${kind}`) };
}

const call = (id: string, name = "f"): ToolCallPart => ({
  type: "tool-call",
  id,
  name,
  kind: "function",
  arguments: "{}",
});
const result = (callId: string, text: string): ToolResultPart => ({
  type: "tool-result",
  callId,
  kind: "function",
  content: [{ type: "text", text }],
});
const user = (text: string): Message => ({ role: "user", content: [{ type: "text", text }] });

describe("decoding", () => {
  test("a user's turn with results and text is split, and results know their tool's name", () => {
    const { messages } = decode({
      messages: [
        { role: "assistant", content: [{ type: "tool_use", id: "t1", name: "look", input: { a: 1 } }] },
        {
          role: "user",
          content: [
            { type: "text", text: "so?" },
            { type: "tool_result", tool_use_id: "t1", content: "found", is_error: true },
          ],
        },
      ],
    });
    expect(messages).toEqual([
      {
        role: "assistant",
        content: [{ type: "tool-call", id: "t1", name: "look", kind: "function", arguments: '{"a":1}' }],
      },
      { role: "tool", content: [{ ...result("t1", "found"), name: "look", isError: true }] },
      user("so?"),
    ]);
  });

  test("instructions in mid-conversation stay where they are; leading ones join the others", () => {
    const decoded = decode({
      system: "A",
      messages: [
        { role: "system", content: "B" },
        { role: "user", content: "hi" },
        { role: "system", content: [{ type: "text", text: "C" }], output_config: { effort: "low" } },
      ],
    });
    expect(decoded.system?.map(({ text }) => text)).toEqual(["A", "B"]);
    expect(decoded.messages.map(({ role }) => role)).toEqual(["user", "system"]);
    expect(decoded.messages[1]?.extras?.["anthropic-messages"]).toMatchObject({ output_config: { effort: "low" } });
  });

  test("a billing line among the instructions is kept here and invisible elsewhere", () => {
    const line = "x-anthropic-billing-header: cc_version=2; cch=abc;";
    const decoded = decode({
      system: [
        { type: "text", text: line },
        { type: "text", text: "Help." },
      ],
    });
    expect(visibleSystem(decoded.system ?? [])).toEqual([{ type: "text", text: "Help." }]);
    expect(encode({ system: decoded.system }).body.system).toEqual([
      { type: "text", text: line },
      { type: "text", text: "Help." },
    ]);
  });

  test("cache marks carry their lifetime, on texts and tools", () => {
    const decoded = decode({
      system: [{ type: "text", text: "S", cache_control: { type: "ephemeral", ttl: "1h" } }],
      tools: [{ name: "f", input_schema: { type: "object" }, cache_control: { type: "ephemeral" } }],
    });
    expect(decoded.system?.[0]?.cache).toEqual({ ttl: "1h" });
    expect(decoded.tools?.[0]).toMatchObject({ cache: { ttl: "5m" } });
    const { body } = encode(decoded);
    expect(body.system[0].cache_control).toEqual({ type: "ephemeral", ttl: "1h" });
    expect(body.tools[0].cache_control).toEqual({ type: "ephemeral" });
  });

  test("thinking that is hidden but signed survives, with redacted thinking", () => {
    const content = [
      { type: "thinking", thinking: "", signature: "sig" },
      { type: "redacted_thinking", data: "secret" },
      { type: "text", text: "ok" },
    ];
    const messages = [
      { role: "user", content: "hi" },
      { role: "assistant", content },
      { role: "user", content: "go" },
    ];
    const decoded = decode({ messages });
    expect(encode(decoded).body.messages).toEqual(messages);
  });

  test("a signature of another provider is told by its origin, and thinking that says nothing is dropped", () => {
    const content = [
      { type: "thinking", thinking: "", signature: "sluice.gemini.abc" },
      { type: "thinking", thinking: "", signature: "" },
      { type: "text", text: "ok" },
    ];
    const decoded = decode({ messages: [{ role: "assistant", content }] });
    expect(decoded.messages[0]?.content).toEqual([
      { type: "thinking", text: "", signature: { origin: "gemini", value: "abc" } },
      { type: "text", text: "ok" },
    ]);
    const again = encode({ messages: [...HI, ...decoded.messages] });
    expect(again.body.messages[1]).toEqual({ role: "assistant", content: "ok" });
    expect(again.losses).toEqual(["messages.thinking dropped"]);
  });

  test("wrong types name their path", () => {
    const cases: [JsonObject, string][] = [
      [{ messages: "x" }, "messages"],
      [{ messages: [{ role: "user", content: 1 }] }, "messages[0].content"],
      [{ messages: [{ role: "user", content: [{ type: "text", text: 1 }] }] }, "messages[0].content[0].text"],
      [{ messages: [{ role: "robot", content: "x" }] }, "messages[0].role"],
      [{ messages: [{ role: "user", content: [{ type: "image", source: "x" }] }] }, "messages[0].content[0].source"],
      [{ tools: [{ description: "no name" }] }, "tools[0].name"],
      [{ tool_choice: { type: "maybe" } }, "tool_choice.type"],
      [{ max_tokens: -1 }, "max_tokens"],
      [{ thinking: { budget_tokens: 3 } }, "thinking.type"],
      [{ stop_sequences: [1] }, "stop_sequences[0]"],
      [{ system: [{ type: "image", source: { type: "url", url: "x" } }] }, "system[0].type"],
    ];
    for (const [fields, param] of cases) {
      try {
        decode(fields);
        throw new Error(`accepted ${JSON.stringify(fields)}`);
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(GatewayError);
        expect(thrown).toMatchObject({ code: "invalid_request", param });
      }
    }
  });

  test("what only this API knows goes back verbatim", () => {
    const fields = {
      mcp_servers: [{ type: "url", name: "a", url: "https://example.org" }],
      container: "c1",
      context_management: { edits: [{ type: "clear_thinking_20251015", keep: "all" }] },
      thinking: { type: "adaptive", display: "updates" },
      output_config: { effort: "high", task_budget: { total: 9 } },
      metadata: { user_id: "u", other: "x" },
      tools: [
        { type: "web_search_20250305", name: "web_search", max_uses: 3 },
        { name: "f", input_schema: { type: "object" }, defer_loading: true, eager_input_streaming: true },
      ],
      tool_choice: { type: "auto", disable_parallel_tool_use: true },
    };
    const decoded = decode(fields);
    expect(decoded.tools?.[0]).toMatchObject({ type: "server", kind: "web-search" });
    expect(decoded.parallelToolCalls).toBe(false);
    expect(encode(decoded).body).toMatchObject(fields);
  });

  test("peek finds model, limits, needs and the session inside a user id", () => {
    const userId = JSON.stringify({ device_id: "d", session_id: "s-1" });
    const image = { type: "image", source: { type: "url", url: "https://example.org/a.png" } };
    const head = dialect.peek(
      {
        model: "m",
        max_tokens: 5,
        stream: true,
        metadata: { user_id: userId },
        tools: [{ name: "f" }],
        messages: [{ role: "user", content: [{ type: "tool_result", tool_use_id: "t", content: [image] }] }],
      },
      {},
    );
    expect(head).toEqual({
      model: "m",
      stream: true,
      maxOutputTokens: 5,
      candidates: 1,
      needs: ["tools", "images"],
      wantsStreamUsage: true,
      endUser: userId,
      session: "s-1",
    });
  });
});

describe("calls and results of foreign histories", () => {
  test("results come first in the user's turn, and ids keep to the API's characters", () => {
    const { body } = encode({
      messages: [
        user("go"),
        { role: "assistant", content: [call("a:1")] },
        user("now"),
        { role: "tool", content: [result("a:1", "x")] },
      ],
    });
    expect(body.messages.slice(1)).toEqual([
      { role: "assistant", content: [{ type: "tool_use", id: "a_1", name: "f", input: {} }] },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "a_1", content: "x" },
          { type: "text", text: "now" },
        ],
      },
    ]);
  });

  test("a call without a result is answered, a result without a call becomes text", () => {
    const { body, losses } = encode({
      messages: [
        { role: "tool", content: [result("lost", "orphan")] },
        { role: "assistant", content: [call("c1")] },
        user("and?"),
      ],
    });
    expect(body.messages[0]).toEqual({ role: "user", content: "orphan" });
    expect(body.messages[2].content[0]).toMatchObject({ type: "tool_result", tool_use_id: "c1", is_error: true });
    expect(losses).toEqual(["messages.tool-result altered"]);
  });

  test("ids that come twice are told apart, each with its own result", () => {
    const { body } = encode({
      messages: [
        user("go"),
        { role: "assistant", content: [call("c")] },
        { role: "tool", content: [result("c", "1")] },
        { role: "assistant", content: [call("c")] },
        { role: "tool", content: [result("c", "2")] },
      ],
    });
    const ids = body.messages
      .slice(1)
      .map(({ content }: { content: { id?: string; tool_use_id?: string; content?: string }[] }) => [
        content[0]?.id ?? content[0]?.tool_use_id,
        content[0]?.content,
      ]);
    expect(ids).toEqual([
      ["c", undefined],
      ["c", "1"],
      ["c_2", undefined],
      ["c_2", "2"],
    ]);
  });

  test("tools of the history are offered in outline when the request offers none", () => {
    const { body } = encode({
      messages: [
        user("go"),
        { role: "assistant", content: [call("c", "old")] },
        { role: "tool", content: [result("c", "1")] },
      ],
    });
    expect(body.tools).toEqual([{ name: "old", input_schema: { type: "object", properties: {} } }]);
    expect(body.tool_choice).toEqual({ type: "none" });
  });

  test("arguments that break off are sent as far as they go", () => {
    const broken = { ...call("c"), arguments: '{"path":"/tmp/a", "te' };
    const { body } = encode({ messages: [user("go"), { role: "assistant", content: [broken] }, user("again")] });
    expect(body.messages[1].content[0].input).toEqual({ path: "/tmp/a" });
  });

  test("empty texts and turns are left out, and instructions alone get a turn to answer", () => {
    const empty: Message = { role: "assistant", content: [{ type: "text", text: " " }] };
    expect(encode({ messages: [user("a"), empty, user("b")] }).body.messages).toEqual([
      {
        role: "user",
        content: [
          { type: "text", text: "a" },
          { type: "text", text: "b" },
        ],
      },
    ]);
    const alone = encode({ system: [{ type: "text", text: "Say hi." }], messages: [] });
    expect(alone.body.messages).toHaveLength(1);
    expect(alone.losses).toEqual(["messages altered"]);
  });

  test("foreign instructions in mid-conversation become marked text unless the upstream takes them", () => {
    const messages: CanonicalRequest["messages"] = [
      user("a"),
      { role: "system", content: [{ type: "text", text: "Be brief." }] },
    ];
    const folded = encode({ messages });
    expect(folded.body.messages[0].content[1].text).toBe("<system-reminder>\nBe brief.\n</system-reminder>");
    expect(folded.losses).toEqual(["messages.system altered"]);
    const kept = encode({ messages }, { quirks: { systemTurns: true } });
    expect(kept.body.messages[1]).toEqual({ role: "system", content: "Be brief." });
    expect(kept.losses).toEqual([]);
  });
});
