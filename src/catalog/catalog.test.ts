/**
 * How definitions of the file and the curated list become the catalogue.
 * The curated list as a whole is held to the provider types in `test/providers.test.ts`.
 */
import { expect, test } from "bun:test";
import { bearer, type Provider } from "../providers/provider.ts";
import { buildCatalog, CatalogError, listedEndpoints } from "./catalog.ts";
import { fromPrice, type ModelDefinition, toPrice } from "./definition.ts";

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

const SOLD: ModelDefinition = {
  id: "sold",
  aliases: [],
  context: 1,
  maxOutput: 1,
  price: { input: 3, output: "0.000001", tiers: [{ above: 200, input: 6 }] },
  endpoints: [
    { provider: "alpha", model: "own", priority: 2, price: { input: 1, output: 2 }, cost: { input: "0.5", output: 1 } },
    { provider: "alpha", model: "same", priority: 1 },
    { provider: "alpha", model: "bought", priority: 3, cost: { input: 2, output: 2 } },
  ],
};

test("a customer pays the price with the margin, an operator what the provider charges", () => {
  const [same, own, bought] = build([provider("alpha")], [SOLD]).find("sold")?.endpoints ?? [];
  expect(same?.price).toEqual(same?.cost as never);
  expect([own?.price.perToken.input, own?.cost.perToken.input]).toEqual([1_000_000n, 500_000n] as never);
  expect([bought?.price.perToken.input, bought?.cost.perToken.input]).toEqual([3_000_000n, 2_000_000n] as never);

  const input = { definitions: [SOLD], curated: [OPEN], providers: [provider("alpha")], marginPercent: "10" };
  const marked = buildCatalog(input);
  const [sameMarked, ownMarked] = marked.find("sold")?.endpoints ?? [];
  expect(sameMarked?.price.perToken).toEqual({ input: 3_300_000n, output: 2n } as never);
  expect(sameMarked?.price.tiers?.[0]?.perToken.input).toBe(6_600_000n as never);
  expect(sameMarked?.cost).toEqual(same?.cost as never);
  expect([ownMarked?.price.perToken.input, ownMarked?.cost.perToken.input]).toEqual([1_100_000n, 500_000n] as never);
  expect(marked.find("open")?.price.perToken.input).toBe(1_100_000n as never);
  expect(marked.find("sold")?.price).toBe(sameMarked?.price as never);
});

test("a model's own margin stands in place of the general one, also when it is none", () => {
  const own = { ...SOLD, marginPercent: 0 };
  const input = { definitions: [own], curated: [OPEN], providers: [provider("alpha")], marginPercent: 50 };
  expect(buildCatalog(input).find("sold")?.price.perToken.input).toBe(3_000_000n as never);
});

test("a model whose only price is what it costs is sold for that with the margin", () => {
  const bought = { ...SOLD, price: undefined, endpoints: SOLD.endpoints.slice(2) };
  const input = { definitions: [bought], curated: [], providers: [provider("alpha")], marginPercent: 50 };
  const [endpoint] = buildCatalog(input).find("sold")?.endpoints ?? [];
  expect([endpoint?.price.perToken.input, endpoint?.cost.perToken.input]).toEqual([3_000_000n, 2_000_000n] as never);
});

test("a model without a price is a mistake, unless such models are allowed: then it is free and flagged", () => {
  const bare = { ...SOLD, price: undefined, endpoints: [{ provider: "alpha", model: "x", priority: 1 }] };
  const input = { definitions: [bare, { ...SOLD, id: "priced" }], curated: [OPEN], providers: [provider("alpha")] };
  expect(() => buildCatalog(input)).toThrow(/sold: it has no price, and unpriced models are not offered$/);
  const allowed = buildCatalog({ ...input, allowUnpriced: true, marginPercent: 20 });
  expect(allowed.find("sold")).toMatchObject({ unpriced: true, price: { perToken: { input: 0n, output: 0n } } });
  expect(allowed.models.filter((model) => model.unpriced).map((model) => model.id)).toEqual(["sold"]);
});

