/**
 * Tests of the settings of plans: what they default to, the plan that is always there, and mistakes.
 * Beside `src/config.test.ts`, which tests settings in general.
 */
import { expect, test } from "bun:test";
import { ConfigError, loadConfig } from "../config.ts";

function load(yaml: string) {
  return loadConfig({ env: {}, providerTypes: {}, readFile: () => yaml });
}

test("a plan says what it gives; the day's free requests are those of all plans unless it has its own", () => {
  const { plans } = load(`
plans:
  - { id: pro, name: Pro, description: For work., rpm: 60, rpd: 5000, tpm: 200000, price: 20, price_annual: 200,
      included_requests_per_day: 100, models: ["gpt-*"], free_requests_per_day: 7 }
  - { id: free }
defaults: { free_requests_per_day: 50 }`);
  expect(plans as readonly object[]).toEqual([
    {
      id: "pro",
      name: "Pro",
      description: "For work.",
      rpm: 60,
      rpd: 5000,
      tpm: 200_000,
      includedRequestsPerDay: 100,
      freeRequestsPerDay: 7,
      models: ["gpt-*"],
      priceNano: 20_000_000_000n,
      priceAnnualNano: 200_000_000_000n,
    },
    { id: "free", includedRequestsPerDay: 0, freeRequestsPerDay: 50, models: ["*"] },
    { id: "payg", includedRequestsPerDay: 0, freeRequestsPerDay: 50, models: ["*"] },
  ]);
});

test("the built-in plan is there without a file, and can be replaced", () => {
  expect(load("").plans as readonly object[]).toEqual([{ id: "payg", includedRequestsPerDay: 0, models: ["*"] }]);
  const { plans } = load("plans: [{ id: payg, rpm: 5 }]");
  expect(plans.map(({ id, rpm }) => [id, rpm])).toEqual([["payg", 5]]);
});

test("the welcome credit may have an end", () => {
  expect(load("defaults: { welcome_credit_expires_days: 30 }").defaults.welcomeCreditExpiresDays).toBe(30);
  expect(load("").defaults.welcomeCreditExpiresDays).toBeUndefined();
});

test("mistakes are told", () => {
  let mistakes: readonly string[] = [];
  try {
    load(`
plans:
  - { id: a, price_annual: 100 }
  - { id: b, tpm: 0, free_requests_per_day: -1 }
defaults: { welcome_credit_expires_days: 0 }`);
  } catch (error) {
    if (error instanceof ConfigError) mistakes = error.mistakes;
  }
  expect(mistakes.map((mistake) => mistake.replace("./sluice.yaml: ", "").split(/[:,] /)[0])).toEqual([
    expect.stringContaining("plans[1].tpm"),
    expect.stringContaining("plans[1].free_requests_per_day"),
    expect.stringContaining("defaults.welcome_credit_expires_days"),
    expect.stringContaining("plans[0].price"),
  ]);
});
