/**
 * The main thread's side of the embedded store's Worker: starting it, listening for its death, the watchdog, ending it.
 * Every admission reads `reason()`; no query passes through here.
 */
import { Worker } from "node:worker_threads";
import type { FromWorker, ToWorker, WorkerTask } from "./embedded-worker.ts";

/** How the Worker is watched. */
export interface ThreadSettings {
  /** Silence after which `reason()` speaks; after twice as long the Worker is ended. */
  watchdogMs: number;
  /** Called at most once, when the Worker is gone without having been asked to go. */
  onFatal: (reason: string) => void;
}

/** A running Worker. */
export interface EngineThread {
  /** Why the engine cannot take work now, or undefined. */
  reason(): string | undefined;
  /** Ends the engine in order, or by force after a while. Resolves when the thread is gone; never raises an error. */
  close(): Promise<void>;
}

const pingIntervalMs = 1_000;
const startTimeoutMs = 120_000;
const closeTimeoutMs = 15_000;

/** Makes a new cluster in a Worker of its own, whose several hundred megabytes end with it. */
export async function createClusterInThread(directory: string): Promise<void> {
  const worker = spawn({ role: "create", directory });
  try {
    await waitFor(worker, "closed");
  } finally {
    await worker.terminate();
  }
}

/** Starts the engine; resolves when its socket listens. Raises an error with the reason if it does not come up. */
export async function startEngineThread(
  task: Extract<WorkerTask, { role: "serve" }>,
  settings: ThreadSettings,
): Promise<EngineThread> {
  const worker = spawn(task);
  try {
    await waitFor(worker, "ready");
  } catch (error) {
    await worker.terminate();
    throw error;
  }
  return watch(worker, settings);
}

function watch(worker: Worker, settings: ThreadSettings): EngineThread {
  const exited = new Promise<void>((done) => worker.once("exit", () => done()));
  let ending: "closing" | { failed: string } | undefined;
  const watchdog = startWatchdog(worker, settings.watchdogMs, () => fail("it has stopped answering"));
  const fail = (why: string) => {
    if (ending !== undefined) return;
    const reason = `the embedded store is lost: ${why}`;
    ending = { failed: reason };
    watchdog.stop();
    void worker.terminate();
    settings.onFatal(reason);
  };
  worker.on("message", (message: FromWorker) => {
    if (message.type === "pong") watchdog.answered();
    if (message.type === "fatal") fail(message.reason);
  });
  worker.on("error", (error: Error) => fail(error.message));
  worker.on("exit", (code) => fail(`its thread ended with code ${code}`));
  return {
    reason: () => {
      if (ending === "closing") return "the embedded store is closed";
      return ending === undefined ? watchdog.reason() : ending.failed;
    },
    close: async () => {
      watchdog.stop();
      if (ending === undefined) {
        ending = "closing";
        const closed = waitFor(worker, "closed", closeTimeoutMs).catch(() => undefined);
        send(worker, { type: "close" });
        await closed;
        void worker.terminate();
      }
      await exited;
    },
  };
}

interface Watchdog {
  answered(): void;
  reason(): string | undefined;
  stop(): void;
}

function startWatchdog(worker: Worker, watchdogMs: number, giveUp: () => void): Watchdog {
  const intervalMs = Math.min(pingIntervalMs, watchdogMs / 4);
  let askedAt: number | undefined;
  let lookedAt = performance.now();
  const silentMs = () => (askedAt === undefined ? 0 : performance.now() - askedAt);
  const timer = setInterval(() => {
    const now = performance.now();
    // When this thread itself was stuck, the answer may be waiting behind this timer: count from here.
    if (askedAt !== undefined && now - lookedAt > intervalMs + watchdogMs / 2) askedAt = now;
    lookedAt = now;
    if (askedAt === undefined) {
      askedAt = now;
      send(worker, { type: "ping" });
    } else if (silentMs() > 2 * watchdogMs) giveUp();
  }, intervalMs);
  timer.unref();
  return {
    answered: () => {
      askedAt = undefined;
    },
    reason: () =>
      silentMs() > watchdogMs
        ? `the embedded store has not answered for ${Math.round(silentMs() / 1000)} s`
        : undefined,
    stop: () => clearInterval(timer),
  };
}

function spawn(task: WorkerTask): Worker {
  return new Worker(new URL("./embedded-worker.ts", import.meta.url), { workerData: task });
}

function send(worker: Worker, message: ToWorker): void {
  worker.postMessage(message);
}

/** Resolves at the message of type `wanted`; raises an error if the Worker dies, says "fatal", or takes too long. */
function waitFor(worker: Worker, wanted: FromWorker["type"], timeoutMs = startTimeoutMs): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onMessage = (message: FromWorker) => {
    if (message.type === wanted) resolve();
    else if (message.type === "fatal") reject(new Error(message.reason));
  };
  const onExit = (code: number) => reject(new Error(`The embedded store's thread ended with code ${code}.`));
  const timer = setTimeout(() => reject(new Error(`The embedded store took longer than ${timeoutMs} ms.`)), timeoutMs);
  worker.on("message", onMessage);
  worker.on("error", reject);
  worker.on("exit", onExit);
  return promise.finally(() => {
    clearTimeout(timer);
    worker.off("message", onMessage);
    worker.off("error", reject);
    worker.off("exit", onExit);
  });
}
