/**
 * Tests of routing: for each rule a table of what is chosen and in which order, and what is told when nothing is.
 * A wrong endpoint would answer with an error or, worse, without what was asked for, or to whom it must not go.
 */
import { describe, expect, test } from "bun:test";
import { model } from "../../test/support/calls.ts";
import { ask, at, chosen, dollars, head, health, ids, refusal } from "../../test/support/routing.ts";
import type { DataPolicy, Endpoint } from "../core/endpoint.ts";
import type { Capability, Head } from "../core/head.ts";
import { pico } from "../core/money.ts";
import type { WireFormatId } from "../core/operation.ts";
import type { Preferences } from "../core/preferences.ts";
import { type RouteAsk, route } from "./route.ts";

const chat = at("chat");
const messages = at("messages", { dialects: ["anthropic-messages"] });
const both = at("both", { dialects: ["openai-responses", "openai-chat"] });
const blind = at("blind", { capabilities: new Set<Capability>(["tools"]) });

describe("what the request needs", () => {
  const TABLE: [name: string, endpoints: Endpoint[], needs: Capability[], expected: string[]][] = [
    ["one that cannot see gets no images", [blind, chat], ["images"], ["chat"]],
    ["one that cannot see gets texts", [blind], ["tools"], ["blind"]],
    ["thinking and structured output keep nobody out", [blind], ["thinking", "structured-output"], ["blind"]],
  ];
  test.each(TABLE)("%s", (_, endpoints, needs, expected) => {
    expect(chosen(endpoints, { head: head(...needs) })).toEqual(expected);
  });

  test("that nobody has is named, and no address", () => {
    const mute = at("mute", { capabilities: new Set<Capability>() });
    const error = refusal(() => route(ask([blind, mute], { head: head("images", "audio") })));
    expect(error.message).toBe("No endpoint of m can do what this request needs: images.");
    expect([error.code, error.status]).toEqual(["no_matching_provider", 404]);
  });

  test("are all parameters that were sent, where the caller says so", () => {
    const picky = at("picky", { quirks: { "openai-chat": { refuses: ["seed"] } } });
    const plain = at("plain", { capabilities: new Set<Capability>(["tools"]) });
    const over = { preferences: { requireParameters: true }, parameters: ["model", "messages", "seed", "reasoning"] };
    expect(chosen([picky, plain, chat], over)).toEqual(["chat"]);
    expect(refusal(() => route(ask([picky, plain], over))).message).toBe(
      "No endpoint of m may serve this request: picky does not take seed; plain does not take reasoning.",
    );
    const structured = { ...over, head: head("structured-output"), parameters: [] };
    expect(refusal(() => route(ask([plain], structured))).message).toContain("plain does not take structured-output");
  });
});

describe("the dialect of a candidate", () => {
  test("is the caller's where the endpoint speaks it, else the endpoint's preferred one", () => {
    expect(route(ask([both])).candidates[0]?.dialect).toBe("openai-chat");
    expect(route(ask([both], { dialect: "gemini" })).candidates[0]?.dialect).toBe("openai-responses");
  });

  test("of a body in another format's shape is that format, and who speaks it goes first", () => {
    const borrowed: Head = { ...head(), shape: "openai-responses" };
    expect(route(ask([chat, both], { head: borrowed })).candidates).toMatchObject([
      { endpoint: { id: "both" }, dialect: "openai-responses" },
      { endpoint: { id: "chat" }, dialect: "openai-chat" },
    ]);
  });
});

describe("a model for another operation", () => {
  const vectors = at("vectors", { dialects: ["openai-embeddings", "gemini-embeddings"] });
  const told = (endpoints: Endpoint[], dialect: WireFormatId) =>
    refusal(() => route(ask(endpoints, { dialect, head: head("tools") })));

  test("cannot answer, or make embeddings, and says so", () => {
    const error = told([vectors], "anthropic-messages");
    expect(error).toMatchObject({ code: "no_matching_provider", param: "model" });
    expect(error.message).toBe("m is a model for embeddings. It gives no answers: choose another model for those.");
    expect(told([both], "openai-embeddings").message).toBe("m makes no embeddings. Choose a model for embeddings.");
  });

  test("has no part in what is missing", () => {
    expect(chosen([vectors, blind], { head: head("tools") })).toEqual(["blind"]);
    const mute = at("mute", { dialects: ["openai-chat", "openai-embeddings"], capabilities: new Set<Capability>() });
    expect(told([vectors, mute], "openai-chat").message).toContain("what this request needs: tools");
    expect(route(ask([both, mute], { dialect: "gemini-embeddings" })).candidates).toMatchObject([
      { endpoint: { id: "mute" }, dialect: "openai-embeddings" },
    ]);
  });
});

