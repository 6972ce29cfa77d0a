/**
 * The local journal: what was begun and what was settled, kept outside this process's memory so that a killed one loses nothing.
 * The recorder notes each call here before its first upstream byte and before its caller sees the end; a start replays what is left.
 *
 * Segments are files of fixed size, filled in advance and mapped into memory: a note is a copy, without a system call,
 * and the operating system keeps it when the process dies. A note ends with a line feed that is written last, so one that
 * was being written is never taken for whole. A power failure may lose the notes of the last moments, as the kernel writes
 * them back when it likes; what the database has confirmed is on the disk.
 */
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DirectoryLockedError, lockDirectory } from "../db/lock.ts";

/** A part of the journal. It can be used again when nothing in it is open any more. */
interface Segment {
  readonly path: string;
  readonly map: Uint8Array;
  written: number;
  /** Notes whose calls are not in the database yet. */
  readonly open: Set<Note>;
  /** The shapes that this segment holds, so that it can be read alone. */
  readonly shapes: Set<number>;
  /** The heading that was written last. */
  heading: string;
}

/** What many notes have in common: written once in each segment that needs it. */
export interface Shape {
  readonly number: number;
  /** The line that says it. */
  readonly line: string;
}

/** A line of the journal that is still needed. */
export interface Note {
  readonly line: string;
  readonly shape: Shape;
}

export interface Journal {
  /** Writes a line without line feeds, which is kept until `done`. Throws `JournalFull`. */
  note(line: string, shape: Shape): Note;
  /** The note's call is in the database. */
  done(note: Note): void;
  /** Whether no other note can be taken. */
  full(): boolean;
  /** Lets go of the files. Those with open notes stay, to be replayed. */
  close(): void;
}

/** No space is left for the journal, in its own bounds or on the disk. */
export class JournalFull extends Error {
  override readonly name = "JournalFull";
}

const SEGMENT_BYTES = 4 * 1024 * 1024;
const MAX_SEGMENTS = 64;
const SUFFIX = ".journal";
const LF = 10;
const MAX_SLOTS = 1000;
/** A note that would need more is refused; records are bounded far below. */
const MAX_NOTE_BYTES = 256 * 1024;

const encoder = new TextEncoder();

/** A folder of the journal's own, held by this process, and what earlier processes left in folders that nobody holds. */
export interface JournalFolder {
  readonly directory: string;
  /** Unfinished journals, oldest first. */
  readonly left: readonly { readonly path: string; readonly lines: readonly string[] }[];
  /** Removes what was left, once it is in the database. */
  forget(): void;
  release(): void;
}

/** Takes a folder under `dataDir` that no living process holds, with everything that dead ones left. */
export function openJournalFolder(dataDir: string): JournalFolder {
  const root = join(dataDir, "journal");
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const held: { directory: string; release(): void }[] = [];
  const names = readdirSync(root).filter((name) => /^\d+$/.test(name));
  for (const name of names) {
    const lock = tryLock(join(root, name));
    if (lock) held.push(lock);
  }
  for (let slot = 0; held.length === 0 && slot < MAX_SLOTS; slot++) {
    if (names.includes(String(slot))) continue;
    mkdirSync(join(root, String(slot)), { recursive: true, mode: 0o700 });
    const lock = tryLock(join(root, String(slot)));
    if (lock) held.push(lock);
  }
  const [own] = held;
  if (!own) throw new Error(`No folder for the journal can be had in ${root}.`);
  const left = held.flatMap(({ directory }) => segmentsIn(directory)).sort((a, b) => a.modifiedMs - b.modifiedMs);
  return {
    directory: own.directory,
    left: left.map(({ path }) => ({ path, lines: readLines(path) })),
    forget() {
      for (const { path } of left) rmSync(path, { force: true });
      for (const other of held.splice(1)) other.release();
    },
    release() {
      for (const one of held.splice(0)) one.release();
    },
  };
}

function tryLock(directory: string): { directory: string; release(): void } | undefined {
  try {
    const lock = lockDirectory(directory);
    return { directory, release: () => lock.release() };
  } catch (error) {
    if (error instanceof DirectoryLockedError) return undefined;
    throw error;
  }
}

function segmentsIn(directory: string): { path: string; modifiedMs: number }[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(SUFFIX))
    .map((name) => ({ path: join(directory, name), modifiedMs: statSync(join(directory, name)).mtimeMs }));
}

/** The whole notes of a file, in order. */
function readLines(path: string): string[] {
  const bytes = readFileSync(path);
  const end = bytes.indexOf(0);
  const text = bytes.subarray(0, end < 0 ? bytes.length : end).toString("utf8");
  return text.split("\n").slice(0, -1);
}

interface KeptNote extends Note {
  segment: Segment;
  readonly heading: string;
}

/** From so many segments on, notes of calls that take long are copied forward, so that they don't keep a segment each. */
const CARRY_ABOVE = 8;

