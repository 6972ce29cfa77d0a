/**
 * Tests of the command line as a person uses it: child processes, their exit codes, and what they print where.
 * Scripts rely on a key being all that `keys create` prints.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeDataDirectory } from "../../test/support/postgres.ts";
import { parseKey } from "../identity/key.ts";

const PROGRAM = join(import.meta.dir, "../../bin/sluice");
const LIMIT_MS = 60_000;
let folder: string;
let data: { directory: string; remove(): void };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-cli-"));
  data = await makeDataDirectory();
}, LIMIT_MS);
afterAll(() => {
  data.remove();
  rmSync(folder, { recursive: true, force: true });
});

function start(args: string[], env: Record<string, string> = {}) {
  const { PATH = "", HOME = "" } = Bun.env;
  return Bun.spawn([PROGRAM, ...args], {
    cwd: folder,
    env: { PATH, HOME, SLUICE_DATA: data.directory, PORT: "0", ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
}

async function run(args: string[], env: Record<string, string> = {}) {
  const child = start(args, env);
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { out, err, code };
}

/** Reads until the text has come; for 30 seconds at most. */
async function readUntil(stream: ReadableStream<Uint8Array>, wanted: RegExp): Promise<RegExpExecArray> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  const deadline = Date.now() + 30_000;
  let seen = "";
  while (Date.now() < deadline) {
    const { value, done } = await reader.read();
    seen += decoder.decode(value, { stream: true });
    const found = wanted.exec(seen);
    if (found) {
      reader.releaseLock();
      return found;
    }
    if (done) break;
  }
  throw new Error(`${wanted} did not come: ${seen}`);
}

describe("without a server", () => {
  test("help is printed when it is asked for, and told when nothing is", async () => {
    const [asked, nothing] = await Promise.all([run(["help"]), run([])]);
    expect(asked).toMatchObject({ code: 0, err: "" });
    expect(asked.out).toContain("sluice serve");
    expect(nothing).toMatchObject({ code: 2, out: asked.out });
  });

  const wrong: [string, string[]][] = [
    ["an unknown command", ["sreve"]],
    ["an unknown action", ["keys", "spin"]],
    ["an unknown option", ["keys", "create", "--nmae", "x"]],
    ["a key without a name", ["keys", "create"]],
    ["too little of a hash", ["keys", "revoke", "abc"]],
    ["a change of nothing", ["keys", "change", "abcdefgh"]],
    ["a limit that is no number", ["keys", "create", "--name", "x", "--limit", "much"]],
    ["a cap without an amount", ["keys", "create", "--name", "x", "--cap", "gpt-*"]],
  ];
  for (const [name, args] of wrong) {
    test(`${name} is told on one line, with where to look`, async () => {
      const { code, out, err } = await run(args);
      expect([code, out]).toEqual([2, ""]);
      expect(err).toMatch(/^sluice: [^\n]+\nRun `sluice help` for the commands\.\n$/);
    });
  }

  test("models are listed for people and for programs", async () => {
    const [people, programs] = await Promise.all([run(["models"]), run(["models", "--json"])]);
    const entries = JSON.parse(programs.out) as { id: string }[];
    expect(entries.length).toBeGreaterThan(10);
    expect(people.out.trim().split("\n").length).toBe(entries.length + 1);
    expect(people.out).toContain(entries[0]?.id as string);
    expect([people.code, programs.code, people.err]).toEqual([0, 0, ""]);
  });

  test("every mistake of the configuration is told at once, without a stack", async () => {
    const file = join(folder, "wrong.yaml");
    writeFileSync(file, "limits: { max_atempts: 3 }\nport: nine\n");
    const { code, err } = await run(["models"], { SLUICE_CONFIG: file, PORT: "ten" });
    expect(code).toBe(1);
    expect(err).toContain("max_atempts");
    expect(err).toContain("PORT");
    expect(err).not.toMatch(/\n\s+at /);
  });

  test("a key is created, listed and revoked in the database itself", async () => {
    const made = await run(["keys", "create", "--name", "from the\u001b[31m shell", "--models", "gpt-*, claude-*"]);
    expect([made.code, made.err]).toEqual([0, ""]);
    const parsed = parseKey(made.out.trim());
    expect(parsed.ok).toBe(true);
    const hash = parsed.ok ? parsed.hash : "";
    const listed = await run(["keys", "list"]);
    expect(listed.out).toContain(hash.slice(0, 12));
    expect(listed.out).toContain("from the?[31m shell");
    expect(listed.out).not.toContain(made.out.trim());
    expect(await run(["keys", "revoke", hash.slice(0, 12)])).toMatchObject({ code: 0 });
    expect((await run(["keys", "list"])).out).not.toContain(hash.slice(0, 12));
    const again = await run(["keys", "revoke", hash]);
    expect(again.code).toBe(2);
    expect(again.err).toContain("0 keys have a hash that begins with");
  }, 60_000);
});

