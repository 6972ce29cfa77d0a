/**
 * Money set aside for one call: what it may need, who pays, and how it ends.
 * The wallet makes holds at admission; settlement ends each exactly once, and the recorder says when its cost is written.
 */
import { type Nano, nano, ZERO } from "../core/money.ts";
import type { PurseSeed } from "./books.ts";
import type { Grant } from "./purse.ts";

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

/** How a cost is divided between who pays and the operator. */
export interface Posted {
  readonly billedNano: Nano;
  readonly lossNano: Nano;
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
  /** What posting this cost comes to: never more than the hold is billed, where there is a purse to protect; the rest is loss. */
  bill(costNano: Nano): Posted;
  /** The call cost that much. Once ended, a hold bills nothing. */
  post(costNano: Nano): Posted;
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

/** A hold is of one amount: where purses gave less than wanted, of the least, and the others get their surplus back. */
export function level(taken: readonly Grant[], moneyCount: number, wantedNano: bigint): Nano {
  let least = wantedNano;
  for (const { amount } of taken.slice(0, moneyCount)) if (amount < least) least = amount;
  for (const grant of taken.slice(0, moneyCount)) {
    grant.purse.release(grant.amount - least);
    grant.amount = least;
  }
  return nano(least);
}

/** A hold of what was taken from the wish's purses, in their order. */
export class OpenHold implements Hold {
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

  bill(costNano: Nano): Posted {
    const isCapped = this.#moneyCount > 0 && costNano > this.amountNano;
    const billedNano = isCapped ? this.amountNano : costNano;
    return { billedNano, lossNano: nano(costNano - billedNano) };
  }

  post(costNano: Nano): Posted {
    if (this.#state !== "open") return { billedNano: ZERO, lossNano: ZERO };
    this.#state = "posted";
    const posted = this.bill(costNano);
    this.#billed = posted.billedNano;
    for (const [index, { purse, amount }] of this.#taken.entries()) {
      purse.spend(amount, index < this.#moneyCount ? posted.billedNano : 1n);
    }
    return posted;
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
