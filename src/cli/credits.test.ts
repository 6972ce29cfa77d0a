/**
 * Tests of `sluice credits grant` as a person runs it: a child process on a database of its own.
 * The rules of grants are the route's, tested beside it.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeDataDirectory } from "../../test/support/postgres.ts";
import { openApp } from "../app.ts";
import { loadConfig } from "../config.ts";
import { PROVIDER_TYPES } from "../providers/index.ts";
import { createLog } from "../telemetry/log.ts";

const PROGRAM = join(import.meta.dir, "../../bin/sluice");
const LIMIT_MS = 60_000;
let folder: string;
let workspace: string;
let data: { directory: string; remove(): void };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-cli-"));
  data = await makeDataDirectory();
  const env = { SLUICE_DATA: data.directory };
  const config = loadConfig({ env, providerTypes: PROVIDER_TYPES, readFile: () => undefined });
  const root = "a-root-key-of-this-test-with-32-characters";
  const app = await openApp(config, createLog({ level: "error", format: "text", write() {} }), [root]);
  const request = new Request("http://localhost/api/admin/workspaces", {
    method: "POST",
    headers: { authorization: `Bearer ${root}` },
    body: '{"name":"w"}',
  });
  const answer = await app.fetch(request, { bodyRead() {}, clientAddress: () => undefined });
  workspace = ((await answer.json()) as { id: string }).id;
  await app.close();
}, LIMIT_MS);
afterAll(() => {
  data.remove();
  rmSync(folder, { recursive: true, force: true });
});

async function run(...args: string[]) {
  const { PATH = "", HOME = "" } = Bun.env;
  const child = Bun.spawn([PROGRAM, "credits", "grant", ...args], {
    cwd: folder,
    env: { PATH, HOME, SLUICE_DATA: data.directory, PORT: "0" },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { out, err, code };
}

test(
  "credit is given, taken back, and given once for a key",
  async () => {
    const given = await run("--workspace", workspace, "--amount", "12.50", "--reason", "sorry", "--expires", "30");
    expect(given).toEqual({ out: "grant of $12.5; the balance is $12.5\n", err: "", code: 0 });
    const once = ["--workspace", workspace, "--amount=-2", "--reason", "oops", "--idempotency-key", "k"];
    expect((await run(...once)).out).toBe("adjustment of $-2; the balance is $10.5\n");
    expect((await run(...once)).out).toBe("adjustment of $-2; the balance is $10.5\n");
    const tooMuch = await run("--workspace", workspace, "--amount=-11", "--reason", "oops");
    expect([tooMuch.code, tooMuch.out]).toEqual([2, ""]);
    expect(tooMuch.err).toContain("not enough free credit");
  },
  LIMIT_MS,
);

test("what is missing is told", async () => {
  const { code, err } = await run("--amount", "5");
  expect(code).toBe(2);
  expect(err).toContain("--workspace");
});
