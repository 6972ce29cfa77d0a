/**
 * Takes up what a process that was killed left in its journal: finished calls are booked, calls under way end as expired.
 * It runs at start, before the first call; running it twice changes nothing.
 */
import type { SQL } from "bun";
import type { JournalFolder } from "./journal.ts";
import { LINES, writeCalls } from "./recorder.ts";

export interface Replayed {
  /** Of finished calls that the journal held; those that were in the database already are among them. */
  readonly finished: number;
  /** Calls that were under way. */
  readonly expired: number;
  /** The nodes that are no more: their leases can be given up. */
  readonly nodes: readonly string[];
}

const BATCH = 500;
const NODE = /^[0-9a-f-]{36}$/;

interface Leftover {
  readonly nodeId: string;
  readonly shape: string;
  readonly row: string;
}

/** Books what is left in the folder. Throws what the database throws; then nothing is forgotten. */
export async function replayJournal(sql: Pick<SQL, "unsafe">, left: JournalFolder["left"]): Promise<Replayed> {
  const finished = new Map<string, Leftover>();
  const foreseen = new Map<string, Leftover>();
  const open = new Map<string, Leftover>();
  const nodes = new Set<string>();
  let number = 0;
  for (const { lines } of left) {
    const shapes = new Map<string, string>();
    let heading: string | undefined;
    for (const line of lines) {
      const text = line.slice(1);
      if (line.startsWith(LINES.node) && NODE.test(text)) {
        heading = text;
        nodes.add(text);
      } else if (line.startsWith(LINES.shape)) shapes.set(shapeNumber(text), text);
      else if (heading !== undefined) {
        const { nodeId = heading, row } = ownNode(text);
        const shape = shapes.get(shapeNumber(row));
        const id = idOf(row);
        if (shape === undefined || id === undefined) continue;
        number += 1;
        nodes.add(nodeId);
        const leftover = { nodeId, shape: renumber(shape, number), row: renumber(row, number) };
        if (line.startsWith(LINES.finished)) keep(finished, id, leftover);
        else if (line.startsWith(LINES.open)) keep(open, id, leftover);
        else if (line.startsWith(LINES.foreseen)) {
          // The files are in no certain order; of several such notes the latest knows most.
          const earlier = foreseen.get(id);
          if (!earlier || durationOf(earlier.row) <= durationOf(row)) foreseen.set(id, leftover);
        }
      }
    }
  }
  for (const [id, leftover] of foreseen) keep(finished, id, leftover);
  for (const id of finished.keys()) open.delete(id);
  await writeAll(sql, [...finished.values(), ...open.values()]);
  return { finished: finished.size, expired: open.size, nodes: [...nodes] };
}

function keep(kept: Map<string, Leftover>, id: string, leftover: Leftover): void {
  if (!kept.has(id)) kept.set(id, leftover);
}

/** Each batch is of one node, in whose name the money was held. */
async function writeAll(sql: Pick<SQL, "unsafe">, all: readonly Leftover[]): Promise<void> {
  for (const [nodeId, own] of Map.groupBy(all, (one) => one.nodeId)) {
    for (let at = 0; at < own.length; at += BATCH) {
      const batch = own.slice(at, at + BATCH);
      await writeCalls(
        sql,
        nodeId,
        batch.map(({ shape }) => shape),
        batch.map(({ row }) => row),
      );
    }
  }
}

/** A row that stands after the node that its money was leased to, or under the heading's. */
function ownNode(text: string): { nodeId?: string; row: string } {
  const nodeId = text.slice(0, 36);
  return NODE.test(nodeId) ? { nodeId, row: text.slice(36) } : { row: text };
}

const NUMBERED = /^\{"shape":(\d+),/;

function shapeNumber(text: string): string {
  return NUMBERED.exec(text)?.[1] ?? "";
}

/** Two processes may have given one number to different shapes. */
function renumber(text: string, number: number): string {
  return text.replace(NUMBERED, `{"shape":${number},`);
}

function idOf(row: string): string | undefined {
  return /"id":"([^"\\]{1,100})"/.exec(row)?.[1];
}

function durationOf(row: string): number {
  return Number(/"duration_ms":(\d+)/.exec(row)?.[1] ?? 0);
}
