/**
 * Tests of the tidiness rules themselves: a rule that never finds anything would pass for ever.
 * Each is given a small tree in which one thing is wrong.
 */
import { expect, test } from "bun:test";
import { cycles, wrongImports } from "./layers.ts";
import {
  consoleCalls,
  emptyNames,
  environmentReads,
  impureDialects,
  inexactVersions,
  lockMistakes,
  longFiles,
  longFunctions,
  machinePaths,
  missingPaths,
  openingComments,
  providerNames,
} from "./rules.ts";
import type { Code, File } from "./tree.ts";

const NOTHING: Code = {
  imports: [],
  functions: [],
  declared: [],
  words: [],
  accesses: [],
  anyTypes: [],
  defaultExports: [],
};
const spot = (text: string) => ({ text, line: 7 });
const file = (path: string, code: Partial<Code> = {}, text = ""): File => ({
  path,
  text,
  code: { ...NOTHING, ...code },
});
const importing = (path: string, ...targets: string[]): File =>
  file(path, { imports: targets.map((target) => ({ ...spot(target), typeOnly: false })) });

test("imports against the layers are found, those of tests are free", () => {
  const found = (path: string, target: string) => wrongImports([importing(path, target)]).length;
  expect(found("src/core/a.ts", "../db/b.ts")).toBe(1);
  expect(found("src/core/a.ts", "zod")).toBe(1);
  expect(found("src/core/a.ts", "./b.ts")).toBe(0);
  expect(found("src/simulator/a.ts", "../core/b.ts")).toBe(1);
  expect(found("src/gateway/a.ts", "../billing/b.ts")).toBe(1);
  expect(found("src/gateway/a.ts", "../ledger/b.ts")).toBe(0);
  expect(found("src/console/a.ts", "../gateway/b.ts")).toBe(1);
  expect(found("src/cli/a.ts", "../app.ts")).toBe(0);
  expect(found("src/cli/a.ts", "../gateway/handle.ts")).toBe(1);
  expect(found("src/ledger/a.ts", "../../test/support/b.ts")).toBe(1);
  expect(found("src/ledger/a.test.ts", "../../test/support/b.ts")).toBe(0);
  expect(found("src/strange/a.ts", "zod")).toBe(1);
  expect(wrongImports([importing("src/core/a.ts", "../db/b.ts")])).toEqual([
    "src/core/a.ts:7 core may not import db (../db/b.ts)",
  ]);
});

test("cycles of two and three files are found once each", () => {
  const tree = [
    importing("src/a/1.ts", "./2.ts"),
    importing("src/a/2.ts", "./3.ts", "./4.ts"),
    importing("src/a/3.ts", "./1.ts"),
    importing("src/a/4.ts", "../b/5.ts"),
    importing("src/b/5.ts", "../a/4.ts"),
  ];
  expect(cycles(tree)).toEqual([
    "src/a/1.ts -> src/a/2.ts -> src/a/3.ts -> src/a/1.ts",
    "src/a/4.ts -> src/b/5.ts -> src/a/4.ts",
  ]);
});

test("length, opening comments, environment, console, purity and names are judged", () => {
  expect(
    longFiles([file("src/a.ts", {}, "x\n".repeat(401)), file("src/d/wire.ts", {}, "x\n".repeat(900))]),
  ).toHaveLength(1);
  expect(longFunctions([file("src/a.ts", { functions: [{ line: 1, lines: 61, name: "f" }] })])).toHaveLength(1);
  const openings = ["/** One. Two. */", "/** Only one. */", "// One. Two.", "#!/bin/x\n/** One.\n * Two. */"];
  expect(openings.map((text) => openingComments([file("src/a.ts", {}, text)]).length)).toEqual([0, 1, 1, 0]);
  expect(environmentReads([file("src/a.ts", { accesses: [spot("process.env")] })])).toHaveLength(1);
  expect(environmentReads([file("src/config.ts", { accesses: [spot("process.env")] })])).toEqual([]);
  expect(consoleCalls([file("src/core/a.ts", { accesses: [spot("console.log")] })])).toHaveLength(1);
  expect(consoleCalls([file("src/cli/a.ts", { accesses: [spot("console.log")] })])).toEqual([]);
  expect(
    impureDialects([file("src/dialects/x/a.ts", { accesses: [spot("Date.now")], words: [spot("fetch")] })]),
  ).toHaveLength(2);
  expect(
    emptyNames([file("src/a.ts", { declared: [spot("KeyManager"), spot("serviceTier"), spot("string_utils")] })]),
  ).toHaveLength(2);
  expect(emptyNames([file("src/date-helpers.ts")])).toHaveLength(1);
});

test("a provider's name is found where it is not a fact, a dialect's id is no such name", () => {
  const found = (path: string, text: string) =>
    providerNames([file(path, { words: [spot(text)] })], ["openai-chat"]).length;
  expect(found("src/gateway/a.ts", "isAnthropic")).toBe(1);
  expect(found("src/core/a.ts", "openai-chat")).toBe(0);
  expect(found("src/core/a.ts", "openai-other")).toBe(1);
  expect(found("src/providers/openai.ts", "openai")).toBe(0);
});

test("machine paths, loose versions and a lockfile that names or forgets something are found", () => {
  const folder = ["", "home", "someone", "x"].join("/");
  expect(
    machinePaths([file("a.md", {}, `see ${folder}`), file("b.md", {}, "see /v1/models and a/home/b")]),
  ).toHaveLength(1);
  expect(inexactVersions({ dependencies: { a: "1.2.3", b: "^1.2.3" }, devDependencies: { c: "latest" } })).toHaveLength(
    2,
  );
  const packages = {
    "node_modules/a": { version: "1.0.0", optionalDependencies: { "a-one": "1.0.0", "a-two": "1.0.0" } },
    "node_modules/a-one": { version: "1.0.0", resolved: "https://registry.example/a-one.tgz" },
  };
  expect(lockMistakes({ packages })).toHaveLength(2);
});

test("paths that a document names are looked for, from the root and from src", () => {
  const there = new Set(["src/core", "src/core/money.ts", "test/cases", "README.md"]);
  const document =
    "`core/money.ts` `core/gone.ts` `test/cases/` `src/nothing/` `README.md` `money.ts` `GONE.md` `POST /v1/x` `text/plain`";
  const missing = missingPaths(
    document,
    (path) => there.has(path.replace(/\/$/, "")),
    (name) => name === "README.md" || name === "money.ts",
  );
  expect(missing).toEqual(["core/gone.ts", "src/nothing/", "GONE.md"].map((path) => `ARCHITECTURE.md: ${path}`));
});
