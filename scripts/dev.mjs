/**
 * `npm run dev`: the server and a simulated provider with hot reload, and a key with credit to call them with.
 * It keeps its state in `.cache/dev`, apart from that of `npm start`; delete the folder to begin anew.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensurePackages, ROOT, runtimeEnvironment, standInFor, startRuntime } from "./lib.mjs";

const STATE = join(ROOT, ".cache", "dev");
const MAIN = join(ROOT, "src/main.ts");
const SIMULATOR_PORT = "9100";
const READY_TIMEOUT_MS = 60_000;

/** Every provider type at the simulator. Keys are made up: those of the environment must not go there. */
const DEV_CONFIG = `# Written by npm run dev when there is no sluice.yaml. Delete it to have it written again.
log: { level: debug, format: text }
defaults: { welcome_credit_usd: 100.00 }
providers:
  - { id: openai, type: openai, base_url: "http://127.0.0.1:${SIMULATOR_PORT}/v1", api_keys: [simulated] }
  - { id: anthropic, type: anthropic, base_url: "http://127.0.0.1:${SIMULATOR_PORT}/v1", api_keys: [simulated] }
  - { id: google, type: google, base_url: "http://127.0.0.1:${SIMULATOR_PORT}/v1beta", api_keys: [simulated] }
`;

ensurePackages();
mkdirSync(STATE, { recursive: true });
const rootKey = process.env.SLUICE_ROOT_KEY || kept("root-key", () => randomBytes(32).toString("base64url"));
const base = `http://127.0.0.1:${process.env.PORT || 8787}`;
const env = runtimeEnvironment({
  SLUICE_ROOT_KEY: rootKey,
  SLUICE_CONFIG: configFile(),
  SLUICE_DATA: process.env.SLUICE_DATA || join(STATE, "data"),
});
const simulator = startRuntime(["--watch", MAIN, "simulate", "--port", SIMULATOR_PORT], { env });
const server = startRuntime(["--watch", "--no-clear-screen", MAIN, "serve"], { env });
process.on("exit", () => simulator.kill());
standInFor(server);
await printKey();

function kept(name, make) {
  const file = join(STATE, name);
  if (!existsSync(file)) writeFileSync(file, make(), { mode: 0o600 });
  return readFileSync(file, "utf8");
}

function configFile() {
  if (process.env.SLUICE_CONFIG) return process.env.SLUICE_CONFIG;
  if (existsSync("sluice.yaml")) return "sluice.yaml";
  kept("sluice.yaml", () => DEV_CONFIG);
  return join(STATE, "sluice.yaml");
}

async function printKey() {
  if (!(await ready())) return console.error(`The server was not ready after ${READY_TIMEOUT_MS / 1000} s.`);
  try {
    const key = (await keyFromBefore()) ?? (await newKey());
    console.log(`\nA key with credit: ${key}\nTry it: curl ${base}/v1/models -H "Authorization: Bearer ${key}"\n`);
  } catch (error) {
    console.error(`No key could be made: ${error.message}`);
  }
}

async function ready() {
  for (const end = Date.now() + READY_TIMEOUT_MS; Date.now() < end; ) {
    const reply = await fetch(`${base}/readyz`).catch(() => undefined);
    if (reply?.ok) return true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return false;
}

async function keyFromBefore() {
  const file = join(STATE, "key");
  if (!existsSync(file)) return undefined;
  const key = readFileSync(file, "utf8");
  const reply = await fetch(`${base}/api/v1/key`, { headers: { authorization: `Bearer ${key}` } });
  return reply.ok ? key : undefined;
}

async function newKey() {
  const made = await manage("/api/admin/workspaces", { name: "dev" });
  const workspace = made.data?.id ?? made.id;
  const { key } = await manage("/api/v1/keys", { name: "dev", workspace });
  writeFileSync(join(STATE, "key"), key, { mode: 0o600 });
  return key;
}

async function manage(path, body) {
  const headers = { authorization: `Bearer ${rootKey}`, "content-type": "application/json" };
  const reply = await fetch(base + path, { method: "POST", headers, body: JSON.stringify(body) });
  if (!reply.ok) throw new Error(`${path} answered ${reply.status}`);
  return reply.json();
}
