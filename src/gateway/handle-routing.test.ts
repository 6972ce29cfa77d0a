/**
 * Tests of routing on the whole path of a call: who is asked, who answers under which name, what it costs, what is kept.
 * The rules themselves are tested beside `route`.
 */
import { describe, expect, test } from "bun:test";
import { endpoint, httpUpstream, model, provider } from "../../test/support/calls.ts";
import { type GatewayOptions, testGateway } from "../../test/support/gateway.ts";
import { expectNothingLeft } from "../../test/support/tcp-upstream.ts";
import type { Catalog } from "../catalog/catalog.ts";
import type { Model } from "../core/endpoint.ts";
import type { JsonObject } from "../core/json.ts";
import { nano, pico } from "../core/money.ts";

expectNothingLeft();

const CHAT = "/v1/chat/completions";
const REPLY = {
  id: "c1",
  object: "chat.completion",
  choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 1000, completion_tokens: 1, total_tokens: 1001 },
};
const messages = [{ role: "user", content: "Hi" }];

const price = (million: bigint) => ({
  perToken: { input: pico(million * 1_000_000n), output: pico(million * 1_000_000n) },
});
/** An endpoint of provider `p`, whose name is what the upstream is asked for. */
const at = (name: string, million = 1n, over = {}) =>
  endpoint({ id: `p/${name}`, upstreamModel: name, price: price(million), cost: price(million), ...over });
const served = (id: string, ...endpoints: ReturnType<typeof at>[]): Model =>
  model(
    endpoints.map((one) => ({ ...one, modelId: id })),
    { id },
  );

/** A gateway whose upstream fails where told, and that says which names it was asked for. */
function gatewayOver(
  models: Model[],
  failing: string[] = [],
  options: Partial<GatewayOptions> & { auto?: string[] } = {},
) {
  const asked: string[] = [];
  const bodies: JsonObject[] = [];
  const upstream = httpUpstream(async (request) => {
    const body = (await request.json()) as JsonObject;
    asked.push(body.model as string);
    bodies.push(body);
    return failing.includes(body.model as string) ? new Response("no", { status: 500 }) : Response.json(REPLY);
  });
  const providers = [provider("p", upstream), provider("q", upstream)];
  const catalog: Catalog = {
    models,
    find: (name) => models.find((one) => one.id === name),
    ...(options.auto && { auto: options.auto }),
  };
  return { ...testGateway({ ...options, over: { catalog, providers, ...options.over } }), asked, bodies, failing };
}

test("a call without wishes keeps no explanation, and a single endpoint is just called", async () => {
  const { ask, asked, records } = gatewayOver([served("a", at("a1"))]);
  expect((await ask(CHAT, { model: "a", messages })).status).toBe(200);
  expect(asked).toEqual(["a1"]);
  expect(records[0]?.routing).toBeUndefined();
});

