/**
 * The simulated provider behind a port of its own.
 * `sluice simulate`, the tests and the benchmarks start it here.
 */
import { createSimulator, type Simulator, type SimulatorOptions } from "./simulator.ts";

/** A simulated provider that listens. */
export interface SimulatorServer {
  /** Without a trailing slash. */
  url: string;
  port: number;
  simulator: Simulator;
  /** Closes every connection and the journal. */
  stop(): Promise<void>;
}

const MAX_BODY_BYTES = 512 * 1024 * 1024;

/** Listens on `port` (0: any free one). Without a timeout of its own: silence is the client's to judge. */
export function serveSimulator(options: SimulatorOptions & { port: number; hostname?: string }): SimulatorServer {
  const simulator = createSimulator(options);
  const server = Bun.serve({
    port: options.port,
    hostname: options.hostname ?? "127.0.0.1",
    idleTimeout: 0,
    maxRequestBodySize: MAX_BODY_BYTES,
    development: false,
    fetch: (request) => simulator.fetch(request),
    // a stream that is cut on purpose ends here; it is no news
    error: () => new Response(null, { status: 500 }),
  });
  return {
    url: server.url.href.replace(/\/$/, ""),
    port: server.port ?? options.port,
    simulator,
    async stop() {
      await server.stop(true);
      await simulator.close();
    },
  };
}
