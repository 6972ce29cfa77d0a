/**
 * Tests of the entry to the model API: lists of models, preflights, and what unknown paths and methods are told in which format.
 * Clients judge a gateway by these small answers before they send a call.
 */
import { describe, expect, test } from "bun:test";
import { endpoint, model } from "../../test/support/calls.ts";
import { type GatewayOptions, KEY, type TestGateway, testGateway } from "../../test/support/gateway.ts";
import { expectNothingLeft } from "../../test/support/tcp-upstream.ts";
import type { JsonObject } from "../core/json.ts";

expectNothingLeft();

const MODELS = [
  model([endpoint()], { id: "m", aliases: ["vendor/m"] }),
  model([endpoint()], { id: "n/x:free", name: "N" }),
  model([endpoint()], { id: "secret" }),
];

function open(options: GatewayOptions = {}): TestGateway {
  return testGateway({ models: MODELS, principal: { models: ["vendor/*", "n/*"] }, ...options });
}

async function json(answer: Response): Promise<JsonObject> {
  return (await answer.json()) as JsonObject;
}

function ids(list: JsonObject, field: string, name: string): unknown[] {
  return (list[field] as JsonObject[]).map((entry) => entry[name]);
}

describe("the list of models", () => {
  test("holds what the key may call, and no more", async () => {
    const answer = await open().ask("/v1/models");
    expect(answer.status).toBe(200);
    expect(answer.headers.get("x-request-id")).toStartWith("req_");
    const list = await json(answer);
    expect(list).toMatchObject({ object: "list", has_more: false, first_id: "m", last_id: "n/x:free" });
    expect(ids(list, "data", "id")).toEqual(["m", "n/x:free"]);
  });

  test("leaves out what none of the key's providers serves, one by one as well", async () => {
    const models = [model([endpoint()], { id: "m" }), model([endpoint({ provider: "q" })], { id: "n" })];
    const bound = open({ models, principal: { providers: ["q*"] } });
    expect(ids(await json(await bound.ask("/v1/models")), "data", "id")).toEqual(["n"]);
    expect((await bound.ask("/v1/models/m")).status).toBe(404);
    expect((await bound.ask("/v1/models/n")).status).toBe(200);
  });

  test("agrees with calls: a model of which no provider is allowed is refused before any upstream is asked", async () => {
    let asked = 0;
    const upstream = () => {
      asked++;
      return new Response(null, { status: 500 });
    };
    const bound = open({ upstream, principal: { providers: ["q*"] } });
    const messages = [{ role: "user", content: "Hi" }];
    for (const path of ["/v1/chat/completions", "/v1/messages", "/v1/messages/count_tokens"]) {
      const answer = await bound.ask(path, { model: "m", max_tokens: 5, messages });
      expect([path, answer.status]).toEqual([path, 404]);
      expect(JSON.stringify(await answer.json())).toContain("may not use any provider of m");
    }
    expect(asked).toBe(0);
  });

  test("has prices as decimals of dollars a token", async () => {
    const list = await json(await open().ask("/api/v1/models"));
    expect((list.data as JsonObject[])[0]).toMatchObject({ pricing: { prompt: "0.000001", completion: "0.000004" } });
  });

  test("is Gemini's under v1beta", async () => {
    const list = await json(await open().ask("/v1beta/models"));
    expect(ids(list, "models", "name")).toEqual(["models/m", "models/n/x:free"]);
  });

  test("needs a key, in any carrier, and says so in the caller's format", async () => {
    const one = open();
    const without = { headers: {} };
    expect((await one.ask("/v1/models", undefined, without)).status).toBe(401);
    expect((await one.ask(`/v1beta/models?key=${KEY}`, undefined, without)).status).toBe(200);
    expect((await one.ask("/v1/models", undefined, { headers: { "x-api-key": KEY } })).status).toBe(200);
    const refused = await json(await one.ask("/v1beta/models", undefined, without));
    expect(refused).toMatchObject({ error: { code: 401, status: "UNAUTHENTICATED" } });
  });

  test("takes no other methods", async () => {
    expect((await open().ask("/v1/models", {})).status).toBe(405);
    expect((await open().ask("/v1/models", undefined, { method: "HEAD", headers: { "x-api-key": KEY } })).status).toBe(
      200,
    );
  });
});

