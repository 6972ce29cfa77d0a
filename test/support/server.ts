/**
 * A whole Sluice in this process, started through the same code as `sluice serve`, with a simulated provider behind it.
 * Tests of everything that only the assembled program can show start one per file and share it among their cases.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { App } from "../../src/app.ts";
import { startServer } from "../../src/cli/serve.ts";
import { loadConfig } from "../../src/config.ts";
import type { DialectId } from "../../src/core/request.ts";
import { OPERATOR_WORKSPACE } from "../../src/identity/workspaces.ts";
import { PROVIDER_TYPES } from "../../src/providers/index.ts";
import { type JournalEntry, type Simulator, serveSimulator } from "../../src/simulator/index.ts";
import { createLog } from "../../src/telemetry/log.ts";

export interface SluiceOptions {
  /** The configuration file as YAML; `${SIMULATOR_URL}` stands for the simulated provider's address. */
  file?: string;
  env?: Record<string, string>;
}

/** A running Sluice. */
export interface Sluice {
  /** Without a slash at the end. */
  readonly url: string;
  /** An API key of the operator's workspace. */
  readonly key: string;
  readonly rootKey: string;
  /** The simulated provider that the default configuration calls. */
  readonly simulator: Simulator;
  readonly app: App;
  /** What it logged, one line an event. */
  readonly log: readonly string[];
  /** What the provider noted of a call, found by the id in the answer's `x-request-id`; the newest attempt of several. */
  journal(requestId: string): JournalEntry | undefined;
  stop(): Promise<void>;
}

/** The models of the default configuration: each speaks one format only, so that a model's name picks the upstream's format. */
export const FAMILIES = ["sim-chat", "sim-responses", "sim-messages", "sim-gemini", "sim-gemini-3"] as const;
export type Family = (typeof FAMILIES)[number];

/** What the upstream calls each model; providers behave differently by name, and so does the simulated one. */
const UPSTREAM: Record<Family, { provider: string; model: string }> = {
  "sim-chat": { provider: "chat", model: "gpt-simulated" },
  "sim-responses": { provider: "responses", model: "gpt-simulated" },
  "sim-messages": { provider: "messages", model: "claude-simulated" },
  "sim-gemini": { provider: "gemini", model: "gemini-2.5-flash" },
  "sim-gemini-3": { provider: "gemini", model: "gemini-3-flash" },
};

/** The format that a model of the default configuration is called in. */
export function dialectOf(family: Family): DialectId {
  if (family === "sim-chat") return "openai-chat";
  if (family === "sim-responses") return "openai-responses";
  return family === "sim-messages" ? "anthropic-messages" : "gemini";
}

const CAPABILITIES = "[tools, images, files, audio, video, thinking, structured-output]";

function provider(id: string, path: string, dialect: string): string {
  const base = `"\${SIMULATOR_URL}${path}"`;
  return `  - { id: ${id}, type: custom, base_url: ${base}, api_keys: [sim-key], dialects: [${dialect}] }`;
}

function model(id: Family): string {
  const { provider, model } = UPSTREAM[id];
  return [
    `  - id: ${id}`,
    `    endpoints: [{ provider: ${provider}, model: ${model} }]`,
    "    price: { input: 1, output: 4, cache_read: 0.1, cache_write: 1.25 }",
    "    context: 200000",
    "    max_output: 32000",
    `    capabilities: ${CAPABILITIES}`,
  ].join("\n");
}

/** One simulated provider behind four configured ones, one for each format. */
export const FOUR_FORMATS = [
  "providers:",
  provider("chat", "/v1", "openai-chat"),
  provider("responses", "/v1", "openai-responses"),
  provider("messages", "/v1", "anthropic-messages"),
  provider("gemini", "/v1beta", "gemini"),
  "models:",
  ...FAMILIES.map(model),
  "catalog: { curated: false }",
  // Tests of failures fail on purpose, many in a row.
  "circuits: { failures: 0, retry_percent: 1000 }",
  "",
].join("\n");

const ROOT_KEY = "a-root-key-for-tests-of-32-characters-or-more";
const MAX_LOG_LINES = 10_000;

/** Starts a Sluice on a free port of 127.0.0.1 with a data directory of its own. The caller stops it. */
export async function startSluice(options: SluiceOptions = {}): Promise<Sluice> {
  const simulator = serveSimulator({ port: 0 });
  const directory = mkdtempSync(join(tmpdir(), "sluice-test-"));
  const log: string[] = [];
  try {
    const config = loadConfig({
      env: {
        SLUICE_CONFIG: "test.yaml",
        SLUICE_DATA: directory,
        SLUICE_ROOT_KEY: ROOT_KEY,
        PORT: "0",
        SIMULATOR_URL: simulator.url,
        ...options.env,
      },
      providerTypes: PROVIDER_TYPES,
      readFile: (path) => (path === "test.yaml" ? (options.file ?? FOUR_FORMATS) : undefined),
    });
    const write = (line: string) => {
      if (log.length < MAX_LOG_LINES) log.push(line);
    };
    const served = await startServer(config, createLog({ level: "debug", format: "text", write }));
    const { key } = await served.app.keys.create({ workspaceId: OPERATOR_WORKSPACE, name: "test" });
    return {
      url: served.url,
      key,
      rootKey: ROOT_KEY,
      simulator: simulator.simulator,
      app: served.app,
      log,
      journal: (id) => simulator.simulator.journal().findLast((entry) => entry.id === id),
      async stop() {
        await served.stop();
        await simulator.stop();
        rmSync(directory, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await simulator.stop();
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}
