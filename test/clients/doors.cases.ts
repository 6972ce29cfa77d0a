/**
 * The doors of the model API: looks, preflights, upgrades, wrong methods, and every way in which base URLs are written.
 * Clients meet these before their first call, and some stop at a wrong answer.
 */
import { describe, expect, test } from "bun:test";
import { request as httpRequest } from "node:http";
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import OpenAI from "openai";
import type { JsonObject } from "../../src/core/json.ts";
import { RAW_SURFACES } from "../support/surfaces.ts";
import { ask } from "./ask.ts";
import { sluice } from "./server.ts";

/** The routes that take a request with a body, and the format each answers in. */
const POSTS = {
  "/v1/chat/completions": "chat",
  "/v1/completions": "chat",
  "/v1/responses/compact": "responses",
  "/v1/responses/input_tokens": "responses",
  "/v1/messages": "messages",
  "/v1/messages/count_tokens": "messages",
  "/v1beta/models/sim-chat:generateContent": "gemini",
  "/v1beta/models/sim-chat:streamGenerateContent": "gemini",
  "/v1beta/models/sim-chat:countTokens": "gemini",
} as const;

function errorOf(path: keyof typeof POSTS, body: JsonObject): string {
  const surface = RAW_SURFACES.find(({ name }) => name === POSTS[path]);
  if (!surface) throw new Error(`no surface for ${path}`);
  return surface.errorMessage(body);
}

test("what clients look at first is there: HEAD and GET of the root and of /api/hello", async () => {
  for (const path of ["/", "/api/hello", "/?x=1"]) {
    for (const method of ["HEAD", "GET"]) {
      const answer = await fetch(sluice.url + path, { method });
      expect({ path, method, status: answer.status }).toEqual({ path, method, status: 200 });
      expect((await answer.text()) === "").toBe(method === "HEAD");
    }
  }
});

test("a browser may call every route: preflights allow what they ask for, answers and refusals may be read", async () => {
  const wanted =
    "authorization,content-type,x-stainless-lang,anthropic-version,anthropic-dangerous-direct-browser-access";
  const paths = [...Object.keys(POSTS), "/v1/responses", "/v1/models", "/v1/models/x", "/v1beta/models"];
  for (const path of paths) {
    const headers = {
      origin: "https://app.example",
      "access-control-request-method": "POST",
      "access-control-request-headers": wanted,
    };
    const preflight = await fetch(sluice.url + path, { method: "OPTIONS", headers });
    expect({ path, status: preflight.status }).toEqual({ path, status: 204 });
    expect(preflight.headers.get("access-control-allow-origin")).toBe("*");
    expect(preflight.headers.get("access-control-allow-headers")).toBe(wanted);
    expect(preflight.headers.get("access-control-allow-methods")).toContain("POST");
    const refused = await fetch(sluice.url + path, { method: "DELETE", headers: { origin: "https://app.example" } });
    await refused.text();
    expect({ path, allowed: refused.headers.get("access-control-allow-origin") }).toEqual({ path, allowed: "*" });
  }
  const served = await ask(sluice, "/v1/chat/completions", {
    model: "sim-chat",
    messages: [{ role: "user", content: "hi" }],
  });
  expect(served.headers.get("access-control-allow-origin")).toBe("*");
  const exposed = served.headers.get("access-control-expose-headers") ?? "";
  for (const name of ["x-request-id", "retry-after", "x-should-retry"]) expect(exposed).toContain(name);
});

describe("lesson 7: Codex's WebSocket", () => {
  /** The status of a handshake as Codex makes it; "open" would be a socket that stays. */
  function handshake(path: string): Promise<number | "open"> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(sluice.url + path, {
        headers: {
          connection: "Upgrade",
          upgrade: "websocket",
          "sec-websocket-version": "13",
          "sec-websocket-key": "9sCKFeasmMQEKGk5YRLWKQ==",
          authorization: `Bearer ${sluice.key}`,
          "openai-beta": "responses_websockets=2026-02-06",
        },
      });
      request.on("response", (response) => {
        response.resume();
        response.on("end", () => resolve(response.statusCode ?? 0));
      });
      request.on("upgrade", () => resolve("open"));
      request.on("error", reject);
      request.end();
    });
  }

  test("is refused at once with 426, under every spelling of the base URL", async () => {
    for (const path of ["/v1/responses", "/responses", "/api/v1/responses"]) expect(await handshake(path)).toBe(426);
  });

  test("is refused with 426 even when a proxy took the upgrade away, in the format's envelope", async () => {
    const answer = await fetch(`${sluice.url}/v1/responses`);
    expect(answer.status).toBe(426);
    expect(await answer.json()).toMatchObject({ error: { code: "upgrade_refused", type: "invalid_request_error" } });
    expect(answer.headers.get("x-should-retry")).toBe("false");
  });
});

