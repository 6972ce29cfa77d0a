/**
 * Tests of durability inside the engine: what reaches the disk before a commit is acknowledged.
 * They stand for the promise that the embedded store may hold money.
 */
import { expect, test } from "bun:test";
import { makeDataDirectory } from "../../test/support/postgres.ts";
import { startEngine, verifyFsync } from "./embedded-engine.ts";

test("each committed transaction flushes at least once, a read never, and the self-test sees a missing hook", async () => {
  const { directory, remove } = await makeDataDirectory();
  const engine = await startEngine(`${directory}/postgres`);
  await engine.pg.exec("create table t (a integer)");
  let before = engine.countFsyncs();
  for (let n = 0; n < 20; n++) await engine.pg.exec(`insert into t values (${n})`);
  expect(engine.countFsyncs() - before).toBeGreaterThanOrEqual(20);
  before = engine.countFsyncs();
  await engine.pg.exec("select count(*) from t");
  expect(engine.countFsyncs()).toBe(before);
  await verifyFsync(engine);
  await expect(verifyFsync({ ...engine, countFsyncs: () => 7 })).rejects.toThrow("without flushing");
  await engine.pg.close();
  remove();
}, 60_000);
