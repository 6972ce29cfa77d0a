/**
 * The points of both tables at which a conversion could go another way than a relay: each format of callers before another
 * format of upstreams.
 */
import { describe } from "bun:test";
import { FAILING } from "./failing.ts";
import type { Format } from "./formats.ts";
import { grid } from "./grid.ts";
import { LEAVING } from "./leaving.ts";

const PAIRS: readonly (readonly [Format, Format])[] = [
  ["chat", "messages"],
  ["responses", "gemini"],
  ["messages", "chat"],
  ["gemini", "responses"],
];
/** Left to the relays: what happens before the answer begins, and what takes long. */
const CHOSEN = [
  /before the upstream's headers, where/,
  /before an answer that is an error/,
  /at the (?:first|third|fourth) piece/,
  /with all content there/,
  /before usage is told/,
  /it is overloaded/,
  /charges for an error/,
  /breaks off (?:before|after|in)/,
  /tells of an error/,
  /tells no usage/,
  /tells a usage/,
];

describe("where formats are converted", () => {
  grid(
    [...LEAVING, ...FAILING].filter(({ name }) => CHOSEN.some((one) => one.test(name))),
    PAIRS,
  );
});
