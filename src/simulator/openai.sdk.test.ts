/**
 * The official OpenAI client against the simulated provider: chat completions, responses, embeddings, models.
 * It proves that what the simulator writes is what the client's types promise.
 */
import { afterAll, describe, expect, test } from "bun:test";
import OpenAI from "openai";
import { serveSimulator } from "./index.ts";

const server = serveSimulator({ port: 0 });
afterAll(() => server.stop());
const client = new OpenAI({ apiKey: "sk-test", baseURL: `${server.url}/v1`, maxRetries: 0 });
const weather = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer" } },
  required: ["city", "days"],
  additionalProperties: false,
};
const chatTools = ["get_weather", "add"].map(
  (name) => ({ type: "function", function: { name, parameters: weather, strict: true } }) as const,
);
const model = "gpt-4o-mini";
const PNG =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

/** What a call is refused with; the clients' promises are no native ones, so they are awaited by hand. */
async function refusal(call: PromiseLike<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    return String(error);
  }
  return "it was not refused";
}

describe("chat completions", () => {
  test("answers with the user's words and charges for them", async () => {
    const answer = await client.chat.completions.create({
      model,
      messages: [{ role: "user", content: "Hello there" }],
    });
    expect(answer.choices[0]?.message.content).toBe("You said: Hello there");
    expect(answer.choices[0]?.finish_reason).toBe("stop");
    expect(answer.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 });
    expect(answer.id).toMatch(/^chatcmpl-/);
  });

  test("streams the same text, with usage on a last chunk only when asked", async () => {
    const stream = await client.chat.completions.create({
      model,
      stream: true,
      stream_options: { include_usage: true },
      messages: [{ role: "user", content: "Hello there" }],
    });
    let text = "";
    const usages: unknown[] = [];
    let last: unknown;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      usages.push(chunk.usage);
      last = chunk;
    }
    expect(text).toBe("You said: Hello there");
    expect(usages.slice(0, -1).every((usage) => usage === null)).toBe(true);
    expect(last).toMatchObject({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 4 } });
  });

  test("calls tools in parallel with arguments that fit the schema, and then tells the results", async () => {
    const runner = client.chat.completions.stream({
      model,
      tools: chatTools,
      messages: [{ role: "user", content: 'call:get_weather{"city":"Paris","days":2} call:add' }],
    });
    const first = await runner.finalChatCompletion();
    const message = first.choices[0]?.message;
    const calls = message?.tool_calls ?? [];
    expect(
      calls.map((call) => call.type === "function" && [call.function.name, JSON.parse(call.function.arguments)]),
    ).toEqual([
      ["get_weather", { city: "Paris", days: 2 }],
      ["add", { city: "sample city", days: 1 }],
    ]);
    expect(first.choices[0]?.finish_reason).toBe("tool_calls");
    const second = await client.chat.completions.create({
      model,
      tools: chatTools,
      messages: [
        { role: "user", content: "call:get_weather call:add" },
        {
          role: "assistant",
          tool_calls: calls.flatMap((call) =>
            call.type === "function"
              ? [
                  {
                    id: call.id,
                    type: call.type,
                    function: { name: call.function.name, arguments: call.function.arguments },
                  },
                ]
              : [],
          ),
        },
        { role: "tool", tool_call_id: calls[0]?.id ?? "", content: "15 degrees" },
        { role: "tool", tool_call_id: calls[1]?.id ?? "", content: "five" },
      ],
    });
    expect(second.choices[0]?.message.content).toContain('[tool results: 2: "15 degrees", "five"]');
    expect(second.choices[0]?.message.tool_calls).toBeUndefined();
  });

  test("obeys tool choice: required, named, none, and one at a time", async () => {
    const ask = async (content: string, extra: object) =>
      (
        await client.chat.completions.create({
          model,
          tools: [...chatTools],
          messages: [{ role: "user", content }],
          ...extra,
        })
      ).choices[0];
    expect((await ask("hi", { tool_choice: "required" }))?.message.tool_calls).toHaveLength(1);
    const named = await ask("hi", { tool_choice: { type: "function", function: { name: "add" } } });
    expect(named?.message.tool_calls?.[0]).toMatchObject({ function: { name: "add" } });
    expect(named?.finish_reason).toBe("stop");
    expect((await ask("call:add", { tool_choice: "none" }))?.message.tool_calls).toBeUndefined();
    expect((await ask("call:add call:get_weather", { parallel_tool_calls: false }))?.message.tool_calls).toHaveLength(
      1,
    );
    expect((await ask("call:unknown", {}))?.message.tool_calls).toBeUndefined();
  });

  test("thinks, limits, stops, refuses, scores, and answers several times", async () => {
    const ask = async (content: string, extra: object) =>
      client.chat.completions.create({ model, messages: [{ role: "user", content }], ...extra });
    const thought = await ask("hi", { reasoning_effort: "low" });
    expect(thought.choices[0]?.message).toHaveProperty("reasoning_content");
    expect(thought.usage?.completion_tokens_details?.reasoning_tokens).toBeGreaterThan(0);
    const cut = await ask("words=100", { max_completion_tokens: 7 });
    expect(cut.choices[0]?.finish_reason).toBe("length");
    expect(cut.choices[0]?.message.content).toBe("word1 word2 word3 word4 word5 word6 word7");
    const stopped = await ask("one two three", { stop: ["two"] });
    expect(stopped.choices[0]?.message.content).toBe("You said: one ");
    const refused = await ask("please refuse", {});
    expect(refused.choices[0]?.message).toMatchObject({ content: null, refusal: expect.stringContaining("sorry") });
    const scored = await ask("hi", { logprobs: true, top_logprobs: 2 });
    expect(scored.choices[0]?.logprobs?.content?.map((one) => one.top_logprobs.length)).toEqual([2, 2, 2]);
    const several = await ask("hi", { n: 2 });
    expect(several.choices.map((choice) => choice.message.content)).toEqual([
      "You said: hi",
      "You said: hi [choice 2]",
    ]);
  });

  test("answers in JSON that fits a schema", async () => {
    const answer = await client.chat.completions.create({
      model,
      messages: [{ role: "user", content: "hi" }],
      response_format: { type: "json_schema", json_schema: { name: "w", strict: true, schema: weather } },
    });
    expect(JSON.parse(answer.choices[0]?.message.content ?? "")).toEqual({ city: "sample city", days: 1 });
  });

  test("says which media and instructions arrived", async () => {
    const answer = await client.chat.completions.create({
      model,
      messages: [
        { role: "system", content: "Be brief." },
        {
          role: "user",
          content: [
            { type: "text", text: "look" },
            { type: "image_url", image_url: { url: PNG } },
          ],
        },
      ],
    });
    expect(answer.choices[0]?.message.content).toBe("You said: look [system: 9 chars] [images: 1: image/png 70 bytes]");
  });

  test("refuses as OpenAI does", async () => {
    const broken = client.chat.completions.create({
      model,
      messages: [{ role: "tool", tool_call_id: "x", content: "y" }],
    });
    expect(await refusal(broken)).toContain("must be a response to a preceeding message with 'tool_calls'");
    const unknown = client.chat.completions.create({
      model,
      messages: [{ role: "user", content: "x" }],
      top_k: 3,
    } as never);
    expect(await refusal(unknown)).toContain("Unrecognized request argument supplied: top_k");
    const limited = client.chat.completions.create({
      model,
      messages: [{ role: "user", content: "status=429 retry-after=2" }],
    });
    const error = await limited.catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    expect((error as InstanceType<typeof OpenAI.APIError>).headers?.get("retry-after")).toBe("2");
  });
});

