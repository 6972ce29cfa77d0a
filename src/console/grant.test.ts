/**
 * Tests of what a restricted key may give: never more than its own, whichever way it is asked.
 * A property stands for the promise: what was granted grants nothing that the first could not.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { fits } from "../core/glob.ts";
import { nano } from "../core/money.ts";
import { addressList } from "../identity/address.ts";
import type { Restrictions } from "../identity/keys.ts";
import { grantChange, grantNew, isWithin } from "./grant.ts";

type Own = Required<{ [K in keyof Restrictions]: Exclude<Restrictions[K], undefined> }>;

const FREE: Own = {
  expiresAt: null,
  models: null,
  providers: null,
  ipAllow: null,
  modelCaps: null,
  limitNano: null,
  limitReset: null,
  rpm: null,
  rpd: null,
  tpm: null,
};

const BOUND: Own = {
  expiresAt: new Date(1000),
  models: ["gpt-*"],
  providers: ["open*"],
  ipAllow: ["10.0.0.0/8"],
  modelCaps: [{ glob: "gpt-*", capNano: nano(100n) }],
  limitNano: nano(1000n),
  limitReset: "weekly",
  rpm: 10,
  rpd: 20,
  tpm: 30,
};

const cap = (glob: string, amount: bigint) => ({ glob, capNano: nano(amount) });

test("a key without restrictions gives what is wanted", () => {
  const wishes: Restrictions[] = [{}, { models: ["*"], rpm: null }, BOUND];
  for (const wish of wishes) {
    expect(grantNew(FREE, wish)).toMatchObject(wish);
    expect(grantChange(FREE, BOUND, wish)).toEqual(wish);
  }
});

test("a new key without a wish gets the maker's own restrictions", () => {
  expect(grantNew(BOUND, {})).toEqual(BOUND);
  expect(grantNew(BOUND, FREE)).toEqual(BOUND);
});

describe("refused is", () => {
  const TABLE: [wish: Restrictions, param: string][] = [
    [{ expiresAt: new Date(1001) }, "expires_at"],
    [{ models: ["gpt-4", "claude-*"] }, "models"],
    [{ models: ["*"] }, "models"],
    [{ providers: ["*"] }, "providers"],
    [{ ipAllow: ["10.1.0.0/16", "11.0.0.1"] }, "ip_allow"],
    [{ ipAllow: ["0.0.0.0/0"] }, "ip_allow"],
    [{ modelCaps: [cap("gpt-4*", 101n)] }, "model_caps"],
    [{ limitNano: nano(1001n) }, "limit"],
    [{ limitNano: nano(1n), limitReset: "daily" }, "limit_reset"],
    [{ limitReset: "daily" }, "limit_reset"],
    [{ rpm: 11 }, "rpm"],
    [{ rpd: 21 }, "rpd"],
    [{ tpm: 31 }, "tpm"],
  ];
  for (const [wish, param] of TABLE) {
    test(`${param} beyond the own, for a new key, for another and for itself`, () => {
      const works = [
        () => grantNew(BOUND, wish),
        () => grantChange(BOUND, FREE, wish),
        () => grantChange(BOUND, BOUND, wish),
      ];
      for (const work of works) {
        expect(work).toThrow(expect.objectContaining({ code: "forbidden", status: 403, param }) as Error);
      }
    });
  }
});

test("less than the own is given as it is wanted", () => {
  const wish: Restrictions = {
    expiresAt: new Date(999),
    models: ["gpt-4*"],
    providers: ["openai"],
    ipAllow: ["10.1.0.0/16", "::ffff:10.2.0.1"],
    modelCaps: [cap("gpt-4*", 50n), cap("gpt-*", 70n)],
    limitNano: nano(10n),
    limitReset: "monthly",
    rpm: 1,
    rpd: 2,
    tpm: 3,
  };
  expect(grantNew(BOUND, wish)).toEqual(wish);
  expect(grantChange(BOUND, FREE, wish)).toEqual(wish);
});

test("caps of the own stay beside those that are wanted", () => {
  expect(grantNew(BOUND, { modelCaps: [cap("claude-*", 10_000n)] }).modelCaps).toEqual([
    cap("claude-*", 10_000n),
    cap("gpt-*", 100n),
  ]);
});

describe("a change", () => {
  test("sets only what it names", () => {
    expect(grantChange(BOUND, FREE, {})).toEqual({});
    expect(grantChange(BOUND, FREE, { rpm: 5 })).toEqual({ rpm: 5 });
    expect(grantChange(BOUND, FREE, { models: null })).toEqual({ models: BOUND.models });
  });

  test("of a limit is judged with what the key has of it, and writes both", () => {
    const daily = { ...FREE, limitNano: nano(5n), limitReset: "daily" } as const;
    expect(() => grantChange(BOUND, daily, { limitNano: nano(6n) })).toThrow("limit_reset");
    const monthly = { ...daily, limitReset: "monthly" } as const;
    expect(grantChange(BOUND, monthly, { limitNano: nano(6n) })).toEqual({
      limitNano: nano(6n),
      limitReset: "monthly",
    });
    expect(grantChange(BOUND, monthly, { limitReset: null })).toEqual({ limitNano: nano(5n), limitReset: null });
    const own = { limitNano: BOUND.limitNano, limitReset: BOUND.limitReset };
    expect(grantChange(BOUND, daily, { limitNano: null })).toEqual(own);
    expect(grantChange(BOUND, FREE, { limitReset: "weekly" })).toEqual(own);
  });
});

describe("a key is within another", () => {
  test("when it is bound in all that the other is", () => {
    expect(isWithin(FREE, FREE)).toBe(true);
    expect(isWithin(FREE, BOUND)).toBe(true);
    expect(isWithin(BOUND, BOUND)).toBe(true);
    expect(isWithin(BOUND, FREE)).toBe(false);
    expect(isWithin(BOUND, { ...BOUND, limitReset: null, rpm: 1, models: ["gpt-4"] })).toBe(true);
  });

  test("and not when one bound is missing or wider", () => {
    for (const field of Object.keys(BOUND).filter((name) => name !== "limitReset")) {
      expect(isWithin(BOUND, { ...BOUND, [field]: null })).toBe(false);
    }
    expect(isWithin(BOUND, { ...BOUND, rpd: 21 })).toBe(false);
    expect(isWithin(BOUND, { ...BOUND, limitReset: "daily" })).toBe(false);
    expect(isWithin(BOUND, { ...BOUND, modelCaps: [cap("gpt-*", 101n)] })).toBe(false);
    expect(isWithin(BOUND, { ...BOUND, modelCaps: [cap("gpt-4*", 1n)] })).toBe(false);
    expect(isWithin(BOUND, { ...BOUND, modelCaps: [cap("*", 100n)] })).toBe(true);
  });
});

describe("whatever is wanted", () => {
  const globs = fc.array(fc.constantFrom("*", "a*", "ab", "b", "*b"), { minLength: 1, maxLength: 3 });
  const ranges = fc.array(fc.constantFrom("0.0.0.0/0", "10.0.0.0/8", "10.0.0.1", "::/0", "::1"), { minLength: 1 });
  const amounts = fc.bigInt(0n, 3n).map(nano);
  const orNull = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });
  const capped = fc.array(fc.record({ glob: fc.constantFrom("*", "a*", "ab", "b"), capNano: amounts }), {
    minLength: 1,
  });
  const restrictions = fc.record({
    expiresAt: orNull(fc.integer({ min: 0, max: 3 }).map((ms) => new Date(ms))),
    models: orNull(globs),
    providers: orNull(globs),
    ipAllow: orNull(ranges),
    modelCaps: orNull(capped),
    limitNano: orNull(amounts),
    limitReset: fc.constantFrom("daily", "weekly", "monthly", null),
    rpm: orNull(fc.integer({ min: 1, max: 3 })),
    rpd: orNull(fc.integer({ min: 1, max: 3 })),
    tpm: orNull(fc.integer({ min: 1, max: 3 })),
  });
  const NAMES = ["a", "ab", "b", "bb", "c", ""];
  const ADDRESSES = ["10.0.0.1", "10.9.9.9", "11.0.0.1", "::1", "::2"];
  const WEIGHT = { daily: 30, weekly: 5, monthly: 1 } as const;

  /** What a key with these restrictions can do, as plain facts to compare. */
  function powers(one: Own) {
    const may = (list: string[] | null, name: string) => list === null || list.some((glob) => fits(glob, name));
    const most = (name: string) =>
      (one.modelCaps ?? [])
        .filter(({ glob }) => fits(glob, name))
        .reduce((least, { capNano }) => (capNano < least ? capNano : least), 99n as bigint);
    const perMonth =
      one.limitNano === null ? 1e9 : Number(one.limitNano) * (one.limitReset ? WEIGHT[one.limitReset] : 1);
    const numbers = [one.rpm, one.rpd, one.tpm, one.expiresAt?.getTime() ?? null].map((value) => value ?? 99);
    const addresses = one.ipAllow && addressList(one.ipAllow);
    return [
      ...NAMES.flatMap((name) => [Number(may(one.models, name)), Number(may(one.providers, name)), Number(most(name))]),
      ...ADDRESSES.map((address) => Number(!addresses || addresses.has(address))),
      ...numbers,
      perMonth,
      Number(one.limitNano !== null && one.limitReset === null ? 0 : 1),
    ];
  }

  const noMore = (one: Own, other: Own) => {
    const own = powers(other);
    return powers(one).every((power, index) => power <= (own[index] as number));
  };

  test("a new key can do no more than its maker", () => {
    fc.assert(
      fc.property(restrictions, restrictions, (own, wanted) => {
        let granted: Restrictions;
        try {
          granted = grantNew(own, wanted);
        } catch {
          return;
        }
        expect(noMore({ ...FREE, ...granted } as Own, own)).toBe(true);
      }),
    );
  });

  test("a key that counts as within another can do no more than it", () => {
    fc.assert(
      fc.property(restrictions, restrictions, (own, target) => {
        if (isWithin(own, target)) expect(noMore(target, own)).toBe(true);
      }),
    );
  });
});
