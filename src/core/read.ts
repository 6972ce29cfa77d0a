/**
 * Strict readers for a caller's request: a value of a wrong type is an `invalid_request` that names the parameter's path.
 * Request decoders and `peek` use them; `null` counts as absent everywhere, as the real APIs treat it.
 */
import { invalidRequest } from "./error.ts";
import type { Json, JsonObject } from "./json.ts";

/** `a` and `b` to `a.b`; an index to `a[0]`. */
export function at(path: string, key: string | number): string {
  if (typeof key === "number") return `${path}[${key}]`;
  return path === "" ? key : `${path}.${key}`;
}

function wrong(path: string, wanted: string, value: Json | undefined): Error {
  const got =
    value === undefined ? "nothing" : value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
  return invalidRequest(`${path || "The request body"}: expected ${wanted}, got ${got}.`, path);
}

/** Reads an optional string. Throws `invalid_request` for any other type. */
export function optionalString(object: JsonObject, key: string, path = ""): string | undefined {
  const value = object[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") throw wrong(at(path, key), "a string", value);
  return value;
}

/** Reads an optional finite number. Throws `invalid_request` for any other type. */
export function optionalNumber(object: JsonObject, key: string, path = ""): number | undefined {
  const value = object[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !Number.isFinite(value)) throw wrong(at(path, key), "a number", value);
  return value;
}

/** Reads an optional whole number of at least `minimum`. Throws `invalid_request` otherwise. */
export function optionalInteger(object: JsonObject, key: string, path = "", minimum = 0): number | undefined {
  const value = optionalNumber(object, key, path);
  if (value === undefined) return undefined;
  if (!Number.isSafeInteger(value) || value < minimum) {
    throw invalidRequest(
      `${at(path, key)}: expected a whole number of at least ${minimum}, got ${value}.`,
      at(path, key),
    );
  }
  return value;
}

/** Reads an optional boolean. Throws `invalid_request` for any other type. */
export function optionalBoolean(object: JsonObject, key: string, path = ""): boolean | undefined {
  const value = object[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "boolean") throw wrong(at(path, key), "true or false", value);
  return value;
}

/** Reads an optional array. Throws `invalid_request` for any other type. */
export function optionalArray(object: JsonObject, key: string, path = ""): Json[] | undefined {
  const value = object[key];
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw wrong(at(path, key), "an array", value);
  return value;
}

/** Reads an optional object. Throws `invalid_request` for any other type. */
export function optionalObject(object: JsonObject, key: string, path = ""): JsonObject | undefined {
  const value = object[key];
  if (value === undefined || value === null) return undefined;
  return toObject(value, at(path, key));
}

/** Reads a string that must be there. Throws `invalid_request` when it is absent or of another type. */
export function requiredString(object: JsonObject, key: string, path = ""): string {
  const value = object[key];
  if (typeof value !== "string") throw wrong(at(path, key), "a string", value);
  return value;
}

/** Reads an array that must be there. Throws `invalid_request` when it is absent or of another type. */
export function requiredArray(object: JsonObject, key: string, path = ""): Json[] {
  const value = object[key];
  if (!Array.isArray(value)) throw wrong(at(path, key), "an array", value);
  return value;
}

/** The value as an object. Throws `invalid_request` naming `path` for any other type. */
export function toObject(value: Json | undefined, path: string): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(path, "an object", value);
  return value;
}

/** The value as a string. Throws `invalid_request` naming `path` for any other type. */
export function toText(value: Json | undefined, path: string): string {
  if (typeof value !== "string") throw wrong(path, "a string", value);
  return value;
}
