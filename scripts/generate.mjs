/**
 * `npm run generate`: writes the committed generated files anew.
 * It runs the test that compares them, told to write instead.
 */
import { ensurePackages, ROOT, runtimeEnvironment, standInFor, startRuntime } from "./lib.mjs";

ensurePackages();
const env = runtimeEnvironment({ UPDATE_GENERATED: "1" });
standInFor(startRuntime(["test", "./test/generated.test.ts"], { cwd: ROOT, env }));
