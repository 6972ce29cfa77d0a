/**
 * This node's money: slices of accounts and limits that the books have set aside for it, out of which it serves holds at once.
 * Admission holds here before a call; settlement ends each hold exactly once; only thin balances wait for the database.
 */
import { GatewayError } from "../core/error.ts";
import { type Nano, nano, ZERO } from "../core/money.ts";
import { type Books, NodeGivenUp, type PurseSeed } from "./books.ts";
import { type Grant, Purse } from "./purse.ts";

/** Something that a hold is taken from, besides what its id says. */
export interface PurseWish {
  readonly id: string;
  /** Null for a credit account, whose limit is its balance. */
  readonly limit: bigint | null;
  /** What it has used before it is first asked for; absent for credit. */
  readonly seed?: PurseSeed;
}

/** Who pays for a call. */
export type Payer = "credit" | "allowance" | "free" | "internal";

/** What a call may need. */
export interface HoldWish {
  readonly paidBy: Payer;
  /** In nano-dollars, from each of `money`. */
  readonly wantedNano: Nano;
  /** Less will do, but not less than this: the output limit is lowered then. */
  readonly leastNano: Nano;
  /** The credit account, the key's spend limit, the workspace's budget: those there are, credit first. */
  readonly money: readonly PurseWish[];
  /** A count of calls, of which this is one. */
  readonly count?: PurseWish | undefined;
}

/** Money set aside for a call. It ends exactly once: posted or voided; what comes later changes nothing. */
export interface Hold {
  readonly paidBy: Payer;
  readonly amountNano: Nano;
  /** The node that the money was leased to. */
  readonly nodeId: string;
  /** The purses besides credit, for the record. */
  readonly keyPurse: string | undefined;
  readonly budgetPurse: string | undefined;
  readonly countPurse: string | undefined;
  /** The call cost that much. Never more than the hold is billed, where there is a purse to protect; the rest is loss. */
  post(costNano: Nano): { billedNano: Nano; lossNano: Nano };
  /** The call cost nothing. */
  void(): void;
  /** What was posted is in the database. */
  written(): void;
}

/** Why a hold was refused: which of the purses lacked how much. */
export interface Refusal {
  readonly purse: string;
  readonly available: bigint;
}

export interface Wallet {
  readonly nodeId: string;
  /**
   * Sets money aside. Answers at once (no promise) when this node's slices have it. Throws (or rejects with)
   * `HoldRefused`, or `service_unavailable` when the books cannot be asked and the slices don't have it.
   */
  hold(wish: HoldWish): Hold | Promise<Hold>;
  /** Returns every slice that is not in use, and stops the signs of life. Call it when no call is running. */
  close(): Promise<void>;
}

/** One of the purses does not have what a call needs. */
export class HoldRefused extends Error {
  override readonly name = "HoldRefused";
  readonly refusal: Refusal;
  readonly wish: HoldWish;

  constructor(refusal: Refusal, wish: HoldWish) {
    super(`${refusal.purse} has ${refusal.available} left`);
    this.refusal = refusal;
    this.wish = wish;
  }
}

export interface WalletSettings {
  readonly books: Books;
  readonly nowMs: () => number;
  readonly onError: (error: unknown) => void;
  /** Only for tests: other times than those below. */
  readonly timing?: Partial<WalletTiming>;
}

export interface WalletTiming {
  /** Between two signs of life while something is leased. */
  readonly beatMs: number;
  /** A slice is used for so long after the last sign of life that the books took. */
  readonly trustMs: number;
  /** Others give this node up after so much silence; more than `trustMs`, so that nothing is spent twice. */
  readonly giveUpMs: number;
  /** A slice unused for so long is returned. */
  readonly idleMs: number;
  /** How long a call waits for others to return what they don't use. */
  readonly recallMs: number;
  /** How long a call waits for the database. */
  readonly askMs: number;
}

const TIMING: WalletTiming = {
  beatMs: 500,
  trustMs: 10_000,
  giveUpMs: 30_000,
  idleMs: 3000,
  recallMs: 2000,
  askMs: 5000,
};

/** Most purses that a node keeps in memory; idle ones go first. */
const MAX_PURSES = 200_000;
/** Between two looks for nodes that fell silent. */
const SWEEP_MS = 10_000;

