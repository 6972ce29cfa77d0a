/**
 * Watches the free space under the embedded store, which spins for ever when a write finds the disk full.
 * Every admission asks the store's `ready()`, which reads what this watch saw last.
 */
import { statfsSync } from "node:fs";

/** How often the free space is looked at. */
const intervalMs = 1_000;

/** Reads the bytes free for this process on the file system that holds `path`; tests inject their own. */
export type ReadFreeBytes = (path: string) => number;

/** The watch over one directory. */
export interface DiskWatch {
  /** Looks now; the reason when free space is under the floor, else undefined. */
  check(): string | undefined;
  /** What the last look said. */
  reason(): string | undefined;
  stop(): void;
}

/** Free bytes as the operating system counts them for a user who is not root. */
export function readFreeBytes(path: string): number {
  const stats = statfsSync(path);
  return stats.bavail * stats.bsize;
}

/** Starts watching `directory`; the first look happens before this returns. */
export function watchDisk(directory: string, minFreeBytes: number, freeBytes: ReadFreeBytes): DiskWatch {
  let reason: string | undefined;
  const check = () => {
    try {
      const free = freeBytes(directory);
      reason =
        free < minFreeBytes
          ? `disk nearly full: ${toMebibytes(free)} MiB free in ${directory}, the floor is ${toMebibytes(minFreeBytes)} MiB`
          : undefined;
    } catch (error) {
      reason = `disk state unknown: ${error instanceof Error ? error.message : String(error)}`;
    }
    return reason;
  };
  check();
  const timer = setInterval(check, intervalMs);
  timer.unref();
  return { check, reason: () => reason, stop: () => clearInterval(timer) };
}

function toMebibytes(bytes: number): number {
  return Math.floor(bytes / 1_048_576);
}
