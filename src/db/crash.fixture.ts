/**
 * A process that uses the embedded store until it is killed; the tests of crashes and of the lock start it.
 * It is not part of the program: arguments are what to do and the data directory, and it tells its progress in lines.
 */
import { writeSync } from "node:fs";
import { testDatabaseSettings } from "../../test/support/postgres.ts";
import { openDatabase } from "./database.ts";
import { lockDirectory } from "./lock.ts";
import { migrate } from "./migrate.ts";
import type { Migration } from "./migrations/index.ts";

/** Migrations of many statements each, so that a kill at a random moment falls between two of them. */
export const slowMigrations: Migration[] = [1, 2, 3].map((id) => ({
  id,
  name: `slow ${id}`,
  sql: Array.from(
    { length: 30 },
    (_, index) => `create table slow_${id}_${index} (a integer primary key, b text);`,
  ).join("\n"),
}));

const tell = (line: string) => void writeSync(1, `${line}\n`);

async function main(role: string | undefined, dataDir: string): Promise<void> {
  if (role === "lock") {
    lockDirectory(dataDir);
    tell("locked");
    await Bun.sleep(60_000);
    return;
  }
  const database = await openDatabase({ ...testDatabaseSettings, dataDir });
  tell("open");
  if (role === "migrate") {
    await migrate(database, slowMigrations);
    tell("migrated");
  } else if (role === "write") {
    await database.sql`create table if not exists written (n bigint primary key)`;
    const [row] = await database.sql`select coalesce(max(n), 0) as last from written`;
    for (let n: bigint = row.last + 1n; ; n++) {
      await database.sql`insert into written (n) values (${n})`;
      tell(String(n));
    }
  } else await Bun.sleep(60_000);
}

if (import.meta.main) await main(process.argv[2], process.argv[3] ?? "");
