/**
 * Holds against a workspace's credit while its calls run, kept in this node's memory over the balance in the database.
 * The seam where the ledger belongs: admission holds here before a call, settlement ends each hold exactly once.
 *
 * With one node a prepaid workspace cannot overspend. Several nodes each know only their own holds, so together they can
 * overspend by what runs within one refresh of the balance; the double-entry ledger replaces this file's inside.
 */
import type { Principal } from "../core/call.ts";
import { GatewayError } from "../core/error.ts";
import { type Nano, nano, nanoToDollars, ZERO } from "../core/money.ts";

/** A reservation. It ends exactly once: later calls of either function change nothing. */
export interface Hold {
  readonly amountNano: Nano;
  /** The call cost this much: never more than the hold for a prepaid workspace; the excess is returned as loss. */
  post(costNano: Nano): { billedNano: Nano; lossNano: Nano };
  /** The call cost nothing. */
  void(): void;
}

export interface Credit {
  /** Throws `insufficient_credit` when a prepaid workspace cannot cover the amount. */
  hold(principal: Principal, amountNano: Nano): Hold;
  /** A balance as read with a key. Ignored while posted cost waits to be written: the recorder's word follows then. */
  refresh(workspaceId: string, balanceNano: Nano): void;
  /** The balance after a batch was written, and how much of this node's posted cost it now contains. */
  settled(workspaceId: string, balanceNano: Nano, settledNano: Nano): void;
  /** What a workspace can still spend here. */
  available(workspaceId: string): Nano;
}

interface Account {
  /** The database's balance when it was last seen. */
  balance: bigint;
  /** Posted here, not yet in that balance. */
  unsettled: bigint;
  held: bigint;
}

/** An empty book. Accounts appear when their keys are first looked up. */
export function createCredit(): Credit {
  const accounts = new Map<string, Account>();

  function account(workspaceId: string): Account {
    let found = accounts.get(workspaceId);
    if (!found) {
      found = { balance: 0n, unsettled: 0n, held: 0n };
      accounts.set(workspaceId, found);
    }
    return found;
  }

  function left({ balance, unsettled, held }: Account): Nano {
    return nano(balance - unsettled - held);
  }

  return {
    hold(principal, amountNano) {
      const own = account(principal.workspaceId);
      const prepaid = principal.billing === "prepaid";
      if (prepaid && (left(own) < amountNano || left(own) <= 0n)) throw insufficient(amountNano, left(own));
      own.held += amountNano;
      let open = true;
      const close = () => {
        const was = open;
        if (open) own.held -= amountNano;
        open = false;
        return was;
      };
      return {
        amountNano,
        post(costNano) {
          if (!close()) return { billedNano: ZERO, lossNano: ZERO };
          const billedNano = prepaid && costNano > amountNano ? amountNano : costNano;
          own.unsettled += billedNano;
          return { billedNano, lossNano: nano(costNano - billedNano) };
        },
        void: () => void close(),
      };
    },
    refresh(workspaceId, balanceNano) {
      const own = account(workspaceId);
      if (own.unsettled === 0n) own.balance = balanceNano;
    },
    settled(workspaceId, balanceNano, settledNano) {
      const own = account(workspaceId);
      own.balance = balanceNano;
      own.unsettled -= settledNano;
    },
    available: (workspaceId) => left(account(workspaceId)),
  };
}

function insufficient(needed: Nano, available: Nano): GatewayError {
  const affordable = available > 0n ? available : ZERO;
  return new GatewayError(
    "insufficient_credit",
    `This request may cost up to $${nanoToDollars(needed)}, and $${nanoToDollars(affordable)} of credit is available. ` +
      "Add credit or lower the output limit.",
  );
}