describe("one model", () => {
  for (const path of ["/v1/models/m", "/v1/models/vendor/m", "/v1/models/vendor%2Fm"]) {
    test(`is found at ${path}`, async () => expect(await json(await open().ask(path))).toMatchObject({ id: "m" }));
  }

  test("with a slash and a colon in its name is found", async () => {
    expect(await json(await open().ask("/v1/models/n/x:free"))).toMatchObject({ id: "n/x:free" });
    expect(await json(await open().ask("/v1beta/models/n/x:free"))).toMatchObject({ name: "models/n/x:free" });
  });

  test("that the key may not call is as if there were none", async () => {
    const [hidden, missing] = [await open().ask("/v1/models/secret"), await open().ask("/v1/models/absent")];
    expect([hidden.status, missing.status]).toEqual([404, 404]);
    const message = async (answer: Response) => ((await json(answer)).error as JsonObject).message;
    expect(await message(hidden)).toBe(await message(missing));
  });
});

describe("another method or an unknown path", () => {
  const ENVELOPES: [path: string, method: string, status: number, shape: JsonObject][] = [
    ["/v1/chat/completions", "GET", 405, { error: { code: "method_not_allowed", param: null } }],
    ["/v1/chat/completions", "DELETE", 405, { error: { code: "method_not_allowed" } }],
    ["/v1/messages", "GET", 405, { type: "error", error: {} }],
    ["/v1beta/models/m:generateContent", "GET", 405, { error: { code: 405 } }],
    ["/v1/responses", "GET", 426, { error: {} }],
    ["/v1/nothing", "POST", 404, { error: { code: "not_found" } }],
    ["/v1/messages/nothing", "POST", 404, { type: "error", error: { type: "not_found_error" } }],
    ["/v1/responses/nothing/x", "GET", 404, { error: { code: "not_found" } }],
    ["/v1beta/models/m:nothing", "POST", 404, { error: { code: 404, status: "NOT_FOUND" } }],
    ["/", "POST", 404, { error: { code: "not_found" } }],
  ];
  for (const [path, method, status, shape] of ENVELOPES) {
    test(`${method} ${path} is ${status} in its format's envelope, with an id and no reason to retry`, async () => {
      const answer = await open().ask(path, undefined, { method });
      expect(answer.status).toBe(status);
      expect(await json(answer)).toMatchObject(shape);
      expect(answer.headers.get("x-request-id")).toStartWith("req_");
      expect(answer.headers.get("x-should-retry")).toBe("false");
    });
  }

  test("needs no key to be told, and leaves no record", async () => {
    const one = open();
    expect((await one.ask("/v1/nothing", {}, { method: "POST", headers: {} })).status).toBe(404);
    expect(one.records).toEqual([]);
  });
});

describe("a preflight", () => {
  for (const path of ["/v1/chat/completions", "/v1/messages", "/v1beta/models/m:generateContent", "/v1/models", "/x"]) {
    test(`for ${path} allows what was asked for, without a key`, async () => {
      const headers = { "access-control-request-headers": "authorization, x-stainless-os" };
      const answer = await open().ask(path, undefined, { method: "OPTIONS", headers });
      expect(answer.status).toBe(204);
      expect(answer.headers.get("access-control-allow-origin")).toBe("*");
      expect(answer.headers.get("access-control-allow-headers")).toBe("authorization, x-stainless-os");
      expect(answer.headers.get("access-control-allow-methods")).toContain("POST");
      expect(answer.headers.get("access-control-allow-credentials")).toBeNull();
    });
  }
});

test("what breaks inside the list of models is a 500 that shows nothing of it", async () => {
  const authenticator = {
    authenticate: () => Promise.reject(new TypeError("canary")),
    forget() {},
  };
  const answer = await open({ over: { authenticator } }).ask("/v1/models");
  expect(answer.status).toBe(500);
  expect(await answer.text()).not.toContain("canary");
});
