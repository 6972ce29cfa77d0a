/**
 * Tests in both databases of what outlives one state of a key: rotated secrets, and what is used of a spend limit.
 * A rotation must never leave more than two secrets, whatever runs beside it.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import type { SQL } from "bun";
import { eachDatabase } from "../../test/support/postgres.ts";
import { nano } from "../core/money.ts";
import { migrate } from "../db/migrate.ts";
import { parseKey } from "./key.ts";
import { type Keys, openKeys, type StoredKey } from "./keys.ts";
import { OPERATOR_WORKSPACE, openWorkspaces } from "./workspaces.ts";

eachDatabase((store) => {
  let keys: Keys;
  let sql: SQL;
  beforeAll(async () => {
    const database = await store.open();
    await migrate(database);
    sql = database.sql;
    keys = openKeys(sql, "sk-test-");
    await openWorkspaces(sql).ensureOperator("payg");
  }, 60_000);

  const create = async (over: Partial<StoredKey> = {}) =>
    (await keys.create({ workspaceId: OPERATOR_WORKSPACE, name: "k", ...over })).stored;

  function hashOf(key: string | undefined): string {
    const parsed = parseKey(key ?? "");
    return parsed.ok ? parsed.hash : "";
  }

  describe("a rotation", () => {
    test("gives a new secret to the same key, which keeps all else; the old one is found until it is replaced", async () => {
      const made = await create({ models: ["m*"], limitNano: nano(5n), rpm: 3, ipAllow: ["::1"] });
      const rotated = await keys.rotate(made.hash, 60);
      const { stored } = rotated!;
      expect(hashOf(rotated?.key)).toBe(stored.hash);
      expect(stored.label).toBe(`sk-test-…${rotated?.key.slice(-4)}`);
      const { hash, label, updatedAt, previousHash, previousExpiresAt, ...rest } = stored;
      expect(made).toMatchObject(rest);
      expect([previousHash, rotated?.hashes]).toEqual([made.hash, [made.hash]]);
      const seconds = ((previousExpiresAt as Date).getTime() - updatedAt.getTime()) / 1000;
      expect(seconds).toBe(60);
      expect((await keys.findByHash(made.hash))?.id).toBe(made.id);
      expect((await keys.findByHash(hash))?.id).toBe(made.id);
      expect((await keys.read(made.hash))?.label).toBe(label);
    });

    test("without grace leaves one secret", async () => {
      const made = await create();
      const rotated = await keys.rotate(made.hash, 0);
      expect(rotated?.stored).toMatchObject({ id: made.id, previousHash: null, previousExpiresAt: null });
      expect(await keys.findByHash(made.hash)).toBeUndefined();
      expect((await keys.findByHash(rotated?.stored.hash as string))?.id).toBe(made.id);
    });

    test("within the grace of another ends the oldest secret, and says of both what is out of date", async () => {
      const made = await create();
      const first = await keys.rotate(made.hash, 600);
      const second = await keys.rotate(made.hash, 600);
      expect(second?.hashes).toEqual([first?.stored.hash as string, made.hash]);
      expect(await keys.findByHash(made.hash)).toBeUndefined();
      expect((await keys.findByHash(first?.stored.hash as string))?.hash).toBe(second?.stored.hash as string);
    });

    test("of many at once leaves exactly two secrets that work", async () => {
      const made = await create();
      const rotated = await Promise.all(Array.from({ length: 8 }, () => keys.rotate(made.hash, 600)));
      const secrets = [made.hash, ...rotated.flatMap((one) => one?.stored.hash ?? [])];
      const found = await Promise.all(secrets.map((hash) => keys.findByHash(hash)));
      const present = await keys.readById(made.id);
      const working = secrets.filter((_, index) => found[index]);
      expect(working.toSorted()).toEqual([present?.hash as string, present?.previousHash as string].toSorted());
    });

    test("of a removed or an unknown key does nothing", async () => {
      const made = await create();
      await keys.remove(made.hash);
      expect(await keys.rotate(made.hash, 60)).toBeUndefined();
      expect(await keys.rotate("x", 60)).toBeUndefined();
    });

    test("lets both hashes manage the key, and removes both secrets with it", async () => {
      const made = await create();
      const { stored } = (await keys.rotate(made.hash, 600))!;
      expect(await keys.change(made.hash, { name: "by the old" })).toMatchObject({ hash: stored.hash });
      expect(await keys.change(stored.hash, { name: "by the new" })).toMatchObject({ name: "by the new" });
      expect(await keys.remove(made.hash)).toMatchObject({ hash: stored.hash, previousHash: made.hash });
      expect([await keys.findByHash(made.hash), await keys.findByHash(stored.hash)]).toEqual([undefined, undefined]);
    });
  });

  describe("what is used of a limit", () => {
    const now = Date.UTC(2026, 10, 18, 12);
    const used = async (key: StoredKey, nowMs = now) => (await keys.usedOfLimit([key], nowMs)).get(key.id) as bigint;
    const purse = (key: StoredKey, period: string, amount: number) =>
      sql`insert into purses (id, used, held) values (${`key:${key.id}:${period}`}, ${amount}, 7)`;
    const call = (key: StoredKey, cost: number, at: number, paidBy = "credit") => sql`
      insert into requests (id, created_at, workspace_id, key_id, surface, dialect, path, model_requested, streamed,
        status, usage_source, duration_ms, cost_nano, paid_by)
      values (${crypto.randomUUID()}, ${new Date(at)}, ${key.workspaceId}::uuid, ${key.id}::uuid, 's', 'd', 'relay', 'm',
        false, 200, 'measured', 1, ${cost}, ${paidBy})`;

    test("is nothing for a key without one", async () => {
      expect(await used(await create())).toBeUndefined();
      expect(await keys.usedOfLimit([], now)).toEqual(new Map());
    });

    test("is what its purse of the present period says, settled and no more", async () => {
      const never = await create({ limitNano: nano(100n) });
      await purse(never, "all", 40);
      expect(await used(never)).toBe(40n);
      for (const [limitReset, period] of [
        ["daily", "2026-11-18"],
        ["weekly", "2026-11-16w"],
        ["monthly", "2026-11"],
      ] as const) {
        const key = await create({ limitNano: nano(100n), limitReset });
        await purse(key, period, 30);
        expect(await used(key)).toBe(30n);
        expect(await used(key, now + 40 * 86_400_000)).toBe(0n);
      }
    });

    test("is what the records say before the purse is first used", async () => {
      const key = await create({ limitNano: nano(100n), limitReset: "daily" });
      await call(key, 5, now - 3_600_000);
      await call(key, 70, now - 86_400_000);
      await call(key, 900, now, "allowance");
      expect(await used(key)).toBe(5n);
      await sql`update api_keys set used_nano = 75 where id = ${key.id}::uuid`;
      expect(await used((await keys.change(key.hash, { limitReset: null }))!)).toBe(75n);
    });

    test("counts what was used while there was no such limit, once there is one again", async () => {
      const key = await create({ limitNano: nano(100n) });
      await purse(key, "all", 10);
      await keys.change(key.hash, { limitNano: null });
      await sql`update api_keys set used_nano = 60 where id = ${key.id}::uuid`;
      const again = (await keys.change(key.hash, { limitNano: nano(100n) }))!;
      expect(await used(again)).toBe(60n);
      await keys.change(key.hash, { name: "unrelated" });
      expect(await used(again)).toBe(60n);
    });
  });
});
