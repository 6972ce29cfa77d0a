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
  /** The words without a value that were ordered: see {@link ORDERS}. */
  flags: ReadonlySet<string>;
  /** The words with a value that were ordered: see {@link ORDERS}. */
  values: ReadonlyMap<string, string>;
  /** `call:` orders in rounds: the second round (after `then:`) is called when the first one's results are in. */
  rounds: OrderedCall[][];
  /** Whether the whole received body is asked for as the answer. */
  echo: boolean;
}

/**
 * Every order and what it does, for the text or the `x-sim` header (words there are separated by spaces or semicolons).
 * Besides these: `call:NAME`, `call:NAME{"city":"Paris"}`, `then:NAME` (called once the results before it are in), and
 * `echo:request` (answers with the whole received body).
 */
export const ORDERS = {
  flags: {
    hang: "accepts the call and never answers",
    empty: "200 with an empty stream or body",
    "no-usage": "leaves usage out of the answer; the journal keeps it",
    "no-done": "leaves the last event of the stream out",
    "bad-json": "one event that is half of a JSON text; unstreamed, half of the body",
    "first-error": "200 whose first event (or whole body) is an error",
    "charged-error": "as `first-error`, but usage is reported (and charged) before the error",
    "keeps-charging": "charges for the whole answer though the client has left",
    "stays-open": "leaves the connection open after the last event",
    crlf: "ends lines with CRLF",
    comments: "puts `: keep-alive` comments between events",
    pad: "pads events: obfuscation fields at OpenAI's, spaces elsewhere",
    refuse: "refuses to answer, in the API's own form",
    preamble: "says its text before it calls tools",
    redacted: "Messages: thinks in a redacted_thinking block",
    lenient: "accepts unknown fields at the top of the body",
  },
  values: {
    status: "fails with this HTTP status in the API's own envelope",
    "retry-after": "seconds, as a header with any answer and as RetryInfo in Gemini's errors",
    ttfb: "waits before the first byte: 1500ms or 2s",
    gap: "waits between content chunks, each of which is then a write of its own",
    chunks: "the exact number of text chunks",
    "cut-after": "destroys the connection after so many content chunks; unstreamed, in the middle of the body",
    "cut-inside":
      "destroys the connection in the middle of the event after so many content chunks; as cut-after unstreamed",
    "error-after": "sends the API's in-stream error after so many content chunks; unstreamed, an error with status 200",
    "hang-after": "goes silent after so many content chunks",
    usage:
      "replaces reported numbers: in:10,out:-5,cached:9999,write:1,think:2, or makes nonsense of all: negative, nan, text, huge, cached-over, twice, decreasing; the journal keeps the true ones",
    "big-event": "one content chunk of so many bytes more",
    "no-newline": "so many bytes without any newline instead of the answer",
    split: "writes pieces of so many bytes",
    words: "a text of so many words",
    size: "a text of so many bytes",
    "fail-first": "the first so many calls with the same key fail with 503 (or `status`)",
    "only-first": "the other orders hold for the first so many calls with the same key only",
    key: "the key of `fail-first` and `only-first`",
    reasoning: "chat: `hidden` leaves the thinking text out, `details` sends reasoning and reasoning_details",
  },
} as const;

const FLAGS: ReadonlySet<string> = new Set(Object.keys(ORDERS.flags));
const VALUES: ReadonlySet<string> = new Set(Object.keys(ORDERS.values));

/** Nothing ordered. */
export const NO_DIRECTIVES: Directives = { flags: new Set(), values: new Map(), rounds: [], echo: false };

/** How much of a text's end is searched for orders. */
const MAX_SEARCHED = 20_000;
const MAX_CALLS = 64;
const SHORT_TEXT_WORDS = 4;

const VALUE_PATTERN = /(?:^|[\s;"'(])([a-z]+(?:-[a-z]+)?)=([^\s;"')]+)/g;
const CALL_PATTERN = /(?:^|[\s"'(])(call|then):([A-Za-z0-9_.:-]+)/g;
const MAYBE =
  /=|:|hang|empty|no-|bad-|first-|charged-|keeps-|stays-|crlf|comments|pad|refuse|preamble|redacted|lenient/;

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
 * them, or as the last word of a short text. Those with a dash, and `refuse`, count anywhere.
 */
function readTextFlags(text: string, isOrder: boolean): Set<string> {
  const words = text.split(/[\s;]+/).filter((word) => word !== "");
  const flags = new Set<string>();
  const others = words.some((word) => !FLAGS.has(word) && !word.includes("="));
  for (const [index, word] of words.entries()) {
    const bare = word.replace(/[.,!?"')]+$/, "");
    if (!FLAGS.has(bare)) continue;
    const counts =
      isOrder ||
      !others ||
      bare.includes("-") ||
      bare === "refuse" ||
      (index === words.length - 1 && words.length <= SHORT_TEXT_WORDS);
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
