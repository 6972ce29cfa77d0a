/**
 * The embedded store: a directory, its lock, the cluster in it, the Worker that runs PGlite and the watch on the disk.
 * `openDatabase` opens it when there is no `DATABASE_URL`; queries then go through the driver, not through here.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type DiskWatch, type ReadFreeBytes, readFreeBytes, watchDisk } from "./disk.ts";
import { createClusterInThread, startEngineThread, type ThreadSettings } from "./embedded-thread.ts";
import { flushPath } from "./flush.ts";
import { lockDirectory } from "./lock.ts";

/** What the embedded store needs to know. */
export interface EmbeddedSettings extends ThreadSettings {
  /** The directory that belongs to this store alone; made if missing. */
  dataDir: string;
  /** Free space under which the store says that it is not ready. */
  minFreeBytes: number;
  /** Injected by tests. */
  freeBytes?: ReadFreeBytes | undefined;
}

/** A running embedded store. */
export interface EmbeddedStore {
  /** Where the engine listens, for this user only; it serves one connection. */
  socketPath: string;
  disk: DiskWatch;
  /** Why the store cannot take work now, or undefined. */
  reason(): string | undefined;
  /** Ends the engine in order and gives the directory back. */
  close(): Promise<void>;
}

/** What a new cluster takes, with a margin: PGlite spins when it finds the disk full. */
const newClusterBytes = 128 * 1_048_576;
/** `sun_path` holds 104 bytes on macOS and 108 on Linux, with the closing zero. */
const maxSocketPathBytes = 103;

/**
 * Locks the directory, makes the cluster if there is none, and starts the engine with its watches.
 * Raises `DirectoryLockedError` if another process has the directory. A kill at any moment leaves a directory that opens.
 */
export async function openEmbedded(settings: EmbeddedSettings): Promise<EmbeddedStore> {
  const directory = resolve(settings.dataDir);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const lock = lockDirectory(directory);
  const freeBytes = settings.freeBytes ?? readFreeBytes;
  const socket = prepareSocket(directory);
  try {
    const cluster = join(directory, "postgres");
    await ensureCluster(cluster, () => freeBytes(directory));
    const thread = await startEngineThread({ role: "serve", directory: cluster, socketPath: socket.path }, settings);
    const disk = watchDisk(directory, settings.minFreeBytes, freeBytes);
    return {
      socketPath: socket.path,
      disk,
      reason: () => thread.reason() ?? disk.reason(),
      close: async () => {
        disk.stop();
        await thread.close();
        socket.remove();
        lock.release();
      },
    };
  } catch (error) {
    socket.remove();
    lock.release();
    throw error;
  }
}

/** The cluster is made under another name and renamed when it is whole and flushed, so half of one is never opened. */
async function ensureCluster(cluster: string, freeBytes: () => number): Promise<void> {
  if (existsSync(join(cluster, "PG_VERSION"))) return;
  if (existsSync(cluster) && readdirSync(cluster).length > 0) {
    throw new Error(`${cluster} holds files but no database; move them away or name another data directory.`);
  }
  if (freeBytes() < newClusterBytes) {
    throw new Error(`There is not enough free space to make a database in ${cluster}.`);
  }
  const unfinished = `${cluster}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  await createClusterInThread(unfinished);
  renameSync(unfinished, cluster);
  flushPath(join(cluster, ".."));
}

/** The socket lives in a directory that only this user can enter, because the engine asks nobody for a password. */
function prepareSocket(directory: string): { path: string; remove: () => void } {
  const inside = join(directory, "run");
  const fits = Buffer.byteLength(join(inside, "sql")) <= maxSocketPathBytes;
  // What a killed process left is ours to remove: the lock is held.
  rmSync(inside, { recursive: true, force: true });
  if (fits) mkdirSync(inside, { mode: 0o700 });
  const parent = fits ? inside : mkdtempSync(join(tmpdir(), "sluice-"));
  return { path: join(parent, "sql"), remove: () => rmSync(parent, { recursive: true, force: true }) };
}
