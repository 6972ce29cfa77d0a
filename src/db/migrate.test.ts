/**
 * Tests of migrating, on both kinds of store.
 * They stand for the promise that a start that is killed, or several starts at once, never leave half a schema.
 */
import { expect, test } from "bun:test";
import { getTableName } from "drizzle-orm";
import { eachDatabase } from "../../test/support/postgres.ts";
import type { Database } from "./database.ts";
import { MigrationError, migrate } from "./migrate.ts";
import { type Migration, migrations } from "./migrations/index.ts";
import { schema } from "./schema.ts";

const first: Migration = { id: 1, name: "first", sql: "create table one (a integer); create table two (a integer);" };
const second: Migration = { id: 2, name: "second", sql: "create table three (a integer);" };

async function tablesOf(database: Database): Promise<string[]> {
  const rows: { name: string }[] = await database.sql`
    select tablename as name from pg_tables where schemaname = 'public' and tablename <> 'schema_migrations' order by 1`;
  return rows.map((row) => row.name);
}

async function historyOf(database: Database): Promise<number[]> {
  const rows: { id: number }[] = await database.sql`select id from schema_migrations order by id`;
  return rows.map((row) => row.id);
}

eachDatabase((store) => {
  test("an empty database gets every migration, and a second run changes nothing", async () => {
    const database = await store.open();
    await migrate(database);
    const before = await database.sql`select * from schema_migrations`;
    await migrate(database);
    expect(await database.sql`select * from schema_migrations`).toEqual(before);
    expect(await historyOf(database)).toEqual(migrations.map((migration) => migration.id));
    expect(await tablesOf(database)).toEqual(Object.values(schema).map(getTableName).sort());
  });

  test("only what is missing is applied", async () => {
    const database = await store.open();
    await migrate(database, [first]);
    await migrate(database, [first, second]);
    expect(await tablesOf(database)).toEqual(["one", "three", "two"]);
    expect(await historyOf(database)).toEqual([1, 2]);
  });

  test("a migration that fails at any statement leaves nothing, and the ones before it stay", async () => {
    const database = await store.open();
    const statements = ["create table a (x integer);", "create table b (x integer);", "create table c (x integer);"];
    for (let position = 0; position <= statements.length; position++) {
      const broken = statements.toSpliced(position, 0, "select 1 / 0;").join("\n");
      await expect(migrate(database, [first, { ...second, sql: broken }])).rejects.toThrow("division by zero");
      expect(await tablesOf(database)).toEqual(["one", "two"]);
      expect(await historyOf(database)).toEqual([1]);
    }
    await migrate(database, [first, { ...second, sql: statements.join("\n") }]);
    expect(await tablesOf(database)).toEqual(["a", "b", "c", "one", "two"]);
  });

  test("an applied migration whose text has changed is refused by name, but line endings are no change", async () => {
    const database = await store.open();
    const lines = { ...first, sql: "create table lines (\n  a integer\n);\n" };
    await migrate(database, [lines]);
    await migrate(database, [{ ...lines, sql: lines.sql.replaceAll("\n", "\r\n") }]);
    const edited = { ...lines, sql: `${lines.sql} -- edited` };
    await expect(migrate(database, [edited])).rejects.toThrow(MigrationError);
    await expect(migrate(database, [edited])).rejects.toThrow("Migration 1 (first) was applied");
  });

  test("a database of a newer version is refused", async () => {
    const database = await store.open();
    await migrate(database, [first, second]);
    await expect(migrate(database, [first])).rejects.toThrow("migration 2 (second), which this version does not know");
  });

  test("nothing is applied while the store is not ready, and what is applied already is no reason to refuse", async () => {
    const database = await store.open();
    await migrate(database, [first]);
    const full: Database = { ...database, ready: () => ({ ok: false, reason: "disk nearly full" }) };
    await migrate(full, [first]);
    await expect(migrate(full, [first, second])).rejects.toThrow("Migration 2 must wait: disk nearly full");
    expect(await historyOf(database)).toEqual([1]);
  });

  if (store.kind === "embedded") return;

  test("nodes that start at once apply each migration once", async () => {
    const database = await store.open();
    const nodes = await Promise.all([store.reopen(database), store.reopen(database), store.reopen(database)]);
    await Promise.all([database, ...nodes].map((node) => migrate(node, [first, second])));
    expect(await historyOf(database)).toEqual([1, 2]);
  });

  test("a connection that is cut in the middle of a migration leaves nothing of it", async () => {
    const database = await store.open();
    const cut = {
      ...first,
      sql: `${first.sql} select pg_terminate_backend(pg_backend_pid()); create table no (a integer);`,
    };
    await expect(migrate(database, [cut])).rejects.toThrow();
    expect(await tablesOf(database)).toEqual([]);
    await migrate(database, [first]);
    expect(await tablesOf(database)).toEqual(["one", "two"]);
  });
});
