/**
 * Lessons from other gateways' issues about requests: what must survive a change of format, and what must never cross it.
 * Each test is named for its lesson, through the surfaces and the whole path of a call.
 */
import { describe, expect, test } from "bun:test";
import { asArray, asObject, type JsonObject } from "../../src/core/json.ts";
import { KEY } from "../support/gateway.ts";
import { expectNothingLeft } from "../support/tcp-upstream.ts";
import { MESSAGES_TOOL, NAMES, OTHERS, type Stage, says, simulated, stage, turn, WEATHER } from "./upstreams.ts";

expectNothingLeft();

const MESSAGES = "/v1/messages";
const CHAT = "/v1/chat/completions";
const RESPONSES = "/v1/responses";

const user = (text: string): JsonObject => ({ role: "user", content: text });
const chatBody = (model: string, more: JsonObject = {}): JsonObject => ({ model, messages: [user("Hi")], ...more });
const sent = (one: Stage) => JSON.stringify(one.last());

/** A plain answer in the format of the route that was asked. */
function answering(text: string) {
  return ({ path }: { path: string }) => {
    const usage = { input_tokens: 10, output_tokens: 2, total_tokens: 12 };
    const output_text = { type: "output_text", text, annotations: [] };
    const message = { type: "message", id: "msg_1", role: "assistant", status: "completed", content: [output_text] };
    const bodies: [string, JsonObject][] = [
      [
        "/chat/completions",
        { choices: [{ index: 0, message: { role: "assistant", content: text }, finish_reason: "stop" }] },
      ],
      ["/responses", { id: "resp_1", object: "response", status: "completed", output: [message], usage }],
      [
        "/messages",
        { type: "message", role: "assistant", content: [{ type: "text", text }], stop_reason: "end_turn", usage },
      ],
      ["generateContent", { candidates: [{ content: { parts: [{ text }] }, finishReason: "STOP" }] }],
    ];
    return Response.json(bodies.find(([end]) => path.endsWith(end))?.[1] ?? {});
  };
}

describe("lesson 4: thinking signatures", () => {
  const SIGNATURE = "c2lnbmVkLWJ5LWdvb2dsZQ==";
  const parts = [
    { text: "Let me see.", thought: true },
    { functionCall: { name: "get_weather", args: { city: "Paris" } }, thoughtSignature: SIGNATURE },
  ];
  const called = { candidates: [{ content: { role: "model", parts }, finishReason: "STOP" }] };

  /** The history of a Messages client that called a tool on Gemini, and goes on. */
  async function history(one: Stage): Promise<JsonObject> {
    const tools = [MESSAGES_TOOL];
    const first = await one.json(MESSAGES, turn("gemini", "Weather?", { tools }));
    const use = asArray(first.content)
      .map(asObject)
      .find((block) => block?.type === "tool_use");
    const result = { type: "tool_result", tool_use_id: use?.id as string, content: "Sunny" };
    const assistant: JsonObject = { role: "assistant", content: first.content ?? [] };
    return { tools, messages: [user("Weather?"), assistant, { role: "user", content: [result] }] };
  }

  const start = () =>
    stage((asked) => (asked.path.includes("generateContent") ? Response.json(called) : answering("ok")(asked)));

  test("of Gemini survive a Messages client and come back to Gemini on the call they belong to", async () => {
    const one = start();
    await one.json(MESSAGES, { ...turn("gemini", ""), ...(await history(one)) });
    const contents = asArray(one.last().contents).map((content) => asArray(asObject(content)?.parts).map(asObject));
    const call = contents.flat().find((part) => part?.functionCall !== undefined);
    expect(call?.thoughtSignature).toBe(SIGNATURE);
  });

  test.each(["claude", "chat", "responses"] as const)("of Gemini never reach %s after a switch", async (name) => {
    const one = start();
    await one.json(MESSAGES, { ...turn(name, ""), ...(await history(one)) });
    expect(sent(one)).toContain("Sunny");
    expect(sent(one)).not.toContain(SIGNATURE);
    expect(sent(one)).not.toContain("sluice.");
  });

  test("of Anthropic survive a Responses client as encrypted reasoning and come back to Anthropic", async () => {
    const thinking = { type: "thinking", thinking: "Hm.", signature: "signed-by-anthropic" };
    const content = [thinking, { type: "tool_use", id: "toolu_1", name: "get_weather", input: { city: "Paris" } }];
    const usage = { input_tokens: 1, output_tokens: 1 };
    const one = stage(says({ type: "message", role: "assistant", content, stop_reason: "tool_use", usage }));
    const tools = [{ type: "function", name: "get_weather", parameters: WEATHER }];
    const options = {
      model: "claude",
      tools,
      reasoning: { effort: "medium" },
      include: ["reasoning.encrypted_content"],
    };
    const first = await one.json(RESPONSES, { ...options, input: "Weather?" });
    const call = asArray(first.output)
      .map(asObject)
      .find((item) => item?.type === "function_call");
    const result = { type: "function_call_output", call_id: call?.call_id as string, output: "Sunny" };
    await one.json(RESPONSES, { ...options, input: [user("Weather?"), ...asArray(first.output), result] });
    const blocks = asArray(one.last().messages).flatMap((message) => asArray(asObject(message)?.content));
    expect(blocks).toContainEqual(thinking);
  });
});

