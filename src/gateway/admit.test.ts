/**
 * Tests of the amount that is held before a call: never less than what the call can cost, for any split into token classes.
 * A hold that is too small is a call that somebody else pays for.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { candidate, model, principal } from "../../test/support/calls.ts";
import { type TestWallet, testWallet } from "../../test/support/wallet.ts";
import type { Principal } from "../core/call.ts";
import type { Candidate } from "../core/endpoint.ts";
import type { GatewayError } from "../core/error.ts";
import type { Capability, Head } from "../core/head.ts";
import { cost, dollarsToPico, type Nano, nano, type Price, pico } from "../core/money.ts";
import { emptyUsage, TOKEN_CLASSES, type TokenClass } from "../core/usage.ts";
import { type Admission, admit } from "./admit.ts";

const PRICE: Price = { perToken: { input: pico(1000n), output: pico(4000n) } };

/** The context of the candidates that `candidate` makes. */
const CONTEXT = BigInt(candidate("openai-chat").endpoint.contextTokens);

function head(over: Partial<Head> = {}): Head {
  return { model: "m", stream: false, candidates: 1, needs: [], wantsStreamUsage: true, ...over };
}

const RICH = 10n ** 24n;
/** A Friday. */
const NOW = Date.UTC(2026, 10, 20, 12);

/** What the watch over the books says. */
const books = { check: () => {} };

/** Admits with this much credit, and answers at once as a wallet with slices does. */
function admitWith(
  balance: bigint | TestWallet,
  candidates: readonly Candidate[],
  asked: Head,
  bytes: number,
  over: Partial<Principal> = {},
): Admission {
  const wallet = typeof balance === "bigint" ? testWallet(balance) : balance;
  const scope = { wallet, checkBooks: books.check, clockMs: () => NOW };
  return admit(
    scope,
    principal(over),
    [{ model: model(candidates.map(({ endpoint }) => endpoint)) }],
    candidates,
    asked,
    bytes,
  ) as Admission;
}

function held(price: Price, bytes: number, over: Partial<Head> = {}, maxOutputTokens = 1000): Nano {
  return admitWith(RICH, [candidate("openai-chat", { price, maxOutputTokens })], head(over), bytes).hold.amountNano;
}

describe("the amount held", () => {
  test("is every byte as a token and the whole output", () => {
    expect(held(PRICE, 500)).toBe(nano(500n + 4000n));
  });

  test("is less with the caller's own limit, and never more with one above the model's", () => {
    expect(held(PRICE, 0, { maxOutputTokens: 10 })).toBe(nano(40n));
    expect(held(PRICE, 0, { maxOutputTokens: 1_000_000 })).toBe(nano(4000n));
  });

  test("counts every answer that is asked for", () => {
    expect(held(PRICE, 0, { maxOutputTokens: 10, candidates: 5 })).toBe(nano(200n));
    expect(held(PRICE, 0, { candidates: Number.MAX_SAFE_INTEGER })).toBe(nano(BigInt(Number.MAX_SAFE_INTEGER) * 4000n));
  });

  test("has the price of a request on top", () => {
    expect(held({ ...PRICE, perRequest: dollarsToPico("0.01") }, 0, { maxOutputTokens: 1 })).toBe(nano(10_000_004n));
  });

  test("is that of the long-context tier where the prompt may reach it, and not where it cannot", () => {
    const tiers = [{ abovePromptTokens: 200, perToken: { input: pico(2000n), output: pico(6000n) } }];
    expect(held({ ...PRICE, tiers }, 201)).toBe(nano(402n + 6000n));
    expect(held({ ...PRICE, tiers }, 200)).toBe(nano(200n + 4000n));
  });

  test("counts cache writes, which are dearer than input", () => {
    const perToken = { ...PRICE.perToken, cacheWrite5m: pico(1250n), cacheWrite1h: pico(2000n) };
    expect(held({ perToken }, 500)).toBe(nano(1000n + 4000n));
  });

  test("counts media at their own price where the request holds some, and only there", () => {
    const perToken = {
      ...PRICE.perToken,
      audioInput: pico(8000n),
      imageInput: pico(3000n),
      imageOutput: pico(30_000n),
    };
    const needs = (...all: Capability[]) => held({ perToken }, 100, { needs: all }, 10);
    expect(needs()).toBe(nano(100n + 300n));
    expect(needs("images")).toBe(nano(10_100n * 3n + 300n));
    expect(needs("audio")).toBe(nano(CONTEXT * 8n + 300n));
    expect(needs("video")).toBe(nano(CONTEXT * 8n + 300n));
  });

  test("covers what providers add for tools, and what stands behind an address: a picture, a file as long as the context", () => {
    expect(held(PRICE, 100, { needs: ["tools"] }, 10)).toBe(nano(1100n + 40n));
    expect(held(PRICE, 100, { needs: ["images"] }, 10)).toBe(nano(10_100n + 40n));
    expect(held(PRICE, 100, { needs: ["files"] }, 10)).toBe(nano(CONTEXT + 40n));
    expect(held(PRICE, 5_000_000, { needs: ["files"] }, 10)).toBe(nano(5_000_040n));
  });

  test("covers the searches that the provider may run, and the pages that they bring in", () => {
    const price = { ...PRICE, perWebSearch: dollarsToPico("0.01"), perSearchedRequest: dollarsToPico("0.03") };
    expect(held(price, 100, { searches: 5 }, 10)).toBe(nano(CONTEXT + 40n + 50_000_000n + 30_000_000n));
    expect(held(price, 100, { searches: 0 }, 10)).toBe(nano(CONTEXT + 40n));
    expect(held(price, 100, {}, 10)).toBe(nano(140n));
  });

  test("is that of the dearest candidate, wherever it stands", () => {
    const dear = candidate("openai-chat", { price: { perToken: { input: pico(0n), output: pico(9000n) } } });
    const cheap = candidate("openai-chat", { price: PRICE });
    for (const all of [
      [dear, cheap],
      [cheap, dear],
    ]) {
      expect(admitWith(RICH, all, head(), 0).hold.amountNano).toBe(nano(9000n));
    }
  });

  test("is never refused to the operator's own calls, whatever credit there is", () => {
    const { hold } = admitWith(0n, [candidate()], head(), 1_000_000, { billing: "internal" });
    expect(hold.paidBy).toBe("internal");
  });
});

