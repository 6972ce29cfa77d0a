/**
 * The composition root: opens every part, joins them, and maps each path to who answers it.
 * Reading it is reading the site map; the parts know nothing of each other but their types.
 */

import { manage } from "./app/management.ts";
import { catalogOver, catalogWithOverrides, needsSimulator, toProviders } from "./app/models.ts";
import { openParts } from "./app/parts.ts";
import { openPayments } from "./app/payments.ts";
import type { Webhook } from "./billing/webhook.ts";
import type { Catalog } from "./catalog/catalog.ts";
import type { Config } from "./config.ts";
import type { Management } from "./console/route.ts";
import type { GatewayError } from "./core/error.ts";
import { nanoToDollars } from "./core/money.ts";
import { type Database, openDatabase } from "./db/database.ts";
import { migrate } from "./db/migrate.ts";
import { createGateway, type Gateway, type GatewaySettings, newRequestId } from "./gateway/gateway.ts";
import type { Keys } from "./identity/keys.ts";
import type { Books } from "./ledger/books.ts";
import { watchExpiry } from "./ledger/expiry.ts";
import { serveSimulator } from "./simulator/index.ts";
import { answerModelApi, type Connection, preflight } from "./surfaces/index.ts";
import { credential } from "./surfaces/surface.ts";
import { locate } from "./surfaces/url.ts";
import type { Log } from "./telemetry/log.ts";

export interface App {
  readonly catalog: Catalog;
  readonly keys: Keys;
  readonly gateway: Gateway;
  readonly database: Database;
  /** Whether the simulated provider stands in because no real one is configured. */
  readonly simulated: boolean;
  /** Whether this start created the operator's workspace: the first start on this database. */
  readonly firstStart: boolean;
  fetch(request: Request, connection: Connection): Response | Promise<Response>;
  /** From now on `/readyz` says no. Calls under way go on. */
  stopTakingWork(): void;
  /** Writes what is left and lets go of everything. Call it when no call is running. */
  close(): Promise<void>;
}

/** The embedded store has no background process that vacuums. */
const MAINTAIN_EVERY_MS = 3_600_000;

/** Opens everything, the catalogue's mistakes told before that. Throws what the parts throw: CatalogError, MigrationError, a locked data directory. */
export async function openApp(
  config: Config,
  log: Log,
  extraRootKeys: readonly string[] = [],
  onFatal?: (reason: string) => void,
): Promise<App> {
  const simulator = needsSimulator(config) ? serveSimulator({ port: 0 }) : undefined;
  const providers = toProviders(config, simulator);
  catalogOver(config, providers);
  const database = await openStore(config, log, onFatal);
  const { catalog, ...prices } = await catalogWithOverrides(config, providers, database, log);
  const parts = await openParts(config, log, database);
  const firstStart = await parts.workspaces.ensureOperator(config.defaults.plan);
  const upkeep = keepUp(parts.books, database, log);
  const payments = openPayments(config, log, database, parts.books);
  let stopping = false;
  const ready = () => (stopping ? { ok: false as const, reason: "stopping" } : database.ready());
  const logError = errorLog(log);
  const gateway = createGateway({
    catalog,
    providers,
    ...parts,
    ...bounds(config),
    ready: () => database.ready(),
    checkBooks: parts.watch.refuseWhenWrong,
    ...callLog(log, logError),
  });
  const rootKeys = [...(config.rootKey ? [config.rootKey] : []), ...extraRootKeys];
  const own = { prices: prices.book, gateway, providers, billing: payments.routes, database };
  const management = manage({ config, parts, ...own, rootKeys, logError });
  const site = { gateway, management, ready, webhook: payments.billing?.webhook };
  return {
    catalog,
    keys: parts.keys,
    gateway,
    database,
    simulated: simulator !== undefined,
    firstStart,
    fetch: (request, connection) => answerAny(site, request, connection),
    stopTakingWork() {
      stopping = true;
    },
    async close() {
      stopping = true;
      prices.stop();
      await Promise.all([upkeep.stop(), payments.stop()]);
      await parts.close();
      await database.close();
      await simulator?.stop();
    },
  };
}

