/**
 * Tests of money: exact prices, one rounding, tiers and fallbacks, decimals in and out.
 * The property compares every cost with the exact rational value.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  cost,
  dollarsToNano,
  dollarsToPico,
  fallingClass,
  nano,
  nanoToDollars,
  type Price,
  perMillionToPico,
  pico,
  picoToDollars,
  picoToPerMillion,
  rate,
  roundUp,
  withMargin,
} from "./money.ts";
import { emptyUsage, TOKEN_CLASSES, type TokenClass, type Usage } from "./usage.ts";

const FLAT: Price = { perToken: { input: perMillionToPico(3), output: perMillionToPico(15) } };

function used(counts: Partial<Usage>): Usage {
  return { ...emptyUsage("measured"), ...counts };
}

describe("what a call costs", () => {
  test("a million tokens cost exactly the price of a million tokens", () => {
    expect(nanoToDollars(cost(FLAT, used({ input: 1_000_000 })))).toBe("3");
    expect(nanoToDollars(cost(FLAT, used({ output: 1_000_000 })))).toBe("15");
    const cheap: Price = { perToken: { input: perMillionToPico("0.037501"), output: perMillionToPico(0) } };
    expect(nanoToDollars(cost(cheap, used({ input: 1_000_000 })))).toBe("0.037501");
  });

  test("is rounded up once, not once for each class", () => {
    const price: Price = { perToken: { input: pico(1n), output: pico(1n) } };
    expect(cost(price, used({ input: 1 }))).toBe(nano(1n));
    expect(cost(price, used({ input: 500, output: 500 }))).toBe(nano(1n));
    expect(cost(price, used({ input: 500, output: 501 }))).toBe(nano(2n));
    expect(cost(price, used({}))).toBe(nano(0n));
  });

  test("has the prices of a request and of web searches on top", () => {
    const price: Price = { ...FLAT, perRequest: dollarsToPico("0.002"), perWebSearch: dollarsToPico("0.01") };
    expect(nanoToDollars(cost(price, used({})))).toBe("0.002");
    expect(nanoToDollars(cost(price, used({ webSearches: 3, input: 1_000_000 })))).toBe("3.032");
    expect(cost(FLAT, used({ webSearches: 3 }))).toBe(nano(0n));
    const once: Price = { ...FLAT, perSearchedRequest: dollarsToPico("0.035") };
    expect(["0", "0.035", "0.035"]).toEqual(
      [0, 1, 4].map((webSearches) => nanoToDollars(cost(once, used({ webSearches })))),
    );
  });

  test("counts no negative number of tokens", () => {
    expect(cost(FLAT, used({ input: -5, output: 1_000_000, webSearches: -1 }))).toBe(dollarsToNano(15));
  });
});

describe("the rate of a class", () => {
  test("a class without a price is billed as the class it belongs to", () => {
    const expected: Record<TokenClass, TokenClass> = {
      input: "input",
      cacheRead: "input",
      cacheWrite5m: "input",
      cacheWrite1h: "input",
      imageInput: "input",
      audioInput: "input",
      output: "output",
      thinking: "output",
      imageOutput: "output",
      audioOutput: "output",
    };
    for (const name of TOKEN_CLASSES) expect(rate(FLAT, name, 0)).toBe(FLAT.perToken[expected[name]] as never);
    const writes: Price = { perToken: { ...FLAT.perToken, cacheWrite5m: pico(7n) } };
    expect(rate(writes, "cacheWrite1h", 0)).toBe(pico(7n));
  });

  const tiered: Price = {
    perToken: { input: pico(10n), output: pico(20n), cacheRead: pico(1n) },
    tiers: [
      { abovePromptTokens: 1000, perToken: { input: pico(30n) } },
      { abovePromptTokens: 200, perToken: { input: pico(15n), output: pico(25n) } },
    ],
  };

  test("a tier holds above its boundary, not at it", () => {
    expect(rate(tiered, "input", 200)).toBe(pico(10n));
    expect(rate(tiered, "input", 201)).toBe(pico(15n));
    expect(rate(tiered, "output", 201)).toBe(pico(25n));
  });

  test("of several tiers the highest one reached holds, in whatever order they are written", () => {
    expect(rate(tiered, "input", 1000)).toBe(pico(15n));
    expect(rate(tiered, "input", 1001)).toBe(pico(30n));
    expect(rate(tiered, "output", 1001)).toBe(pico(20n));
  });

  test("a class with a base price of its own keeps it in a tier that does not name it", () => {
    expect(rate(tiered, "cacheRead", 5000)).toBe(pico(1n));
  });

  test("cached and media tokens count towards the boundary of a tier", () => {
    const each = { input: 40, cacheRead: 40, cacheWrite5m: 40, cacheWrite1h: 40, imageInput: 40 };
    const at = cost(tiered, used({ ...each, audioInput: 0, output: 1000 }));
    const above = cost(tiered, used({ ...each, audioInput: 1, output: 1000 }));
    // 160 × 10 + 40 × 1 + 1000 × 20, and with one token more 161 × 15 + 40 × 1 + 1000 × 25 pico-dollars.
    expect(at).toBe(nano(22n));
    expect(above).toBe(nano(28n));
  });
});

describe("decimals", () => {
  test("become integers exactly, from text and from numbers", () => {
    expect(dollarsToNano("0.000000001")).toBe(nano(1n));
    expect(dollarsToNano(1e-9)).toBe(nano(1n));
    expect(dollarsToNano("-12.5")).toBe(nano(-12_500_000_000n));
    expect(dollarsToNano(0.1)).toBe(nano(100_000_000n));
    expect(dollarsToNano("1.500000000000")).toBe(nano(1_500_000_000n));
    expect(perMillionToPico("0.000001")).toBe(pico(1n));
    expect(perMillionToPico(2.5e-6 * 2)).toBe(pico(5n));
    expect(dollarsToPico(1.5e-11)).toBe(pico(15n));
  });

  const refused: [string, () => unknown][] = [
    ["ten decimals of a dollar", () => dollarsToNano("0.0000000001")],
    ["a sum of floats that has drifted", () => dollarsToNano(0.1 + 0.2)],
    ["seven decimals of a price", () => perMillionToPico("0.0000001")],
    ["thirteen decimals of a piece", () => dollarsToPico("0.0000000000001")],
    ["an exponent", () => dollarsToNano("1e3")],
    ["a number too large to be plain", () => dollarsToNano(1e21)],
    ["NaN", () => dollarsToNano(Number.NaN)],
    ["infinity", () => dollarsToNano(Number.POSITIVE_INFINITY)],
    ["hexadecimal", () => dollarsToNano("0x10")],
    ["nothing", () => dollarsToNano("")],
    ["a currency sign", () => dollarsToNano("$1")],
    ["a comma", () => dollarsToNano("1,5")],
  ];
  for (const [what, work] of refused) test(`${what} is refused, not rounded`, () => expect(work).toThrow(RangeError));

  test("a refusal quotes no more than the beginning of what was given", () => {
    expect(() => dollarsToNano("9".repeat(10_000))).toThrow(/^.{1,120}$/);
  });

  test("amounts are written without zeros at the end, and below zero", () => {
    expect(nanoToDollars(nano(0n))).toBe("0");
    expect(nanoToDollars(nano(1n))).toBe("0.000000001");
    expect(nanoToDollars(nano(-1_500_000_000n))).toBe("-1.5");
    expect(nanoToDollars(nano(20_000_000_000n))).toBe("20");
    expect(picoToDollars(pico(2_500_000n))).toBe("0.0000025");
  });

  test("what is written is read back as the same amount", () => {
    const amounts = fc.bigInt({ min: -(10n ** 23n), max: 10n ** 23n });
    fc.assert(fc.property(amounts, (amount) => dollarsToNano(nanoToDollars(nano(amount))) === amount));
    fc.assert(fc.property(amounts, (amount) => dollarsToPico(picoToDollars(pico(amount))) === amount));
  });
});

const counts = fc.record(Object.fromEntries(TOKEN_CLASSES.map((name) => [name, fc.nat(100_000_000)])));
const picos = fc.bigInt({ min: 0n, max: 10n ** 12n }).map(pico);
const prices = fc.record({
  perToken: fc.record(Object.fromEntries(TOKEN_CLASSES.map((name) => [name, picos])), {
    requiredKeys: ["input", "output"],
  }),
  perRequest: picos,
  perWebSearch: picos,
  perSearchedRequest: picos,
});

describe("a cost against the exact value", () => {
  test("is never below it and less than one nano-dollar above", () => {
    fc.assert(
      fc.property(counts, fc.nat(50), prices, (tokens, webSearches, price) => {
        const usage = used({ ...(tokens as Partial<Usage>), webSearches });
        const billed = cost(price as Price, usage) * 1000n;
        let exact: bigint = price.perRequest + BigInt(webSearches) * price.perWebSearch;
        if (webSearches > 0) exact += price.perSearchedRequest;
        for (const name of TOKEN_CLASSES) exact += BigInt(usage[name]) * rate(price as Price, name, 0);
        return billed >= exact && billed - exact < 1000n;
      }),
    );
  });

  test("rounding up leaves whole nano-dollars as they are", () => {
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: 10n ** 20n }), (whole) => roundUp(whole * 1000n) === whole));
  });

  /** A fraction, in lowest terms nowhere: numerator and denominator as they come. */
  type Fraction = readonly [bigint, bigint];
  const plus = ([a, b]: Fraction, [c, d]: Fraction): Fraction => [a * d + c * b, b * d];
  const times = ([a, b]: Fraction, [c, d]: Fraction): Fraction => [a * c, b * d];
  /** A decimal as a fraction, read without the code under test. */
  const fraction = (text: string): Fraction => {
    const [whole = "0", digits = ""] = text.split(".");
    return [BigInt(whole + digits), 10n ** BigInt(digits.length)];
  };
  const decimals = fc
    .tuple(fc.nat(999), fc.nat(999_999))
    .map(([whole, digits]) => `${whole}.${String(digits).padStart(6, "0")}`);

  test("is what fractions make of the written decimals, below a tier's bound and above it", () => {
    const written = fc.record({
      base: fc.tuple(decimals, decimals, decimals, decimals),
      tier: fc.tuple(decimals, decimals, decimals, decimals),
    });
    const NAMES = ["input", "cacheRead", "cacheWrite5m", "output"] as const;
    const rates = (texts: readonly string[]) =>
      Object.fromEntries(NAMES.map((name, i) => [name, perMillionToPico(texts[i] ?? "")]));
    const tokens = fc.tuple(fc.nat(300_000), fc.nat(100_000), fc.nat(100_000), fc.nat(50_000));
    fc.assert(
      fc.property(written, tokens, ({ base, tier }, numbers) => {
        const price = {
          perToken: rates(base),
          tiers: [{ abovePromptTokens: 200_000, perToken: rates(tier) }],
        } as unknown as Price;
        const [input, cacheRead, cacheWrite5m, output] = numbers;
        const texts = input + cacheRead + cacheWrite5m > 200_000 ? tier : base;
        let sum: Fraction = [0n, 1n];
        for (const [i, text] of texts.entries()) {
          sum = plus(sum, times([BigInt(numbers[i] ?? 0), 1_000_000n], fraction(text)));
        }
        const [numerator, denominator] = times(sum, [1_000_000_000n, 1n]);
        const nanos = (numerator + denominator - 1n) / denominator;
        return cost(price, used({ input, cacheRead, cacheWrite5m, output })) === nanos;
      }),
    );
  });
});

