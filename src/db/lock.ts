/**
 * The lock on the embedded store's directory: held by the operating system, so it dies with the process.
 * It is taken before anything in the directory is opened and stands in no call's path.
 */
import { dlopen, FFIType, read } from "bun:ffi";
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";

/** The name of the lock file inside the data directory. */
export const lockFileName = "lock";

/** A held lock; `release` may be called more than once. */
export interface DirectoryLock {
  release(): void;
}

/** Raised when another process, or another store in this one, has the directory. */
export class DirectoryLockedError extends Error {
  override readonly name = "DirectoryLockedError";
}

/**
 * Takes the exclusive lock on `directory`, which must exist.
 * Raises `DirectoryLockedError` at once, naming the directory and what its holder wrote, if it is taken,
 * and a plain `Error` if the file system cannot lock.
 */
export function lockDirectory(directory: string): DirectoryLock {
  const path = join(directory, lockFileName);
  const descriptor = openSync(path, "a+", 0o600);
  try {
    const code = tryFlock(descriptor);
    if (code === wouldBlock) {
      throw new DirectoryLockedError(
        `The data directory ${directory} is in use by ${readHolder(path)}. ` +
          `Two servers on one directory would destroy its data: stop the other one, ` +
          `give this one its own directory, or use a PostgreSQL server for both.`,
      );
    }
    if (code !== 0) {
      throw new Error(
        `The data directory ${directory} cannot be locked (errno ${code}): its file system has no flock. ` +
          `Put it on a local disk or use a PostgreSQL server.`,
      );
    }
    ftruncateSync(descriptor, 0);
    writeSync(descriptor, `process ${process.pid} on ${hostname()} since ${new Date().toISOString()}\n`);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
  let held = true;
  return {
    release: () => {
      if (!held) return;
      held = false;
      // The file stays: removing it would let two processes lock two files of the same name.
      closeSync(descriptor);
    },
  };
}

const lockExclusive = 2;
const lockWithoutWaiting = 4;
const wouldBlock = process.platform === "darwin" ? 35 : 11;

/** 0 when locked, else the errno. */
function tryFlock(descriptor: number): number {
  const libc = openLibc();
  try {
    if (libc.symbols.flock(descriptor, lockExclusive | lockWithoutWaiting) === 0) return 0;
    const location = libc.symbols[errnoFunction as "__errno_location"]();
    // Without an address the likeliest reason is the honest guess: someone else has it.
    return location === null ? wouldBlock : read.i32(location, 0) || wouldBlock;
  } finally {
    libc.close();
  }
}

const errnoFunction = process.platform === "darwin" ? "__error" : "__errno_location";

function openLibc() {
  const names =
    process.platform === "darwin"
      ? ["libSystem.B.dylib", "/usr/lib/libSystem.B.dylib"]
      : ["libc.so.6", `libc.musl-${muslArchitecture()}.so.1`, `/lib/ld-musl-${muslArchitecture()}.so.1`];
  let last: unknown;
  for (const name of names) {
    try {
      return dlopen(name, {
        flock: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
        [errnoFunction as "__errno_location"]: { args: [], returns: FFIType.ptr },
      });
    } catch (error) {
      last = error;
    }
  }
  throw new Error(`The C library could not be opened to lock the data directory (tried ${names.join(", ")}).`, {
    cause: last,
  });
}

function muslArchitecture(): string {
  return process.arch === "arm64" ? "aarch64" : "x86_64";
}

function readHolder(path: string): string {
  try {
    return readFileSync(path, "utf8").trim().slice(0, 200) || "another process";
  } catch {
    return "another process";
  }
}
