/**
 * Tests of the journal: what was noted is there for the next process, however this one ended, and nothing grows for ever.
 * A process of its own is killed in the middle of its notes.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { JournalFull, type Note, openJournal, openJournalFolder } from "./journal.ts";

const directories: string[] = [];
afterAll(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

function dataDir(): string {
  const directory = mkdtempSync(join(tmpdir(), "sluice-journal-"));
  directories.push(directory);
  return directory;
}

const shape = (number: number) => ({ number, line: `S${number}` });
const SMALL = 4096;

/** What a start after this process would find. */
function found(data: string): string[] {
  const folder = openJournalFolder(data);
  const lines = folder.left.flatMap((segment) => segment.lines);
  folder.release();
  return lines;
}

describe("notes", () => {
  test("are found by the next start, after the heading and with their shapes, until they are done", () => {
    const data = dataDir();
    const folder = openJournalFolder(data);
    const journal = openJournal(folder.directory, () => "node 1");
    const first = journal.note("a", shape(1));
    journal.note("b ü ☃", shape(2));
    journal.note("c", shape(1));
    folder.release();
    expect(found(data)).toEqual(["node 1", "S1", "a", "S2", "b ü ☃", "c"]);
    journal.done(first);
    expect(found(data)).toContain("c");
  });

  test("that filled a segment leave it when they are done, and segments are used again", () => {
    const data = dataDir();
    const folder = openJournalFolder(data);
    const journal = openJournal(folder.directory, () => "n", SMALL);
    const line = "x".repeat(100);
    for (let round = 0; round < 200; round++) journal.done(journal.note(`${round} ${line}`, shape(round % 3)));
    expect(readdirSync(folder.directory).filter((name) => name.endsWith(".journal")).length).toBeLessThanOrEqual(2);
    const last = journal.note("last", shape(9));
    folder.release();
    const lines = found(data);
    expect(lines).toContain("last");
    expect(lines.length).toBeLessThan(60);
    journal.done(last);
  });

  test("of calls that take long are carried forward, each segment with the shapes it needs", () => {
    const data = dataDir();
    const folder = openJournalFolder(data);
    const journal = openJournal(folder.directory, () => "n", SMALL);
    const line = "y".repeat(200);
    const long: Note[] = [];
    for (let round = 0; round < 400; round++) {
      if (round % 40 === 0) long.push(journal.note(`long ${round}`, shape(round)));
      journal.done(journal.note(line, shape(1)));
    }
    expect(readdirSync(folder.directory).length).toBeLessThan(14);
    folder.release();
    const lines = found(data);
    for (const note of long) {
      expect(lines.filter((one) => one === note.line).length).toBeGreaterThanOrEqual(1);
      expect(lines).toContain(note.shape.line);
    }
    for (const note of long) journal.done(note);
    journal.close();
    expect(found(data).filter((one) => one.startsWith("long"))).toEqual([]);
  });

  test("beyond the journal's bounds are refused, and taken again when others are done", () => {
    const folder = openJournalFolder(dataDir());
    const journal = openJournal(folder.directory, () => "n", SMALL);
    const notes: Note[] = [];
    expect(() => {
      for (;;) notes.push(journal.note("z".repeat(300), shape(1)));
    }).toThrow(JournalFull);
    expect(notes.length).toBeGreaterThan(100);
    expect(journal.full()).toBe(true);
    for (const note of notes) journal.done(note);
    expect(journal.full()).toBe(false);
    journal.note("again", shape(1));
    expect(() => journal.note("w".repeat(SMALL), shape(1))).toThrow(JournalFull);
  });
});

describe("a folder", () => {
  test("is this process's own while it is held: a second one gets another, and what it holds is not taken for left", () => {
    const data = dataDir();
    const one = openJournalFolder(data);
    openJournal(one.directory, () => "n").note("mine", shape(1));
    const two = openJournalFolder(data);
    expect(two.directory).not.toBe(one.directory);
    expect(two.left).toEqual([]);
    one.release();
    two.release();
  });

  test("takes up what every dead process left, and forgets it only when told", () => {
    const data = dataDir();
    const folders = [openJournalFolder(data), openJournalFolder(data)];
    for (const [index, folder] of folders.entries())
      openJournal(folder.directory, () => `n${index}`).note(`call ${index}`, shape(1));
    for (const folder of folders) folder.release();
    expect(found(data)).toContain("call 0");
    const next = openJournalFolder(data);
    const lines = next.left.flatMap((segment) => segment.lines);
    expect(lines).toContain("call 0");
    expect(lines).toContain("call 1");
    next.forget();
    next.release();
    expect(found(data)).toEqual([]);
  });
});

test("a process killed in mid-note leaves only whole notes, and all that it had made", async () => {
  const data = dataDir();
  const script = `
    import { openJournal, openJournalFolder } from ${JSON.stringify(join(import.meta.dir, "journal.ts"))};
    const journal = openJournal(openJournalFolder(${JSON.stringify(data)}).directory, () => "n");
    for (let i = 0; i < 5000; i++) {
      journal.note(i + " " + "v".repeat(i % 300) + " end", { number: 1, line: "S" });
      if (i === 4000) { console.log("far"); await Bun.sleep(1); }
    }
    await Bun.sleep(10000);`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
  for await (const _ of child.stdout) break;
  child.kill("SIGKILL");
  await child.exited;
  const lines = found(data).filter((line) => line !== "n" && line !== "S");
  expect(lines.length).toBeGreaterThan(4000);
  lines.forEach((line, index) => {
    expect(line.startsWith(`${index} `) && line.endsWith(" end")).toBe(true);
  });
});
