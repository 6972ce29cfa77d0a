/**
 * What the scripts share: where things are, and how packages and the pinned runtime get there.
 * Plain Node without packages, because the scripts run before anything is installed.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
export const BUN = join(ROOT, "node_modules", ".bin", "bun");

/** The most that the runtime accepts. Its own limit of 256 connections would hold back every stream beyond. */
const MAX_CONNECTIONS = "65535";

/** What the runtime is always started with: nothing is read from or installed for the working directory. */
export const RUNTIME_FLAGS = ["--no-install", "--no-env-file", `--config=${join(ROOT, "bunfig.toml")}`];

const RUNTIME_SETTINGS = {
  BUN_CONFIG_MAX_HTTP_REQUESTS: MAX_CONNECTIONS,
  // Collecting garbage beside the program costs a tenth more CPU time per request than stopping it for a few milliseconds.
  BUN_JSC_useConcurrentGC: "0",
};

/** This process's variables and what the runtime must find among them when it starts. */
export function runtimeEnvironment(more = {}) {
  return { ...RUNTIME_SETTINGS, ...process.env, ...more };
}

/** Ends the process with a sentence for a person. */
export function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}

/** Installs the locked packages when they are absent or not those of the lockfile. Says so only when it does. */
export function ensurePackages() {
  const stamp = join(ROOT, "node_modules", ".sluice-lock");
  const wanted = lockHash();
  if (!packagesMatch(stamp, wanted)) {
    process.stderr.write("Installing packages (npm ci) …\n");
    npm("ci", "--no-audit", "--no-fund", "--loglevel=error");
    writeFileSync(stamp, wanted);
  }
  if (!runtimeWorks()) npm("rebuild", "bun", "--foreground-scripts", "--loglevel=error");
  if (!runtimeWorks()) fail("The runtime cannot be started: install scripts must be allowed for the package bun.");
}

function lockHash() {
  return createHash("sha256")
    .update(readFileSync(join(ROOT, "package-lock.json")))
    .digest("hex");
}

function packagesMatch(stamp, wanted) {
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return true;
  const installed = join(ROOT, "node_modules", ".package-lock.json");
  if (!existsSync(installed) || !sameVersions(installed)) return false;
  writeFileSync(stamp, wanted);
  return true;
}

/** Whether npm's own record of what it installed names every locked package that this platform needs. */
function sameVersions(installed) {
  try {
    const have = JSON.parse(readFileSync(installed, "utf8")).packages;
    const locked = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")).packages;
    return Object.entries(locked).every(
      ([path, { version, optional }]) => path === "" || optional || have[path]?.version === version,
    );
  } catch {
    return false;
  }
}

function runtimeWorks() {
  return spawnSync(BUN, ["--version"], { stdio: "ignore" }).status === 0;
}

/** Runs npm in the project, the one that runs this script if there is one; ends the process when it fails. */
function npm(...parameters) {
  const own = process.env.npm_execpath;
  const [command, first] = own?.endsWith(".js") ? [process.execPath, [own]] : ["npm", []];
  // Its words go to the error stream: the last line of standard output belongs to the caller.
  const { status, error } = spawnSync(command, [...first, ...parameters], { cwd: ROOT, stdio: ["ignore", 2, 2] });
  if (status !== 0) fail(error ? `npm cannot be started: ${error.message}` : `npm ${parameters[0]} failed.`);
}

/**
 * Starts the pinned runtime. It ends by itself if this process is killed, and is in a process group of its own:
 * what a terminal or a supervisor sends to the whole group would otherwise reach it twice.
 */
export function startRuntime(parameters, options = {}) {
  return spawn(BUN, [...RUNTIME_FLAGS, "--no-orphans", ...parameters], {
    stdio: "inherit",
    detached: true,
    env: runtimeEnvironment(),
    ...options,
  });
}

/** How long the same signal counts as one: npm and a terminal both send what a person sent once. */
const SAME_SIGNAL_MS = 300;

/** Passes signals on to the child, and ends as the child ends. */
export function standInFor(child) {
  const last = new Map();
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) {
    process.on(signal, () => {
      const now = Date.now();
      if (now - (last.get(signal) ?? 0) > SAME_SIGNAL_MS) child.kill(signal);
      last.set(signal, now);
    });
  }
  child.on("error", (error) => fail(`The runtime cannot be started: ${error.message}`));
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
