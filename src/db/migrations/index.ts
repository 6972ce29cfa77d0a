/**
 * The list of migrations in the order in which they are applied; each is one SQL file beside this one.
 * `migrate` reads it at start. An applied file is never edited: a change is a new file with the next number.
 */
import foundation from "./0001_foundation.sql" with { type: "text" };
import ledger from "./0002_ledger.sql" with { type: "text" };
import keys from "./0003_keys.sql" with { type: "text" };
import billing from "./0004_billing.sql" with { type: "text" };
import credits from "./0005_credits.sql" with { type: "text" };
import routing from "./0006_routing.sql" with { type: "text" };

/** One step of the schema. */
export interface Migration {
  /** Its place in the order, counted from 1 without gaps. */
  id: number;
  name: string;
  sql: string;
}

/** Every migration this program knows. */
export const migrations: readonly Migration[] = [
  { id: 1, name: "foundation", sql: foundation },
  { id: 2, name: "ledger", sql: ledger },
  { id: 3, name: "keys", sql: keys },
  { id: 4, name: "billing", sql: billing },
  { id: 5, name: "credits", sql: credits },
  { id: 6, name: "routing", sql: routing },
];
