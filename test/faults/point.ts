/**
 * What the tables of points are made of: a way a call can end, and what money.md's table says of it.
 * `check` holds a call that ended against it; the tests are generated from the tables.
 */
import { expect } from "bun:test";
import type { Leave } from "./caller.ts";
import { type Format, LOOKS } from "./formats.ts";
import { chargeOf, type Ended, type Kind } from "./rig.ts";

/**
 * How a call is billed. `told`: what the provider says, which is what its journal says. `counted`: as much as was seen,
 * flagged. `partly`: as the provider said last, which may not be all that it charges. `clamped`: what can be of what the provider says, flagged. `void`: nothing, though something was held.
 * `refused`: nothing was ever held.
 */
export type Bill = "told" | "partly" | "counted" | "clamped" | "void" | "refused";

/** One way to end, streamed or not. */
export interface Variant {
  /** Where it differs from the point's name. */
  readonly what?: string;
  readonly kind?: Kind;
  /** Orders for the upstream. */
  readonly orders?: string;
  readonly leave?: Leave;
  readonly bill: Bill | Readonly<Partial<Record<Format, Bill>> & { readonly others: Bill }>;
  /** Of the record. A caller who left has 499. */
  readonly status?: number;
  /** What the caller sees; by default the record's status, or nothing when it left. */
  readonly seen?: number;
  /** Tries at upstreams. */
  readonly attempts?: number;
  /** A failed try was charged for, and told: it is the operator's loss. */
  readonly loss?: boolean;
  /** Why the provider charges otherwise than was billed, where nobody could know. */
  readonly unknowable?: string;
}

export interface Point {
  readonly name: string;
  readonly streamed: Variant;
  readonly plain: Variant;
}

export interface Case {
  readonly format: Format;
  readonly target: Format;
  readonly streamed: boolean;
  readonly variant: Variant;
}

/** A count may be wrong by this factor, either way, on the small texts of these tests. */
const FACTOR = 4n;

function billOf({ bill }: Variant, target: Format): Bill {
  return typeof bill === "string" ? bill : (bill[target] ?? bill.others);
}

/** Holds a call against its point. */
export function check({ format, target, streamed, variant }: Case, { got, row, entries }: Ended): void {
  const bill = billOf(variant, target);
  const status = variant.status ?? (variant.leave && variant.leave.at !== "never" ? 499 : 200);
  const { text } = got;
  expect({ status: row.status, cancelled: row.cancelled, attempts: row.attempts.length }).toEqual({
    status,
    cancelled: status === 499,
    attempts: variant.attempts ?? (bill === "refused" ? 0 : 1),
  });
  if (!variant.leave) {
    expect(got.status).toBe(variant.seen ?? (streamed && bill !== "void" ? 200 : status));
    // What broke off after content had begun ends with an error in the caller's format.
    if (streamed && bill !== "void") expect(LOOKS[format].error.test(text)).toBe(status !== 200);
  }
  checkBill(bill, variant, { got, row, entries });
}

function checkBill(bill: Bill, variant: Variant, { row, entries }: Ended): void {
  const { costNano: cost, holdNano: hold } = row;
  const charged = chargeOf(entries);
  const loss = row.lossNano;
  expect(cost).toBeLessThanOrEqual(hold);
  expect(loss > 0n).toBe(variant.loss ?? false);
  expect(row.providerNano).toBe(cost + loss);
  expect(row.clamped).toBe(bill === "clamped");
  if (bill === "refused" || bill === "void") {
    expect([row.outcome, row.source, cost]).toEqual([bill === "void" ? "voided" : "refused", "none", 0n]);
    expect(hold > 0n).toBe(bill === "void");
    expect(row.paidBy).toBe(bill === "void" ? "credit" : "none");
    if (bill === "refused") expect(entries).toEqual([]);
    if (!variant.unknowable) expect(charged).toBe(loss);
    return;
  }
  expect([row.outcome, row.paidBy, row.source]).toEqual([
    "posted",
    "credit",
    bill === "counted" ? "estimated" : "measured",
  ]);
  expect(cost).toBeGreaterThan(0n);
  if (variant.unknowable || bill === "clamped") return;
  if (bill === "told") {
    expect(row.providerNano).toBe(charged);
    return;
  }
  expect(cost).toBeLessThanOrEqual(bill === "partly" ? charged : charged * FACTOR);
  expect(cost * FACTOR).toBeGreaterThanOrEqual(charged);
}
