/**
 * Reads tool arguments, which models write as JSON text and may leave unfinished or malformed, as an object.
 * Encoders of formats whose tool input is an object (Anthropic, Gemini) use it on canonical arguments.
 */
import { asObject, type Json, type JsonObject, tryParse } from "../core/json.ts";

/** What the text says, and whether it was one whole JSON object (an empty text counts as `{}`). */
export interface ParsedArguments {
  value: JsonObject;
  complete: boolean;
}

/**
 * The arguments as an object, whatever the text. Never throws.
 * JSON that breaks off is closed after the last thing that can be read (a cut-off string keeps its beginning); an object
 * encoded twice is unwrapped; any other JSON value, and text that is no JSON at all, stands under `input`.
 */
export function parseArguments(text: string): ParsedArguments {
  if (text === "") return { value: {}, complete: true };
  const parsed = tryParse(text);
  const object = asObject(parsed);
  if (object) return { value: object, complete: true };
  if (parsed !== undefined) return { value: wrap(parsed), complete: false };
  if (!/^\s*(?:\{|$)/.test(text)) return { value: { input: text }, complete: false };
  return { value: asObject(tryParse(closeJson(text))) ?? { input: text }, complete: false };
}

function wrap(value: Json): JsonObject {
  if (value === null) return {};
  const inner = typeof value === "string" ? asObject(tryParse(value)) : undefined;
  return inner ?? { input: value };
}

/** What may come next while scanning. */
type Expect = "value" | "value-or-end" | "key" | "key-or-end" | "colon" | "comma-or-end" | "nothing";

interface Scan {
  readonly text: string;
  at: number;
  expect: Expect;
  /** The closing brackets still owed, innermost last. */
  readonly closers: string[];
  readonly tokens: string[];
  /** How many tokens make a text that only lacks its closing brackets. */
  good: number;
}

/** The longest readable beginning of a JSON text, closed. Works without recursion: nesting is the caller's choice. */
function closeJson(text: string): string {
  const scan: Scan = { text, at: 0, expect: "value", closers: [], tokens: [], good: 0 };
  while (scan.at < text.length && scan.expect !== "nothing") {
    const char = text[scan.at] as string;
    if (char === " " || char === "\n" || char === "\r" || char === "\t") scan.at += 1;
    else if (!step(scan, char)) break;
  }
  if (scan.good === 0) return "{}";
  return scan.tokens.slice(0, scan.good).join("") + scan.closers.reverse().join("");
}

function step(scan: Scan, char: string): boolean {
  const { expect } = scan;
  if (char === "}" || char === "]") return close(scan, char);
  if (expect === "comma-or-end" && char === ",") {
    return punctuation(scan, char, scan.closers.at(-1) === "}" ? "key" : "value");
  }
  if (expect === "colon" && char === ":") return punctuation(scan, char, "value");
  if (expect === "key" || expect === "key-or-end") return char === '"' && string(scan, true);
  if (expect !== "value" && expect !== "value-or-end") return false;
  if (char === "{" || char === "[") return open(scan, char);
  return char === '"' ? string(scan, false) : scalar(scan);
}

function punctuation(scan: Scan, char: string, next: Expect): boolean {
  scan.tokens.push(char);
  scan.at += 1;
  scan.expect = next;
  return true;
}

function open(scan: Scan, char: string): boolean {
  scan.closers.push(char === "{" ? "}" : "]");
  punctuation(scan, char, char === "{" ? "key-or-end" : "value-or-end");
  scan.good = scan.tokens.length;
  return true;
}

function close(scan: Scan, char: string): boolean {
  const empty = char === "}" ? "key-or-end" : "value-or-end";
  if (scan.closers.at(-1) !== char || (scan.expect !== "comma-or-end" && scan.expect !== empty)) return false;
  scan.closers.pop();
  endValue(scan, char, scan.at + 1);
  return true;
}

function endValue(scan: Scan, token: string, at: number): void {
  scan.tokens.push(token);
  scan.good = scan.tokens.length;
  scan.at = at;
  scan.expect = scan.closers.length > 0 ? "comma-or-end" : "nothing";
}

/** Reads a string; models sometimes leave control characters unescaped in it. */
function string(scan: Scan, isKey: boolean): boolean {
  const { text } = scan;
  let token = '"';
  let at = scan.at + 1;
  for (let char = text[at]; char !== undefined && char !== '"'; char = text[at]) {
    const length = char !== "\\" ? 1 : text[at + 1] === "u" ? 6 : 2;
    if (at + length > text.length) break;
    token += char < " " ? JSON.stringify(char).slice(1, -1) : text.slice(at, at + length);
    at += length;
  }
  token += '"';
  const ended = text[at] === '"';
  if (isKey) {
    if (!ended) return false;
    scan.tokens.push(token);
    scan.at = at + 1;
    scan.expect = "colon";
    return true;
  }
  endValue(scan, token, ended ? at + 1 : text.length);
  return true;
}

const SCALAR = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

function scalar(scan: Scan): boolean {
  SCALAR.lastIndex = scan.at;
  const token = SCALAR.exec(scan.text)?.[0];
  if (token === undefined) return false;
  endValue(scan, token, scan.at + token.length);
  return true;
}
