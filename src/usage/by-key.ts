/**
 * What keys used lately: today, this week, this month, in UTC.
 * The key routes show it beside a key's total.
 */
import type { SQL } from "bun";
import { type Nano, nano, ZERO } from "../core/money.ts";

export interface KeyUsage {
  readonly dayNano: Nano;
  readonly weekNano: Nano;
  readonly monthNano: Nano;
}

export const NO_USAGE: KeyUsage = { dayNano: ZERO, weekNano: ZERO, monthNano: ZERO };

/** The recent use of each of these keys; keys that used nothing are absent. */
export async function usageByKey(sql: SQL, keyIds: readonly string[]): Promise<Map<string, KeyUsage>> {
  const found = new Map<string, KeyUsage>();
  if (keyIds.length === 0) return found;
  const rows = (await sql`
    select r.key_id,
      coalesce(sum(cost_nano) filter (where created_at >= date_trunc('day', now() at time zone 'utc') at time zone 'utc'), 0)::bigint as day,
      coalesce(sum(cost_nano) filter (where created_at >= date_trunc('week', now() at time zone 'utc') at time zone 'utc'), 0)::bigint as week,
      coalesce(sum(cost_nano) filter (where created_at >= date_trunc('month', now() at time zone 'utc') at time zone 'utc'), 0)::bigint as month
    from requests r
    where r.key_id in (select value::uuid from json_array_elements_text(${JSON.stringify(keyIds)}::text::json))
      and created_at >= least(date_trunc('week', now() at time zone 'utc'), date_trunc('month', now() at time zone 'utc')) at time zone 'utc'
    group by r.key_id`) as Record<string, unknown>[];
  const amount = (value: unknown) => nano(BigInt(value as bigint));
  for (const row of rows) {
    found.set(row.key_id as string, {
      dayNano: amount(row.day),
      weekNano: amount(row.week),
      monthNano: amount(row.month),
    });
  }
  return found;
}
