/**
 * Tests of what is told of endpoints, through the whole server: by models' names with and without slashes, and after failures.
 * A simulated provider fails on request.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { FOUR_FORMATS, type Sluice, startSluice } from "../../test/support/server.ts";
import type { JsonObject } from "../core/json.ts";

let sluice: Sluice;
beforeAll(async () => {
  const file = FOUR_FORMATS.replace("- id: sim-chat", "- id: sim-chat\n    aliases: [vendor/sim-chat]");
  sluice = await startSluice({ file: file.replace("failures: 0", "failures: 5") });
});
afterAll(() => sluice.stop());

async function get(path: string, key = sluice.key): Promise<{ status: number; body: JsonObject }> {
  const answer = await fetch(sluice.url + path, { headers: { authorization: `Bearer ${key}` } });
  return { status: answer.status, body: (await answer.json()) as JsonObject };
}

async function call(text: string): Promise<number> {
  const answer = await fetch(`${sluice.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${sluice.key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "sim-chat", messages: [{ role: "user", content: text }] }),
  });
  await answer.arrayBuffer();
  return answer.status;
}

type Shown = { status: number; uptime_last_30m: number | null; tag: string; pricing: JsonObject };
const endpoints = async (path: string) => ((await get(path)).body.data as { endpoints: Shown[] }).endpoints;

test("a model's endpoints are found under its id and its aliases, with prices and how they do", async () => {
  expect(await call("hello")).toBe(200);
  for (const path of ["/api/v1/models/sim-chat/endpoints", "/api/v1/models/vendor/sim-chat/endpoints"]) {
    const [one] = await endpoints(path);
    expect(one).toMatchObject({ tag: "chat/gpt-simulated", status: 0, uptime_last_30m: 100 });
    expect(one?.pricing.prompt).toBe("0.000001");
  }
  expect((await get("/api/v1/models/nothing/endpoints")).status).toBe(404);
  expect((await get("/api/v1/models/sim-chat/endpoints", "nope")).status).toBe(401);
});

test("providers are listed for every key; circuits and keys for the operator only, who can close a circuit", async () => {
  const { body } = await get("/api/v1/providers");
  expect((body.data as { slug: string }[]).map(({ slug }) => slug)).toContain("messages");
  expect((await get("/api/admin/providers")).status).toBe(403);
  for (let round = 0; round < 5; round++) expect(await call("[sim status=500]")).toBe(503);
  const shown = async () => {
    const { body } = await get("/api/admin/providers", sluice.rootKey);
    const provider = (
      body.data as { id: string; keys: unknown[]; endpoints: { id: string; circuit: string; reason: string }[] }[]
    ).find(({ id }) => id === "chat");
    return provider;
  };
  expect((await shown())?.endpoints[0]).toMatchObject({ circuit: "open", reason: "5 failures in a row (server)" });
  expect((await shown())?.keys).toEqual([{ index: 0, state: "ready", rests_ms: null }]);
  const refused = await fetch(`${sluice.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${sluice.key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "sim-chat", messages: [{ role: "user", content: "hello" }] }),
  });
  expect(refused.status).toBe(503);
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(Number(refused.headers.get("retry-after"))).toBeLessThanOrEqual(30);
  expect((await endpoints("/api/v1/models/sim-chat/endpoints"))[0]?.status).toBe(-2);
  const reset = await fetch(`${sluice.url}/api/admin/endpoints/reset`, {
    method: "POST",
    headers: { authorization: `Bearer ${sluice.rootKey}` },
    body: JSON.stringify({ endpoint: "chat/gpt-simulated" }),
  });
  expect(await reset.json()).toEqual({ data: { endpoint: "chat/gpt-simulated", circuit: "closed" } });
  expect(await call("hello")).toBe(200);
});
