/**
 * Tests of payments through the assembled server: routes with their access, the webhook at its address, the plan that follows.
 * A stand-in of Stripe's API is what the server talks to.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { FOUR_FORMATS, type Sluice, startSluice } from "../../test/support/server.ts";
import { type StripeStandIn, startStripe } from "../../test/support/stripe/server.ts";
import type { JsonObject } from "../core/json.ts";

const FILE = `${FOUR_FORMATS}
public_url: https://gate.example
plans:
  - { id: free }
  - { id: pro, name: Pro, price: 20, price_annual: 200 }
defaults: { plan: free }
billing:
  top_up: { min_usd: 5, max_usd: 100, fee_percent: 5, fee_min_usd: 0.30 }
  packages: [{ id: big, pay_usd: 50, credit_usd: 55 }]
`;

let sluice: Sluice;
let stripe: StripeStandIn;
let workspace: string;

beforeAll(async () => {
  stripe = startStripe();
  const { secretKey, webhookSecret, url } = stripe;
  sluice = await startSluice({
    file: FILE,
    env: { STRIPE_SECRET_KEY: secretKey, STRIPE_WEBHOOK_SECRET: webhookSecret, STRIPE_API_BASE: url },
  });
  workspace = await makeWorkspace();
}, 180_000);
afterAll(async () => {
  await sluice.stop();
  stripe.stop();
});

async function call(method: string, path: string, options: { body?: JsonObject; key?: string; at?: Sluice } = {}) {
  const { body, key, at = sluice } = options;
  const response = await fetch(`${at.url}/api/${path}`, {
    method,
    headers: { authorization: `Bearer ${key ?? at.rootKey}`, "content-type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as JsonObject };
}

async function makeWorkspace(): Promise<string> {
  return String((await call("POST", "admin/workspaces", { body: { name: "w" } })).body.id);
}

async function makeKey(kind: "provisioning" | "inference", owner = workspace): Promise<string> {
  return String((await call("POST", "v1/keys", { body: { name: "k", kind, workspace: owner } })).body.key);
}

/** Gives what Stripe has to tell to the server. */
async function deliver(): Promise<void> {
  for (const event of stripe.state.events.splice(0)) {
    const signed = await stripe.sign(event);
    const body = await signed.text();
    const headers = Object.fromEntries(signed.headers);
    const response = await fetch(`${sluice.url}/api/stripe/webhook`, { method: "POST", body, headers });
    expect(response.status).toBe(200);
  }
}

const last = (url: unknown) => String(url).split("/").at(-1) ?? "";

test("a quote tells the fee before anything is paid", async () => {
  const { body } = await call("GET", "v1/billing/quote?amount_usd=20");
  expect(body).toEqual({ amount_usd: "20", fee_usd: "1", total_usd: "21", credit_usd: "20", package: null });
  const big = await call("GET", "v1/billing/quote?package=big");
  expect(big.body).toMatchObject({ fee_usd: "0", total_usd: "50", credit_usd: "55", package: "big" });
  expect((await call("GET", "v1/billing/quote?amount_usd=1")).status).toBe(400);
});

test("credit is bought by a provisioning key for its own workspace", async () => {
  const key = await makeKey("provisioning");
  const opened = await call("POST", "v1/billing/checkout", {
    key,
    body: { amount_usd: 20, save_payment_method: true },
  });
  expect(opened.status).toBe(201);
  expect(opened.body).toMatchObject({ total_usd: "21", fee_usd: "1" });
  stripe.world.pay(last(opened.body.url));
  await deliver();
  const payment = await call("GET", `v1/billing/payments/${opened.body.id}`, { key });
  expect(payment.body.data).toMatchObject({ status: "paid", credit_usd: "20", total_usd: "21", kind: "top-up" });
  expect((payment.body.data as JsonObject).receipt_url).toStartWith("https://pay.example/receipts/");
  const credits = await call("GET", "v1/credits", { key: await makeKey("inference") });
  expect(credits.body.data).toMatchObject({ total_credits: 20 });
  const check = await call("GET", "admin/ledger/check");
  expect(check.body).toMatchObject({ balanced: true });
});

test("automatic top-ups are set up with the card that was saved", async () => {
  const body = { workspace, enabled: true, threshold_usd: "5", amount_usd: 10 };
  const changed = await call("PATCH", "v1/billing/auto-top-up", { body });
  expect(changed.status).toBe(200);
  expect(changed.body.data).toMatchObject({ enabled: true, threshold_usd: "5", amount_usd: "10", failures: 0 });
  const read = await call("GET", `v1/billing/auto-top-up?workspace=${workspace}`);
  expect(read.body).toEqual(changed.body);
  const off = await call("PATCH", "v1/billing/auto-top-up", { body: { workspace, enabled: false } });
  expect(off.body.data).toMatchObject({ enabled: false });
});

