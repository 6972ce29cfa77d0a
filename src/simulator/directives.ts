/**
 * What the caller orders the simulated provider to do: faults, sizes and tool calls, read from words.
 * They come from the `x-sim` header and from the last user text; plans and streams obey them.
 */

/** A tool call that the user's text asks for. */
export interface OrderedCall {
  name: string;
  /** The arguments as written, when they were. */
  args: string | undefined;
}

/** Orders; what is absent keeps the ordinary behaviour. Times are milliseconds, sizes are bytes. */
export interface Directives {
  /** The words without a value that were ordered: see {@link FLAGS}. */
  flags: ReadonlySet<string>;
  /** The words with a value that were ordered: see {@link VALUES}. */
  values: ReadonlyMap<string, string>;
  /** `call:` orders in rounds: the second round (after `then:`) is called when the first one's results are in. */
  rounds: OrderedCall[][];
  /** Whether the whole received body is asked for as the answer. */
  echo: boolean;
}

/** Orders without a value. */
export const FLAGS: ReadonlySet<string> = new Set([
  "hang",
  "empty",
  "no-usage",
  "no-done",
  "bad-json",
  "first-error",
  "crlf",
  "comments",
  "pad",
  "refuse",
  "preamble",
  "redacted",
  "lenient",
]);

/** Orders with a value. */
export const VALUES: ReadonlySet<string> = new Set([
  "status",
  "retry-after",
  "ttfb",
  "gap",
  "chunks",
  "cut-after",
  "error-after",
  "hang-after",
  "usage",
  "big-event",
  "no-newline",
  "split",
  "words",
  "size",
  "fail-first",
  "key",
  "reasoning",
]);

/** Nothing ordered. */
export const NO_DIRECTIVES: Directives = { flags: new Set(), values: new Map(), rounds: [], echo: false };

/** How much of a text's end is searched for orders. */
const MAX_SEARCHED = 20_000;
const MAX_CALLS = 64;

const VALUE_PATTERN = /(?:^|[\s;"'(])([a-z]+(?:-[a-z]+)?)=([^\s;"')]+)/g;
const CALL_PATTERN = /(?:^|[\s"'(])(call|then):([A-Za-z0-9_.:-]+)/g;
const MAYBE = /=|:|hang|empty|no-|bad-|first-|crlf|comments|pad|refuse|preamble|redacted|lenient/;

/** The balanced `{...}` that starts at `from`, if there is one. */
function braces(text: string, from: number): string | undefined {
  if (text[from] !== "{") return undefined;
  let depth = 0;
  let quoted = false;
  for (let at = from; at < text.length; at++) {
    const letter = text[at];
    if (quoted) {
      if (letter === "\\") at += 1;
      else if (letter === '"') quoted = false;
    } else if (letter === '"') quoted = true;
    else if (letter === "{") depth += 1;
    else if (letter === "}" && --depth === 0) return text.slice(from, at + 1);
  }
  return undefined;
}

function readCalls(text: string): OrderedCall[][] {
  const rounds: OrderedCall[][] = [];
  let count = 0;
  for (const match of text.matchAll(CALL_PATTERN)) {
    const name = match[2] ?? "";
    const args = braces(text, match.index + match[0].length);
    const call = { name: args === undefined ? name.replace(/[.:-]+$/, "") : name, args };
    if (match[1] === "then" || rounds.length === 0) rounds.push([call]);
    else rounds[rounds.length - 1]?.push(call);
    if (++count >= MAX_CALLS) break;
  }
  return rounds;
}

/**
 * Flags are everyday words, so in a text they count only when nothing else is said, when another order stands beside
 * them, or as the last word. Those with a dash, and `refuse`, count anywhere.
 */
function readTextFlags(text: string, isOrder: boolean): Set<string> {
  const words = text.split(/[\s;]+/).filter((word) => word !== "");
  const flags = new Set<string>();
  const others = words.some((word) => !FLAGS.has(word) && !word.includes("="));
  for (const [index, word] of words.entries()) {
    const bare = word.replace(/[.,!?"')]+$/, "");
    if (!FLAGS.has(bare)) continue;
    const counts = isOrder || !others || bare.includes("-") || bare === "refuse" || index === words.length - 1;
    if (counts) flags.add(bare);
  }
  return flags;
}

/** Reads orders out of the user's words. */
export function readText(text: string): Directives {
  const searched = text.length > MAX_SEARCHED ? text.slice(-MAX_SEARCHED) : text;
  if (!MAYBE.test(searched)) return NO_DIRECTIVES;
  const values = new Map<string, string>();
  for (const match of searched.matchAll(VALUE_PATTERN)) {
    if (VALUES.has(match[1] ?? "")) values.set(match[1] ?? "", (match[2] ?? "").replace(/[.,]+$/, ""));
  }
  const rounds = searched.includes("call:") ? readCalls(searched) : [];
  const flags = readTextFlags(searched, values.size > 0 || rounds.length > 0);
  return { flags, values, rounds, echo: searched.includes("echo:request") };
}

/** Reads orders out of the `x-sim` header, where every word is an order. */
export function readHeader(header: string | null): Directives {
  if (header === null || header === "") return NO_DIRECTIVES;
  const flags = new Set<string>();
  const values = new Map<string, string>();
  const bare = header.replace(CALL_PATTERN, " ");
  for (const word of bare.split(/[\s;]+/)) {
    const equals = word.indexOf("=");
    if (equals > 0) values.set(word.slice(0, equals), word.slice(equals + 1));
    else if (FLAGS.has(word)) flags.add(word);
  }
  return { flags, values, rounds: readCalls(header), echo: header.includes("echo:request") };
}

/** Both orders together; the header's win. */
export function mergeDirectives(header: Directives, text: Directives): Directives {
  if (header === NO_DIRECTIVES) return text;
  if (text === NO_DIRECTIVES) return header;
  return {
    flags: new Set([...text.flags, ...header.flags]),
    values: new Map([...text.values, ...header.values]),
    rounds: header.rounds.length > 0 ? header.rounds : text.rounds,
    echo: header.echo || text.echo,
  };
}

/** A value as a whole number within bounds; `1500ms` and `2s` are read as milliseconds. */
export function numberFrom(directives: Directives, name: string, most: number): number | undefined {
  const value = directives.values.get(name);
  if (value === undefined) return undefined;
  const match = /^(\d+(?:\.\d+)?)(ms|s)?/.exec(value);
  if (match === null) return undefined;
  const number = Number(match[1]) * (match[2] === "s" ? 1000 : 1);
  return Math.min(Math.max(0, Math.floor(number)), most);
}
