/**
 * Credit that the operator gives to a workspace, or takes back from what is free of it.
 * The admin API and the command line come here; each grant is one movement and one line of the audit trail.
 */
import type { SQL } from "bun";
import { type Nano, nano, nanoToDollars } from "../core/money.ts";
import { transact } from "../db/transaction.ts";
import { audit } from "./audit.ts";
import { type Books, creditAccount } from "./books.ts";
import { type CreditEnd, ledgerRefusal, type PostedCredit, postCredit } from "./lots.ts";

/** What the operator wants to give. */
export interface GrantWish {
  readonly workspaceId: string;
  /** Below zero it takes back; never zero. */
  readonly amountNano: Nano;
  readonly reason: string;
  /** The caller's own; a grant is made once for each. */
  readonly idempotencyKey: string;
  /** Null for what is taken back. */
  readonly end: CreditEnd;
  readonly actor: string;
}

/**
 * Makes a grant. Throws `invalid_request` with status 409 when the key was used for another one, and
 * `insufficient_credit` when more is taken back than is free.
 */
export async function grantCredit(sql: SQL, books: Books, wish: GrantWish): Promise<PostedCredit> {
  const { workspaceId, amountNano, reason, actor } = wish;
  const kind = amountNano > 0n ? "grant" : "adjustment";
  const movement = {
    kind,
    idempotencyKey: `grant:${wish.idempotencyKey}`,
    workspaceId,
    reason,
    actor,
    entries: [
      { account: creditAccount(workspaceId), amountNano },
      { account: "promotions", amountNano: nano(-amountNano) },
    ],
  } as const;
  try {
    return await transact(sql, async (transaction) => {
      const posted = await postCredit(books, transaction.sql, movement, wish.end);
      if (posted.outcome === "repeated") return posted;
      await audit(transaction.sql, {
        actor,
        action: `credit.${kind}`,
        workspaceId,
        target: posted.id,
        details: {
          amount_usd: nanoToDollars(amountNano),
          reason,
          expires_at: posted.expiresAt?.toISOString() ?? null,
        },
      });
      return posted;
    });
  } catch (thrown) {
    throw ledgerRefusal(thrown);
  }
}
