/**
 * How definitions of the file and the curated list become the catalogue.
 * The curated list as a whole is held to the provider types in `test/providers.test.ts`.
 */
import { expect, test } from "bun:test";
import { bearer, type Provider } from "../providers/provider.ts";
import { buildCatalog, CatalogError } from "./catalog.ts";
import type { ModelDefinition } from "./definition.ts";

function provider(id: string, type = id): Provider {
  return {
    id,
    type: {
      type,
      name: type,
      keyVariables: [],
      dialects: ["openai-chat"],
      authorize: bearer,
      quirks: { "openai-chat": { maxTokensField: "max_tokens", systemRole: "system" } },
    },
    baseUrl: "https://example.com",
    credentials: [],
    dialects: ["openai-chat"],
    headers: {},
    timeouts: {},
  };
}

const OPEN: ModelDefinition = {
  id: "open",
  aliases: ["maker/open", "old-name"],
  context: 1000,
  maxOutput: 100,
  capabilities: ["tools", "thinking"],
  endpoints: [
    { provider: "alpha", model: "a-open", priority: 1, price: { input: 1, output: 2 } },
    {
      provider: "beta",
      model: "b/open",
      priority: 1,
      price: { input: 3, output: 4 },
      context: 500,
      capabilities: ["tools"],
      quirks: { systemRole: "developer", flattenText: true },
    },
  ],
};

const build = (providers: Provider[], definitions: ModelDefinition[] = []) =>
  buildCatalog({ definitions, curated: [OPEN], providers });

test("a curated model has an endpoint for each configured provider that serves it", () => {
  expect(build([]).models).toEqual([]);
  const both = build([provider("alpha"), provider("beta")]).find("maker/open");
  expect(both?.endpoints.map((endpoint) => endpoint.id)).toEqual(["alpha/a-open", "beta/b/open"]);
  expect(both?.endpoints.map((endpoint) => endpoint.price.perToken.input)).toEqual([1_000_000n, 3_000_000n] as never);
  const accounts = build([provider("first", "alpha"), provider("second", "alpha")]).find("open");
  expect(accounts?.endpoints.map((endpoint) => endpoint.id)).toEqual(["first/a-open", "second/a-open"]);
});

test("a model can do what one of its endpoints can, as far as the longest of them", () => {
  const both = build([provider("alpha"), provider("beta")]).find("open");
  expect(both?.capabilities).toEqual(new Set(["tools", "thinking"]));
  expect(both?.contextTokens).toBe(1000);
  const one = build([provider("beta")]).find("open");
  expect(one?.capabilities).toEqual(new Set(["tools"]));
  expect(one?.contextTokens).toBe(500);
  expect(one?.maxOutputTokens).toBe(100);
  expect(one?.price.perToken.input).toBe(3_000_000n as never);
});

test("an endpoint's quirks stand over its provider's, field by field", () => {
  const [alpha, beta] = build([provider("alpha"), provider("beta")]).find("open")?.endpoints ?? [];
  expect(alpha?.quirks["openai-chat"]).toEqual({ maxTokensField: "max_tokens", systemRole: "system" });
  expect(beta?.quirks["openai-chat"]).toEqual({
    maxTokensField: "max_tokens",
    systemRole: "developer",
    flattenText: true,
  });
});

test("a model of the file takes the place of a curated one, or just its alias", () => {
  const mine: ModelDefinition = {
    id: "mine",
    aliases: ["old-name"],
    context: 1,
    maxOutput: 1,
    price: { input: 0, output: 0 },
    endpoints: [{ provider: "alpha", model: "mine", priority: 1 }],
  };
  const catalog = build([provider("alpha")], [mine]);
  expect(catalog.find("old-name")?.id).toBe("mine");
  expect(catalog.find("maker/open")?.id).toBe("open");
  const replaced = build([provider("alpha")], [{ ...mine, id: "open", aliases: [] }]);
  expect(replaced.find("open")?.contextTokens).toBe(1);
  expect(replaced.models).toHaveLength(1);
});

test("all mistakes are reported at once", () => {
  const wrong: ModelDefinition = {
    id: "wrong",
    aliases: [],
    context: 1,
    maxOutput: 1,
    endpoints: [
      { provider: "nobody", model: "x", priority: 1, price: { input: 1, output: 1 } },
      { provider: "alpha", model: "y", priority: 1, price: { input: "1e9", output: 1 } },
    ],
  };
  try {
    build([provider("alpha")], [wrong]);
    throw new Error("was built");
  } catch (error) {
    expect(error).toBeInstanceOf(CatalogError);
    expect((error as CatalogError).mistakes).toHaveLength(2);
  }
});