test("a key is restricted, changed, shown and rotated in the database itself", async () => {
  const made = await run(
    "keys create --name k --providers open* --ip 10.0.0.0/8,::1 --cap gpt-*=0.5 --cap *=2 --limit 10 --tpm 9".split(
      " ",
    ),
  );
  const parsed = parseKey(made.out.trim());
  const hash = parsed.ok ? parsed.hash : "";
  const show = async (of: string) => JSON.parse((await run(["keys", "show", of])).out) as Record<string, unknown>;
  const shown = await show(hash);
  expect(shown).toMatchObject({ providers: ["open*"], ip_allow: ["10.0.0.0/8", "::1"], limit: 10, tpm: 9 });
  expect(shown.model_caps).toEqual({ "gpt-*": 0.5, "*": 2 });
  const change = "--ip none --cap none --limit 5 --limit-reset daily --disable".split(" ");
  expect(await run(["keys", "change", hash.slice(0, 12), ...change])).toMatchObject({ code: 0 });
  const changed = { ip_allow: null, model_caps: null, limit: 5, limit_reset: "daily", disabled: true, tpm: 9 };
  expect(await show(hash)).toMatchObject(changed);
  const rotated = await run(["keys", "rotate", hash, "--grace", "60"]);
  const fresh = parseKey(rotated.out.trim());
  expect([rotated.code, fresh.ok]).toEqual([0, true]);
  expect(await show(fresh.ok ? fresh.hash : "")).toMatchObject({ ...changed, previous_expires_at: expect.any(String) });
}, 60_000);

describe("with a server", () => {
  let server: ReturnType<typeof start>;
  let url: string;
  beforeAll(async () => {
    server = start(["serve"]);
    url = (await readUntil(server.stdout, /curl -N (http:\S+)\/v1/))[1] as string;
  }, LIMIT_MS);
  afterAll(() => void server.kill("SIGKILL"));

  function models(key: string): Promise<number> {
    return fetch(`${url}/v1/models`, { headers: { "x-api-key": key } }).then((answer) => answer.status);
  }

  test("a key that is created works at once, and is refused at once when it is revoked", async () => {
    const { out, code } = await run(["keys", "create", "--name", "while it runs"]);
    expect(code).toBe(0);
    const key = out.trim();
    expect(await models(key)).toBe(200);
    const parsed = parseKey(key);
    const listed = await run(["keys", "list"]);
    expect(listed.out).toContain("while it runs");
    await run(["keys", "revoke", parsed.ok ? parsed.hash : ""]);
    expect(await models(key)).toBe(401);
  }, 30_000);

  test("the way to it is readable by its owner only", () => {
    expect(statSync(join(data.directory, "control.json")).mode & 0o777).toBe(0o600);
  });

  test("all keys are listed, also those that do not fit one page of the API, and each can be revoked", async () => {
    const { token } = JSON.parse(readFileSync(join(data.directory, "control.json"), "utf8")) as { token: string };
    const headers = { authorization: `Bearer ${token}` };
    let oldest = "";
    for (let i = 0; i < 105; i++) {
      const body = JSON.stringify({ name: `bulk ${i}` });
      const answer = await fetch(`${url}/api/v1/keys`, { method: "POST", headers, body });
      if (i === 0) oldest = ((await answer.json()) as { data: { hash: string } }).data.hash;
    }
    const { out } = await run(["keys", "list"]);
    expect(out.match(/bulk \d+/g)?.length).toBe(105);
    expect((await run(["keys", "revoke", oldest])).code).toBe(0);
  }, 30_000);

  test("a second one on the same data directory is refused clearly, and the first goes on", async () => {
    const { code, err } = await run(["serve"]);
    expect(code).toBe(1);
    expect(err).toContain(data.directory);
    expect(err).toMatch(/in use|already|another/i);
    expect(err).not.toMatch(/\n\s+at /);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect(existsSync(join(data.directory, "control.json"))).toBe(true);
  }, 30_000);

  test("it ends in order on SIGTERM", async () => {
    server.kill("SIGTERM");
    expect(await server.exited).toBe(0);
    expect(existsSync(join(data.directory, "control.json"))).toBe(false);
  }, 30_000);
});