describe("responses", () => {
  const tools = [{ type: "function", name: "get_weather", parameters: weather, strict: true }] as const;

  test("answers whole and streamed alike", async () => {
    const whole = await client.responses.create({ model, input: "Hello there" });
    expect(whole.output_text).toBe("You said: Hello there");
    const streamed = await client.responses.stream({ model, input: "Hello there" }).finalResponse();
    expect(streamed.output_text).toBe("You said: Hello there");
    expect(streamed.usage).toEqual(whole.usage);
  });

  test("thinks with encrypted content, calls a tool, and accepts both back without storing", async () => {
    const shared = {
      model: "gpt-5",
      store: false,
      include: ["reasoning.encrypted_content" as const],
      reasoning: { effort: "low" as const, summary: "auto" as const },
      tools: [...tools],
    };
    const first = await client.responses.stream({ ...shared, input: "call:get_weather" }).finalResponse();
    expect(first.output.map((item) => item.type)).toEqual(["reasoning", "function_call"]);
    const call = first.output.find((item) => item.type === "function_call");
    const question = { role: "user" as const, content: "call:get_weather" };
    const result = { type: "function_call_output" as const, call_id: call?.call_id ?? "", output: "15 degrees" };
    const strip = first.output.map(({ ...item }) => item) as OpenAI.Responses.ResponseInputItem[];
    const second = await client.responses.create({ ...shared, input: [question, ...strip, result] });
    expect(second.output_text).toContain('[signatures: 1] [tool results: 1: "15 degrees"]');
  });

  test("does not accept encrypted content that it did not issue", async () => {
    const reasoning = { type: "reasoning" as const, id: "rs_1", summary: [], encrypted_content: "gAAAA" };
    const input = [{ role: "user" as const, content: "hi" }, reasoning, { role: "assistant" as const, content: "ok" }];
    expect(await refusal(client.responses.create({ model, input }))).toContain("could not be verified");
  });

  test("continues a stored response", async () => {
    const first = await client.responses.create({ model, input: "call:get_weather", tools: [...tools] });
    const call = first.output.find((item) => item.type === "function_call");
    const second = await client.responses.create({
      model,
      previous_response_id: first.id,
      input: [{ type: "function_call_output", call_id: call?.call_id ?? "", output: "15 degrees" }],
    });
    expect(second.output_text).toContain('"15 degrees"');
    expect(await refusal(client.responses.create({ model, input: "x", previous_response_id: "resp_0" }))).toContain(
      "not found",
    );
  });

  test("calls custom tools with text", async () => {
    const custom = [{ type: "custom" as const, name: "shell" }];
    const whole = await client.responses.create({ model, input: "call:shell", tools: custom });
    expect(whole.output[0]).toMatchObject({ type: "custom_tool_call", name: "shell", input: "sample input for shell" });
    const streamed = await client.responses.stream({ model, input: "call:shell", tools: custom }).finalResponse();
    expect(streamed.output[0]).toMatchObject({ type: "custom_tool_call", input: "sample input for shell" });
  });

  test("limits, refuses and answers in JSON", async () => {
    const cut = await client.responses.create({ model, input: "words=100", max_output_tokens: 16 });
    expect(cut).toMatchObject({ status: "incomplete", incomplete_details: { reason: "max_output_tokens" } });
    const refused = await client.responses.create({ model, input: "refuse" });
    expect(refused.output[0]).toMatchObject({ content: [{ type: "refusal" }] });
    const format = { type: "json_schema" as const, name: "w", strict: true, schema: weather };
    const json = await client.responses.create({ model, input: "hi", text: { format } });
    expect(JSON.parse(json.output_text)).toEqual({ city: "sample city", days: 1 });
    expect(await refusal(client.responses.create({ model, input: "x", max_output_tokens: 5 }))).toContain(">= 16");
  });

  test("checks calls and their outputs", async () => {
    const lone = { type: "function_call_output" as const, call_id: "call_1", output: "x" };
    expect(await refusal(client.responses.create({ model, input: [lone] }))).toContain("No tool call found");
    const call = { type: "function_call" as const, call_id: "call_1", name: "f", arguments: "{}" };
    expect(await refusal(client.responses.create({ model, input: [call] }))).toContain(
      "No tool output found for function call call_1",
    );
  });
});

describe("the rest", () => {
  test("embeddings are unit vectors, the same in both encodings", async () => {
    const request = { model: "text-embedding-3-small", input: ["a", "b"], dimensions: 16 };
    const floats = await client.embeddings.create({ ...request, encoding_format: "float" });
    const decoded = await client.embeddings.create(request);
    const [first] = floats.data;
    expect(floats.data.map((one) => one.embedding.length)).toEqual([16, 16]);
    expect(first?.embedding.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(1, 5);
    expect(decoded.data[0]?.embedding.map((value) => Math.fround(value))).toEqual(
      first?.embedding.map((value) => Math.fround(value)) ?? [],
    );
  });

  test("old completions and the list of models", async () => {
    const answer = await client.completions.create({ model, prompt: "Hello", max_tokens: 50 });
    expect(answer.choices[0]?.text).toBe("You said: Hello");
    const models = await client.models.list();
    expect(models.data.map((one) => one.id)).toContain("gpt-4o-mini");
  });
});
