/**
 * Looking into JSON of unknown shape without trusting it.
 * Every dialect of the simulated provider reads its request body through these.
 */

/** A JSON object whose members are not yet checked. */
export type Json = Record<string, unknown>;

/** Whether the value is a JSON object: neither null nor an array. */
export const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The value as an object, or an empty one. */
export const objectOf = (value: unknown): Json => (isObject(value) ? value : {});

/** The value as an array, or an empty one. */
export const arrayOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** The value as a string, or an empty one. */
export const stringOf = (value: unknown): string => (typeof value === "string" ? value : "");

/** The value as a number, or undefined. */
export const numberOf = (value: unknown): number | undefined => (typeof value === "number" ? value : undefined);

/** How OpenAI's error messages name the type of a value that was not expected. */
export function typeName(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "number") return Number.isInteger(value) ? "an integer" : "a decimal";
  if (typeof value === "object" || typeof value === "undefined") return "an object";
  return `a ${typeof value}`;
}

/** Puts an entry into a map and forgets the oldest ones beyond `limit`. */
export function remember<K, V>(map: Map<K, V>, key: K, value: V, limit: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > limit) {
    for (const oldest of map.keys()) {
      map.delete(oldest);
      break;
    }
  }
}
