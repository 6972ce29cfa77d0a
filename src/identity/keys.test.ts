/**
 * Tests of keys and workspaces in both databases: what is stored, found, changed and removed, and for whom.
 * A key of another workspace must be as if there were none.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { eachDatabase } from "../../test/support/postgres.ts";
import { nano } from "../core/money.ts";
import { migrate } from "../db/migrate.ts";
import { parseKey } from "./key.ts";
import { KEY_PAGE, type KeyChange, type Keys, openKeys } from "./keys.ts";
import { OPERATOR_WORKSPACE, openWorkspaces, type Workspaces } from "./workspaces.ts";

const HOSTILE = ["'; drop table api_keys; --", "ü 🙂", '"', "\\", "$1", "%", "a\nb"];

eachDatabase((store) => {
  let keys: Keys;
  let workspaces: Workspaces;
  let sql: import("bun").SQL;
  beforeAll(async () => {
    const database = await store.open();
    await migrate(database);
    sql = database.sql;
    keys = openKeys(sql, "sk-test-");
    workspaces = openWorkspaces(sql);
  }, 60_000);

  async function newWorkspace(welcomeCreditNano = nano(0n)): Promise<string> {
    return (await workspaces.create({ name: "w", plan: "payg", welcomeCreditNano })).id;
  }

  describe("a new key", () => {
    test("is stored as its hash and its end, never as itself", async () => {
      const workspaceId = await newWorkspace();
      const { key, stored } = await keys.create({ workspaceId, name: "k" });
      expect(key).toStartWith("sk-test-");
      const parsed = parseKey(key);
      expect(parsed.ok && parsed.hash).toBe(stored.hash);
      expect(stored.label).toBe(`sk-test-…${key.slice(-4)}`);
      const rows = await sql`select row_to_json(k)::text as all from api_keys k where hash = ${stored.hash}`;
      expect(JSON.stringify(rows)).not.toContain(key.slice(8, -4));
    });

    test("has everything that was given, and plain defaults", async () => {
      const workspaceId = await newWorkspace();
      const given = {
        workspaceId,
        name: "all",
        kind: "provisioning",
        expiresAt: new Date("2030-01-02T03:04:05.678Z"),
        limitNano: nano(9_007_199_254_740_993n),
        limitReset: "weekly",
        rpm: 5,
        rpd: 7,
        tpm: 2_000_000_000,
        modelCaps: [
          { glob: "gpt-*", capNano: nano(9_007_199_254_740_993n) },
          { glob: "*", capNano: nano(0n) },
        ],
      } as const;
      const lists = { models: ["gpt-*", "claude-*"], providers: ["open*"], ipAllow: ["10.0.0.0/8", "::1"] };
      const { stored } = await keys.create({ ...given, ...lists, modelCaps: [...given.modelCaps] });
      expect(await keys.read(stored.hash)).toMatchObject({ ...given, ...lists, disabled: false });
      expect(await keys.readById(stored.id)).toEqual(stored);
      const plain = (await keys.create({ workspaceId, name: "plain" })).stored;
      expect(plain).toMatchObject({
        kind: "inference",
        expiresAt: null,
        models: null,
        limitNano: null,
        limitReset: null,
        rpm: null,
        rpd: null,
        tpm: null,
        providers: null,
        ipAllow: null,
        modelCaps: null,
        previousHash: null,
        previousExpiresAt: null,
        disabled: false,
        usedNano: nano(0n),
      });
    });

    test("may have any name and any globs", async () => {
      const workspaceId = await newWorkspace();
      for (const text of HOSTILE) {
        const { stored } = await keys.create({ workspaceId, name: text, models: [text, "x"] });
        expect(await keys.read(stored.hash)).toMatchObject({ name: text, models: [text, "x"] });
      }
    });
  });

  describe("a key by its hash", () => {
    test("comes with what a call needs of its workspace", async () => {
      const workspaceId = await newWorkspace(nano(5n));
      const { stored } = await keys.create({ workspaceId, name: "k" });
      expect(await keys.findByHash(stored.hash)).toMatchObject({
        workspaceId,
        billing: "prepaid",
        plan: "payg",
        budgetNano: null,
        suspended: false,
      });
      await sql`update workspaces set suspended_at = now() where id = ${workspaceId}::uuid`;
      expect((await keys.findByHash(stored.hash))?.suspended).toBe(true);
    });

    test("is found only by the whole hash, and not when it is removed", async () => {
      const { stored } = await keys.create({ workspaceId: await newWorkspace(), name: "k" });
      for (const hash of [stored.hash.slice(0, 32), stored.hash.toUpperCase(), "", "'", "%", `${stored.hash} `]) {
        if (hash !== stored.hash) expect(await keys.findByHash(hash)).toBeUndefined();
      }
      expect(await keys.remove(stored.hash)).toMatchObject({ id: stored.id, disabled: true });
      expect(await keys.findByHash(stored.hash)).toBeUndefined();
      expect(await keys.read(stored.hash)).toBeUndefined();
      expect(await keys.change(stored.hash, { name: "again" })).toBeUndefined();
      expect(await keys.remove(stored.hash)).toBeUndefined();
    });
  });

  describe("another workspace", () => {
    test("can neither read, change, remove nor list a key", async () => {
      const [mine, other] = [await newWorkspace(), await newWorkspace()];
      const { stored } = await keys.create({ workspaceId: mine, name: "mine" });
      expect(await keys.read(stored.hash, other)).toBeUndefined();
      expect(await keys.change(stored.hash, { name: "stolen" }, other)).toBeUndefined();
      expect(await keys.remove(stored.hash, other)).toBeUndefined();
      expect(await keys.rotate(stored.hash, 60, other)).toBeUndefined();
      expect(await keys.list({ workspaceId: other })).toEqual([]);
      expect(await keys.read(stored.hash, mine)).toMatchObject({ name: "mine", disabled: false });
    });
  });

  describe("a change", () => {
    const changes: KeyChange[] = [
      { name: "new" },
      { disabled: true },
      { disabled: false },
      { expiresAt: new Date("2031-01-01T00:00:00Z") },
      { expiresAt: null },
      { models: ["a*"] },
      { models: null },
      { limitNano: nano(123n) },
      { limitNano: null },
      { limitReset: "daily" },
      { limitReset: null },
      { rpm: 9, rpd: 10 },
      { rpm: null },
      { providers: ["a", "b*"], ipAllow: ["::/0"], tpm: 1 },
      { modelCaps: [{ glob: '"', capNano: nano(2n ** 62n) }] },
      { providers: null, ipAllow: null, tpm: null, modelCaps: null },
    ];
    test("sets what it names and leaves the rest", async () => {
      const { stored } = await keys.create({
        workspaceId: await newWorkspace(),
        name: "k",
        limitNano: nano(1n),
        rpm: 3,
      });
      let expected = stored;
      for (const change of changes) {
        const changed = await keys.change(stored.hash, change);
        expected = { ...expected, ...change, updatedAt: changed?.updatedAt as Date };
        expect(changed).toEqual(expected);
        expect(await keys.read(stored.hash)).toEqual(expected);
      }
      expect(await keys.change(stored.hash, {})).toMatchObject({ name: "new", rpd: 10 });
    });
  });

  describe("a list", () => {
    test("is newest first, in pages, with or without disabled keys", async () => {
      const workspaceId = await newWorkspace();
      const made: string[] = [];
      for (let i = 0; i < KEY_PAGE + 3; i++) made.push((await keys.create({ workspaceId, name: `k${i}` })).stored.hash);
      await keys.change(made[0] as string, { disabled: true });
      const first = await keys.list({ workspaceId });
      const second = await keys.list({ workspaceId, offset: KEY_PAGE });
      expect([first.length, second.length]).toEqual([KEY_PAGE, 3]);
      const all = [...first, ...second];
      expect(all.map((key) => key.hash).sort()).toEqual(made.toSorted());
      const moments = all.map((key) => key.createdAt.getTime());
      expect(moments).toEqual(moments.toSorted((a, b) => b - a));
      const enabled = await keys.list({ workspaceId, offset: KEY_PAGE, includeDisabled: false });
      expect(enabled.map((key) => key.hash)).not.toContain(made[0] as string);
      expect(enabled.length).toBe(2);
    });
  });

  describe("workspaces", () => {
    test("the operator's is made once, and is internal", async () => {
      expect(await workspaces.ensureOperator("payg")).toBe(true);
      expect(await workspaces.ensureOperator("other")).toBe(false);
      expect(await workspaces.read(OPERATOR_WORKSPACE)).toMatchObject({ billing: "internal", plan: "payg" });
    });

    test("others pay from credit and begin with the welcome amount, exactly", async () => {
      const welcomeCreditNano = nano(9_007_199_254_740_993n);
      const made = await workspaces.create({ name: "w", plan: "pro", welcomeCreditNano });
      expect(await workspaces.read(made.id)).toEqual(made);
      expect(made).toMatchObject({
        billing: "prepaid",
        plan: "pro",
        balanceNano: welcomeCreditNano,
        grantedNano: welcomeCreditNano,
        usedNano: nano(0n),
      });
      expect(await workspaces.read(crypto.randomUUID())).toBeUndefined();
    });
  });
});
