/**
 * This node's money: slices of accounts and limits that the books have set aside for it, out of which it serves holds at once.
 * Admission holds here before a call; settlement ends each hold exactly once; only thin balances wait for the database.
 */
import { GatewayError } from "../core/error.ts";
import { type Books, NodeGivenUp } from "./books.ts";
import { type Hold, HoldRefused, type HoldWish, level, OpenHold, type PurseWish } from "./hold.ts";
import { type Grant, inTime, Purse, type PurseTiming } from "./purse.ts";

export { type Hold, HoldRefused, type HoldWish, type Payer, type PurseWish, type Refusal } from "./hold.ts";

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

/** A wallet that also lets its beat be called, which otherwise comes by itself. */
export interface BeatingWallet extends Wallet {
  /** A sign of life; what others wait for and what lies idle is returned with it. Never rejects. */
  beat(): Promise<void>;
}

export interface WalletSettings {
  readonly books: Books;
  readonly nowMs: () => number;
  readonly onError: (error: unknown) => void;
  /** Only for tests: other times, and fewer purses, than those below. */
  readonly timing?: Partial<WalletTiming>;
  readonly maxPurses?: number;
}

export interface WalletTiming extends PurseTiming {
  /** Between two signs of life while something is leased. */
  readonly beatMs: number;
  /** A slice is used for so long after the last sign of life that the books took. */
  readonly trustMs: number;
  /** Others give this node up after so much silence; more than `trustMs`, so that nothing is spent twice. */
  readonly giveUpMs: number;
  /** A slice unused for so long is returned. */
  readonly idleMs: number;
}

const TIMING: WalletTiming = {
  beatMs: 500,
  trustMs: 10_000,
  giveUpMs: 30_000,
  idleMs: 3000,
  recallMs: 2000,
  pollMs: 200,
  askMs: 5000,
};

/** Most purses that a node keeps in memory; idle ones go first. */
const MAX_PURSES = 200_000;
/** Between two searches for idle purses when there are too many. */
const CROWDED_MS = 100;
/** Between two looks for nodes that fell silent, at most. */
const SWEEP_MS = 10_000;
/** Purses whose lease is compared with the books at once. */
const MAX_COMPARED = 1000;

/** Registers this node with the books, after which it can hold. */
export async function openWallet(settings: WalletSettings): Promise<BeatingWallet> {
  const timing = { ...TIMING, ...settings.timing };
  const wallet = new NodeWallet(settings, timing);
  await wallet.begin();
  return wallet;
}

/** Slices on their way back. Asked for under one number until the books answer, so that they come back once. */
interface Return {
  readonly number: number;
  readonly amounts: ReadonlyMap<string, bigint>;
  readonly purses: readonly Purse[];
}

class NodeWallet implements BeatingWallet {
  nodeId = Bun.randomUUIDv7();
  readonly #settings: WalletSettings;
  readonly #timing: WalletTiming;
  readonly #maxPurses: number;
  #purses = new Map<string, Purse>();
  #crowdedUntilMs = Number.NEGATIVE_INFINITY;
  /** When the books last took a sign of life, as it was sent. */
  #trustedAtMs = 0;
  /** Since when they took one after the other. */
  #steadySinceMs = 0;
  #sweptAtMs = 0;
  #returns = 0;
  #returning: Return | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #beating: Promise<void> | undefined;

  constructor(settings: WalletSettings, timing: WalletTiming) {
    this.#settings = settings;
    this.#timing = timing;
    this.#maxPurses = settings.maxPurses ?? MAX_PURSES;
  }

