/**
 * What holds of routing whatever the catalogue and the question: nobody excluded is chosen, nobody able left out, order is stable.
 * The tables of `route.test.ts` hold each rule by itself.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { ask, at, chosen, dollars, head, health, ids } from "../../test/support/routing.ts";
import type { Endpoint } from "../core/endpoint.ts";
import { GatewayError } from "../core/error.ts";
import { CAPABILITIES, type Capability } from "../core/head.ts";
import type { CircuitState } from "../core/health.ts";
import { pico } from "../core/money.ts";
import { operationOf, WIRE_FORMAT_IDS } from "../core/operation.ts";
import type { Preferences } from "../core/preferences.ts";
import { usualPrice } from "./rank.ts";
import { type RouteAsk, type RouteDecision, route } from "./route.ts";

const capabilitySets = fc.uniqueArray(fc.constantFrom(...CAPABILITIES));
const policies = fc.record({ trains: fc.boolean(), retains: fc.boolean() }, { requiredKeys: [] });
const endpoints = fc
  .array(
    fc.record({
      priority: fc.nat(2),
      capabilities: capabilitySets,
      dialects: fc.uniqueArray(fc.constantFrom(...WIRE_FORMAT_IDS), { minLength: 1 }),
      price: fc.tuple(fc.nat(3), fc.nat(3)).map(([input, output]) => dollars(input, output)),
      data: policies,
      region: fc.constantFrom("eu", "us"),
      quantization: fc.constantFrom("fp8", "bf16"),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((all) =>
    all.map(({ capabilities, ...over }, index) => at(String(index), { ...over, capabilities: new Set(capabilities) })),
  );
const numbers = fc.uniqueArray(fc.constantFrom("0", "1", "2", "3", "4"));
const preferences: fc.Arbitrary<Preferences> = fc.record(
  {
    order: numbers,
    only: numbers,
    ignore: numbers,
    quantizations: fc.constant(["fp8"]),
    maxPrice: fc.constant({ prompt: pico(1_000_000n) }),
    sort: fc.constantFrom("price" as const, "latency" as const),
    allowFallbacks: fc.boolean(),
    denyTraining: fc.boolean(),
    zeroRetention: fc.boolean(),
    region: fc.constantFrom("eu", "us"),
  },
  { requiredKeys: [] },
);
const sickness = fc
  .array(fc.constantFrom<CircuitState>("closed", "open", "half-open"), { minLength: 8, maxLength: 8 })
  .map((states) => health(Object.fromEntries(states.map((state, index) => [String(index), { state }]))));
const HARD: readonly Capability[] = ["tools", "images", "files", "audio", "video", "image-output", "audio-output"];
const bits = fc.nat(0xffffffff);

/** The filters once more, in other words. */
function mayServe(
  one: Endpoint,
  { dialect, head: { needs }, preferences: wish = {}, health: view }: RouteAsk,
): boolean {
  return [
    one.dialects.some((spoken) => operationOf(spoken) === operationOf(dialect)),
    needs.every((need) => !HARD.includes(need) || one.capabilities.has(need)),
    !wish.denyTraining || one.data?.trains === false,
    !wish.zeroRetention || one.data?.retains === false,
    !wish.region || wish.region === one.region,
    !wish.only || wish.only.includes(one.provider),
    !wish.ignore?.includes(one.provider),
    !wish.order || wish.allowFallbacks !== false || wish.order.includes(one.provider),
    !wish.quantizations || wish.quantizations.includes(one.quantization ?? "unknown"),
    !wish.maxPrice?.prompt || one.price.perToken.input <= wish.maxPrice.prompt,
    view.state(one.id) !== "open",
  ].every(Boolean);
}

test("whatever is asked: no endpoint is chosen that a filter excludes, none that may serve is left out, each has its reason", () => {
  const dialects = fc.constantFrom(...WIRE_FORMAT_IDS);
  fc.assert(
    fc.property(
      endpoints,
      capabilitySets,
      dialects,
      preferences,
      sickness,
      bits,
      (all, needs, dialect, wish, view, seed) => {
        const asked = ask(all, { head: head(...needs), dialect, preferences: wish, health: view, seed });
        const able = all.filter((one) => mayServe(one, asked)).map(({ id }) => id);
        let decision: RouteDecision;
        try {
          decision = route(asked);
        } catch (error) {
          expect(error).toBeInstanceOf(GatewayError);
          expect(able).toEqual([]);
          return;
        }
        const single = wish.allowFallbacks === false && !wish.order;
        expect(single ? able : ids(decision).sort()).toEqual(expect.arrayContaining(single ? ids(decision) : able));
        expect(decision.candidates).toHaveLength(single ? 1 : able.length);
        expect(decision.excluded.map(({ endpoint: { id } }) => id).sort()).toEqual(
          all.map(({ id }) => id).filter((id) => !able.includes(id)),
        );
        expect(decision.scores).toHaveLength(decision.candidates.length);
        for (const one of decision.candidates) {
          expect(one.endpoint.dialects).toContain(one.dialect);
          expect(operationOf(one.dialect)).toBe(operationOf(dialect));
        }
        expect(route(asked)).toEqual(decision);
      },
    ),
    { numRuns: 500 },
  );
});

test("the order of one question is the order of its endpoints, however the catalogue lists them", () => {
  fc.assert(
    fc.property(endpoints, bits, (all, seed) => {
      const speaking = all.map((one): Endpoint => ({ ...one, dialects: ["openai-chat"] }));
      const order = chosen(speaking, { seed });
      expect(chosen([...speaking].reverse(), { seed })).toEqual(order);
      const tiers = order.map((id) => speaking[Number(id)]!.priority);
      expect(tiers).toEqual([...tiers].sort());
    }),
  );
});

test("an endpoint that falls away moves the conversations that were there, and nobody else's", () => {
  fc.assert(
    fc.property(endpoints, bits, fc.nat(7), (all, seed, index) => {
      const speaking = all.map((one): Endpoint => ({ ...one, dialects: one.dialects.slice(0, 1) }));
      const lost = String(index % speaking.length);
      const view = health({ [lost]: { state: "open" } });
      const usual = (() => {
        try {
          return chosen(speaking, { seed });
        } catch {
          return [];
        }
      })();
      const left = usual.filter((id) => id !== lost);
      if (left.length === 0) return;
      expect(chosen(speaking, { seed, health: view })).toEqual(left);
    }),
    { numRuns: 300 },
  );
});

test("of endpoints of one price those that relay come before those that convert", () => {
  fc.assert(
    fc.property(endpoints, bits, (all, seed) => {
      const speaking = all.map(
        (one, index): Endpoint => ({ ...one, dialects: [index % 2 ? "gemini" : "openai-chat"] }),
      );
      const { candidates } = route(ask(speaking, { seed }));
      candidates.forEach(({ endpoint: one, dialect }, place) => {
        if (dialect === "openai-chat") return;
        for (const later of candidates.slice(place + 1)) {
          const isEqual = later.endpoint.priority === one.priority && usualPrice(later.endpoint) === usualPrice(one);
          expect(isEqual && later.dialect === "openai-chat").toBe(false);
        }
      });
    }),
  );
});
