/**
 * The project's files as the tidiness rules see them: texts, and for TypeScript the facts of its syntax tree.
 * The compiler's own parser reads the code, so strings, comments and generics are never mistaken for one another.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import {
  type Identifier,
  SyntaxKind as Kind,
  type Node,
  type SourceFile,
  type StringLiteral,
} from "typescript/unstable/ast";
import { API } from "typescript/unstable/async";

export const ROOT = join(import.meta.dir, "../../..");

/** A place in a file; lines count from 1. */
export interface Spot {
  readonly text: string;
  readonly line: number;
}

export interface Import extends Spot {
  /** `text` is the specifier as written. */
  readonly typeOnly: boolean;
}

/** What the rules ask about one file of code. */
export interface Code {
  readonly imports: readonly Import[];
  readonly functions: readonly { readonly line: number; readonly lines: number; readonly name: string }[];
  /** Names that the file itself gives: of types, functions, variables. */
  readonly declared: readonly Spot[];
  /** Identifiers and texts, without comments and import specifiers. */
  readonly words: readonly Spot[];
  /** `a.b` where both are plain names. */
  readonly accesses: readonly Spot[];
  readonly anyTypes: readonly number[];
  readonly defaultExports: readonly number[];
}

export interface File {
  /** From the project's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** Absent for what is not TypeScript. */
  readonly code?: Code;
}

const TOP = ["src", "test", "bench", "scripts", "bin", "web", "docs", "decisions", ".ci"];
const SKIPPED = new Set(["node_modules", "dist", "cases", ".cache"]);

function walk(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : walk(path);
    return entry.isFile() ? [path] : [];
  });
}

/** Reads every file that the rules apply to. */
export async function readTree(): Promise<File[]> {
  const entries = readdirSync(ROOT, { withFileTypes: true });
  const top = entries.filter((entry) => entry.isFile()).map((entry) => join(ROOT, entry.name));
  const folders = entries.filter((entry) => entry.isDirectory() && TOP.includes(entry.name));
  const paths = [...top, ...folders.flatMap((entry) => walk(join(ROOT, entry.name)))];
  const api = new API({ cwd: ROOT });
  try {
    const snapshot = await api.updateSnapshot({ openProjects: [join(ROOT, "tsconfig.json")] });
    const program = snapshot.getProjects()[0]?.program;
    const files: File[] = [];
    for (const path of paths) {
      const source = /\.tsx?$/.test(path) ? await program?.getSourceFile(path) : undefined;
      const text = readFileSync(path, "utf8");
      files.push({ path: relative(ROOT, path), text, ...(source ? { code: readCode(source) } : {}) });
    }
    return files;
  } finally {
    await api.close();
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer U)[] ? U[] : T[K] };

function readCode(source: SourceFile): Code {
  const code: Mutable<Code> = {
    imports: [],
    functions: [],
    declared: [],
    words: [],
    accesses: [],
    anyTypes: [],
    defaultExports: [],
  };
  const lineAt = (position: number) => source.getLineAndCharacterOfPosition(position).line + 1;
  const visit = (node: Node): void => {
    const line = lineAt(node.getStart(source));
    const specifier = specifierOf(node);
    if (specifier) code.imports.push({ ...specifier, line });
    if (FUNCTIONS.has(node.kind) && !isSuite(node)) {
      code.functions.push({ line, lines: lineAt(node.end) - line + 1, name: nameOf(node)?.text ?? "a function" });
    }
    if (DECLARATIONS.has(node.kind)) {
      const name = nameOf(node);
      if (name?.kind === Kind.Identifier) code.declared.push({ text: name.text, line });
    }
    if (TEXTS.has(node.kind) && !isSpecifier(node)) code.words.push({ text: (node as Identifier).text, line });
    if (node.kind === Kind.PropertyAccessExpression) code.accesses.push({ text: node.getText(source), line });
    if (node.kind === Kind.AnyKeyword) code.anyTypes.push(line);
    if (isDefaultExport(node)) code.defaultExports.push(line);
    node.forEachChild(visit);
  };
  visit(source);
  return code;
}

const FUNCTIONS = new Set<Kind>([
  Kind.FunctionDeclaration,
  Kind.FunctionExpression,
  Kind.ArrowFunction,
  Kind.MethodDeclaration,
  Kind.Constructor,
  Kind.GetAccessor,
  Kind.SetAccessor,
]);
const DECLARATIONS = new Set<Kind>([
  Kind.FunctionDeclaration,
  Kind.ClassDeclaration,
  Kind.InterfaceDeclaration,
  Kind.TypeAliasDeclaration,
  Kind.VariableDeclaration,
  Kind.MethodDeclaration,
]);
const TEXTS = new Set<Kind>([
  Kind.Identifier,
  Kind.StringLiteral,
  Kind.NoSubstitutionTemplateLiteral,
  Kind.TemplateHead,
  Kind.TemplateMiddle,
  Kind.TemplateTail,
]);

function nameOf(node: Node): Identifier | undefined {
  return (node as { name?: Identifier }).name;
}

/** A function that registers tests is a list of them, not something to be understood as one. */
function isSuite(node: Node): boolean {
  const body = (node as { body?: { statements?: readonly Node[] } }).body;
  return body?.statements?.some((statement) => /^(test|describe)\b/.test(statement.getText())) ?? false;
}

function specifierOf(node: Node): { text: string; typeOnly: boolean } | undefined {
  if (node.kind === Kind.ImportDeclaration || node.kind === Kind.ExportDeclaration) {
    const { moduleSpecifier, importClause, isTypeOnly } = node as Node & {
      moduleSpecifier?: StringLiteral;
      importClause?: Node;
      isTypeOnly?: boolean;
    };
    if (!moduleSpecifier) return undefined;
    const typeOnly = isTypeOnly === true || /^type\b/.test(importClause?.getText() ?? "");
    return { text: moduleSpecifier.text, typeOnly };
  }
  if (node.kind === Kind.CallExpression) {
    const { expression, arguments: given } = node as Node & { expression: Node; arguments: readonly Node[] };
    const first = given[0];
    if (expression.kind === Kind.ImportKeyword && first?.kind === Kind.StringLiteral) {
      return { text: (first as StringLiteral).text, typeOnly: false };
    }
  }
  return undefined;
}

function isSpecifier(node: Node): boolean {
  const kind = node.parent?.kind;
  if (kind === Kind.ImportDeclaration || kind === Kind.ExportDeclaration) return true;
  const call = node.parent as { expression?: Node } | undefined;
  return kind === Kind.CallExpression && call?.expression?.kind === Kind.ImportKeyword;
}

function isDefaultExport(node: Node): boolean {
  if (node.kind === Kind.ExportAssignment || node.kind === Kind.DefaultKeyword) {
    return node.kind === Kind.ExportAssignment || node.parent?.kind !== Kind.DefaultClause;
  }
  return node.kind === Kind.ExportSpecifier && nameOf(node)?.text === "default";
}