/** Registers this node with the books, after which it can hold. Nodes of which only the leases are left are `abandoned`. */
export async function openWallet(settings: WalletSettings): Promise<Wallet> {
  const timing = { ...TIMING, ...settings.timing };
  const wallet = new NodeWallet(settings, timing);
  await wallet.begin();
  return wallet;
}

class NodeWallet implements Wallet {
  nodeId = Bun.randomUUIDv7();
  readonly #settings: WalletSettings;
  readonly #timing: WalletTiming;
  #purses = new Map<string, Purse>();
  /** When the books last took a sign of life, as it was sent. */
  #trustedAtMs = 0;
  #sweptAtMs = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #beating: Promise<void> | undefined;

  constructor(settings: WalletSettings, timing: WalletTiming) {
    this.#settings = settings;
    this.#timing = timing;
  }

  async begin(): Promise<void> {
    const sentMs = this.#settings.nowMs();
    await this.#settings.books.register(this.nodeId);
    this.#trustedAtMs = sentMs;
    this.#timer = setInterval(() => {
      const quiet = this.#settings.nowMs() - this.#trustedAtMs < this.#timing.trustMs / 3;
      if (!quiet || this.#hasLeases()) void this.beat();
    }, this.#timing.beatMs);
    this.#timer.unref();
  }

  hold(wish: HoldWish): Hold | Promise<Hold> {
    const { money, count, wantedNano } = wish;
    if (money.length === 0 && !count) return new OpenHold(wish, this.nodeId, [], wantedNano);
    if (this.#settings.nowMs() - this.#trustedAtMs > this.#timing.trustMs) throw unreachable();
    const taken: Grant[] = [];
    for (let index = 0; index <= money.length; index++) {
      const from = index < money.length ? money[index] : count;
      if (!from) continue;
      const amount = index < money.length ? wantedNano : 1n;
      const purse = this.#purse(from);
      if (!purse.takeNow(amount)) return this.#holdSlowly(wish, taken, index);
      taken.push({ purse, amount });
    }
    return new OpenHold(wish, this.nodeId, taken, wantedNano);
  }

  /** Takes what is left to take with the books' help; what was taken is given back should something lack. */
  async #holdSlowly(wish: HoldWish, taken: Grant[], from: number): Promise<Hold> {
    const { money, count, wantedNano, leastNano } = wish;
    const { nodeId } = this;
    try {
      for (let index = from; index <= money.length; index++) {
        const next = index < money.length ? money[index] : count;
        if (!next) continue;
        const counted = index === money.length;
        const purse = this.#purse(next);
        const amount = await purse.take(counted ? 1n : wantedNano, counted ? 1n : leastNano);
        if (typeof amount !== "bigint") throw new HoldRefused({ purse: next.id, available: amount.available }, wish);
        taken.push({ purse, amount });
      }
    } catch (error) {
      for (const { purse, amount } of taken) purse.release(amount);
      if (error instanceof HoldRefused || error instanceof GatewayError) throw error;
      throw unreachable(error);
    }
    return new OpenHold(wish, nodeId, taken, level(taken, money.length, wantedNano));
  }

  #purse(wish: PurseWish): Purse {
    let purse = this.#purses.get(wish.id);
    if (!purse) {
      if (this.#purses.size >= MAX_PURSES) this.#forgetIdle(0);
      purse = new Purse(wish, this.nodeId, this.#settings, this.#timing);
      this.#purses.set(wish.id, purse);
    }
    purse.limit = wish.limit;
    return purse;
  }

  #hasLeases(): boolean {
    for (const purse of this.#purses.values()) if (!purse.isEmpty()) return true;
    return false;
  }

  #forgetIdle(idleMs: number): void {
    const nowMs = this.#settings.nowMs();
    for (const [id, purse] of this.#purses) {
      if (purse.isEmpty() && nowMs - purse.usedAtMs >= idleMs) this.#purses.delete(id);
    }
  }

