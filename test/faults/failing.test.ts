/**
 * Upstreams that fail, in twenty ways, on all four surfaces, streamed and plain: 160 calls through the whole server.
 */
import { describe } from "bun:test";
import { FAILING } from "./failing.ts";
import { FORMATS } from "./formats.ts";
import { grid } from "./grid.ts";

describe("an upstream fails", () => {
  grid(
    FAILING,
    FORMATS.map((format) => [format, format] as const),
  );
});
