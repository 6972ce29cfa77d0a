/**
 * Kills processes that use the embedded store, at random moments, and opens what they leave.
 * They stand for the promise that an acknowledged transaction survives and that every directory opens again.
 */
import { afterAll, expect, test } from "bun:test";
import { makeDataDirectory, testDatabaseSettings } from "../../test/support/postgres.ts";
import { slowMigrations } from "./crash.fixture.ts";
import { openDatabase } from "./database.ts";
import { migrate } from "./migrate.ts";

const fixture = new URL("./crash.fixture.ts", import.meta.url).pathname;
const removals: (() => void)[] = [];
afterAll(() => {
  for (const remove of removals) remove();
});

async function makeDirectory(): Promise<string> {
  const { directory, remove } = await makeDataDirectory();
  removals.push(remove);
  return directory;
}

/** Runs the fixture, kills it a random while after it told `from`, and gives the lines it told. */
async function runAndKill(role: string, dataDir: string, from: string, maxDelayMs: number): Promise<string[]> {
  const child = Bun.spawn([process.execPath, fixture, role, dataDir], { stdout: "pipe", stderr: "inherit" });
  let told = "";
  let killing = false;
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    told += chunk;
    if (!killing && told.includes(from)) {
      killing = true;
      void Bun.sleep(Math.random() * maxDelayMs).then(() => child.kill("SIGKILL"));
    }
  }
  await child.exited;
  // The last line may be cut in the middle.
  return told.split("\n").slice(0, -1);
}

test("every acknowledged row is there after each of six kills while writing", async () => {
  const dataDir = await makeDirectory();
  let acknowledged = 0n;
  for (let round = 1; round <= 6; round++) {
    const lines = await runAndKill("write", dataDir, "open", 400);
    const last = lines.findLast((line) => /^\d+$/.test(line));
    if (last !== undefined) acknowledged = BigInt(last);
  }
  const database = await openDatabase({ ...testDatabaseSettings, dataDir });
  const [row] = await database.sql`select count(*) as count, coalesce(max(n), 0) as last from written`;
  await database.close();
  expect(row.last).toBeGreaterThanOrEqual(acknowledged);
  expect(row.count).toBe(row.last);
}, 60_000);

test("a kill in the middle of migrating leaves whole migrations only, and the next start finishes", async () => {
  for (let round = 1; round <= 3; round++) {
    const dataDir = await makeDirectory();
    await runAndKill("migrate", dataDir, "open", 120);
    const database = await openDatabase({ ...testDatabaseSettings, dataDir });
    const tables: { name: string }[] =
      await database.sql`select tablename as name from pg_tables where tablename ~ '^slow'`;
    const [{ exists }] = await database.sql`select to_regclass('schema_migrations') is not null as exists`;
    const history: { id: number }[] = exists ? await database.sql`select id from schema_migrations order by id` : [];
    const whole = history.flatMap(({ id }) => Array.from({ length: 30 }, (_, index) => `slow_${id}_${index}`));
    expect(tables.map((table) => table.name).sort()).toEqual(whole.sort());
    await migrate(database, slowMigrations);
    await database.close();
  }
}, 60_000);

test("a kill during the start itself leaves a directory that opens", async () => {
  const dataDir = await makeDirectory();
  for (let round = 1; round <= 2; round++) {
    const child = Bun.spawn([process.execPath, fixture, "write", dataDir], { stdout: "ignore", stderr: "inherit" });
    await Bun.sleep(150 + Math.random() * 450);
    child.kill("SIGKILL");
    await child.exited;
  }
  const database = await openDatabase({ ...testDatabaseSettings, dataDir });
  expect(database.ready()).toEqual({ ok: true });
  await database.close();
}, 60_000);

test("a process on the same directory is refused while the other lives, with its process id", async () => {
  const dataDir = await makeDirectory();
  const child = Bun.spawn([process.execPath, fixture, "hold", dataDir], { stdout: "pipe", stderr: "inherit" });
  await child.stdout.getReader().read();
  await expect(openDatabase({ ...testDatabaseSettings, dataDir })).rejects.toThrow(`in use by process ${child.pid} `);
  child.kill("SIGKILL");
  await child.exited;
  const database = await openDatabase({ ...testDatabaseSettings, dataDir });
  await database.close();
}, 60_000);
