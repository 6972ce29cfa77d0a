/**
 * Errors that clients act upon, through the whole server: an overflowing context, spent credit, and what a retry can help.
 * Each client reads a code, a status, a header or a sentence, and goes on, gives up or multiplies the request by it.
 */
import { describe, expect, test } from "bun:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import type { JsonObject } from "../../src/core/json.ts";
import { RAW_SURFACES } from "../support/surfaces.ts";
import { type Answer, ask, eventsOf } from "./ask.ts";
import { type Additions, modelLines, sluice } from "./server.ts";

/** What providers answer to a prompt that is too long, by the path they are asked at. */
const OVERFLOWS: Record<string, JsonObject> = {
  "/v1/chat/completions": {
    error: {
      message: "This model's maximum context length is 128000 tokens. However, you requested 150025 tokens.",
      type: "invalid_request_error",
      param: "messages",
      code: "context_length_exceeded",
    },
  },
  "/v1/responses": {
    error: {
      message: "Your input exceeds the context window of this model. Please adjust your input and try again.",
      type: "invalid_request_error",
      param: "input",
      code: "context_length_exceeded",
    },
  },
  "/v1/messages": {
    type: "error",
    error: { type: "invalid_request_error", message: "prompt is too long: 208310 tokens > 200000 maximum" },
  },
  "/v1beta/models": {
    error: {
      code: 400,
      message: "The input token count (1250074) exceeds the maximum number of tokens allowed (1048576).",
      status: "INVALID_ARGUMENT",
    },
  },
};

/** A stream that says a word and then that the context is full. */
function lateOverflow(): Response {
  const part = { id: "c", object: "chat.completion.chunk", created: 1, model: "m" };
  const first = {
    ...part,
    choices: [{ index: 0, delta: { role: "assistant", content: "Well" }, finish_reason: null }],
  };
  const text = [first, OVERFLOWS["/v1/chat/completions"]].map((data) => `data: ${JSON.stringify(data)}\n\n`).join("");
  return new Response(text, { headers: { "content-type": "text/event-stream" } });
}

const full = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if ((await request.text()).includes("late")) return lateOverflow();
    const found = Object.keys(OVERFLOWS).find((path) => pathname.startsWith(path));
    return Response.json(OVERFLOWS[found ?? ""], { status: 400 });
  },
});

const FULL = { chat: "openai-chat", responses: "openai-responses", messages: "anthropic-messages", gemini: "gemini" };
let poorKey: string;

export const additions: Additions = {
  providers: Object.entries(FULL).map(([name, dialect]) => {
    const base = `http://127.0.0.1:${full.port}/v1${name === "gemini" ? "beta" : ""}`;
    return `  - { id: full-${name}, type: custom, base_url: "${base}", api_keys: [k], dialects: [${dialect}] }`;
  }),
  models: Object.keys(FULL).map((name) => modelLines(`full-${name}`, `full-${name}`, "m")),
  async prepare() {
    const root = { authorization: `Bearer ${sluice.rootKey}` };
    const created = await ask(sluice, "/api/admin/workspaces", { name: "poor" }, root);
    expect(created.status).toBe(201);
    poorKey = (await sluice.app.keys.create({ workspaceId: created.body.id as string, name: "poor" })).key;
  },
  stop: () => full.stop(true),
};

function surfaceOf(name: string) {
  const surface = RAW_SURFACES.find((one) => one.name === name);
  if (!surface) throw new Error(`no surface ${name}`);
  return surface;
}

function send(name: string, model: string, text: string, stream: boolean, key = sluice.key): Promise<Answer> {
  const surface = surfaceOf(name);
  const headers = { authorization: `Bearer ${key}` };
  return ask(sluice, surface.path(model, stream), surface.body(model, text, stream), headers);
}

describe("a prompt that is too long", () => {
  for (const kind of Object.keys(FULL)) {
    const model = `full-${kind}`;
    for (const stream of [false, true]) {
      const way = stream ? "streamed" : "whole";

      test(`is told by ${model} to Claude Code in the sentence that it acts on, ${way}`, async () => {
        const answer = await send("messages", model, "hi", stream);
        expect(answer).toMatchObject({ status: 400, body: { error: { type: "invalid_request_error" } } });
        const { message } = answer.body.error as { message: string };
        expect(message).toMatch(/^prompt is too long: \d+ tokens > \d+ maximum$/);
        expect(answer.headers.get("x-should-retry")).toBe("false");
      });

      test(`is told by ${model} to Codex as HTTP 400 with the code at which it stops, ${way}`, async () => {
        const answer = await send("responses", model, "hi", stream);
        expect(answer).toMatchObject({ status: 400, body: { error: { code: "context_length_exceeded" } } });
        expect(answer.headers.get("x-should-retry")).toBe("false");
      });

      test(`is told by ${model} to Chat's and Gemini's clients in their APIs' words, ${way}`, async () => {
        const chat = await send("chat", model, "hi", stream);
        expect(chat).toMatchObject({
          status: 400,
          body: { error: { code: "context_length_exceeded", type: "invalid_request_error" } },
        });
        const gemini = await send("gemini", model, "hi", stream);
        expect(gemini).toMatchObject({ status: 400, body: { error: { status: "INVALID_ARGUMENT" } } });
        expect((gemini.body.error as { message: string }).message).toStartWith("The input token count");
        for (const answer of [chat, gemini]) expect(answer.headers.get("x-should-retry")).toBe("false");
      });
    }
  }

  test("in mid-stream it reaches Codex as response.failed with that code, and nothing before it that it would retry", async () => {
    const events = eventsOf((await send("responses", "full-chat", "late", true)).text);
    expect(events.at(-1)).toMatchObject({
      type: "response.failed",
      response: { status: "failed", error: { code: "context_length_exceeded" } },
    });
    expect(events.some(({ type }) => type === "error")).toBe(false);
  });

  test("in mid-stream it reaches Claude Code as an error event with the sentence", async () => {
    const { text } = await send("messages", "full-chat", "late", true);
    expect(text).toContain("event: error");
    expect(eventsOf(text).at(-1)).toMatchObject({
      error: { message: "prompt is too long: 150025 tokens > 128000 maximum" },
    });
  });
});

