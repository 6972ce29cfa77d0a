/**
 * A workspace's account statement: its movements newest first, use summed by day, with the balance after each line.
 * Read by the console's ledger view; paged by the last line's place, so that a page costs the same however far back it is.
 */
import type { SQL } from "bun";
import { invalidRequest } from "../core/error.ts";
import { asArray, asString, tryParse } from "../core/json.ts";
import { type Nano, nano } from "../core/money.ts";
import type { AccountId } from "./books.ts";

/** One movement, or a day's use. */
export interface StatementLine {
  /** The transaction's, or `usage:` and the day. */
  readonly id: string;
  /** A movement's kind; `usage` for a day's use. */
  readonly kind: string;
  readonly amountNano: Nano;
  /** A day's use counts as its last movement. Undefined for an account that is not credit. */
  readonly balanceNano: Nano | undefined;
  readonly reason: string | null;
  readonly reference: string | null;
  /** For use: the day's beginning, in UTC. */
  readonly createdAt: Date;
  /** When what is left of this credit expires. */
  readonly expiresAt: Date | null;
}

export interface Statement {
  readonly lines: readonly StatementLine[];
  /** Where the next page begins; undefined on the last one. */
  readonly cursor: string | undefined;
}

/** A place between two lines: microseconds, the id of the line above, and the balance below it. */
interface Place {
  readonly microseconds: bigint;
  readonly id: string;
  readonly balance: bigint | undefined;
}

type Row = Record<string, unknown>;

/** A page of a workspace's statement. Throws `invalid_request` for a cursor that is none. */
export async function readStatement(
  sql: SQL,
  account: AccountId,
  { cursor, limit }: { readonly cursor?: string | undefined; readonly limit: number },
): Promise<Statement> {
  return sql.begin("isolation level repeatable read read only", async (transaction) => {
    const place = cursor === undefined ? await top(transaction, account) : decode(cursor);
    const at = String(place.microseconds);
    const rows = (await transaction`
      with place as (select 'epoch'::timestamptz + ${at}::bigint * interval '1 microsecond' as at)
      select *, (extract(epoch from at) * 1000000)::bigint as microseconds from (
        (select t.created_at as at, t.id::text as id, t.kind, e.amount_nano, t.reason, t.reference, t.created_at, l.expires_at
         from ledger_accounts a
         join ledger_transactions t on t.workspace_id = a.workspace_id
         join ledger_entries e on e.transaction_id = t.id and e.account_id = a.id
         left join credit_lots l on l.transaction_id = t.id, place
         where a.id = ${account} and t.created_at <= place.at
           and (t.created_at < place.at or t.id::text collate "C" < ${place.id})
         order by t.created_at desc, t.id::text collate "C" desc limit ${limit + 1})
        union all
        (select ends.at, 'usage:' || day, 'usage', -used_nano, null, null, ends.at - interval '1 day', null
         from ledger_days, place,
           lateral (select (day + 1)::timestamp at time zone 'utc' as at) ends
         where account_id = ${account} and used_nano <> 0
           and (ends.at < place.at or ends.at = place.at and ('usage:' || day) collate "C" < ${place.id})
         order by day desc limit ${limit + 1})) lines
      order by at desc, id collate "C" desc limit ${limit + 1}`) as Row[];
    return toStatement(rows, limit, place);
  });
}

/** Above the newest line. */
async function top(sql: SQL, account: AccountId): Promise<Place> {
  const [row] = (await sql`select kind, balance_nano from ledger_accounts where id = ${account}`) as Row[];
  const balance = row?.kind === "credit" ? BigInt(row.balance_nano as bigint) : undefined;
  return { microseconds: LAST_MICROSECOND, id: "", balance };
}

/** The end of the year 9999: later than any line. */
const LAST_MICROSECOND = 253_402_300_799_999_999n;

function toStatement(rows: readonly Row[], limit: number, place: Place): Statement {
  let { balance } = place;
  const lines = rows.slice(0, limit).map((row): StatementLine => {
    const amount = BigInt(row.amount_nano as bigint);
    const after = balance;
    if (balance !== undefined) balance -= amount;
    return {
      id: row.id as string,
      kind: row.kind as string,
      amountNano: nano(amount),
      balanceNano: after === undefined ? undefined : nano(after),
      reason: row.reason as string | null,
      reference: row.reference as string | null,
      createdAt: row.created_at as Date,
      expiresAt: row.expires_at as Date | null,
    };
  });
  const last = rows[lines.length - 1];
  if (!last || rows.length <= limit) return { lines, cursor: undefined };
  return {
    lines,
    cursor: encode({ microseconds: BigInt(last.microseconds as bigint), id: last.id as string, balance }),
  };
}

function encode({ microseconds, id, balance }: Place): string {
  const parts = [String(microseconds), id, balance === undefined ? null : String(balance)];
  return Buffer.from(JSON.stringify(parts)).toString("base64url");
}

const WHOLE = /^-?\d{1,18}$/;

function decode(cursor: string): Place {
  const [microseconds, id, balance] = asArray(tryParse(Buffer.from(cursor, "base64url").toString("utf8")));
  const at = asString(microseconds);
  const line = asString(id);
  const rest = asString(balance);
  if (at === undefined || !WHOLE.test(at) || line === undefined || !/^[a-z0-9:-]{1,40}$/.test(line))
    throw invalidRequest("cursor: not one that this list gave.", "cursor");
  return {
    microseconds: BigInt(at),
    id: line,
    balance: rest !== undefined && WHOLE.test(rest) ? BigInt(rest) : undefined,
  };
}