/** What the gateway tells of calls. */
function callLog(log: Log, logError: (id: string, error: GatewayError) => void): CallLog {
  return {
    logError: (call, error) => logError(call.id, error),
    logLoss: ({ id }, lossNano) =>
      log.warn("a call cost more than was held for it", { id, loss_usd: nanoToDollars(lossNano) }),
    logCircuit: (endpoint, circuit, reason) => log.warn("an endpoint's circuit changed", { endpoint, circuit, reason }),
  };
}

type CallLog = Pick<GatewaySettings, "logError" | "logLoss" | "logCircuit">;

/** The database with the schema that this program was written for. */
async function openStore(config: Config, log: Log, onFatal?: (reason: string) => void): Promise<Database> {
  const { databaseUrl, dataDir } = config;
  const write = (level: "info" | "warn" | "error", message: string, fields?: Record<string, unknown>) =>
    log[level](message, fields);
  const database = await openDatabase({ databaseUrl, dataDir, ...config.database, log: write, onFatal });
  await migrate(database);
  return database;
}

/** What has to be done now and then. */
function keepUp(books: Books, database: Database, log: Log): { stop(): Promise<void> } {
  const maintain = async () => {
    await books.tidy();
    await database.maintain();
  };
  // What could not be done now is done an hour later.
  const timer = setInterval(() => void maintain().catch(() => {}), MAINTAIN_EVERY_MS);
  timer.unref();
  const expiry = watchExpiry({
    sql: database.sql,
    books,
    onError: (error) => log.error("credit could not be looked through for its expiry", { error: String(error) }),
  });
  return {
    async stop() {
      clearInterval(timer);
      await expiry.stop();
    },
  };
}

interface Site {
  readonly gateway: Gateway;
  readonly management: Management;
  readonly ready: () => { ok: true } | { ok: false; reason: string };
  /** Stripe's events; absent without a secret to verify them with. */
  readonly webhook: Webhook | undefined;
}

/** The site map. */
function answerAny(site: Site, request: Request, connection: Connection): Response | Promise<Response> {
  const place = locate(request.url);
  const { route } = place;
  if (route === "healthz") return new Response("ok\n");
  if (route === "readyz") return readiness(site.ready());
  if (route === "api/stripe/webhook" && site.webhook) return site.webhook(request);
  if ((route === "" || route === "api/hello") && isLook(request)) return new Response("Sluice\n");
  const path = route.startsWith("api/admin/") ? route.slice("api/".length) : place.api ? route : undefined;
  if (path !== undefined) {
    if (request.method === "OPTIONS") return preflight(request);
    const key = credential(request.headers, () => undefined);
    const answer = site.management.answer(request, path, place.query, key, newRequestId(), connection.clientAddress);
    if (answer) return answer;
  }
  return answerModelApi(site.gateway, request, place, connection);
}

function isLook(request: Request): boolean {
  return request.method === "GET" || request.method === "HEAD";
}

function readiness(ready: { ok: true } | { ok: false; reason: string }): Response {
  if (ready.ok) return new Response("ready\n");
  return new Response(`${ready.reason}\n`, { status: 503, headers: { "retry-after": "2" } });
}

function errorLog(log: Log): (id: string, error: GatewayError) => void {
  return (id, { code, fault, detail }) => {
    if (fault === "caller") log.debug("request refused", { id, code, detail });
    else log.warn("request failed", { id, code, detail });
  };
}

/** What bounds a call. */
function bounds({ limits, timeouts, circuits }: Config) {
  const { connectMs, firstByteMs, idleMs, keepAliveMs, writeStallMs, abandonedMs } = timeouts;
  return {
    limits: { ...limits, connectTimeoutMs: connectMs, firstByteTimeoutMs: firstByteMs, idleTimeoutMs: idleMs },
    pumping: { keepAliveMs, writeStallMs },
    circuits,
    abandoning: { timeMs: abandonedMs, maxCalls: limits.maxAbandonedCalls },
  };
}