/** Prices as they are allowed: each tier at least as dear as what is below it. */
const rising = fc
  .tuple(prices, fc.array(fc.tuple(fc.integer({ min: 1, max: 400_000 }), picos), { maxLength: 3 }))
  .map(([price, steps]): Price => {
    const bounds = [...new Set(steps.map(([bound]) => bound))].sort((a, b) => a - b);
    let added = 0n;
    const tiers = bounds.map((abovePromptTokens, i) => {
      added += steps[i]?.[1] ?? 0n;
      const perToken = Object.entries(price.perToken).map(([name, one]) => [name, pico((one as bigint) + added)]);
      return { abovePromptTokens, perToken: Object.fromEntries(perToken) };
    });
    return { ...(price as unknown as Price), tiers };
  });

describe("a price whose tiers only rise", () => {
  const few = fc.record(Object.fromEntries(TOKEN_CLASSES.map((name) => [name, fc.nat(200_000)])));

  test("never makes more usage cheaper", () => {
    fc.assert(
      fc.property(rising, few, few, fc.nat(9), fc.nat(9), (price, tokens, more, searches, moreSearches) => {
        const less = used({ ...tokens, webSearches: searches });
        const sum = Object.fromEntries(TOKEN_CLASSES.map((name) => [name, less[name] + (more[name] ?? 0)]));
        return cost(price, used({ ...sum, webSearches: searches + moreSearches })) >= cost(price, less);
      }),
    );
  });

  test("has no class that falls, and one that does is named", () => {
    fc.assert(fc.property(rising, (price) => fallingClass(price) === undefined));
    const falling: Price = {
      perToken: { input: pico(10n), output: pico(20n), cacheRead: pico(1n) },
      tiers: [
        { abovePromptTokens: 300, perToken: { input: pico(11n) } },
        { abovePromptTokens: 100, perToken: { input: pico(12n), cacheRead: pico(2n) } },
      ],
    };
    expect(fallingClass(falling)).toBe("input");
    expect(fallingClass(FLAT)).toBeUndefined();
  });
});

