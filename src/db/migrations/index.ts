/**
 * The list of migrations in the order in which they are applied; each is one SQL file beside this one.
 * `migrate` reads it at start. An applied file is never edited: a change is a new file with the next number.
 */
import foundation from "./0001_foundation.sql" with { type: "text" };

/** One step of the schema. */
export interface Migration {
  /** Its place in the order, counted from 1 without gaps. */
  id: number;
  name: string;
  sql: string;
}

/** Every migration this program knows. */
export const migrations: readonly Migration[] = [{ id: 1, name: "foundation", sql: foundation }];
