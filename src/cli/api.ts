/**
 * How commands ask the management API: of the running server where there is one, else of the program itself on the same database.
 * Both ways end in the same routes, so there is one set of rules.
 */
import { openApp } from "../app.ts";
import type { Config } from "../config.ts";
import { asObject, asString, type JsonObject } from "../core/json.ts";
import type { Log } from "../telemetry/log.ts";
import { findServer } from "./control.ts";
import { UsageError } from "./usage.ts";

/** Asks for a path under `/api/v1`. Throws UsageError with the API's own words when it refuses. */
export type Ask = (method: string, path: string, body?: JsonObject) => Promise<JsonObject>;

/** Runs `work` with a way to ask the management API. */
export async function withApi(config: Config, log: Log, work: (ask: Ask) => Promise<void>): Promise<void> {
  const server = await findServer(config.dataDir);
  if (server) {
    await work(asker((request) => fetch(request), server.url, server.token));
    return;
  }
  const token = crypto.randomUUID() + crypto.randomUUID();
  const app = await openApp(config, log, [token]);
  try {
    await work(
      asker(
        async (request) => app.fetch(request, { bodyRead() {}, clientAddress: () => undefined }),
        "http://localhost",
        token,
      ),
    );
  } finally {
    await app.close();
  }
}

function asker(send: (request: Request) => Promise<Response>, url: string, token: string): Ask {
  return async (method, path, body) => {
    const request = new Request(`${url}/api/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const response = await send(request);
    const answer = asObject(await response.json()) ?? {};
    if (!response.ok)
      throw new UsageError(asString(asObject(answer.error)?.message) ?? `the server answered ${response.status}`);
    return answer;
  };
}
