/**
 * Tests of providers' own tools across formats: what a search or a run of code in one becomes in the others.
 * The breadth is in the recordings and the cases; here is each behaviour by its name.
 */
import { describe, expect, test } from "bun:test";
import { CAPABILITIES } from "../core/head.ts";
import { asArray, asObject, type JsonObject } from "../core/json.ts";
import { collectLosses } from "../core/loss.ts";
import { collect } from "../core/reply.ts";
import type { CanonicalRequest, DialectId, Part, ServerCallPart, ServerResultPart } from "../core/request.ts";
import { holdsWrapped } from "../core/signature.ts";
import { DIALECTS } from "./index.ts";
import { inWords } from "./server-tools.ts";

const CONTEXT = {
  id: "req_1",
  createdAt: 1,
  model: "m",
  request: { model: "m", stream: false, messages: [] },
  wantsStreamUsage: true,
};

const SEARCH: ServerCallPart = { type: "server-call", id: "1", call: { kind: "web-search", queries: ["tower"] } };
const FOUND: ServerResultPart = {
  type: "server-result",
  callId: "1",
  result: { kind: "web-search", pages: [{ url: "https://a.example", title: "A" }, { url: "https://b.example" }] },
};
const RUN: ServerCallPart = {
  type: "server-call",
  id: "2",
  call: { kind: "code-execution", code: "1/0", language: "python" },
};
const FAILED: ServerResultPart = {
  type: "server-result",
  callId: "2",
  result: { kind: "code-execution", output: "", errors: "ZeroDivisionError", failed: true },
};

type ReplyPart = Exclude<Part, { type: "tool-result" }>;

function reply(to: DialectId, parts: ReplyPart[]): JsonObject {
  return DIALECTS[to].encodeReply({ choices: [{ parts, finish: { reason: "stop" } }] }, CONTEXT);
}

/** The canonical parts of what a caller of `to` was told. */
function toldIn(to: DialectId, parts: ReplyPart[]): ReplyPart[] {
  const body = JSON.parse(JSON.stringify(reply(to, parts)));
  return collect(DIALECTS[to].decodeReply(body, { id: "req_1" })).choices[0]?.parts ?? [];
}

/** The request that goes to a target with these tools, after an assistant's turn of these parts. */
function sent(to: DialectId, parts: ReplyPart[], tools: CanonicalRequest["tools"], serverTools: string[]) {
  const messages: CanonicalRequest["messages"] = [
    { role: "user", content: [{ type: "text", text: "hi" }] },
    { role: "assistant", content: parts },
    { role: "user", content: [{ type: "text", text: "go on" }] },
  ];
  const target = {
    model: "m",
    stream: false,
    maxOutputTokens: 100,
    capabilities: new Set(CAPABILITIES),
    quirks: { serverTools },
  };
  return DIALECTS[to].encodeRequest({ model: "m", stream: false, messages, tools }, target);
}

const asking = (kind: string, value: JsonObject): CanonicalRequest["tools"] => [
  { type: "server", kind, dialect: "openai-chat", value },
];

describe("in words", () => {
  const losses = () => collectLosses();

  test("a search and its pages", () => {
    expect(inWords(SEARCH, losses())).toBe("[Web search: tower]\n\n");
    expect(inWords(FOUND, losses())).toBe("[The web search found:]\n- A: https://a.example\n- https://b.example\n\n");
  });

  test("a search that failed, and one that told nothing", () => {
    const result = (pages: [], error?: string): ServerResultPart => ({
      ...FOUND,
      result: { kind: "web-search", pages, ...(error && { error }) },
    });
    expect(inWords(result([], "unavailable"), losses())).toContain("failed: unavailable");
    expect(inWords(result([]), losses())).toContain("no pages");
  });

  test("code stands in a fence longer than any inside of it", () => {
    const fenced: ServerCallPart = { ...RUN, call: { kind: "code-execution", code: "````", language: "bash" } };
    expect(inWords(fenced, losses())).toBe("[Code run:]\n`````bash\n````\n`````\n\n");
    expect(inWords(FAILED, losses())).toBe("[The code failed:]\n```\nZeroDivisionError\n```\n\n");
  });

  test("the loss names the tool's kind, as an altered one", () => {
    const told = collectLosses();
    inWords(SEARCH, told);
    inWords(FAILED, told);
    expect(told.list()).toEqual([
      { field: "messages.web-search", kind: "altered" },
      { field: "messages.code-execution", kind: "altered" },
    ]);
  });
});

