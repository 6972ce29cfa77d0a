/**
 * `sluice simulate`: the simulated provider on its own, for trying things out and for tests against a separate process.
 * It needs no configuration.
 */
import { serveSimulator } from "../simulator/index.ts";
import { UsageError } from "./usage.ts";

const DEFAULT_PORT = 9100;

/** Serves until a signal. Resolves with the exit code. */
export async function simulate(
  options: { port?: string | undefined; journal?: string | undefined },
  print: (text: string) => void,
): Promise<number> {
  const port = options.port === undefined ? DEFAULT_PORT : Number(options.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new UsageError("--port takes a number from 0 to 65535");
  const server = serveSimulator({ port, ...(options.journal ? { journalFile: options.journal } : {}) });
  print(`The simulated provider is ready at ${server.url}`);
  await new Promise<void>((resolve) => {
    process.once("SIGTERM", () => resolve());
    process.once("SIGINT", () => resolve());
  });
  await server.stop();
  return 0;
}