describe("a key that is bound to providers", () => {
  const [here, there] = [at("here"), at("there", { priority: 0 })];

  test("reaches endpoints of these only, in their order", () => {
    expect(chosen([here, there])).toEqual(["there", "here"]);
    expect(chosen([here, there], { providers: ["h*", "there"] })).toEqual(["there", "here"]);
    expect(chosen([here, there], { providers: ["h*"] })).toEqual(["here"]);
  });

  test("is told so when there are none, and nothing of the others when those that there are lack something", () => {
    const { code, status, message } = refusal(() => route(ask([here], { providers: ["other", "her"] })));
    expect([code, status]).toEqual(["no_matching_provider", 404]);
    expect(message).toBe("This key may not use any provider of m.");
    const blindHere = { ...here, capabilities: new Set<Capability>() };
    const lacking = refusal(() => route(ask([blindHere, there], { providers: ["here"], head: head("images") })));
    expect(lacking.message).toContain("images");
    expect(lacking.message).not.toContain("there");
  });
});

const strict: DataPolicy = { trains: false, retains: false };

describe("the caller's filters", () => {
  const a = at("a", { region: "eu-west-1", quantization: "fp8", data: strict, price: dollars(1, 10) });
  const b = at("b", {
    region: "us",
    quantization: "bf16",
    data: { trains: true, retains: true },
    price: dollars(2, 5),
  });
  const c = at("c", { price: { ...dollars(3, 4), perRequest: pico(1000n) } });
  const all = [a, b, c];
  const million = (amount: number) => pico(BigInt(amount * 1_000_000));

  const TABLE: [name: string, preferences: Preferences, expected: string[]][] = [
    ["nothing", {}, ["a", "b", "c"]],
    ["only", { only: ["b", "x"] }, ["b"]],
    ["ignore", { ignore: ["b", "x"] }, ["a", "c"]],
    ["quantizations", { quantizations: ["bf16"] }, ["b"]],
    ["a quantization that nobody told", { quantizations: ["unknown", "fp8"] }, ["a", "c"]],
    ["the price of a prompt", { maxPrice: { prompt: million(2) } }, ["a", "b"]],
    ["the price of an answer", { maxPrice: { completion: million(5) } }, ["b", "c"]],
    ["the price of sound, which is a prompt's where there is none", { maxPrice: { audio: million(1) } }, ["a"]],
    ["the price of a request", { maxPrice: { request: pico(999n) } }, ["a", "b"]],
    ["the price of a picture, which nobody asks by the piece", { maxPrice: { image: pico(0n) } }, ["a", "b", "c"]],
    ["no training: only a promise counts", { denyTraining: true }, ["a"]],
    ["no retention: only a promise counts", { zeroRetention: true }, ["a"]],
    ["a region, and those within it", { region: "eu" }, ["a"]],
    ["a list without fallbacks", { order: ["c", "b"], allowFallbacks: false }, ["b", "c"]],
  ];
  test.each(TABLE)("%s", (_, preferences, expected) => {
    const decision = route(ask(all, { preferences }));
    expect(ids(decision).sort()).toEqual(expected);
    expect(decision.excluded.map((one) => one.endpoint.id)).toEqual(
      all.map(({ id }) => id).filter((id) => !expected.includes(id)),
    );
  });

  test("that nobody passes are told, each with its reason", () => {
    const preferences = { ignore: ["a"], region: "us", denyTraining: true };
    const error = refusal(() => route(ask(all, { preferences })));
    expect([error.code, error.status]).toEqual(["no_matching_provider", 404]);
    expect(error.message).toBe(
      "No endpoint of m may serve this request: a is in the region eu-west-1; b trains on what it is sent; " +
        "c does not promise not to train on what it is sent.",
    );
  });

  test("of which many endpoints fail are told of some", () => {
    const many = Array.from({ length: 30 }, (_, index) => at(`p${index}`));
    const { message } = refusal(() => route(ask(many, { preferences: { only: ["x"] } })));
    expect(message).toContain("p9 is not among provider.only; and 20 more.");
  });

  test("that a variant asks for", () => {
    const gift = at("gift", { price: dollars(0) });
    const sold = at("sold", { price: { ...dollars(0), perRequest: pico(1n) } });
    const models = [{ model: model([chat, gift, sold]), free: true as const }] as const;
    expect(chosen([], { models: [...models] })).toEqual(["gift"]);
  });
});

