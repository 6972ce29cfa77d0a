/**
 * Tests of the lock on the data directory, within one process and between two.
 * They stand for the promise that two servers never write to one embedded store.
 */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DirectoryLockedError, lockDirectory, lockFileName } from "./lock.ts";

const directory = mkdtempSync(join(tmpdir(), "sluice-lock-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("a held directory is refused with its name and the holder's process id, and is free after release", () => {
  const lock = lockDirectory(directory);
  expect(() => lockDirectory(directory)).toThrow(DirectoryLockedError);
  expect(() => lockDirectory(directory)).toThrow(directory);
  expect(() => lockDirectory(directory)).toThrow(`process ${process.pid} `);
  lock.release();
  lock.release();
  lockDirectory(directory).release();
});

test("a refused attempt leaves the holder's name in the file", () => {
  const lock = lockDirectory(directory);
  expect(() => lockDirectory(directory)).toThrow();
  expect(readFileSync(join(directory, lockFileName), "utf8")).toStartWith(`process ${process.pid} `);
  lock.release();
});

test("the lock of another process is seen, and dies with that process when it is killed", async () => {
  const fixture = new URL("./crash.fixture.ts", import.meta.url).pathname;
  const child = Bun.spawn([process.execPath, fixture, "lock", directory], { stdout: "pipe", stderr: "inherit" });
  const reader = child.stdout.getReader();
  await reader.read();
  expect(() => lockDirectory(directory)).toThrow(`process ${child.pid} `);
  child.kill("SIGKILL");
  await child.exited;
  lockDirectory(directory).release();
});

test("a process started while the lock is held does not inherit it", async () => {
  const lock = lockDirectory(directory);
  const child = Bun.spawn(["sh", "-c", "echo started; exec sleep 30"], { stdout: "pipe" });
  await child.stdout.getReader().read();
  lock.release();
  lockDirectory(directory).release();
  child.kill();
  await child.exited;
});
