/**
 * Processes under measurement: started, watched for their ready line, read for CPU time and memory, stopped.
 * Figures come from `/proc`, so the benchmarks run on Linux.
 */
import { readdirSync, readFileSync } from "node:fs";

const BUN = process.execPath;
const TICK_MS = 10;

/** CPU time in milliseconds by kind of thread. */
export interface Shares {
  /** The main thread and the runtime's HTTP client: the path of a call. */
  readonly path: number;
  /** The Worker of the embedded database. */
  readonly database: number;
  /** Garbage collection, compilation, the allocator. */
  readonly runtime: number;
}

export interface Measured {
  readonly url: string;
  readonly pid: number;
  readonly startMs: number;
  /** CPU time of all its threads since its start, in milliseconds. */
  cpuMs(): number;
  /** The same, divided by what the threads do. */
  shares(): Shares;
  /** Resident memory in MiB. */
  memoryMiB(): number;
  stop(): Promise<void>;
}

/** Starts a Bun program and waits for the line that says it is ready. */
export async function start(
  script: string,
  args: string[],
  env: Record<string, string>,
  ready: RegExp,
): Promise<Measured> {
  const began = performance.now();
  // The launcher's own choices are the gateway's, not everybody's.
  const { BUN_JSC_useConcurrentGC: _, ...inherited } = process.env;
  const child = Bun.spawn([BUN, script, ...args], {
    env: { ...inherited, BUN_CONFIG_MAX_HTTP_REQUESTS: "65335", ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
  const match = await Promise.race([waitFor(child.stdout, ready), waitFor(child.stderr, ready)]);
  const startMs = performance.now() - began;
  const { pid } = child;
  return {
    pid,
    startMs,
    url: /^\d+$/.test(match) ? `http://127.0.0.1:${match}` : match,
    cpuMs: () => total(shares(pid)),
    shares: () => shares(pid),
    memoryMiB: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024,
    async stop() {
      child.kill("SIGTERM");
      await child.exited;
    },
  };
}

async function waitFor(stream: ReadableStream<Uint8Array>, pattern: RegExp): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let found: ((value: string) => void) | undefined;
  const promise = new Promise<string>((resolve) => {
    found = resolve;
  });
  void (async () => {
    for await (const chunk of stream) {
      if (!found) continue;
      text += decoder.decode(chunk, { stream: true });
      const match = pattern.exec(text);
      if (!match) continue;
      found(match[1] ?? "");
      found = undefined;
    }
  })();
  return promise;
}

export function total({ path, database, runtime }: Shares): number {
  return path + database + runtime;
}

/** User and system time of all threads. `schedstat` counts nanoseconds, where the kernel has it. */
function shares(pid: number): Shares {
  const found = { path: 0, database: 0, runtime: 0 };
  for (const id of readdirSync(`/proc/${pid}/task`)) {
    const folder = `/proc/${pid}/task/${id}`;
    try {
      const name = readFileSync(`${folder}/comm`, "utf8").trim();
      const kind = id === String(pid) || name === "HTTP Client" ? "path" : name === "Worker" ? "database" : "runtime";
      found[kind] += cpuOf(folder);
    } catch {
      // The thread ended while we looked.
    }
  }
  return found;
}

function cpuOf(folder: string): number {
  const exact = Number(readFileSync(`${folder}/schedstat`, "utf8").split(" ")[0]);
  if (exact > 0) return exact / 1e6;
  const fields = readFileSync(`${folder}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}