  /** A sign of life; what others wait for and what lies idle is returned with it. */
  beat(): Promise<void> {
    this.#beating ??= this.#beat().finally(() => {
      this.#beating = undefined;
    });
    return this.#beating;
  }

  async #beat(): Promise<void> {
    const { books, nowMs, onError } = this.#settings;
    const sentMs = nowMs();
    try {
      const recalled = new Set(await books.beat(this.nodeId));
      this.#trustedAtMs = sentMs;
      await this.#giveBack((purse) => recalled.has(purse.id) || sentMs - purse.usedAtMs >= this.#timing.idleMs);
      this.#forgetIdle(this.#timing.idleMs * 20);
      if (sentMs - this.#sweptAtMs < SWEEP_MS) return;
      this.#sweptAtMs = sentMs;
      await books.giveUp(this.#timing.giveUpMs);
    } catch (error) {
      if (error instanceof NodeGivenUp) await this.#startAnew();
      onError(error);
    }
  }

  /** Others took this node for dead. Holds of running calls settle as they can; new ones come from new leases. */
  async #startAnew(): Promise<void> {
    this.nodeId = Bun.randomUUIDv7();
    this.#purses = new Map();
    const sentMs = this.#settings.nowMs();
    await this.#settings.books.register(this.nodeId).then(
      () => {
        this.#trustedAtMs = sentMs;
      },
      (error) => this.#settings.onError(error),
    );
  }

  async #giveBack(wanted: (purse: Purse) => boolean): Promise<void> {
    const amounts = new Map<string, bigint>();
    for (const purse of this.#purses.values()) {
      if (!wanted(purse)) continue;
      const amount = purse.withdrawIdle();
      if (amount > 0n) amounts.set(purse.id, amount);
    }
    // Should this fail, the slices stay leased but unused until the node ends: nothing can be spent twice.
    if (amounts.size > 0) await this.#settings.books.giveBack(this.nodeId, amounts);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#beating;
    try {
      await this.#giveBack(() => true);
      await this.#settings.books.giveUp(this.#timing.giveUpMs, [this.nodeId]);
    } catch (error) {
      this.#settings.onError(error);
    }
  }
}

/** A hold is of one amount: where purses gave less than wanted, of the least, and the others get their surplus back. */
function level(taken: Grant[], moneyCount: number, wantedNano: bigint): Nano {
  let least = wantedNano;
  for (const { amount } of taken.slice(0, moneyCount)) if (amount < least) least = amount;
  for (const grant of taken.slice(0, moneyCount)) {
    grant.purse.release(grant.amount - least);
    grant.amount = least;
  }
  return nano(least);
}

function unreachable(cause?: unknown): GatewayError {
  return new GatewayError(
    "service_unavailable",
    "The gateway cannot reach its books at the moment. Try again shortly.",
    {
      detail: cause instanceof Error ? cause.message : "the books have not answered for a while",
      retryAfterMs: 2000,
      cause,
    },
  );
}

class OpenHold implements Hold {
  readonly paidBy: Payer;
  readonly amountNano: Nano;
  readonly nodeId: string;
  readonly #taken: readonly Grant[];
  readonly #moneyCount: number;
  #state: "open" | "posted" | "voided" | "written" = "open";
  #billed: bigint = 0n;

  constructor(wish: HoldWish, nodeId: string, taken: readonly Grant[], amountNano: Nano) {
    this.paidBy = wish.paidBy;
    this.amountNano = amountNano;
    this.nodeId = nodeId;
    this.#taken = taken;
    this.#moneyCount = wish.money.length;
  }

  get keyPurse(): string | undefined {
    return this.#named("key:");
  }

  get budgetPurse(): string | undefined {
    return this.#named("budget:");
  }

  get countPurse(): string | undefined {
    return this.#taken[this.#moneyCount]?.purse.id;
  }

  #named(prefix: string): string | undefined {
    for (let index = 0; index < this.#moneyCount; index++) {
      const id = this.#taken[index]?.purse.id;
      if (id?.startsWith(prefix)) return id;
    }
    return undefined;
  }

  post(costNano: Nano): { billedNano: Nano; lossNano: Nano } {
    if (this.#state !== "open") return { billedNano: ZERO, lossNano: ZERO };
    this.#state = "posted";
    const capped = this.#moneyCount > 0 && costNano > this.amountNano;
    const billedNano = capped ? this.amountNano : costNano;
    this.#billed = billedNano;
    for (const [index, { purse, amount }] of this.#taken.entries()) {
      purse.spend(amount, index < this.#moneyCount ? billedNano : 1n);
    }
    return { billedNano, lossNano: nano(costNano - billedNano) };
  }

  void(): void {
    if (this.#state !== "open") return;
    this.#state = "voided";
    for (const { purse, amount } of this.#taken) purse.release(amount);
  }

  written(): void {
    if (this.#state !== "posted") return;
    this.#state = "written";
    for (const [index, { purse }] of this.#taken.entries()) {
      purse.settled(index < this.#moneyCount ? this.#billed : 1n);
    }
  }
}
