/**
 * Random sequences of everything that happens to money, played by real nodes on a real database and judged after every step.
 * No account below zero through use, no call billed twice or not at all, books that balance at every instant, through any crash.
 *
 * Each sequence comes from a seed: `SIMULATION_SEED=n` plays that one alone, `SIMULATION_RUNS=n` sets how many are played.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Database } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import { openBooks } from "../../src/ledger/books.ts";
import { eachDatabase } from "../support/postgres.ts";
import { closeWorld } from "./ending.ts";
import { judge, judgeEnd } from "./oracle.ts";
import { type Step, sequenceOf, shrink } from "./steps.ts";
import { openWorld, play } from "./world.ts";

const RUNS = Number(Bun.env.SIMULATION_RUNS ?? (Bun.env.CI === "true" ? 10_000 : 1000));
/** The embedded store has one connection, and is slower. */
const RUNS_EMBEDDED = Math.ceil(RUNS / 50);
/** All workspaces of a database book against the same accounts, so there are two databases. */
const DATABASES = { postgres: 2, embedded: 1 };
const AT_ONCE = { postgres: 4, embedded: 2 };
const FIRST_SEED = 1;
const LIMIT_MS = 600_000;

/** Plays a sequence to its end; what is wrong, in words, or undefined. */
async function run(database: Database, steps: readonly Step[], recallMs: number, parent: string) {
  const world = await openWorld(database.sql, recallMs, parent);
  const memory = { free: 0n, refunds: 0 };
  for (const [index, step] of steps.entries()) {
    const at = `step ${index} (${step.do})`;
    try {
      world.refused = undefined;
      world.held = undefined;
      await play(world, step);
    } catch (error) {
      return `${at}: ${error instanceof Error ? error.stack : error}`;
    }
    const [broken] = await judge(world, memory, step.do === "race");
    if (broken) return `${at}: ${broken}`;
  }
  try {
    const [left] = await closeWorld(world);
    if (left) return `at the end: ${left}`;
  } catch (error) {
    return `at the end: ${error instanceof Error ? error.stack : error}`;
  }
  const [broken] = await judgeEnd(world);
  return broken && `at the end: ${broken}`;
}

/** Every third sequence waits for what others return. */
function recallMsOf(seed: number): number {
  return seed % 3 === 0 ? 40 : 0;
}

async function explain(database: Database, seed: number, problem: string, parent: string): Promise<Error> {
  const fails = async (steps: readonly Step[]) => (await run(database, steps, recallMsOf(seed), parent)) !== undefined;
  const least = await shrink(sequenceOf(seed), fails);
  const last = await run(database, least, recallMsOf(seed), parent);
  const lines = least.map((step) => JSON.stringify(step)).join("\n");
  return new Error(
    `SIMULATION_SEED=${seed}: ${problem}\nthe least that fails:\n${lines}\n${last ?? "(not every time)"}`,
  );
}

async function runAll(database: Database, seeds: readonly number[], parent: string): Promise<void> {
  const books = openBooks(database.sql);
  let next = 0;
  let failed: { seed: number; problem: string } | undefined;
  const worker = async () => {
    while (next < seeds.length && !failed) {
      const seed = seeds[next++] as number;
      const problem = await run(database, sequenceOf(seed), recallMsOf(seed), parent);
      if (problem !== undefined) failed ??= { seed, problem };
      if (seed % 200 < 2) {
        // Nodes come and go here a thousand times faster than elsewhere; the journals' mapped files are let go of only then.
        await database.sql.unsafe("vacuum nodes, leases");
        Bun.gc(true);
      }
      if (seed % 500 < 2) expect((await books.check()).problems).toEqual([]);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE[database.kind] }, worker));
  if (failed) throw await explain(database, failed.seed, failed.problem, parent);
}

eachDatabase((store) => {
  const databases: Database[] = [];
  beforeAll(async () => {
    while (databases.length < DATABASES[store.kind]) {
      const database = await store.open({ poolSize: 2 });
      await migrate(database);
      databases.push(database);
    }
  }, 60_000);

  const replayed = Number(Bun.env.SIMULATION_SEED ?? 0);
  const runs = store.kind === "postgres" ? RUNS : RUNS_EMBEDDED;
  const seeds = replayed > 0 ? [replayed] : Array.from({ length: runs }, (_, index) => FIRST_SEED + index);

  describe("money", () => {
    test(
      `keeps every promise in ${seeds.length} random sequences`,
      async () => {
        const parent = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "sluice-simulation-"));
        const shareOf = (index: number) => seeds.filter((seed) => seed % databases.length === index);
        try {
          await Promise.all(databases.map((database, index) => runAll(database, shareOf(index), parent)));
        } finally {
          rmSync(parent, { recursive: true, force: true });
        }
        for (const { sql } of databases) {
          expect(await openBooks(sql).check()).toMatchObject({ balanced: true, openHolds: 0, problems: [] });
          expect(await openBooks(sql).glance()).toEqual([]);
        }
      },
      LIMIT_MS,
    );
  });
});
