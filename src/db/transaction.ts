/**
 * One transaction for Drizzle's queries and for the statements that money is moved by.
 * Whoever posts a movement together with ordinary rows opens it here.
 */
import type { SQL, TransactionSQL } from "bun";
import { drizzle } from "drizzle-orm/bun-sql";
import type { Orm } from "./database.ts";
import { schema } from "./schema.ts";

/** A running transaction: what is done through either is committed or undone together. */
export interface Transaction {
  /** To post movements with, and to write the audit log. */
  readonly sql: TransactionSQL;
  readonly orm: Orm;
}

/**
 * Runs `work` in a transaction, which is undone when it throws. Inside, only the given transaction may be used: the
 * embedded store has one connection, and would wait for itself.
 */
export function transact<T>(sql: SQL, work: (transaction: Transaction) => Promise<T>): Promise<T> {
  return sql.begin((transaction) => work({ sql: transaction, orm: ormOver(transaction) })) as Promise<T>;
}

/** Drizzle over what runs statements. */
export function ormOver(sql: SQL): Orm {
  return drizzle(sql, { schema });
}
