/**
 * Reads what a person wrote: the YAML file with its `${VARIABLES}`, and the settings given as variables.
 * The first step of `loadConfig`; it yields one tree for the schema to judge, and remembers where each value came from.
 */

import { LineCounter, parseDocument } from "yaml";
import type { z } from "zod";
import { asObject, type Json, type JsonObject, setOwn } from "../core/json.ts";
import { nearest, type Origin, pathText, place } from "./mistake.ts";
import { type Path, settingsOf } from "./walk.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where the file is looked for when `SLUICE_CONFIG` does not say. */
export const DEFAULT_FILE = "./sluice.yaml";
const MAX_FILE_CHARACTERS = 8 * 1024 * 1024;
/** Bounds what anchors can multiply. */
const MAX_ALIASES = 1000;
const MAX_DEPTH = 50;

export interface Source {
  /** What the schema judges: the file with variables put in, settings from variables over it. */
  readonly tree: JsonObject;
  readonly origin: Origin;
  readonly mistakes: string[];
  readonly warnings: string[];
  /** Paths that have a mistake already; the schema's word on them would only confuse. */
  readonly settled: Set<string>;
  /** Undefined when there was no file. */
  readonly file: string | undefined;
}

/** A variable's value without surrounding blanks; an empty one counts as not set. */
export function variable(env: Environment, name: string): string | undefined {
  return env[name]?.trim() || undefined;
}

/** Reads file and variables. Never throws: what is wrong is in `mistakes`. */
export function readSource(
  schema: z.core.$ZodType,
  env: Environment,
  readFile: (path: string) => string | undefined,
): Source {
  const mistakes: string[] = [];
  const warnings: string[] = [];
  const settled = new Set<string>();
  const named = variable(env, "SLUICE_CONFIG");
  const path = named ?? DEFAULT_FILE;
  const content = readContent(path, named !== undefined, readFile, mistakes);
  const written = content === undefined ? {} : parseYaml(path, content, mistakes, warnings);
  const variables = new Map<string, { name: string; value: string }>();
  const origin: Origin = { file: path, written, variables };
  const fill = (text: string, at: Path) =>
    interpolate(text, env, (problem) => {
      settled.add(pathText(at));
      mistakes.push(`${place(origin, at)}: ${problem}`);
    });
  const tree = asObject(copy(written, fill, [])) ?? {};
  applyVariables(schema, env, tree, variables);
  warnings.push(...misspelled(schema, env));
  return { tree, origin, mistakes, warnings, settled, file: content === undefined ? undefined : path };
}

function readContent(
  path: string,
  named: boolean,
  readFile: (path: string) => string | undefined,
  mistakes: string[],
): string | undefined {
  try {
    const content = readFile(path);
    if (content === undefined && named) mistakes.push(`SLUICE_CONFIG: there is no file ${JSON.stringify(path)}.`);
    if (content === undefined || content.length <= MAX_FILE_CHARACTERS) return content;
    mistakes.push(`${path}: is longer than ${MAX_FILE_CHARACTERS} characters.`);
  } catch (thrown) {
    const code = (thrown as { code?: unknown })?.code;
    mistakes.push(`${path}: cannot be read${typeof code === "string" ? ` (${code})` : ""}.`);
  }
  return undefined;
}

function parseYaml(path: string, content: string, mistakes: string[], warnings: string[]): JsonObject {
  const lineCounter = new LineCounter();
  const document = parseDocument(content, { prettyErrors: false, lineCounter, logLevel: "silent" });
  const line = (offset: number) => `${path}, line ${lineCounter.linePos(offset).line}`;
  for (const error of document.errors) mistakes.push(`${line(error.pos[0])}: ${error.message}`);
  for (const warning of document.warnings) warnings.push(`${line(warning.pos[0])}: ${warning.message}`);
  if (document.errors.length > 0) return {};
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    const object = value === null || value === undefined ? {} : asObject(value);
    if (object) return object;
    mistakes.push(`${path}: expected a mapping of settings at the top.`);
  } catch (thrown) {
    mistakes.push(`${path}: ${thrown instanceof Error ? thrown.message : "cannot be understood"}`);
  }
  return {};
}

/** A copy with every string filled in and without empty (`null`) settings. */
function copy(value: unknown, fill: (text: string, path: Path) => string, path: Path): Json | undefined {
  if (typeof value === "string") return fill(value, path);
  if (path.length > MAX_DEPTH) return null;
  if (Array.isArray(value)) return value.map((item, i) => copy(item, fill, [...path, i]) ?? null);
  const object = asObject(value);
  if (!object) return value as Json;
  const result: JsonObject = {};
  for (const [key, item] of Object.entries(object)) {
    if (item !== null) setOwn(result, key, copy(item, fill, [...path, key]));
  }
  return result;
}

/** `${NAME}` replaced by the variable; `$${` stands for `${` itself. */
function interpolate(text: string, env: Environment, report: (problem: string) => void): string {
  return text.replace(/\$\$\{|\$\{([^}]*)\}?/g, (found, name: string | undefined) => {
    if (name === undefined) return "${";
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || !found.endsWith("}")) {
      report(`expected the name of a variable in ${JSON.stringify(found.slice(0, 60))} (write $\${ for a plain \${).`);
      return "";
    }
    const value = variable(env, name);
    if (value === undefined) report(`the variable ${name} is not set.`);
    return value ?? "";
  });
}

function applyVariables(
  schema: z.core.$ZodType,
  env: Environment,
  tree: JsonObject,
  variables: Map<string, { name: string; value: string }>,
): void {
  for (const setting of settingsOf(schema)) {
    const value = setting.variable === undefined ? undefined : variable(env, setting.variable);
    if (setting.variable === undefined || value === undefined) continue;
    const [first = "", second] = setting.path;
    if (second === undefined) tree[first] = value;
    else {
      tree[first] ??= {};
      const section = asObject(tree[first]);
      if (section) section[second] = value;
    }
    variables.set(setting.path.join("."), { name: setting.variable, value });
  }
}

/** Variables that look like a setting's. Not a mistake: orchestrators put their own `SLUICE_…` into the environment. */
function misspelled(schema: z.core.$ZodType, env: Environment): string[] {
  const known = settingsOf(schema).flatMap((setting) => setting.variable ?? []);
  known.push("SLUICE_CONFIG");
  return Object.keys(env).flatMap((name) => {
    if (!name.startsWith("SLUICE_") || known.includes(name) || variable(env, name) === undefined) return [];
    const tail = (text: string) => text.replace(/^SLUICE_/, "");
    const near = nearest(tail(name), known.filter((word) => word.startsWith("SLUICE_")).map(tail));
    return near === undefined ? [] : [`${name}: there is no such variable; did you mean SLUICE_${near}?`];
  });
}