describe("lesson 5: state of the Responses API stays with its provider", () => {
  const reasoning = { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "gAAAA-of-openai" };
  const said = { type: "message", id: "msg_1", role: "assistant", content: [{ type: "output_text", text: "Hello." }] };
  const input = [{ type: "message", ...user("Hi") }, reasoning, said, { type: "message", ...user("Go on.") }];

  test.each(["chat", "claude", "gemini"] as const)("its encrypted reasoning and ids never reach %s", async (name) => {
    const one = stage(answering("ok"));
    await one.json(RESPONSES, { model: name, input, store: false });
    expect(sent(one)).toContain("Hello.");
    for (const word of ["gAAAA", "rs_1", "encrypted"]) expect(sent(one)).not.toContain(word);
  });

  test("at its own provider it stays as it was, byte by byte", async () => {
    const one = stage(answering("ok"));
    await one.json(RESPONSES, { model: "responses", input, store: false });
    expect(one.last().input).toEqual(input as unknown as JsonObject[]);
  });

  test("a conversation that only another provider has is named as lost, and refused to a strict caller", async () => {
    const one = stage(answering("ok"));
    const body = { model: "claude", input: "Go on.", previous_response_id: "resp_0" };
    const answer = await one.ask(RESPONSES, body);
    expect(answer.headers.get("x-sluice-losses")).toContain("previous_response_id");
    expect(sent(one)).not.toContain("resp_0");
    const headers = { authorization: `Bearer ${KEY}`, "x-sluice-strict": "true" };
    const strict = await one.ask(RESPONSES, body, { headers });
    expect([strict.status, await strict.text()]).toEqual([400, expect.stringContaining("previous_response_id")]);
    expect(one.asked).toHaveLength(1);
  });
});

describe("lesson 6: Codex's tools come back in the kind they were offered", () => {
  const patch = { type: "custom", name: "apply_patch", description: "Patch", format: { type: "text" } };
  const spawn = { type: "function", name: "spawn_agent", parameters: { type: "object", properties: {} } };
  const tools = [patch, { type: "namespace", name: "multi_agent_v1", description: "Agents", tools: [spawn] }];

  test.each(["chat", "claude", "gemini"] as const)("by %s", async (name) => {
    const one = stage(simulated());
    const ask = async (order: string) => {
      const reply = await one.json(RESPONSES, { model: name, input: order, tools });
      return asArray(reply.output)
        .map(asObject)
        .find((item) => String(item?.type).endsWith("_call"));
    };
    expect(await ask('call:apply_patch{"input":"*** Begin"}')).toMatchObject({
      type: "custom_tool_call",
      name: "apply_patch",
      input: "*** Begin",
    });
    const offered = sent(one).match(/"name":"([^"]*spawn_agent)"/)?.[1];
    expect(await ask(`call:${offered}{}`)).toMatchObject({
      type: "function_call",
      name: "spawn_agent",
      namespace: "multi_agent_v1",
    });
  });
});

test("lesson 8: Cursor's Responses body on /chat/completions is answered as Chat", async () => {
  for (const name of NAMES) {
    const one = stage(simulated());
    const tools = [{ type: "function", name: "read_file", parameters: WEATHER }];
    const body = { model: name, input: [user('call:read_file{"city":"a"}')], tools, max_output_tokens: 100 };
    const reply = await one.json(CHAT, body);
    const message = asObject(asObject(asArray(reply.choices)[0])?.message);
    expect(asObject(asArray(message?.tool_calls)[0])?.function).toMatchObject({ name: "read_file" });
  }
});

