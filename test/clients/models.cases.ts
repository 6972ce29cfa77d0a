/**
 * The list of models through the whole server, as each official client, Codex and Claude Code read it.
 * A model has the same id everywhere, with and without slashes.
 */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import OpenAI from "openai";
import type { JsonObject } from "../../src/core/json.ts";
import { FAMILIES } from "../support/server.ts";
import { type Additions, modelLines, sluice } from "./server.ts";

const SLASHED = "vendor/claude-simulated";
const PLAIN = "text-only";
const KNOWN = "gpt-5.5";

const LIMITS = ["name: Simulated", "capabilities: [tools, thinking]"];
export const additions: Additions = {
  models: [
    modelLines(SLASHED, "messages", "claude-simulated", LIMITS),
    modelLines(PLAIN, "messages", "claude-simulated", ["capabilities: []"]),
    modelLines(KNOWN, "messages", "claude-simulated", ["capabilities: [tools]"]),
  ],
};

/** The ids of all models, in order. */
const everything = () => sluice.app.catalog.models.map(({ id }) => id);

async function all<T>(pages: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of pages) found.push(one);
  return found;
}

async function refusal(call: PromiseLike<unknown>): Promise<unknown> {
  try {
    return await call;
  } catch (error) {
    return error;
  }
}

describe.each(["", "/v1"])("a base URL that ends in %j", (suffix) => {
  const options = () => ({ baseURL: sluice.url + suffix, apiKey: sluice.key, maxRetries: 0 });

  test("the OpenAI client lists and retrieves models, slashes encoded", async () => {
    const client = new OpenAI(options());
    const models = await all(client.models.list());
    expect(models.map(({ id }) => id)).toEqual(everything());
    for (const one of models) expect(one).toMatchObject({ object: "model", created: expect.any(Number) });
    expect((await client.models.retrieve(SLASHED)).id).toBe(SLASHED);
    expect(await refusal(client.models.retrieve("nobody/nothing"))).toMatchObject({ status: 404 });
  });

  test("the Anthropic client lists and retrieves models", async () => {
    const client = new Anthropic(options());
    const models = await all(client.models.list({ limit: 2 }));
    expect(models.map(({ id }) => id)).toEqual(everything());
    for (const one of models) {
      expect(one).toMatchObject({ type: "model", display_name: expect.any(String), capabilities: null });
      expect(new Date(one.created_at).toISOString()).toBe(one.created_at);
    }
    const found = await client.models.retrieve(SLASHED);
    expect(found).toMatchObject({ id: SLASHED, max_input_tokens: 200_000, max_tokens: 32_000, lifecycle: "active" });
    expect(await refusal(client.models.retrieve("nothing"))).toMatchObject({ status: 404, type: "not_found_error" });
  });

  test("Google's client lists and gets models", async () => {
    const client = new GoogleGenAI({ apiKey: sluice.key, httpOptions: { baseUrl: sluice.url + suffix } });
    const models = await all(await client.models.list());
    expect(models.map(({ name }) => name)).toEqual(everything().map((id) => `models/${id}`));
    const found = await client.models.get({ model: SLASHED });
    expect(found).toMatchObject({ displayName: "Simulated", inputTokenLimit: 200_000, outputTokenLimit: 32_000 });
    const other = new GoogleGenAI({
      apiKey: sluice.key,
      httpOptions: { baseUrl: sluice.url + suffix, apiVersion: "v1" },
    });
    expect((await other.models.get({ model: SLASHED })).name).toBe(`models/${SLASHED}`);
  });
});

function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(sluice.url + path, { headers: { authorization: `Bearer ${sluice.key}`, ...headers } });
}

interface Listed {
  data: (JsonObject & { id: string })[];
  models: (JsonObject & { slug: string })[];
}

describe("Codex", () => {
  const ask = async () => (await (await get("/v1/models?client_version=0.169.0")).json()) as Listed;

  test("finds an entry for each model that can call tools and that it does not know better itself", async () => {
    const { models } = await ask();
    const slugs = models.map(({ slug }) => slug);
    expect(slugs).toEqual(everything().filter((id) => id !== PLAIN && id !== KNOWN));
    expect(slugs).toEqual(expect.arrayContaining([...FAMILIES, SLASHED]));
    const entry = models.find(({ slug }) => slug === SLASHED);
    expect(entry).toMatchObject({ display_name: "Simulated", context_window: 200_000, input_modalities: ["text"] });
  });

  test("gets a prompt that says what only its own would: how it patches, checks, obeys projects and shows answers", async () => {
    const { models } = await ask();
    for (const { base_instructions } of models) {
      for (const fact of ["*** Begin Patch", "AGENTS.md", "sandbox", "src/app.ts:42"]) {
        expect(base_instructions).toContain(fact);
      }
    }
  });

  const smallest = "../shared/clients/codex-model-catalog-min.json";
  test.skipIf(!existsSync(smallest) && !process.env.CI)("finds every field that it needs, of its type", async () => {
    const needed = (JSON.parse(readFileSync(smallest, "utf8")) as { models: [JsonObject] }).models[0];
    const { models } = await ask();
    for (const entry of models) {
      for (const [field, value] of Object.entries(needed)) {
        if (value === null || field === "default_verbosity") expect(entry).toHaveProperty(field);
        else expect({ field, type: typeof entry[field] }).toEqual({ field, type: typeof value });
      }
      const levels = entry.supported_reasoning_levels as { effort: string }[];
      expect(levels.map(({ effort }) => effort)).toContain(entry.default_reasoning_level as string);
    }
  });
});

test("Claude Code's discovery reads ids and names, and is offered nothing that is not there", async () => {
  const headers = { "anthropic-version": "2023-06-01" };
  const { data } = (await (await get("/v1/models?limit=1000", headers)).json()) as Listed;
  const kept = data.filter(({ id }) => /claude|anthropic/.test(id));
  expect(kept.map(({ id, display_name }) => [id, display_name])).toEqual([[SLASHED, "Simulated"]]);
});

test("a list nobody may see is refused in the asker's own envelope", async () => {
  const wrong = { authorization: "Bearer sk-sluice-nobody" };
  const plain = await get("/v1/models", wrong);
  expect(await plain.json()).toMatchObject({ error: { code: "invalid_api_key" } });
  const messages = await get("/v1/models", { ...wrong, "anthropic-version": "2023-06-01" });
  expect(await messages.json()).toMatchObject({ type: "error", error: { type: "authentication_error" } });
  const gemini = await get("/v1beta/models", wrong);
  expect(await gemini.json()).toMatchObject({ error: { status: "UNAUTHENTICATED" } });
  expect([plain.status, messages.status, gemini.status]).toEqual([401, 401, 401]);
});
