/**
 * `npm run bench`: runs the benchmarks with the pinned runtime, parameters passed on.
 * Outside the path of a call.
 */
import { join } from "node:path";
import { ensurePackages, ROOT, standInFor, startRuntime } from "./lib.mjs";

ensurePackages();
standInFor(startRuntime([join(ROOT, "bench/index.ts"), ...process.argv.slice(2)]));
