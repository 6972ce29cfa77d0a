/**
 * The composition root: opens every part, joins them, and maps each path to who answers it.
 * Reading it is reading the site map; the parts know nothing of each other but their types.
 */

import { buildCatalog, type Catalog, type CatalogInput, defaultDialects } from "./catalog/catalog.ts";
import { CURATED, MODELS_OF_FORMATS } from "./catalog/curated/index.ts";
import type { ModelDefinition } from "./catalog/definition.ts";
import { createPriceBook, type PriceBook } from "./catalog/prices/book.ts";
import { openOverrides } from "./catalog/prices/overrides.ts";
import { loadPublished } from "./catalog/prices/published.ts";
import type { Config } from "./config.ts";
import { accountRoutes } from "./console/account.ts";
import { creditRoutes } from "./console/credits.ts";
import { keyRoutes } from "./console/keys.ts";
import { planRoutes } from "./console/plans.ts";
import { priceRoutes } from "./console/prices.ts";
import { createManagement, type Management } from "./console/route.ts";
import { workspaceRoutes } from "./console/workspaces.ts";
import type { PlanTerms } from "./core/call.ts";
import { nanoToDollars } from "./core/money.ts";
import { type Database, openDatabase } from "./db/database.ts";
import { migrate } from "./db/migrate.ts";
import { createGateway, type Gateway, newRequestId } from "./gateway/gateway.ts";
import { type Authenticator, createAuthenticator } from "./identity/authenticate.ts";
import { type Keys, openKeys } from "./identity/keys.ts";
import { openWorkspaces, type Workspaces } from "./identity/workspaces.ts";
import { type Books, openBooks } from "./ledger/books.ts";
import { openCoupons } from "./ledger/coupons.ts";
import { watchExpiry } from "./ledger/expiry.ts";
import { openWallet } from "./ledger/wallet.ts";
import type { RateLimiter } from "./limits/limiter.ts";
import { createMemoryLimiter } from "./limits/memory.ts";
import { createRedisLimiter } from "./limits/redis.ts";
import { PROVIDER_TYPES } from "./providers/index.ts";
import type { Provider } from "./providers/provider.ts";
import { type SimulatorServer, serveSimulator } from "./simulator/index.ts";
import { answerModelApi, type Connection, preflight } from "./surfaces/index.ts";
import { credential } from "./surfaces/surface.ts";
import { locate } from "./surfaces/url.ts";
import type { Log } from "./telemetry/log.ts";
import { usageByKey } from "./usage/by-key.ts";
import { type JournalFolder, openJournal, openJournalFolder } from "./usage/journal.ts";
import { createRecorder, type Recorder } from "./usage/recorder.ts";
import { findRecord } from "./usage/records.ts";
import { replayJournal } from "./usage/replay.ts";

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

const DRAIN_RECORDS_MS = 30_000;
/** After so much silence another node is taken for dead, and what it had set aside can be spent again. */
const GIVE_UP_MS = 30_000;
/** The embedded store has no background process that vacuums. */
const MAINTAIN_EVERY_MS = 3_600_000;
/** How soon a node sees the prices that another one put in force. */
const PRICES_EVERY_MS = 30_000;

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
  const database = await openDatabase({
    databaseUrl: config.databaseUrl,
    dataDir: config.dataDir,
    ...config.database,
    log: (level, message, fields) => log[level](message, fields),
    onFatal,
  });
  await migrate(database);
  const { catalog, ...prices } = await catalogWithOverrides(config, providers, database, log);
  const parts = await openParts(config, log, database);
  const firstStart = await parts.workspaces.ensureOperator(config.defaults.plan);
  const upkeep = setInterval(() => void database.maintain().catch(() => {}), MAINTAIN_EVERY_MS);
  upkeep.unref();
  const expiry = watchExpiry({
    sql: database.sql,
    books: parts.books,
    onError: (error) => log.error("credit could not be looked through for its expiry", { error: String(error) }),
  });
  let stopping = false;
  const ready = () => (stopping ? { ok: false as const, reason: "stopping" } : database.ready());
  const gateway = createGateway({
    catalog,
    providers,
    ...parts,
    limits: { ...config.limits, ...waits(config) },
    pumping: { keepAliveMs: config.timeouts.keepAliveMs, writeStallMs: config.timeouts.writeStallMs },
    ready: () => database.ready(),
    logError: (call, error) => logError(log, call.id, error),
    logLoss: (call, lossNano) =>
      log.warn("a call cost more than was held for it", { id: call.id, loss_usd: nanoToDollars(lossNano) }),
  });
  const rootKeys = [...(config.rootKey ? [config.rootKey] : []), ...extraRootKeys];
  const management = manage({ ...parts, prices: prices.book, config, database, rootKeys, log });
  return {
    catalog,
    keys: parts.keys,
    gateway,
    database,
    simulated: simulator !== undefined,
    firstStart,
    fetch: (request, connection) => answerAny({ gateway, management, ready }, request, connection),
    stopTakingWork() {
      stopping = true;
    },
    async close() {
      stopping = true;
      clearInterval(upkeep);
      prices.stop();
      await expiry.stop();
      await parts.recorder
        .drain(DRAIN_RECORDS_MS)
        .catch((error) => log.error("usage records are lost", { error: String(error) }));
      await parts.wallet.close();
      await parts.limiter.close();
      parts.journal.close();
      parts.folder.release();
      await database.close();
      await simulator?.stop();
    },
  };
}

