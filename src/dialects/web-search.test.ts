/**
 * Tests of tools that one format asks for and another provider runs, search before all: from every format to every other.
 * Each request is decoded by its own dialect, so that the tool is what its clients really send.
 */
import { describe, expect, test } from "bun:test";
import { CAPABILITIES } from "../core/head.ts";
import type { JsonObject } from "../core/json.ts";
import type { DialectId } from "../core/request.ts";
import { DIALECTS } from "./index.ts";

const AUSTIN = { city: "Austin", country: "US", timezone: "America/Chicago" };
const HI = [{ role: "user", content: "hi" }];

const asked: Record<"messages" | "responses" | "chat" | "gemini", [DialectId, (options?: JsonObject) => JsonObject]> = {
  messages: [
    "anthropic-messages",
    (options) => ({
      model: "m",
      max_tokens: 99,
      messages: HI,
      tools: [{ type: "web_search_20250305", name: "web_search", ...options }],
    }),
  ],
  responses: [
    "openai-responses",
    (options) => ({ model: "m", input: "hi", tools: [{ type: "web_search", ...options }] }),
  ],
  chat: ["openai-chat", (options) => ({ model: "m", messages: HI, web_search_options: { ...options } })],
  gemini: [
    "gemini",
    (options) => ({
      contents: [{ role: "user", parts: [{ text: "hi" }] }],
      tools: [{ googleSearch: { ...options } }],
    }),
  ],
};

function convert(
  from: keyof typeof asked,
  to: DialectId,
  options?: JsonObject,
  serves: readonly string[] = ["web-search"],
) {
  const [id, body] = asked[from];
  const request = DIALECTS[id].decodeRequest(body(options), { model: "m", stream: false });
  const target = {
    model: "up",
    stream: false,
    maxOutputTokens: 100,
    capabilities: new Set(CAPABILITIES),
    quirks: { serverTools: serves },
  };
  const encoded = DIALECTS[to].encodeRequest(request, target);
  const { tools, web_search_options: search } = encoded.body;
  return { tools, search, losses: encoded.losses.map((loss) => loss.field) };
}

describe("a bare search", () => {
  const OWN: Record<string, JsonObject> = {
    "anthropic-messages": { tools: [{ type: "web_search_20250305", name: "web_search" }] },
    "openai-responses": { tools: [{ type: "web_search" }] },
    "openai-chat": { search: {} },
    gemini: { tools: [{ googleSearch: {} }] },
  };

  for (const from of Object.keys(asked) as (keyof typeof asked)[]) {
    for (const to of Object.keys(OWN) as DialectId[]) {
      test(`${from} to ${to}`, () => {
        const wanted = { tools: undefined, search: undefined, ...OWN[to], losses: [] };
        expect(convert(from, to)).toEqual(wanted as ReturnType<typeof convert>);
      });

      if (to === asked[from][0]) continue;
      test(`${from} to ${to}, where the endpoint has none`, () => {
        expect(convert(from, to, {}, [])).toEqual({
          tools: undefined,
          search: undefined,
          losses: ["tools.web-search"],
        });
      });
    }
  }
});

