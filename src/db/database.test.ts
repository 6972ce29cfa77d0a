/**
 * Tests of opening, watching and closing a database, on both kinds of store and on each alone.
 * They stand for the promises that data stays, that trouble is told, and that no query waits for ever.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SQL } from "bun";
import { eachDatabase, makeDataDirectory, startPostgres, testDatabaseSettings } from "../../test/support/postgres.ts";
import { type Database, openDatabase } from "./database.ts";
import { openEmbedded } from "./embedded.ts";
import { migrate } from "./migrate.ts";

eachDatabase((store) => {
  let shared: Database;
  beforeAll(async () => {
    shared = await store.open();
  }, 60_000);

  test("what was written is there after closing and opening again", async () => {
    const database = await store.open();
    await migrate(database);
    await database.sql`insert into settings (key, value) values ('kept', '1')`;
    const again = await store.reopen(database);
    expect(again.kind).toBe(store.kind);
    expect(again.ready()).toEqual({ ok: true });
    expect([...(await again.sql`select key, value from settings`)]).toEqual([{ key: "kept", value: 1 }]);
  });

  test("int8 is read as bigint whatever its size, also in arrays, and with and without a prepared statement", async () => {
    const { sql } = shared;
    const [row] = await sql`select 1::int8 as small, ${2n ** 63n - 1n}::int8 as large, array[1, 2]::int8[] as list`;
    expect(row).toEqual({ small: 1n, large: 2n ** 63n - 1n, list: [1n, 2n] });
    const [simple] = await sql.unsafe("select 1::int8 as small, (-9223372036854775808)::int8 as least").simple();
    expect(simple).toEqual({ small: 1n, least: -(2n ** 63n) });
    const [sums] = await sql`select sum(x) as sum, count(*) as count from unnest(array[9007199254740993]::int8[]) as x`;
    expect(sums.count).toBe(1n);
    expect(BigInt(sums.sum)).toBe(9007199254740993n);
  });

  test("an error in a transaction undoes it, and the connection goes on", async () => {
    const { sql } = shared;
    await sql`create table t (a integer)`;
    const failing = sql.begin(async (transaction) => {
      await transaction`insert into t values (1)`;
      await transaction`select 1 / 0`;
    });
    await expect(failing).rejects.toMatchObject({ errno: "22012" });
    expect([...(await sql`select * from t`)]).toEqual([]);
  });

  test("many queries at once all come back", async () => {
    const { sql } = shared;
    const results = await Promise.all(Array.from({ length: 200 }, (_, n) => sql`select ${n}::integer as n`));
    expect(results.map(([row]) => row.n)).toEqual(Array.from({ length: 200 }, (_, n) => n));
  });

  test("a large value goes in and out", async () => {
    const { sql } = shared;
    const text = "0123456789abcdef".repeat(131_072);
    const [row] = await sql`select ${text}::text as text`;
    expect(row.text === text).toBe(true);
  });

  test("maintenance runs, and closing twice is closing once", async () => {
    const database = await store.open();
    await database.maintain();
    await Promise.all([database.close(), database.close()]);
    await expect(Promise.resolve(database.sql`select 1`)).rejects.toThrow();
  });
});

describe("the embedded store", () => {
  const opened: Database[] = [];
  const removals: (() => void)[] = [];
  afterAll(async () => {
    for (const database of opened) await database.close();
    for (const remove of removals) remove();
  });
  const open = async (settings: Partial<typeof testDatabaseSettings & Parameters<typeof openDatabase>[0]>) => {
    const database = await openDatabase({ ...testDatabaseSettings, ...settings });
    opened.push(database);
    return database;
  };
  const makeDirectory = async () => {
    const { directory, remove } = await makeDataDirectory();
    removals.push(remove);
    return directory;
  };

  test("a first start makes the cluster, also over the rest of one that was cut off, for this user's eyes only", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "sluice-first-"));
    removals.push(() => rmSync(dataDir, { recursive: true, force: true }));
    chmodSync(dataDir, 0o755);
    mkdirSync(join(dataDir, "postgres.new"));
    writeFileSync(join(dataDir, "postgres.new", "PG_VERSION"), "18");
    const database = await open({ dataDir });
    expect([...(await database.sql`show server_encoding`)]).toEqual([{ server_encoding: "UTF8" }]);
    expect(readdirSync(dataDir).sort()).toEqual(["lock", "postgres", "run"]);
    for (const name of ["postgres", "run"]) expect(statSync(join(dataDir, name)).mode & 0o077).toBe(0);
    expect(statSync(join(dataDir, "lock")).mode & 0o077).toBe(0);
    await database.close();
    expect(readdirSync(dataDir).sort()).toEqual(["lock", "postgres"]);
  }, 60_000);

  test("a directory with other files in the place of the cluster is left alone", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "sluice-other-"));
    removals.push(() => rmSync(dataDir, { recursive: true, force: true }));
    mkdirSync(join(dataDir, "postgres"));
    writeFileSync(join(dataDir, "postgres", "diary.txt"), "dear diary");
    await expect(open({ dataDir })).rejects.toThrow("holds files but no database");
    expect(readdirSync(join(dataDir, "postgres"))).toEqual(["diary.txt"]);
  });

  test("a path too long for a socket works", async () => {
    const parent = await makeDirectory();
    const dataDir = join(parent, "long".repeat(20), "long".repeat(20));
    mkdirSync(dataDir, { recursive: true });
    Bun.spawnSync(["mv", join(parent, "postgres"), dataDir]);
    const database = await open({ dataDir });
    expect([...(await database.sql`select 1 as one`)]).toEqual([{ one: 1 }]);
    await database.close();
  });

  test("a second opening of the directory is refused, and the first goes on", async () => {
    const dataDir = await makeDirectory();
    const database = await open({ dataDir });
    await expect(open({ dataDir })).rejects.toThrow(`${dataDir} is in use by process ${process.pid} `);
    expect([...(await database.sql`select 1 as one`)]).toEqual([{ one: 1 }]);
    await database.close();
  });

  test("a nearly full disk makes it not ready until there is space again", async () => {
    let free = 1_000_000_000;
    const database = await open({ dataDir: await makeDirectory(), minFreeBytes: 500_000_000, freeBytes: () => free });
    expect(database.ready()).toEqual({ ok: true });
    free = 400_000_000;
    while (database.ready().ok) await Bun.sleep(20);
    expect(database.ready()).toMatchObject({ reason: expect.stringContaining("disk nearly full: 381 MiB free") });
    expect([...(await database.sql`select 1 as one`)]).toEqual([{ one: 1 }]);
    await expect(migrate(database)).rejects.toThrow("disk nearly full");
    free = 1_000_000_000;
    while (!database.ready().ok) await Bun.sleep(20);
    await migrate(database);
    await database.close();
  });

  test("a disk too full for a new cluster refuses the first start", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "sluice-full-"));
    removals.push(() => rmSync(dataDir, { recursive: true, force: true }));
    await expect(open({ dataDir, freeBytes: () => 1_000 })).rejects.toThrow("not enough free space");
  });

  test("an engine that stops answering is first not ready, then given up: queries fail and the owner is told once", async () => {
    const reasons: string[] = [];
    const dataDir = await makeDirectory();
    const database = await open({ dataDir, watchdogMs: 400, onFatal: (reason) => reasons.push(reason) });
    const stuck = Promise.resolve(database.sql`select pg_sleep(600)`);
    const waiting = Promise.resolve(database.sql`select 1`);
    stuck.catch(() => {});
    waiting.catch(() => {});
    while (database.ready().ok) await Bun.sleep(5);
    expect(database.ready()).toMatchObject({ reason: expect.stringContaining("has not answered") });
    expect(reasons).toEqual([]);
    await expect(stuck).rejects.toThrow("closed");
    await expect(waiting).rejects.toThrow("closed");
    expect(reasons).toEqual(["the embedded store is lost: it has stopped answering"]);
    expect(database.ready()).toEqual({ ok: false, reason: reasons[0] ?? "" });
    await expect(Promise.resolve(database.sql`select 1`)).rejects.toThrow();
    await database.close();
    const again = await open({ dataDir });
    expect([...(await again.sql`select 1 as one`)]).toEqual([{ one: 1 }]);
    await again.close();
  });

  test("a busy engine that answers again is ready again", async () => {
    const database = await open({ dataDir: await makeDirectory(), watchdogMs: 2_000 });
    const slow = Promise.resolve(database.sql`select pg_sleep(2.7)`);
    while (database.ready().ok) await Bun.sleep(5);
    await slow;
    while (!database.ready().ok) await Bun.sleep(5);
    await database.close();
  }, 20_000);

  test("an engine that crashes fails what waits at once and tells why", async () => {
    const reasons: string[] = [];
    const dataDir = await makeDirectory();
    const database = await open({ dataDir, onFatal: (reason) => reasons.push(reason) });
    await database.sql`create table t (a integer)`;
    // The log cannot be written: PostgreSQL panics at the next commit.
    rmSync(join(dataDir, "postgres", "pg_wal"), { recursive: true });
    const writing = (async () => {
      for (;;) await database.sql`insert into t select * from generate_series(1, 200000)`;
    })();
    await expect(writing).rejects.toThrow();
    while (database.ready().ok) await Bun.sleep(5);
    expect(reasons).toHaveLength(1);
    expect(reasons[0]).toContain("PANIC");
    await database.close();
  }, 30_000);
});

describe("the engine's socket", () => {
  test("a connection that comes after one that was cut in a transaction finds a clean session", async () => {
    const { directory, remove } = await makeDataDirectory();
    const store = await openEmbedded({ dataDir: directory, minFreeBytes: 0, watchdogMs: 30_000, onFatal: () => {} });
    const connect = () =>
      new SQL({ adapter: "postgres", path: store.socketPath, username: "postgres", database: "postgres", max: 1 });
    for (let round = 1; round <= 3; round++) {
      const cut = connect();
      await cut`create table if not exists t (a integer)`;
      const reserved = await cut.reserve();
      await reserved`begin`;
      await reserved`insert into t values (${round})`;
      await reserved`set search_path = nowhere`;
      await cut.close({ timeout: 0 });
      const next = connect();
      // The same text: the driver gives its prepared statement the same name as the connection before.
      await next`create table if not exists t (a integer)`;
      expect([...(await next`select count(*)::integer as count from t where a <> ${round - 100}`)]).toEqual([
        { count: 0 },
      ]);
      await next.close();
    }
    await store.close();
    remove();
  }, 30_000);
});

describe("PostgreSQL", () => {
  test("a server that went away is told by ready()", async () => {
    const server = await startPostgres();
    if ("missing" in server) {
      expect(Bun.env.CI).not.toBe("true");
      return;
    }
    const database = await openDatabase({ ...testDatabaseSettings, databaseUrl: server.url, watchdogMs: 400 });
    expect(database.ready()).toEqual({ ok: true });
    await server.stop();
    while (database.ready().ok) await Bun.sleep(10);
    expect(database.ready()).toMatchObject({ reason: expect.stringContaining("the database ") });
    await expect(Promise.resolve(database.sql`select 1`)).rejects.toThrow();
    await database.close();
  }, 30_000);

  test("a server that cannot be reached is an error at once, which names it without the password", async () => {
    const databaseUrl = "postgres://somebody:secret@127.0.0.1:1/none";
    const opening = openDatabase({ ...testDatabaseSettings, databaseUrl });
    await expect(opening).rejects.toThrow("The PostgreSQL server at 127.0.0.1:1 cannot be used");
    await expect(opening).rejects.not.toThrow("secret");
  });
});