/** The parts that live on the database, after what a killed process left has been booked. */
async function openParts(config: Config, log: Log, database: Database) {
  const { sql } = database;
  const books = openBooks(sql);
  const folder = openJournalFolder(config.dataDir);
  await takeUp(folder, books, database, log);
  const nowMs = () => performance.now();
  const onError = (error: unknown) => log.error("the books could not be asked", { error: String(error) });
  const wallet = await openWallet({ books, nowMs, onError });
  const keys = openKeys(sql, config.brand.keyPrefix);
  const terms = planTerms(config);
  const authenticator = createAuthenticator({ find: keys.findByHash, nowMs: Date.now, terms });
  const journal = openJournal(folder.directory, () => `N${wallet.nodeId}`);
  const recorder = createRecorder({
    sql,
    journal,
    nodeId: () => wallet.nodeId,
    onError: (error, queued) => log.error("usage records could not be written", { error: String(error), queued }),
  });
  const limiter = await openLimiter(config, log, nowMs);
  return {
    keys,
    workspaces: openWorkspaces(sql, books),
    books,
    wallet,
    authenticator,
    recorder,
    limiter,
    journal,
    folder,
  };
}

/** Books what a process that was killed had noted, and frees what it had leased. */
async function takeUp(folder: JournalFolder, books: Books, { sql, kind }: Database, log: Log): Promise<void> {
  const { finished, expired, nodes } = await replayJournal(sql, folder.left);
  // The embedded store has one user, and its lock says that it is us: whoever else is registered is dead.
  await books.giveUp(kind === "embedded" ? 0 : GIVE_UP_MS, nodes);
  folder.forget();
  if (finished + expired > 0) log.warn("an earlier run was cut off; its journal was taken up", { finished, expired });
}

async function openLimiter(config: Config, log: Log, nowMs: () => number): Promise<RateLimiter> {
  if (!config.redisUrl) return createMemoryLimiter({ nowMs });
  const limiter = createRedisLimiter({
    url: config.redisUrl,
    nowMs,
    log: (level, message, fields) => log[level](message, fields),
  });
  await limiter.ready();
  return limiter;
}

/** What each configured plan gives and forbids; one that is no longer configured gives nothing and forbids nothing. */
function planTerms({ plans }: Config): (plan: string) => PlanTerms {
  const known = new Map(
    plans.map((plan): [string, PlanTerms] => [
      plan.id,
      {
        id: plan.id,
        rpm: plan.rpm,
        rpd: plan.rpd,
        tpm: plan.tpm,
        models: plan.models.includes("*") ? undefined : plan.models,
        includedPerDay: plan.includedRequestsPerDay,
        freePerDay: plan.freeRequestsPerDay,
      },
    ]),
  );
  return (id) => known.get(id) ?? { id, includedPerDay: 0 };
}

interface Site {
  readonly gateway: Gateway;
  readonly management: Management;
  readonly ready: () => { ok: true } | { ok: false; reason: string };
}

