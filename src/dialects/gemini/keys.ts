/**
 * Brings the keys of a request's objects into the one spelling that the decoder reads: the API takes camelCase and snake_case.
 * Used on one object at a time, so that the caller's own names (schema properties, arguments) are never touched.
 */
import { asObject, type Json, type JsonObject, rest, setOwn } from "../../core/json.ts";

const JOINT = /([a-z0-9])_([a-z])/g;

/** `max_output_tokens` as `maxOutputTokens`. */
export function camelKey(key: string): string {
  return key.replace(JOINT, (_, before: string, letter: string) => before + letter.toUpperCase());
}

/** The object with its own keys in camelCase, values untouched; the object itself when there is nothing to change. */
export function camelKeys(object: JsonObject): JsonObject {
  let changes = false;
  for (const key in object) if (key.includes("_")) changes = true;
  if (!changes) return object;
  const result: JsonObject = {};
  for (const key in object) setOwn(result, camelKey(key), object[key]);
  return result;
}

/** The value as an object with camelCase keys, or undefined for anything else. */
export function camelObject(value: Json | undefined): JsonObject | undefined {
  const object = asObject(value);
  return object && camelKeys(object);
}

/** What is left of an object besides the known keys; nulls count as absent, as the API treats them. */
export function others(object: JsonObject, known: ReadonlySet<string>): JsonObject | undefined {
  const left = rest(object, known);
  if (!left) return undefined;
  let any = false;
  for (const key in left) {
    if (left[key] === null) delete left[key];
    else any = true;
  }
  return any ? left : undefined;
}
