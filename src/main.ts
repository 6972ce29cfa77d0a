/**
 * The only file that touches the process: arguments, configuration, signals, exit codes.
 * Everything it does is a call into the CLI's commands.
 */
import { parseArgs } from "node:util";
import { buildCatalogOf } from "./app/models.ts";
import { CatalogError } from "./catalog/catalog.ts";
import { grantCredits } from "./cli/credits.ts";
import { changeKey, createKeys, listKeys, revokeKey, rotateKey, showKey } from "./cli/keys.ts";
import { listModels } from "./cli/models.ts";
import { applyPrices, diffPrices, resetPrices } from "./cli/prices.ts";
import { serve } from "./cli/serve.ts";
import { simulate } from "./cli/simulate.ts";
import { USAGE, UsageError } from "./cli/usage.ts";
import { ConfigError, loadConfig, processEnvironment } from "./config.ts";
import { PROVIDER_TYPES } from "./providers/index.ts";
import { createLog } from "./telemetry/log.ts";

const print = (text: string) => void process.stdout.write(`${text}\n`);

/** Asks whoever sits at the terminal; undefined when nobody does. */
const confirm = process.stdin.isTTY
  ? async (question: string) => /^y(es)?$/i.test((prompt(`${question} [y/N]`) ?? "").trim())
  : undefined;

const OPTIONS = {
  name: { type: "string" },
  workspace: { type: "string" },
  models: { type: "string" },
  providers: { type: "string" },
  ip: { type: "string" },
  cap: { type: "string", multiple: true },
  limit: { type: "string" },
  amount: { type: "string" },
  reason: { type: "string" },
  "idempotency-key": { type: "string" },
  "limit-reset": { type: "string" },
  rpm: { type: "string" },
  rpd: { type: "string" },
  tpm: { type: "string" },
  expires: { type: "string" },
  disable: { type: "boolean" },
  enable: { type: "boolean" },
  grace: { type: "string" },
  provisioning: { type: "boolean" },
  json: { type: "boolean" },
  only: { type: "string", multiple: true },
  at: { type: "string" },
  yes: { type: "boolean" },
  port: { type: "string" },
  journal: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

function readArguments() {
  try {
    return parseArgs({ args: process.argv.slice(2), options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function run(): Promise<number> {
  const { values, positionals } = readArguments();
  const [command, action, argument] = positionals;
  if (values.help || command === undefined || command === "help") {
    print(USAGE);
    return command === undefined && !values.help ? 2 : 0;
  }
  if (command === "simulate") return simulate(values, print);
  const config = loadConfig({ env: processEnvironment(), providerTypes: PROVIDER_TYPES });
  const quiet = command !== "serve";
  const log = createLog({
    level: quiet ? "error" : config.log.level,
    format: config.log.format,
    write: (line) => void process.stderr.write(`${line}\n`),
  });
  switch (action === undefined ? command : `${command} ${action}`) {
    case "serve":
      return serve(config, log, print);
    case "keys create":
      await createKeys(config, log, values, print);
      return 0;
    case "keys list":
      await listKeys(config, log, print);
      return 0;
    case "keys show":
      await showKey(config, log, argument, print);
      return 0;
    case "keys change":
      await changeKey(config, log, argument, values, print);
      return 0;
    case "keys rotate":
      await rotateKey(config, log, argument, values, print);
      return 0;
    case "keys revoke":
      await revokeKey(config, log, argument, print);
      return 0;
    case "credits grant":
      await grantCredits(config, log, values, print);
      return 0;
    case "prices diff":
      await diffPrices(config, log, values, print);
      return 0;
    case "prices apply":
      await applyPrices(config, log, { ...values, confirm }, print);
      return 0;
    case "prices reset":
      await resetPrices(config, log, values, print);
      return 0;
    case "models":
      listModels(buildCatalogOf(config), values.json ?? false, print);
      return 0;
    default:
      throw new UsageError(`unknown command: ${positionals.join(" ")}`);
  }
}

function explain(error: unknown): string {
  if (error instanceof UsageError) return `sluice: ${error.message}\nRun \`sluice help\` for the commands.`;
  if (error instanceof ConfigError || error instanceof CatalogError) return `sluice: ${error.message}`;
  return `sluice: ${error instanceof Error ? error.message : String(error)}`;
}

try {
  process.exit(await run());
} catch (error) {
  process.stderr.write(`${explain(error)}\n`);
  process.exit(error instanceof UsageError ? 2 : 1);
}
