/**
 * The calendar periods in which limits begin anew, in UTC.
 * Admission names purses by them, so that a new period is simply a new purse.
 */

export type Reset = "daily" | "weekly" | "monthly";

export interface Period {
  /** Unique among the periods of its kind, e.g. `2026-11-20`. */
  readonly name: string;
  readonly start: Date;
  readonly end: Date;
}

/** The day, the week (from Monday) or the month that a moment lies in. */
export function periodOf(reset: Reset, nowMs: number): Period {
  const now = new Date(nowMs);
  const [year, month, day] = [now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()];
  if (reset === "monthly") return period(Date.UTC(year, month), Date.UTC(year, month + 1), 7);
  const monday = day - ((now.getUTCDay() + 6) % 7);
  if (reset === "weekly") return period(Date.UTC(year, month, monday), Date.UTC(year, month, monday + 7), 10, "w");
  return period(Date.UTC(year, month, day), Date.UTC(year, month, day + 1), 10);
}

function period(startMs: number, endMs: number, length: number, mark = ""): Period {
  const start = new Date(startMs);
  return { name: start.toISOString().slice(0, length) + mark, start, end: new Date(endMs) };
}
