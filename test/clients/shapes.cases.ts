/**
 * Requests that are not what their surface expects, through the whole server: a strict caller's, and Responses bodies on Chat.
 * The provider repeats what it received, so that each test sees both sides.
 */
import { describe, expect, test } from "bun:test";
import type { JsonObject } from "../../src/core/json.ts";
import { FAMILIES } from "../support/server.ts";
import { ask, eventsOf } from "./ask.ts";
import { sluice } from "./server.ts";

const STRICT = { "x-sluice-strict": "true" };

describe("a strict caller", () => {
  const lossy = { messages: [{ role: "user", content: "Hi" }], logit_bias: { "50256": -100 }, seed: 7 };

  test("is refused what a conversion would lose, by name, before anything is sent", async () => {
    const before = sluice.simulator.journal().length;
    const answer = await ask(sluice, "/v1/chat/completions", { model: "sim-messages", ...lossy }, STRICT);
    expect(answer.status).toBe(400);
    const message = (answer.body.error as JsonObject).message as string;
    expect(message).toContain("logitBias would be dropped");
    expect(message).toContain("seed would be dropped");
    expect(answer.headers.get("x-should-retry")).toBe("false");
    expect(sluice.simulator.journal()).toHaveLength(before);
  });

  test("is told the same losses in a header when it is not strict", async () => {
    const answer = await ask(sluice, "/v1/chat/completions", { model: "sim-messages", ...lossy });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("x-sluice-losses")?.split(", ")).toEqual(expect.arrayContaining(["logitBias", "seed"]));
  });

  test("is served by a relay and by a conversion that loses nothing", async () => {
    const relayed = await ask(sluice, "/v1/chat/completions", { model: "sim-chat", ...lossy }, STRICT);
    expect(relayed.status).toBe(200);
    const plain = { model: "sim-messages", max_tokens: 50, messages: [{ role: "user", content: "Hi" }] };
    const converted = await ask(sluice, "/v1/chat/completions", plain, STRICT);
    expect(converted.status).toBe(200);
    expect(converted.headers.get("x-sluice-losses")).toBeNull();
  });
});

const CURSOR_TOOLS = [
  {
    type: "function",
    name: "read_file",
    description: "Reads a file",
    parameters: { type: "object", properties: { path: { type: "string" } }, required: ["path"] },
    strict: false,
  },
  { type: "custom", name: "apply_patch", description: "Applies a patch", format: { type: "text" } },
];

/** As Cursor's servers send it to a custom base URL. */
function cursorBody(model: string, text: string, more: JsonObject = {}): JsonObject {
  return {
    model,
    stream: true,
    stream_options: { include_usage: true },
    input: [
      { role: "system", content: "You are a coding assistant." },
      { role: "user", content: [{ type: "input_text", text }] },
    ],
    tools: CURSOR_TOOLS,
    tool_choice: "auto",
    reasoning: { effort: "medium", summary: "auto" },
    include: ["reasoning.encrypted_content"],
    text: { verbosity: "medium" },
    user: "u-1",
    ...more,
  };
}

function textOf(events: readonly JsonObject[]): string {
  return events.map((event) => choiceOf(event)?.delta?.content ?? "").join("");
}

function choiceOf(event: JsonObject) {
  const choices = event.choices as { delta?: { content?: string; tool_calls?: JsonObject[] } }[] | undefined;
  return choices?.[0];
}

