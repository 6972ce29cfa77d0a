/**
 * `npm run test:clients`: real command-line tools against Sluice and the simulated provider.
 * Each tool completes a task with a tool round trip on each of the four upstream formats; the table goes to `docs/clients.md`.
 * Tools are installed from npm into `.cache/clients`, run with a clean home and telemetry off, and talk to 127.0.0.1 only.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FAMILIES, type Sluice, startSluice } from "../support/server.ts";
import { SAID, TOOLS, type Tool } from "./tools.ts";

const ROOT = join(import.meta.dir, "../..");
const CACHE = join(ROOT, ".cache/clients");
const PAGE = join(ROOT, "docs/clients.md");
const RUN_MS = 120_000;
const MODELS = FAMILIES.filter((model) => model !== "sim-gemini-3");

/** Installs what isn't there yet. Their own post-install steps fetch from elsewhere or build what is not needed. */
async function install(): Promise<void> {
  mkdirSync(CACHE, { recursive: true });
  const wanted = Object.fromEntries(TOOLS.map((tool) => [tool.package, tool.version]));
  const manifest = JSON.stringify({ private: true, dependencies: wanted });
  const file = join(CACHE, "package.json");
  const isThere =
    existsSync(file) && readFileSync(file, "utf8") === manifest && existsSync(join(CACHE, "node_modules"));
  if (isThere) return;
  writeFileSync(file, manifest);
  console.log("installing the tools …");
  const child = Bun.spawn(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"], {
    cwd: CACHE,
    stdout: "ignore",
    stderr: "inherit",
  });
  if ((await child.exited) !== 0) throw new Error("npm could not install the tools");
}

interface Outcome {
  readonly passed: boolean;
  readonly seconds: number;
  readonly calls: number;
  readonly said: string;
}

async function run(tool: Tool, model: string, sluice: Sluice): Promise<Outcome> {
  const home = mkdtempSync(join(tmpdir(), "sluice-client-"));
  const folder = join(home, "project");
  mkdirSync(folder);
  const setting = { url: sluice.url, key: sluice.key, model, home };
  const before = sluice.simulator.journal().length;
  const began = performance.now();
  try {
    tool.prepare(setting);
    const child = Bun.spawn([join(CACHE, "node_modules/.bin", tool.bin), ...tool.args(setting)], {
      cwd: folder,
      env: { PATH: process.env.PATH ?? "", HOME: home, TERM: "dumb", ...tool.env(setting) },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      timeout: RUN_MS,
    });
    const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    const code = await child.exited;
    // The simulated provider answers with the tool's result once it has come back, so the last text holds both.
    const result = out.slice(out.lastIndexOf("[tool results: 1:"));
    return {
      passed: code === 0 && out.includes("[tool results: 1:") && result.includes(SAID),
      seconds: (performance.now() - began) / 1000,
      calls: sluice.simulator.journal().length - before,
      said: `exit ${code}\n${out.slice(-1500)}\n${err.slice(-1500)}`,
    };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

function table(rows: Map<string, Map<string, Outcome>>): string {
  const cell = (outcome: Outcome | undefined) => (outcome?.passed ? `works (${outcome.calls} calls)` : "**fails**");
  const lines = [...rows].map(
    ([name, row]) => `| ${name} | ${MODELS.map((model) => cell(row.get(model))).join(" | ")} |`,
  );
  const formats = ["Chat Completions", "Responses", "Messages", "Gemini"];
  return [`| tool | ${formats.join(" | ")} |`, `|---|${"---|".repeat(formats.length)}`, ...lines].join("\n");
}

const INTRO = `# Real tools against Sluice

Written by \`npm run test:clients\`: each tool, unmodified and in an empty home, is given a task that takes a tool round trip,
on a model behind each of the four upstream formats. The provider is the simulated one, which checks histories as strictly as the real ones.
`;

await install();
const sluice = await startSluice();
const rows = new Map<string, Map<string, Outcome>>();
let failed = 0;
for (const tool of TOOLS) {
  const row = new Map<string, Outcome>();
  rows.set(`${tool.name} ${tool.version}`, row);
  for (const model of MODELS) {
    const outcome = await run(tool, model, sluice);
    row.set(model, outcome);
    console.log(
      `${outcome.passed ? "ok  " : "FAIL"} ${tool.name} on ${model}: ${outcome.calls} calls, ${outcome.seconds.toFixed(1)} s`,
    );
    if (outcome.passed) continue;
    failed += 1;
    console.log(outcome.said);
  }
}
await sluice.stop();
console.log(`\n${table(rows)}\n`);
if (failed === 0) writeFileSync(PAGE, `${INTRO}\n${table(rows)}\n`);
const total = TOOLS.length * MODELS.length;
console.log(`${total - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
