/**
 * Keys of clouds, which are put together from several variables or files, and where their calls go.
 * The provider types are the real ones; files are a map.
 */
import { describe, expect, test } from "bun:test";
import { ConfigError, loadConfig } from "../config.ts";
import { PROVIDER_TYPES } from "../providers/index.ts";

const ACCOUNT = JSON.stringify({
  client_email: "a@p.example",
  private_key: "-----BEGIN canary-----",
  project_id: "own",
});

function load(yaml: string, env: Record<string, string> = {}, files: Record<string, string> = {}) {
  const readFile = (path: string) => (path === "./sluice.yaml" ? `providers:\n${yaml}` : files[path]);
  return loadConfig({ env, providerTypes: PROVIDER_TYPES, readFile }).providers;
}

function mistakes(yaml: string, env: Record<string, string> = {}): readonly string[] {
  try {
    load(yaml, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
  return [];
}

describe("a service account", () => {
  const file = "  - { id: v, type: vertex }";

  test("is a file, or the document itself; the project is its own, the location the usual one", () => {
    const expected = { apiKeys: [ACCOUNT], project: "own", location: "global" };
    const variable = "GOOGLE_APPLICATION_CREDENTIALS";
    expect(load(file, { [variable]: "/keys/a.json" }, { "/keys/a.json": `${ACCOUNT}\n` })).toMatchObject([expected]);
    expect(load(file, { [variable]: ACCOUNT })).toMatchObject([expected]);
    expect(load(`  - { id: v, type: vertex, api_keys: ["\${KEY}"] }`, { KEY: ACCOUNT })).toMatchObject([expected]);
  });

  test("can be told where to call, the file before variables", () => {
    const env = { KEY: ACCOUNT, GOOGLE_CLOUD_PROJECT: "theirs", GOOGLE_CLOUD_LOCATION: "europe-west1" };
    const keyed = (more: string) => `  - { id: v, type: vertex, api_keys: ["\${KEY}"]${more} }`;
    expect(load(keyed(""), env)).toMatchObject([{ project: "theirs", location: "europe-west1" }]);
    const said = load(keyed(", project: said, location: us-east5"), env);
    expect(said).toMatchObject([{ project: "said", location: "us-east5" }]);
  });

  test("that cannot be used is a mistake, which does not show it", () => {
    const wrong = mistakes(file, { GOOGLE_APPLICATION_CREDENTIALS: '{"client_email":"canary"}' });
    expect(wrong.join()).toContain("GOOGLE_APPLICATION_CREDENTIALS");
    expect(wrong.join()).not.toContain("canary");
    expect(mistakes(file, { GOOGLE_APPLICATION_CREDENTIALS: "/no/such/file" })).toHaveLength(1);
  });

  test("needs names of hosts and paths that are no more than names", () => {
    for (const bad of ["evil.example/", "a.b", "A", "x".repeat(64), "-@host"]) {
      expect(mistakes(`  - { id: v, type: vertex, api_keys: [k], project: p, location: "${bad}" }`)).toHaveLength(1);
      expect(mistakes(`  - { id: v, type: vertex, api_keys: [k], project: "${bad}" }`)).toHaveLength(1);
      const env = { GOOGLE_CLOUD_PROJECT: "p", GOOGLE_CLOUD_LOCATION: bad };
      expect(mistakes("  - { id: v, type: vertex, api_keys: [k] }", env)).toHaveLength(1);
    }
  });
});

describe("keys of AWS", () => {
  const file = "  - { id: b, type: bedrock }";

  test("are put together; an API key comes before them", () => {
    const pair = { AWS_ACCESS_KEY_ID: "AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY: "secret/secret", AWS_REGION: "us-east-1" };
    expect(load(file, pair)).toMatchObject([{ apiKeys: ["AKIDEXAMPLE:secret/secret"], location: "us-east-1" }]);
    const session = { ...pair, AWS_SESSION_TOKEN: "s:1" };
    expect(load(file, session)).toMatchObject([{ apiKeys: ["AKIDEXAMPLE:secret/secret:s:1"] }]);
    expect(load(file, { ...session, AWS_BEARER_TOKEN_BEDROCK: "ABSK" })).toMatchObject([{ apiKeys: ["ABSK"] }]);
  });

  test("without their other half, or without a region, are a mistake", () => {
    expect(mistakes(file, { AWS_ACCESS_KEY_ID: "AKIDEXAMPLE", AWS_REGION: "us-east-1" })).toHaveLength(1);
    expect(mistakes(file, { AWS_BEARER_TOKEN_BEDROCK: "ABSK" })).toEqual([
      "providers: b: needs a location of a-z, 0-9 and -, by `location` or AWS_REGION or AWS_DEFAULT_REGION.",
    ]);
  });

  test("that are there for other programs switch nothing on and go nowhere", () => {
    const env = { AWS_ACCESS_KEY_ID: "AKIDEXAMPLE", GOOGLE_APPLICATION_CREDENTIALS: "/no/such/file" };
    expect(load("  - { id: o, type: ollama }", env).map(({ id }) => id)).toEqual(["o"]);
    const elsewhere = load('  - { id: b, type: bedrock, base_url: "http://127.0.0.1:1", location: x }', {
      AWS_BEARER_TOKEN_BEDROCK: "canary",
    });
    expect(elsewhere).toMatchObject([{ apiKeys: [] }]);
  });
});
