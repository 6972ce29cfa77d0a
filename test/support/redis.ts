/**
 * A throw-away Redis server for tests, which can be killed, frozen and flushed.
 * Used by the tests of what several nodes share; nothing of the program imports it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RedisClient } from "bun";

export interface RedisServer {
  /** The same through all restarts. */
  readonly url: string;
  /** Ends it at once, as a crash does; its data is lost. */
  kill(): Promise<void>;
  /** Starts it anew after `kill`, empty. */
  restart(): Promise<void>;
  /** Its connections stay, and nothing is answered until `thaw`. */
  freeze(): void;
  thaw(): void;
  flush(): Promise<void>;
  /** Runs one command on a connection of its own. */
  command(name: string, ...values: string[]): Promise<unknown>;
  /** Kills it and removes its directory. Also when the process exits. */
  stop(): Promise<void>;
}

/** Where the server's program is; null when this machine has none. */
export const redisProgram: string | null = Bun.which("redis-server") ?? Bun.which("valkey-server");

/** Starts a server on a free port. Throws when there is no program: skip the test by `redisProgram` before. */
export async function startRedis(): Promise<RedisServer> {
  const program = redisProgram;
  if (program === null) throw new Error("there is no redis-server");
  const directory = mkdtempSync(join(tmpdir(), "sluice-redis-"));
  const port = await findFreePort();
  const url = `redis://127.0.0.1:${port}`;
  let server: ChildProcess | undefined;
  const start = async () => {
    const options = [
      "--port",
      String(port),
      "--bind",
      "127.0.0.1",
      "--save",
      "",
      "--appendonly",
      "no",
      "--dir",
      directory,
    ];
    server = spawn(program, options, { stdio: "ignore" });
    await waitUntilReachable(port);
  };
  const kill = async () => {
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    const gone = once(server, "exit");
    server.kill("SIGKILL");
    await gone;
  };
  const atExit = () => {
    server?.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  };
  process.once("exit", atExit);
  const command = async (name: string, ...values: string[]): Promise<unknown> => {
    const client = new RedisClient(url, { autoReconnect: false });
    try {
      return await client.send(name, values);
    } finally {
      client.close();
    }
  };
  await start();
  return {
    url,
    kill,
    restart: start,
    freeze: () => void server?.kill("SIGSTOP"),
    thaw: () => void server?.kill("SIGCONT"),
    flush: async () => void (await command("FLUSHALL")),
    command,
    async stop() {
      process.off("exit", atExit);
      await kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Waits until it takes connections, ten seconds at most. */
async function waitUntilReachable(port: number): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt++) {
    const socket = connect(port, "127.0.0.1");
    const open = await new Promise<boolean>((tell) => {
      socket.once("connect", () => tell(true));
      socket.once("error", () => tell(false));
    });
    socket.destroy();
    if (open) return;
    await Bun.sleep(20);
  }
  throw new Error("redis-server does not start");
}
