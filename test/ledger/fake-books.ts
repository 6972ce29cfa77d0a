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

/** Leases and what there is to lease. */
class Slices {
  readonly credit: Map<string, bigint>;
  readonly used = new Map<string, bigint>();
  readonly nodes = new Set<string>();
  readonly #leases = new Map<string, bigint>();
  /** The last number under which each node returned something. */
  readonly #returned = new Map<string, number>();

  constructor(credit: Readonly<Record<string, bigint>>) {
    this.credit = new Map(Object.entries(credit));
  }

  leased(nodeId: string, purse: string): bigint {
    return this.#leases.get(`${nodeId} ${purse}`) ?? 0n;
  }

  leasedInAll(purse: string): bigint {
    let total = 0n;
    for (const [name, amount] of this.#leases) if (name.endsWith(` ${purse}`)) total += amount;
    return total;
  }

  #add(nodeId: string, purse: string, amount: bigint): void {
    this.#leases.set(`${nodeId} ${purse}`, this.leased(nodeId, purse) + amount);
  }

  known(nodeId: string): void {
    if (!this.nodes.has(nodeId)) throw new NodeGivenUp("given up");
  }

  take(nodeId: string, { purse, limit, needed, least, extra }: LeaseWish) {
    this.known(nodeId);
    const all = this.leasedInAll(purse);
    const total = limit === null ? (this.credit.get(purse) ?? 0n) : limit - (this.used.get(purse) ?? 0n);
    const available = total > all ? total - all : 0n;
    let granted = 0n;
    if (available >= needed) {
      const slice = (available - needed) / 8n;
      granted = needed + (extra < slice ? extra : slice);
    } else if (available > 0n && available >= least) granted = available;
    const elsewhere = granted < needed ? all - this.leased(nodeId, purse) : 0n;
    this.#add(nodeId, purse, granted);
    return { granted, available, elsewhere };
  }

  giveBack(nodeId: string, amounts: ReadonlyMap<string, bigint>, number: number | undefined): void {
    if (number !== undefined && number <= (this.#returned.get(nodeId) ?? 0)) return;
    if (number !== undefined) this.#returned.set(nodeId, number);
    for (const [purse, amount] of amounts) this.#add(nodeId, purse, -amount);
  }

  giveUp(nodes: readonly string[]): number {
    for (const nodeId of nodes) {
      this.nodes.delete(nodeId);
      for (const name of this.#leases.keys()) if (name.startsWith(nodeId)) this.#leases.delete(name);
    }
    return nodes.length;
  }
}

/** Books with this credit. */
export function fakeBooks(credit: Readonly<Record<string, bigint>> = {}): FakeBooks {
  const slices = new Slices(credit);
  const fates = new Map<Kind, Fate[]>();
  const asked: Kind[] = [];
  const wishes: LeaseWish[] = [];
  const numbers: (number | undefined)[] = [];
  const recalled = new Set<string>();
  const notHere = () => Promise.reject(new Error("not here"));

  async function ask<T>(kind: Kind, work: () => T): Promise<T> {
    asked.push(kind);
    const { until, fault } = fates.get(kind)?.shift() ?? {};
    await until;
    if (fault === "before") throw new Error("the question was lost");
    const answer = work();
    if (fault === "after") throw new Error("the answer was lost");
    return answer;
  }

  function beat(nodeId: string): string[] {
    slices.known(nodeId);
    return [...recalled];
  }

  const { nodes, used } = slices;
  return {
    ...{ asked, wishes, numbers, recalled, nodes, used, credit: slices.credit },
    next: (kind, fate) => void fates.set(kind, [...(fates.get(kind) ?? []), fate]),
    leased: (nodeId, purse) => slices.leased(nodeId, purse),
    leasedInAll: (purse) => slices.leasedInAll(purse),
    register: (nodeId) => ask("register", () => void nodes.add(nodeId)),
    beat: (nodeId) => ask("beat", () => beat(nodeId)),
    take(nodeId, wish) {
      wishes.push(wish);
      return ask("take", () => slices.take(nodeId, wish));
    },
    giveBack(nodeId, amounts, number) {
      numbers.push(number);
      return ask("giveBack", () => slices.giveBack(nodeId, amounts, number));
    },
    leases: (nodeId, purses) => ask("leases", () => new Map(purses.map((id) => [id, slices.leased(nodeId, id)]))),
    openPurse: () => ask("openPurse", () => {}),
    giveUp: (_, ids = []) => ask("giveUp", () => slices.giveUp(ids)),
    ...{ post: notHere, balance: notHere, check: notHere, glance: notHere, tidy: notHere },
  };
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