describe("in replies", () => {
  test("a page without a title shows its address to Messages clients, who list titles", () => {
    const [, result] = asArray(reply("anthropic-messages", [SEARCH, FOUND]).content).map(asObject);
    expect(asArray(result?.content).map((page) => asObject(page)?.title)).toEqual(["A", "https://b.example"]);
  });

  test("what was made for a Messages client is told apart when it comes back, and relay leaves it to the decoder", () => {
    const body = reply("anthropic-messages", [SEARCH, FOUND]);
    expect(holdsWrapped(Buffer.from(JSON.stringify(body)))).toBe(true);
    for (const part of toldIn("anthropic-messages", [SEARCH, FOUND])) expect(part).not.toHaveProperty("native");
    expect(toldIn("anthropic-messages", [SEARCH])).toEqual([SEARCH]);
  });

  test("an error is told in the API's own words, and in its general one where it has none", () => {
    const failed = (error: string): ServerResultPart => ({
      ...FOUND,
      result: { kind: "web-search", pages: [], error },
    });
    const code = (error: string) => {
      const [block] = asArray(reply("anthropic-messages", [failed(error)]).content).map(asObject);
      return block?.content;
    };
    expect(code("max_uses_exceeded")).toEqual({
      type: "web_search_tool_result_error",
      error_code: "max_uses_exceeded",
    });
    expect(code("failed")).toMatchObject({ error_code: "unavailable" });
    expect(reply("openai-responses", [SEARCH, failed("x")]).output).toMatchObject([{ status: "failed" }]);
  });

  test("what failing code complained of arrives in each format that runs code", () => {
    for (const to of ["anthropic-messages", "gemini"] as const) {
      expect(toldIn(to, [RUN, FAILED])).toMatchObject([
        { call: { kind: "code-execution", code: "1/0", language: "python" } },
        { result: { kind: "code-execution", output: "", errors: "ZeroDivisionError", failed: true } },
      ]);
    }
    const [item] = asArray(reply("openai-responses", [RUN, FAILED]).output);
    expect(item).toMatchObject({
      type: "code_interpreter_call",
      id: "ci_2",
      code: "1/0",
      status: "failed",
      outputs: [{ type: "logs", logs: "ZeroDivisionError" }],
    });
  });

  test("code that ran too long is that in Gemini and in Messages", () => {
    const late: ServerResultPart = {
      ...FAILED,
      result: { kind: "code-execution", output: "", failed: true, error: "execution_time_exceeded" },
    };
    for (const to of ["anthropic-messages", "gemini"] as const) {
      expect(toldIn(to, [RUN, late])[1]).toMatchObject({ result: { error: "execution_time_exceeded" } });
    }
  });

  test("pages that no text cites are a Gemini answer's sources all the same", () => {
    const [candidate] = asArray(reply("gemini", [SEARCH, FOUND, { type: "text", text: "So." }]).candidates);
    expect(asObject(candidate)?.groundingMetadata).toEqual({
      webSearchQueries: ["tower"],
      groundingChunks: [{ web: { uri: "https://a.example", title: "A" } }, { web: { uri: "https://b.example" } }],
    });
  });

  test("several queries of one search stay several where the format has a list", () => {
    const many: ServerCallPart = { ...SEARCH, call: { kind: "web-search", queries: ["a", "b"] } };
    const [item] = asArray(reply("openai-responses", [many, FOUND]).output).map(asObject);
    expect(item?.action).toMatchObject({ query: "a; b", queries: ["a", "b"] });
    const [block] = asArray(reply("anthropic-messages", [many, FOUND]).content);
    expect(block).toMatchObject({ input: { query: "a; b" } });
  });
});

