/**
 * Tests of the management routes on both databases: who may call which, the shapes that existing tooling reads, strict bodies.
 * Another workspace's key, and one that does not exist, must be told apart by nobody.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { record } from "../../test/support/calls.ts";
import { eachDatabase } from "../../test/support/postgres.ts";
import type { CallRecord } from "../core/call.ts";
import type { GatewayError } from "../core/error.ts";
import type { JsonObject } from "../core/json.ts";
import { nano } from "../core/money.ts";
import { migrate } from "../db/migrate.ts";
import { createAuthenticator } from "../identity/authenticate.ts";
import { openKeys } from "../identity/keys.ts";
import { OPERATOR_WORKSPACE, openWorkspaces } from "../identity/workspaces.ts";
import { usageByKey } from "../usage/by-key.ts";
import { accountRoutes } from "./account.ts";
import { keyRoutes } from "./keys.ts";
import { createManagement, type Management } from "./route.ts";
import { workspaceRoutes } from "./workspaces.ts";

const ROOT = "the-root-key-of-these-tests-with-32-characters";
/** What OpenRouter's tooling reads of a key. */
const ENTRY = {
  byok_usage: expect.any(Number),
  byok_usage_daily: expect.any(Number),
  byok_usage_monthly: expect.any(Number),
  byok_usage_weekly: expect.any(Number),
  created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
  creator_user_id: null,
  disabled: false,
  expires_at: null,
  hash: expect.stringMatching(/^[0-9a-f]{64}$/),
  include_byok_in_limit: false,
  label: expect.stringMatching(/^sk-test-….{4}$/),
  limit: null,
  limit_remaining: null,
  limit_reset: null,
  name: expect.any(String),
  updated_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
  usage: 0,
  usage_daily: 0,
  usage_monthly: 0,
  usage_weekly: 0,
  workspace_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
};

const terms = (id: string) => ({ id, includedPerDay: 0 });

type Answer = { status: number; body: JsonObject; headers: Headers };