test("another method on a route that wants POST is a 405 in its own envelope", async () => {
  for (const path of Object.keys(POSTS) as (keyof typeof POSTS)[]) {
    for (const method of ["GET", "PUT", "DELETE"]) {
      const answer = await fetch(sluice.url + path, { method });
      expect({ path, method, status: answer.status }).toEqual({ path, method, status: 405 });
      expect(answer.headers.get("allow")).toStartWith("POST");
      expect(errorOf(path, (await answer.json()) as JsonObject)).toContain("POST");
    }
  }
  const models = await fetch(`${sluice.url}/v1/models`, { method: "POST", body: "{}" });
  expect(models.status).toBe(405);
});

test("unknown paths are a small 404 in the envelope of their neighbours", async () => {
  for (const [path, part] of [
    ["/v1/chat/nothing", { error: { code: "not_found" } }],
    ["/v1/messages/batches", { type: "error", error: { type: "not_found_error" } }],
    ["/v1/responses/resp_1", { error: { code: "not_found" } }],
    ["/v1beta/models/x:nothing", { error: { status: "NOT_FOUND" } }],
  ] as const) {
    const answer = await fetch(sluice.url + path, { method: "POST", body: "{}" });
    expect({ path, status: answer.status }).toEqual({ path, status: 404 });
    expect(await answer.json()).toMatchObject(part);
  }
});

test("every spelling of a path leads to its route, whatever stands in the query", async () => {
  const messages = { model: "sim-messages", max_tokens: 50, messages: [{ role: "user", content: "hi" }] };
  const chat = { model: "sim-chat", messages: [{ role: "user", content: "hi" }] };
  const paths: [string, JsonObject][] = [
    ["/v1/v1/messages?beta=true", messages],
    ["/v1/messages?beta=true&unknown=1&x", messages],
    ["/messages", messages],
    ["/api/v1/messages", messages],
    ["/api/v1/chat/completions", chat],
    ["/v1/chat/completions/?api-version=2026-01-01", chat],
    ["/chat/completions", chat],
    ["/api/v1/responses?client_version=0.169.0", { model: "sim-responses", input: "hi" }],
    ["/v1/v1beta/models/sim-gemini:generateContent", { contents: [{ role: "user", parts: [{ text: "hi" }] }] }],
    ["/v1/models/sim-gemini:generateContent?x=1", { contents: [{ role: "user", parts: [{ text: "hi" }] }] }],
  ];
  for (const [path, body] of paths) {
    const answer = await ask(sluice, path, body);
    expect({ path, status: answer.status, text: answer.text.slice(0, 200) }).toMatchObject({ path, status: 200 });
  }
});

describe.each(["", "/", "/v1", "/v1/", "/api/v1"])("a base URL that ends in %j", (suffix) => {
  test("works for the OpenAI client", async () => {
    const client = new OpenAI({ baseURL: sluice.url + suffix, apiKey: sluice.key, maxRetries: 0 });
    const messages = [{ role: "user" as const, content: "hi" }];
    expect((await client.chat.completions.create({ model: "sim-messages", messages })).choices).toHaveLength(1);
    expect((await client.responses.create({ model: "sim-chat", input: "hi" })).output_text).not.toBe("");
  });

  test("works for the Anthropic client", async () => {
    const client = new Anthropic({ baseURL: sluice.url + suffix, apiKey: sluice.key, maxRetries: 0 });
    const messages = [{ role: "user" as const, content: "hi" }];
    const answer = await client.messages.create({ model: "sim-chat", max_tokens: 50, messages });
    expect(answer.content[0]?.type).toBe("text");
  });

  test("works for Google's client", async () => {
    const client = new GoogleGenAI({ apiKey: sluice.key, httpOptions: { baseUrl: sluice.url + suffix } });
    const answer = await client.models.generateContent({ model: "sim-chat", contents: "hi" });
    expect(answer.text).not.toBe("");
  });
});