describe("in histories", () => {
  const chatSearch = asking("web-search", { type: "web_search_options", options: {} });
  const code = asking("code-execution", { type: "code_interpreter" });

  test("a search goes to Responses as its item where the upstream searches for this request too", () => {
    const { body, losses } = sent("openai-responses", [SEARCH, FOUND], chatSearch, ["web-search"]);
    const sources = ["https://a.example", "https://b.example"].map((url) => ({ type: "url", url }));
    expect(asArray(body.input)[1]).toEqual({
      id: "ws_1",
      type: "web_search_call",
      status: "completed",
      action: { type: "search", query: "tower", sources },
    });
    expect(losses).toContainEqual({ field: "messages.web-search", kind: "altered" });
  });

  test("code goes as code where the upstream runs it, and only together with its result", () => {
    const gemini = sent("gemini", [RUN, FAILED], code, ["code-execution"]).body;
    expect(asObject(asArray(gemini.contents)[1])?.parts).toMatchObject([
      { executableCode: { code: "1/0" } },
      { codeExecutionResult: { outcome: "OUTCOME_FAILED", output: "ZeroDivisionError" } },
    ]);
    const messages = sent("anthropic-messages", [RUN, FAILED], code, ["code-execution"]);
    expect(asObject(asArray(messages.body.messages)[1])?.content).toMatchObject([
      { type: "server_tool_use", id: "srvtoolu_by_2", name: "code_execution", input: { code: "1/0" } },
      { type: "code_execution_tool_result", tool_use_id: "srvtoolu_by_2" },
    ]);
    expect(messages.headers).toEqual({ "anthropic-beta": "code-execution-2025-08-25" });
    const alone = sent("anthropic-messages", [RUN], code, ["code-execution"]).body;
    expect(asObject(asArray(alone.messages)[1])?.content).toContain("[Code run:]");
  });

  test("without the tool they are texts everywhere", () => {
    const dialects: DialectId[] = [
      "openai-chat",
      "openai-responses",
      "anthropic-messages",
      "gemini",
      "openai-completions",
    ];
    for (const to of dialects) {
      const { body, losses } = sent(to, [SEARCH, FOUND, RUN, FAILED], undefined, ["web-search", "code-execution"]);
      const text = JSON.stringify(body);
      for (const said of ["tower", "https://b.example", "1/0", "ZeroDivisionError"]) expect(text).toContain(said);
      expect(text).not.toContain("server_tool_use");
      expect(losses.map(({ field }) => field)).toContain("messages.web-search");
    }
  });

  test("a search of another provider never goes to Messages as a block: its ciphers would be missing", () => {
    const { body } = sent("anthropic-messages", [SEARCH, FOUND], chatSearch, ["web-search"]);
    expect(JSON.stringify(body.messages)).not.toContain("web_search_tool_result");
  });

  test("a citation of another provider's is told apart when it comes back to Messages, and stays away from it", () => {
    const cited: ReplyPart = {
      type: "text",
      text: "So.",
      annotations: [{ type: "url", url: "https://a.example", start: 0, end: 3 }],
    };
    const body = reply("anthropic-messages", [cited]);
    expect(holdsWrapped(Buffer.from(JSON.stringify(body)))).toBe(true);
    const { body: again, losses } = sent("anthropic-messages", toldIn("anthropic-messages", [cited]), undefined, []);
    expect(asObject(asArray(again.messages)[1])?.content).toBe("So.");
    expect(losses).toEqual([{ field: "messages.annotations", kind: "dropped" }]);
  });

  test("each format gets its own back as it was", () => {
    const own = {
      type: "web_search_tool_result",
      tool_use_id: "srvtoolu_1",
      content: [{ type: "web_search_result", url: "https://a.example", title: "A", encrypted_content: "Eq4=" }],
      cache_control: { type: "ephemeral" },
    };
    const call = { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: { query: "q", more: 1 } };
    const body = {
      model: "m",
      max_tokens: 9,
      messages: [
        { role: "user", content: "hi" },
        { role: "assistant", content: [call, own, { type: "text", text: "So." }] },
        { role: "user", content: "go on" },
      ],
    };
    const request = DIALECTS["anthropic-messages"].decodeRequest(body, {});
    const target = { model: "m", stream: false, maxOutputTokens: 9, capabilities: new Set(CAPABILITIES), quirks: {} };
    const again = DIALECTS["anthropic-messages"].encodeRequest(request, target);
    expect(again.body.messages).toEqual(body.messages);
    expect(again.losses).toEqual([]);
  });
});
