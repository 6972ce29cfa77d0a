/**
 * Tests of the settings that routing follows: where endpoints are, what they promise, their share, and what auto stands for.
 * Beside `src/config.test.ts`, which tests settings in general.
 */
import { expect, test } from "bun:test";
import { ConfigError, loadConfig } from "../config.ts";

function load(yaml: string) {
  return loadConfig({ env: {}, providerTypes: { custom: { keyVariables: [] } }, readFile: () => yaml });
}

const file = (provider: string, endpoint: string, catalog = "") => `
providers:
  - { id: own, type: custom, base_url: "https://example.com/v1"${provider} }
models:
  - { id: m, context: 1000, max_output: 10, price: { input: 1, output: 1 }, endpoints: [ { provider: own, model: x${endpoint} } ] }
catalog: { ${catalog} }`;

test("a provider and an endpoint say where they are and what they promise", () => {
  const { providers, models, catalog } = load(
    file(
      ", region: eu, data: { trains: false }",
      ", region: us-east-1, quantization: fp8, weight: 3, data: { retains: true }",
      "auto: [m, other]",
    ),
  );
  expect(providers[0]).toMatchObject({ region: "eu", data: { trains: false } });
  expect(models[0]?.endpoints[0]).toMatchObject({
    region: "us-east-1",
    quantization: "fp8",
    weight: 3,
    data: { retains: true },
  });
  expect(catalog.auto).toEqual(["m", "other"]);
});

test("nothing is promised for them, and there is no auto", () => {
  const { providers, models, catalog } = load(file("", ""));
  expect([providers[0]?.region, providers[0]?.data, models[0]?.endpoints[0]?.data]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(catalog.auto).toEqual([]);
});

test("mistakes in them are named by their place", () => {
  for (const [provider, endpoint, catalog, place] of [
    [", data: { trains: maybe }", "", "", "providers[0].data.trains"],
    [', region: "e u"', "", "", "providers[0].region"],
    ["", ", weight: 0", "", "models[0].endpoints[0].weight"],
    ["", ", data: { sells: true }", "", "models[0].endpoints[0].data.sells"],
    ["", "", 'auto: ["-"]', "catalog.auto[0]"],
  ] as const) {
    try {
      load(file(provider, endpoint, catalog));
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      expect((error as Error).message).toContain(place);
      continue;
    }
    throw new Error(`${place} was read`);
  }
});
