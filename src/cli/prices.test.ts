/**
 * Tests of `sluice prices`: what it prints, and prices that change in a running server while the command ends.
 * The changed price is a deviation that `published.test.ts` lists: a model whose tier only the published list has.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeDataDirectory } from "../../test/support/postgres.ts";
import type { PriceDiff } from "../catalog/prices/book.ts";
import { printDiff } from "./prices.ts";

const PROGRAM = join(import.meta.dir, "../../bin/sluice");
const LIMIT_MS = 60_000;

test("a comparison is told with what a person should look twice at", () => {
  const row = {
    endpoint: "p/m",
    model: "m",
    listed_as: "list-m",
    changes: [
      { rate: "input", old: "1", new: "2.5", percent: "+150.0", suspicious: ["more than twice as much"] },
      { rate: "output", above: 200_000, old: "0", new: "3", suspicious: ["from zero", "a tier vanished"] },
      { rate: "cacheRead", old: "0.2", new: "0.1", percent: "-50.0", suspicious: [] },
    ],
    suspicious: true,
    kept: ["webSearch"],
    unbilled: ["audio_hours"],
    changes_on: "2027-01-01",
    problem: null,
  };
  const diff: PriceDiff = {
    at: "2026-11-20T00:00:00.000Z",
    rows: [row, { ...row, endpoint: "p/n", model: "list-m", changes: [], suspicious: false, problem: "too fine" }],
    same: ["p/s"],
    unlisted: [],
    digest: "d",
  };
  const lines: string[] = [];
  printDiff(diff, (text) => void lines.push(...text.split("\n")));
  expect(lines).toEqual([
    "Published prices of 2026-11-20, in US dollars per million tokens or per piece:",
    "",
    "p/m  (listed as list-m)",
    "  ! input                               1 -> 2.5         +150.0%  more than twice as much",
    "  ! output above 200000                 0 -> 3                    from zero, a tier vanished",
    "    cacheRead                         0.2 -> 0.1          -50.0%",
    "    not in the list, stays: webSearch",
    "    not billed here: audio_hours",
    "    the list has another price from 2027-01-01",
    "",
    "p/n",
    "  ! cannot be taken: too fine",
    "    the list has another price from 2027-01-01",
    "",
    "1 endpoint with another price (1 to look at twice), 1 with the same, 0 not in the list.",
  ]);
});

describe("with a server", () => {
  let folder: string;
  let data: { directory: string; remove(): void };
  let server: ReturnType<typeof start>;
  let url = "";
  let key = "";

  function start(...args: string[]) {
    const { PATH = "", HOME = "" } = Bun.env;
    return Bun.spawn([PROGRAM, ...args], {
      cwd: folder,
      env: { PATH, HOME, SLUICE_DATA: data.directory, PORT: "0" },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
  }

  async function run(...args: string[]) {
    const child = start("prices", ...args);
    const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    return { out, err, code };
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "sluice-prices-"));
    data = await makeDataDirectory();
    server = start("serve");
    let seen = "";
    for await (const chunk of server.stdout.pipeThrough(new TextDecoderStream())) {
      seen += chunk;
      key = /API key: (\S+)/.exec(seen)?.[1] ?? "";
      url = /curl -N (http:\S+)\/v1/.exec(seen)?.[1] ?? "";
      if (key && url) break;
    }
  }, LIMIT_MS);
  afterAll(async () => {
    server.kill("SIGTERM");
    await server.exited;
    data.remove();
    rmSync(folder, { recursive: true, force: true });
  }, LIMIT_MS);

  const MODEL = "claude-sonnet-4-5";

  test("prices are compared, applied and taken back while it runs", async () => {
    const diff = JSON.parse((await run("diff", "--json", "--only", MODEL)).out) as PriceDiff;
    expect(diff.rows.map((row) => row.model)).toEqual([MODEL]);
    const applied = await run("apply", "--yes", "--only", MODEL);
    expect([applied.code, applied.err]).toEqual([0, ""]);
    expect(applied.out).toContain(`In force now: simulated/${MODEL}`);
    expect((await run("diff", "--only", MODEL)).out).toContain("0 endpoints with another price, 1 with the same");
    expect((await run("apply", "--yes", "--only", MODEL)).out).toContain("There is nothing to apply.");
    expect((await run("reset", "--only", "*")).out).toBe(`Curated prices hold again: simulated/${MODEL}\n`);
    expect((await run("reset", "--only", "*")).out).toBe("None of these had an accepted price.\n");
  }, 60_000);

  test("nothing is applied where nobody can be asked, and a wrong day is told", async () => {
    const asked = await run("apply");
    expect([asked.code, asked.out]).toEqual([2, ""]);
    expect(asked.err).toContain("needs --yes");
    expect((await run("diff", "--at", "soon")).code).toBe(2);
    expect((await run("reset")).err).toContain("needs --only");
  }, 60_000);

  test("only the root key manages prices", async () => {
    for (const route of ["diff", "apply", "reset"]) {
      const headers = { authorization: `Bearer ${key}` };
      const answer = await fetch(`${url}/api/admin/prices/${route}`, { method: "POST", headers });
      expect(answer.status).toBe(403);
    }
  });
});