/** The site map. */
function answerAny(site: Site, request: Request, connection: Connection): Response | Promise<Response> {
  const place = locate(request.url);
  const { route } = place;
  if (route === "healthz") return new Response("ok\n");
  if (route === "readyz") return readiness(site.ready());
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

function logError(log: Log, id: string, error: { code: string; fault: string; detail?: string | undefined }): void {
  if (error.fault === "caller") log.debug("request refused", { id, code: error.code, detail: error.detail });
  else log.warn("request failed", { id, code: error.code, detail: error.detail });
}

function waits({ timeouts }: Config) {
  return {
    connectTimeoutMs: timeouts.connectMs,
    firstByteTimeoutMs: timeouts.firstByteMs,
    idleTimeoutMs: timeouts.idleMs,
  };
}

/** Whether the simulated provider has to run here: nothing else is configured, or the file asks for it without an address. */
function needsSimulator(config: Config): boolean {
  if (config.providers.length === 0) return true;
  return config.providers.some((provider) => provider.type === SIMULATED && provider.baseUrl === undefined);
}

const SIMULATED = "simulated";

function toProviders(config: Config, simulator: SimulatorServer | undefined): Provider[] {
  const configured =
    config.providers.length > 0
      ? config.providers
      : [{ id: SIMULATED, type: SIMULATED, apiKeys: [], headers: {}, timeouts: {} }];
  return configured.map((provider): Provider => {
    const type = PROVIDER_TYPES[provider.type];
    if (!type) throw new Error(`unknown provider type ${provider.type}`);
    const inProcess = provider.type === SIMULATED && provider.baseUrl === undefined;
    return {
      id: provider.id,
      type,
      baseUrl: inProcess ? `${simulator?.url}/v1` : (provider.baseUrl ?? type.baseUrl ?? ""),
      credentials: inProcess ? [SIMULATED] : provider.apiKeys,
      dialects: provider.dialects ?? type.dialects,
      headers: provider.headers,
      timeouts: provider.timeouts,
    };
  });
}

function catalogInput(config: Config, providers: readonly Provider[]): CatalogInput {
  return {
    definitions: config.models,
    curated: curatedFor(config),
    providers,
    marginPercent: config.prices.marginPercent,
    allowUnpriced: config.catalog.allowUnpriced,
  };
}

function catalogOver(config: Config, providers: readonly Provider[]): Catalog {
  return buildCatalog(catalogInput(config, providers));
}

/** The catalogue with the prices that the operator accepted, and what keeps it up to date. */
async function catalogWithOverrides(
  config: Config,
  providers: readonly Provider[],
  { sql }: Database,
  log: Log,
): Promise<{ catalog: Catalog; book: PriceBook; stop(): void }> {
  const book = createPriceBook({
    input: catalogInput(config, providers),
    overrides: openOverrides(sql),
    loadPublished,
    source: "published",
    now: () => new Date(),
    onBroken: (endpoints) => log.error("accepted prices cannot be read; the curated ones hold", { endpoints }),
  });
  await book.refresh();
  // A store that is away is reported by its own watch; until it is back the prices of before hold.
  const timer = setInterval(() => void book.refresh().catch(() => {}), PRICES_EVERY_MS);
  timer.unref();
  return { catalog: book.catalog, book, stop: () => clearInterval(timer) };
}

/** The catalogue that this configuration makes, without opening anything. Throws CatalogError. */
export function buildCatalogOf(config: Config): Catalog {
  return catalogOver(config, toProviders(config, undefined));
}

/** The curated models. Without a real provider the simulated one serves those of the formats' makers, each in its maker's format. */
function curatedFor(config: Config): readonly ModelDefinition[] {
  if (!config.catalog.curated) return [];
  if (config.providers.length > 0) return CURATED;
  return MODELS_OF_FORMATS.map((model) => ({
    ...model,
    endpoints: model.endpoints.map((endpoint) => ({
      ...endpoint,
      dialects:
        endpoint.dialects ?? defaultDialects(model.maxOutput, PROVIDER_TYPES[endpoint.provider]?.dialects ?? []),
      provider: SIMULATED,
      listedBy: endpoint.provider,
    })),
  }));
}

function manage(parts: {
  config: Config;
  prices: PriceBook;
  keys: Keys;
  books: Books;
  workspaces: Workspaces;
  authenticator: Authenticator;
  database: Database;
  recorder: Recorder;
  rootKeys: readonly string[];
  log: Log;
}): Management {
  const { config, keys, workspaces, authenticator, database, recorder, rootKeys, log } = parts;
  const { sql } = database;
  const coupons = openCoupons({ sql, books: parts.books, nowMs: Date.now });
  return createManagement({
    routes: [
      ...keyRoutes({ keys, workspaces, authenticator, usage: (ids) => usageByKey(database.sql, ids) }),
      ...accountRoutes({
        workspaces,
        findRecord: (id, workspaceId) => findRecord(database.sql, recorder, id, workspaceId),
      }),
      ...workspaceRoutes({ workspaces, defaults: config.defaults, plans: config.plans.map(({ id }) => id) }),
      ...creditRoutes({ sql, books: parts.books, coupons, workspaces, nowMs: Date.now }),
      ...planRoutes(config.plans),
      ...priceRoutes(parts.prices),
    ],
    authenticator,
    rootKeys,
    logError: (id, error) => logError(log, id, error),
  });
}