test("lesson 9: two requests of Claude Code that differ only in the billing line are the same to other upstreams", async () => {
  for (const name of OTHERS) {
    const one = stage(answering("ok"));
    for (const cch of ["a1b2c", "d3e4f"]) {
      const billing = `x-anthropic-billing-header: cc_version=2.1.329.649; cc_entrypoint=cli; cch=${cch};`;
      const system = [billing, "You are a coding agent."].map((text) => ({ type: "text", text }));
      await one.json(MESSAGES, turn(name, "Hi", { system }));
    }
    expect(one.asked[0]?.body).toEqual(one.asked[1]?.body as JsonObject);
    expect(sent(one)).toContain("You are a coding agent.");
  }
});

describe("lesson 10: cache_control", () => {
  const mark = { cache_control: { type: "ephemeral", ttl: "1h" } };
  const content = [{ type: "text", text: "Long.", ...mark }];

  test("of a Chat client reaches Anthropic with its ttl", async () => {
    const one = stage(answering("ok"));
    await one.json(CHAT, {
      model: "claude",
      messages: [
        { role: "system", content },
        { role: "user", content },
      ],
    });
    expect(one.last()).toMatchObject({ system: [mark], messages: [{ content: [mark] }] });
  });

  test.each(OTHERS)("of a Messages client never reaches %s, which would refuse it", async (name) => {
    const one = stage(simulated());
    const body = turn(name, "", { system: content, tools: [{ ...MESSAGES_TOOL, ...mark }] });
    await one.json(MESSAGES, { ...body, messages: [{ role: "user", content }] });
    expect(sent(one)).not.toContain("cache_control");
    expect(sent(one)).toContain("Long.");
  });
});

test("lesson 22: schemas that Gemini refuses are made such as it takes, from every format", async () => {
  const one = stage(simulated());
  const schema: JsonObject = {
    $schema: "http://json-schema.org/draft-07/schema#",
    type: "object",
    additionalProperties: false,
    properties: {
      kind: { const: "a" },
      count: { type: "integer", exclusiveMinimum: 0 },
      name: { type: ["string", "null"] },
      tags: { type: "array", uniqueItems: true, items: { type: "string", format: "hostname" } },
      one: { oneOf: [{ type: "string" }, { type: "number" }] },
    },
    required: ["kind"],
  };
  await one.json(MESSAGES, turn("gemini", "Hi", { tools: [{ ...MESSAGES_TOOL, input_schema: schema }] }));
  const tool = { name: "f", description: "d", parameters: schema };
  await one.json(CHAT, chatBody("gemini", { tools: [{ type: "function", function: tool }] }));
  await one.json(RESPONSES, { model: "gemini", input: "Hi", tools: [{ type: "function", ...tool }] });
  const format = { type: "json_schema", json_schema: { name: "x", schema, strict: true } };
  await one.json(CHAT, chatBody("gemini", { response_format: format }));
  for (const { body } of one.asked) {
    const text = JSON.stringify(body);
    // Gemini's JSON Schema ignores some keywords and refuses these; what they said is said in other words.
    for (const word of ['"$schema"', '"const"', '"exclusiveMinimum"', '"parameters"']) expect(text).not.toContain(word);
    expect(text).toMatch(/"(?:parameters|response)JsonSchema":/);
    expect(text).toContain('"enum":["a"]');
    expect(text).toContain('"minimum":1');
  }
  expect(one.asked).toHaveLength(4);
  // As it is, in the field of Gemini's own dialect of schemas, the provider refuses it.
  const declared = { contents: [{ parts: [{ text: "Hi" }] }], tools: [{ functionDeclarations: [tool] }] };
  expect((await one.ask("/v1beta/models/gemini:generateContent", declared)).status).toBe(400);
});

describe("lesson 23: counting tokens", () => {
  const long = "A sentence of several words. ".repeat(100);

  test.each(NAMES)("of a request to %s is near the truth, with its tools", async (name) => {
    const one = stage(simulated());
    const { input_tokens: plain } = await one.json(`${MESSAGES}/count_tokens`, turn(name, long));
    expect(plain).toBeGreaterThan(400);
    expect(plain).toBeLessThan(1500);
    const tools = [{ ...MESSAGES_TOOL, description: long }];
    const { input_tokens: more } = await one.json(`${MESSAGES}/count_tokens`, turn(name, long, { tools }));
    expect(more).toBeGreaterThan(Number(plain) + 400);
  });

  test("that an upstream has no route for is done here, and the model goes on answering", async () => {
    const missing = () => Response.json({ type: "error", error: { type: "not_found_error" } }, { status: 404 });
    const one = stage((asked) => (asked.path.includes("count_tokens") ? missing() : answering("ok")(asked)));
    const { input_tokens } = await one.json(`${MESSAGES}/count_tokens`, turn("claude", long));
    expect(input_tokens).toBeGreaterThan(400);
    expect((await one.json(MESSAGES, turn("claude", "Hi"))).content).toMatchObject([{ text: "ok" }]);
    expect(one.records).toHaveLength(1);
  });
});

