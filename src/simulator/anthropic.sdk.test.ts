/**
 * The official Anthropic client against the simulated provider's Messages.
 * It proves that what the simulator writes is what the client's types promise.
 */
import { afterAll, describe, expect, test } from "bun:test";
import Anthropic from "@anthropic-ai/sdk";
import { serveSimulator } from "./index.ts";

const server = serveSimulator({ port: 0 });
afterAll(() => server.stop());
const client = new Anthropic({ apiKey: "sk-test", baseURL: server.url, maxRetries: 0 });
const model = "claude-simulated";
const tools: Anthropic.Tool[] = ["get_weather", "add"].map((name) => ({
  name,
  input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
}));
const user = (content: Anthropic.MessageParam["content"]): Anthropic.MessageParam => ({ role: "user", content });
const textOf = (message: Anthropic.Message): string =>
  message.content.map((block) => (block.type === "text" ? block.text : "")).join("");

/** What a call is refused with; the clients' promises are no native ones, so they are awaited by hand. */
async function refusal(call: PromiseLike<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    return String(error);
  }
  return "it was not refused";
}

describe("messages", () => {
  test("answers whole and streamed alike", async () => {
    const request = { model, max_tokens: 100, system: "Be brief.", messages: [user("Hello there")] };
    const whole = await client.messages.create(request);
    const streamed = await client.messages.stream(request).finalMessage();
    expect(textOf(whole)).toBe("You said: Hello there [system: 9 chars]");
    expect(textOf(streamed)).toBe(textOf(whole));
    expect(streamed.usage.output_tokens).toBe(whole.usage.output_tokens);
    expect(whole.stop_reason).toBe("end_turn");
  });

  test("thinks, calls tools in parallel, and accepts its thoughts back", async () => {
    const shared = { model, max_tokens: 3000, thinking: { type: "enabled" as const, budget_tokens: 1024 }, tools };
    const first = await client.messages
      .stream({ ...shared, messages: [user('call:get_weather{"city":"Paris"} call:add')] })
      .finalMessage();
    expect(first.content.map((block) => block.type)).toEqual(["thinking", "tool_use", "tool_use"]);
    expect(first.content[1]).toMatchObject({ name: "get_weather", input: { city: "Paris" } });
    expect(first.content[2]).toMatchObject({ name: "add", input: { city: "sample city" } });
    expect(first.stop_reason).toBe("tool_use");
    const results = first.content.flatMap((block) =>
      block.type === "tool_use"
        ? [{ type: "tool_result" as const, tool_use_id: block.id, content: `for ${block.name}` }]
        : [],
    );
    const history = [user("call:get_weather call:add"), { role: "assistant" as const, content: first.content }];
    const second = await client.messages.create({ ...shared, messages: [...history, user(results)] });
    expect(textOf(second)).toContain('[thinking: 1] [signatures: 1] [tool results: 2: "for get_weather", "for add"]');
    const unanswered = client.messages.create({ ...shared, messages: [...history, user("no")] });
    expect(await refusal(unanswered)).toContain(
      "`tool_use` ids were found without `tool_result` blocks immediately after",
    );
    const thoughtless = [
      history[0] as Anthropic.MessageParam,
      { role: "assistant" as const, content: first.content.slice(1) },
      user(results),
    ];
    expect(
      await refusal(client.messages.create({ ...shared, model: "claude-older-4-0", messages: thoughtless })),
    ).toContain("Expected `thinking` or `redacted_thinking`");
  });

  test("knows a thought that was changed, and one that it never had", async () => {
    const thinking = { type: "thinking" as const, thinking: "I made this up", signature: "c2lt" };
    const messages = [
      user("hi"),
      { role: "assistant" as const, content: [thinking, { type: "text" as const, text: "ok" }] },
      user("go on"),
    ];
    expect(await refusal(client.messages.create({ model, max_tokens: 10, messages }))).toContain(
      "messages.1.content.0: Invalid `signature` in `thinking` block",
    );
  });

  test("keeps thoughts to itself when the display is omitted, and redacts them on order", async () => {
    const shared = { model, max_tokens: 3000 };
    const omitted = await client.messages
      .stream({ ...shared, thinking: { type: "adaptive", display: "omitted" }, messages: [user("hi")] })
      .finalMessage();
    expect(omitted.content[0]).toMatchObject({ type: "thinking", thinking: "" });
    const redacted = await client.messages.create({
      ...shared,
      thinking: { type: "adaptive" },
      messages: [user("hi redacted")],
    });
    expect(redacted.content[0]?.type).toBe("redacted_thinking");
    const back = [
      user("hi"),
      { role: "assistant" as const, content: omitted.content },
      user("a"),
      { role: "assistant" as const, content: redacted.content },
      user("b"),
    ];
    expect(textOf(await client.messages.create({ ...shared, messages: back }))).toContain("[signatures: 2]");
  });

  test("obeys tool choice and stop sequences and the output limit", async () => {
    const shared = { model, max_tokens: 100, tools };
    const forced = await client.messages.create({
      ...shared,
      tool_choice: { type: "tool", name: "add" },
      messages: [user("hi")],
    });
    expect(forced.content[0]).toMatchObject({ type: "tool_use", name: "add" });
    const single = await client.messages.create({
      ...shared,
      tool_choice: { type: "auto", disable_parallel_tool_use: true },
      messages: [user("call:add call:get_weather")],
    });
    expect(single.content).toHaveLength(1);
    const stopped = await client.messages.create({
      model,
      max_tokens: 100,
      stop_sequences: ["two"],
      messages: [user("one two three")],
    });
    expect(stopped).toMatchObject({ stop_reason: "stop_sequence", stop_sequence: "two" });
    const cut = await client.messages.create({ model, max_tokens: 5, messages: [user("words=50")] });
    expect(cut).toMatchObject({ stop_reason: "max_tokens", usage: { output_tokens: 5 } });
  });

  test("refuses, and answers in JSON", async () => {
    const refused = await client.messages.stream({ model, max_tokens: 50, messages: [user("refuse")] }).finalMessage();
    expect(refused).toMatchObject({ stop_reason: "refusal", content: [], stop_details: { type: "refusal" } });
    const schema = {
      type: "object",
      properties: { n: { type: "integer" } },
      required: ["n"],
      additionalProperties: false,
    };
    const json = await client.messages.create({
      model,
      max_tokens: 50,
      output_config: { format: { type: "json_schema", schema } },
      messages: [user("hi")],
    });
    expect(JSON.parse(textOf(json))).toEqual({ n: 1 });
  });

  test("writes a marked prefix to the cache once and reads it afterwards", async () => {
    const system = [
      {
        type: "text" as const,
        text: "long ".repeat(100),
        cache_control: { type: "ephemeral" as const, ttl: "1h" as const },
      },
      { type: "text" as const, text: "longer ".repeat(100), cache_control: { type: "ephemeral" as const } },
    ];
    const ask = async () =>
      (await client.messages.create({ model, max_tokens: 50, system, messages: [user("hi")] })).usage;
    const first = await ask();
    expect(first.cache_read_input_tokens).toBe(0);
    expect(first.cache_creation?.ephemeral_1h_input_tokens).toBeGreaterThan(50);
    expect(first.cache_creation?.ephemeral_5m_input_tokens).toBeGreaterThan(50);
    const second = await ask();
    expect(second.cache_creation_input_tokens).toBe(0);
    expect(second.cache_read_input_tokens).toBe(first.cache_creation_input_tokens);
    expect(second.input_tokens).toBe(first.input_tokens);
  });

  test("notes images, documents and failed tools", async () => {
    const content: Anthropic.ContentBlockParam[] = [
      { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } },
      { type: "document", source: { type: "base64", media_type: "application/pdf", data: "AAAAAA==" } },
      { type: "text", text: "look" },
    ];
    const seen = await client.messages.create({ model, max_tokens: 50, messages: [user(content)] });
    expect(textOf(seen)).toBe("You said: look [images: 1: image/png 3 bytes] [files: 1: application/pdf 4 bytes]");
    const messages = [
      user("call:add"),
      { role: "assistant" as const, content: [{ type: "tool_use" as const, id: "t1", name: "add", input: {} }] },
      user([{ type: "tool_result", tool_use_id: "t1", content: "broken", is_error: true }]),
    ];
    expect(textOf(await client.messages.create({ model, max_tokens: 50, tools, messages }))).toContain(
      'error "broken"',
    );
  });

  test("refuses requests as Anthropic does", async () => {
    const bad = (extra: object) => client.messages.create({ model, max_tokens: 10, messages: [user("hi")], ...extra });
    expect(await refusal(bad({ n: 2 }))).toContain("n: Extra inputs are not permitted");
    expect(await refusal(bad({ max_tokens: undefined }))).toContain("max_tokens: Field required");
    expect(await refusal(bad({ stop_sequences: ["\n"] }))).toContain("non-whitespace");
    expect(await refusal(bad({ temperature: 1.5 }))).toContain("temperature: range: 0..1");
    expect(await refusal(bad({ messages: [{ role: "system", content: "x" }] }))).toContain("Unexpected role");
    expect(await refusal(bad({ messages: [user("status=529")] }))).toContain("Overloaded");
    const nameless = await fetch(`${server.url}/v1/messages`, {
      method: "POST",
      headers: { "x-api-key": "k" },
      body: "{}",
    });
    expect(await nameless.json()).toMatchObject({
      type: "error",
      error: { message: "anthropic-version: header is required" },
    });
  });

  test("counts tokens and lists models", async () => {
    const counted = await client.messages.countTokens({ model, messages: [user("Hello there")] });
    expect(counted.input_tokens).toBe(3);
    expect((await client.models.list()).data[0]?.type).toBe("model");
  });
});
