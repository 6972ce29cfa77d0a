/**
 * Words for what is wrong in a configuration: where it stands, what is allowed, what was meant perhaps.
 * `loadConfig` collects these from every step and reports them together.
 */
import type { z } from "zod";
import { keysAt, type Path, rulesAt } from "./walk.ts";

/** Where values came from, so that a mistake names the place a person can mend. */
export interface Origin {
  /** The file's path as it was given. */
  readonly file: string;
  /** The file's content before variables were put in. */
  readonly written: unknown;
  /** Settings that a variable set: the path's text to the variable's name and value. */
  readonly variables: ReadonlyMap<string, { name: string; value: string }>;
}

/** `["providers", 0, "id"]` to `providers[0].id`. */
export function pathText(path: Path): string {
  let text = "";
  for (const key of path) text += typeof key === "number" ? `[${key}]` : text === "" ? key : `.${key}`;
  return text;
}

/** The variable that set the value, else the file and the path in it. */
export function place(origin: Origin, path: Path): string {
  const text = pathText(path);
  return origin.variables.get(text)?.name ?? (text === "" ? origin.file : `${origin.file}: ${text}`);
}

function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string | number, unknown>)[key];
  }
  return value;
}

const MAX_SHOWN = 60;

/** A value as a mistake may show it: short, and nothing of lists and mappings. */
export function shown(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return "a mapping";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

/** "expected X, got Y" for the value at the path. Secret values are not shown; values put in by `${}` show as written. */
export function wrongValue(schema: z.core.$ZodType, origin: Origin, path: Path): string {
  const { text, secret } = rulesAt(schema, path);
  const written = origin.variables.get(pathText(path))?.value ?? valueAt(origin.written, path);
  const where = place(origin, path);
  if (written === undefined || written === null) return `${where}: is required: ${text}.`;
  if (!secret || typeof written === "object") return `${where}: expected ${text}, got ${shown(written)}.`;
  return `${where}: expected ${text}, got something else (not shown).`;
}

/** The sentences for what zod found. */
export function describeIssues(
  schema: z.core.$ZodType,
  origin: Origin,
  issues: readonly z.core.$ZodIssue[],
): { path: string; text: string }[] {
  return issues.flatMap((issue) => {
    const path = issue.path as Path;
    if (issue.code === "unrecognized_keys") {
      const known = keysAt(schema, path);
      return issue.keys.map((key) => ({
        path: pathText([...path, key]),
        text: `${place(origin, [...path, key])}: there is no such setting${didYouMean(key, known)}`,
      }));
    }
    return [{ path: pathText(path), text: wrongValue(schema, origin, path) }];
  });
}

/** The end of a sentence about an unknown word: `; did you mean "x"?`, or a full stop when no known word is near. */
export function didYouMean(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near === undefined ? "." : `; did you mean ${JSON.stringify(near)}?`;
}

/** The known word that is at most a third of its letters away, if there is one. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const plain = (text: string) => text.toLowerCase().replace(/[-_ ]/g, "");
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const distance = editDistance(plain(word.slice(0, 100)), plain(candidate));
    if (distance < bestDistance && distance <= Math.max(1, Math.floor(candidate.length / 3))) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Insertions, deletions, substitutions and swaps of neighbours from one text to the other. */
function editDistance(from: string, to: string): number {
  let before: number[] = [];
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      let least = Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1);
      if (from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) least = Math.min(least, (before[j - 2] ?? 0) + 1);
      next.push(least);
    }
    before = row;
    row = next;
  }
  return row[to.length] ?? 0;
}
