/**
 * Rounds of: load, SIGKILL at a random moment, start on what is left, look at the books. At the end everything is joined.
 * The test runs some of them on each store, the soak as many as it is told.
 */
import type { JournalEntry } from "../../src/simulator/index.ts";
import {
  type Account,
  type Cluster,
  makeAccount,
  makeKey,
  manage,
  type Served,
  type Upstream,
} from "../support/cluster.ts";
import { configText, METERED } from "./config.ts";
import { auditBooks, joinJournal, joinSeen, readCalls } from "./join.ts";
import { anyShape, drive, type Seen } from "./load.ts";
import { openStore, type Store } from "./store.ts";

export interface RoundsReport {
  readonly rounds: number;
  /** Calls that the upstream accepted, and those that callers saw to the end. */
  readonly accepted: number;
  readonly complete: number;
  /** Of the rows, how many ended how. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** From the start of a process to its first readiness, over all starts. */
  readonly readyMs: readonly number[];
  /** Everything that has no explanation. */
  readonly problems: readonly string[];
}

const CALLS_A_ROUND = 80;
const AT_A_TIME = 16;
const LONGEST_MS = 500;
/** So many rounds in a hundred kill a start, and so many kill what is idle. */
const KILL_START_PERCENT = 15;
const KILL_IDLE_PERCENT = 15;
const IDLE_CALLS = 20;
const MAX_PROBLEMS = 20;
const CREDIT = 1000;

const MORE = `
defaults: { welcome_credit_usd: ${CREDIT} }
plans: [{ id: daily, included_requests_per_day: 1000000 }]
limits: { max_attempts: 1 }
`;

/** Runs rounds on one store until `count` are done or something has no explanation. */
export async function runRounds(
  cluster: Cluster,
  store: Store,
  count: number,
  tell: (line: string) => void = () => {},
): Promise<RoundsReport> {
  const upstream = await cluster.startUpstream();
  const config = cluster.file(configText(upstream.url, MORE));
  const dataDir = await store.makeDataDirectory(cluster);
  const options = { config, dataDir, env: store.env };
  const run = new Run(cluster, options, upstream);
  await run.begin();
  for (let round = 1; round <= count && run.problems.length === 0; round++) {
    await run.round();
    if (round % 50 === 0) tell(`${store.kind}: ${round} rounds, ${run.journal.length} calls`);
  }
  await run.end();
  const { sql, close } = await openStore(store, options.dataDir);
  const calls = await readCalls(sql);
  run.problems.push(
    ...joinJournal(calls, run.journal, run.seen),
    ...joinSeen(calls, run.seen),
    ...(await auditBooks(sql)),
  );
  await close();
  await upstream.kill();
  const outcomes: Record<string, number> = {};
  for (const { outcome } of calls.values()) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  return {
    rounds: count,
    accepted: run.journal.length,
    complete: run.seen.filter(({ complete }) => complete).length,
    outcomes,
    readyMs: run.readyMs,
    problems: run.problems.slice(0, MAX_PROBLEMS),
  };
}

class Run {
  readonly seen: Seen[] = [];
  readonly journal: JournalEntry[] = [];
  readonly readyMs: number[] = [];
  readonly problems: string[] = [];
  readonly #cluster: Cluster;
  readonly #options: Parameters<Cluster["startNode"]>[0];
  readonly #upstream: Upstream;
  #node: Served | undefined;
  #keys: string[] = [];
  #accounts: Account[] = [];
  #rounds = 0;

  constructor(cluster: Cluster, options: Parameters<Cluster["startNode"]>[0], upstream: Upstream) {
    this.#cluster = cluster;
    this.#options = options;
    this.#upstream = upstream;
  }

  get #running(): Served {
    if (!this.#node) throw new Error("no gateway runs");
    return this.#node;
  }

  /** Starts the first process and makes accounts: one pays from credit (also by a key with a spend limit), one by its plan. */
  async begin(): Promise<void> {
    await this.#start(false);
    const paying = await makeAccount(this.#running);
    const planned = await makeAccount(this.#running, { plan: "daily" });
    const { key } = await makeKey(this.#running, paying.workspaceId, { limit: CREDIT / 2 });
    this.#accounts = [paying, planned];
    this.#keys = [paying.key, paying.key, key, planned.key];
  }

  async round(): Promise<void> {
    this.#rounds += 1;
    const dice = Math.random() * 100;
    if (dice < KILL_START_PERCENT) await this.#killStart();
    else if (dice < KILL_START_PERCENT + KILL_IDLE_PERCENT) await this.#load(IDLE_CALLS, undefined);
    else await this.#load(CALLS_A_ROUND, Math.random() * LONGEST_MS);
    await this.#running.kill();
    await this.#start(true);
    await this.#look();
  }

  /** Ends the last process as an operator does. */
  async end(): Promise<void> {
    this.#running.signal("SIGTERM");
    const code = await this.#running.exited;
    if (code !== 0) this.problems.push(`SIGTERM ended it with ${code}`);
  }

  /** Load, and a kill so long after its beginning; without a moment, right after its end. */
  async #load(count: number, killAfterMs: number | undefined): Promise<void> {
    const node = this.#running;
    let dead = false;
    const die = async () => {
      dead = true;
      await node.kill();
    };
    const killing = killAfterMs === undefined ? undefined : Bun.sleep(killAfterMs).then(die);
    const seen = await drive({
      count,
      atATime: AT_A_TIME,
      stopped: () => dead,
      next: (number) => ({
        url: node.url,
        key: this.#keys[number % this.#keys.length] ?? "",
        shape: anyShape(METERED),
      }),
    });
    this.seen.push(...seen);
    await killing;
  }

  /** Some calls, a kill, and another one while the journal is being taken up. */
  async #killStart(): Promise<void> {
    await this.#load(IDLE_CALLS, undefined);
    await this.#running.kill();
    const starting = this.#cluster.launchNode(this.#options);
    await Bun.sleep(Math.random() * Math.min(...this.readyMs) * 1.2);
    await starting.kill();
    await this.#start(true);
  }

  async #start(noted: boolean): Promise<void> {
    const node = await this.#cluster.startNode(this.#options);
    if (noted) this.readyMs.push(node.readyMs);
    this.#node = node;
    const { status } = await fetch(`${node.url}/readyz`);
    if (status !== 200) this.problems.push(`round ${this.#rounds}: started, but /readyz says ${status}`);
    if (this.readyMs.length === 0) this.readyMs.push(node.readyMs);
  }

  /** What must be true the moment a start is over. */
  async #look(): Promise<void> {
    this.journal.push(...(await this.#upstream.journal()));
    await this.#upstream.forget();
    const where = `round ${this.#rounds}`;
    const books = await manage(this.#running, "admin/ledger/check");
    if (books.balanced !== true) this.problems.push(`${where}: ${JSON.stringify(books)}`);
    if (books.open_holds !== 0) this.problems.push(`${where}: ${books.open_holds} holds are open`);
    for (const { workspaceId } of this.#accounts) {
      const { data } = await manage(this.#running, `admin/workspaces/${workspaceId}`);
      if (Number(data.held_usd) !== 0) this.problems.push(`${where}: ${data.held_usd} is held`);
      if (!(Number(data.balance_usd) >= 0)) this.problems.push(`${where}: the balance is ${data.balance_usd}`);
    }
  }
}

/** The middle value. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}
