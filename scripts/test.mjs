/**
 * `npm test`: installs what the tests need, checks types and style, runs every test, and ends with the counts.
 * With file names as parameters it runs only those test files.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BUN, ensurePackages, fail, ROOT, runtimeEnvironment } from "./lib.mjs";

/** What tests start beside the project: the Debian package, and the programs of which one is enough. */
const SYSTEM_PACKAGES = [
  { name: "postgresql", programs: ["postgres"], folders: postgresFolders() },
  { name: "redis-server", programs: ["redis-server", "valkey-server"], folders: [] },
];
const TEST_TIMEOUT_MS = 60_000;
/** A run that is not over by then hangs. */
const RUN_TIMEOUT_MS = 45 * 60_000;
const RESULTS = join(ROOT, ".cache", "test");

const selected = process.argv.slice(2);
ensurePackages();
ensureSystemPackages();
const results = selected.length > 0 ? [] : [command("types", "tsc", "--noEmit"), command("lint", "biome", "check")];
results.push(...(await runTests(selected)));
report(results);

function postgresFolders() {
  const parent = "/usr/lib/postgresql";
  return existsSync(parent) ? readdirSync(parent).map((version) => join(parent, version, "bin")) : [];
}

function ensureSystemPackages() {
  const folders = (process.env.PATH ?? "").split(":");
  const missing = SYSTEM_PACKAGES.filter(
    ({ programs, folders: own }) =>
      ![...folders, ...own].some((at) => programs.some((name) => existsSync(join(at, name)))),
  ).map(({ name }) => name);
  if (missing.length === 0) return;
  const problem = installSystemPackages(missing);
  if (problem === undefined) return;
  const sentence = `Not installed: ${missing.join(", ")} (${problem}).`;
  if (process.env.CI === "true") fail(sentence);
  process.stderr.write(`${sentence} Tests that need them are skipped.\n`);
}

/** Answers what is in the way, or undefined when the packages are installed. */
function installSystemPackages(names) {
  if (!existsSync("/etc/debian_version") || process.getuid?.() !== 0) return "only root on Debian can install them";
  process.stderr.write(`Installing ${names.join(", ")} (apt-get) …\n`);
  // The run level keeps packages from starting their daemons: tests start their own.
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  for (const parameters of [["update"], ["install", "-y", "--no-install-recommends", ...names]]) {
    const { status, error, stderr } = spawnSync("apt-get", ["-qq", ...parameters], { env, encoding: "utf8" });
    if (status !== 0) return error?.message ?? (stderr.trim().split("\n").at(-1) || `apt-get ${parameters[0]} failed`);
  }
  return undefined;
}

/** One of the project's own programs, counted as a test. */
function command(name, program, ...parameters) {
  const path = join(ROOT, "node_modules", ".bin", program);
  const { status } = spawnSync(path, parameters, { cwd: ROOT, stdio: "inherit" });
  return { name, file: `${program} ${parameters.join(" ")}`, outcome: status === 0 ? "passed" : "failed" };
}

async function runTests(files) {
  const outfile = join(RESULTS, "junit.xml");
  mkdirSync(RESULTS, { recursive: true });
  rmSync(outfile, { force: true });
  const flags = ["--no-orphans", "test", "--only-failures", `--timeout=${TEST_TIMEOUT_MS}`];
  const reporter = ["--reporter=junit", `--reporter-outfile=${outfile}`];
  const { code, summary } = await runBun([...flags, ...reporter, ...files]);
  const cases = existsSync(outfile) ? readJunit(readFileSync(outfile, "utf8")) : [];
  const failed = cases.filter(({ outcome }) => outcome === "failed").length;
  // Files that could not be loaded are in the runtime's own count only; a run that ended early has left neither.
  const unlisted = Math.max((summary.fail ?? 0) - failed, failed === 0 && code !== 0 ? 1 : 0);
  for (let i = 0; i < unlisted; i++)
    cases.push({ name: "a file that could not be run", file: "see above", outcome: "failed" });
  if (summary.pass === undefined || !existsSync(outfile)) {
    cases.push({ name: "the run ended before its end", file: `exit code ${code}`, outcome: "failed" });
  }
  return cases;
}

/** Runs the test runner, shows what it says, and reads its closing counts. */
function runBun(parameters) {
  return new Promise((resolve) => {
    const env = runtimeEnvironment({ NODE_ENV: "test", NO_COLOR: "1" });
    const child = spawn(BUN, parameters, { cwd: ROOT, env, stdio: ["ignore", "inherit", "pipe"] });
    const timer = setTimeout(() => child.kill("SIGKILL"), RUN_TIMEOUT_MS);
    let tail = "";
    child.stderr.setEncoding("utf8").on("data", (text) => {
      process.stderr.write(text);
      tail = (tail + text).slice(-4000);
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const summary = {};
      for (const [, count, word] of tail.matchAll(/^ (\d+) (pass|fail)$/gm)) summary[word] = Number(count);
      resolve({ code: code ?? signal, summary });
    });
  });
}

function readJunit(xml) {
  return [...xml.matchAll(/<testcase ([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)].map(([, attributes, body = ""]) => {
    const attribute = (name) => decodeEntities(new RegExp(`(?:^| )${name}="([^"]*)"`).exec(attributes)?.[1] ?? "");
    const groups = attribute("classname").split(" > ").filter(Boolean).reverse();
    const outcome = /<(failure|error)\b/.test(body) ? "failed" : /<skipped\b/.test(body) ? "skipped" : "passed";
    return { name: [...groups, attribute("name")].join(" > "), file: attribute("file"), outcome };
  });
}

function decodeEntities(text) {
  const entities = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&", "#10": "\n" };
  return text.replace(/&(lt|gt|quot|apos|amp|#10);/g, (_, name) => entities[name]);
}

/** A skipped test says in its name what it needs: "… (needs PostgreSQL)". */
function reasonIn(name) {
  return /\(([^()]*)\)[^()]*$/.exec(name)?.[1] ?? "its name gives no reason";
}

function report(all) {
  const named = (outcome) => all.filter((result) => result.outcome === outcome);
  const [passed, failed, skipped] = [named("passed"), named("failed"), named("skipped")];
  for (const { name, file } of skipped) console.log(`skipped: ${name} [${file}]: ${reasonIn(name)}`);
  for (const { name, file } of failed) console.log(`failed: ${name} [${file}]`);
  const counts = [`${passed.length} passed`, `${failed.length} failed`];
  if (skipped.length > 0) counts.push(`${skipped.length} skipped`);
  process.exitCode = failed.length > 0 || passed.length === 0 ? 1 : 0;
  console.log(counts.join(", "));
}