test("a subscription is begun, changed to a year, ended and resumed, and its invoices are listed", async () => {
  const opened = await call("POST", "v1/billing/subscribe", { body: { workspace, plan: "pro" } });
  expect(opened.status).toBe(201);
  stripe.world.subscribe(last(opened.body.url));
  await deliver();
  const overview = await call("GET", `v1/billing?workspace=${workspace}`);
  expect(overview.body.data).toMatchObject({ plan: "pro", subscription: { plan: "pro", interval: "month" } });
  const yearly = { workspace, plan: "pro", interval: "year" };
  const preview = await call("POST", "v1/billing/subscribe/preview", { body: yearly });
  expect(preview.body).toMatchObject({ due_usd: "90", lines: [{ amount_usd: "-10" }, { amount_usd: "100" }] });
  const changed = await call("POST", "v1/billing/subscribe", { body: yearly });
  expect(changed.body).toMatchObject({ url: null, subscription: { interval: "year", price_usd: "200" } });
  await deliver();
  const cancelled = await call("POST", "v1/billing/cancel", { body: { workspace } });
  expect(cancelled.body.subscription).toMatchObject({ cancel_at_period_end: true });
  const resumed = await call("POST", "v1/billing/resume", { body: { workspace } });
  expect(resumed.body.subscription).toMatchObject({ cancel_at_period_end: false });
  const invoices = await call("GET", `v1/billing/invoices?workspace=${workspace}`);
  expect((invoices.body.data as JsonObject[]).map(({ status, paid_usd }) => [status, paid_usd]).sort()).toEqual([
    ["paid", "20"],
    ["paid", "90"],
  ]);
  const portal = await call("POST", "v1/billing/portal", { body: { workspace } });
  expect(portal.body.url).toBe("https://pay.example/portal");
  const audit = await call("GET", `admin/audit?workspace=${workspace}`);
  expect(JSON.stringify(audit.body)).toContain("billing.subscribe");
});

describe("access", () => {
  const ROUTES: readonly (readonly [string, string, JsonObject?])[] = [
    ["GET", "billing"],
    ["GET", "billing/quote?amount_usd=5"],
    ["POST", "billing/checkout", { amount_usd: 5 }],
    ["GET", "billing/payments"],
    ["GET", "billing/payments/x"],
    ["POST", "billing/subscribe", { plan: "pro" }],
    ["POST", "billing/subscribe/preview", { plan: "pro" }],
    ["POST", "billing/cancel", {}],
    ["POST", "billing/resume", {}],
    ["POST", "billing/portal", {}],
    ["GET", "billing/invoices"],
    ["GET", "billing/auto-top-up"],
    ["PATCH", "billing/auto-top-up", { enabled: false }],
  ];

  test("keys that call models may neither pay nor look", async () => {
    const key = await makeKey("inference");
    for (const [method, path, body] of ROUTES) {
      expect((await call(method, `v1/${path}`, { key, body })).status).toBe(403);
      expect((await call(method, `v1/${path}`, { key: "sk-none", body })).status).toBe(401);
    }
  });

  test("a provisioning key reaches no other workspace, whether there is one or not", async () => {
    const key = await makeKey("provisioning");
    const other = await makeWorkspace();
    for (const named of [other, crypto.randomUUID()]) {
      for (const [method, path, body] of ROUTES.filter(([, path]) => !path.includes("?"))) {
        const query = method === "GET" ? `?workspace=${named}` : "";
        const answer = await call(method, `v1/${path}${query}`, { key, body: body && { ...body, workspace: named } });
        expect(answer.status).toBe(404);
      }
    }
  });

  test("another workspace's payment is as missing as none", async () => {
    const opened = await call("POST", "v1/billing/checkout", {
      body: { workspace: await makeWorkspace(), amount_usd: 5 },
    });
    const key = await makeKey("provisioning");
    const foreign = await call("GET", `v1/billing/payments/${opened.body.id}`, { key });
    const none = await call("GET", `v1/billing/payments/${crypto.randomUUID()}`, { key });
    expect([foreign.status, foreign.body.error]).toEqual([none.status, none.body.error]);
  });

  test("unknown fields, missing workspaces and the operator's own are refused", async () => {
    const bodies = [
      { workspace, amount_usd: 5, currency: "eur" },
      { amount_usd: 5 },
      { workspace: "x", amount_usd: 5 },
      { workspace: "00000000-0000-7000-8000-000000000001", amount_usd: 5 },
    ];
    for (const body of bodies) expect((await call("POST", "v1/billing/checkout", { body })).status).toBe(400);
    const stranger = { workspace: crypto.randomUUID(), amount_usd: 5 };
    expect((await call("POST", "v1/billing/checkout", { body: stranger })).status).toBe(404);
  });
});

test("when Stripe cannot be reached the caller is told to try again, and nothing of Stripe's is shown", async () => {
  const owner = await makeWorkspace();
  stripe.faults.push({ match: /POST \/v1\/customers/, when: "before" });
  const { status, body } = await call("POST", "v1/billing/checkout", { body: { workspace: owner, amount_usd: 5 } });
  expect(status).toBe(503);
  expect(JSON.stringify(body)).not.toContain("standin");
});

test("without a secret to verify events with there is no webhook, though there are payments", async () => {
  const env = { STRIPE_SECRET_KEY: stripe.secretKey, STRIPE_API_BASE: stripe.url };
  const plain = await startSluice({ file: FILE, env });
  const response = await fetch(`${plain.url}/api/stripe/webhook`, { method: "POST", body: "{}" });
  expect(response.status).toBe(404);
  expect((await call("GET", "v1/billing/quote?amount_usd=5", { at: plain })).status).toBe(200);
  await plain.stop();
}, 180_000);
