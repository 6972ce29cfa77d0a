/**
 * Books in memory for tests of the wallet: they count what is leased to whom, and can be made to wait, to fail, or to lose an answer.
 * Only the arithmetic of leases is here; what the real books promise is tested on real databases.
 */
import { type Books, type LeaseWish, NodeGivenUp } from "../../src/ledger/books.ts";

type Kind = "take" | "giveBack" | "beat" | "register" | "openPurse" | "leases" | "giveUp";

/** How a question fares: it waits for `until`, then it is answered, lost before its effect, or answered to nobody. */
interface Fate {
  readonly until?: Promise<unknown>;
  readonly fault?: "before" | "after";
}

export interface FakeBooks extends Books {
  /** The kinds of questions so far, in order. */
  readonly asked: Kind[];
  /** What was wished for in questions for leases. */
  readonly wishes: LeaseWish[];
  /** The numbers under which leases came back. */
  readonly numbers: (number | undefined)[];
  /** Credit, by account. */
  readonly credit: Map<string, bigint>;
  /** What was used of a purse. */
  readonly used: Map<string, bigint>;
  /** Purses that others wait for. */
  readonly recalled: Set<string>;
  readonly nodes: Set<string>;
  /** What happens to the next question of the kind. */
  next(kind: Kind, fate: Fate): void;
  /** What a node has leased of a purse. */
  leased(nodeId: string, purse: string): bigint;
  /** What is leased of a purse in all. */
  leasedInAll(purse: string): bigint;
}

/** Books with this credit. */
export function fakeBooks(credit: Readonly<Record<string, bigint>> = {}): FakeBooks {
  const leases = new Map<string, bigint>();
  const fates = new Map<Kind, Fate[]>();
  const done = new Map<string, number>();
  const nameOf = (nodeId: string, purse: string) => `${nodeId} ${purse}`;
  const leasedInAll = (purse: string) =>
    [...leases].reduce((sum, [name, amount]) => (name.endsWith(` ${purse}`) ? sum + amount : sum), 0n);

  async function ask<T>(kind: Kind, work: () => T): Promise<T> {
    books.asked.push(kind);
    const { until, fault } = fates.get(kind)?.shift() ?? {};
    await until;
    if (fault === "before") throw new Error("the question was lost");
    const answer = work();
    if (fault === "after") throw new Error("the answer was lost");
    return answer;
  }

  function known(nodeId: string): void {
    if (!books.nodes.has(nodeId)) throw new NodeGivenUp("given up");
  }

  function take(nodeId: string, { purse, limit, needed, least, extra }: LeaseWish) {
    known(nodeId);
    const all = leasedInAll(purse);
    const total = limit === null ? (books.credit.get(purse) ?? 0n) : limit - (books.used.get(purse) ?? 0n);
    const available = total > all ? total - all : 0n;
    let granted = 0n;
    if (available >= needed) {
      const slice = (available - needed) / 8n;
      granted = needed + (extra < slice ? extra : slice);
    } else if (available > 0n && available >= least) granted = available;
    const name = nameOf(nodeId, purse);
    const own = leases.get(name) ?? 0n;
    leases.set(name, own + granted);
    return { granted, available, elsewhere: granted < needed ? all - own : 0n };
  }

  const books: FakeBooks = {
    asked: [],
    wishes: [],
    numbers: [],
    credit: new Map(Object.entries(credit)),
    used: new Map(),
    recalled: new Set(),
    nodes: new Set(),
    next: (kind, fate) => void fates.set(kind, [...(fates.get(kind) ?? []), fate]),
    leased: (nodeId, purse) => leases.get(nameOf(nodeId, purse)) ?? 0n,
    leasedInAll,
    register: (nodeId) => ask("register", () => void books.nodes.add(nodeId)),
    beat: (nodeId) =>
      ask("beat", () => {
        known(nodeId);
        return [...books.recalled];
      }),
    take(nodeId, wish) {
      books.wishes.push(wish);
      return ask("take", () => take(nodeId, wish));
    },
    giveBack: (nodeId, amounts, number) =>
      ask("giveBack", () => {
        books.numbers.push(number);
        if (number !== undefined && number <= (done.get(nodeId) ?? 0)) return;
        if (number !== undefined) done.set(nodeId, number);
        for (const [purse, amount] of amounts) leases.set(nameOf(nodeId, purse), books.leased(nodeId, purse) - amount);
      }),
    leases: (nodeId, purses) => ask("leases", () => new Map(purses.map((id) => [id, books.leased(nodeId, id)]))),
    openPurse: () => ask("openPurse", () => {}),
    giveUp: (_, nodes = []) =>
      ask("giveUp", () => {
        for (const nodeId of nodes) {
          books.nodes.delete(nodeId);
          for (const name of leases.keys()) if (name.startsWith(nodeId)) leases.delete(name);
        }
        return nodes.length;
      }),
    post: () => Promise.reject(new Error("not here")),
    balance: () => Promise.reject(new Error("not here")),
    check: () => Promise.reject(new Error("not here")),
    glance: () => Promise.reject(new Error("not here")),
    tidy: () => Promise.reject(new Error("not here")),
  };
  return books;
}

/** Ends a wait when a test says so. */
export function gate(): { readonly until: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { until: promise, open: resolve };
}

/** Until what was begun by answers that are there has run. */
export async function settleDown(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
