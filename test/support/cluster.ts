/**
 * Gateways and a simulated provider as processes of their own, which tests kill, freeze and start again.
 * For what must be true of the program as it is run: a process that dies takes nothing with it but its memory.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JournalEntry } from "../../src/simulator/index.ts";

/** A child process that serves. */
export interface Served {
  readonly url: string;
  readonly pid: number;
  /** From its start until it said that it is ready. */
  readonly readyMs: number;
  /** The last lines it wrote. */
  readonly log: readonly string[];
  /** Resolves with the exit code, or the name of the signal that ended it. */
  readonly exited: Promise<number | string>;
  signal(name: "SIGKILL" | "SIGTERM" | "SIGSTOP" | "SIGCONT"): void;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
}

/** The simulated provider, whose journal outlives every gateway. */
export interface Upstream extends Served {
  journal(): Promise<JournalEntry[]>;
  /** Empties the journal. */
  forget(): Promise<void>;
}

/** Where the processes of a test run, and what they were. */
export interface Cluster {
  readonly directory: string;
  /** Writes a configuration file and gives its path. */
  file(text: string): string;
  startNode(options: NodeOptions): Promise<Served>;
  /** Starts a gateway without waiting until it is ready. */
  launchNode(options: NodeOptions): { readonly ready: Promise<Served>; kill(): Promise<void> };
  startUpstream(): Promise<Upstream>;
  /** Something to be removed when everything ends. */
  onStop(remove: () => void): void;
  /** Kills every process that was started and removes the directory. Also when the tests' process exits. */
  stop(): Promise<void>;
}

export interface NodeOptions {
  /** The path of the configuration file. */
  readonly config: string;
  readonly dataDir: string;
  readonly env?: Readonly<Record<string, string>>;
}

export const ROOT_KEY = "a-root-key-for-tests-of-32-characters-or-more";
const PROGRAM = new URL("../../bin/sluice", import.meta.url).pathname;
const READY = /is ready at (http:\/\/[^\s"]+)/;
/** A process that is not ready by then never will be; the machine may be busy with much else. */
const READY_WITHIN_MS = 60_000;
const MAX_LINES = 400;

/** A place for processes. The caller stops it. */
export function makeCluster(): Cluster {
  const directory = mkdtempSync(join(tmpdir(), "sluice-crash-"));
  const children = new Set<Child>();
  const removals = [() => rmSync(directory, { recursive: true, force: true })];
  const killAll = () => {
    for (const child of children) child.process.kill("SIGKILL");
    for (const remove of removals) remove();
  };
  process.once("exit", killAll);
  let files = 0;
  const launch = (parameters: readonly string[], env: Readonly<Record<string, string>>): Child => {
    const child = spawn(parameters, env, directory);
    children.add(child);
    void child.exited.then(() => children.delete(child));
    return child;
  };
  const launchNode = ({ config, dataDir, env }: NodeOptions): Child =>
    launch(["serve"], {
      SLUICE_CONFIG: config,
      SLUICE_DATA: dataDir,
      SLUICE_ROOT_KEY: ROOT_KEY,
      PORT: "0",
      ...env,
    });
  return {
    directory,
    file(text) {
      const path = join(directory, `${++files}.yaml`);
      writeFileSync(path, text);
      return path;
    },
    onStop: (remove) => void removals.push(remove),
    launchNode: (options) => {
      const child = launchNode(options);
      return { ready: child.ready, kill: child.kill };
    },
    startNode: (options) => launchNode(options).ready,
    async startUpstream() {
      const served = await launch(["simulate", "--port", "0", "--journal", join(directory, "upstream.ndjson")], {})
        .ready;
      const place = `${served.url}/__journal`;
      return {
        ...served,
        journal: async () => (await (await fetch(`${place}?format=json`)).json()) as JournalEntry[],
        forget: async () => void (await fetch(place, { method: "DELETE" })),
      };
    },
    async stop() {
      process.off("exit", killAll);
      const gone = [...children].map(({ exited }) => exited);
      killAll();
      await Promise.all(gone);
      // Those that were just killed may have written meanwhile.
      for (const remove of removals) remove();
    },
  };
}

interface Child {
  readonly process: Bun.Subprocess;
  readonly exited: Promise<number | string>;
  readonly ready: Promise<Served>;
  kill(): Promise<void>;
}

function spawn(parameters: readonly string[], env: Readonly<Record<string, string>>, cwd: string): Child {
  const startedMs = performance.now();
  const child = Bun.spawn([PROGRAM, ...parameters], {
    // Nothing of the surroundings: a provider's key among them would switch that provider on.
    env: { PATH: Bun.env.PATH ?? "", HOME: cwd, TMPDIR: tmpdir(), ...env },
    cwd,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const log: string[] = [];
  const found = Promise.withResolvers<string>();
  const hear = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const bytes of stream) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      log.push(...lines);
      if (log.length > MAX_LINES) log.splice(0, log.length - MAX_LINES);
      for (const line of lines) {
        const url = READY.exec(line)?.[1];
        if (url) found.resolve(url);
      }
    }
  };
  void hear(child.stdout).catch(() => {});
  void hear(child.stderr).catch(() => {});
  const exited = child.exited.then((code) => child.signalCode ?? code);
  const said = () => `${parameters.join(" ")}: ${log.slice(-20).join("\n")}`;
  const timer = setTimeout(() => found.reject(new Error(`not ready in time: ${said()}`)), READY_WITHIN_MS);
  void exited.then((code) => found.reject(new Error(`ended with ${code} before it was ready: ${said()}`)));
  const kill = async () => {
    child.kill("SIGKILL");
    await exited;
  };
  const ready = found.promise
    .finally(() => clearTimeout(timer))
    .then(
      (url): Served => ({
        url,
        pid: child.pid,
        readyMs: Math.round(performance.now() - startedMs),
        log,
        exited,
        signal: (name) => child.kill(name),
        kill,
      }),
    );
  // Whoever launched it and killed it at once does not wait for this.
  ready.catch(() => {});
  return { process: child, exited, ready, kill };
}

/** Asks the management API with the root key. Throws what it answered when that is not a success. */
export async function manage(node: { readonly url: string }, path: string, body?: object): Promise<Answer> {
  const response = await fetch(`${node.url}/api/${path}`, {
    method: body ? "POST" : "GET",
    headers: { authorization: `Bearer ${ROOT_KEY}`, "content-type": "application/json" },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return JSON.parse(text) as Answer;
}

/** JSON whose shape the tests know. */
export interface Answer {
  readonly [field: string]: unknown;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A workspace and a key of it. */
export interface Account {
  readonly workspaceId: string;
  readonly key: string;
  readonly keyHash: string;
}

/** Makes a workspace with the welcome credit of the configuration, and a key with these limits. */
export async function makeAccount(
  node: { readonly url: string },
  options: { readonly plan?: string; readonly key?: object } = {},
): Promise<Account> {
  const wish = { name: "crash", ...(options.plan ? { plan: options.plan } : {}) };
  const workspace = await manage(node, "admin/workspaces", wish);
  const workspaceId = String(workspace.id ?? workspace.data.id);
  return { workspaceId, ...(await makeKey(node, workspaceId, options.key)) };
}

/** Makes another key of a workspace. */
export async function makeKey(
  node: { readonly url: string },
  workspace: string,
  limits: object = {},
): Promise<{ key: string; keyHash: string }> {
  const made = await manage(node, "v1/keys", { name: "crash", workspace, ...limits });
  return { key: String(made.key), keyHash: String(made.data.hash) };
}