describe("several models", () => {
  const both = [served("a", at("a1"), at("a2", 1n, { priority: 2 })), served("b", at("b1", 3n))];

  test("are tried in order, and the one that answers is named and billed", async () => {
    const { ask, asked, records, bodies } = gatewayOver(both, ["a1", "a2"]);
    const answer = await ask(CHAT, { model: "a", models: ["b"], route: "fallback", messages });
    expect(answer.status).toBe(200);
    expect(asked).toEqual(["a1", "a2", "b1"]);
    expect(answer.headers.get("x-sluice-model")).toBe("b");
    expect(answer.headers.get("x-sluice-cost-usd")).toBe("0.003003");
    expect(records[0]).toMatchObject({
      model: "b",
      modelRequested: "a",
      costNano: nano(3_003_000n),
      upstreamModel: "b1",
    });
    expect(records[0]?.routing).toMatchObject({ wishes: ["models"], excluded: [] });
    expect(Object.keys(bodies[2] ?? {})).toEqual(["model", "messages"]);
  });

  test("leave the last one its turn also when the first has more endpoints than tries", async () => {
    const endpoints = [1, 2, 3, 4].map((number) => at(`a${number}`, 1n, { priority: number }));
    const failing = endpoints.map((one) => one.upstreamModel);
    const { ask, asked } = gatewayOver([served("a", ...endpoints), served("b", at("b1"))], failing);
    expect((await ask(CHAT, { model: "a", models: ["b"], messages })).status).toBe(200);
    expect(asked).toEqual(["a1", "a2", "b1"]);
  });

  test("that the key may not call or nobody knows are passed over, which is kept", async () => {
    const { ask, records } = gatewayOver(both, [], { principal: { models: ["b"] } });
    const answer = await ask(CHAT, { model: "nothing", models: ["a", "b"], messages });
    expect(answer.headers.get("x-sluice-model")).toBe("b");
    expect(records[0]?.routing?.excluded).toEqual([
      { endpoint: "nothing", reason: "is no model for this key" },
      { endpoint: "a", reason: "is no model for this key" },
    ]);
    expect((await ask(CHAT, { model: "nothing", models: ["a"], messages })).status).toBe(404);
    expect((await ask(CHAT, { model: "a", messages })).status).toBe(403);
  });

  test("are held for at the dearest one's price, within the lowest of the key's caps", async () => {
    const caps = [{ glob: "b", capNano: nano(1n) }];
    const { ask, asked } = gatewayOver(both, [], { principal: { modelCaps: caps } });
    expect((await ask(CHAT, { model: "a", messages, max_tokens: 5 })).status).toBe(200);
    const refused = await ask(CHAT, { model: "a", models: ["b"], messages, max_tokens: 5 });
    expect([refused.status, asked.length]).toEqual([403, 1]);
  });

  test("that an operator lists are what auto stands for", async () => {
    const { ask, asked, records } = gatewayOver(both, [], { auto: ["gone", "b", "a"] });
    const answer = await ask(CHAT, { model: "auto", messages });
    expect([answer.headers.get("x-sluice-model"), records[0]?.modelRequested]).toEqual(["b", "auto"]);
    await ask(CHAT, { model: "auto:floor", messages });
    expect(asked).toEqual(["b1", "b1"]);
    const none = gatewayOver(both);
    expect((await none.ask(CHAT, { model: "auto", messages })).status).toBe(404);
  });
});

describe("preferences and variants", () => {
  const [dear, cheap] = [at("dear", 9n, { priority: 0, data: { trains: false } }), at("cheap", 1n)];
  const one = [served("a", dear, cheap)];

  test("choose the endpoint, and are kept with the call", async () => {
    const { ask, asked, records, bodies } = gatewayOver(one);
    await ask(CHAT, { model: "a", messages });
    await ask(CHAT, { model: "a:floor", messages });
    await ask(CHAT, { model: "a", messages, provider: { max_price: { prompt: 2 } } });
    await ask(CHAT, { model: "a:floor", messages, provider: { data_collection: "deny" } });
    expect(asked).toEqual(["dear", "cheap", "cheap", "dear"]);
    expect(records[0]?.routing).toBeUndefined();
    expect(records[1]?.routing).toMatchObject({ wishes: ["sort:price"], candidates: [{ endpoint: "p/cheap" }, {}] });
    expect(records[2]?.routing).toMatchObject({
      wishes: ["maxPrice"],
      excluded: [{ endpoint: "p/dear", reason: "costs more than provider.max_price.prompt" }],
    });
    expect(bodies.map((body) => "provider" in body)).toEqual([false, false, false, false]);
  });

  test("that nobody meets are refused with the reasons, kept too", async () => {
    const { ask, asked, records } = gatewayOver(one);
    const answer = await ask(CHAT, { model: "a", messages, provider: { zdr: true, ignore: ["p/dear"] } });
    expect(answer.status).toBe(404);
    const { error } = (await answer.json()) as { error: { message: string; code: string } };
    expect(error.message).toContain("p/cheap does not promise to keep nothing of what it is sent");
    expect(asked).toEqual([]);
    expect(records[0]).toMatchObject({ status: 404, errorCode: "no_matching_provider", outcome: "refused" });
    expect(records[0]?.routing?.excluded).toHaveLength(2);
  });

  test("of a wrong type are the caller's mistake", async () => {
    const { ask } = gatewayOver(one);
    for (const body of [{ provider: "p" }, { models: 1 }, { provider: { sort: "best" } }])
      expect((await ask(CHAT, { model: "a", messages, ...body })).status).toBe(400);
    expect((await ask("/v1/messages", { model: "a", max_tokens: 9, messages, provider: 1 })).status).toBe(400);
  });

  test("that need every parameter read them all", async () => {
    const picky = { ...dear, quirks: { "openai-chat": { refuses: ["seed"] } } };
    const { ask, asked } = gatewayOver([served("a", picky, cheap)]);
    await ask(CHAT, { model: "a", messages, seed: 1, provider: { require_parameters: true } });
    await ask(CHAT, { model: "a", messages, seed: 1, session_id: "other" });
    expect(asked).toEqual(["cheap", "dear"]);
  });
});

