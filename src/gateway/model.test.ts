/**
 * Tests of finding a model and of the globs that say which models a key may call.
 * A glob that fits too much would let a key call what it was not given.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { endpoint, model, principal } from "../../test/support/calls.ts";
import type { Catalog } from "../catalog/catalog.ts";
import type { GatewayError } from "../core/error.ts";
import { fits, within } from "../core/glob.ts";
import { isOffered, mayCall, resolveModels } from "./model.ts";

const gpt = model([endpoint()], { id: "gpt-4o", aliases: ["openai/gpt-4o"] });
const catalog: Catalog = {
  models: [gpt],
  find: (name) => (name === "gpt-4o" || name === "openai/gpt-4o" ? gpt : undefined),
};

const GLOBS: [glob: string, name: string, expected: boolean][] = [
  ["gpt-4o", "gpt-4o", true],
  ["gpt-4o", "gpt-4o-mini", false],
  ["gpt-4o", "GPT-4o", false],
  ["gpt-*", "gpt-4o", true],
  ["gpt-*", "gpt-", true],
  ["gpt-*", "my-gpt-4o", false],
  ["*", "", true],
  ["*", "anything/at:all", true],
  ["**", "x", true],
  ["*-mini", "gpt-4o-mini", true],
  ["*-mini", "gpt-4o-mini-2", false],
  ["a*a", "a", false],
  ["a*a", "aa", true],
  ["ab*ba", "aba", false],
  ["*4*mini*", "gpt-4o-mini", true],
  ["*mini*4*", "gpt-4o-mini", false],
  ["a*b*b", "ab", false],
  ["a*b*b", "abb", true],
  ["gpt.4o", "gpt-4o", false],
  ["gpt-[45]o", "gpt-4o", false],
  ["", "", true],
  ["", "x", false],
];
for (const [glob, name, expected] of GLOBS) {
  test(`the glob "${glob}" ${expected ? "fits" : "does not fit"} "${name}"`, () => {
    expect(fits(glob, name)).toBe(expected);
  });
}

test("globs fit what the same regular expression fits", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "*"), maxLength: 10 });
  const name = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 12 });
  fc.assert(
    fc.property(text, name, (glob, value) => {
      expect(fits(glob, value)).toBe(new RegExp(`^${glob.replaceAll("*", ".*")}$`).test(value));
    }),
    { numRuns: 500 },
  );
});

test("a glob of many stars is answered without searching for ever", () => {
  expect(fits("*a".repeat(100), "a".repeat(99))).toBe(false);
  expect(fits(`${"*a".repeat(100)}b`, "a".repeat(10_000))).toBe(false);
});

describe("which models a key may call", () => {
  test("all of them without a list, none with an empty one", () => {
    expect(mayCall(principal(), gpt)).toBe(true);
    expect(mayCall(principal({ models: [] }), gpt)).toBe(false);
  });

  test("those whose id or alias fits", () => {
    expect(mayCall(principal({ models: ["x", "gpt-*"] }), gpt)).toBe(true);
    expect(mayCall(principal({ models: ["openai/*"] }), gpt)).toBe(true);
    expect(mayCall(principal({ models: ["anthropic/*"] }), gpt)).toBe(false);
  });
});

describe("the model that a caller names", () => {
  function refusal(name: string, over: Parameters<typeof principal>[0] = {}): GatewayError {
    try {
      resolveModels(catalog, { model: name }, principal(over));
    } catch (error) {
      return error as GatewayError;
    }
    throw new Error("nothing was refused");
  }

  test("is found by its id and by an alias", () => {
    expect(resolveModels(catalog, { model: "gpt-4o" }, principal()).wishes).toEqual([{ model: gpt }]);
    expect(resolveModels(catalog, { model: "openai/gpt-4o" }, principal()).wishes).toEqual([{ model: gpt }]);
  });

  test("is not available when the catalogue lacks it", () => {
    expect(refusal("gpt-5")).toMatchObject({ code: "model_not_available", status: 404, param: "model" });
  });

  test("is not allowed when the key's list lacks it, by whichever name", () => {
    const models = ["claude-*"];
    expect(refusal("gpt-4o", { models })).toMatchObject({ code: "model_not_allowed", status: 403 });
    expect(refusal("openai/gpt-4o", { models }).code).toBe("model_not_allowed");
  });

  test("cannot be called with a provisioning key", () => {
    expect(refusal("gpt-4o", { kind: "provisioning" }).code).toBe("forbidden");
  });

  test("is quoted in part when its name is very long", () => {
    expect(refusal("x".repeat(1_000_000)).message.length).toBeLessThan(200);
  });
});

describe("variants", () => {
  const names = ["llama3:8b", "gpt", "gpt:free", "deep", "deep:thinking"];
  const models = new Map(names.map((id) => [id, model([endpoint()], { id })]));
  const known: Catalog = { models: [...models.values()], find: (name) => models.get(name) };
  const wished = (name: string, fallbacks?: string[]) => {
    const routing = fallbacks && { models: fallbacks, fields: ["models"] };
    return resolveModels(known, { model: name, ...(routing && { routing }) }, principal()).wishes.map(
      ({ model: { id }, ...others }) => [id, others] as const,
    );
  };

  const TABLE: [name: string, id: string, wish: object][] = [
    ["llama3:8b", "llama3:8b", {}],
    ["llama3:8b:nitro", "llama3:8b", { sort: "throughput" }],
    ["gpt:floor", "gpt", { sort: "price" }],
    ["gpt:free", "gpt:free", {}],
    ["gpt:free:floor", "gpt:free", { sort: "price" }],
    ["gpt:nitro:free", "gpt:free", { sort: "throughput" }],
    ["deep:free", "deep", { free: true }],
    ["deep:thinking", "deep:thinking", {}],
    ["deep:thinking:free:nitro", "deep:thinking", { free: true, sort: "throughput" }],
  ];
  test.each(TABLE)("%s is %s", (name, id, wish) => {
    expect(wished(name)).toEqual([[id, wish]]);
  });

  test("that a model does not have, or that nobody knows, are no names of it", () => {
    const told = (name: string) => {
      try {
        wished(name);
      } catch (error) {
        return error as GatewayError;
      }
      throw new Error(`${name} was found`);
    };
    for (const name of ["gpt:extended", "gpt:beta:nitro", "gpt:thinking"]) {
      expect(told(name)).toMatchObject({ code: "model_not_available", param: "model" });
      expect(told(name).message).toBe(`The model "${name}" is not available here, but "gpt" is.`);
    }
    for (const name of ["gpt:8b", ":nitro", "gpt:", "gpt:NITRO", "other:nitro", ":nitro".repeat(1000)])
      expect(told(name).code).toBe("model_not_available");
    expect(wished("gpt:online")).toEqual([["gpt", { online: true }]]);
  });

  test("may differ between the models of one request, of which each is taken once", () => {
    expect(wished("gpt:nitro", ["deep:free", "gpt:nitro", "gpt", "none"])).toEqual([
      ["gpt", { sort: "throughput" }],
      ["deep", { free: true }],
      ["gpt", {}],
    ]);
  });
});

test("a glob is within another only if it can fit nothing that the other does not", () => {
  const glob = fc.stringMatching(/^[ab*]{0,5}$/);
  fc.assert(
    fc.property(glob, glob, fc.stringMatching(/^[ab]{0,6}$/), (inner, outer, name) => {
      if (within(inner, [outer]) && fits(inner, name)) expect(fits(outer, name)).toBe(true);
    }),
  );
  expect(within("gpt-4*", ["gpt-*"])).toBe(true);
  expect(within("*", ["gpt-*"])).toBe(false);
});

test("a model is offered to a key that may call it at one of its providers at least", () => {
  const served = model([endpoint({ provider: "one" }), endpoint({ provider: "two" })]);
  const offered = (over: Parameters<typeof principal>[0]) => isOffered(principal(over), served);
  expect(offered({})).toBe(true);
  expect(offered({ providers: ["t*"] })).toBe(true);
  expect(offered({ providers: ["three", "on"] })).toBe(false);
  expect(offered({ providers: ["*"], models: ["other"] })).toBe(false);
  expect(offered({ providers: [] })).toBe(false);
});
