/**
 * Tests on both databases of who may manage keys, from where, until when, and how far a restricted key's word goes.
 * Every route is tried with every kind of key that must not pass, and a restricted key with every way to more rights.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import type { SQL } from "bun";
import { type Node, openNode, outcome, RESTRICTED, ROOT } from "../../test/support/keys.ts";
import { eachDatabase } from "../../test/support/postgres.ts";
import type { JsonObject } from "../core/json.ts";
import { migrate } from "../db/migrate.ts";
import { KEY_CACHE_MS } from "../identity/authenticate.ts";
import { createKey } from "../identity/key.ts";
import { openWorkspaces } from "../identity/workspaces.ts";

eachDatabase((store) => {
  let sql: SQL;
  let node: Node;
  let other: Node;
  let clockMs = Date.now();
  beforeAll(async () => {
    const database = await store.open();
    await migrate(database);
    sql = database.sql;
    await openWorkspaces(sql).ensureOperator("payg");
    node = openNode(sql, () => clockMs);
    other = openNode(sql, () => clockMs);
  }, 60_000);

  describe("every route refuses", () => {
    /** A provisioning key in the state, or one of the wrong kind for managing. */
    const STATES: [name: string, status: number, make: () => Promise<string | undefined>, address?: null][] = [
      ["no key", 401, async () => undefined],
      ["a malformed key", 401, async () => "sk-test-nonsense"],
      ["an unknown key", 401, async () => createKey("sk-test-").key],
      ["a revoked key", 401, () => changed((hash) => node.ask("DELETE", `keys/${hash}`, ROOT))],
      ["a disabled key", 401, () => changed((hash) => node.ask("PATCH", `keys/${hash}`, ROOT, { disabled: true }))],
      [
        "a replaced secret",
        401,
        () => changed((hash) => node.ask("POST", `keys/${hash}/rotate`, ROOT, { grace_seconds: 0 })),
      ],
      ["an expired key", 403, async () => (await provisioning({ expires_at: "2020-01-01T00:00:00Z" })).key],
      ["a key from a wrong address", 403, async () => (await provisioning({ ip_allow: ["10.0.0.1"] })).key],
      ["a key from nowhere", 403, async () => (await provisioning({ ip_allow: ["0.0.0.0/0"] })).key, null],
      ["a key of a suspended workspace", 403, suspended],
    ];
    const provisioning = (over: JsonObject) => node.newKey({ kind: "provisioning", ...over });
    async function changed(make: (hash: string) => Promise<unknown>): Promise<string> {
      const made = await provisioning({});
      await node.ask("GET", "key", made.key);
      await make(made.hash);
      return made.key;
    }
    async function suspended(): Promise<string> {
      const workspace = await node.newWorkspace();
      const made = await provisioning({ workspace });
      await sql`update workspaces set suspended_at = now() where id = ${workspace}::uuid`;
      return made.key;
    }

    for (const [name, status, make, address] of STATES) {
      test(name, async () => {
        const credential = await make();
        const target = await node.newKey();
        for (const { method, path } of node.routes) {
          const body = method === "GET" || method === "DELETE" ? undefined : { name: "x" };
          const answer = await node.ask(method, path.replace(":hash", target.hash), credential, body, address);
          expect([method, path, answer.status]).toEqual([method, path, status]);
        }
        expect((await node.ask("GET", `keys/${target.hash}`, ROOT)).body.data).toEqual(target.data);
      });
    }

    test("an inference key, where keys are managed; and of another workspace all keys are as if there were none", async () => {
      const [mine, foreign] = [await node.newWorkspace(), await node.newWorkspace()];
      const inference = await node.newKey({ workspace: mine });
      const provisioning = await node.newKey({ workspace: mine, kind: "provisioning" });
      const target = await node.newKey({ workspace: foreign });
      for (const { method, path, access } of node.routes) {
        if (access !== "manage") continue;
        const body = method === "GET" || method === "DELETE" ? undefined : path.endsWith("rotate") ? {} : { name: "x" };
        const real = path.replace(":hash", target.hash);
        expect(await outcome(node.ask(method, real, inference.key, body))).toEqual([403, "forbidden"]);
        if (!path.includes(":hash")) continue;
        const absent = await node.ask(method, path.replace(":hash", "0".repeat(64)), provisioning.key, body);
        expect(await node.ask(method, real, provisioning.key, body)).toEqual(absent);
        expect(absent.status).toBe(404);
      }
    });
  });

  describe("a change is in force", () => {
    const CHANGES: [name: string, make: (hash: string) => Promise<unknown>][] = [
      ["a disabling", (hash) => node.ask("PATCH", `keys/${hash}`, ROOT, { disabled: true })],
      ["a revocation", (hash) => node.ask("DELETE", `keys/${hash}`, ROOT)],
      ["a rotation without grace", (hash) => node.ask("POST", `keys/${hash}/rotate`, ROOT, { grace_seconds: 0 })],
      ["a list of addresses", (hash) => node.ask("PATCH", `keys/${hash}`, ROOT, { ip_allow: ["192.0.2.1"] })],
      ["an expiry", (hash) => node.ask("PATCH", `keys/${hash}`, ROOT, { expires_at: "2020-01-01T00:00:00Z" })],
    ];
    for (const [name, make] of CHANGES) {
      test(`at once on this node, within five seconds on another: ${name}`, async () => {
        const made = await node.newKey();
        const works = async (at: Node) => (await at.ask("GET", "key", made.key)).status;
        expect([await works(node), await works(other)]).toEqual([200, 200]);
        await make(made.hash);
        expect(await works(node)).not.toBe(200);
        clockMs += KEY_CACHE_MS;
        expect(await works(other)).not.toBe(200);
      });
    }

    test("for the secret before a rotation as well", async () => {
      const made = await node.newKey();
      const { body } = await node.ask("POST", `keys/${made.hash}/rotate`, ROOT, {});
      const both = [made.key, body.key as string];
      const works = () => Promise.all(both.map(async (key) => (await node.ask("GET", "key", key)).status));
      expect(await works()).toEqual([200, 200]);
      await node.ask("PATCH", `keys/${made.hash}`, ROOT, { disabled: true });
      expect(await works()).toEqual([401, 401]);
      await node.ask("PATCH", `keys/${(body.data as JsonObject).hash}`, ROOT, { disabled: false });
      expect(await works()).toEqual([200, 200]);
      await node.ask("DELETE", `keys/${made.hash}`, ROOT);
      expect(await works()).toEqual([401, 401]);
    });
  });

  describe("a restricted provisioning key", () => {
    const own = () => node.newKey({ ...RESTRICTED, kind: "provisioning" });

    test("gives new keys its own restrictions, or narrower ones", async () => {
      const maker = await own();
      expect((await node.newKey({}, maker.key)).data).toMatchObject(RESTRICTED);
      const narrow = {
        models: ["gpt-4o"],
        ip_allow: ["10.9.0.0/16"],
        limit: 1,
        tpm: 10,
        model_caps: { "gpt-4*": 0.1, "*": 1 },
      };
      expect((await node.newKey(narrow, maker.key)).data).toMatchObject({
        ...RESTRICTED,
        ...narrow,
        limit_reset: null,
      });
    });

    const MORE: JsonObject[] = [
      { models: ["*"] },
      { providers: ["*"] },
      { ip_allow: ["0.0.0.0/0"] },
      { model_caps: { "gpt-4*": 0.6 } },
      { tpm: 1001 },
      { rpm: 6 },
      { rpd: 51 },
      { limit: 10.000000001 },
      { limit: 5, limit_reset: "daily" },
      { expires_at: "2090-01-01T00:00:00.001Z" },
    ];
    for (const more of MORE) {
      test(`cannot give ${JSON.stringify(more)} to a new key, to another or to itself`, async () => {
        const maker = await own();
        const target = await node.newKey();
        expect((await node.newKey(more, maker.key)).status).toBe(403);
        expect(await outcome(node.ask("PATCH", `keys/${target.hash}`, maker.key, more))).toEqual([403, "forbidden"]);
        expect(await outcome(node.ask("PATCH", `keys/${maker.hash}`, maker.key, more))).toEqual([403, "forbidden"]);
        expect((await node.ask("GET", `keys/${maker.hash}`, ROOT)).body.data).toEqual(maker.data);
      });
    }

    test("cannot free itself by taking restrictions away", async () => {
      const maker = await own();
      const none = Object.fromEntries(Object.keys(RESTRICTED).map((field) => [field, null]));
      const { body } = await node.ask("PATCH", `keys/${maker.hash}`, maker.key, none);
      expect(body.data).toMatchObject(RESTRICTED);
    });

    test("rotates itself and its like, never a key that may do more: it would be given its secret", async () => {
      const maker = await own();
      const like = await node.newKey({}, maker.key);
      const free = await node.newKey();
      const rotate = (hash: string) => node.ask("POST", `keys/${hash}/rotate`, maker.key, {});
      expect(await outcome(rotate(free.hash))).toEqual([403, "forbidden"]);
      expect((await node.ask("GET", `keys/${free.hash}`, ROOT)).body.data).toEqual(free.data);
      expect((await rotate(like.hash)).status).toBe(201);
      expect((await rotate(maker.hash)).status).toBe(201);
    });
  });
});