describe("options", () => {
  const user_location = { type: "approximate", ...AUSTIN };
  const FULL = { max_uses: 3, allowed_domains: ["a.example"], user_location, strict: true };

  test("of Messages: what Responses has is kept, the rest is lost by name", () => {
    expect(convert("messages", "openai-responses", FULL)).toMatchObject({
      tools: [{ type: "web_search", filters: { allowed_domains: ["a.example"] }, user_location }],
      losses: ["tools.web-search.maxUses", "tools.web-search.strict"],
    });
    expect(convert("messages", "gemini", FULL).losses).toEqual([
      "tools.web-search.maxUses",
      "tools.web-search.allowedDomains",
      "tools.web-search.userLocation",
      "tools.web-search.strict",
    ]);
  });

  test("of Responses: domains and place go to Messages, which takes no two lists at once", () => {
    const filters = { allowed_domains: ["a.example"], blocked_domains: ["b.example"] };
    const options = { filters, user_location, search_context_size: "low" };
    expect(convert("responses", "anthropic-messages", options)).toMatchObject({
      tools: [{ name: "web_search", allowed_domains: ["a.example"], user_location }],
      losses: ["tools.web-search.blockedDomains", "tools.web-search.contextSize"],
    });
  });

  test("of Chat: a place lies one level deeper", () => {
    const options = { search_context_size: "high", user_location: { type: "approximate", approximate: AUSTIN } };
    const { tools, losses } = convert("chat", "openai-responses", options);
    expect(tools).toEqual([{ type: "web_search", user_location, search_context_size: "high" }]);
    expect(losses).toEqual([]);
    expect(convert("responses", "openai-chat", { user_location, search_context_size: "high" })).toMatchObject({
      search: options,
      losses: [],
    });
    expect(convert("chat", "openai-chat", options)).toMatchObject({ search: options, tools: undefined, losses: [] });
  });

  test("of Gemini: domains to leave out go to Messages", () => {
    expect(convert("gemini", "anthropic-messages", { excludeDomains: ["a.example"] })).toMatchObject({
      tools: [{ blocked_domains: ["a.example"] }],
      losses: [],
    });
  });

  test("null is absent, and so is what no provider would read", () => {
    const nothing = { max_uses: null, allowed_domains: [7], user_location: "Austin", blocked_domains: null };
    expect(convert("messages", "openai-responses", nothing)).toMatchObject({
      tools: [{ type: "web_search" }],
      losses: [],
    });
  });
});

test("Gemini searches only where no functions stand beside it", () => {
  const request = DIALECTS["anthropic-messages"].decodeRequest(
    {
      model: "m",
      max_tokens: 99,
      messages: HI,
      tools: [
        { type: "web_search_20250305", name: "web_search" },
        { name: "look", input_schema: { type: "object" } },
      ],
    },
    {},
  );
  const { body, losses } = DIALECTS.gemini.encodeRequest(request, {
    model: "up",
    stream: false,
    maxOutputTokens: 100,
    capabilities: new Set(CAPABILITIES),
    quirks: { serverTools: ["web-search"] },
  });
  expect(body.tools).toMatchObject([{ functionDeclarations: [{ name: "look" }] }]);
  expect(losses.map((loss) => loss.field)).toEqual(["tools.web-search"]);
});

test("a choice that names the search becomes Responses' own, or is lost with it", () => {
  const choose = (serverTools: string[]) => {
    const tools = [{ type: "web_search_20250305", name: "web_search" }];
    const tool_choice = { type: "tool", name: "web_search" };
    const body = { model: "m", max_tokens: 99, messages: HI, tools, tool_choice };
    const request = DIALECTS["anthropic-messages"].decodeRequest(body, {});
    const capabilities = new Set(CAPABILITIES);
    const target = { model: "up", stream: false, maxOutputTokens: 100, capabilities, quirks: { serverTools } };
    const encoded = DIALECTS["openai-responses"].encodeRequest(request, target);
    return { choice: encoded.body.tool_choice, losses: encoded.losses.map((loss) => loss.field) };
  };
  expect(choose(["web-search"])).toEqual({ choice: { type: "web_search" }, losses: [] });
  expect(choose([])).toEqual({ choice: undefined, losses: ["tools.web-search", "toolChoice"] });
});

test("a search for callers of another format also asks Responses what it found", () => {
  const include = (from: keyof typeof asked, serverTools: string[]) => {
    const [id, body] = asked[from];
    const request = DIALECTS[id].decodeRequest(body(), { model: "m", stream: false });
    const capabilities = new Set<never>();
    const target = { model: "up", stream: false, maxOutputTokens: 100, capabilities, quirks: { serverTools } };
    return DIALECTS["openai-responses"].encodeRequest(request, target).body.include;
  };
  for (const from of ["messages", "chat", "gemini"] as const) {
    expect(include(from, ["web-search"])).toEqual(["web_search_call.action.sources"]);
    expect(include(from, [])).toBeUndefined();
  }
  expect(include("responses", ["web-search"])).toBeUndefined();
});

