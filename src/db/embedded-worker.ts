/**
 * The thread in which the embedded store runs: PGlite blocks while it works, so it must never share the main loop.
 * Every query of an installation without `DATABASE_URL` arrives here over a unix socket, from the one driver connection.
 */
import { parentPort, workerData } from "node:worker_threads";
import type { PGlite } from "@electric-sql/pglite";
import { PGLiteSocketServer } from "@electric-sql/pglite-socket";
import { createCluster, type Engine, startEngine, verifyFsync } from "./embedded-engine.ts";

/** What the Worker is started with. */
export type WorkerTask =
  | { role: "create"; directory: string }
  | { role: "serve"; directory: string; socketPath: string };

/** What the main thread says to the Worker. */
export type ToWorker = { type: "ping" } | { type: "close" };

/** What the Worker says to the main thread. */
export type FromWorker = { type: "ready" } | { type: "pong" } | { type: "closed" } | { type: "fatal"; reason: string };

const port = parentPort;
if (port === null) throw new Error("embedded-worker.ts runs only as a Worker");
const say = (message: FromWorker) => port.postMessage(message);

/** Ends the thread: after this PGlite's memory cannot be trusted, and the files are as after a kill. */
function fail(reason: string): never {
  say({ type: "fatal", reason });
  process.exit(1);
}

/**
 * The driver has one connection; but when it lost that one, it opens the next before the end of the last is seen here.
 * More than one in use at a time would mix up their prepared statements.
 */
const maxConnections = 4;

async function main(task: WorkerTask): Promise<void> {
  if (task.role === "create") {
    await createCluster(task.directory);
    say({ type: "closed" });
    return;
  }
  const engine = await startEngine(task.directory);
  watchForCrash(engine);
  await verifyFsync(engine);
  const server = new PGLiteSocketServer({ db: guard(engine), path: task.socketPath, maxConnections });
  await server.start();
  port?.on("message", (message: ToWorker) => {
    if (message.type === "ping") say({ type: "pong" });
    if (message.type === "close") void close(server, engine);
  });
  say({ type: "ready" });
}

async function close(server: PGLiteSocketServer, engine: Engine): Promise<void> {
  await server.stop();
  await engine.pg.close();
  say({ type: "closed" });
}

/** The exit status with which PGlite says "an SQL error was raised", its only harmless exception. */
const sqlErrorStatus = 100;

/**
 * PGlite swallows every exception of its main loop and calls it again, also after a PANIC or a trap,
 * so a dead engine would spin for ever; this ends the thread at the first such exception instead.
 */
function watchForCrash(engine: Engine): void {
  const module = engine.pg.Module as unknown as { _PostgresMainLoopOnce: () => void };
  const loop = module._PostgresMainLoopOnce;
  module._PostgresMainLoopOnce = () => {
    try {
      loop();
    } catch (error) {
      const status = error instanceof Object && "status" in error ? error.status : undefined;
      if (status !== sqlErrorStatus) fail(`PGlite crashed: ${engine.lastFailure() ?? describe(error)}`);
      throw error;
    }
  };
}

/**
 * The part of PGlite that the socket server uses. A new connection gets a clean session, as with a real server
 * (the driver names its prepared statements from one again), and a failure below the protocol ends the thread,
 * because the server's queue would hang on it.
 */
function guard(engine: Engine): PGlite {
  const { pg } = engine;
  const run: PGlite["execProtocolRawStream"] = async (message, options) => {
    try {
      if (message[0] === 0) {
        if (pg.isInTransaction()) await pg.execProtocolRawStream(simpleQuery("rollback"), unheard);
        await pg.execProtocolRawStream(simpleQuery("discard all"), unheard);
      }
      await pg.execProtocolRawStream(message, options);
    } catch (error) {
      fail(`PGlite failed: ${engine.lastFailure() ?? describe(error)}`);
    }
  };
  const part = {
    waitReady: pg.waitReady,
    runExclusive: <T>(work: () => Promise<T>) => pg.runExclusive(work),
    isInTransaction: () => pg.isInTransaction(),
    exec: () => run(simpleQuery("rollback"), unheard),
    execProtocolRawStream: run,
  };
  return part as unknown as PGlite;
}

const unheard = { onRawData: () => {} };

/** A `Query` message of the PostgreSQL protocol: type, length, text, zero. */
function simpleQuery(text: string): Uint8Array {
  const body = Buffer.from(`${text}\0`);
  const message = Buffer.alloc(5 + body.length);
  message.write("Q");
  message.writeInt32BE(4 + body.length, 1);
  body.copy(message, 5);
  return new Uint8Array(message);
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

main(workerData as WorkerTask).catch((error: unknown) => fail(error instanceof Error ? error.message : String(error)));
