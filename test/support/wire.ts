/**
 * Loads the recorded exchanges of real providers and the recorded requests of real tools, which live beside the project.
 * Tests that need them are skipped by name when they are absent, and fail when `CI` is `true`.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Json, JsonObject } from "../../src/core/json.ts";

const SHARED = join(import.meta.dir, "../../../shared");

export interface Recording {
  file: string;
  api: string;
  provider: string;
  model: string | null;
  fidelity: "recorded" | "recorded-normalised" | "fixture";
  request: null | { method: string; path: string; headers: Record<string, string>; body: JsonObject };
  response: { status: number; headers: Record<string, string>; body?: Json; sse?: string };
  tags: string[];
}

export interface ClientRequest {
  file: string;
  client: string;
  method: string;
  path: string;
  headers: Record<string, string>;
  body?: Json;
}

/** Whether the recordings are there. With `CI=true` their absence is an error, not a reason to skip. */
export function haveRecordings(): boolean {
  const present = existsSync(join(SHARED, "wire", "manifest.json"));
  if (!present && process.env.CI === "true") throw new Error("CI needs ../shared/wire beside the project.");
  return present;
}

/** For a test's name: why it is skipped. */
export const SKIP_REASON = "needs the recordings in ../shared";

/** All recordings of one API (`openai.chat`, …) in the order of their file names; empty when the recordings are absent. */
export function recordings(api: string): Recording[] {
  if (!haveRecordings()) return [];
  const folder = join(SHARED, "wire", api);
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => ({ ...JSON.parse(readFileSync(join(folder, name), "utf8")), file: `${api}/${name}` }) as Recording);
}

/** All recorded requests of real tools; empty when they are absent. */
export function clientRequests(): ClientRequest[] {
  if (!haveRecordings()) return [];
  const root = join(SHARED, "clients");
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) =>
      readdirSync(join(root, entry.name))
        .filter((name) => name.endsWith(".json"))
        .sort()
        .map((name) => ({
          ...JSON.parse(readFileSync(join(root, entry.name, name), "utf8")),
          file: `${entry.name}/${name}`,
        })),
    ) as ClientRequest[];
}
