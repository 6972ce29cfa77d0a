/**
 * Credit that is given, with or without an end: the movement, and the lot that remembers until when it can be used.
 * Grants, coupons, welcome credit and top-ups all come in here; use takes from lots by a trigger on the entries.
 */
import type { TransactionSQL } from "bun";
import { GatewayError } from "../core/error.ts";
import { type Nano, nano } from "../core/money.ts";
import { type Books, creditAccount, LedgerError, type Movement } from "./books.ts";

/** When credit ends: at a moment, so many days after it is given, or never. */
export type CreditEnd = { readonly at: Date } | { readonly days: number } | null;

/** A movement of a workspace's credit. */
export type CreditMovement = Movement & { readonly workspaceId: string };

/** What was posted, now or before. */
export interface PostedCredit {
  readonly outcome: "posted" | "repeated";
  /** The transaction's. */
  readonly id: string;
  readonly kind: string;
  readonly workspaceId: string;
  readonly amountNano: Nano;
  readonly reason: string | null;
  readonly reference: string | null;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  /** As it is now. */
  readonly balanceNano: Nano;
  readonly heldNano: Nano;
}

type Row = Record<string, unknown>;

/**
 * Posts a movement and notes when its credit ends, as part of the transaction. The same key with another amount or
 * another end is a conflict. Throws LedgerError, and `invalid_request` for a workspace that has no credit.
 */
export async function postCredit(
  books: Books,
  transaction: TransactionSQL,
  movement: CreditMovement,
  end: CreditEnd,
): Promise<PostedCredit> {
  const account = creditAccount(movement.workspaceId);
  const accounts = (await transaction`select 1 from ledger_accounts where id = ${account}`) as Row[];
  if (accounts.length === 0) throw new GatewayError("invalid_request", "This workspace does not pay from credit.");
  const outcome = await books.post(movement, transaction);
  const at = end && "at" in end ? end.at : null;
  const days = end && "days" in end ? end.days : null;
  if (outcome === "posted" && end) {
    await transaction`
      select credit_lots_add(${Bun.randomUUIDv7()}::uuid, ${movement.workspaceId}::uuid, t.id, e.amount_nano,
        coalesce(${at}::timestamptz, t.created_at + make_interval(hours => ${days}::int * 24)))
      from ledger_transactions t join ledger_entries e on e.transaction_id = t.id and e.account_id = ${account}
      where t.idempotency_key = ${movement.idempotencyKey}`;
  }
  const [row] = (await transaction`
    select t.id, t.kind, t.reason, t.reference, t.created_at, e.amount_nano, a.balance_nano, a.held_nano, l.expires_at,
      coalesce(${at}::timestamptz, t.created_at + make_interval(hours => ${days}::int * 24)) as wanted
    from ledger_transactions t
    join ledger_entries e on e.transaction_id = t.id and e.account_id = ${account}
    join ledger_accounts a on a.id = e.account_id
    left join credit_lots l on l.transaction_id = t.id
    where t.idempotency_key = ${movement.idempotencyKey}`) as Row[];
  if (!row) throw new Error("a movement of credit has no entry for the workspace");
  if ((row.expires_at as Date | null)?.getTime() !== (row.wanted as Date | null)?.getTime())
    throw new LedgerError("conflict", "This idempotency key was used with another expiry.");
  return toPosted(row, outcome, movement.workspaceId);
}

function toPosted(row: Row, outcome: PostedCredit["outcome"], workspaceId: string): PostedCredit {
  const amount = (name: string) => nano(BigInt(row[name] as bigint));
  return {
    outcome,
    id: row.id as string,
    kind: row.kind as string,
    workspaceId,
    amountNano: amount("amount_nano"),
    reason: row.reason as string | null,
    reference: row.reference as string | null,
    createdAt: row.created_at as Date,
    expiresAt: row.expires_at as Date | null,
    balanceNano: amount("balance_nano"),
    heldNano: amount("held_nano"),
  };
}

/** What a caller is told of a movement that was not posted; anything else is passed through. */
export function ledgerRefusal(thrown: unknown): unknown {
  if (!(thrown instanceof LedgerError)) return thrown;
  if (thrown.reason === "overspent") return new GatewayError("insufficient_credit", thrown.message, { cause: thrown });
  return new GatewayError("invalid_request", thrown.message, { status: 409, param: "idempotency_key", cause: thrown });
}