  async begin(): Promise<void> {
    const sentMs = this.#settings.nowMs();
    await this.#settings.books.register(this.nodeId);
    this.#trustedAtMs = sentMs;
    this.#steadySinceMs = sentMs;
    this.#sweptAtMs = sentMs;
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
    try {
      for (let index = 0; index <= money.length; index++) {
        const from = index < money.length ? money[index] : count;
        if (!from) continue;
        const amount = index < money.length ? wantedNano : 1n;
        const purse = this.#purse(from);
        if (!purse.takeNow(amount)) return this.#holdSlowly(wish, taken, index);
        taken.push({ purse, amount });
      }
    } catch (error) {
      for (const { purse, amount } of taken) purse.release(amount);
      throw error;
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
        // A hold is of one node, which its cost is settled with.
        if (this.nodeId !== nodeId) throw new NodeGivenUp("this node was given up while a call waited");
        const counted = index === money.length;
        const purse = this.#purse(next);
        const amount = await purse.take(counted ? 1n : wantedNano, counted ? 1n : leastNano);
        if (typeof amount !== "bigint") throw new HoldRefused({ purse: next.id, available: amount.available }, wish);
        taken.push({ purse, amount });
      }
    } catch (error) {
      for (const { purse, amount } of taken) purse.release(amount);
      if (error instanceof HoldRefused || error instanceof GatewayError) throw error;
      if (error instanceof NodeGivenUp) void this.beat();
      throw unreachable(error);
    }
    return new OpenHold(wish, nodeId, taken, level(taken, money.length, wantedNano));
  }

  #purse(wish: PurseWish): Purse {
    let purse = this.#purses.get(wish.id);
    if (!purse) {
      if (this.#purses.size >= this.#maxPurses) this.#makeRoom();
      purse = new Purse(wish, this.nodeId, this.#settings, this.#timing);
      this.#purses.set(wish.id, purse);
    } else if (purse.limitTo(wish.limit)) void this.beat();
    return purse;
  }

  #makeRoom(): void {
    const nowMs = this.#settings.nowMs();
    if (nowMs >= this.#crowdedUntilMs) {
      this.#crowdedUntilMs = nowMs + CROWDED_MS;
      this.#forgetIdle(0);
    }
    if (this.#purses.size >= this.#maxPurses) throw unreachable(new Error("too many accounts are in use at once"));
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

  beat(): Promise<void> {
    this.#beating ??= this.#beat().finally(() => {
      this.#beating = undefined;
    });
    return this.#beating;
  }

  async #beat(): Promise<void> {
    const { books, nowMs, onError } = this.#settings;
    const { idleMs, trustMs, askMs } = this.#timing;
    const sentMs = nowMs();
    try {
      const recalled = new Set(await inTime(books.beat(this.nodeId), askMs));
      if (sentMs - this.#trustedAtMs > trustMs) this.#steadySinceMs = sentMs;
      this.#trustedAtMs = sentMs;
      await this.#giveBack((purse) => recalled.has(purse.id) || sentMs - purse.usedAtMs >= idleMs);
      await this.#compare();
      this.#forgetIdle(idleMs * 20);
      await this.#sweep(sentMs);
    } catch (error) {
      if (error instanceof NodeGivenUp) await this.#startAnew();
      onError(error);
    }
  }

  /** Others took this node for dead. Holds of running calls settle as they can; new ones come from new leases. */
  async #startAnew(): Promise<void> {
    this.nodeId = Bun.randomUUIDv7();
    this.#purses = new Map();
    this.#returning = undefined;
    const sentMs = this.#settings.nowMs();
    await inTime(this.#settings.books.register(this.nodeId), this.#timing.askMs).then(
      () => {
        this.#trustedAtMs = sentMs;
      },
      (error) => this.#settings.onError(error),
    );
  }

  /** After a time without the database nobody could give a sign of life, so nobody is taken for dead just then. */
  async #sweep(nowMs: number): Promise<void> {
    const { giveUpMs, askMs } = this.#timing;
    if (nowMs - this.#steadySinceMs < giveUpMs || nowMs - this.#sweptAtMs < Math.min(SWEEP_MS, giveUpMs / 3)) return;
    this.#sweptAtMs = nowMs;
    await inTime(this.#settings.books.giveUp(giveUpMs), askMs);
  }

  async #giveBack(wanted: (purse: Purse) => boolean): Promise<void> {
    await this.#return();
    const amounts = new Map<string, bigint>();
    const purses: Purse[] = [];
    for (const purse of this.#purses.values()) {
      if (!purse.hasSurplus() && !wanted(purse)) continue;
      const amount = purse.withdrawIdle();
      if (amount === 0n) continue;
      amounts.set(purse.id, amount);
      purses.push(purse);
    }
    if (amounts.size === 0) return;
    this.#returning = { number: ++this.#returns, amounts, purses };
    await this.#return();
  }

  /** Asks again for a return whose answer was lost, until there is one. */
  async #return(): Promise<void> {
    const returning = this.#returning;
    if (!returning) return;
    const { amounts, number, purses } = returning;
    await inTime(this.#settings.books.giveBack(this.nodeId, amounts, number), this.#timing.askMs);
    this.#returning = undefined;
    for (const purse of purses) purse.returned();
  }

  /** The answer to a question for money was lost: what was leased all the same is found, so that it can be used or returned. */
  async #compare(): Promise<void> {
    const doubtful: (readonly [Purse, number])[] = [];
    for (const purse of this.#purses.values()) {
      if (purse.isDoubtful() && doubtful.length < MAX_COMPARED) doubtful.push([purse, purse.changes]);
    }
    if (doubtful.length === 0) return;
    const ids = doubtful.map(([{ id }]) => id);
    const leases = await inTime(this.#settings.books.leases(this.nodeId, ids), this.#timing.askMs);
    for (const [purse, changes] of doubtful) purse.correct(leases.get(purse.id) ?? 0n, changes);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#beating;
    const { books, onError } = this.#settings;
    const { askMs, giveUpMs } = this.#timing;
    try {
      await this.#giveBack(() => true);
      await inTime(books.giveUp(giveUpMs, [this.nodeId]), askMs);
    } catch (error) {
      onError(error);
    }
  }
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