eachDatabase((store) => {
  let management: Management;
  let workspaces: ReturnType<typeof openWorkspaces>;
  let keys: ReturnType<typeof openKeys>;
  const logged: GatewayError[] = [];
  const records: CallRecord[] = [];
  beforeAll(async () => {
    const database = await store.open();
    await migrate(database);
    keys = openKeys(database.sql, "sk-test-");
    workspaces = openWorkspaces(database.sql);
    await workspaces.ensureOperator("payg");
    const authenticator = createAuthenticator({ find: keys.findByHash, terms, nowMs: Date.now });
    const findRecord = async (id: string, workspaceId: string) =>
      records.find((one) => one.id === id && one.workspaceId === workspaceId);
    management = createManagement({
      routes: [
        ...keyRoutes({ keys, workspaces, authenticator, usage: (ids) => usageByKey(database.sql, ids) }),
        ...accountRoutes({ workspaces, findRecord }),
        ...workspaceRoutes({
          workspaces,
          defaults: { plan: "payg", welcomeCreditNano: nano(5_000_000_000n) },
          plans: ["payg"],
        }),
      ],
      authenticator,
      rootKeys: [ROOT],
      logError: (_, error) => void logged.push(error),
    });
  }, 60_000);

  async function ask(method: string, path: string, credential?: string, body?: unknown): Promise<Answer> {
    const [route = "", query = ""] = path.split("?");
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const request = new Request(`http://host/api/v1/${path}`, {
      method,
      ...(body === undefined ? {} : { body: text }),
    });
    const answer = await management.answer(request, route, query, credential, "req_1");
    if (!answer) throw new Error(`no route at ${path}`);
    return { status: answer.status, body: (await answer.json()) as JsonObject, headers: answer.headers };
  }

  test("a body over the limit is refused, whether its length is declared or not, and no more of it is read", async () => {
    const long = JSON.stringify({ name: "x".repeat(70_000) });
    expect((await ask("POST", "keys", ROOT, long)).status).toBe(413);
    let given = 0;
    const endless = new ReadableStream({
      pull(controller) {
        given += 16_384;
        controller.enqueue(new Uint8Array(16_384).fill(32));
      },
    });
    const request = new Request("http://host/api/v1/keys", { method: "POST", body: endless });
    const answer = await management.answer(request, "keys", "", ROOT, "req_1");
    expect(answer?.status).toBe(413);
    expect(given).toBeLessThan(200_000);
  });

  /** A workspace with a key of each kind. */
  async function newAccount() {
    const made = await ask("POST", "admin/workspaces", ROOT, { name: "w" });
    const workspace = made.body.id as string;
    const make = async (kind: string) => {
      const { body } = await ask("POST", "keys", ROOT, { name: kind, kind, workspace });
      return { key: body.key as string, hash: (body.data as JsonObject).hash as string };
    };
    return { workspace, provisioning: await make("provisioning"), inference: await make("inference") };
  }

  describe("who may call what", () => {
    const ROUTES: [method: string, path: string, allowed: string[]][] = [
      ["POST", "admin/workspaces", ["root"]],
      ["GET", "keys", ["root", "provisioning"]],
      ["POST", "keys", ["root", "provisioning"]],
      ["GET", "keys/HASH", ["root", "provisioning"]],
      ["PATCH", "keys/HASH", ["root", "provisioning"]],
      ["POST", "keys/HASH/rotate", ["root", "provisioning"]],
      ["DELETE", "keys/HASH", ["root", "provisioning"]],
      ["GET", "key", ["provisioning", "inference"]],
      ["GET", "credits", ["provisioning", "inference"]],
      ["GET", "generation?id=x", ["provisioning", "inference"]],
    ];
    for (const [method, path, allowed] of ROUTES) {
      test(`${method} ${path}: ${allowed.join(" and ")}, nobody else`, async () => {
        const { provisioning, inference } = await newAccount();
        const callers = { root: ROOT, provisioning: provisioning.key, inference: inference.key };
        const real = path.replace("HASH", inference.hash);
        const named = path.endsWith("rotate") ? {} : { name: "x" };
        const body = method === "POST" || method === "PATCH" ? named : undefined;
        for (const credential of [
          undefined,
          "",
          "nope",
          `${ROOT}x`,
          ROOT.slice(0, -1),
          `${inference.key.slice(0, -1)}!`,
        ]) {
          expect((await ask(method, real, credential, body)).status).toBe(401);
        }
        for (const [name, credential] of Object.entries(callers).toSorted((a) => (a[0] === "provisioning" ? 1 : -1))) {
          const { status, body: answer } = await ask(method, real, credential, body);
          if (allowed.includes(name)) expect([200, 201, 404]).toContain(status);
          else expect([status, (answer.error as JsonObject).code]).toEqual([403, "forbidden"]);
        }
      });
    }

    test("a key that is restricted to some models makes and changes keys within them only", async () => {
      const { workspace, inference } = await newAccount();
      const wish = { name: "p", kind: "provisioning", workspace, models: ["gpt-*"] };
      const restricted = (await ask("POST", "keys", ROOT, wish)).body.key as string;
      const models = async (body: object) => (await ask("POST", "keys", restricted, { name: "n", ...body })).body;
      expect(await models({})).toMatchObject({ data: { models: ["gpt-*"] } });
      expect(await models({ models: ["gpt-4*"] })).toMatchObject({ data: { models: ["gpt-4*"] } });
      expect(await models({ models: ["gpt-4o", "claude-*"] })).toMatchObject({ error: { code: "forbidden" } });
      expect(await models({ models: null })).toMatchObject({ data: { models: ["gpt-*"] } });
      const change = (body: object) => ask("PATCH", `keys/${inference.hash}`, restricted, body);
      expect((await change({ models: ["*"] })).status).toBe(403);
      expect((await change({ models: null })).body).toMatchObject({ data: { models: ["gpt-*"] } });
    });

    test("nobody without a root key in the configuration, not even with an empty one", async () => {
      const bare = createManagement({
        routes: workspaceRoutes({ workspaces, defaults: { plan: "payg", welcomeCreditNano: nano(0n) }, plans: [] }),
        authenticator: createAuthenticator({ find: keys.findByHash, terms, nowMs: Date.now }),
        rootKeys: [],
        logError() {},
      });
      for (const credential of [undefined, "", "undefined", "null"]) {
        const request = new Request("http://host/", { method: "POST", body: '{"name":"x"}' });
        expect((await bare.answer(request, "admin/workspaces", "", credential, "r"))?.status).toBe(401);
      }
    });
  });

  describe("keys in the shapes that tooling reads", () => {
    test("creating gives the key once, and the entry", async () => {
      const { provisioning, workspace } = await newAccount();
      const { status, body } = await ask("POST", "keys", provisioning.key, { name: "new" });
      expect(status).toBe(201);
      expect(body).toEqual({ key: expect.stringMatching(/^sk-test-/), data: expect.objectContaining(ENTRY) });
      expect(body.data).toMatchObject({ name: "new", workspace_id: workspace });
      const hash = (body.data as JsonObject).hash;
      const read = await ask("GET", `keys/${hash}`, provisioning.key);
      expect(read.body).toEqual({ data: body.data as JsonObject });
      expect(JSON.stringify(read.body)).not.toContain(body.key as string);
    });

    test("changing, listing and deleting", async () => {
      const { provisioning, inference } = await newAccount();
      const change = { name: "b", disabled: true, limit: 12.5, limit_reset: "monthly", models: ["gpt-*"] };
      const changed = await ask("PATCH", `keys/${inference.hash}`, provisioning.key, change);
      expect(changed.body.data).toMatchObject({ ...change, limit_remaining: 12.5 });
      const names = async (query: string) =>
        ((await ask("GET", `keys${query}`, provisioning.key)).body.data as JsonObject[]).map((entry) => entry.name);
      expect(await names("")).toEqual(expect.arrayContaining(["b", "provisioning"]));
      expect(await names("?include_disabled=false")).toEqual(["provisioning"]);
      expect(await names("?offset=2")).toEqual([]);
      expect((await ask("DELETE", `keys/${inference.hash}`, provisioning.key)).body).toEqual({ deleted: true });
      expect((await ask("GET", `keys/${inference.hash}`, provisioning.key)).status).toBe(404);
    });

    test("the calling key, and the credit of its workspace", async () => {
      const { inference, provisioning } = await newAccount();
      const { workspace_id: _, created_at: __, hash: ___, ...shown } = ENTRY;
      expect((await ask("GET", "key", inference.key)).body.data).toMatchObject({
        ...shown,
        is_free_tier: false,
        is_management_key: false,
        is_provisioning_key: false,
        rate_limit: { interval: expect.any(String), note: expect.any(String), requests: -1 },
      });
      expect((await ask("GET", "key", provisioning.key)).body.data).toMatchObject({ is_provisioning_key: true });
      const credits = await ask("GET", "credits", inference.key);
      expect(credits.body).toEqual({ data: { total_credits: 5, total_usage: 0 } });
    });

    test("a call by its id, for its own workspace only", async () => {
      const [mine, other] = [await newAccount(), await newAccount()];
      const one = record({ workspaceId: mine.workspace, costNano: nano(1_234_567n), upstreamId: "u" });
      records.push(one);
      expect((await ask("GET", `generation?id=${one.id}`, mine.inference.key)).body.data).toMatchObject({
        id: one.id,
        model: "m",
        streamed: false,
        cancelled: false,
        total_cost: 0.001234567,
        usage: 0.001234567,
        upstream_id: "u",
        tokens_prompt: 0,
        native_tokens_reasoning: 0,
        provider_name: null,
        finish_reason: null,
      });
      const foreign = await ask("GET", `generation?id=${one.id}`, other.inference.key);
      const absent = await ask("GET", "generation?id=req_none", other.inference.key);
      expect([foreign.status, foreign.body]).toEqual([404, absent.body]);
    });
  });

  describe("a revoked or disabled key", () => {
    test("is refused at once where it was revoked", async () => {
      const { provisioning, inference } = await newAccount();
      expect((await ask("GET", "key", inference.key)).status).toBe(200);
      await ask("PATCH", `keys/${inference.hash}`, provisioning.key, { disabled: true });
      expect((await ask("GET", "key", inference.key)).status).toBe(401);
      await ask("PATCH", `keys/${inference.hash}`, provisioning.key, { disabled: false });
      expect((await ask("GET", "key", inference.key)).status).toBe(200);
      await ask("DELETE", `keys/${inference.hash}`, ROOT);
      expect((await ask("GET", "key", inference.key)).status).toBe(401);
    });
  });

  describe("a provisioning key", () => {
    test("neither sees, changes nor removes another workspace's keys, which are as if there were none", async () => {
      const [mine, other] = [await newAccount(), await newAccount()];
      for (const [method, body] of [["GET"], ["PATCH", { name: "stolen" }], ["DELETE"]] as const) {
        const foreign = await ask(method, `keys/${other.inference.hash}`, mine.provisioning.key, body);
        const absent = await ask(method, `keys/${"0".repeat(64)}`, mine.provisioning.key, body);
        expect([foreign.status, foreign.body]).toEqual([404, absent.body]);
      }
      const listed = await ask("GET", `keys?workspace_id=${other.workspace}`, mine.provisioning.key);
      expect(JSON.stringify(listed.body)).not.toContain(other.workspace);
    });

    test("makes keys in its own workspace only, whichever field names another", async () => {
      const [mine, other] = [await newAccount(), await newAccount()];
      for (const workspace of [other.workspace, OPERATOR_WORKSPACE, crypto.randomUUID()]) {
        for (const field of ["workspace", "workspace_id"]) {
          const { status } = await ask("POST", "keys", mine.provisioning.key, { name: "x", [field]: workspace });
          expect(status).toBe(404);
        }
        const both = { name: "x", workspace: mine.workspace, workspace_id: workspace };
        const { status, body } = await ask("POST", "keys", mine.provisioning.key, both);
        if (status === 201) expect((body.data as JsonObject).workspace_id).toBe(mine.workspace);
      }
    });
  });

  describe("a body that is not as it should be is a 400 that names the field:", () => {
    const KEYS: [name: string, body: unknown, param: string | null][] = [
      ["an unknown field", { name: "x", is_admin: true }, null],
      ["a field of the stored key", { name: "x", used_nano: 0 }, null],
      ["__proto__", '{"name":"x","__proto__":{"kind":"provisioning"}}', null],
      ["no name", {}, "name"],
      ["an empty name", { name: "" }, "name"],
      ["a name too long", { name: "x".repeat(201) }, "name"],
      ["a name that no database holds", { name: "a\0b" }, "name"],
      ["a glob that no database holds", { name: "x", models: ["a\0b"] }, "models.0"],
      ["a name with half a character", { name: "a\ud800" }, "name"],
      ["a name that is no text", { name: 5 }, "name"],
      ["a limit below zero", { name: "x", limit: -1 }, "limit"],
      ["a limit finer than money is", { name: "x", limit: 0.00000000001 }, "limit"],
      ["a limit that is text", { name: "x", limit: "5" }, "limit"],
      ["a date that is none", { name: "x", expires_at: "tomorrow" }, "expires_at"],
      ["no models at all", { name: "x", models: [] }, "models"],
      ["an unknown kind", { name: "x", kind: "root" }, "kind"],
      ["a workspace that is no id", { name: "x", workspace: "1 or 1=1" }, "workspace"],
      ["a limit of no requests", { name: "x", rpm: 0 }, "rpm"],
      ["an array", [], null],
      ["no JSON", "{", null],
      ["null", "null", null],
    ];
    for (const [name, body, param] of KEYS) {
      test(name, async () => {
        const { status, body: answer } = await ask("POST", "keys", ROOT, body);
        const error = answer.error as JsonObject;
        expect([status, error.code]).toEqual([400, "invalid_request"]);
        expect(typeof error.message).toBe("string");
        if (param !== null) expect(error.param).toBe(param);
        expect(answer.request_id).toBe("req_1");
      });
    }

    test("a change of what cannot be changed", async () => {
      const { inference, provisioning } = await newAccount();
      for (const body of [{ kind: "provisioning" }, { workspace: OPERATOR_WORKSPACE }, { hash: "x" }, { used: 0 }]) {
        expect((await ask("PATCH", `keys/${inference.hash}`, provisioning.key, body)).status).toBe(400);
      }
    });

    test("a body too large, declared or not, is a 413", async () => {
      expect((await ask("POST", "keys", ROOT, { name: "x".repeat(70_000) })).status).toBe(413);
    });

    test("a strange query", async () => {
      for (const query of ["offset=-1", "offset=x", "offset=1e99", "workspace_id=x"]) {
        expect((await ask("GET", `keys?${query}`, ROOT)).status).toBe(400);
      }
      expect((await ask("GET", `keys?offset=${Number.MAX_SAFE_INTEGER}`, ROOT)).body).toEqual({ data: [] });
      const { inference } = await newAccount();
      for (const id of ["", "a%00b", "%ff", "'", "x".repeat(5000)]) {
        expect((await ask("GET", `generation?id=${id}`, inference.key)).status).toBe(404);
      }
    });

    test("a strange hash is a key that there is not", async () => {
      for (const hash of ["x", "%00", "'", "..", "%2e%2e", "0".repeat(10_000)]) {
        expect((await ask("GET", `keys/${hash}`, ROOT)).status).toBe(404);
      }
    });
  });

  test("another method of a known route is a 405, an unknown route is none of these", async () => {
    expect((await ask("PUT", "keys", ROOT, {})).status).toBe(405);
    expect((await ask("POST", "key", ROOT, {})).status).toBe(405);
    for (const path of ["keyss", "keys/a/b", "admin", "Keys", "", "models"]) {
      expect(management.answer(new Request("http://host/"), path, "", ROOT, "r")).toBeUndefined();
    }
  });

  test("nothing may be kept by caches, and nothing of the inside is shown or logged", async () => {
    const { inference } = await newAccount();
    const { headers } = await ask("GET", "key", inference.key);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(logged.filter((error) => error.code === "internal_error")).toEqual([]);
  });
});
