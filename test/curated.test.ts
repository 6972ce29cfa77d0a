/**
 * The curated list against the provider types: formats, prices, names, and which models a key alone opens.
 * Its prices are held against published ones in `src/catalog/prices/published.test.ts`.
 */
import { describe, expect, test } from "bun:test";
import { buildCatalog } from "../src/catalog/catalog.ts";
import { CURATED, MODELS_OF_FORMATS } from "../src/catalog/curated/index.ts";
import { PROVIDER_TYPES } from "../src/providers/index.ts";
import type { Provider } from "../src/providers/provider.ts";

const TYPES = Object.values(PROVIDER_TYPES);

describe("the curated list", () => {
  const providers = TYPES.map(
    (type): Provider => ({
      id: type.type,
      type,
      baseUrl: type.baseUrl ?? "https://example.com",
      credentials: ["key"],
      dialects: type.dialects,
      headers: {},
      timeouts: {},
      location: type.location?.fallback,
    }),
  );

  test("names provider types that exist, in formats that they speak, at prices that are exact", () => {
    const catalog = buildCatalog({ definitions: [], curated: CURATED, providers });
    expect(catalog.models).toHaveLength(CURATED.length);
    for (const model of catalog.models) {
      const defined = CURATED.find((definition) => definition.id === model.id);
      expect({ id: model.id, endpoints: model.endpoints.length }).toEqual({
        id: model.id,
        endpoints: defined?.endpoints.length ?? 0,
      });
      for (const endpoint of model.endpoints) {
        const type = PROVIDER_TYPES[endpoint.provider];
        for (const dialect of endpoint.dialects) expect(type?.dialects as readonly string[]).toContain(dialect);
        expect(endpoint.maxOutputTokens).toBeLessThanOrEqual(endpoint.contextTokens);
        const { input = 0n, output = 0n } = endpoint.price.perToken;
        // What generates costs more than what it reads; embeddings have no output.
        if (endpoint.maxOutputTokens > 0) expect(output).toBeGreaterThanOrEqual(input);
        expect(endpoint.price.perToken.cacheRead ?? 0n).toBeLessThan(input);
      }
    }
  });

  test("has the models of every hosted provider that has its own, and offers them when its key alone is there", () => {
    const counts = TYPES.map((type) => {
      const own = providers.filter((provider) => provider.id === type.type);
      return [type.type, buildCatalog({ definitions: [], curated: CURATED, providers: own }).models.length] as const;
    });
    const none = counts.filter(([, models]) => models === 0).map(([type]) => type);
    expect(none).toEqual([
      "azure",
      "alibaba",
      "deepinfra",
      "sambanova",
      "nvidia",
      "huggingface",
      "ollama",
      "vllm",
      "lmstudio",
      "llamacpp",
      "custom",
      "simulated",
    ]);
    const few = counts.filter(([type, models]) => !none.includes(type) && models < 3);
    expect(few).toEqual([]);
  });

  test("gives every model a name with its maker's, and no name twice", () => {
    const names = CURATED.flatMap((model) => [model.id, ...model.aliases]);
    expect(new Set(names).size).toBe(names.length);
    for (const model of CURATED) expect(model.aliases.some((alias) => alias.includes("/"))).toBe(true);
  });

  test("lets an open-weight model move between its providers, each at its own price", () => {
    const model = buildCatalog({ definitions: [], curated: CURATED, providers }).find("openai/gpt-oss-120b");
    expect(model?.endpoints.map((endpoint) => endpoint.provider)).toEqual([
      "groq",
      "fireworks",
      "together",
      "cerebras",
    ]);
    expect(new Set(model?.endpoints.map((endpoint) => endpoint.price.perToken.output)).size).toBeGreaterThan(1);
  });

  test("shows only models of the formats' makers when there is no key", () => {
    const makers = new Set(MODELS_OF_FORMATS.flatMap((model) => model.endpoints.map((endpoint) => endpoint.provider)));
    expect([...makers]).toEqual(["openai", "anthropic", "google"]);
  });
});
