/**
 * Assembles arguments that an upstream streams piece by piece: values addressed by a JSON path, strings in several pieces.
 * The reply decoder keeps one assembly for each call that is still being written.
 */
import { asArray, asNumber, asObject, asString, type Json, type JsonObject, setOwn } from "../../core/json.ts";

/** Array positions beyond this are nonsense from an upstream. */
const MAX_INDEX = 10_000;
const MAX_DEPTH = 100;

/** The steps of a path such as `$.recipe.steps[0]['na me']`; undefined for one that cannot be read. */
export function parsePath(path: string): (string | number)[] | undefined {
  const steps: (string | number)[] = [];
  const token = /\.([^.[\]]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]/y;
  let at = path.startsWith("$") ? 1 : 0;
  if (at === 0 && path !== "" && !path.startsWith(".") && !path.startsWith("[")) return parsePath(`$.${path}`);
  while (at < path.length) {
    token.lastIndex = at;
    const match = token.exec(path);
    if (!match || steps.length >= MAX_DEPTH) return undefined;
    const [, plain, index, single, double] = match;
    if (index !== undefined) {
      if (Number(index) > MAX_INDEX) return undefined;
      steps.push(Number(index));
    } else steps.push(plain ?? (single ?? double ?? "").replace(/\\(.)/g, "$1"));
    at = token.lastIndex;
  }
  return steps.length > 0 ? steps : undefined;
}

function pieceValue(piece: JsonObject): Json | undefined {
  if (piece.stringValue !== undefined) return asString(piece.stringValue);
  if (piece.numberValue !== undefined) return asNumber(piece.numberValue);
  if (piece.boolValue !== undefined) return piece.boolValue === true;
  return piece.nullValue !== undefined ? null : undefined;
}

type Container = JsonObject | Json[];

function get(container: Container, step: string | number): Json | undefined {
  if (Array.isArray(container)) return typeof step === "number" ? container[step] : undefined;
  return Object.hasOwn(container, step) ? container[step] : undefined;
}

function set(container: Container, step: string | number, value: Json): void {
  if (!Array.isArray(container)) setOwn(container, String(step), value);
  else if (typeof step === "number") {
    while (container.length < step) container.push(null);
    container[step] = value;
  }
}

/** One call's arguments in the making. */
export class PartialArguments {
  private readonly root: JsonObject = {};
  /** The path whose string goes on in the next piece. */
  private continued: string | undefined;

  /** Takes over whole arguments, which may come beside pieces. */
  merge(args: JsonObject): void {
    for (const key in args) setOwn(this.root, key, args[key]);
  }

  /** Applies the pieces of one chunk. What cannot be read is skipped. */
  apply(pieces: Json | undefined): void {
    for (const entry of asArray(pieces)) {
      const piece = asObject(entry);
      const path = asString(piece?.jsonPath);
      const value = piece && pieceValue(piece);
      if (!piece || path === undefined || value === undefined) continue;
      const steps = parsePath(path);
      if (steps) this.put(steps, value, this.continued === path);
      this.continued = piece.willContinue === true ? path : undefined;
    }
  }

  /** The arguments as JSON text. */
  text(): string {
    return JSON.stringify(this.root);
  }

  private put(steps: (string | number)[], value: Json, goesOn: boolean): void {
    let container: Container = this.root;
    for (let at = 0; at < steps.length - 1; at++) {
      const step = steps[at] as string | number;
      const next: Json | undefined = get(container, step);
      if (typeof next === "object" && next !== null) container = next;
      else {
        const made: Container = typeof steps[at + 1] === "number" ? [] : {};
        set(container, step, made);
        container = made;
      }
    }
    const last = steps.at(-1) as string | number;
    const before = get(container, last);
    const isMore = goesOn && typeof before === "string" && typeof value === "string";
    set(container, last, isMore ? before + value : value);
  }
}
