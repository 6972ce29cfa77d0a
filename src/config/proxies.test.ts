/**
 * Tests of the setting that names the proxies in front, in the file and in its variable.
 * A proxy that is named wrongly would be believed by nobody, or believed by mistake.
 */
import { expect, test } from "bun:test";
import { type Config, loadConfig } from "../config.ts";

function load(file?: string, env: Record<string, string> = {}): Config {
  return loadConfig({ env, providerTypes: {}, readFile: () => file });
}

test("trusted proxies are a list, in a variable too", () => {
  expect(load("trusted_proxies: [10.0.0.0/8, '::1']").trustedProxies).toEqual(["10.0.0.0/8", "::1"]);
  expect(load("trusted_proxies: 10.0.0.1").trustedProxies).toEqual(["10.0.0.1"]);
  const variable = { SLUICE_TRUSTED_PROXIES: "127.0.0.1, 10.0.0.0/8" };
  expect(load(undefined, variable).trustedProxies).toEqual(["127.0.0.1", "10.0.0.0/8"]);
  expect(load().trustedProxies).toEqual([]);
});

test("what is no address is a mistake that names the setting and what is allowed", () => {
  for (const wrong of ["[proxy.internal]", "[10.0.0.0/8, 5]", "{ a: b }", "true"]) {
    expect(() => load(`trusted_proxies: ${wrong}`)).toThrow(/trusted_proxies.*each an IP address or a range/);
  }
  const variable = { SLUICE_TRUSTED_PROXIES: "10.0.0.0/33" };
  expect(() => load(undefined, variable)).toThrow(/SLUICE_TRUSTED_PROXIES.*each an IP address or a range/);
});