describe("the order", () => {
  const [cheap, middle, dear] = [
    at("cheap", { price: dollars(1) }),
    at("middle", { price: dollars(2) }),
    at("dear", { price: dollars(10) }),
  ];
  const sick = health({
    cheap: { troubledAtMs: 1_000_000 - 29_999, latencyMs: 900, tokensPerSecond: 10 },
    middle: { troubledAtMs: 1_000_000 - 30_000, latencyMs: 300 },
    dear: { latencyMs: 500, tokensPerSecond: 90 },
  });
  const measured = health({
    cheap: { latencyMs: 900, tokensPerSecond: 10 },
    middle: { latencyMs: 300 },
    dear: { latencyMs: 500, tokensPerSecond: 90 },
  });
  const TABLE: [name: string, endpoints: Endpoint[], over: Partial<RouteAsk>, expected: string[]][] = [
    ["a lower priority comes first", [cheap, { ...dear, priority: 0 }], {}, ["dear", "cheap"]],
    ["the caller's own format comes first at one price", [messages, chat], {}, ["chat", "messages"]],
    ["priority counts more than format", [chat, { ...messages, priority: 0 }], {}, ["messages", "chat"]],
    ["what costs nothing comes first", [cheap, at("free", { price: dollars(0) })], {}, ["free", "cheap"]],
    [
      "trouble of late is worse than any price",
      [cheap, dear],
      { health: health({ cheap: { troubledAtMs: 999_999 } }) },
      ["dear", "cheap"],
    ],
    [
      "trouble is no matter between tiers",
      [{ ...dear, priority: 0 }, cheap],
      { health: health({ dear: { troubledAtMs: 999_999 } }) },
      ["dear", "cheap"],
    ],
    [
      "one that may be tried again comes after one in trouble",
      [cheap, dear],
      { health: health({ cheap: { state: "half-open" }, dear: { troubledAtMs: 999_999 } }) },
      ["dear", "cheap"],
    ],
    ["one that rests is left out", [cheap, dear], { health: health({ cheap: { state: "open" } }) }, ["dear"]],
    ["by price", [dear, middle, cheap], { preferences: { sort: "price" } }, ["cheap", "middle", "dear"]],
    [
      "by price, whatever the priority",
      [{ ...dear, priority: 0 }, cheap],
      { preferences: { sort: "price" } },
      ["cheap", "dear"],
    ],
    [
      "by latency",
      [dear, middle, cheap],
      { preferences: { sort: "latency" }, health: measured },
      ["middle", "dear", "cheap"],
    ],
    [
      "by throughput, those that nobody measured last",
      [cheap, middle, dear],
      { preferences: { sort: "throughput" }, health: measured },
      ["dear", "cheap", "middle"],
    ],
    [
      "by latency, troubled ones last",
      [cheap, middle, dear],
      { preferences: { sort: "latency" }, health: sick },
      ["middle", "dear", "cheap"],
    ],
    [
      "by a list, then as usual",
      [cheap, middle, dear],
      { preferences: { order: ["dear", "x"] } },
      ["dear", "cheap", "middle"],
    ],
    [
      "by a list, whatever the health",
      [cheap, dear],
      { preferences: { order: ["cheap"] }, health: sick },
      ["cheap", "dear"],
    ],
    ["the first or none", [cheap, middle, dear], { preferences: { sort: "price", allowFallbacks: false } }, ["cheap"]],
    [
      "the conversation's own endpoint first",
      [cheap, { ...dear, priority: 9 }],
      { remembered: "dear" },
      ["dear", "cheap"],
    ],
    ["also with trouble of late", [cheap, dear], { remembered: "cheap", health: sick }, ["cheap", "dear"]],
    [
      "but not when it rests",
      [cheap, dear],
      { remembered: "dear", health: health({ dear: { state: "half-open" } }) },
      ["cheap", "dear"],
    ],
    ["nor against a list", [cheap, dear], { remembered: "dear", preferences: { order: ["cheap"] } }, ["cheap", "dear"]],
    ["nor against a sort", [cheap, dear], { remembered: "dear", preferences: { sort: "price" } }, ["cheap", "dear"]],
  ];
  test.each(TABLE)("%s", (_, endpoints, over, expected) => {
    expect(chosen(endpoints, { seed: 12, ...over })).toEqual(expected);
  });

  test("within a tier is by chance, in proportion to the inverse square of the price and the operator's weight", () => {
    const first: Record<string, number> = { cheap: 0, middle: 0, weighty: 0 };
    const endpoints = [cheap, middle, at("weighty", { price: dollars(2), weight: 3 })];
    const rounds = 8000;
    for (let seed = 0; seed < rounds; seed++) {
      const [id = ""] = chosen(endpoints, { seed: Math.imul(seed, 0x9e3779b1) >>> 0 });
      first[id]! += 1;
    }
    // Weights of 1, 1/4 and 3/4.
    expect(first.cheap! / rounds).toBeCloseTo(0.5, 1);
    expect(first.middle! / rounds).toBeCloseTo(0.125, 1);
    expect(first.weighty! / rounds).toBeCloseTo(0.375, 1);
  });
});

