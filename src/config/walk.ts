/**
 * Finds things in the schema: the node at a path, and the list of all settings.
 * Mistakes are worded, variables are derived and the reference is written with it.
 */
import { z } from "zod";
import { allowed, notes, type SettingNote } from "./leaf.ts";

export type Path = readonly (string | number)[];

/** One setting, as the reference shows it. */
export interface Setting {
  /** Keys from the root; `[]` stands for an item of a list. */
  readonly path: readonly string[];
  readonly note: SettingNote;
  readonly allowed: string;
  /** Undefined when there is none. */
  readonly fallback: unknown;
  readonly required: boolean;
  /** Its environment variable; undefined inside lists and where it has none. */
  readonly variable: string | undefined;
}

/** The schema inside wrappers that only say what happens when the value is absent. */
function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  let inner = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault) {
    inner = inner.def.innerType;
  }
  return inner;
}

function child(schema: z.core.$ZodType, key: string | number): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodObject) return Object.hasOwn(schema.shape, key) ? schema.shape[key] : undefined;
  if (schema instanceof z.ZodArray) return schema.element;
  if (schema instanceof z.ZodRecord) return schema.valueType;
  return undefined;
}

/** The nodes from the root to the path's end, unwrapped; it stops early where the schema does. */
export function nodesAlong(schema: z.core.$ZodType, path: Path): z.core.$ZodType[] {
  const nodes = [unwrap(schema)];
  for (const key of path) {
    const next = child(nodes.at(-1) as z.core.$ZodType, key);
    if (!next) break;
    nodes.push(unwrap(next));
  }
  return nodes;
}

/** What the schema allows at the path, in words, and whether a value there must not be shown. */
export function rulesAt(schema: z.core.$ZodType, path: Path): { text: string; secret: boolean } {
  const nodes = nodesAlong(schema, path);
  const last = nodes.at(-1) as z.core.$ZodType;
  return {
    text: allowed.get(last as z.ZodType)?.text ?? "another value",
    secret: nodes.some((node) => notes.get(node as z.ZodType)?.secret === true),
  };
}

/** The keys that a mapping at the path may have. */
export function keysAt(schema: z.core.$ZodType, path: Path): string[] {
  const node = nodesAlong(schema, path).at(-1);
  return node instanceof z.ZodObject ? Object.keys(node.shape) : [];
}

/** Every setting below the schema, in the schema's order. */
export function settingsOf(schema: z.core.$ZodType, path: readonly string[] = []): Setting[] {
  const inner = unwrap(schema);
  const note = notes.get(inner as z.ZodType);
  if (note) {
    const text = allowed.get(inner as z.ZodType)?.text ?? "";
    const fallback = schema instanceof z.ZodDefault ? schema.def.defaultValue : undefined;
    const required = schema === inner;
    return [{ path, note, allowed: text, fallback, required, variable: variableOf(path, note) }];
  }
  if (inner instanceof z.ZodArray) return settingsOf(inner.element, [...path, "[]"]);
  if (!(inner instanceof z.ZodObject)) return [];
  return Object.entries(inner.shape as z.core.$ZodShape).flatMap(([key, value]) => settingsOf(value, [...path, key]));
}

function variableOf(path: readonly string[], note: SettingNote): string | undefined {
  if (note.variable === null || path.includes("[]")) return undefined;
  return note.variable ?? `SLUICE_${path.join("_").toUpperCase()}`;
}
