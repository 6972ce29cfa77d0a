/**
 * The rules of STYLE.md that a machine can hold, each a function from the files to the places that break it.
 * `test/tidy.test.ts` runs one test for each; a place is written `file:line` and what is wrong.
 */
import { isTest, layerOf } from "./layers.ts";
import type { File } from "./tree.ts";

export type Rule = (files: readonly File[]) => string[];

const MAX_FILE_LINES = 400;
const MAX_FUNCTION_LINES = 60;

const isCode = ({ path }: File) => /\.(tsx?|mjs)$/.test(path);
const isGenerated = ({ path }: File) => /\.generated\./.test(path);
const inSource = ({ path }: File) => path.startsWith("src/") && !isTest(path);

/** `aB_c-d` as its words in lower case. */
export function wordsOf(text: string): string[] {
  return text
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter(Boolean);
}

export const longFiles: Rule = (files) =>
  files.filter(isCode).flatMap((file) => {
    const lines = file.text.trimEnd().split("\n").length;
    const excepted = isGenerated(file) || file.path.endsWith("/wire.ts");
    return lines > MAX_FILE_LINES && !excepted ? [`${file.path}:1 has ${lines} lines`] : [];
  });

export const longFunctions: Rule = (files) =>
  files
    .filter((file) => !isGenerated(file))
    .flatMap(({ path, code }) =>
      (code?.functions ?? []).flatMap(({ line, lines, name }) =>
        lines > MAX_FUNCTION_LINES ? [`${path}:${line} ${name} has ${lines} lines`] : [],
      ),
    );

/** A block comment of two sentences: what the file is, where it stands. */
export const openingComments: Rule = (files) =>
  files.filter(isCode).flatMap((file) => {
    if (isGenerated(file)) return [];
    const comment = /^(?:#!.*\n)?\/\*\*([\s\S]*?)\*\//.exec(file.text)?.[1];
    if (comment === undefined) return [`${file.path}:1 does not begin with a block comment`];
    const sentences = comment.match(/[.!?:](?=[\s)"]|$)/g)?.length ?? 0;
    return sentences < 2 ? [`${file.path}:1 opens with fewer than two sentences`] : [];
  });

export const anyTypes: Rule = (files) =>
  files.flatMap(({ path, code }) => (code?.anyTypes ?? []).map((line) => `${path}:${line} any`));

/** Settings of tools and declarations of foreign files are in the form that others want. */
export const defaultExports: Rule = (files) =>
  files
    .filter(({ path }) => !/\.(config|d)\.ts$/.test(path))
    .flatMap(({ path, code }) => (code?.defaultExports ?? []).map((line) => `${path}:${line} default export`));

const ENVIRONMENTS = /^(process|Bun|import\.meta)\.env$/;

export const environmentReads: Rule = (files) =>
  files
    .filter((file) => inSource(file) && file.path !== "src/config.ts")
    .flatMap(({ path, code }) =>
      (code?.accesses ?? []).flatMap(({ text, line }) => (ENVIRONMENTS.test(text) ? [`${path}:${line} ${text}`] : [])),
    );

export const consoleCalls: Rule = (files) =>
  files
    .filter((file) => inSource(file) && layerOf(file.path) !== "cli" && file.path !== "src/main.ts")
    .flatMap(({ path, code }) =>
      (code?.accesses ?? []).flatMap(({ text, line }) =>
        /^console\.\w+$/.test(text) ? [`${path}:${line} ${text}`] : [],
      ),
    );

/** What a dialect must not touch: clocks, chance, the network. Ids and times come in from outside. */
const IMPURE = /^(Date\.now|Math\.random|performance\.now|crypto\.\w+|Bun\.\w+|process\.\w+|globalThis\.\w+)$/;

export const impureDialects: Rule = (files) =>
  files
    .filter((file) => inSource(file) && layerOf(file.path) === "dialects")
    .flatMap(({ path, code }) => {
      const accesses = (code?.accesses ?? []).filter(({ text }) => IMPURE.test(text));
      const fetches = (code?.words ?? []).filter(({ text }) => text === "fetch");
      return [...accesses, ...fetches].map(({ text, line }) => `${path}:${line} ${text}`);
    });

const EMPTY_WORDS = new Set(["manager", "service", "helper", "helpers", "util", "utils"]);

/** Names that say nothing: at the end of a name in the code, anywhere in a file's. */
export const emptyNames: Rule = (files) =>
  files
    .filter(isCode)
    .flatMap(({ path, code }) => [
      ...(wordsOf(path).some((word) => EMPTY_WORDS.has(word)) ? [`${path}:1 the file's name`] : []),
      ...(code?.declared ?? []).flatMap(({ text, line }) =>
        EMPTY_WORDS.has(wordsOf(text).at(-1) ?? "") ? [`${path}:${line} ${text}`] : [],
      ),
    ]);

const KNOWN_PROVIDERS = ["openai", "anthropic", "google", "azure", "bedrock", "vertex", "deepseek", "mistral", "groq"];
const MORE_PROVIDERS = ["xai", "cohere", "fireworks", "openrouter", "ollama"];
const PROVIDERS = new Set([...KNOWN_PROVIDERS, ...MORE_PROVIDERS]);

/**
 * Where a provider's name is a fact and not a branch: its own file, the curated list, the wire formats that carry
 * makers' names in headers and errors, the surfaces that listen in those formats, the simulator that imitates them,
 * and the command that configures their tools.
 */
const NAMES_ARE_FACTS = /^src\/(providers|dialects|surfaces|simulator)\/|^src\/catalog\/curated|^src\/cli\/connect/;

/** Provider names in identifiers and texts where the program must not know providers. Ids of dialects are not such names. */
export function providerNames(files: readonly File[], dialectIds: readonly string[]): string[] {
  const strip = (text: string) => dialectIds.reduce((rest, id) => rest.replaceAll(id, " "), text);
  return files
    .filter((file) => inSource(file) && !NAMES_ARE_FACTS.test(file.path))
    .flatMap(({ path, code }) =>
      (code?.words ?? []).flatMap(({ text, line }) => {
        const name = wordsOf(strip(text)).find((word) => PROVIDERS.has(word));
        return name === undefined ? [] : [`${path}:${line} ${name} in ${JSON.stringify(text.slice(0, 60))}`];
      }),
    );
}

/** Folders of a developer's machine. */
const MACHINE_PATH = /(?<![\w.~-])\/(?:work|root|home|Users)\/[\w.-]+/g;

export const machinePaths: Rule = (files) =>
  files.flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, i) => (line.match(MACHINE_PATH) ?? []).map((found) => `${path}:${i + 1} ${found}`)),
  );