/**
 * A journal that writes into a folder of its own. `heading` is what notes stand under: each segment begins with it, and
 * it is written again when it changes. Throws `JournalFull` on a full disk.
 */
export function openJournal(directory: string, heading: () => string, segmentBytes = SEGMENT_BYTES): Journal {
  return new SegmentedJournal(directory, heading, segmentBytes);
}

class SegmentedJournal implements Journal {
  readonly #directory: string;
  readonly #heading: () => string;
  readonly #segmentBytes: number;
  readonly #resting: Segment[] = [];
  readonly #busy = new Set<Segment>();
  #number = 0;
  #current: Segment;

  constructor(directory: string, heading: () => string, segmentBytes: number) {
    this.#directory = directory;
    this.#heading = heading;
    this.#segmentBytes = segmentBytes;
    // At once, so that a start after this process finds the node that it was.
    this.#current = this.#begin();
  }

  note(line: string, shape: Shape): Note {
    const before = this.#current;
    const note = { line, shape, heading: this.#heading() } as KeptNote;
    note.segment = this.#put(note);
    note.segment.open.add(note);
    if (this.#current !== before && this.#busy.size > CARRY_ABOVE) this.#carry();
    return note;
  }

  done(note: Note): void {
    const { segment } = note as KeptNote;
    segment.open.delete(note);
    if (segment.open.size === 0 && segment !== this.#current) this.#rest(segment);
  }

  full(): boolean {
    if (this.#busy.size < MAX_SEGMENTS || this.#resting.length > 0) return false;
    return this.#current.written > this.#segmentBytes / 2;
  }

  close(): void {
    for (const segment of [...this.#busy, ...this.#resting]) {
      if (segment.open.size === 0) rmSync(segment.path, { force: true });
    }
  }

  #begin(): Segment {
    const segment = this.#resting.pop() ?? this.#create();
    segment.map.fill(0, 0, segment.written);
    segment.written = 0;
    segment.shapes.clear();
    segment.heading = this.#heading();
    write(segment, segment.heading);
    this.#busy.add(segment);
    return segment;
  }

  #next(): Segment {
    const before = this.#current;
    this.#current = this.#begin();
    if (before.open.size === 0) this.#rest(before);
    return this.#current;
  }

  #create(): Segment {
    if (this.#busy.size + this.#resting.length >= MAX_SEGMENTS)
      throw new JournalFull("the journal has as many segments as it may");
    const path = join(this.#directory, `${process.pid}-${Date.now()}-${++this.#number}${SUFFIX}`);
    try {
      fill(path, this.#segmentBytes);
      const map = Bun.mmap(path, { shared: true });
      return { path, map, written: 0, open: new Set(), shapes: new Set(), heading: "" };
    } catch (error) {
      rmSync(path, { force: true });
      throw new JournalFull(`the journal cannot grow: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** Whatever it holds is in the database, so nothing of it is to be replayed. */
  #rest(segment: Segment): void {
    this.#busy.delete(segment);
    segment.map[0] = 0;
    this.#resting.push(segment);
  }

  #put({ line, shape, heading }: KeptNote): Segment {
    const characters = line.length + shape.line.length + heading.length;
    // A character takes three bytes at most.
    const most = characters * 3 + 3;
    if (most > Math.min(MAX_NOTE_BYTES, this.#segmentBytes / 4)) throw new JournalFull("a note is too long");
    let segment = this.#current;
    if (segment.written + most > this.#segmentBytes) segment = this.#next();
    if (segment.heading !== heading) {
      segment.heading = heading;
      write(segment, heading);
    }
    if (!segment.shapes.has(shape.number)) {
      segment.shapes.add(shape.number);
      write(segment, shape.line);
    }
    write(segment, line);
    return segment;
  }

  #carry(): void {
    const [oldest] = this.#busy;
    if (!oldest || oldest === this.#current) return;
    try {
      for (const note of [...oldest.open] as KeptNote[]) {
        note.segment = this.#put(note);
        note.segment.open.add(note);
        oldest.open.delete(note);
      }
    } catch (error) {
      // What has no room stays where it is.
      if (error instanceof JournalFull) return;
      throw error;
    }
    this.#rest(oldest);
  }
}

/** Zeros up to the full size: a mapped file that has no room on the disk would kill the process at a write. */
function fill(path: string, bytes: number): void {
  const descriptor = openSync(path, "wx", 0o600);
  try {
    const zeros = new Uint8Array(bytes);
    for (let at = 0; at < bytes; ) at += writeSync(descriptor, zeros, at);
  } finally {
    closeSync(descriptor);
  }
}

function write(segment: Segment, text: string): void {
  const { written } = encoder.encodeInto(text, segment.map.subarray(segment.written));
  segment.map[segment.written + written] = LF;
  segment.written += written + 1;
}