describe("a search of the web", () => {
  const [blind, seeing] = [
    at("blind", 1n, { priority: 0 }),
    at("seeing", 1n, {
      dialects: ["openai-chat", "openai-responses"],
      quirks: { "openai-responses": { serverTools: ["web-search"] } },
    }),
  ];

  test("is done by an endpoint that has one, in the format in which it has it", async () => {
    const { ask, bodies, records } = gatewayOver([served("a", blind, seeing)]);
    await ask(CHAT, { model: "a:online", messages });
    await ask(CHAT, { model: "a", messages, plugins: [{ id: "web" }] });
    await ask("/v1/responses", { model: "a:online", input: "Hi", tools: [{ type: "web_search", filters: {} }] });
    expect(bodies.map(({ model: name, tools }) => [name, tools])).toEqual([
      ["seeing", [{ type: "web_search" }]],
      ["seeing", [{ type: "web_search" }]],
      ["seeing", [{ type: "web_search", filters: {} }]],
    ]);
    expect(records[0]?.routing).toMatchObject({
      wishes: ["online"],
      excluded: [{ endpoint: "p/blind", reason: "has no web search of its own" }],
    });
  });

  test("that nobody has is refused, and not left out", async () => {
    const { ask, asked } = gatewayOver([served("a", blind)]);
    const answer = await ask(CHAT, { model: "a:online", messages });
    expect([answer.status, asked]).toEqual([404, []]);
    expect(await answer.text()).toContain("p/blind has no web search of its own");
  });
});

describe("a conversation", () => {
  const many = Array.from({ length: 8 }, (_, index) => at(`e${index}`));

  test("stays at one endpoint, and others spread", async () => {
    const { ask, asked } = gatewayOver([served("a", ...many)]);
    for (let turn = 0; turn < 5; turn++) await ask(CHAT, { model: "a", messages, session_id: "s" });
    expect(new Set(asked).size).toBe(1);
    for (let index = 0; index < 30; index++)
      await ask(CHAT, { model: "a", messages: [{ role: "user", content: `${index}` }] });
    expect(new Set(asked).size).toBeGreaterThan(3);
  });

  test("starts at the same endpoint on every node", async () => {
    const [one, other] = [gatewayOver([served("a", ...many)]), gatewayOver([served("a", ...many)])];
    for (const { ask } of [one, other])
      await ask(CHAT, { model: "a", messages }, { headers: { ...AUTHORIZED, "x-session-id": "s" } });
    expect(one.asked).toEqual(other.asked);
  });

  test("whose endpoint fails moves once, and stays where it went", async () => {
    const { ask, asked, failing } = gatewayOver([served("a", ...many)]);
    const turn = () => ask(CHAT, { model: "a", messages, prompt_cache_key: "s" });
    await turn();
    failing.push(asked[0]!);
    await turn();
    const moved = asked[2];
    failing.pop();
    await turn();
    await turn();
    expect(asked.slice(3)).toEqual([moved!, moved!]);
    expect(moved).not.toBe(asked[0]!);
  });
});

const AUTHORIZED = { authorization: "Bearer the-key" };
