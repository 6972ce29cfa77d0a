/**
 * Tests of the arithmetic of payments: fees are exact, entries add up to zero, and every way to a reversal is the same.
 * What they hold is what makes the order of Stripe's events not matter.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { SETTINGS } from "../../test/support/stripe/rig.ts";
import { nano } from "../core/money.ts";
import {
  bounded,
  centsToNano,
  feeOf,
  NO_REVERSAL,
  type PaidAmounts,
  paidEntries,
  type Reversal,
  reversalEntries,
} from "./amounts.ts";

const cents = (max: number) => fc.integer({ min: 0, max }).map(BigInt);

const payment: fc.Arbitrary<PaidAmounts> = fc
  .record({
    kind: fc.constantFrom("top-up" as const, "auto-top-up" as const, "subscription" as const),
    amountCents: fc.integer({ min: 1, max: 10_000_000 }).map(BigInt),
    creditNano: fc.bigInt({ min: 0n, max: 200_000n * 10n ** 9n }),
  })
  .map(({ kind, amountCents, creditNano }) => ({
    kind,
    workspaceId: "w",
    amountCents,
    creditNano: kind === "subscription" ? 0n : creditNano,
  }));

const reversal = (max: number): fc.Arbitrary<Reversal> =>
  fc.record({ refundedCents: cents(max), disputedCents: cents(max), chargedBackCents: cents(max) });

type Sums = Record<string, bigint>;

function add(sums: Sums, entries: readonly { account: string; amountNano: bigint }[]): Sums {
  const total = { ...sums };
  for (const { account, amountNano } of entries) total[account] = (total[account] ?? 0n) + amountNano;
  return Object.fromEntries(Object.entries(total).filter(([, amount]) => amount !== 0n));
}

const zero = (entries: readonly { amountNano: bigint }[]) =>
  entries.reduce((sum, { amountNano }) => sum + amountNano, 0n) === 0n;

test("a fee is its percentage rounded up to the cent, at least the least", () => {
  const topUp = { ...SETTINGS.topUp, feePpm: 55_000n, feeMinNano: nano(800_000_000n) };
  expect([feeOf(1000n, topUp), feeOf(2000n, topUp), feeOf(2001n, topUp), feeOf(1n, topUp)]).toEqual([
    80n,
    110n,
    111n,
    80n,
  ]);
  expect(feeOf(1000n, { ...topUp, feePpm: 0n, feeMinNano: nano(0n) })).toBe(0n);
});

test("entries add up to zero, and a payment that is wholly given back leaves nothing anywhere", () => {
  fc.assert(
    fc.property(payment, (paid) => {
      const whole = { ...NO_REVERSAL, refundedCents: paid.amountCents };
      const back = reversalEntries(paid, NO_REVERSAL, whole);
      expect(zero(paidEntries(paid)) && zero(back)).toBe(true);
      expect(add(add({}, paidEntries(paid)), back)).toEqual({});
    }),
  );
});

test("every way to a reversal ends in the same sums", () => {
  fc.assert(
    fc.property(payment, fc.array(reversal(12_000_000), { minLength: 1, maxLength: 6 }), (paid, way) => {
      const stations = way.map((one) => bounded(paid.amountCents, one));
      let known = NO_REVERSAL;
      let sums: Sums = {};
      for (const station of stations) {
        const entries = reversalEntries(paid, known, station);
        expect(zero(entries)).toBe(true);
        sums = add(sums, entries);
        known = station;
      }
      expect(sums).toEqual(add({}, reversalEntries(paid, NO_REVERSAL, known)));
    }),
  );
});

test("no reversal takes more credit than was given, nor more money than was paid", () => {
  fc.assert(
    fc.property(payment, reversal(12_000_000), (paid, one) => {
      const { refundedCents, disputedCents, chargedBackCents } = bounded(paid.amountCents, one);
      expect(refundedCents + disputedCents).toBeLessThanOrEqual(paid.amountCents);
      expect(chargedBackCents).toBeLessThanOrEqual(disputedCents);
      const left = add(
        add({}, paidEntries(paid)),
        reversalEntries(paid, NO_REVERSAL, { refundedCents, disputedCents, chargedBackCents }),
      );
      expect(left["credit:w"] ?? 0n).toBeGreaterThanOrEqual(0n);
      expect(left["stripe-clearing"] ?? 0n).toBe(-centsToNano(paid.amountCents - refundedCents - disputedCents));
    }),
  );
});
