/**
 * Generated files are committed, and this test fails when one differs from what the program would write today.
 * `npm run generate` runs the same test with `UPDATE_GENERATED=1`, which writes them instead.
 */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { configReference } from "../src/config/reference.ts";
import { PROVIDER_TYPES } from "../src/providers/index.ts";
import { providerReference } from "../src/providers/reference.ts";

const ROOT = join(import.meta.dir, "..");

/** Each generated file and what it should hold. */
const GENERATED: Record<string, () => string> = {
  "docs/config.md": () => configReference(PROVIDER_TYPES),
  "docs/providers.md": () => providerReference(PROVIDER_TYPES),
};

for (const [path, generate] of Object.entries(GENERATED)) {
  test(`${path} is up to date (npm run generate)`, () => {
    const file = join(ROOT, path);
    const text = generate();
    if (process.env.UPDATE_GENERATED === "1") {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
    expect(existsSync(file) ? readFileSync(file, "utf8") : undefined).toBe(text);
  });
}
