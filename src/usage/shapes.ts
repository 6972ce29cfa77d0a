/**
 * Gives each shape of calls its number and its line in the journal, made once for all calls that share it.
 * The recorder asks for every call twice, so a look at the shapes used last comes before any text is made.
 */
import type { CallRecord } from "../core/call.ts";
import type { Shape } from "./journal.ts";
import { servedAttempts, shapeText } from "./row.ts";

/** A shape, and what its rows have in common beside it. */
export interface KnownShape extends Shape {
  readonly served: string;
}

/** Begins the line of a shape. */
export const SHAPE_LINE = "S";
/** Shapes that are remembered; callers choose model names, so there is no end to them. */
const MAX_SHAPES = 10_000;
/** Shapes that are compared field by field before a text is made. */
const MAX_RECENT = 8;

/** The fields of a record that its shape is made of. */
const FIELDS = [
  "keyId",
  "endpoint",
  "model",
  "modelRequested",
  "surface",
  "dialect",
  "path",
  "streamed",
  "status",
  "errorCode",
  "finishReason",
  "cancelled",
  "outcome",
  "paidBy",
  "clamped",
  "keyPurse",
  "budgetPurse",
  "countPurse",
  "client",
  "provider",
  "upstreamModel",
  "workspaceId",
] as const satisfies readonly (keyof CallRecord)[];

interface Recent {
  readonly source: CallRecord["usage"]["source"];
  readonly shape: KnownShape;
  /** As it was then: records change when their call ends. */
  readonly values: readonly unknown[];
}

/** An empty book of shapes. */
export function createShapes(): (record: CallRecord) => KnownShape {
  const known = new Map<string, KnownShape>();
  const recent: Recent[] = [];
  let count = 0;

  function make(record: CallRecord): KnownShape {
    const body = shapeText(0, record);
    const found = known.get(body);
    if (found) return found;
    if (known.size >= MAX_SHAPES) known.clear();
    const number = ++count;
    const shape = { number, line: SHAPE_LINE + shapeText(number, record), served: servedAttempts(record) };
    known.set(body, shape);
    return shape;
  }

  return (record) => {
    const plainLosses = record.losses.length === 0;
    if (plainLosses) {
      for (let index = 0; index < recent.length; index++) {
        const one = recent[index]!;
        if (!isLike(one, record)) continue;
        // The one that is met again comes first.
        if (index > 0) recent.unshift(...recent.splice(index, 1));
        return one.shape;
      }
    }
    const shape = make(record);
    if (plainLosses) {
      const values = FIELDS.map((field) => record[field]);
      recent.unshift({ source: record.usage.source, shape, values });
      if (recent.length > MAX_RECENT) recent.pop();
    }
    return shape;
  };
}

function isLike({ values, source }: Recent, record: CallRecord): boolean {
  if (source !== record.usage.source) return false;
  for (let index = 0; index < FIELDS.length; index++) {
    if (values[index] !== record[FIELDS[index]!]) return false;
  }
  return true;
}
