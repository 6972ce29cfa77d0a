/**
 * Starts PGlite on a directory so that a commit is on the disk before it is acknowledged.
 * It runs only inside the embedded store's Worker, below the socket that the driver talks to.
 */
import { fsyncSync } from "node:fs";
import { PGlite } from "@electric-sql/pglite";
import { NodeFS } from "@electric-sql/pglite/nodefs";
import { flushTree } from "./flush.ts";

/** A running engine. */
export interface Engine {
  pg: PGlite;
  /** How often the engine asked the operating system to flush a file since it started. */
  countFsyncs(): number;
  /** The last line in which PostgreSQL said that it must stop, if it did. */
  lastFailure(): string | undefined;
}

/**
 * Small buffers: the operating system caches the files anyway, and 128 MB (the default) would be resident twice.
 * Nothing checkpoints in the background here, so the size of the log bounds both the disk it takes
 * and how long a start after a crash replays.
 */
const settings = {
  wal_sync_method: "fsync",
  shared_buffers: "16MB",
  max_wal_size: "128MB",
  min_wal_size: "32MB",
};

/** Opens the database in `directory`, which `createCluster` has made. Raises an error with PostgreSQL's own words. */
export async function startEngine(directory: string): Promise<Engine> {
  let fsyncs = 0;
  let failure: string | undefined;
  const filesystem = openFilesystem(directory, () => {
    fsyncs += 1;
  });
  const startParams = PGlite.defaultStartParams.filter((parameter) => parameter !== "-F");
  for (const [name, value] of Object.entries(settings)) startParams.push("-c", `${name}=${value}`);
  const pg = new PGlite({
    fs: filesystem,
    startParams,
    onStderr: (line) => {
      failure = /(?:PANIC|FATAL):.*/.exec(line)?.[0].slice(0, 500) ?? failure;
      return false;
    },
  });
  try {
    await pg.waitReady;
  } catch (error) {
    throw new Error(`PGlite did not start: ${failure ?? messageOf(error)}`, { cause: error });
  }
  return { pg, countFsyncs: () => fsyncs, lastFailure: () => failure };
}

/** Makes a new cluster in the empty `directory` and flushes every file of it to the disk. */
export async function createCluster(directory: string): Promise<void> {
  const pg = new PGlite({ fs: new NodeFS(directory), initDbStartParams: ["--no-sync", "--no-instructions"] });
  await pg.waitReady;
  await pg.close();
  flushTree(directory);
}

/** Counts the flushes around one committed transaction; raises an error if there was none. */
export async function verifyFsync(engine: Engine): Promise<void> {
  const before = engine.countFsyncs();
  // Writes to the log and nowhere else, so the test leaves nothing behind.
  await engine.pg.exec("select pg_logical_emit_message(true, 'sluice', 'fsync self-test')");
  if (engine.countFsyncs() === before) {
    throw new Error(
      "The embedded store acknowledged a transaction without flushing it to the disk; a power cut could lose money. " +
        "It refuses to start. This version of PGlite needs its fsync hook looked at.",
    );
  }
}

/** NodeFS with the one operation it lacks: without it PostgreSQL's fsync succeeds and does nothing. */
function openFilesystem(directory: string, flushed: () => void): NodeFS {
  const filesystem = new NodeFS(directory);
  const initialize = filesystem.init.bind(filesystem);
  const install = (module: unknown) => {
    const nodefs = (module as EmscriptenModule).FS.filesystems.NODEFS;
    nodefs.stream_ops.fsync = (stream) => {
      const descriptor = stream.nfd;
      if (descriptor === undefined) return 0;
      // The wrapper turns a failure into an errno, on which PostgreSQL stops rather than go on with lost writes.
      nodefs.tryFSOperation(() => fsyncSync(descriptor));
      flushed();
      return 0;
    };
  };
  filesystem.init = async (pg, options) => {
    const { emscriptenOpts } = await initialize(pg, options);
    return { emscriptenOpts: { ...emscriptenOpts, preRun: [...(emscriptenOpts.preRun ?? []), install] } };
  };
  return filesystem;
}

/** The few parts of the Emscripten module that are reached into; its own types do not name them. */
interface EmscriptenModule {
  FS: {
    filesystems: {
      NODEFS: {
        tryFSOperation(operation: () => void): void;
        stream_ops: { fsync?: (stream: { nfd?: number }) => number };
      };
    };
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
