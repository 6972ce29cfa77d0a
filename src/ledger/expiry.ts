/**
 * The end of credit: what is left of a lot at its expiry leaves the balance, and a workspace is told some days before.
 * Any node may do this at any time, after any crash: each amount of a lot expires once.
 */
import type { SQL } from "bun";
import { nano, nanoToDollars } from "../core/money.ts";
import { type Books, creditAccount } from "./books.ts";
import { notify } from "./notify.ts";

/** How long before the end a workspace is told. */
const WARNING_DAYS = 7;
/** Lots looked at together. */
const PAGE = 200;
/** Lots looked at in one sweep; the next one goes on. */
const MAX_LOTS = 20_000;

type Row = Record<string, unknown>;

/**
 * Ends lots whose time has come. What calls under way have set aside stays until they end, for a later sweep to take.
 * Resolves with how many movements were posted.
 */
export async function expireCredits(sql: SQL, books: Books, now: Date): Promise<number> {
  let posted = 0;
  let after = "00000000-0000-0000-0000-000000000000";
  for (let seen = 0; seen < MAX_LOTS; seen += PAGE) {
    const lots = (await sql`
      select id, workspace_id from credit_lots
      where remaining_nano > 0 and expires_at <= ${now}::timestamptz and id > ${after}::uuid
      order by id limit ${PAGE}`) as Row[];
    for (const lot of lots) {
      if (await expireLot(sql, books, lot.id as string, lot.workspace_id as string)) posted++;
    }
    const last = lots.at(-1);
    if (!last || lots.length < PAGE) break;
    after = last.id as string;
  }
  return posted;
}

/** True when something was left to expire. */
function expireLot(sql: SQL, books: Books, id: string, workspaceId: string): Promise<boolean> {
  const account = creditAccount(workspaceId);
  return sql.begin(async (transaction) => {
    // The account first, as everywhere: whoever holds it decides alone about its lots.
    const [credit] = (await transaction`
      select balance_nano - held_nano as free from ledger_accounts where id = ${account} for no key update`) as Row[];
    const [lot] = (await transaction`
      select remaining_nano, expires_at from credit_lots where id = ${id}::uuid for update`) as Row[];
    const free = BigInt((credit?.free ?? 0n) as bigint);
    const remaining = BigInt((lot?.remaining_nano ?? 0n) as bigint);
    const amount = remaining < free ? remaining : free;
    if (amount <= 0n) return false;
    await books.post(
      {
        kind: "expiry",
        idempotencyKey: `expiry:${id}:${remaining}`,
        workspaceId,
        reference: id,
        actor: "system",
        entries: [
          { account, amountNano: nano(-amount) },
          { account: "expired-credit", amountNano: nano(amount) },
        ],
      },
      transaction,
    );
    await transaction`update credit_lots set remaining_nano = remaining_nano - ${amount}::bigint where id = ${id}::uuid`;
    return true;
  });
}

/** Writes a notification `credit-expiring` for each lot that ends within a week, once. Resolves with how many. */
export async function warnOfExpiry(sql: SQL, now: Date): Promise<number> {
  const until = new Date(now.getTime() + WARNING_DAYS * 86_400_000);
  return sql.begin(async (transaction) => {
    const lots = (await transaction`
      update credit_lots set warned_at = ${now}::timestamptz
      where id in (
        select id from credit_lots
        where remaining_nano > 0 and warned_at is null
          and expires_at > ${now}::timestamptz and expires_at <= ${until}::timestamptz
        order by expires_at, id limit ${PAGE} for update skip locked)
      returning id, workspace_id, remaining_nano, expires_at`) as Row[];
    for (const lot of lots) {
      await notify(transaction, {
        workspaceId: lot.workspace_id as string,
        kind: "credit-expiring",
        dedupeKey: `credit-expiring:${lot.id}`,
        details: {
          amount_usd: nanoToDollars(nano(BigInt(lot.remaining_nano as bigint))),
          expires_at: (lot.expires_at as Date).toISOString(),
        },
      });
    }
    return lots.length;
  });
}

const SWEEP_MS = 60_000;

/** Looks every minute for credit that has ended or is about to. `stop` waits for the look that is under way. */
export function watchExpiry(settings: {
  readonly sql: SQL;
  readonly books: Books;
  readonly onError: (error: unknown) => void;
}): { stop(): Promise<void> } {
  const { sql, books, onError } = settings;
  let running: Promise<void> | undefined;
  const look = async () => {
    try {
      const now = new Date();
      await expireCredits(sql, books, now);
      await warnOfExpiry(sql, now);
    } catch (error) {
      onError(error);
    }
  };
  const begin = () => {
    running ??= look().finally(() => {
      running = undefined;
    });
  };
  const timer = setInterval(begin, SWEEP_MS);
  timer.unref();
  return {
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}