interface Package {
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

export function inexactVersions(manifest: Package): string[] {
  return Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }).flatMap(([name, version]) =>
    /^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version) ? [] : [`package.json: ${name} ${version}`],
  );
}

interface Lock {
  packages: Record<string, { version?: string; resolved?: string; optionalDependencies?: Record<string, string> }>;
}

/** Registry addresses in the lockfile, and packages for other platforms that it forgot: `npm ci` refuses such a file. */
export function lockMistakes(lock: Lock): string[] {
  const names = new Set(Object.keys(lock.packages).map((path) => path.replace(/^.*node_modules\//, "")));
  return Object.entries(lock.packages).flatMap(([path, entry]) => [
    ...(entry.resolved === undefined ? [] : [`package-lock.json: ${path} names the registry ${entry.resolved}`]),
    ...Object.keys(entry.optionalDependencies ?? {}).flatMap((name) =>
      names.has(name) ? [] : [`package-lock.json: ${path} wants ${name}, which is not locked`],
    ),
  ]);
}

const FOLDERS = /^(src|test|bench|docs|scripts|bin|decisions|web|\.ci)\//;

/** Paths in a document's code spans and links that are not there. A path may be given from `src/`, a file by its name alone. */
export function missingPaths(
  document: string,
  exists: (path: string) => boolean,
  isFileName: (name: string) => boolean,
): string[] {
  const spans = [...document.matchAll(/`([^`\n]+)`|\]\(([^)#\s]+)\)/g)].map((match) => match[1] ?? match[2] ?? "");
  const layers = (path: string) => exists(`src/${path.split("/")[0]}`);
  return spans.flatMap((span) => {
    const looksLikePath = /^[\w.@-]+(\/[\w.@-]+)+\/?$/.test(span) && (FOLDERS.test(span) || layers(span));
    const looksLikeFile = /^[\w-]+(\.test)?\.(ts|md|mjs|yaml)$/.test(span);
    const there = looksLikeFile ? isFileName(span) : exists(span) || exists(`src/${span}`);
    return (looksLikePath || looksLikeFile) && !there ? [`ARCHITECTURE.md: ${span}`] : [];
  });
}