describe("lesson 24: structured output and strict tools survive", () => {
  const format = { type: "json_schema", json_schema: { name: "w", strict: true, schema: WEATHER } };
  const tool = { type: "function", function: { name: "f", strict: true, parameters: WEATHER } };
  const cases: [Exclude<(typeof NAMES)[number], "chat">, JsonObject][] = [
    [
      "responses",
      {
        text: { format: { type: "json_schema", name: "w", strict: true, schema: WEATHER } },
        tools: [{ name: "f", strict: true }],
      },
    ],
    [
      "claude",
      { output_config: { format: { type: "json_schema", schema: WEATHER } }, tools: [{ name: "f", strict: true }] },
    ],
    [
      "gemini",
      {
        tools: [
          { functionDeclarations: [{ name: "f", parametersJsonSchema: { properties: { city: { type: "string" } } } }] },
        ],
      },
    ],
  ];
  test.each(cases)("from Chat to %s", async (name, expected) => {
    const one = stage(answering("{}"));
    await one.json(CHAT, chatBody(name, { response_format: format, tools: [tool] }));
    expect(one.last()).toMatchObject(expected);
    expect(sent(one)).toContain('"city"');
  });

  test("from Chat to Gemini, which has no tools beside it", async () => {
    const one = stage(answering("{}"));
    await one.json(CHAT, chatBody("gemini", { response_format: format }));
    const { generationConfig } = one.last();
    expect(generationConfig).toMatchObject({ responseMimeType: "application/json" });
    expect(JSON.stringify(generationConfig)).toContain('"city"');
  });

  test("from Responses and Messages to Chat", async () => {
    const one = stage(answering("{}"));
    const text = { format: { type: "json_schema", name: "w", strict: true, schema: WEATHER } };
    const tools = [{ type: "function", name: "f", strict: true, parameters: WEATHER }];
    await one.json(RESPONSES, { model: "chat", input: "Hi", text, tools });
    expect(one.last()).toMatchObject({ response_format: format, tools: [tool] });
    const output_config = { format: { type: "json_schema", schema: WEATHER } };
    await one.json(MESSAGES, turn("chat", "Hi", { output_config, tools: [{ ...MESSAGES_TOOL, strict: true }] }));
    expect(one.last()).toMatchObject({
      response_format: { type: "json_schema", json_schema: { schema: WEATHER } },
      tools: [{ function: { strict: true } }],
    });
  });
});

describe("orphan calls and results", () => {
  const use = { type: "tool_use", id: "toolu_1", name: "get_weather", input: { city: "Paris" } };
  const result = { type: "tool_result", tool_use_id: "toolu_9", content: "Left over." };
  const orphans: [string, JsonObject[]][] = [
    ["a call without a result", [user("Weather?"), { role: "assistant", content: [use] }, user("Never mind.")]],
    [
      "a result without a call",
      [user("Hi"), { role: "assistant", content: "Yes?" }, { role: "user", content: [result] }],
    ],
  ];
  for (const name of OTHERS) {
    test.each(orphans)(`%s is made whole for ${name}, which would refuse it`, async (_, messages) => {
      const one = stage(simulated());
      const reply = await one.json(MESSAGES, turn(name, "", { messages, tools: [MESSAGES_TOOL] }));
      expect(asArray(reply.content).length).toBeGreaterThan(0);
    });
  }

  test("from Chat clients, for Anthropic", async () => {
    const one = stage(simulated());
    const call = { id: "call_1", type: "function", function: { name: "f", arguments: "{}" } };
    const messages = [user("Hi"), { role: "assistant", content: null, tool_calls: [call] }, user("Go on.")];
    await one.json(CHAT, chatBody("claude", { messages }));
    const left = [user("Hi"), { role: "tool", tool_call_id: "call_9", content: "Left over." }];
    await one.json(CHAT, chatBody("claude", { messages: left }));
    expect(sent(one)).toContain("Left over.");
  });
});