describe("a workspace without credit", () => {
  const EXPECTED: Record<string, [number, JsonObject]> = {
    chat: [402, { error: { type: "insufficient_quota", code: "insufficient_credit" } }],
    // Codex asks five times more after a 402, and stops at this.
    responses: [429, { error: { type: "insufficient_quota", code: "insufficient_quota" } }],
    messages: [402, { type: "error", error: { type: "billing_error" } }],
    gemini: [402, { error: { code: 402, details: [{ reason: "QUOTA_EXHAUSTED" }, {}] } }],
  };

  for (const [name, [status, body]] of Object.entries(EXPECTED)) {
    test(`is told so on ${name} in a way that no client repeats, and nothing is sent upstream`, async () => {
      const before = sluice.simulator.journal().length;
      for (const stream of [false, true]) {
        const answer = await send(name, "sim-chat", "hi", stream, poorKey);
        expect(answer).toMatchObject({ status, body });
        expect(answer.headers.get("x-should-retry")).toBe("false");
        expect(answer.headers.get("retry-after")).toBeNull();
        expect(surfaceOf(name).errorMessage(answer.body)).toContain("credit");
      }
      expect(sluice.simulator.journal()).toHaveLength(before);
    });
  }

  test("may still count tokens and read the models", async () => {
    const counted = await ask(
      sluice,
      "/v1/messages/count_tokens",
      { model: "sim-messages", messages: [{ role: "user", content: "hi" }] },
      { authorization: `Bearer ${poorKey}` },
    );
    expect(counted.status).toBe(200);
    const listed = await fetch(`${sluice.url}/v1/models`, { headers: { "x-api-key": poorKey } });
    expect(listed.status).toBe(200);
  });
});

/** Counts what a client sends. */
function counting(): { fetch: typeof fetch; sent: () => number } {
  let sent = 0;
  const counted = (input: Parameters<typeof fetch>[0], init?: RequestInit) => {
    sent += 1;
    return fetch(input, init);
  };
  return { fetch: counted as typeof fetch, sent: () => sent };
}

async function statusOf(call: PromiseLike<unknown>): Promise<number | undefined> {
  try {
    await call;
    return 200;
  } catch (error) {
    return (error as { status?: number }).status;
  }
}

describe("with their ordinary retries the official clients", () => {
  const talk = (content: string) => [{ role: "user" as const, content }];
  const clients = (apiKey: string, counter: ReturnType<typeof counting>) => ({
    openai: new OpenAI({ baseURL: `${sluice.url}/v1`, apiKey, fetch: counter.fetch }),
    anthropic: new Anthropic({ baseURL: sluice.url, apiKey, fetch: counter.fetch }),
  });

  test("ask once where asking again cannot help: credit, key, model, a bad request", async () => {
    const cases: [string, string, string, number, number][] = [
      [poorKey, "sim-chat", "hi", 402, 429],
      ["sk-sluice-nobody", "sim-chat", "hi", 401, 401],
      [sluice.key, "no-such-model", "hi", 404, 404],
      [sluice.key, "sim-chat", "status=400", 400, 400],
      [sluice.key, "full-chat", "hi", 400, 400],
    ];
    for (const [key, model, text, status, onResponses] of cases) {
      const counter = counting();
      const { openai, anthropic } = clients(key, counter);
      expect(await statusOf(openai.chat.completions.create({ model, messages: talk(text) }))).toBe(status);
      expect(await statusOf(openai.responses.create({ model, input: text }))).toBe(onResponses);
      const asked = anthropic.messages.create({ model, max_tokens: 50, messages: talk(text) });
      expect(await statusOf(asked)).toBe(status);
      expect({ model, text, sent: counter.sent() }).toEqual({ model, text, sent: 3 });
    }
  });

  test("ask again after the time they are told where it can: a provider that is busy for a moment", async () => {
    const order = (key: string) => `fail-first=1 status=429 retry-after=1 key=${key}`;
    const calls = [
      (counter: ReturnType<typeof counting>) =>
        clients(sluice.key, counter).openai.chat.completions.create({ model: "sim-chat", messages: talk(order("a")) }),
      (counter: ReturnType<typeof counting>) =>
        clients(sluice.key, counter).openai.responses.create({ model: "sim-responses", input: order("b") }),
      (counter: ReturnType<typeof counting>) =>
        clients(sluice.key, counter).anthropic.messages.create({
          model: "sim-messages",
          max_tokens: 50,
          messages: talk(order("c")),
        }),
    ];
    const before = sluice.simulator.journal().length;
    const results = await Promise.all(
      calls.map(async (call) => {
        const counter = counting();
        return [await statusOf(call(counter)), counter.sent()];
      }),
    );
    expect(results).toEqual([
      [200, 2],
      [200, 2],
      [200, 2],
    ]);
    expect(sluice.simulator.journal()).toHaveLength(before + 6);
  }, 20_000);
});
