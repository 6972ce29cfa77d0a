/**
 * Tests of the amount that is held before a call: never less than what the call can cost, for any split into token classes.
 * A hold that is too small is a call that somebody else pays for.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { candidate, principal } from "../../test/support/calls.ts";
import type { Capability, Head } from "../core/head.ts";
import { cost, dollarsToPico, type Nano, nano, type Price, pico } from "../core/money.ts";
import { emptyUsage, TOKEN_CLASSES, type TokenClass } from "../core/usage.ts";
import { type Credit, createCredit } from "../ledger/credit.ts";
import { admit } from "./admit.ts";

const PRICE: Price = { perToken: { input: pico(1000n), output: pico(4000n) } };

/** The context of the candidates that `candidate` makes. */
const CONTEXT = BigInt(candidate("openai-chat").endpoint.contextTokens);

function head(over: Partial<Head> = {}): Head {
  return { model: "m", stream: false, candidates: 1, needs: [], wantsStreamUsage: true, ...over };
}

function rich(): Credit {
  const credit = createCredit();
  credit.refresh(principal().workspaceId, nano(10n ** 24n));
  return credit;
}

function held(price: Price, bytes: number, over: Partial<Head> = {}, maxOutputTokens = 1000): Nano {
  return admit(rich(), principal(), [candidate("openai-chat", { price, maxOutputTokens })], head(over), bytes)
    .amountNano;
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

  test("is that of the dearest candidate, wherever it stands", () => {
    const dear = candidate("openai-chat", { price: { perToken: { input: pico(0n), output: pico(9000n) } } });
    const cheap = candidate("openai-chat", { price: PRICE });
    for (const all of [
      [dear, cheap],
      [cheap, dear],
    ]) {
      expect(admit(rich(), principal(), all, head(), 0).amountNano).toBe(nano(9000n));
    }
  });

  test("is nothing for the operator's own calls, which are never refused", () => {
    const own = principal({ billing: "internal" });
    expect(admit(createCredit(), own, [candidate()], head(), 1_000_000).amountNano).toBe(nano(0n));
  });
});

test("credit that does not cover it is refused with what was needed and what is there", () => {
  const credit = createCredit();
  credit.refresh(principal().workspaceId, nano(1_000_000n));
  const work = () => admit(credit, principal(), [candidate()], head(), 100);
  expect(work).toThrow("may cost up to $0.0041, and $0.001 of credit is available");
  expect(credit.available(principal().workspaceId)).toBe(nano(1_000_000n));
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
