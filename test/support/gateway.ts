/**
 * A gateway without a database: its upstream is a handler, its key is always known, its records are a list.
 * For tests of what happens to one call between the surface and the record.
 */
import type { Catalog } from "../../src/catalog/catalog.ts";
import type { CallRecord, Principal } from "../../src/core/call.ts";
import type { Model } from "../../src/core/endpoint.ts";
import { GatewayError } from "../../src/core/error.ts";
import { createGateway, type Gateway, type GatewaySettings } from "../../src/gateway/gateway.ts";
import type { Authenticator } from "../../src/identity/authenticate.ts";
import { createMemoryLimiter } from "../../src/limits/memory.ts";
import { answerModelApi } from "../../src/surfaces/index.ts";
import { locate } from "../../src/surfaces/url.ts";
import { endpoint, httpUpstream, model, principal, provider } from "./calls.ts";
import { listRecorder, type TestWallet, testWallet } from "./wallet.ts";

export const KEY = "the-key";

export interface TestGateway {
  readonly gateway: Gateway;
  /** The credit of its only workspace. */
  readonly credit: TestWallet;
  readonly records: CallRecord[];
  readonly logged: GatewayError[];
  /** Sends a request through the surfaces; a JSON body makes it a POST. */
  ask(path: string, body?: unknown, init?: RequestInit): Promise<Response>;
}

export interface GatewayOptions {
  upstream?: (request: Request) => Response | Promise<Response>;
  principal?: Partial<Principal>;
  clientAddress?: string;
  /** In nano-dollars. */
  balance?: bigint;
  models?: Model[];
  over?: Partial<GatewaySettings>;
}

const LIMITS: GatewaySettings["limits"] = {
  maxBodyBytes: 100_000,
  maxBodyBytesInFlight: 1_000_000,
  maxJsonDepth: 100,
  maxConcurrentCalls: 100,
  maxAttempts: 3,
  maxReplyBytes: 1_000_000,
  connectTimeoutMs: 5000,
  firstByteTimeoutMs: 5000,
  idleTimeoutMs: 5000,
};

function catalogOf(models: Model[]): Catalog {
  return { models, find: (name) => models.find((one) => one.id === name || one.aliases.includes(name)) };
}

/** A gateway with one model `m` (alias `vendor/m`) that speaks Chat, unless the options say otherwise. */
export function testGateway(options: GatewayOptions = {}): TestGateway {
  const upstream = options.upstream ?? (() => new Response(null, { status: 500 }));
  const payer = principal(options.principal);
  const credit = testWallet(options.balance ?? 10n ** 15n);
  const records: CallRecord[] = [];
  const logged: GatewayError[] = [];
  const authenticator: Authenticator = {
    authenticate(credential) {
      if (credential !== KEY) throw new GatewayError("invalid_api_key", "This API key is not valid.");
      return payer;
    },
    forget() {},
  };
  const gateway = createGateway({
    catalog: catalogOf(options.models ?? [model([endpoint()], { aliases: ["vendor/m"] })]),
    providers: [provider("p", httpUpstream(upstream))],
    authenticator,
    wallet: credit,
    limiter: createMemoryLimiter({ nowMs: () => performance.now() }),
    recorder: listRecorder(records),
    limits: LIMITS,
    pumping: { keepAliveMs: 60_000, writeStallMs: 60_000 },
    ready: () => ({ ok: true }),
    logError: (_, error) => void logged.push(error),
    logLoss: () => {},
    ...options.over,
  });
  const ask = async (path: string, body?: unknown, init: RequestInit = {}) => {
    const request = new Request(`http://gateway${path}`, {
      headers: { authorization: `Bearer ${KEY}` },
      ...(body === undefined ? {} : { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) }),
      ...init,
    });
    return answerModelApi(gateway, request, locate(request.url), {
      bodyRead() {},
      clientAddress: () => options.clientAddress,
    });
  };
  return { gateway, credit, records, logged, ask };
}
