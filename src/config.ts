/**
 * The one place that reads settings: the environment over the file over defaults, all mistakes reported at once.
 * `main.ts` calls it first; everything else is handed its part of the `Config` and knows no variable's name.
 */
import { readFileSync } from "node:fs";
import { buildConfig } from "./config/build.ts";
import { crossCheck } from "./config/check.ts";
import { buildProviders, findKeys, placeProviders, switchedOn } from "./config/keys.ts";
import { describeIssues } from "./config/mistake.ts";
import { fileSchema } from "./config/schema.ts";
import { type Environment, readSource } from "./config/source.ts";
import type { Config, ProviderTypeFacts } from "./config/types.ts";

export type * from "./config/types.ts";

export interface ConfigInput {
  readonly env: Environment;
  /** What `providers/` says of its types, by type. */
  readonly providerTypes: Readonly<Record<string, ProviderTypeFacts>>;
  /** The content of a file, undefined when there is none; the file system's unless a test says otherwise. */
  readonly readFile?: (path: string) => string | undefined;
}

/** The configuration cannot be used. Each mistake is a sentence that names the setting and what is allowed; none holds a secret. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly mistakes: readonly string[];

  constructor(mistakes: readonly string[]) {
    const count = mistakes.length === 1 ? "a mistake" : `${mistakes.length} mistakes`;
    super(`The configuration has ${count}:\n${mistakes.map((mistake) => `- ${mistake}`).join("\n")}`);
    this.mistakes = mistakes;
  }
}

/** Reads and checks every setting. Throws ConfigError with all mistakes. */
export function loadConfig(input: ConfigInput): Config {
  const { env, providerTypes, readFile = readTextFile } = input;
  const source = readSource(fileSchema, env, readFile);
  const found = findKeys(env, providerTypes, { tree: source.tree, readFile });
  const on = switchedOn(source.tree, found, providerTypes);
  const parsed = fileSchema.safeParse(source.tree);
  const issues = parsed.success ? [] : describeIssues(fileSchema, source.origin, parsed.error.issues);
  const mistakes = [
    ...source.mistakes,
    ...issues.filter((issue) => !source.settled.has(issue.path)).map((issue) => issue.text),
    ...crossCheck({ tree: source.tree, origin: source.origin, providerTypes, switchedOn: on.types }),
    ...found.mistakes,
  ];
  if (!parsed.success || mistakes.length > 0) throw new ConfigError(mistakes);
  const warnings = [...source.warnings, ...on.warnings];
  const placed = placeProviders(buildProviders(parsed.data, found, on.types), env, providerTypes);
  if (placed.mistakes.length > 0) throw new ConfigError(placed.mistakes);
  return buildConfig(parsed.data, placed.providers, source.file, warnings);
}

/** The variables of this process: the only use of `process.env` in the program. */
export function processEnvironment(): Environment {
  return process.env;
}

function readTextFile(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (thrown) {
    if ((thrown as { code?: unknown }).code === "ENOENT") return undefined;
    throw thrown;
  }
}
