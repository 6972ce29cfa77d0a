/**
 * Opens the one database of an installation: a PostgreSQL server when there is a URL, else the embedded store.
 * Everything that keeps something (ledger, identity, usage, settings) gets the `Database` made here.
 */
import { SQL } from "bun";
import { type BunSQLDatabase, drizzle } from "drizzle-orm/bun-sql";
import type { ReadFreeBytes } from "./disk.ts";
import { openEmbedded } from "./embedded.ts";
import { schema } from "./schema.ts";

/** Writes one line of the log. */
export type DatabaseLog = (level: "info" | "warn" | "error", message: string, fields?: Record<string, unknown>) => void;

/** What `openDatabase` needs to know. */
export interface DatabaseSettings {
  /** A PostgreSQL server; absent: the embedded store in `dataDir`. */
  databaseUrl?: string | undefined;
  /** The embedded store's directory. */
  dataDir: string;
  /** Embedded: free space under which `ready()` says no. */
  minFreeBytes: number;
  /** PostgreSQL: connections of the pool. The embedded store always has one. */
  poolSize: number;
  /** PostgreSQL: the server ends a statement after this. The embedded engine cannot; its watchdog stands in. */
  statementTimeoutMs: number;
  log: DatabaseLog;
  /**
   * Silence of the store after which `ready()` says no (default 30 s, of PostgreSQL 5 s); the embedded engine is given up
   * after twice that.
   */
  watchdogMs?: number | undefined;
  /** Called once when the embedded store is lost for this process, which should then end: a new start recovers. */
  onFatal?: ((reason: string) => void) | undefined;
  /** Injected by tests. */
  freeBytes?: ReadFreeBytes | undefined;
}

/** Whether work that must be written down may be taken on. */
export type Readiness = { ok: true } | { ok: false; reason: string };

/** Drizzle over the driver, with every table. */
export type Orm = BunSQLDatabase<typeof schema>;

/** An open database. */
export interface Database {
  kind: "embedded" | "postgres";
  /** The driver. `int8` columns are read as `bigint`; `numeric` (such as a sum of them) as a string. */
  sql: SQL;
  orm: Orm;
  /** Costs nothing: reads what the watches saw last. */
  ready(): Readiness;
  /** Embedded: vacuums and analyses, as no background process does. PostgreSQL does that itself, so nothing happens. */
  maintain(): Promise<void>;
  /** Ends running queries after a short grace and lets go of the store. */
  close(): Promise<void>;
}

const defaultWatchdogMs = 30_000;
/** PostgreSQL: silence after which `ready()` says no. No call waits longer for it either. */
const serverSilenceMs = 5_000;
const closeGraceSeconds = 5;
const probeIntervalMs = 2_000;
const connectTimeoutSeconds = 10;

/** Opens the database; raises an error that names the cause if it cannot be reached or its directory is in use. */
export async function openDatabase(settings: DatabaseSettings): Promise<Database> {
  return settings.databaseUrl === undefined
    ? openEmbeddedDatabase(settings)
    : openPostgres(settings, settings.databaseUrl);
}

async function openEmbeddedDatabase(settings: DatabaseSettings): Promise<Database> {
  const startedAt = performance.now();
  let sql: SQL | undefined;
  const store = await openEmbedded({
    dataDir: settings.dataDir,
    minFreeBytes: settings.minFreeBytes,
    watchdogMs: settings.watchdogMs ?? defaultWatchdogMs,
    freeBytes: settings.freeBytes,
    onFatal: (reason) => {
      settings.log("error", "database lost", { reason });
      // The Worker is gone, so what waits for it would wait for ever.
      void sql?.close({ timeout: 0 });
      settings.onFatal?.(reason);
    },
  });
  sql = new SQL({
    ...driverOptions,
    path: store.socketPath,
    username: "postgres",
    database: "postgres",
    tls: false,
    max: 1,
  });
  const driver = sql;
  try {
    await driver`select 1`;
  } catch (error) {
    await driver.close({ timeout: 0 });
    await store.close();
    throw error;
  }
  settings.log("info", "embedded database open", {
    directory: settings.dataDir,
    milliseconds: Math.round(performance.now() - startedAt),
  });
  return {
    kind: "embedded",
    sql: driver,
    orm: drizzle(driver, { schema }),
    ready: () => toReadiness(store.reason()),
    maintain: async () => {
      await driver.unsafe("vacuum (analyze)");
    },
    close: once(async () => {
      await driver.close({ timeout: closeGraceSeconds });
      await store.close();
    }),
  };
}

async function openPostgres(settings: DatabaseSettings, url: string): Promise<Database> {
  const sql = new SQL({
    ...driverOptions,
    url,
    max: settings.poolSize,
    connection: { statement_timeout: String(settings.statementTimeoutMs), application_name: "sluice" },
  });
  try {
    await sql`select 1`;
  } catch (error) {
    await sql.close({ timeout: 0 });
    const why = error instanceof Error ? error.message : String(error);
    // The URL holds a password, so only the host is told.
    throw new Error(`The PostgreSQL server at ${hostOf(url)} cannot be used: ${why}`, { cause: error });
  }
  const probe = probeServer(sql, settings);
  return {
    kind: "postgres",
    sql,
    orm: drizzle(sql, { schema }),
    ready: () => toReadiness(probe.reason()),
    maintain: async () => {},
    close: once(async () => {
      probe.stop();
      await sql.close({ timeout: closeGraceSeconds });
    }),
  };
}

/** Money is read as `bigint`, never as a number; connections live as long as the process. */
const driverOptions = {
  adapter: "postgres",
  bigint: true,
  idleTimeout: 0,
  maxLifetime: 0,
  connectionTimeout: connectTimeoutSeconds,
} as const;

/** Asks the server now and then, so that `ready()` can answer without waiting. */
function probeServer(sql: SQL, settings: DatabaseSettings): { reason(): string | undefined; stop(): void } {
  const watchdogMs = settings.watchdogMs ?? serverSilenceMs;
  let askedAt: number | undefined;
  let failure: string | undefined;
  const ask = async () => {
    if (askedAt !== undefined) return;
    askedAt = performance.now();
    try {
      await sql`select 1`;
      if (failure !== undefined) settings.log("info", "database reachable again");
      failure = undefined;
    } catch (error) {
      const message = `the database cannot be reached: ${error instanceof Error ? error.message : String(error)}`;
      if (failure === undefined) settings.log("error", "database unreachable", { reason: message });
      failure = message;
    } finally {
      askedAt = undefined;
    }
  };
  const timer = setInterval(() => void ask(), Math.min(probeIntervalMs, watchdogMs / 4));
  timer.unref();
  const reason = () => {
    const silentMs = askedAt === undefined ? 0 : performance.now() - askedAt;
    return silentMs > watchdogMs ? `the database has not answered for ${Math.round(silentMs / 1000)} s` : failure;
  };
  return { reason, stop: () => clearInterval(timer) };
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : "the given URL (which is not a URL)";
}

function toReadiness(reason: string | undefined): Readiness {
  return reason === undefined ? { ok: true } : { ok: false, reason };
}

/** The first call does the work, later ones wait for it. */
function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => {
    running ??= work();
    return running;
  };
}
