/**
 * Nodes that share a database, each with the routes that manage keys and a cache of its own.
 * For tests of who may do what with keys, and of when a change reaches another node.
 */
import type { SQL } from "bun";
import { accountRoutes } from "../../src/console/account.ts";
import { keyRoutes } from "../../src/console/keys.ts";
import { createManagement, type ManagementRoute } from "../../src/console/route.ts";
import type { PlanTerms } from "../../src/core/call.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { nano } from "../../src/core/money.ts";
import { createAuthenticator } from "../../src/identity/authenticate.ts";
import { openKeys } from "../../src/identity/keys.ts";
import { openWorkspaces } from "../../src/identity/workspaces.ts";
import { usageByKey } from "../../src/usage/by-key.ts";

export const ROOT = "the-root-key-of-these-tests-with-32-characters";
/** Where requests come from unless a test says otherwise. */
export const HOME = "10.1.2.3";

/** Every restriction that a key can have, within which `HOME` is. */
export const RESTRICTED = {
  models: ["gpt-*"],
  providers: ["open*"],
  ip_allow: ["10.0.0.0/8", "2001:db8::1"],
  model_caps: { "gpt-4*": 0.5, "*": 2.000000001 },
  tpm: 1000,
  rpm: 5,
  rpd: 50,
  limit: 10,
  limit_reset: "weekly",
  expires_at: "2090-01-01T00:00:00.000Z",
};

export interface Answer {
  readonly status: number;
  readonly body: JsonObject;
}

/** A node over a database. `address: null` is a caller of whom it is not known. */
export function openNode(sql: SQL, nowMs: () => number, plans: Record<string, PlanTerms> = {}) {
  const keys = openKeys(sql, "sk-test-");
  const workspaces = openWorkspaces(sql);
  const terms = (id: string) => plans[id] ?? { id, includedPerDay: 0 };
  const authenticator = createAuthenticator({ find: keys.findByHash, terms, nowMs });
  const routes: ManagementRoute[] = [
    ...keyRoutes({ keys, workspaces, authenticator, usage: (ids) => usageByKey(sql, ids) }),
    ...accountRoutes({ workspaces, findRecord: async () => undefined }),
  ];
  const management = createManagement({ routes, authenticator, rootKeys: [ROOT], logError: () => {} });

  /** A body that is text is sent as it is. */
  async function ask(
    method: string,
    path: string,
    credential: string | undefined,
    body?: unknown,
    address: string | null = HOME,
  ): Promise<Answer> {
    const [route = "", query = ""] = path.split("?");
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const init = body === undefined ? { method } : { method, body: text };
    const request = new Request(`http://host/api/v1/${path}`, init);
    const answer = await management.answer(request, route, query, credential, "req_1", () => address ?? undefined);
    if (!answer) throw new Error(`no route at ${path}`);
    return { status: answer.status, body: (await answer.json()) as JsonObject };
  }

  async function newKey(body: JsonObject = {}, credential = ROOT) {
    const answer = await ask("POST", "keys", credential, { name: "k", ...body });
    const data = (answer.body.data ?? {}) as JsonObject;
    return { status: answer.status, key: answer.body.key as string, data, hash: data.hash as string };
  }

  async function newWorkspace(plan = "payg"): Promise<string> {
    return (await workspaces.create({ name: "w", plan, welcomeCreditNano: nano(0n) })).id;
  }

  return { keys, routes, ask, newKey, newWorkspace };
}

export type Node = ReturnType<typeof openNode>;

/** The status and the code of an answer. */
export async function outcome(answer: Promise<Answer>): Promise<[status: number, code: unknown]> {
  const { status, body } = await answer;
  return [status, (body.error as JsonObject | undefined)?.code];
}
