/**
 * `npm start`: installs what is missing, then serves; signals and the exit code pass through.
 * Outside the path of a call; it only stands between npm and the server's process.
 */
import { join } from "node:path";
import { ensurePackages, ROOT, standInFor, startRuntime } from "./lib.mjs";

ensurePackages();
standInFor(startRuntime([join(ROOT, "src/main.ts"), "serve", ...process.argv.slice(2)]));
