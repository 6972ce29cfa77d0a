/**
 * Brings the database to the schema this program was written for, one transaction for each migration.
 * It runs once at start, before the first connection is accepted, on the embedded store and on PostgreSQL alike.
 */
import { createHash } from "node:crypto";
import type { TransactionSQL } from "bun";
import type { Database } from "./database.ts";
import { migrations as everyMigration, type Migration } from "./migrations/index.ts";

/** Raised when the database's history is not a beginning of this program's list of migrations. */
export class MigrationError extends Error {
  override readonly name = "MigrationError";
}

/** The key of the advisory lock that lets one node migrate at a time: "sluice" in ASCII. */
const lockKey = 0x736c75696365n;

/**
 * Applies what is missing. Killed at any statement it leaves the schema of the last whole migration.
 * Raises `MigrationError` for an applied migration that this program does not know or knows with another text,
 * and when something is to be applied while the store is not ready (a full disk).
 */
export async function migrate(database: Database, migrations: readonly Migration[] = everyMigration): Promise<void> {
  for (;;) {
    const pending = await database.sql.begin(async (transaction) => {
      await transaction`set local statement_timeout = 0`;
      await transaction`select pg_advisory_xact_lock(${lockKey})`;
      await transaction.unsafe(historyTable);
      const next = findNext(await readHistory(transaction), migrations);
      if (next !== undefined) await apply(database, transaction, next);
      return next;
    });
    if (pending === undefined) return;
  }
}

const historyTable = `create table if not exists schema_migrations (
  id integer primary key,
  name text not null,
  sha256 text not null,
  applied_at timestamptz not null default now()
)`;

interface AppliedMigration {
  id: number;
  name: string;
  sha256: string;
}

function readHistory(transaction: TransactionSQL): Promise<AppliedMigration[]> {
  return transaction`select id, name, sha256 from schema_migrations order by id`;
}

/** The first migration that is not applied, after checking those that are. */
function findNext(applied: AppliedMigration[], known: readonly Migration[]): Migration | undefined {
  for (const [index, row] of applied.entries()) {
    const migration = known[index];
    if (migration === undefined || migration.id !== row.id) {
      throw new MigrationError(
        `The database has migration ${row.id} (${row.name}), which this version does not know. ` +
          `It was written by a newer version: run that one, or restore a backup made before it.`,
      );
    }
    if (hash(migration) !== row.sha256) {
      throw new MigrationError(
        `Migration ${row.id} (${row.name}) was applied to the database with another text than this version has. ` +
          `An applied migration must not be edited: restore its file, and put the change into a new one.`,
      );
    }
  }
  return known[applied.length];
}

async function apply(database: Database, transaction: TransactionSQL, migration: Migration): Promise<void> {
  const readiness = database.ready();
  if (!readiness.ok) throw new MigrationError(`Migration ${migration.id} must wait: ${readiness.reason}`);
  await transaction.unsafe(migration.sql);
  await transaction`
    insert into schema_migrations (id, name, sha256)
    values (${migration.id}, ${migration.name}, ${hash(migration)})`;
}

function hash(migration: Migration): string {
  return createHash("sha256").update(migration.sql.replaceAll("\r\n", "\n")).digest("hex");
}
