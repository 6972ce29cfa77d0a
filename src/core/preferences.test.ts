/**
 * Tests of reading what a body says to the gateway: shapes as callers of other gateways send them, and mistakes.
 * A wish that is misread would send a conversation to whom its owner shut out.
 */
import { describe, expect, test } from "bun:test";
import type { GatewayError } from "./error.ts";
import type { JsonObject } from "./json.ts";
import { pico } from "./money.ts";
import { type Preferences, readRoutingWish, withoutOwnFields } from "./preferences.ts";

const read = (provider: JsonObject) => readRoutingWish({ provider })?.preferences;

test("a body without any of the fields says nothing", () => {
  expect(readRoutingWish({ model: "m", messages: [], user: "u" })).toBeUndefined();
});

const READ: [name: string, provider: JsonObject, expected: Preferences][] = [
  ["nothing", {}, {}],
  ["nulls", { order: null, sort: null, max_price: null, zdr: null, data_collection: null }, {}],
  [
    "names in lower case",
    { order: ["OpenAI"], only: ["A"], ignore: ["B"] },
    { order: ["openai"], only: ["a"], ignore: ["b"] },
  ],
  ["quantizations", { quantizations: ["FP8"] }, { quantizations: ["fp8"] }],
  ["a sort as a word", { sort: "price" }, { sort: "price" }],
  ["a sort as an object", { sort: { by: "latency", partition: "none" } }, { sort: "latency" }],
  ["a sort that is none here", { sort: "exacto" }, {}],
  ["no fallbacks", { allow_fallbacks: false }, { allowFallbacks: false }],
  [
    "privacy",
    { data_collection: "deny", zdr: true, region: "EU" },
    { denyTraining: true, zeroRetention: true, region: "eu" },
  ],
  ["no wish for privacy", { data_collection: "allow", zdr: false, require_parameters: false }, {}],
  ["all parameters", { require_parameters: true }, { requireParameters: true }],
  [
    "prices per million and per piece, as text or as numbers",
    { max_price: { prompt: "1", completion: 2.5, request: "0.01", image: 0.02, audio: 3 } },
    {
      maxPrice: {
        prompt: pico(1_000_000n),
        completion: pico(2_500_000n),
        audio: pico(3_000_000n),
        request: pico(10_000_000_000n),
        image: pico(20_000_000_000n),
      },
    },
  ],
  ["fields that nobody knows", { preferred_max_latency: { p90: 1 }, whatever: [] }, {}],
];
for (const [name, provider, expected] of READ) {
  test(`of a provider object is read: ${name}`, () => {
    expect(read(provider)).toStrictEqual(expected);
  });
}

const WRONG: [body: JsonObject, param: string][] = [
  [{ provider: [] }, "provider"],
  [{ provider: "openai" }, "provider"],
  [{ provider: { order: "openai" } }, "provider.order"],
  [{ provider: { only: [1] } }, "provider.only[0]"],
  [{ provider: { ignore: [""] } }, "provider.ignore[0]"],
  [{ provider: { order: Array(101).fill("x") } }, "provider.order"],
  [{ provider: { sort: "fastest" } }, "provider.sort"],
  [{ provider: { sort: "constructor" } }, "provider.sort"],
  [{ provider: { sort: { by: 1 } } }, "provider.sort.by"],
  [{ provider: { sort: 1 } }, "provider.sort"],
  [{ provider: { allow_fallbacks: "no" } }, "provider.allow_fallbacks"],
  [{ provider: { data_collection: "never" } }, "provider.data_collection"],
  [{ provider: { zdr: 1 } }, "provider.zdr"],
  [{ provider: { max_price: 1 } }, "provider.max_price"],
  [{ provider: { max_price: { prompt: "cheap" } } }, "provider.max_price.prompt"],
  [{ provider: { max_price: { request: -1 } } }, "provider.max_price.request"],
  [{ models: "a" }, "models"],
  [{ models: ["a", 1] }, "models[1]"],
  [{ models: Array(11).fill("a") }, "models"],
  [{ route: "best" }, "route"],
  [{ session_id: 7 }, "session_id"],
  [{ plugins: {} }, "plugins"],
  [{ plugins: ["web"] }, "plugins[0]"],
];
for (const [body, param] of WRONG) {
  test(`${JSON.stringify(body).slice(0, 60)} is a mistake at ${param}`, () => {
    try {
      readRoutingWish(body);
    } catch (error) {
      expect(error).toMatchObject({ code: "invalid_request", status: 400, param });
      expect((error as GatewayError).message).toContain(param);
      return;
    }
    throw new Error("was read");
  });
}

describe("the other fields", () => {
  test("are models in order, a session and a wish for the web", () => {
    const body = { model: "a", models: ["b", "c"], route: "fallback", session_id: "s", plugins: [{ id: "web" }] };
    expect(readRoutingWish(body)).toEqual({
      models: ["b", "c"],
      online: true,
      fields: ["models", "route", "session_id", "plugins"],
    });
    expect(readRoutingWish({ plugins: [{ id: "web", enabled: false }, { id: "pdf" }] })?.online).toBeUndefined();
  });

  test("are taken out of a copy", () => {
    const body = { model: "a", models: ["b"], provider: null };
    expect(withoutOwnFields(body, readRoutingWish(body))).toEqual({ model: "a" });
    expect(body.models).toEqual(["b"]);
    expect(withoutOwnFields(body, undefined)).toBe(body);
  });
});
