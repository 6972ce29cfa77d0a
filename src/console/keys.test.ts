/**
 * Tests on both databases of what keys are restricted to and how their secrets change, through the management routes.
 * What scripts send and read stands here; who may send it stands in `rights.test.ts`.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import type { SQL } from "bun";
import { type Node, openNode, outcome, RESTRICTED, ROOT } from "../../test/support/keys.ts";
import { eachDatabase } from "../../test/support/postgres.ts";
import type { JsonObject } from "../core/json.ts";
import { migrate } from "../db/migrate.ts";
import { OPERATOR_WORKSPACE, openWorkspaces } from "../identity/workspaces.ts";

eachDatabase((store) => {
  let sql: SQL;
  let node: Node;
  let clockMs = Date.now();
  beforeAll(async () => {
    const database = await store.open();
    await migrate(database);
    sql = database.sql;
    await openWorkspaces(sql).ensureOperator("payg");
    node = openNode(sql, () => clockMs, { pro: { id: "pro", rpm: 3, rpd: 1000, includedPerDay: 0 } });
  }, 60_000);

  describe("restrictions", () => {
    test("are stored, shown, changed one by one and taken away", async () => {
      const made = await node.newKey(RESTRICTED);
      expect(made.data).toMatchObject({ ...RESTRICTED, limit_remaining: 10, previous_expires_at: null });
      expect((await node.ask("GET", `keys/${made.hash}`, ROOT)).body.data).toEqual(made.data);
      const changes: JsonObject[] = [
        { providers: ["a", "b-*"] },
        { ip_allow: ["192.0.2.0/24"] },
        { model_caps: { m: 1 } },
        { tpm: 7 },
        { providers: null, ip_allow: null, model_caps: null, tpm: null },
      ];
      let expected = made.data;
      for (const change of changes) {
        const { body } = await node.ask("PATCH", `keys/${made.hash}`, ROOT, change);
        expected = { ...expected, ...change, updated_at: (body.data as JsonObject).updated_at };
        expect(body.data).toEqual(expected);
      }
      expect((await node.newKey({ model_caps: {} })).data.model_caps).toBeNull();
    });

    const WRONG: [body: JsonObject, param: string][] = [
      [{ providers: [] }, "providers"],
      [{ providers: ["Open AI"] }, "providers.0"],
      [{ providers: "openai" }, "providers"],
      [{ ip_allow: [] }, "ip_allow"],
      [{ ip_allow: ["10.0.0.0/33"] }, "ip_allow.0"],
      [{ ip_allow: ["::1", "localhost"] }, "ip_allow.1"],
      [{ ip_allow: Array.from({ length: 101 }, (_, i) => `10.0.0.${i}`) }, "ip_allow"],
      [{ model_caps: { "gpt-*": -1 } }, "model_caps.gpt-*"],
      [{ model_caps: { "gpt-*": "1" } }, "model_caps.gpt-*"],
      [{ model_caps: { "gpt-*": 1e-10 } }, "model_caps.gpt-*"],
      [{ model_caps: [["gpt-*", 1]] }, "model_caps"],
      [{ model_caps: Object.fromEntries(Array.from({ length: 201 }, (_, i) => [`m${i}`, 1])) }, "model_caps"],
      [{ model_caps: { "a\0b": 1 } }, "model_caps.a\0b"],
      [{ tpm: 0 }, "tpm"],
      [{ tpm: 1.5 }, "tpm"],
    ];
    for (const [body, param] of WRONG) {
      test(`${JSON.stringify(body).slice(0, 60)} is refused, for a new key and for a change`, async () => {
        const made = await node.newKey();
        for (const answer of [
          await node.ask("POST", "keys", ROOT, { name: "x", ...body }),
          await node.ask("PATCH", `keys/${made.hash}`, ROOT, body),
        ]) {
          expect([answer.status, (answer.body.error as JsonObject).param]).toEqual([400, param]);
        }
      });
    }

    test("a cap for a model called __proto__ is refused, not left out", async () => {
      const text = '{"name":"x","model_caps":{"__proto__":1,"a":2}}';
      expect(await outcome(node.ask("POST", "keys", ROOT, text))).toEqual([400, "invalid_request"]);
    });
  });

  describe("a rotation", () => {
    test("answers with a new secret for the same key; the old one works until its grace ends", async () => {
      const made = await node.newKey({ models: ["a"], kind: "provisioning" });
      const { status, body } = await node.ask("POST", `keys/${made.hash}/rotate`, ROOT, { grace_seconds: 100 });
      const data = body.data as JsonObject;
      expect(status).toBe(201);
      expect(data).toMatchObject({ name: "k", models: ["a"] });
      expect(data.hash).toMatch(/^[0-9a-f]{64}$/);
      expect(data.hash).not.toBe(made.hash);
      const ends = Date.parse(data.previous_expires_at as string);
      for (const key of [made.key, body.key as string])
        expect((await node.ask("GET", "key", key)).body.data).toMatchObject({ hash: data.hash as string });
      expect((await node.ask("GET", `keys/${made.hash}`, ROOT)).body).toEqual(
        (await node.ask("GET", `keys/${data.hash}`, ROOT)).body,
      );
      const before = clockMs;
      clockMs = ends - 1;
      expect((await node.ask("GET", "key", made.key)).status).toBe(200);
      clockMs = ends;
      expect(await outcome(node.ask("GET", "key", made.key))).toEqual([401, "invalid_api_key"]);
      expect((await node.ask("GET", "key", body.key as string)).status).toBe(200);
      clockMs = before;
    });

    test("has a day of grace unless told, none when told; a second one ends the oldest secret", async () => {
      const made = await node.newKey();
      const rotate = async (body: JsonObject) => (await node.ask("POST", `keys/${made.hash}/rotate`, ROOT, body)).body;
      const first = await rotate({});
      const { previous_expires_at: ends, updated_at: begun } = first.data as JsonObject;
      expect(Date.parse(ends as string) - Date.parse(begun as string)).toBe(86_400_000);
      const second = await rotate({ grace_seconds: 604_800 });
      const works = async (key: unknown) => (await node.ask("GET", "key", key as string)).status;
      expect([await works(made.key), await works(first.key), await works(second.key)]).toEqual([401, 200, 200]);
      const path = `keys/${(second.data as JsonObject).hash}/rotate`;
      const third = await node.ask("POST", path, ROOT, { grace_seconds: 0 });
      expect((third.body.data as JsonObject).previous_expires_at).toBeNull();
      expect([await works(first.key), await works(second.key), await works(third.body.key)]).toEqual([401, 401, 200]);
    });

    test("takes whole seconds of at most a week, and nothing else", async () => {
      const made = await node.newKey();
      for (const body of [{ grace_seconds: -1 }, { grace_seconds: 604_801 }, { grace_seconds: 1.5 }, { grace: 1 }]) {
        expect((await node.ask("POST", `keys/${made.hash}/rotate`, ROOT, body)).status).toBe(400);
      }
      expect((await node.ask("POST", "keys/none/rotate", ROOT, {})).status).toBe(404);
    });

    test("keeps what was used and what is left", async () => {
      const made = await node.newKey({ limit: 10 });
      const id = (await node.keys.read(made.hash))?.id;
      await sql`update api_keys set used_nano = 4000000000 where id = ${id as string}::uuid`;
      const { body } = await node.ask("POST", `keys/${made.hash}/rotate`, ROOT, {});
      expect(body.data).toMatchObject({ usage: 4, limit: 10, limit_remaining: 6 });
    });
  });

  describe("the calling key", () => {
    test("sees the limits that hold: of its own and its plan's the smaller", async () => {
      const workspace = await node.newWorkspace("pro");
      const rates = async (over: JsonObject) =>
        ((await node.ask("GET", "key", (await node.newKey({ workspace, ...over })).key)).body.data as JsonObject)
          .rate_limit;
      expect(await rates({})).toMatchObject({ requests: 3, requests_per_day: 1000, tokens_per_minute: -1 });
      expect(await rates({ rpm: 2, rpd: 5000, tpm: 9 })).toMatchObject({
        requests: 2,
        requests_per_day: 1000,
        tokens_per_minute: 9,
      });
    });

    test("sees what is left of its limit in the present period", async () => {
      const made = await node.newKey({ limit: 2, limit_reset: "monthly", workspace: OPERATOR_WORKSPACE });
      const id = (await node.keys.read(made.hash))?.id;
      const month = new Date().toISOString().slice(0, 7);
      await sql`insert into purses (id, used, held) values (${`key:${id}:${month}`}, 1500000000, 100000000)`;
      await sql`update api_keys set used_nano = 9000000000 where id = ${id as string}::uuid`;
      const { body } = await node.ask("GET", "key", made.key);
      expect(body.data).toMatchObject({ limit: 2, limit_remaining: 0.5, usage: 9 });
    });
  });
});
