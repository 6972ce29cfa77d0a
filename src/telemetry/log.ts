/**
 * The log: one line an event, as JSON or text, without any content of requests.
 * Everything that the program tells its operator goes through here; what a caller may read is a different field of an error.
 */

export type Level = "error" | "warn" | "info" | "debug";
const RANK: { readonly [L in Level]: number } = { error: 0, warn: 1, info: 2, debug: 3 };

export interface Log {
  error(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  debug(message: string, fields?: Record<string, unknown>): void;
}

/** A log that writes lines of at least `level` with `write`. */
export function createLog(settings: { level: Level; format: "json" | "text"; write: (line: string) => void }): Log {
  const { level: threshold, format, write } = settings;
  const at = (level: Level) => (message: string, fields?: Record<string, unknown>) => {
    if (RANK[level] > RANK[threshold]) return;
    write(format === "json" ? toJson(level, message, fields) : toText(level, message, fields));
  };
  return { error: at("error"), warn: at("warn"), info: at("info"), debug: at("debug") };
}

function toJson(level: Level, message: string, fields: Record<string, unknown> | undefined): string {
  return JSON.stringify({ time: new Date().toISOString(), level, message, ...fields }, writable);
}

function toText(level: Level, message: string, fields: Record<string, unknown> | undefined): string {
  const time = new Date().toISOString().slice(11, 19);
  const more = Object.entries(fields ?? {})
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value, writable)}`)
    .join(" ");
  return oneLine(`${time} ${level.padEnd(5)} ${message}${more ? ` ${more}` : ""}`);
}

/** Amounts are bigints, which JSON has no form for. */
function writable(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}

/** What others wrote must neither begin a line of its own nor move the terminal's cursor. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (character) =>
    character === "\n" ? "\\n" : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
