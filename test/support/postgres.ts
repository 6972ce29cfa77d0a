/**
 * Databases for tests: a throw-away PostgreSQL server, and one wrapper that runs the same tests on it and on the embedded store.
 * Used by the tests of everything that keeps something; nothing of the program imports it.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, test } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SQL } from "bun";
import { type Database, type DatabaseSettings, openDatabase } from "../../src/db/database.ts";

/** A running throw-away server. */
export interface PostgresServer {
  /** The database `postgres` of the server, as its superuser. */
  url: string;
  /** Makes an empty database and gives its URL. */
  createDatabase(): Promise<string>;
  /** Ends it at once, as a crash does. A server that is not durable loses what it had not written. */
  kill(): Promise<void>;
  /** Starts it after `kill` on what is left, at the same address. */
  restart(): Promise<void>;
  /** Its connections stay, and nothing is answered until `thaw`. New connections wait too. */
  freeze(): void;
  thaw(): void;
  /** Ends the server and removes its files; also done when the process exits. */
  stop(): Promise<void>;
}

/** Starts a server from the machine's own PostgreSQL, or says why it cannot. A durable one waits for the disk, as in use. */
export async function startPostgres(durable = false): Promise<PostgresServer | { missing: string }> {
  const binaries = findBinaries();
  if (binaries === undefined) return { missing: missingReason };
  const directory = mkdtempSync(join(tmpdir(), "sluice-postgres-"));
  const account = serverAccount();
  const options = account === undefined ? {} : { uid: account.uid, gid: account.gid };
  if (account !== undefined) chownSync(directory, account.uid, account.gid);
  chmodSync(directory, 0o700);
  const data = join(directory, "data");
  const remove = () => rmSync(directory, { recursive: true, force: true });
  const initdb = ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
  const made = spawnSync(join(binaries, "initdb"), initdb, { ...options, cwd: directory, encoding: "utf8" });
  if (made.status !== 0) {
    remove();
    return { missing: `initdb failed: ${made.stderr || made.error?.message}` };
  }
  const port = await findFreePort();
  const careless = durable ? [] : ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];
  const parameters = [...careless, "unix_socket_directories="].flatMap((parameter) => ["-c", parameter]);
  const all = ["-D", data, "-h", "127.0.0.1", "-p", String(port), ...parameters];
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const program = join(binaries, "postgres");
  const server = await keepServer(url, () => spawn(program, all, { ...options, cwd: directory, stdio: "ignore" }));
  // It may be frozen, and the files go anyway.
  const end = () => {
    server.thaw();
    void server.kill();
    remove();
  };
  process.once("exit", end);
  return {
    ...server,
    url,
    createDatabase: async () => {
      const name = `test_${randomUUID().replaceAll("-", "")}`;
      const sql = new SQL(url, { max: 1 });
      await sql.unsafe(`create database ${name}`);
      await sql.close();
      return url.replace(/postgres$/, name);
    },
    stop: async () => {
      process.off("exit", end);
      server.thaw();
      await server.kill();
      remove();
    },
  };
}

/** The server's process, or one after the other. */
async function keepServer(
  url: string,
  start: () => ChildProcess,
): Promise<Pick<PostgresServer, "kill" | "restart" | "freeze" | "thaw">> {
  let server = start();
  let frozen: number[] = [];
  await waitUntilReachable(url);
  return {
    kill: async () => {
      if (server.exitCode !== null || server.signalCode !== null) return;
      const exited = once(server, "exit");
      // End at once, without a checkpoint.
      server.kill("SIGQUIT");
      await exited;
    },
    restart: async () => {
      server = start();
      await waitUntilReachable(url);
    },
    freeze: () => {
      const pid = server.pid ?? 0;
      process.kill(pid, "SIGSTOP");
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
      frozen = [pid, ...children];
      for (const child of children) process.kill(child, "SIGSTOP");
    },
    thaw: () => {
      for (const pid of frozen.splice(0)) process.kill(pid, "SIGCONT");
    },
  };
}

/** One of the two kinds of store, for the tests inside `eachDatabase`. */
export interface TestStore {
  kind: Database["kind"];
  /** Opens a new, empty, unmigrated database; closed after the test that opened it, or after all when a hook did. */
  open(settings?: Partial<DatabaseSettings>): Promise<Database>;
  /** Opens the database of `database` once more: PostgreSQL a second time, the embedded store after closing it. */
  reopen(database: Database, settings?: Partial<DatabaseSettings>): Promise<Database>;
}

/**
 * Registers the same tests for the embedded store and for PostgreSQL.
 * Without PostgreSQL on the machine its half is skipped by name, or fails when `CI` is `true`.
 */
export function eachDatabase(tests: (store: TestStore) => void): void {
  describe("on the embedded store", () => {
    const removals: (() => void)[] = [];
    const store = trackStore("embedded", async () => {
      const { directory, remove } = copyTemplate(await embeddedTemplate());
      removals.push(remove);
      return { dataDir: directory };
    });
    beforeAll(async () => {
      await embeddedTemplate();
    }, 60_000);
    store.register();
    tests(store);
    afterAll(() => {
      for (const remove of removals) remove();
    });
  });
  const missing = missingPostgres();
  if (missing !== undefined) {
    test.skip(`on PostgreSQL: ${missing}`, () => {});
    return;
  }
  describe("on PostgreSQL", () => {
    let server: PostgresServer | undefined;
    beforeAll(async () => {
      const started = await startPostgres();
      if ("missing" in started) throw new Error(started.missing);
      server = started;
    }, 60_000);
    const store = trackStore("postgres", async () => {
      if (server === undefined) throw new Error("PostgreSQL did not start");
      return { databaseUrl: await server.createDatabase() };
    });
    store.register();
    tests(store);
    afterAll(async () => {
      await server?.stop();
    });
  });
}

