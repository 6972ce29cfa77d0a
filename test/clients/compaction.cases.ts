/**
 * Compaction through the whole server: Codex's trigger and the route, done by the provider where it can, else by Sluice.
 * What comes back has to be usable as the next request's input, whoever serves that one.
 */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import OpenAI from "openai";
import type { JsonObject } from "../../src/core/json.ts";
import { FAMILIES } from "../support/server.ts";
import { type Answer, ask, eventsOf } from "./ask.ts";
import { type Additions, modelLines, sluice } from "./server.ts";

const SEAL = "sluice.compaction.";

/** A provider that compacts by itself; it notes what it was asked. */
const seen: { path: string; body: JsonObject }[] = [];
const THEIRS = { id: "cmp_1", type: "compaction", encrypted_content: "gAAAA-of-the-provider" };
const USAGE = {
  input_tokens: 40,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens: 8,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: 48,
};
const message = { id: "msg_1", type: "message", role: "assistant", status: "completed" };
const provider = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request) {
    const body = (await request.json()) as JsonObject;
    const path = new URL(request.url).pathname;
    seen.push({ path, body });
    const asks = path.endsWith("/compact") || JSON.stringify(body.input).includes("compaction_trigger");
    const output = asks ? [THEIRS] : [{ ...message, content: [{ type: "output_text", text: "ok", annotations: [] }] }];
    const object = path.endsWith("/compact") ? "response.compaction" : "response";
    const response = { id: "resp_1", object, created_at: 1, status: "completed", model: "m", output, usage: USAGE };
    if (body.stream !== true) return Response.json(response);
    const events = [
      { type: "response.created", response: { ...response, status: "in_progress", output: [], usage: null } },
      { type: "response.output_item.added", output_index: 0, item: output[0] },
      { type: "response.output_item.done", output_index: 0, item: output[0] },
      { type: "response.completed", response },
    ];
    const text = events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("");
    return new Response(text, { headers: { "content-type": "text/event-stream" } });
  },
});

export const additions: Additions = {
  providers: [`  - { id: real, type: openai, base_url: "http://127.0.0.1:${provider.port}/v1", api_keys: [sim-key] }`],
  models: [modelLines("real-responses", "real", "gpt-real")],
  stop: () => provider.stop(true),
};

const TOOL = {
  type: "function",
  name: "exec_command",
  parameters: { type: "object", properties: { cmd: { type: "string" } } },
};
const HISTORY: JsonObject[] = [
  { type: "message", role: "developer", content: [{ type: "input_text", text: "You are a coding agent." }] },
  { type: "message", role: "user", content: [{ type: "input_text", text: "List the files." }] },
  { type: "function_call", call_id: "call_1", name: "exec_command", arguments: '{"cmd":"ls"}' },
  { type: "function_call_output", call_id: "call_1", output: "a.ts" },
];

function triggered(model: string, more: JsonObject = {}): JsonObject {
  const text = { format: { type: "json_schema", name: "x", schema: { type: "object" } } };
  const input = [...HISTORY, { type: "compaction_trigger" }];
  return { model, stream: true, store: false, tools: [TOOL, { type: "web_search" }], text, input, ...more };
}

/** The output items of a streamed or whole answer, the streamed ones as each was told when done. */
function itemsOf(answer: Answer): JsonObject[] {
  if (answer.body.output) return answer.body.output as JsonObject[];
  const done = eventsOf(answer.text).filter((event) => event.type === "response.output_item.done");
  return done.map((event) => event.item as JsonObject);
}

function opened(item: JsonObject | undefined): string {
  const sealed = item?.encrypted_content as string;
  expect(sealed).toStartWith(SEAL);
  return Buffer.from(sealed.slice(SEAL.length), "base64").toString();
}

