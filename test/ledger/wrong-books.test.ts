/**
 * Through the whole server: money that moved without an entry stops paid calls until it is put right.
 * The operator's own calls go on.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { creditAccount } from "../../src/ledger/books.ts";
import { FOUR_FORMATS, type Sluice, startSluice } from "../support/server.ts";

let sluice: Sluice;
beforeAll(async () => {
  sluice = await startSluice({ file: `${FOUR_FORMATS}defaults: { welcome_credit_usd: 5 }\n` });
}, 60_000);
afterAll(() => sluice.stop());

async function manage(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
  const headers = { authorization: `Bearer ${sluice.rootKey}` };
  const answer = await fetch(sluice.url + path, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return (await answer.json()) as Record<string, unknown>;
}

async function call(key: string): Promise<Response> {
  return fetch(`${sluice.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: "sim-chat", max_tokens: 20, messages: [{ role: "user", content: "Hi" }] }),
  });
}

test("paid calls are refused while a balance and its entries differ, and served again once a check is clean", async () => {
  const { id: workspace } = await manage("POST", "/api/admin/workspaces", { name: "w" });
  const { key } = (await manage("POST", "/api/v1/keys", { name: "k", workspace })) as { key: string };
  expect((await call(key)).status).toBe(200);
  const account = creditAccount(workspace as string);
  const { sql } = sluice.app.database;
  await sql`update ledger_accounts set balance_nano = balance_nano + 1 where id = ${account}`;
  expect(await manage("GET", "/api/admin/ledger/check")).toMatchObject({ balanced: false });
  const refused = await call(key);
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "60"]);
  expect(await refused.text()).not.toContain(account);
  expect((await call(sluice.key)).status).toBe(200);
  await sql`update ledger_accounts set balance_nano = balance_nano - 1 where id = ${account}`;
  expect(await manage("GET", "/api/admin/ledger/check")).toMatchObject({ balanced: true, problems: [] });
  expect((await call(key)).status).toBe(200);
});