test("all resting is said to be over soon, with the end of the earliest rest", () => {
  const resting = health({
    a: { state: "open", restsUntilMs: 1_009_000 },
    b: { state: "open", restsUntilMs: 1_004_500 },
  });
  const error = refusal(() => route(ask([at("a"), at("b"), blind], { head: head("images"), health: resting })));
  expect(error).toMatchObject({ code: "upstream_unavailable", status: 503, retryAfterMs: 4500 });
  const alone = refusal(() => route(ask([at("a")], { health: health({ a: { state: "open", restsUntilMs: 5 } }) })));
  expect(alone).toMatchObject({ code: "upstream_unavailable", retryAfterMs: 1000 });
});

describe("several models", () => {
  const [a1, a2, a3] = [at("a1", { priority: 1 }), at("a2", { priority: 2 }), at("a3", { priority: 3 })];
  const a = { model: model([a1, a2, a3], { id: "a" }) };
  const b = { model: model([{ ...blind, modelId: "b" }], { id: "b" }) };

  test("come one after the other, and leave room for the last one's turn", () => {
    expect(chosen([], { models: [a, b] })).toEqual(["a1", "a2", "a3", "blind"]);
    expect(chosen([], { models: [a, b], maxAttempts: 3 })).toEqual(["a1", "a2", "blind"]);
    expect(chosen([], { models: [a, b, b], maxAttempts: 2 })).toEqual(["a1", "blind", "blind"]);
    expect(chosen([], { models: [a, b], preferences: { allowFallbacks: false } })).toEqual(["a1", "blind"]);
  });

  test("stand in for one that cannot be served, which is told", () => {
    const decision = route(ask([], { models: [b, a], head: head("images") }));
    expect(ids(decision)).toEqual(["a1", "a2", "a3"]);
    expect(decision.excluded).toMatchObject([{ endpoint: { id: "blind" }, kind: "needs" }]);
  });

  test("of which none can be served are named together", () => {
    const error = refusal(() => route(ask([], { models: [a, b], preferences: { only: ["x"] } })));
    expect(error.message).toContain("No endpoint of a, b may serve this request: a1 is not among");
  });

  test("may each be wanted in a way of their own", () => {
    const swift = health({ a3: { tokensPerSecond: 9 } });
    const models = [{ ...a, sort: "throughput" as const }, a] as const;
    expect(chosen([], { models: [...models], health: swift })).toEqual(["a3", "a1", "a2", "a1", "a2", "a3"]);
  });
});
