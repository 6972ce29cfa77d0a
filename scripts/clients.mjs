/**
 * `npm run test:clients`: runs real tools against Sluice with the pinned runtime.
 * Outside the path of a call.
 */
import { join } from "node:path";
import { ensurePackages, ROOT, standInFor, startRuntime } from "./lib.mjs";

ensurePackages();
standInFor(startRuntime([join(ROOT, "test/clients/run.ts"), ...process.argv.slice(2)]));