function refusal(work: () => unknown): GatewayError {
  try {
    work();
  } catch (error) {
    return error as GatewayError;
  }
  throw new Error("it was admitted");
}

describe("credit that does not cover the whole", () => {
  // 100 bytes at 1000 and at most 1000 tokens out at 4000: 100 + 4000 thousandths.
  const one = [candidate("openai-chat", { price: PRICE, maxOutputTokens: 1000 })];

  test("is refused where the caller named an output limit, with what was needed and what is there", () => {
    const error = refusal(() => admitWith(4099n, one, head({ maxOutputTokens: 1000 }), 100));
    expect(error.code).toBe("insufficient_credit");
    expect(error.message).toContain("may cost up to $0.0000041, and $0.000004099 of credit is available");
  });

  test("lowers the output limit where the caller named none, to what is affordable", () => {
    const { hold, outputLimit } = admitWith(2100n, one, head(), 100);
    expect(hold.amountNano).toBe(nano(2100n));
    expect(outputLimit).toBe(500);
  });

  test("lowers it for the dearest of the candidates, and for each of several answers", () => {
    const dear = candidate("openai-chat", { price: { perToken: { input: pico(1000n), output: pico(8000n) } } });
    expect(admitWith(4100n, [...one, dear], head(), 100).outputLimit).toBe(500);
    expect(admitWith(4100n, one, head({ candidates: 2 }), 100).outputLimit).toBe(500);
  });

  test("is refused below a floor, saying what the floor needs", () => {
    expect(admitWith(100n + 4n * 256n, one, head(), 100).outputLimit).toBe(256);
    const error = refusal(() => admitWith(99n + 4n * 256n, one, head(), 100));
    expect(error.code).toBe("insufficient_credit");
    expect(error.message).toContain("$0.000001124");
  });
});

describe("a limit on spending", () => {
  const one = [candidate("openai-chat", { price: PRICE, maxOutputTokens: 1000 })];
  const asked = head({ maxOutputTokens: 1000 });
  const spend = (amount: bigint, reset: "daily" | "weekly" | "monthly" | null = null) => ({
    nano: nano(amount),
    reset,
  });

  test("of a key refuses what would exceed it, and names its period", () => {
    const error = refusal(() => admitWith(RICH, one, asked, 100, { limit: spend(4000n) }));
    expect(error).toMatchObject({ code: "key_limit_exceeded", status: 403 });
    const purse = (reset: "daily" | "weekly" | "monthly" | null) =>
      admitWith(RICH, one, asked, 100, { limit: spend(5000n, reset) }).hold.keyPurse;
    const key = `key:${principal().keyId}`;
    expect([purse(null), purse("daily"), purse("weekly"), purse("monthly")]).toEqual([
      `${key}:all`,
      `${key}:2026-11-20`,
      `${key}:2026-11-16w`,
      `${key}:2026-11`,
    ]);
  });

  test("of a workspace and of a key both hold, for the operator's keys too", () => {
    const limits = { limit: spend(5000n), budget: spend(4000n) };
    for (const billing of ["prepaid", "internal"] as const) {
      const error = refusal(() => admitWith(RICH, one, asked, 100, { ...limits, billing }));
      expect(error.message).toContain("the workspace's budget");
    }
  });

  test("lowers the output limit as credit does", () => {
    expect(admitWith(RICH, one, head(), 100, { limit: spend(2100n) }).outputLimit).toBe(500);
    expect(admitWith(RICH, one, head(), 100, { billing: "internal", budget: spend(2100n) }).outputLimit).toBe(500);
  });

  test("for one call of a model refuses or lowers, whatever credit there is", () => {
    const modelCaps = [
      { glob: "other", capNano: nano(1n) },
      { glob: "m*", capNano: nano(2100n) },
    ];
    expect(admitWith(RICH, one, head(), 100, { modelCaps }).outputLimit).toBe(500);
    expect(refusal(() => admitWith(RICH, one, asked, 100, { modelCaps })).code).toBe("key_limit_exceeded");
    expect(refusal(() => admitWith(RICH, one, asked, 100, { modelCaps, billing: "internal" })).code).toBe(
      "key_limit_exceeded",
    );
  });
});

