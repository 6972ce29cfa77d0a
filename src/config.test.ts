/**
 * Tests of the configuration: what comes from where, what each wrong setting is told, and that no secret is shown.
 * They call `loadConfig` as the process does, with variables and files given in memory.
 */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { buildCatalog } from "./catalog/catalog.ts";
import type { ModelDefinition } from "./catalog/definition.ts";
import { type Config, ConfigError, loadConfig } from "./config.ts";
import { nano } from "./core/money.ts";

const TYPES = {
  alpha: { keyVariables: ["ALPHA_API_KEY", "OLD_ALPHA_KEY"], baseUrl: "https://alpha.example/v1" },
  beta: { keyVariables: ["BETA_API_KEY"], baseUrl: "https://beta.example" },
  regional: { keyVariables: ["REGIONAL_KEY"] },
  custom: { keyVariables: [] },
  simulated: { keyVariables: [] },
};

function load(yaml: string | undefined, env: Record<string, string | undefined> = {}): Config {
  return loadConfig({ env, providerTypes: TYPES, readFile: (path) => (path === "./sluice.yaml" ? yaml : undefined) });
}

function mistakesOf(yaml: string | undefined, env: Record<string, string | undefined> = {}): readonly string[] {
  try {
    load(yaml, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
  return [];
}

describe("without any settings", () => {
  test("every default is there", () => {
    const config = load(undefined);
    expect(config).toMatchObject({
      file: undefined,
      port: 8787,
      host: "127.0.0.1",
      dataDir: "./data",
      brand: { name: "Sluice", keyPrefix: "sk-sluice-" },
      providers: [],
      models: [],
      defaults: { plan: "payg", welcomeCreditNano: 0n },
      limits: { maxBodyBytes: 33_554_432, maxBodyBytesInFlight: 536_870_912, maxJsonDepth: 512, maxAttempts: 3 },
      timeouts: { connectMs: 5000, firstByteMs: 120_000, idleMs: 300_000, drainMs: 600_000, headerReadMs: 30_000 },
      circuits: { failures: 5, restMs: 30_000, longestRestMs: 300_000, retryPercent: 20 },
      database: { poolSize: 10, statementTimeoutMs: 10_000, minFreeBytes: 536_870_912 },
      log: { level: "info", format: "json" },
      catalog: { curated: true, allowUnpriced: false },
      prices: { marginPercent: 0 },
      warnings: [],
    });
    expect([config.databaseUrl, config.redisUrl, config.rootKey, config.secret, config.stripe.secretKey]).toEqual(
      Array(5).fill(undefined),
    );
  });

  test("an empty file, or one of comments and empty settings, changes nothing", () => {
    for (const yaml of ["", "# nothing\n", "port:\nlimits:\nproviders:\n", "limits: {}"]) {
      expect(load(yaml)).toEqual({ ...load(undefined), file: "./sluice.yaml" });
    }
  });
});

describe("where a setting comes from", () => {
  test("a variable beats the file, the file beats the default", () => {
    const yaml = "port: 1000\nhost: 0.0.0.0\nlog: { level: warn, format: text }";
    const config = load(yaml, { PORT: "2000", SLUICE_LOG_LEVEL: "debug", DATABASE_URL: "postgres://u:p@db/x" });
    expect(config).toMatchObject({ port: 2000, host: "0.0.0.0", log: { level: "debug", format: "text" } });
    expect(config.databaseUrl).toBe("postgres://u:p@db/x");
  });

  test("an empty variable counts as not set", () => {
    expect(load("port: 1000", { PORT: "", STRIPE_SECRET_KEY: "  " })).toMatchObject({
      port: 1000,
      stripe: { secretKey: undefined },
    });
  });

  test("SLUICE_CONFIG names another file, which must be there", () => {
    const readFile = (path: string) => (path === "/etc/s.yaml" ? "port: 5" : undefined);
    const at = (path: string) => loadConfig({ env: { SLUICE_CONFIG: path }, providerTypes: {}, readFile });
    expect(at("/etc/s.yaml")).toMatchObject({ port: 5, file: "/etc/s.yaml" });
    expect(() => at("/etc/t.yaml")).toThrow('SLUICE_CONFIG: there is no file "/etc/t.yaml".');
  });

  test("strings take variables; digits and words become numbers and booleans", () => {
    const yaml = `
port: "\${MY_PORT}"
catalog: { curated: "\${CURATED}" }
brand: { name: "\${WHO} & $\${co}" }
providers: [{ id: a, type: alpha, api_keys: ["\${K1}", "x\${K2}y"] }]`;
    const config = load(yaml, { MY_PORT: "99", CURATED: "false", WHO: "Acme", K1: "one", K2: "two" });
    expect(config).toMatchObject({ port: 99, catalog: { curated: false }, brand: { name: `Acme & \${co}` } });
    expect(config.providers[0]?.apiKeys).toEqual(["one", "xtwoy"]);
  });

  test("a variable that is almost a setting's is pointed out, any other is left alone", () => {
    const config = load(undefined, { SLUICE_LOG_LEVL: "debug", SLUICE_SERVICE_HOST: "10.0.0.1", SLUICE_PORT: "tcp" });
    expect(config.warnings).toEqual(["SLUICE_LOG_LEVL: there is no such variable; did you mean SLUICE_LOG_LEVEL?"]);
  });
});

describe("providers", () => {
  test("a type's variable switches it on, with as many keys as there are commas", () => {
    const { providers } = load(undefined, { ALPHA_API_KEY: "k1, k2,,k1", OLD_ALPHA_KEY: "old", BETA_API_KEY: "b" });
    expect(providers).toMatchObject([
      { id: "alpha", type: "alpha", apiKeys: ["k1", "k2"], baseUrl: undefined },
      { id: "beta", type: "beta", apiKeys: ["b"] },
    ]);
  });

  test("a type that the file configures is not switched on a second time, and takes the variable's key", () => {
    const { providers } = load("providers: [{ id: mine, type: alpha }]", { OLD_ALPHA_KEY: "k" });
    expect(providers).toMatchObject([{ id: "mine", type: "alpha", apiKeys: ["k"] }]);
  });

  test("a variable's key is never sent to an address that the file names", () => {
    const yaml = "providers: [{ id: mine, type: alpha, base_url: 'http://127.0.0.1:9100/v1/' }]";
    expect(load(yaml, { ALPHA_API_KEY: "k" }).providers).toMatchObject([
      { apiKeys: [], baseUrl: "http://127.0.0.1:9100/v1" },
    ]);
  });

  test("a type without an address of its own needs a base_url, and no variable alone switches it on", () => {
    expect(mistakesOf("providers: [{ id: x, type: custom }]")).toEqual([
      "./sluice.yaml: providers[0].base_url: is required for a provider of type custom.",
    ]);
    expect(load("providers: [{ id: x, type: simulated }]").providers).toHaveLength(1);
    const config = load(undefined, { REGIONAL_KEY: "k" });
    expect(config.providers).toEqual([]);
    expect(config.warnings[0]).toContain("REGIONAL_KEY");
  });

  test("a base_url is http or https and carries neither credentials nor a query", () => {
    for (const url of ["ftp://x", "http://user:pw@x/", "https://x/?a=b", "https://x/#f", "//x", "x", "http://"]) {
      const [mistake, ...rest] = mistakesOf(`providers: [{ id: x, type: custom, base_url: "${url}" }]`);
      expect(mistake).toContain("providers[0].base_url: expected a URL that begins with http:// or https://");
      expect(rest).toEqual([]);
    }
  });
});

describe("models and plans", () => {
  const yaml = `
providers: [{ id: p, type: custom, base_url: http://127.0.0.1:9100/v1, dialects: [openai-chat, openai-embeddings] }]
models:
  - id: big
    aliases: [vendor/big]
    endpoints:
      - { provider: p, model: big-2, quirks: { system_role: developer, refuses: [top_k, seed], compacts: true,
          custom_tools: false, efforts: [low, high], server_tools: [web-search], adds: { a: parsed, b: [1, null] } } }
    price:
      { input: 0.15, output: "0.60", cache_read: 0.075, cache_write_1h: 2, request: 1e-7,
        tiers: [{ above: 200000, input: 0.3 }] }
    context: 128000
    max_output: 16384
    capabilities: [tools, images]
plans:
  - { id: free, rpm: 20, rpd: 200, included_requests_per_day: 50, models: ["*:free"], price: 9.99 }
defaults: { plan: free, welcome_credit_usd: 1.00 }`;

  test("come with everything that is said of them", () => {
    const config = load(yaml);
    expect(config.models[0]).toMatchObject({ id: "big", aliases: ["vendor/big"], context: 128_000, maxOutput: 16_384 });
    expect(config.models[0]?.endpoints[0]).toMatchObject({
      provider: "p",
      model: "big-2",
      priority: 1,
      quirks: {
        systemRole: "developer",
        refuses: ["topK", "seed"],
        compacts: true,
        customTools: false,
        efforts: ["low", "high"],
        serverTools: ["web-search"],
        adds: { a: "parsed", b: [1, null] },
      },
    });
    expect(config.plans[0]).toMatchObject({
      id: "free",
      rpm: 20,
      includedRequestsPerDay: 50,
      priceNano: 9_990_000_000n,
    });
    expect(config.defaults).toEqual({ plan: "free", welcomeCreditNano: nano(1_000_000_000n) });
  });

  test("are what the catalogue takes", () => {
    const definitions: readonly ModelDefinition[] = load(yaml).models;
    const type = { type: "custom", name: "Custom", keyVariables: [], dialects: [], authorize: () => ({}) };
    const provider = {
      id: "p",
      type,
      baseUrl: "",
      credentials: [],
      dialects: ["openai-chat" as const],
      headers: {},
      timeouts: {},
    };
    const price = buildCatalog({ definitions, curated: [], providers: [provider] }).find("vendor/big")?.price;
    expect(price).toMatchObject({
      perToken: { input: 150_000n, output: 600_000n, cacheRead: 75_000n, cacheWrite1h: 2_000_000n },
      perRequest: 100_000n,
      tiers: [{ abovePromptTokens: 200_000, perToken: { input: 300_000n } }],
    });
  });

  test("say the operator's margin in general and for a model, and what an endpoint costs", () => {
    const margin = yaml.replace("    context: 128000", "    margin_percent: 12.5\n    context: 128000");
    const cost = margin.replace("model: big-2,", 'model: big-2, cost: { input: "0.1", output: 0.5 },');
    const config = load(`${cost}\nprices: { margin_percent: "20" }\ncatalog: { allow_unpriced: true }`);
    expect(config.prices).toEqual({ marginPercent: "20" });
    expect(config.catalog).toEqual({ curated: true, allowUnpriced: true, auto: [] });
    expect(config.models[0]).toMatchObject({
      marginPercent: 12.5,
      endpoints: [{ cost: { input: "0.1", output: 0.5 } }],
    });
    expect(load(undefined, { SLUICE_PRICES_MARGIN_PERCENT: "7.25" }).prices).toEqual({ marginPercent: "7.25" });
    for (const wrong of ["-1", "10001", "1.0000001", "ten", "1e9"]) {
      expect(mistakesOf(`prices: { margin_percent: ${wrong} }`)[0]).toContain("a percentage from 0 to 10000");
    }
  });

  test("a provider may speak formats of answers and of embeddings", () => {
    expect(load(yaml).providers[0]?.dialects).toEqual(["openai-chat", "openai-embeddings"]);
  });

  test("amounts are plain decimals that fit the unit exactly", () => {
    const price = (value: string) =>
      mistakesOf(yaml.replace('output: "0.60"', `output: ${value}`)).map((mistake) => mistake.replace(/^.*?: /, ""));
    for (const good of ["0", "0.000001", "'12.5'", "1000000", "1e-6"]) expect(price(good)).toEqual([]);
    for (const bad of ["-1", "0.0000001", "abc", "1_000", "'1,5'", "1e30", ".nan", "true", "1000000.1", "[1]"]) {
      expect(price(bad)).toHaveLength(1);
      expect(price(bad)[0]).toStartWith("models[0].price.output: expected US dollars as a decimal from 0");
    }
  });
});

describe("wrong settings", () => {
  test("are all reported at once, each with its place and what is allowed", () => {
    const yaml = `
prot: 80
host: "not a host"
timeouts: { idle_ms: soon, connect: 5 }
limits: { max_body_bytes: 1048576, max_body_bytes_in_flight: 2048 }
providers:
  - { id: A!, typ: alpha, type: alpa, baseUrl: x }
  - { id: two, type: alpha, api_keys: ["\${NOT_SET}"], dialects: [openai] }
  - { id: two, type: beta, timeouts: 5 }
models:
  - { id: m, endpoints: [{ provider: tow, model: x }, { provider: gamma, model: y }], context: 10, max_output: -1 }
  - { id: n, aliases: [m], endpoints: [], context: 10 }
plans: [{ id: free, rpm: lots }, { id: free }]
defaults: { plan: fre }`;
    const mistakes = mistakesOf(yaml, { PORT: "99999", SLUICE_LOG_LEVEL: "loud", SLUICE_ROOT_KEY: "tooshort" });
    const file = (text: string) => `./sluice.yaml: ${text}`;
    expect([...mistakes].sort()).toEqual(
      [
        file('prot: there is no such setting; did you mean "port"?'),
        'PORT: expected a whole number from 0 to 65535, got "99999".',
        file('host: expected a host name or an IP address, got "not a host".'),
        file('timeouts.idle_ms: expected a whole number from 1 to 3600000, got "soon".'),
        file('timeouts.connect: there is no such setting; did you mean "connect_ms"?'),
        file("limits.max_body_bytes_in_flight: must not be less than max_body_bytes: no such body would fit."),
        file('providers[0].id: expected 1 to 63 of a-z, 0-9 and -, got "A!".'),
        file('providers[0].typ: there is no such setting; did you mean "type"?'),
        file(
          'providers[0].type: expected one of alpha, beta, regional, custom, simulated, got "alpa"; did you mean "alpha"?',
        ),
        file('providers[0].baseUrl: there is no such setting; did you mean "base_url"?'),
        file("providers[1].api_keys[0]: the variable NOT_SET is not set."),
        file(
          'providers[1].dialects[0]: expected one of openai-chat, openai-responses, openai-completions, anthropic-messages, gemini, openai-embeddings, gemini-embeddings, got "openai".',
        ),
        file('providers[2].id: the provider id "two" is there twice.'),
        file("providers[2].timeouts: expected a mapping of settings, got 5."),
        file('models[0].endpoints[0].provider: there is no provider "tow"; did you mean "two"?'),
        file('models[0].endpoints[1].provider: there is no provider "gamma".'),
        file("models[0].max_output: expected a whole number from 0 to 100000000, got -1."),
        file('models[1].aliases[0]: the model id or alias "m" is there twice.'),
        file("models[1].endpoints: expected a list of 1 to 50, got an empty list."),
        file("models[1].max_output: is required: a whole number from 0 to 100000000."),
        file('plans[0].rpm: expected a whole number from 1 to 1000000000, got "lots".'),
        file('plans[1].id: the plan id "free" is there twice.'),
        file('defaults.plan: there is no plan "fre"; did you mean "free"?'),
        'SLUICE_LOG_LEVEL: expected one of error, warn, info, debug, got "loud".',
        "SLUICE_ROOT_KEY: expected at least 32 printable characters without spaces, got something else (not shown).",
      ].sort(),
    );
  });

  test("a model that names a provider whose key is missing is told which variable to set", () => {
    const yaml = "models: [{ id: m, endpoints: [{ provider: alpha, model: x }], context: 1, max_output: 1 }]";
    expect(mistakesOf(yaml)).toEqual([
      './sluice.yaml: models[0].endpoints[0].provider: there is no provider "alpha"; set ALPHA_API_KEY or add it to providers.',
    ]);
    expect(mistakesOf(yaml, { ALPHA_API_KEY: "k" })).toEqual([]);
  });

  test("a file that is no YAML, or no mapping, or repeats a key, is said so with its line", () => {
    expect(mistakesOf("port: 1\nhost: [\n")[0]).toStartWith("./sluice.yaml, line ");
    expect(mistakesOf("port: 1\nport: 2")[0]).toBe("./sluice.yaml, line 2: Map keys must be unique");
    expect(mistakesOf("- a")).toEqual(["./sluice.yaml: expected a mapping of settings at the top."]);
  });

  test("a malformed reference to a variable is a mistake", () => {
    for (const name of [`\${}`, `\${A B}`, `\${A`, `\${1}`]) {
      expect(mistakesOf(`brand: { name: "${name}" }`)).toHaveLength(1);
    }
  });

  test("a file that cannot be read is a mistake, not a crash", () => {
    const readFile = () => {
      throw Object.assign(new Error("no"), { code: "EACCES" });
    };
    expect(() => loadConfig({ env: {}, providerTypes: {}, readFile })).toThrow(
      "./sluice.yaml: cannot be read (EACCES).",
    );
  });

  test("no secret is ever shown", () => {
    const canary = "canary 5f1e secret";
    const yaml = `
secret: "${canary}"
root_key: "\${C}"
database_url: "${canary}"
redis_url: "mysql://u:${canary}@h"
smtp_url: "${canary}"
stripe: { secret_key: "${canary}", webhook_secret: "${canary}" }
providers:
  - { id: a, type: custom, base_url: "http://u:${canary}@h", api_keys: ["${canary}"], headers: { "x": "\\u0001${canary}" } }
  - { id: b, type: alpha, api_keys: "${canary}" }
  - { id: c, type: alpha, headers: "${canary}" }`;
    const mistakes = mistakesOf(yaml, { ALPHA_API_KEY: canary, SLUICE_SECRET: canary, C: canary, SMTP_URL: canary });
    expect(mistakes.length).toBeGreaterThanOrEqual(12);
    for (const mistake of mistakes) expect(mistake).not.toContain("canary");
  });

  test("whatever is in the file, the answer is a Config or a ConfigError", () => {
    const key = fc.constantFrom(
      "port",
      "providers",
      "models",
      "plans",
      "limits",
      "id",
      "price",
      "brand",
      "x",
      "__proto__",
    );
    const tree = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.string(),
        fc.double(),
        fc.boolean(),
        fc.constant(null),
        tie("map"),
        tie("list"),
      ),
      map: fc.dictionary(key, tie("value"), { maxKeys: 4 }),
      list: fc.array(tie("value"), { maxLength: 3 }),
    })).map;
    fc.assert(
      fc.property(
        fc.oneof(
          tree.map((value) => JSON.stringify(value)),
          fc.string(),
        ),
        (content) => {
          mistakesOf(content);
        },
      ),
    );
  });
});

const contract = join(import.meta.dir, "../../shared/design/contract.md");
test.skipIf(!existsSync(contract))("the file of the published contract loads as it stands (needs ../shared)", () => {
  const yaml = /```yaml\n([\s\S]*?)```/.exec(readFileSync(contract, "utf8"))?.[1] ?? "";
  const config = loadConfig({
    env: { MY_KEY: "k" },
    providerTypes: { openai: { keyVariables: [], baseUrl: "https://api.example" } },
    readFile: () => yaml,
  });
  expect(config.models[0]).toMatchObject({ id: "gpt-4o-mini", price: { input: 0.15, output: 0.6, cacheRead: 0.075 } });
  expect(config.defaults).toEqual({ plan: "payg", welcomeCreditNano: nano(1_000_000_000n) });
});
