/**
 * Questions of routing for tests: endpoints named after their providers, prices in dollars, health by name.
 * The table of rules and the properties ask with the same words.
 */
import type { Endpoint, Model } from "../../src/core/endpoint.ts";
import type { GatewayError } from "../../src/core/error.ts";
import type { Capability, Head } from "../../src/core/head.ts";
import { ALL_WELL, type CircuitState, type HealthView } from "../../src/core/health.ts";
import { type Pico, type Price, pico } from "../../src/core/money.ts";
import { type RouteAsk, type RouteDecision, route } from "../../src/gateway/route.ts";
import { endpoint, model } from "./calls.ts";

export function head(...needs: Capability[]): Head {
  return { model: "m", stream: false, candidates: 1, needs, wantsStreamUsage: true };
}

/** An endpoint whose provider has the same name. */
export function at(id: string, over: Partial<Endpoint> = {}): Endpoint {
  return endpoint({ id, provider: id, ...over });
}

export function dollars(input: number, output = input): Price {
  const price = (million: number): Pico => pico(BigInt(Math.round(million * 1_000_000)));
  return { perToken: { input: price(input), output: price(output) } };
}

export function ask(served: Model | Endpoint[], over: Partial<RouteAsk> = {}): RouteAsk {
  return {
    head: head(),
    dialect: "openai-chat",
    models: [{ model: Array.isArray(served) ? model(served) : served }],
    health: ALL_WELL,
    nowMs: 1_000_000,
    seed: 7,
    ...over,
  };
}

export const ids = ({ candidates }: RouteDecision) => candidates.map((one) => one.endpoint.id);
export const chosen = (served: Model | Endpoint[], over: Partial<RouteAsk> = {}) => ids(route(ask(served, over)));

export function refusal(work: () => unknown): GatewayError {
  try {
    work();
  } catch (error) {
    return error as GatewayError;
  }
  throw new Error("nothing was refused");
}

interface Sick {
  state?: CircuitState;
  troubledAtMs?: number;
  latencyMs?: number;
  tokensPerSecond?: number;
  restsUntilMs?: number;
}

export function health(of: Record<string, Sick>): HealthView {
  return {
    state: (id) => of[id]?.state ?? "closed",
    troubledAtMs: (id) => of[id]?.troubledAtMs,
    latencyMs: (id) => of[id]?.latencyMs,
    tokensPerSecond: (id) => of[id]?.tokensPerSecond,
    restsUntilMs: (id) => of[id]?.restsUntilMs,
  };
}
