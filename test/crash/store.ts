/**
 * The two kinds of store under processes: how a gateway is pointed at one, and how the test reads it afterwards.
 * PostgreSQL can be read at any time, the embedded store only when no process has it.
 */

import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import type { SQL } from "bun";
import { openDatabase } from "../../src/db/database.ts";
import type { Cluster } from "../support/cluster.ts";
import { makeDataDirectory, type PostgresServer, startPostgres, testDatabaseSettings } from "../support/postgres.ts";

export interface Store {
  readonly kind: "embedded" | "postgres";
  /** What points a gateway at it, beside its data directory. */
  readonly env: Readonly<Record<string, string>>;
  readonly databaseUrl?: string;
  /** Makes the data directory of a first start, which goes with the cluster. */
  makeDataDirectory(cluster: Cluster): Promise<string>;
}

/** The embedded store; its cluster is copied, which is much faster than making one. */
export const EMBEDDED: Store = {
  kind: "embedded",
  env: { SLUICE_DATABASE_MIN_FREE_BYTES: "0" },
  async makeDataDirectory(cluster) {
    const { directory, remove } = await makeDataDirectory();
    cluster.onStop(remove);
    return directory;
  },
};

/** A new database of a server. */
export async function postgresStore(server: PostgresServer): Promise<Store & { readonly databaseUrl: string }> {
  const databaseUrl = await server.createDatabase();
  return {
    kind: "postgres",
    env: { DATABASE_URL: databaseUrl },
    databaseUrl,
    makeDataDirectory: async ({ directory }) => mkdtempSync(join(directory, "data-")),
  };
}

/** Starts a server or throws why it cannot. */
export async function mustStartPostgres(): Promise<PostgresServer> {
  const started = await startPostgres();
  if ("missing" in started) throw new Error(started.missing);
  return started;
}

/** Opens a store that no gateway uses. */
export async function openStore(store: Store, dataDir: string): Promise<{ sql: SQL; close(): Promise<void> }> {
  return openDatabase({ ...testDatabaseSettings, databaseUrl: store.databaseUrl, dataDir });
}