test("a tier that makes long prompts cheaper is a mistake that names the rate", () => {
  const falling: ModelDefinition = {
    ...SOLD,
    price: { input: 3, output: 9, cacheRead: 1, tiers: [{ above: 10, cacheRead: 0.9 }] },
  };
  expect(() => build([provider("alpha")], [falling])).toThrow(/sold: price: A tier has a lower rate for cacheRead/);
});

test("a synced price stands in for a curated endpoint's, never for what the file says", () => {
  const overrides = new Map([
    ["alpha/a-open", { input: "9", output: "9" }],
    ["alpha/own", { input: "9", output: "9" }],
  ]);
  const input = { definitions: [SOLD], curated: [OPEN], providers: [provider("alpha"), provider("beta")], overrides };
  const catalog = buildCatalog({ ...input, marginPercent: 100 });
  const [alpha, beta] = catalog.find("open")?.endpoints ?? [];
  expect([alpha?.price.perToken.input, alpha?.cost.perToken.input]).toEqual([18_000_000n, 9_000_000n] as never);
  expect(beta?.cost.perToken.input).toBe(3_000_000n as never);
  expect(catalog.find("sold")?.endpoints.some((endpoint) => endpoint.cost.perToken.input === 9_000_000n)).toBe(false);
  expect(listedEndpoints(input)).toEqual([
    {
      id: "alpha/a-open",
      modelId: "open",
      listedBy: "alpha",
      upstreamModel: "a-open",
      price: { input: "9", output: "9" },
    },
    { id: "beta/b/open", modelId: "open", listedBy: "beta", upstreamModel: "b/open", price: { input: 3, output: 4 } },
  ]);
});

test("a price written down and read again is the same", () => {
  const price = toPrice({
    input: "0.15",
    output: 0.6,
    cacheRead: "0.015",
    cacheWrite: 1,
    cacheWrite1h: 2,
    reasoning: 3,
    imageInput: 0.2,
    imageOutput: 30,
    audioInput: 1,
    audioOutput: 20,
    request: "0.005",
    webSearch: 0.01,
    searchedRequest: "0.035",
    tiers: [
      { above: 500, input: 2, output: 2, cacheRead: 2, cacheWrite: 2, cacheWrite1h: 4 },
      { above: 200, input: 1 },
    ],
  });
  const written = fromPrice(price);
  expect(written.tiers?.map((tier) => tier.above)).toEqual([200, 500]);
  expect(fromPrice(toPrice(written))).toEqual(written);
  expect(toPrice(written).perToken).toEqual(price.perToken);
});

test("an endpoint's place and promises stand over its provider's, and those over what is known of the type", () => {
  const alpha = provider("alpha");
  const typed: Provider = { ...alpha, type: { ...alpha.type, data: { trains: false, retains: true } } };
  const placed: Provider = { ...provider("beta"), region: "EU", data: { retains: false } };
  const own = (over: object) => ({ provider: "beta", model: "x", priority: 1, ...over });
  const definition: ModelDefinition = {
    ...SOLD,
    endpoints: [
      { provider: "alpha", model: "typed", priority: 0 },
      own({}),
      own({ region: "US-east-1", quantization: "FP8", weight: 3, data: { trains: true } }),
    ],
  };
  const [first, second, third] = build([typed, placed], [definition]).find("sold")?.endpoints ?? [];
  expect(first?.data).toEqual({ trains: false, retains: true });
  expect(first?.region).toBeUndefined();
  expect([second?.region, second?.data, second?.weight]).toEqual(["eu", { retains: false }, undefined]);
  expect(third).toMatchObject({ region: "us-east-1", quantization: "fp8", weight: 3 });
  expect(third?.data).toEqual({ trains: true, retains: false });
});
