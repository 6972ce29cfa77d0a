/**
 * `npm run soak:kill`: kills gateways under load as often as it is told (1000 times) and looks at the money each time.
 * Parameters: how many rounds, and a store (`embedded` or `postgres`) if not both.
 */
import { join } from "node:path";
import { ensurePackages, ROOT, standInFor, startRuntime } from "./lib.mjs";

ensurePackages();
standInFor(startRuntime([join(ROOT, "test/crash/soak.ts"), ...process.argv.slice(2)]));
