/**
 * Opens what lives on the database: books, wallet, journal, keys, records, limits, after what a killed process left has been booked.
 * A part of the composition root; everything here is handed to the gateway and to the management routes.
 */
import type { Config } from "../config.ts";
import type { PlanTerms } from "../core/call.ts";
import type { Database } from "../db/database.ts";
import { type Authenticator, createAuthenticator } from "../identity/authenticate.ts";
import { type Keys, openKeys } from "../identity/keys.ts";
import { openWorkspaces, type Workspaces } from "../identity/workspaces.ts";
import { type Books, openBooks } from "../ledger/books.ts";
import { inTime } from "../ledger/purse.ts";
import { openWallet, type Wallet } from "../ledger/wallet.ts";
import { type BooksWatch, watchBooks } from "../ledger/watch.ts";
import type { RateLimiter } from "../limits/limiter.ts";
import { createMemoryLimiter } from "../limits/memory.ts";
import { createRedisLimiter } from "../limits/redis.ts";
import type { Log } from "../telemetry/log.ts";
import { type JournalFolder, openJournal, openJournalFolder } from "../usage/journal.ts";
import { createRecorder, LINES, type Recorder } from "../usage/recorder.ts";
import { replayJournal } from "../usage/replay.ts";

const DRAIN_RECORDS_MS = 30_000;
/** The longest that a call waits for its key: a database that is frozen closes no connection. */
const KEY_WITHIN_MS = 5000;
/** A node stops using what it had set aside long before others take it for dead. */
const TRUST_PART = 3;

/** What lives on the database. */
export interface Parts {
  readonly keys: Keys;
  readonly workspaces: Workspaces;
  readonly books: Books;
  readonly watch: BooksWatch;
  readonly wallet: Wallet;
  readonly authenticator: Authenticator;
  readonly recorder: Recorder;
  readonly limiter: RateLimiter;
  /** Writes what is left and returns what was set aside. */
  close(): Promise<void>;
}

/** The parts that live on the database, after what a killed process left has been booked. */
export async function openParts(config: Config, log: Log, database: Database): Promise<Parts> {
  const { sql } = database;
  const books = openBooks(sql);
  const folder = openJournalFolder(config.dataDir);
  const { nodeSilenceMs } = config.database;
  await takeUp(folder, books, database, nodeSilenceMs, log);
  const nowMs = () => performance.now();
  const onError = (error: unknown) => log.error("the books could not be asked", { error: String(error) });
  const timing = { giveUpMs: nodeSilenceMs, trustMs: nodeSilenceMs / TRUST_PART };
  const wallet = await openWallet({ books, nowMs, onError, timing });
  const watch = watchOver(books, log, nowMs);
  const keys = openKeys(sql, config.brand.keyPrefix);
  const terms = planTerms(config);
  const find = (hash: string) => inTime(keys.findByHash(hash), KEY_WITHIN_MS);
  const authenticator = createAuthenticator({ find, nowMs: Date.now, terms });
  const journal = openJournal(folder.directory, () => LINES.node + wallet.nodeId);
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
    watch,
    wallet,
    authenticator,
    recorder,
    limiter,
    async close() {
      const lost = (error: unknown) => log.error("usage records wait in the journal", { error: String(error) });
      await watch.stop();
      await recorder.drain(DRAIN_RECORDS_MS).catch(lost);
      await wallet.close();
      await limiter.close();
      journal.close();
      folder.release();
    },
  };
}

/** Looks at the books now and then; while they are wrong, nothing is sold. */
function watchOver(books: Books, log: Log, nowMs: () => number): BooksWatch {
  return watchBooks({
    books,
    nowMs,
    onProblem: (problems) => log.error("the books are wrong: paid calls are refused", { problems }),
    onRecovery: () => log.info("the books are right again"),
    onError: (error) => log.warn("the books could not be looked at", { error: String(error) }),
  });
}

/** Books what a process that was killed had noted, and frees what it had leased. */
async function takeUp(
  folder: JournalFolder,
  books: Books,
  { sql, kind }: Database,
  silenceMs: number,
  log: Log,
): Promise<void> {
  const { finished, expired, nodes } = await replayJournal(sql, folder.left);
  // The embedded store has one user, and its lock says that it is us: whoever else is registered is dead.
  await books.giveUp(kind === "embedded" ? 0 : silenceMs, nodes);
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
