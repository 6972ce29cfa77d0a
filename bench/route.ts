/**
 * How long one routing decision takes: a pure function, so it is called by itself, over and over.
 * `index.ts` prints it beside the rest; it has no upstream and no database.
 */
import type { Endpoint, Model } from "../src/core/endpoint.ts";
import { CAPABILITIES, type Head } from "../src/core/head.ts";
import { ALL_WELL } from "../src/core/health.ts";
import { pico } from "../src/core/money.ts";
import { readPreferences } from "../src/core/preferences.ts";
import { type RouteAsk, route } from "../src/gateway/route.ts";

/** A question of routing, and what its row is called. */
export interface RouteRow {
  readonly name: string;
  readonly ask: RouteAsk;
}

const ENDPOINTS = 200;
const head: Head = { model: "m", stream: true, candidates: 1, needs: ["tools", "images"], wantsStreamUsage: true };

function endpointOf(index: number): Endpoint {
  const price = {
    perToken: { input: pico(BigInt(1_000_000 + index * 1000)), output: pico(BigInt(4_000_000 + index * 1000)) },
  };
  return {
    id: `provider-${index}/model-${index}`,
    modelId: "m",
    provider: `provider-${index}`,
    upstreamModel: `model-${index}`,
    dialects: index % 3 === 0 ? ["anthropic-messages"] : ["openai-chat"],
    priority: index % 4,
    region: index % 2 ? "eu" : "us",
    quantization: "fp8",
    data: { trains: false, retains: index % 5 === 0 },
    price,
    cost: price,
    capabilities: new Set(CAPABILITIES),
    contextTokens: 100_000,
    maxOutputTokens: 10_000,
    quirks: {},
  };
}

function modelOf(count: number): Model {
  const endpoints = Array.from({ length: count }, (_, index) => endpointOf(index));
  const { price, capabilities } = endpoints[0]!;
  return { id: "m", aliases: [], name: "M", contextTokens: 1, maxOutputTokens: 1, capabilities, price, endpoints };
}

/** One endpoint without wishes, as most calls have it; many without; many with every kind of wish. */
export function routeRows(): RouteRow[] {
  const plain = { head, dialect: "openai-chat" as const, health: ALL_WELL, nowMs: 0, seed: 1 };
  const preferences = readPreferences({
    ignore: ["provider-7", "provider-8"],
    order: ["provider-100"],
    quantizations: ["fp8"],
    max_price: { prompt: 2, completion: "9" },
    data_collection: "deny",
    region: "eu",
    sort: "price",
  });
  const many = { model: modelOf(ENDPOINTS) };
  return [
    { name: "route, 1 endpoint", ask: { ...plain, models: [{ model: modelOf(1) }] } },
    { name: `route, ${ENDPOINTS} endpoints`, ask: { ...plain, models: [many] } },
    { name: `route, ${ENDPOINTS} endpoints, wishes`, ask: { ...plain, models: [many], preferences } },
  ];
}

/** Microseconds per decision: the median of the turns, each over another conversation. */
export function timeRoute({ ask }: RouteRow, turns: number, decisions: number): number {
  const times: number[] = [];
  for (let turn = 0; turn < turns; turn++) {
    const from = performance.now();
    for (let index = 0; index < decisions; index++) route({ ...ask, seed: Math.imul(index, 0x9e3779b1) >>> 0 });
    times.push(((performance.now() - from) * 1000) / decisions);
  }
  return times.sort((a, b) => a - b)[times.length >> 1] ?? 0;
}
