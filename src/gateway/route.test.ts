/**
 * Tests of routing: a table of what is chosen and in which order, and that a hard need is never overlooked.
 * A wrong endpoint would answer with an error or, worse, without what was asked for.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { endpoint, model } from "../../test/support/calls.ts";
import type { Candidate, Endpoint } from "../core/endpoint.ts";
import { GatewayError } from "../core/error.ts";
import { CAPABILITIES, type Capability, type Head } from "../core/head.ts";
import { operationOf, WIRE_FORMAT_IDS, type WireFormatId } from "../core/operation.ts";
import { route } from "./route.ts";

function head(...needs: Capability[]): Head {
  return { model: "m", stream: false, candidates: 1, needs, wantsStreamUsage: true };
}

function at(id: string, over: Partial<Endpoint> = {}): Endpoint {
  return endpoint({ id, ...over });
}

const chat = at("chat");
const messages = at("messages", { dialects: ["anthropic-messages"] });
const both = at("both", { dialects: ["openai-responses", "openai-chat"] });
const blind = at("blind", { capabilities: new Set<Capability>(["tools"]) });

interface Case {
  name: string;
  endpoints: Endpoint[];
  from?: WireFormatId;
  needs?: Capability[];
  chosen: string[];
}

const TABLE: Case[] = [
  { name: "a lower priority comes first", endpoints: [at("b", { priority: 2 }), at("a")], chosen: ["a", "b"] },
  { name: "equal ones keep their order", endpoints: [at("b"), at("a"), at("c")], chosen: ["b", "a", "c"] },
  { name: "the caller's own format comes first", endpoints: [messages, chat], chosen: ["chat", "messages"] },
  {
    name: "priority counts more than format",
    endpoints: [chat, { ...messages, priority: 0 }],
    chosen: ["messages", "chat"],
  },
  {
    name: "an endpoint of several formats speaks the caller's",
    endpoints: [messages, both],
    chosen: ["both", "messages"],
  },
  { name: "one that cannot see gets no images", endpoints: [blind, chat], needs: ["images"], chosen: ["chat"] },
  { name: "one that cannot see gets texts", endpoints: [blind, chat], needs: ["tools"], chosen: ["blind", "chat"] },
  {
    name: "thinking and structured output keep nobody out",
    endpoints: [blind],
    needs: ["thinking", "structured-output"],
    chosen: ["blind"],
  },
];

for (const { name, endpoints, from, needs, chosen } of TABLE) {
  test(name, () => {
    const found = route(head(...(needs ?? [])), model(endpoints), from ?? "openai-chat");
    expect(found.map((candidate) => candidate.endpoint.id)).toEqual(chosen);
  });
}

describe("the dialect of a candidate", () => {
  test("is the caller's where the endpoint speaks it, else the endpoint's preferred one", () => {
    expect(route(head(), model([both]), "openai-chat")[0]?.dialect).toBe("openai-chat");
    expect(route(head(), model([both]), "gemini")[0]?.dialect).toBe("openai-responses");
  });
});

test("a body in another format's shape goes first to whoever speaks that one", () => {
  const borrowed: Head = { ...head(), shape: "openai-responses" };
  expect(route(borrowed, model([chat, both]), "openai-chat")).toMatchObject([
    { endpoint: { id: "both" }, dialect: "openai-responses" },
    { endpoint: { id: "chat" }, dialect: "openai-chat" },
  ]);
});

test("no endpoint that can is an error that names what is missing, and no address", () => {
  const mute = at("mute", { capabilities: new Set<Capability>() });
  const work = () => route(head("images", "audio"), model([blind, mute]), "openai-chat");
  expect(work).toThrow("No endpoint of m can do what this request needs: images.");
  try {
    work();
  } catch (error) {
    expect((error as GatewayError).code).toBe("no_matching_provider");
  }
});

describe("a model for another operation", () => {
  const vectors = at("vectors", { dialects: ["openai-embeddings", "gemini-embeddings"] });
  const told = (endpoints: Endpoint[], from: WireFormatId) => {
    try {
      route(head("tools"), model(endpoints), from);
    } catch (error) {
      return error as GatewayError;
    }
  };

  test("cannot answer, and says so", () => {
    const error = told([vectors], "anthropic-messages");
    expect(error).toMatchObject({ code: "no_matching_provider", param: "model" });
    expect(error?.message).toBe("m is a model for embeddings. It gives no answers: choose another model for those.");
  });

  test("cannot make embeddings, and says so", () => {
    expect(told([both], "openai-embeddings")?.message).toBe("m makes no embeddings. Choose a model for embeddings.");
  });

  test("what is missing is only named of endpoints that speak of the operation", () => {
    expect(told([vectors, blind], "openai-chat")).toBeUndefined();
    const mute = at("mute", { dialects: ["openai-chat", "openai-embeddings"], capabilities: new Set<Capability>() });
    expect(told([vectors, mute], "openai-chat")?.message).toContain("what this request needs: tools");
    expect(route(head(), model([both, mute]), "gemini-embeddings")).toMatchObject([
      { endpoint: { id: "mute" }, dialect: "openai-embeddings" },
    ]);
  });
});

describe("a key that is bound to providers", () => {
  const [here, there] = [at("here", { provider: "here" }), at("there", { provider: "there", priority: 0 })];

  test("reaches endpoints of these only, in their order", () => {
    const chosen = (providers: string[] | undefined) =>
      route(head(), model([here, there]), "openai-chat", providers).map((one) => one.endpoint.id);
    expect(chosen(undefined)).toEqual(["there", "here"]);
    expect(chosen(["h*", "there"])).toEqual(["there", "here"]);
    expect(chosen(["h*"])).toEqual(["here"]);
  });

  test("is told so when there are none, and of a lack when those that there are lack something", () => {
    const { code, status, message } = refusal(() => route(head(), model([here]), "openai-chat", ["other", "her"]));
    expect([code, status]).toEqual(["no_matching_provider", 404]);
    expect(message).toContain("This key may not use any provider of m");
    const blindHere = at("blind", { provider: "here", capabilities: new Set<Capability>() });
    const work = () => route(head("images"), model([blindHere, there]), "openai-chat", ["here"]);
    expect(refusal(work).message).toContain("images");
  });
});

function refusal(work: () => unknown): GatewayError {
  try {
    work();
  } catch (error) {
    return error as GatewayError;
  }
  throw new Error("nothing was refused");
}

const capabilitySets = fc.uniqueArray(fc.constantFrom(...CAPABILITIES));
const endpoints = fc
  .array(
    fc.record({
      priority: fc.nat(3),
      capabilities: capabilitySets,
      dialects: fc.uniqueArray(fc.constantFrom(...WIRE_FORMAT_IDS), { minLength: 1 }),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((all) =>
    all.map(({ capabilities, ...over }, index) => at(String(index), { ...over, capabilities: new Set(capabilities) })),
  );
const HARD: readonly Capability[] = ["tools", "images", "files", "audio", "video", "image-output", "audio-output"];

test("whatever the model, no endpoint is chosen that lacks a hard need, none that can is left out, and order is stable", () => {
  fc.assert(
    fc.property(endpoints, capabilitySets, fc.constantFrom(...WIRE_FORMAT_IDS), (all, needs, dialect) => {
      const hard = needs.filter((need) => HARD.includes(need));
      const asked = operationOf(dialect);
      const speaking = all.filter((one) => one.dialects.some((spoken) => operationOf(spoken) === asked));
      const able = speaking.filter((one) => hard.every((need) => one.capabilities.has(need)));
      let found: Candidate[];
      try {
        found = route(head(...needs), model(all), dialect);
      } catch (error) {
        expect(error).toBeInstanceOf(GatewayError);
        expect(able).toEqual([]);
        return;
      }
      expect(found.map((one) => one.endpoint.id).sort()).toEqual(able.map((one) => one.id).sort());
      const ranks = found.map((one) => [
        one.endpoint.priority,
        one.dialect === dialect ? 0 : 1,
        Number(one.endpoint.id),
      ]);
      expect(ranks).toEqual([...ranks].sort((a, b) => a[0]! - b[0]! || a[1]! - b[1]! || a[2]! - b[2]!));
      for (const one of found) {
        expect(one.endpoint.dialects).toContain(one.dialect);
        expect(operationOf(one.dialect)).toBe(asked);
      }
      expect(route(head(...needs), model(all), dialect)).toEqual(found);
    }),
  );
});