describe("a tool that runs code", () => {
  const tools: [DialectId, JsonObject, JsonObject][] = [
    [
      "anthropic-messages",
      {
        model: "m",
        max_tokens: 99,
        messages: HI,
        tools: [{ type: "code_execution_20250825", name: "code_execution" }],
      },
      { type: "code_execution_20250825", name: "code_execution" },
    ],
    [
      "openai-responses",
      { model: "m", input: "hi", tools: [{ type: "code_interpreter", container: { type: "auto" } }] },
      { type: "code_interpreter", container: { type: "auto" } },
    ],
    [
      "gemini",
      { contents: [{ role: "user", parts: [{ text: "hi" }] }], tools: [{ codeExecution: {} }] },
      { codeExecution: {} },
    ],
  ];
  const send = (from: DialectId, body: JsonObject, to: DialectId, serverTools: string[]) => {
    const request = DIALECTS[from].decodeRequest(body, { model: "m", stream: false });
    const capabilities = new Set(CAPABILITIES);
    const target = { model: "up", stream: false, maxOutputTokens: 100, capabilities, quirks: { serverTools } };
    return DIALECTS[to].encodeRequest(request, target);
  };
  const lost = (encoded: ReturnType<typeof send>) => encoded.losses.map((loss) => loss.field);

  for (const [from, body] of tools) {
    for (const [to, , own] of tools) {
      if (from === to) continue;
      test(`${from} to ${to}`, () => {
        const encoded = send(from, body, to, ["code-execution"]);
        expect(encoded.body.tools).toEqual([own]);
        expect(lost(encoded)).toEqual([]);
        const without = send(from, body, to, ["web-search"]);
        expect(without.body.tools).toBeUndefined();
        expect(lost(without)).toEqual(["tools.code-execution"]);
      });
    }
  }

  test("only callers of other formats need the flag of Messages to be set for them", () => {
    const [messages, responses] = tools as [(typeof tools)[0], (typeof tools)[1]];
    const flag = { "anthropic-beta": "code-execution-2025-08-25" };
    expect(send("openai-responses", responses[1], "anthropic-messages", ["code-execution"]).headers).toEqual(flag);
    expect(send("anthropic-messages", messages[1], "anthropic-messages", ["code-execution"]).headers).toBeUndefined();
  });

  test("a container with files is another provider's: a loss of its own", () => {
    const container = { type: "auto", file_ids: ["file_1"] };
    const body = { model: "m", input: "hi", tools: [{ type: "code_interpreter", container }] };
    const encoded = send("openai-responses", body, "gemini", ["code-execution"]);
    expect(lost(encoded)).toContain("tools.code-execution.container");
  });

  test("Chat has none", () => {
    const [, responses] = tools as [(typeof tools)[0], (typeof tools)[1]];
    const encoded = send("openai-responses", responses[1], "openai-chat", ["code-execution"]);
    expect(encoded.body.tools).toBeUndefined();
    expect(lost(encoded)).toEqual(["tools.code-execution"]);
  });
});

describe("how many searches a request can make", () => {
  const inFormat = (id: DialectId, body: JsonObject) =>
    DIALECTS[id].peek({ model: "m", messages: [], ...body }, { model: "m" }).searches;

  test("is what the caller allows, else what is usual, in each format", () => {
    expect(
      inFormat("anthropic-messages", { tools: [{ type: "web_search_20250305", name: "web_search", max_uses: 3 }] }),
    ).toBe(3);
    expect(inFormat("openai-responses", { input: "x", tools: [{ type: "web_search" }] })).toBe(10);
    expect(inFormat("gemini", { contents: [], tools: [{ googleSearch: {} }] })).toBe(10);
    expect(inFormat("gemini", { contents: [], tools: [{ google_search: {} }, { urlContext: {} }] })).toBe(10);
    expect(inFormat("openai-chat", { web_search_options: {} })).toBe(1);
  });

  test("is none where pages are only fetched, and unsaid where nothing comes in", () => {
    expect(inFormat("anthropic-messages", { tools: [{ type: "web_fetch_20250910", name: "web_fetch" }] })).toBe(0);
    expect(inFormat("gemini", { contents: [], tools: [{ urlContext: {} }] })).toBe(0);
    const plain = [
      { type: "function", function: { name: "web_search" } },
      { name: "web_search", input_schema: {} },
    ];
    for (const id of ["openai-chat", "anthropic-messages"] as const)
      expect(inFormat(id, { tools: plain })).toBeUndefined();
  });
});