describe("Codex's compaction_trigger", () => {
  for (const model of FAMILIES) {
    test(`is answered with exactly one compaction item that holds the summary of ${model}`, async () => {
      for (const stream of [true, false]) {
        const answer = await ask(sluice, "/v1/responses", triggered(model, { stream }));
        expect({ status: answer.status, text: answer.text.slice(0, 400) }).toMatchObject({ status: 200 });
        const items = itemsOf(answer);
        expect(items.map((item) => item.type)).toEqual(["compaction"]);
        expect(opened(items[0]).length).toBeGreaterThan(10);
        if (!stream) continue;
        const completed = eventsOf(answer.text).at(-1) as { type: string; response: JsonObject };
        expect(completed.type).toBe("response.completed");
        expect(completed.response).toMatchObject({ status: "completed", output: items });
        const usage = completed.response.usage as Record<string, number>;
        expect(usage.total_tokens).toBeGreaterThan(0);
      }
    });

    test(`its item is told to ${model} in words when it comes back`, async () => {
      const item = itemsOf(await ask(sluice, "/v1/responses", triggered("sim-messages")))[0] as JsonObject;
      const input = [item, { role: "user", content: "echo:request" }];
      const next = await ask(sluice, "/v1/responses", { model, input, store: false });
      expect({ status: next.status, text: next.text.slice(0, 400) }).toMatchObject({ status: 200 });
      expect(next.text).not.toContain(SEAL);
      expect(next.text).toContain("Summary of the conversation up to here");
      expect(next.headers.get("x-sluice-losses")).toBeNull();
    });
  }

  test("the model is asked with the history, its tools, and no wish for JSON", async () => {
    const input = [...HISTORY, { role: "user", content: "echo:request" }, { type: "compaction_trigger" }];
    const [item] = itemsOf(await ask(sluice, "/v1/responses", triggered("sim-chat", { stream: false, input })));
    const sent = JSON.parse(opened(item)) as JsonObject;
    expect(sent).toMatchObject({ tool_choice: "none", tools: [{ function: { name: "exec_command" } }] });
    expect(sent.response_format).toBeUndefined();
    const roles = (sent.messages as JsonObject[]).map(({ role }) => role);
    expect(roles).toEqual(["system", "user", "assistant", "tool", "user", "user"]);
  });

  test("is relayed to a provider that compacts itself, and its own item comes back untouched", async () => {
    const answer = await ask(sluice, "/v1/responses", triggered("real-responses"));
    expect(itemsOf(answer)).toEqual([THEIRS]);
    expect(seen.at(-1)?.body.input).toEqual([...HISTORY, { type: "compaction_trigger" }]);
    const next = await ask(sluice, "/v1/responses", { model: "real-responses", input: [THEIRS] });
    expect(next.status).toBe(200);
    expect(seen.at(-1)?.body.input).toEqual([THEIRS]);
  });

  test("a conversation that we compacted goes on at such a provider as text", async () => {
    const ours = itemsOf(await ask(sluice, "/v1/responses", triggered("sim-chat")))[0] as JsonObject;
    const body = { model: "real-responses", stream: true, input: [ours, ...HISTORY] };
    const answer = await ask(sluice, "/v1/responses", body);
    expect(answer.status).toBe(200);
    const sent = JSON.stringify(seen.at(-1)?.body);
    expect(sent).not.toContain(SEAL);
    expect(sent).toContain("Summary of the conversation up to here");
    const again = await ask(sluice, "/v1/responses", {
      ...body,
      input: [...body.input, { type: "compaction_trigger" }],
    });
    expect(itemsOf(again).map((item) => item.type)).toEqual(["compaction"]);
    expect(opened(itemsOf(again)[0])).toBe("ok");
  });

  test("an empty summary is an error, since it would erase the conversation", async () => {
    for (const stream of [true, false]) {
      const input = [{ role: "user", content: "refuse" }, { type: "compaction_trigger" }];
      const answer = await ask(sluice, "/v1/responses", { model: "sim-chat", stream, input });
      if (stream) expect(eventsOf(answer.text).at(-1)?.type).toBe("response.failed");
      else expect(answer.status).toBe(503);
    }
  });

  test("a conversation of which a part is elsewhere is refused rather than lost", async () => {
    const body = triggered("sim-chat", { previous_response_id: "resp_0" });
    const answer = await ask(sluice, "/v1/responses", body);
    expect(answer.status).toBe(400);
    expect(answer.body.error).toMatchObject({ param: "input" });
  });

  const recorded = "../shared/clients/codex/codex-compact-openai-name2-02-post-v1-responses.json";
  test.skipIf(!existsSync(recorded) && !process.env.CI)("the request that Codex really sends is served", async () => {
    const { body } = JSON.parse(readFileSync(recorded, "utf8")) as { body: JsonObject };
    for (const model of FAMILIES) {
      const answer = await ask(sluice, "/v1/responses", { ...body, model });
      expect({ model, types: itemsOf(answer).map((item) => item.type) }).toEqual({ model, types: ["compaction"] });
    }
  });
});

describe("/v1/responses/compact", () => {
  const client = () => new OpenAI({ baseURL: `${sluice.url}/v1`, apiKey: sluice.key, maxRetries: 0 });
  const input = [
    { role: "user" as const, content: "What is 2+2?" },
    { role: "assistant" as const, content: "2 + 2 = 4." },
    { role: "user" as const, content: "And 3+3?" },
    { role: "assistant" as const, content: "3 + 3 = 6." },
  ];
  const instructions = "You are a math assistant.";

  for (const model of FAMILIES) {
    test(`answers in the recorded shape from ${model}, and its output is the next input`, async () => {
      const compacted = await client().responses.compact({ model, input, instructions });
      expect(compacted).toMatchObject({
        object: "response.compaction",
        output: [
          { type: "message", role: "user", status: "completed", content: [{ text: "What is 2+2?" }] },
          { type: "message", role: "user", content: [{ type: "input_text", text: "And 3+3?" }] },
          { type: "compaction" },
        ],
      });
      expect(compacted.output).toHaveLength(3);
      expect(compacted.id).toStartWith("resp_");
      expect(compacted.usage.total_tokens).toBeGreaterThan(0);
      const next = [...compacted.output, { role: "user", content: "And 4+4?" }] as never;
      const answer = await client().responses.create({ model, input: next });
      expect(answer.output_text.length).toBeGreaterThan(0);
      const again = await client().responses.compact({ model, input: next, instructions });
      expect(again.output.map((item) => item.type)).toEqual(["message", "message", "message", "compaction"]);
    });
  }

  test("is billed as the call that it is", async () => {
    const answer = await ask(sluice, "/v1/responses/compact", { model: "sim-messages", input, instructions });
    expect(Number(answer.headers.get("x-sluice-cost-usd"))).toBeGreaterThan(0);
    expect(sluice.journal(answer.headers.get("x-request-id") ?? "")).toMatchObject({ path: "/v1/messages" });
  });

  test("is asked from a provider that has the route", async () => {
    const compacted = await client().responses.compact({ model: "real-responses", input });
    expect(seen.at(-1)).toMatchObject({ path: "/v1/responses/compact", body: { model: "gpt-real", input } });
    expect(compacted.output as unknown[]).toEqual([THEIRS]);
  });

  test("nothing to compact is refused", async () => {
    const answer = await ask(sluice, "/v1/responses/compact", { model: "sim-chat", input: [] });
    expect(answer.status).toBe(400);
  });
});
