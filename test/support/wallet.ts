/**
 * Money for tests of the gateway: a wallet that keeps its purses in memory, and a recorder that keeps a list.
 * It answers at once and by the plain arithmetic; the real wallet has tests of its own.
 */
import type { CallRecord } from "../../src/core/call.ts";
import { type Nano, nano, ZERO } from "../../src/core/money.ts";
import { creditAccount } from "../../src/ledger/books.ts";
import { type Hold, HoldRefused, type HoldWish, type Wallet } from "../../src/ledger/wallet.ts";
import type { Note } from "../../src/usage/journal.ts";
import type { Recorder } from "../../src/usage/recorder.ts";
import { principal } from "./calls.ts";

/** A wallet, and what it can still hold of the credit of `principal()`. */
export interface TestWallet extends Wallet {
  left(): Nano;
}

/** A wallet in which the workspace of `principal()` has this much credit, in nano-dollars. */
export function testWallet(balance: bigint): TestWallet {
  const account = creditAccount(principal().workspaceId);
  const free = new Map<string, bigint>([[account, balance]]);
  const nodeId = crypto.randomUUID();
  return {
    nodeId,
    left: () => nano(free.get(account) ?? 0n),
    close: async () => {},
    hold: (wish) => hold(wish, free, nodeId),
  };
}

function hold(wish: HoldWish, free: Map<string, bigint>, nodeId: string): Hold {
  const { money, count } = wish;
  let amount = wish.wantedNano as bigint;
  for (const { id, limit } of money) {
    const available = free.get(id) ?? limit ?? 0n;
    if (available < wish.leastNano || (available <= 0n && limit === null))
      throw new HoldRefused({ purse: id, available }, wish);
    if (available < amount) amount = available;
  }
  const taken = [...money.map((purse) => ({ ...purse, amount })), ...(count ? [{ ...count, amount: 1n }] : [])];
  if (count && (free.get(count.id) ?? count.limit ?? 0n) < 1n)
    throw new HoldRefused({ purse: count.id, available: 0n }, wish);
  for (const { id, limit, amount: part } of taken) free.set(id, (free.get(id) ?? limit ?? 0n) - part);
  let open = true;
  const end = (used: bigint) => {
    if (open) for (const { id } of money) free.set(id, (free.get(id) ?? 0n) + amount - used);
    open = false;
  };
  const bill = (costNano: Nano) => {
    const billed = money.length > 0 && costNano > amount ? amount : costNano;
    return { billedNano: nano(billed), lossNano: nano(costNano - billed) };
  };
  const named = (prefix: string) => money.find(({ id }) => id.startsWith(prefix))?.id;
  return {
    paidBy: wish.paidBy,
    amountNano: nano(amount),
    nodeId,
    keyPurse: named("key:"),
    budgetPurse: named("budget:"),
    countPurse: count?.id,
    bill,
    post(costNano) {
      if (!open) return { billedNano: ZERO, lossNano: ZERO };
      const posted = bill(costNano);
      end(posted.billedNano);
      return posted;
    },
    void() {
      if (open && count) free.set(count.id, (free.get(count.id) ?? 0n) + 1n);
      end(0n);
    },
    written() {},
  };
}

/** A recorder that keeps finished calls in `records` and does nothing else. */
export function listRecorder(records: CallRecord[]): Recorder {
  return {
    open: () => ({}) as Note,
    foresee: (_, open) => open,
    push: (record) => void records.push(record),
    full: () => false,
    pending: (id) => records.find((record) => record.id === id),
    drain: async () => {},
  };
}