describe("books that are wrong", () => {
  const one = [candidate("openai-chat", { price: PRICE })];

  test("stop what customers pay for, and neither the operator's calls nor free ones", () => {
    books.check = () => {
      throw new Error("wrong");
    };
    try {
      expect(() => admitWith(RICH, one, head(), 100)).toThrow("wrong");
      expect(() => admitWith(RICH, one, head(), 100, { terms: { id: "p", includedPerDay: 5 } })).toThrow("wrong");
      expect(admitWith(RICH, one, head(), 100, { billing: "internal" }).hold.paidBy).toBe("internal");
      const free = [candidate("openai-chat", { price: { perToken: { input: pico(0n), output: pico(0n) } } })];
      expect(admitWith(RICH, free, head(), 100).hold.paidBy).toBe("free");
    } finally {
      books.check = () => {};
    }
  });
});

describe("a plan's requests", () => {
  const one = [candidate("openai-chat", { price: PRICE, maxOutputTokens: 1000 })];
  const terms = { id: "plan", includedPerDay: 2 };

  test("pay before credit does, and credit pays when they are used up", async () => {
    const wallet = testWallet(5000n);
    const payers: string[] = [];
    for (let call = 0; call < 3; call++)
      payers.push((await admitWith(wallet, one, head(), 100, { terms })).hold.paidBy);
    expect(payers).toEqual(["allowance", "allowance", "credit"]);
    const error = await (admitWith(wallet, one, head(), 100, { terms }) as unknown as Promise<Admission>).catch(
      (e) => e,
    );
    expect(error.code).toBe("insufficient_credit");
  });

  test("are counted by the day", async () => {
    const { hold } = await admitWith(5000n, one, head(), 100, { terms });
    expect(hold.countPurse).toBe(`included:${principal().workspaceId}:2026-11-20`);
  });

  test("of free models have a count of their own, after which the day is over", () => {
    const free = [candidate("openai-chat", { price: { perToken: { input: pico(0n), output: pico(0n) } } })];
    const wallet = testWallet(0n);
    const limited = { terms: { id: "plan", includedPerDay: 0, freePerDay: 1 } };
    expect(admitWith(wallet, free, head(), 100, limited).hold.paidBy).toBe("free");
    const error = refusal(() => admitWith(wallet, free, head(), 100, limited));
    expect(error).toMatchObject({ code: "rate_limit_exceeded", retryAfterMs: 12 * 3_600_000 });
    expect(admitWith(wallet, free, head(), 100).hold.countPurse).toBeUndefined();
  });
});

const picos = fc.bigInt({ min: 0n, max: 10n ** 9n }).map(pico);
const rates = fc.record(Object.fromEntries(TOKEN_CLASSES.map((name) => [name, picos])), {
  requiredKeys: ["input", "output"],
});
const OUTPUT: readonly TokenClass[] = ["output", "thinking", "imageOutput", "audioOutput"];

test("no split of the tokens into classes costs more than was held", () => {
  const shares = fc.array(fc.nat(1000), { minLength: TOKEN_CLASSES.length, maxLength: TOKEN_CLASSES.length });
  fc.assert(
    fc.property(rates, shares, fc.nat(2000), fc.nat(2000), (perToken, weights, bytes, output) => {
      const price = { perToken } as Price;
      const usage = emptyUsage("measured");
      const left = { input: bytes, output };
      for (const [index, name] of TOKEN_CLASSES.entries()) {
        const side = OUTPUT.includes(name) ? "output" : "input";
        const count = Math.min(left[side], weights[index] ?? 0);
        usage[name] = count;
        left[side] -= count;
      }
      const needs: Capability[] = ["images", "audio", "files", "video"];
      expect(held(price, bytes, { needs, maxOutputTokens: output }, 2000)).toBeGreaterThanOrEqual(cost(price, usage));
    }),
  );
});