describe("lesson 8: a Responses body on /v1/chat/completions, as Cursor sends it", () => {
  for (const model of FAMILIES) {
    test(`is converted for ${model} and answered as Chat, streamed and whole`, async () => {
      const answer = await ask(sluice, "/v1/chat/completions", cursorBody(model, "Say hello in some words."));
      expect({ status: answer.status, text: answer.text.slice(0, 400) }).toMatchObject({ status: 200 });
      const events = eventsOf(answer.text);
      for (const event of events) expect(event.object).toBe("chat.completion.chunk");
      expect(textOf(events).length).toBeGreaterThan(0);
      expect(events.at(-1)?.usage).toBeDefined();
      expect(answer.text).toEndWith("data: [DONE]\n\n");

      const whole = await ask(sluice, "/v1/chat/completions", { ...cursorBody(model, "Hi"), stream: false });
      expect(whole.body).toMatchObject({ object: "chat.completion", choices: [{ finish_reason: "stop" }] });
    });

    test(`calls of its tools reach it as Chat's, from ${model}, and their results are understood`, async () => {
      const order = 'call:read_file{"path":"a.ts"}';
      const answer = await ask(sluice, "/v1/chat/completions", cursorBody(model, order));
      const calls = eventsOf(answer.text).flatMap((event) => choiceOf(event)?.delta?.tool_calls ?? []);
      const first = calls[0] as { id: string; function: { name: string } };
      expect(first.function.name).toBe("read_file");
      const args = calls.map((call) => (call.function as { arguments?: string }).arguments ?? "").join("");
      expect(JSON.parse(args)).toEqual({ path: "a.ts" });
      const { input } = cursorBody(model, order) as { input: JsonObject[] };
      const history = [
        ...input,
        { type: "function_call", call_id: first.id, name: "read_file", arguments: args },
        { type: "function_call_output", call_id: first.id, output: "the file" },
      ];
      const next = await ask(sluice, "/v1/chat/completions", { ...cursorBody(model, ""), input: history });
      expect({ status: next.status, text: next.text.slice(0, 400) }).toMatchObject({ status: 200 });
      expect(textOf(eventsOf(next.text)).length).toBeGreaterThan(0);
    });
  }

  test("a Chat upstream never sees it as it came", async () => {
    const body = { ...cursorBody("sim-chat", "echo:request"), stream: false };
    const answer = await ask(sluice, "/v1/chat/completions", body);
    const choices = answer.body.choices as { message: { content: string } }[];
    const sent = JSON.parse(choices[0]?.message.content ?? "") as JsonObject;
    expect(sent.input).toBeUndefined();
    expect(sent.messages).toMatchObject([{ role: "system" }, { role: "user" }]);
    expect((sent.tools as JsonObject[])[0]).toMatchObject({ type: "function", function: { name: "read_file" } });
  });

  test("tools in that shape beside Chat's own messages are converted too", async () => {
    const { input: _, text: __, include: ___, reasoning: ____, ...others } = cursorBody("sim-chat", "");
    const body = { ...others, stream: false, messages: [{ role: "user", content: "echo:request" }] };
    const answer = await ask(sluice, "/v1/chat/completions", body);
    const choices = answer.body.choices as { message: { content: string } }[];
    const sent = JSON.parse(choices[0]?.message.content ?? "") as JsonObject;
    expect((sent.tools as JsonObject[])[0]).toMatchObject({ type: "function", function: { name: "read_file" } });
  });

  test("a Responses upstream gets it in its own format", async () => {
    const body = { ...cursorBody("sim-responses", "echo:request"), stream: false, max_tokens: 5000 };
    const answer = await ask(sluice, "/v1/chat/completions", body);
    const choices = answer.body.choices as { message: { content: string } }[];
    const sent = JSON.parse(choices[0]?.message.content ?? "") as JsonObject;
    expect(sent).toMatchObject({ max_output_tokens: 5000, store: false, text: { verbosity: "medium" } });
    for (const field of ["messages", "max_tokens", "stream_options"]) expect(sent[field]).toBeUndefined();
    expect(sent.tools).toMatchObject([{ name: "read_file" }, { type: "custom", name: "apply_patch" }]);
  });

  test("its mistakes are told in Chat's envelope, by their place", async () => {
    const answer = await ask(sluice, "/v1/chat/completions", { model: "sim-chat", input: [7] });
    expect(answer.status).toBe(400);
    expect(answer.body.error).toMatchObject({ param: "input[0]" });
  });
});
