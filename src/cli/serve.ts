/**
 * `sluice serve`: opens the app, listens, tells the operator how to begin, and drains on SIGTERM.
 * The only file that starts a server for the outside.
 */
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type App, openApp } from "../app.ts";
import type { Config } from "../config.ts";
import { addressList, clientAddress } from "../identity/address.ts";
import { parseKey } from "../identity/key.ts";
import { OPERATOR_WORKSPACE } from "../identity/workspaces.ts";
import { PROVIDER_TYPES } from "../providers/index.ts";
import type { Log } from "../telemetry/log.ts";
import { controlFile } from "./control.ts";

/** A running gateway. */
export interface Served {
  readonly app: App;
  readonly url: string;
  /** Stops taking work, lets live calls end (at most the drain time), writes what is left, closes. */
  stop(): Promise<void>;
}

const DRAIN_POLL_MS = 50;

/** Opens and listens. Throws what `openApp` throws, and an error that names the address when it is in use. */
export async function startServer(config: Config, log: Log, onFatal?: (reason: string) => void): Promise<Served> {
  const controlToken = randomBytes(32).toString("hex");
  const app = await openApp(config, log, [controlToken], onFatal);
  const headerSeconds = Math.min(255, Math.max(1, Math.ceil(config.timeouts.headerReadMs / 1000)));
  const proxies = addressList(config.trustedProxies);
  let server: Bun.Server<undefined>;
  try {
    server = Bun.serve({
      port: config.port,
      hostname: config.host,
      idleTimeout: headerSeconds,
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      // The runtime's own pages for developers show the inside, and its log has a trace for each caller that stalls.
      development: false,
      fetch: (request, self) =>
        app.fetch(request, {
          bodyRead: () => self.timeout(request, 0),
          clientAddress: () =>
            clientAddress(self.requestIP(request)?.address, request.headers.get("x-forwarded-for"), proxies),
        }),
      error: () =>
        Response.json({ error: { code: "internal_error", message: "Something went wrong." } }, { status: 500 }),
    });
  } catch (error) {
    await app.close();
    throw new Error(`cannot listen on ${config.host}:${config.port}: ${(error as Error).message}`);
  }
  const url = `http://${config.host.includes(":") ? `[${config.host}]` : config.host}:${server.port}`;
  const control = controlFile(config.dataDir);
  mkdirSync(config.dataDir, { recursive: true });
  writeFileSync(control, JSON.stringify({ url, token: controlToken }), { mode: 0o600 });
  chmodSync(control, 0o600);
  let stopped: Promise<void> | undefined;
  return {
    app,
    url,
    stop() {
      stopped ??= drain(app, server, config, log).finally(() => rmSync(control, { force: true }));
      return stopped;
    },
  };
}

async function drain(app: App, server: Bun.Server<undefined>, config: Config, log: Log): Promise<void> {
  app.stopTakingWork();
  const deadline = performance.now() + config.timeouts.drainMs;
  if (app.gateway.running > 0) log.info("draining", { calls: app.gateway.running });
  while (app.gateway.running > 0 && performance.now() < deadline) await Bun.sleep(DRAIN_POLL_MS);
  await server.stop(true);
  await app.close();
}

/** The key that a first start prints. In simulated mode it is kept in a file, so that every start can print it again. */
async function beginnersKey(app: App, config: Config): Promise<string | undefined> {
  const file = join(config.dataDir, "first-key");
  if (app.simulated) {
    const kept = readKept(file);
    const parsed = kept ? parseKey(kept) : undefined;
    if (kept && parsed?.ok && (await app.keys.findByHash(parsed.hash))) return kept;
  } else if (!app.firstStart) return undefined;
  const { key } = await app.keys.create({ workspaceId: OPERATOR_WORKSPACE, name: "first key" });
  if (app.simulated) writeFileSync(file, key, { mode: 0o600 });
  return key;
}

function readKept(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return undefined;
  }
}

/** Of the variables that switch providers on, how many are printed. */
const SHOWN_VARIABLES = 3;

/** Which model the printed example calls: a small current one if it is offered, else the first. */
const EXAMPLE_MODELS = ["gpt-4o-mini", "claude-haiku-4-5", "gemini-2.5-flash"];

function example(url: string, key: string, app: App): string {
  const model = EXAMPLE_MODELS.find((id) => app.catalog.find(id)) ?? app.catalog.models[0]?.id ?? "MODEL";
  const body = JSON.stringify({ model, stream: true, messages: [{ role: "user", content: "Hello!" }] });
  return [
    `curl -N ${url}/v1/chat/completions \\`,
    `  -H "Authorization: Bearer ${key}" -H "Content-Type: application/json" \\`,
    `  -d '${body}'`,
  ].join("\n");
}

/** Runs until a signal. Resolves with the exit code. */
export async function serve(config: Config, log: Log, print: (text: string) => void): Promise<number> {
  for (const warning of config.warnings) log.warn(warning);
  const fatal = Promise.withResolvers<string>();
  const served = await startServer(config, log, fatal.resolve);
  // Whoever reads that it is ready may stop it the moment after.
  const signal = untilSignal();
  const key = await beginnersKey(served.app, config);
  log.info(`Sluice is ready at ${served.url}`, {
    models: served.app.catalog.models.length,
    database: served.app.database.kind,
  });
  if (served.app.simulated) {
    print("\nNo provider key is set, so a simulated provider answers (no network, play money).");
    const variables = Object.values(PROVIDER_TYPES).flatMap((type) => type.keyVariables.slice(0, 1));
    const shown = variables.slice(0, SHOWN_VARIABLES).join(", ");
    print(`For the real models set one or more of ${shown} … (docs/providers.md has them all).`);
  }
  if (key) {
    print(`\nYour API key: ${key}`);
    if (!served.app.simulated) print("It is shown only this once. More: ./bin/sluice keys create --name NAME");
    print(`\nTry it:\n${example(served.url, key, served.app)}\n`);
  }
  const lost = await Promise.race([signal, fatal.promise]);
  if (lost !== undefined) {
    log.error("the database is lost; a new start recovers it", { reason: lost });
    return 1;
  }
  log.info("stopping");
  const second = untilSignal().then(() => "again" as const);
  const end = await Promise.race([served.stop().then(() => "stopped" as const), second]);
  if (end === "again") log.warn("stopped at once by a second signal");
  return 0;
}

function untilSignal(): Promise<undefined> {
  return new Promise((resolve) => {
    process.once("SIGTERM", () => resolve(undefined));
    process.once("SIGINT", () => resolve(undefined));
  });
}