/** A new data directory with an empty cluster in it, made by copying: much faster than making one. */
export async function makeDataDirectory(): Promise<{ directory: string; remove(): void }> {
  return copyTemplate(await embeddedTemplate());
}

/** Settings that tests start from. */
export const testDatabaseSettings = {
  dataDir: "/nonexistent",
  minFreeBytes: 0,
  poolSize: 4,
  statementTimeoutMs: 30_000,
  log: () => {},
} satisfies DatabaseSettings;

type Place = Partial<DatabaseSettings>;

function trackStore(kind: Database["kind"], makePlace: () => Promise<Place>): TestStore & { register(): void } {
  const places = new Map<Database, Place>();
  let ofHooks: Database[] = [];
  const openAt = async (place: Place, settings: Partial<DatabaseSettings> = {}) => {
    const database = await openDatabase({ ...testDatabaseSettings, ...place, ...settings });
    places.set(database, place);
    return database;
  };
  const close = async (databases: Database[]) => {
    for (const database of databases) {
      places.delete(database);
      await database.close();
    }
  };
  return {
    kind,
    open: async (settings) => openAt(await makePlace(), settings),
    reopen: async (database, settings) => {
      const place = places.get(database);
      if (place === undefined) throw new Error("This database was not opened by this store, or is closed");
      if (kind === "embedded") await database.close();
      return openAt(place, settings);
    },
    register: () => {
      beforeEach(() => {
        ofHooks = [...places.keys()];
      });
      afterEach(() => close([...places.keys()].filter((database) => !ofHooks.includes(database))));
      afterAll(() => close([...places.keys()]));
    },
  };
}

/** An empty cluster, kept between runs for as long as the engine and its settings stay the same. */
async function embeddedTemplate(): Promise<string> {
  const parts = ["../../src/db/embedded-engine.ts", "../../node_modules/@electric-sql/pglite/package.json"];
  const hash = createHash("sha256");
  for (const part of parts) hash.update(readFileSync(new URL(part, import.meta.url)));
  const name = `sluice-template-${process.getuid?.() ?? 0}-${hash.digest("hex").slice(0, 16)}`;
  const template = join(tmpdir(), name);
  if (existsSync(template)) return template;
  const unfinished = mkdtempSync(join(tmpdir(), "sluice-template-"));
  const database = await openDatabase({ ...testDatabaseSettings, dataDir: unfinished });
  await database.close();
  try {
    renameSync(unfinished, template);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    // Another run of the tests may have been first.
    if (!existsSync(template)) throw error;
  }
  return template;
}

function copyTemplate(template: string): { directory: string; remove(): void } {
  const directory = mkdtempSync(join(fastDirectory(), "sluice-data-"));
  // Twenty times faster than `cpSync` for these thousand files; `-p` keeps the modes that the engine insists on.
  const copied = spawnSync("cp", ["-Rp", join(template, "postgres"), join(directory, "postgres")], {
    encoding: "utf8",
  });
  if (copied.status !== 0) throw new Error(`The template could not be copied: ${copied.stderr}`);
  return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

/** Memory where there is plenty: the tests kill processes, not machines, so nothing needs to reach a disk. */
function fastDirectory(): string {
  const memory = "/dev/shm";
  if (!existsSync(memory)) return tmpdir();
  const { bavail, bsize } = statfsSync(memory);
  return bavail * bsize > 2 ** 31 ? memory : tmpdir();
}

const missingReason = "no PostgreSQL server is installed (Debian: apt-get install postgresql)";

/** Why there can be no server on this machine, if so: the name of tests that are skipped for it. With `CI=true` they are not. */
export function missingPostgres(): string | undefined {
  return findBinaries() === undefined && Bun.env.CI !== "true" ? missingReason : undefined;
}

/** The directory with `initdb` and `postgres`: Debian's newest, else the one that `pg_ctl` on the path comes from. */
function findBinaries(): string | undefined {
  const root = "/usr/lib/postgresql";
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  const debian = versions.map((version) => join(root, version, "bin"));
  const found = spawnSync("pg_config", ["--bindir"], { encoding: "utf8" }).stdout?.trim();
  const onPath = Bun.which("pg_ctl")?.replace(/\/pg_ctl$/, "");
  const candidates = [...debian, ...(found ? [found] : []), ...(onPath ? [onPath] : [])];
  return candidates.find(
    (directory) => existsSync(join(directory, "initdb")) && existsSync(join(directory, "postgres")),
  );
}

/** PostgreSQL refuses to run as root, so then it gets another account: `postgres` if there is one, else `nobody`. */
function serverAccount(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ["postgres", "nobody"]) {
    const uid = spawnSync("id", ["-u", name], { encoding: "utf8" });
    const gid = spawnSync("id", ["-g", name], { encoding: "utf8" });
    if (uid.status === 0 && gid.status === 0) return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  }
  return undefined;
}

function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

async function waitUntilReachable(url: string): Promise<void> {
  const attempts = 200;
  for (let attempt = 1; ; attempt++) {
    const sql = new SQL(url, { max: 1, connectionTimeout: 2 });
    try {
      await sql`select 1`;
      return;
    } catch (error) {
      if (attempt === attempts) throw error;
      await Bun.sleep(50);
    } finally {
      await sql.close({ timeout: 0 });
    }
  }
}
