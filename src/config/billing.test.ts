/**
 * Tests of the settings of payments: what they become, and which are refused together.
 * A live key beside the embedded store must be the operator's own choice.
 */
import { expect, test } from "bun:test";
import { type Config, ConfigError, loadConfig } from "../config.ts";

function load(yaml: string, env: Record<string, string> = {}): Config {
  return loadConfig({ env, providerTypes: {}, readFile: (path) => (path === "./sluice.yaml" ? yaml : undefined) });
}

function mistakesOf(yaml: string, env: Record<string, string> = {}): readonly string[] {
  try {
    load(yaml, env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
}

test("amounts become integers, a percentage becomes millionths", () => {
  const { billing, plans } = load(`
billing:
  top_up: { min_usd: 1, max_usd: 250.50, fee_percent: 5.5, fee_min_usd: "0.80" }
  packages: [{ id: big, pay_usd: 100, credit_usd: 110 }]
plans: [{ id: pro, price: 20, price_annual: 199.90 }]
`);
  expect(billing.topUp).toEqual({
    minNano: 1_000_000_000n,
    maxNano: 250_500_000_000n,
    feeMinNano: 800_000_000n,
    feePpm: 55_000n,
  } as unknown as Config["billing"]["topUp"]);
  expect(billing.packages[0]).toMatchObject({ payNano: 100_000_000_000n, creditNano: 110_000_000_000n });
  expect(plans[0]).toMatchObject({ priceNano: 20_000_000_000n, priceAnnualNano: 199_900_000_000n });
});

test("what a card is charged has no fractions of a cent", () => {
  expect(mistakesOf("billing: { top_up: { min_usd: 1.005 } }")).toHaveLength(1);
  expect(mistakesOf("plans: [{ id: pro, price: 9.999 }]")).toHaveLength(1);
});

test("a live key with the embedded store is refused, unless it is allowed, which is a warning", () => {
  const env = { STRIPE_SECRET_KEY: "sk_live_1234", STRIPE_WEBHOOK_SECRET: "whsec_1" };
  expect(mistakesOf("", env).join()).toContain("billing.allow_embedded_live");
  expect(mistakesOf("", { ...env, STRIPE_SECRET_KEY: "rk_live_1234" })).toHaveLength(1);
  expect(mistakesOf("", { ...env, DATABASE_URL: "postgres://db/x" })).toEqual([]);
  expect(mistakesOf("", { ...env, STRIPE_SECRET_KEY: "sk_test_1234" })).toEqual([]);
  expect(load("billing: { allow_embedded_live: true }", env).warnings.join()).toContain("real payments");
});

test("packages have names of their own, and the least amount is not more than the most", () => {
  const twice = "billing: { packages: [{ id: a, pay_usd: 1, credit_usd: 1 }, { id: a, pay_usd: 2, credit_usd: 2 }] }";
  expect(mistakesOf(twice).join()).toContain("there twice");
  expect(mistakesOf("billing: { packages: [{ id: a, pay_usd: 0, credit_usd: 1 }] }")).toHaveLength(1);
  expect(mistakesOf("billing: { top_up: { min_usd: 10, max_usd: 9 } }").join()).toContain("max_usd");
  expect(mistakesOf("stripe: { api_base: 'http://127.0.0.1:1/v1' }").join()).toContain("path");
});
