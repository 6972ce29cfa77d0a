/**
 * Callers who leave, at twenty moments, on all four surfaces, streamed and plain: 160 calls through the whole server.
 */
import { describe } from "bun:test";
import { FORMATS } from "./formats.ts";
import { grid } from "./grid.ts";
import { LEAVING } from "./leaving.ts";

describe("a caller leaves", () => {
  grid(
    LEAVING,
    FORMATS.map((format) => [format, format] as const),
  );
});
