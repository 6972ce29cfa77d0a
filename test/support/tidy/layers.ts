/**
 * Who may import whom: the layers of the source and the rules between them, and that imports form no cycle.
 * The table is the architecture's sentence on imports, written so that a machine can hold it.
 */
import { dirname, join } from "node:path";
import type { File, Import } from "./tree.ts";

/** A folder of `src/`, with its own files, and the folders it may import from. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  core: [],
  simulator: [],
  dialects: ["core"],
  providers: ["core"],
  upstream: ["core"],
  telemetry: ["core"],
  db: ["core"],
  limits: ["core", "db"],
  ledger: ["core", "db"],
  identity: ["core", "db", "ledger"],
  usage: ["core", "db"],
  catalog: ["core", "db", "providers"],
  billing: ["core", "db", "ledger", "identity"],
  gateway: [
    "core",
    "dialects",
    "providers",
    "upstream",
    "catalog",
    "limits",
    "ledger",
    "identity",
    "usage",
    "telemetry",
  ],
  surfaces: ["core", "dialects", "gateway"],
  config: ["core", "identity"],
};

/** Layers that may import anything but these. */
const MAY_NOT_IMPORT: Record<string, readonly string[]> = {
  console: ["gateway", "dialects", "providers", "surfaces", "cli", "simulator", "app", "main"],
  mcp: ["gateway", "dialects", "providers", "surfaces", "cli", "simulator", "app", "main"],
  cli: ["gateway", "main"],
  app: ["cli", "main"],
  main: [],
};

/** Folders whose code is pure: neither packages nor the runtime's own modules. */
const PURE = ["core", "dialects"];

/** `src/core/money.ts` is in `core`, `src/config.ts` in `config`; undefined outside `src/`. */
export function layerOf(path: string): string | undefined {
  return /^src\/([^/.]+)/.exec(path)?.[1];
}

/** Tests and benchmarks may look at anything. */
export function isTest(path: string): boolean {
  return /^(test|bench)\/|\.(test|fixture)\.tsx?$|\/recordings\.\w+\.ts$/.test(path);
}

/** The project's file that an import means, or undefined for packages. */
export function targetOf(from: string, specifier: string): string | undefined {
  return specifier.startsWith(".") ? join(dirname(from), specifier) : undefined;
}

/** Every import that crosses the layers the wrong way. */
export function wrongImports(files: readonly File[]): string[] {
  return files.flatMap(({ path, code }) => {
    const layer = layerOf(path);
    if (!code || layer === undefined || isTest(path)) return [];
    if (!MAY_IMPORT[layer] && !MAY_NOT_IMPORT[layer])
      return [`${path}:1 is in no layer of test/support/tidy/layers.ts`];
    return code.imports.flatMap((found) => {
      const problem = wrongImport(path, layer, found);
      return problem === undefined ? [] : [`${path}:${found.line} ${problem}`];
    });
  });
}

function wrongImport(path: string, layer: string, { text }: Import): string | undefined {
  const target = targetOf(path, text);
  if (target === undefined) return PURE.includes(layer) ? `${layer} imports the package ${text}` : undefined;
  const other = layerOf(target);
  if (other === layer) return undefined;
  if (other === undefined) {
    return target === "package.json" ? undefined : `${layer} imports ${target}, which is not part of the program`;
  }
  const allowed = MAY_IMPORT[layer]?.includes(other) ?? !MAY_NOT_IMPORT[layer]?.includes(other);
  return allowed ? undefined : `${layer} may not import ${other} (${text})`;
}

/** Each cycle once, as the chain of its files. Imports of types count: they tie files together for a reader too. */
export function cycles(files: readonly File[]): string[] {
  const graph = new Map(
    files.flatMap(({ path, code }) => {
      const targets = code?.imports.flatMap(({ text }) => targetOf(path, text) ?? []);
      return targets ? [[path, targets] as const] : [];
    }),
  );
  const found: string[] = [];
  const done = new Set<string>();
  const chain: string[] = [];
  const visit = (path: string): void => {
    const start = chain.indexOf(path);
    if (start >= 0) {
      found.push([...chain.slice(start), path].join(" -> "));
      return;
    }
    if (done.has(path)) return;
    chain.push(path);
    for (const target of graph.get(path) ?? []) visit(target);
    chain.pop();
    done.add(path);
  };
  for (const path of graph.keys()) visit(path);
  return found;
}
