/**
 * Tests of the routes for credit, coupons, statements, workspaces, plans and the audit trail, on both databases.
 * Another workspace's money, and that of one that does not exist, must be told apart by nobody.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { spend } from "../../test/support/credits.ts";
import { eachDatabase } from "../../test/support/postgres.ts";
import type { JsonObject } from "../core/json.ts";
import { nano } from "../core/money.ts";
import type { Database } from "../db/database.ts";
import { migrate } from "../db/migrate.ts";
import { createAuthenticator } from "../identity/authenticate.ts";
import { openKeys } from "../identity/keys.ts";
import { OPERATOR_WORKSPACE, openWorkspaces } from "../identity/workspaces.ts";
import { type Books, openBooks } from "../ledger/books.ts";
import { openCoupons } from "../ledger/coupons.ts";
import { accountRoutes } from "./account.ts";
import { creditRoutes } from "./credits.ts";
import { planRoutes } from "./plans.ts";
import { createManagement, type Management } from "./route.ts";
import { workspaceRoutes } from "./workspaces.ts";

const ROOT = "the-root-key-of-these-tests-with-32-characters";
const DAY_MS = 86_400_000;
const PRO = {
  id: "pro",
  name: "Pro",
  tpm: 5000,
  includedRequestsPerDay: 10,
  freeRequestsPerDay: 3,
  models: ["gpt-*"],
  priceNano: nano(20_000_000_000n),
  priceAnnualNano: nano(200_000_000_000n),
};

eachDatabase((store) => {
  let management: Management;
  let database: Database;
  let books: Books;
  let keys: ReturnType<typeof openKeys>;
  beforeAll(async () => {
    database = await store.open();
    await migrate(database);
    const { sql } = database;
    books = openBooks(sql);
    keys = openKeys(sql, "sk-test-");
    const workspaces = openWorkspaces(sql, books);
    await workspaces.ensureOperator("payg");
    const coupons = openCoupons({ sql, books, nowMs: Date.now });
    const defaults = { plan: "payg", welcomeCreditNano: nano(5_000_000_000n), welcomeCreditExpiresDays: 30 };
    const terms = (id: string) => ({ id, includedPerDay: 0 });
    management = createManagement({
      routes: [
        ...workspaceRoutes({ workspaces, defaults, plans: ["payg", "pro"] }),
        ...creditRoutes({ sql, books, coupons, workspaces, nowMs: Date.now }),
        ...accountRoutes({ workspaces, findRecord: async () => undefined }),
        ...planRoutes([PRO, { id: "payg", includedRequestsPerDay: 0, models: ["*"] }]),
      ],
      authenticator: createAuthenticator({ find: keys.findByHash, nowMs: Date.now, terms }),
      rootKeys: [ROOT],
      logError() {},
    });
  }, 60_000);

  async function ask(method: string, path: string, credential: string, body?: unknown) {
    const [route = "", query = ""] = path.split("?");
    const text = body === undefined ? {} : { body: JSON.stringify(body) };
    const request = new Request(`http://host/api/v1/${path}`, { method, ...text });
    const answer = await management.answer(request, route, query, credential, "req_1");
    if (!answer) throw new Error(`no route at ${path}`);
    return { status: answer.status, body: (await answer.json()) as JsonObject };
  }

  async function newAccount(name = "w") {
    const { body } = await ask("POST", "admin/workspaces", ROOT, { name });
    const workspaceId = body.id as string;
    const make = (kind: "inference" | "provisioning") => keys.create({ workspaceId, name: kind, kind });
    return {
      workspace: workspaceId,
      provisioning: (await make("provisioning")).key,
      inference: (await make("inference")).key,
    };
  }

  const grant = (workspace: string, over: JsonObject = {}) => ({
    workspace,
    amount_usd: "10.5",
    reason: "a gift",
    idempotency_key: crypto.randomUUID(),
    ...over,
  });
  const code = ({ body }: { body: JsonObject }) => (body.error as JsonObject | undefined)?.code;

  describe("who may call what", () => {
    const ROUTES: [method: string, path: string, allowed: string[]][] = [
      ["GET", "admin/workspaces", ["root"]],
      ["GET", "admin/workspaces/ID", ["root"]],
      ["PATCH", "admin/workspaces/ID", ["root"]],
      ["POST", "admin/credits", ["root"]],
      ["GET", "admin/ledger/check", ["root"]],
      ["GET", "admin/audit", ["root"]],
      ["POST", "admin/coupons", ["root"]],
      ["GET", "admin/coupons", ["root"]],
      ["PATCH", "admin/coupons/ID", ["root"]],
      ["GET", "workspace", ["root", "provisioning"]],
      ["PATCH", "workspace", ["root", "provisioning"]],
      ["GET", "ledger", ["root", "provisioning"]],
      ["POST", "coupons/redeem", ["root", "provisioning"]],
      ["GET", "plans", ["provisioning", "inference"]],
    ];
    for (const [method, path, allowed] of ROUTES) {
      test(`${method} ${path}: ${allowed.join(" and ")}, nobody else`, async () => {
        const { workspace, ...callers } = await newAccount();
        const body = method === "GET" ? undefined : {};
        const real = path.replace("ID", workspace);
        expect((await ask(method, real, "nope", body)).status).toBe(401);
        for (const [name, credential] of Object.entries({ root: ROOT, ...callers })) {
          const { status } = await ask(method, real, credential, body);
          if (allowed.includes(name)) expect([200, 201, 400, 404]).toContain(status);
          else expect(status).toBe(403);
        }
      });
    }
  });

  describe("a grant", () => {
    test("is posted once for its key, and answered the same when it is asked for again", async () => {
      const { workspace, inference } = await newAccount();
      const wish = grant(workspace, { expires_days: 90 });
      const first = await ask("POST", "admin/credits", ROOT, wish);
      expect(first).toMatchObject({
        status: 201,
        body: {
          workspace,
          transaction: { kind: "grant", amount_usd: "10.5", reason: "a gift", expires_at: expect.any(String) },
          balance_usd: "15.5",
        },
      });
      const again = await ask("POST", "admin/credits", ROOT, wish);
      expect(again).toEqual({ status: 200, body: first.body });
      for (const other of [{ amount_usd: 10 }, { expires_days: 91 }, { expires_days: undefined }]) {
        const { status, body } = await ask("POST", "admin/credits", ROOT, { ...wish, ...other });
        expect([status, (body.error as JsonObject).code]).toEqual([409, "invalid_request"]);
      }
      const credits = await ask("GET", "credits", inference);
      expect(credits.body).toEqual({ data: { total_credits: 15.5, total_usage: 0 } });
    });

    test("many times at once with one key is one grant", async () => {
      const { workspace } = await newAccount();
      const wish = grant(workspace);
      const answers = await Promise.all(Array.from({ length: 8 }, () => ask("POST", "admin/credits", ROOT, wish)));
      expect(answers.map(({ status }) => status).sort()).toEqual([...Array(7).fill(200), 201]);
      expect(new Set(answers.map(({ body }) => (body.transaction as JsonObject).id)).size).toBe(1);
      expect((await books.balance(workspace))?.balanceNano).toBe(nano(15_500_000_000n));
    });

    test("below zero takes back what is free, and no more", async () => {
      const { workspace } = await newAccount();
      const node = crypto.randomUUID();
      await books.register(node);
      const held = 2_000_000_000n;
      const purse = `credit:${workspace}`;
      await books.take(node, { purse, limit: null, needed: held, least: held, extra: 0n });
      const tooMuch = await ask("POST", "admin/credits", ROOT, grant(workspace, { amount_usd: "-3.000000001" }));
      expect([tooMuch.status, code(tooMuch)]).toEqual([402, "insufficient_credit"]);
      const wish = grant(workspace, { amount_usd: -3 });
      const fits = await ask("POST", "admin/credits", ROOT, wish);
      expect(fits).toMatchObject({
        status: 201,
        body: { transaction: { kind: "adjustment", amount_usd: "-3" }, balance_usd: "2", held_usd: "2" },
      });
      expect(await ask("POST", "admin/credits", ROOT, wish)).toEqual({ status: 200, body: fits.body });
      await books.giveUp(0, [node]);
    });

    test("never makes a debt larger", async () => {
      const { workspace } = await newAccount();
      const entries = [
        { account: `credit:${workspace}`, amountNano: nano(-9_000_000_000n) },
        { account: "disputes", amountNano: nano(9_000_000_000n) },
      ] as const;
      const idempotencyKey = crypto.randomUUID();
      await books.post({
        kind: "dispute",
        idempotencyKey,
        workspaceId: workspace,
        actor: "t",
        overdraw: true,
        entries,
      });
      const answer = await ask("POST", "admin/credits", ROOT, grant(workspace, { amount_usd: -1 }));
      expect(code(answer)).toBe("insufficient_credit");
    });

    const WRONG: [name: string, over: JsonObject, status: number][] = [
      ["of nothing", { amount_usd: 0 }, 400],
      ["finer than money is", { amount_usd: "0.0000000001" }, 400],
      ["of more than anybody gives", { amount_usd: 1_000_001 }, 400],
      ["of words", { amount_usd: "ten" }, 400],
      ["without a reason", { reason: "" }, 400],
      ["without a key", { idempotency_key: undefined }, 400],
      ["with an end that is past", { expires_at: "2020-01-01T00:00:00Z" }, 400],
      ["with two ends", { expires_at: "2040-01-01T00:00:00Z", expires_days: 5 }, 400],
      ["taken back with an end", { amount_usd: -1, expires_days: 5 }, 400],
      ["with a field that there is not", { actor: "x" }, 400],
      ["for the operator's own workspace", { workspace: OPERATOR_WORKSPACE }, 400],
      ["for a workspace that there is not", { workspace: crypto.randomUUID() }, 404],
      ["for no id", { workspace: "1 or 1=1" }, 400],
    ];
    for (const [name, over, status] of WRONG) {
      test(`${name} is refused`, async () => {
        const { workspace } = await newAccount();
        const before = await books.balance(workspace);
        expect((await ask("POST", "admin/credits", ROOT, grant(workspace, over))).status).toBe(status);
        expect(await books.balance(workspace)).toEqual(before);
      });
    }
  });

  test("the statement is a workspace's own, page by page; the root key names one", async () => {
    const [mine, other] = [await newAccount(), await newAccount()];
    await ask("POST", "admin/credits", ROOT, grant(mine.workspace));
    await spend(database.sql, mine.workspace, 1_000_000_000n);
    const first = await ask("GET", "ledger?limit=2", mine.provisioning);
    expect(first.body.data).toMatchObject([
      { kind: "usage", amount_usd: "-1", balance_usd: "14.5" },
      { kind: "grant", amount_usd: "10.5", balance_usd: "15.5", reason: "a gift" },
    ]);
    const next = await ask("GET", `ledger?limit=2&cursor=${first.body.cursor}`, mine.provisioning);
    expect(next.body).toMatchObject({ data: [{ kind: "welcome", balance_usd: "5" }], cursor: null });
    const byRoot = await ask("GET", `ledger?workspace=${mine.workspace}&limit=2`, ROOT);
    expect(byRoot.body).toEqual(first.body);
    expect((await ask("GET", "ledger", ROOT)).status).toBe(400);
    const foreign = await ask("GET", `ledger?workspace=${mine.workspace}`, other.provisioning);
    const absent = await ask("GET", `ledger?workspace=${crypto.randomUUID()}`, other.provisioning);
    expect(foreign).toEqual(absent);
    expect(foreign.status).toBe(404);
    for (const query of ["limit=0", "limit=101", "limit=x", "cursor=x", "workspace=x"])
      expect((await ask("GET", `ledger?${query}`, mine.provisioning)).status).toBe(400);
    expect((await ask("GET", `ledger?workspace=${OPERATOR_WORKSPACE}`, ROOT)).status).toBe(200);
  });

  test("a coupon is made by the operator, redeemed by a workspace for itself, and disabled", async () => {
    const [mine, other] = [await newAccount(), await newAccount()];
    const wish = { amount_usd: "2.25", max_redemptions: 5, credit_expires_days: 7, note: "n" };
    const made = await ask("POST", "admin/coupons", ROOT, wish);
    expect(made).toMatchObject({ status: 201, body: { data: { ...wish, redemptions: 0, disabled: false } } });
    const { id, code } = made.body.data as { id: string; code: string };
    const redeemed = await ask("POST", "coupons/redeem", mine.provisioning, { code: code.toLowerCase() });
    expect(redeemed).toMatchObject({
      status: 201,
      body: { workspace: mine.workspace, transaction: { kind: "coupon", amount_usd: "2.25" }, balance_usd: "7.25" },
    });
    const theft = { code, workspace: mine.workspace };
    expect((await ask("POST", "coupons/redeem", other.provisioning, theft)).status).toBe(404);
    expect((await ask("POST", "coupons/redeem", ROOT, { code })).status).toBe(400);
    expect((await ask("POST", "coupons/redeem", ROOT, { code, workspace: other.workspace })).status).toBe(201);
    const listed = await ask("GET", "admin/coupons?limit=1", ROOT);
    expect(listed.body.data).toMatchObject([{ id, redemptions: 2 }]);
    const disabled = await ask("PATCH", `admin/coupons/${id}`, ROOT, { disabled: true });
    expect(disabled.body.data).toMatchObject({ disabled: true });
    expect((await ask("POST", "coupons/redeem", other.provisioning, { code })).status).toBe(404);
    for (const over of [{ amount_usd: -1 }, { amount_usd: 0 }, { max_redemptions: 0 }, { code: "a b c d" }])
      expect((await ask("POST", "admin/coupons", ROOT, { ...wish, ...over })).status).toBe(400);
  });

  describe("a workspace", () => {
    test("is changed by the operator: name, plan, budget, suspension with its reason", async () => {
      const { workspace } = await newAccount();
      const path = `admin/workspaces/${workspace}`;
      const change = { name: "x", plan: "pro", budget_usd: "12.5", budget_reset: "weekly" };
      const changed = await ask("PATCH", path, ROOT, change);
      expect(changed.body.data).toMatchObject({ ...change, suspended: false, balance_usd: "5", credited_usd: "5" });
      const suspension = { suspended: true, suspended_reason: "abuse" };
      const suspended = await ask("PATCH", path, ROOT, suspension);
      expect(suspended.body.data).toMatchObject({ ...change, ...suspension });
      const back = await ask("PATCH", path, ROOT, { suspended: false, budget_usd: null, budget_reset: null });
      const none = { suspended: false, suspended_at: null, suspended_reason: null, budget_usd: null };
      expect(back.body.data).toMatchObject(none);
      expect(await ask("GET", path, ROOT)).toEqual(back);
      const WRONG = [
        { plan: "gold" },
        { budget_usd: -1 },
        { budget_reset: "hourly" },
        { suspended_reason: "x" },
        { id: 1 },
      ];
      for (const wrong of WRONG) expect((await ask("PATCH", path, ROOT, wrong)).status).toBe(400);
      for (const id of [crypto.randomUUID(), "x"])
        expect((await ask("PATCH", `admin/workspaces/${id}`, ROOT, { name: "y" })).status).toBe(404);
    });

    test("that is suspended is refused, whatever its keys ask", async () => {
      const { workspace, inference } = await newAccount();
      await ask("PATCH", `admin/workspaces/${workspace}`, ROOT, { suspended: true });
      expect((await ask("GET", "plans", inference)).status).not.toBe(200);
    });

    test("sees itself and sets its own name and budget, but nothing else", async () => {
      const { workspace, provisioning } = await newAccount();
      const change = { name: "ours", budget_usd: "3", budget_reset: "monthly" };
      const changed = await ask("PATCH", "workspace", provisioning, change);
      expect(changed.body.data).toMatchObject({ id: workspace, ...change });
      expect(await ask("GET", "workspace", provisioning)).toEqual(changed);
      for (const wrong of [{ plan: "pro" }, { suspended: false }, { balance_usd: "100" }])
        expect((await ask("PATCH", "workspace", provisioning, wrong)).status).toBe(400);
      expect((await ask("GET", "workspace", ROOT)).status).toBe(400);
    });

    test("is listed with the others, newest first, page by page, and found by its name", async () => {
      const made = [await newAccount("100% a_b"), await newAccount("c"), await newAccount("d")].reverse();
      const ids = ({ body }: { body: JsonObject }) => (body.data as JsonObject[]).map(({ id }) => id as string);
      const first = await ask("GET", "admin/workspaces?limit=2", ROOT);
      expect(ids(first)).toEqual(made.slice(0, 2).map(({ workspace }) => workspace));
      const next = await ask("GET", `admin/workspaces?limit=1&cursor=${first.body.cursor}`, ROOT);
      expect(ids(next)).toEqual([made[2]?.workspace as string]);
      const found = await ask("GET", `admin/workspaces?name=${encodeURIComponent("0% A_")}`, ROOT);
      expect(ids(found)).toEqual([made[2]?.workspace as string]);
      expect(ids(await ask("GET", `admin/workspaces?name=${encodeURIComponent("0% A%")}`, ROOT))).toEqual([]);
    });
  });

  test("what the operator did to a workspace is in the audit trail, in order; what changed nothing is not", async () => {
    const { workspace, provisioning } = await newAccount();
    await ask("POST", "admin/credits", ROOT, grant(workspace));
    await ask("PATCH", `admin/workspaces/${workspace}`, ROOT, { plan: "pro" });
    await ask("PATCH", `admin/workspaces/${workspace}`, ROOT, { plan: "pro" });
    await ask("PATCH", "workspace", provisioning, { budget_usd: 1 });
    await ask("POST", "admin/credits", ROOT, grant(workspace, { amount_usd: -1000 }));
    const { body } = await ask("GET", `admin/audit?workspace=${workspace}&limit=3`, ROOT);
    expect(body.data).toMatchObject([
      { action: "workspace.change", actor: expect.stringMatching(/^key:[0-9a-f]{64}$/), details: {} },
      { action: "workspace.change", actor: "root", details: { plan: { from: "payg", to: "pro" } } },
      { action: "credit.grant", actor: "root", details: { amount_usd: "10.5", reason: "a gift" } },
    ]);
    const rest = await ask("GET", `admin/audit?workspace=${workspace}&cursor=${body.cursor}`, ROOT);
    expect(rest.body).toMatchObject({ data: [{ action: "workspace.create" }], cursor: null });
  });

  test("the welcome credit ends as configured", async () => {
    const { provisioning } = await newAccount();
    const { body } = await ask("GET", "ledger", provisioning);
    const [line] = body.data as JsonObject[];
    expect(line?.kind).toBe("welcome");
    expect(Date.parse(line?.expires_at as string) - Date.parse(line?.created_at as string)).toBe(30 * DAY_MS);
  });

  test("the plans are shown with their prices and limits", async () => {
    const { inference } = await newAccount();
    expect((await ask("GET", "plans", inference)).body).toEqual({
      data: [
        {
          id: "pro",
          name: "Pro",
          description: null,
          price_usd: "20",
          price_annual_usd: "200",
          rpm: null,
          rpd: null,
          tpm: 5000,
          included_requests_per_day: 10,
          free_requests_per_day: 3,
          models: ["gpt-*"],
        },
        expect.objectContaining({ id: "payg", name: "payg", price_usd: null, models: ["*"] }),
      ],
    });
  });

  test("after all of this the books balance", async () => {
    const { body } = await ask("GET", "admin/ledger/check", ROOT);
    expect(body).toMatchObject({ balanced: true, problems: [], open_holds: 0 });
    expect(body.entries as number).toBeGreaterThan(10);
  });
});