describe("a margin", () => {
  const margins = fc.tuple(fc.nat(10_000), fc.nat(999_999));

  test("is put on every part of a price and every tier", () => {
    const price: Price = {
      perToken: { input: pico(100n), output: pico(300n), cacheWrite1h: pico(1n) },
      perRequest: pico(1_000n),
      perWebSearch: pico(7n),
      perSearchedRequest: pico(9n),
      tiers: [{ abovePromptTokens: 200, perToken: { input: pico(200n), cacheRead: pico(3n) } }],
    };
    expect(withMargin(price, "12.5")).toEqual({
      perToken: { input: pico(113n), output: pico(338n), cacheWrite1h: pico(2n) },
      perRequest: pico(1_125n),
      perWebSearch: pico(8n),
      perSearchedRequest: pico(11n),
      tiers: [{ abovePromptTokens: 200, perToken: { input: pico(225n), cacheRead: pico(4n) } }],
    });
    expect(withMargin(price, 0)).toBe(price);
  });

  test("is exact, and rounded up by less than a pico-dollar", () => {
    fc.assert(
      fc.property(picos, margins, (input, [whole, millionths]) => {
        const percent = `${whole}.${String(millionths).padStart(6, "0")}`;
        const price: Price = { perToken: { input, output: input } };
        const exact = input * (100_000_000n + BigInt(whole) * 1_000_000n + BigInt(millionths));
        const over = withMargin(price, percent).perToken.input * 100_000_000n - exact;
        return over >= 0n && over < 100_000_000n;
      }),
    );
  });

  test("never makes the customer's cost less than the provider's, and free stays free", () => {
    fc.assert(
      fc.property(rising, counts, margins, (price, tokens, [whole, millionths]) => {
        const usage = used(tokens as Partial<Usage>);
        const marked = withMargin(price, `${whole}.${String(millionths).padStart(6, "0")}`);
        return cost(marked, usage) >= cost(price, usage) && fallingClass(marked) === undefined;
      }),
    );
    const free: Price = { perToken: { input: pico(0n), output: pico(0n) } };
    expect(withMargin(free, 30)).toEqual(free);
  });

  for (const wrong of ["-1", "0.0000001", "ten", "", Number.NaN]) {
    test(`of ${String(wrong) || "nothing"} is refused`, () =>
      expect(() => withMargin(FLAT, wrong)).toThrow(RangeError));
  }
});

test("a price per million tokens is written as it is read", () => {
  expect(picoToPerMillion(perMillionToPico("0.075"))).toBe("0.075");
  expect(picoToPerMillion(perMillionToPico(15))).toBe("15");
  fc.assert(fc.property(picos, (one) => perMillionToPico(picoToPerMillion(one)) === one));
});

test("no floating point stands near money", async () => {
  const source = await Bun.file(new URL("./money.ts", import.meta.url)).text();
  const code = source.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
  expect(code.match(/parseFloat|toFixed|Math\.|Number\((?!match)|\d\.\d/g)).toBeNull();
});
