/**
 * Holds the project to its own rules: STYLE.md's marked ones and the layers of the architecture.
 * Each rule is a test that lists every place that breaks it, as `file:line`.
 */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { WIRE_FORMAT_IDS } from "../src/core/operation.ts";
import { cycles, wrongImports } from "./support/tidy/layers.ts";
import {
  anyTypes,
  consoleCalls,
  defaultExports,
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
  type Rule,
} from "./support/tidy/rules.ts";
import { type File, ROOT, readTree } from "./support/tidy/tree.ts";

const files: readonly File[] = await readTree();
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

const RULES: Record<string, Rule> = {
  "a layer imports only what its place allows": wrongImports,
  "imports form no cycle": cycles,
  "a file has at most 400 lines": longFiles,
  "a function has at most 60 lines": longFunctions,
  "a file opens with two sentences in a block comment": openingComments,
  "there is no any": anyTypes,
  "there is no default export": defaultExports,
  "only src/config.ts reads the environment": environmentReads,
  "only the command line writes to the console": consoleCalls,
  "a dialect has no clock, no chance and no network": impureDialects,
  "no name says Manager, Service, Helper or Utils": emptyNames,
  "no provider's name stands where the program must not know it": (tree) => providerNames(tree, WIRE_FORMAT_IDS),
  "no path of a developer's machine": machinePaths,
  "dependencies have exact versions": () => inexactVersions(JSON.parse(read("package.json"))),
  "the lockfile names no registry and is complete": () => lockMistakes(JSON.parse(read("package-lock.json"))),
};

describe("tidy", () => {
  test("the tree is read: files, their code and their imports", () => {
    const money = files.find(({ path }) => path === "src/core/money.ts");
    expect(money?.code?.imports.map(({ text }) => text)).toContain("./usage.ts");
    expect(files.filter(({ code }) => code).length).toBeGreaterThan(20);
  });

  for (const [name, rule] of Object.entries(RULES)) {
    test(name, () => {
      expect(rule(files)).toEqual([]);
    });
  }

  const document = "ARCHITECTURE.md";
  test.skipIf(!existsSync(join(ROOT, document)))(`every path in ${document} exists (needs ${document})`, () => {
    const names = new Set(files.map(({ path }) => basename(path)));
    const exists = (path: string) => existsSync(join(ROOT, path));
    expect(missingPaths(read(document), exists, (name) => names.has(name))).toEqual([]);
  });
});
