/**
 * Tests of holds: nobody spends more than there is, and every hold ends exactly once.
 * The property plays any order of holds, endings and writes against the plain arithmetic.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { principal } from "../../test/support/calls.ts";
import type { GatewayError } from "../core/error.ts";
import { nano } from "../core/money.ts";
import { createCredit, type Hold } from "./credit.ts";

const payer = principal();
const { workspaceId } = payer;

function withBalance(amount: bigint) {
  const credit = createCredit();
  credit.refresh(workspaceId, nano(amount));
  return credit;
}

describe("a hold", () => {
  test("takes from what is available until it ends", () => {
    const credit = withBalance(100n);
    const hold = credit.hold(payer, nano(60n));
    expect(credit.available(workspaceId)).toBe(nano(40n));
    hold.void();
    expect(credit.available(workspaceId)).toBe(nano(100n));
  });

  test("that is posted leaves its cost taken and gives the rest back", () => {
    const credit = withBalance(100n);
    expect(credit.hold(payer, nano(60n)).post(nano(10n))).toEqual({ billedNano: nano(10n), lossNano: nano(0n) });
    expect(credit.available(workspaceId)).toBe(nano(90n));
  });

  test("ends once: what comes later changes nothing", () => {
    const endings = [(hold: Hold) => hold.post(nano(10n)), (hold: Hold) => hold.void()];
    for (const first of endings) {
      for (const second of endings) {
        const credit = withBalance(100n);
        const hold = credit.hold(payer, nano(60n));
        first(hold);
        const after = credit.available(workspaceId);
        expect(second(hold) ?? { billedNano: nano(0n), lossNano: nano(0n) }).toMatchObject({ billedNano: nano(0n) });
        expect(credit.available(workspaceId)).toBe(after);
      }
    }
  });

  test("is never billed beyond its amount: the rest is named a loss", () => {
    const credit = withBalance(100n);
    expect(credit.hold(payer, nano(60n)).post(nano(75n))).toEqual({ billedNano: nano(60n), lossNano: nano(15n) });
    expect(credit.available(workspaceId)).toBe(nano(40n));
  });

  test("may be of all there is, and of no nano-dollar more", () => {
    expect(() => withBalance(100n).hold(payer, nano(100n))).not.toThrow();
    expect(() => withBalance(100n).hold(payer, nano(101n))).toThrow("credit is available");
  });

  test("of nothing needs some credit all the same", () => {
    expect(() => withBalance(0n).hold(payer, nano(0n))).toThrow();
    expect(() => withBalance(1n).hold(payer, nano(0n))).not.toThrow();
  });
});

describe("a refusal", () => {
  function refusal(balance: bigint, amount: bigint): GatewayError {
    try {
      withBalance(balance).hold(payer, nano(amount));
    } catch (error) {
      return error as GatewayError;
    }
    throw new Error("nothing was refused");
  }

  test("says what was needed and what is there", () => {
    const error = refusal(1_500_000_000n, 2_000_000_000n);
    expect(error).toMatchObject({ code: "insufficient_credit", status: 402, retryHelps: false });
    expect(error.message).toContain("$2,");
    expect(error.message).toContain("$1.5 ");
  });

  test("shows no amount below zero", () => {
    expect(refusal(-5n, 10n).message).toContain("$0 of credit");
  });
});

describe("many calls at once", () => {
  test("never hold more than the balance together", () => {
    const credit = withBalance(1000n);
    let held = 0;
    for (let i = 0; i < 1000; i++) {
      try {
        credit.hold(payer, nano(7n));
        held += 7;
      } catch {}
    }
    expect(held).toBe(994);
    expect(credit.available(workspaceId)).toBe(nano(6n));
  });

  test("of one workspace do not touch another's credit", () => {
    const credit = withBalance(100n);
    const other = principal({ workspaceId: "00000000-0000-4000-8000-000000000009" });
    expect(() => credit.hold(other, nano(1n))).toThrow();
    credit.hold(payer, nano(100n));
    expect(credit.available(other.workspaceId)).toBe(nano(0n));
  });
});

test("the operator's own calls are never refused and billed in full", () => {
  const credit = createCredit();
  const own = principal({ billing: "internal" });
  const hold = credit.hold(own, nano(0n));
  expect(hold.post(nano(500n))).toEqual({ billedNano: nano(500n), lossNano: nano(0n) });
  expect(credit.available(workspaceId)).toBe(nano(-500n));
  expect(() => credit.hold(own, nano(5n))).not.toThrow();
});

describe("the database's word", () => {
  test("is not believed while posted cost waits to be written: it would be spent twice", () => {
    const credit = withBalance(100n);
    credit.hold(payer, nano(60n)).post(nano(60n));
    credit.refresh(workspaceId, nano(100n));
    expect(credit.available(workspaceId)).toBe(nano(40n));
  });

  test("is believed once that cost is in it", () => {
    const credit = withBalance(100n);
    credit.hold(payer, nano(60n)).post(nano(60n));
    credit.settled(workspaceId, nano(40n), nano(60n));
    expect(credit.available(workspaceId)).toBe(nano(40n));
    credit.refresh(workspaceId, nano(140n));
    expect(credit.available(workspaceId)).toBe(nano(140n));
  });

  test("of a batch leaves the cost that was posted meanwhile", () => {
    const credit = withBalance(100n);
    credit.hold(payer, nano(30n)).post(nano(30n));
    credit.hold(payer, nano(20n)).post(nano(20n));
    credit.settled(workspaceId, nano(70n), nano(30n));
    expect(credit.available(workspaceId)).toBe(nano(50n));
  });

  test("does not end holds", () => {
    const credit = withBalance(100n);
    credit.hold(payer, nano(30n));
    credit.refresh(workspaceId, nano(200n));
    expect(credit.available(workspaceId)).toBe(nano(170n));
  });
});

test("whatever the order of holds, endings and writes, no balance in the database goes below zero", () => {
  const step = fc.record({
    what: fc.constantFrom("hold", "post", "void", "write"),
    amount: fc.bigInt(0n, 400n),
    pick: fc.nat(9),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (script) => {
      let stored = 1000n;
      let unwritten = 0n;
      const credit = withBalance(stored);
      const open: Hold[] = [];
      for (const { what, amount, pick } of script) {
        if (what === "hold") {
          try {
            open.push(credit.hold(payer, nano(amount)));
          } catch {}
        } else if (what === "write") {
          stored -= unwritten;
          credit.settled(workspaceId, nano(stored), nano(unwritten));
          unwritten = 0n;
        } else {
          const hold = open.splice(pick % Math.max(1, open.length), 1)[0];
          if (what === "void") hold?.void();
          else unwritten += hold?.post(nano(amount)).billedNano ?? 0n;
        }
        const held = open.reduce((sum, hold) => sum + hold.amountNano, 0n);
        expect(credit.available(workspaceId)).toBe(nano(stored - unwritten - held));
        expect(credit.available(workspaceId)).toBeGreaterThanOrEqual(0n);
      }
    }),
  );
});
