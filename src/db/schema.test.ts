/**
 * Holds the Drizzle schema and the committed dump to what the migrations make, on both kinds of store.
 * They stand for the promise that code, documents and database speak of the same tables.
 */
import { beforeAll, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { getTableConfig } from "drizzle-orm/pg-core";
import { eachDatabase } from "../../test/support/postgres.ts";
import type { Database } from "./database.ts";
import { dumpSchema } from "./dump.ts";
import { migrate } from "./migrate.ts";
import { schema } from "./schema.ts";

/** Written over by `UPDATE_GENERATED=1 bun test src/db/schema.test.ts`. */
const dumpFile = new URL("./schema.generated.sql", import.meta.url).pathname;

/** What PostgreSQL calls the types that Drizzle names otherwise. */
const catalogueTypes: Record<string, string> = {
  "timestamp with time zone": "timestamp with time zone",
  "text[]": "ARRAY",
};

function drizzleColumns(): string[] {
  return Object.values(schema).flatMap((table) => {
    const { name, columns } = getTableConfig(table);
    return columns.map((column) => {
      const type = catalogueTypes[column.getSQLType()] ?? column.getSQLType();
      return `${name}.${column.name} ${type}${column.notNull ? " not null" : ""}${column.hasDefault ? " default" : ""}`;
    });
  });
}

function catalogueColumns(database: Database): Promise<{ line: string }[]> {
  return database.sql`
    select table_name || '.' || column_name || ' ' || data_type
      || case when is_nullable = 'NO' then ' not null' else '' end
      || case when column_default is not null then ' default' else '' end as line
    from information_schema.columns
    where table_schema = 'public' and table_name <> 'schema_migrations'`;
}

eachDatabase((store) => {
  let database: Database;
  beforeAll(async () => {
    database = await store.open();
    await migrate(database);
  }, 60_000);

  test("the Drizzle schema names the same tables, columns, types, nullability and defaults as the database", async () => {
    const lines = (await catalogueColumns(database)).map((row) => row.line);
    expect(drizzleColumns().sort()).toEqual(lines.sort());
  });

  test("the committed dump is what the migrations make", async () => {
    const dump = await dumpSchema(database.sql);
    if (Bun.env.UPDATE_GENERATED === "1") await Bun.write(dumpFile, dump);
    expect(dump).toBe(await Bun.file(dumpFile).text());
  });

  test("rows with money, arrays, documents and times come back through Drizzle as they went in", async () => {
    const { orm } = database;
    const workspaceId = crypto.randomUUID();
    const largest = 2n ** 63n - 1n;
    await orm.insert(schema.workspaces).values({ id: workspaceId, name: "w", billing: "prepaid" });
    await orm.insert(schema.ledgerAccounts).values({ id: "x", kind: "test", balanceNano: largest });
    const expiresAt = new Date("2031-02-03T04:05:06.789Z");
    await orm.insert(schema.apiKeys).values({
      id: crypto.randomUUID(),
      workspaceId,
      hash: "h",
      label: "l",
      name: "n",
      models: ["openai/*", 'with "quotes", commas'],
      limitNano: -1n,
      expiresAt,
    });
    await orm.insert(schema.settings).values({ key: "k", value: { list: [1, "two", null] } });
    await orm.insert(schema.settings).values({ key: "text", value: "a string" });
    const [account] = await orm.select().from(schema.ledgerAccounts).where(eq(schema.ledgerAccounts.id, "x"));
    expect(account?.balanceNano).toBe(largest);
    const [key] = await orm.select().from(schema.apiKeys);
    expect(key).toMatchObject({
      models: ["openai/*", 'with "quotes", commas'],
      limitNano: -1n,
      usedNano: 0n,
      expiresAt,
    });
    const settings = await orm.query.settings.findMany({ orderBy: (table, { asc }) => asc(table.key) });
    expect(settings.map((row) => row.value)).toEqual([{ list: [1, "two", null] }, "a string"]);
  });
});
