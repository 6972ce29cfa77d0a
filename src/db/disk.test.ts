/**
 * Tests of the watch on free space, with an injected disk.
 * They stand for the promise that no paid work is taken on when the disk is nearly full.
 */
import { expect, test } from "bun:test";
import { readFreeBytes, watchDisk } from "./disk.ts";

const mebibyte = 1_048_576;

test("free space under the floor is a reason with both numbers, and goes away by itself", async () => {
  let free = 100 * mebibyte;
  const watch = watchDisk("/data", 512 * mebibyte, () => free);
  expect(watch.reason()).toBe("disk nearly full: 100 MiB free in /data, the floor is 512 MiB");
  free = 600 * mebibyte;
  while (watch.reason() !== undefined) await Bun.sleep(20);
  watch.stop();
});

test("a look can be asked for at once", () => {
  let free = 600 * mebibyte;
  const watch = watchDisk("/data", 512 * mebibyte, () => free);
  expect(watch.check()).toBeUndefined();
  free = 1;
  expect(watch.check()).toContain("disk nearly full");
  expect(watch.reason()).toContain("disk nearly full");
  watch.stop();
});

test("a disk that cannot be asked is a reason too", () => {
  const watch = watchDisk("/data", 1, () => {
    throw new Error("no such disk");
  });
  expect(watch.reason()).toBe("disk state unknown: no such disk");
  watch.stop();
});

test("the real disk has some space", () => {
  expect(readFreeBytes(".")).toBeGreaterThan(0);
});
