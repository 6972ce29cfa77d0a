/**
 * MiniMax's models, at its own API and where others serve them.
 * Part of the curated list; `make.ts` says how prices are written.
 */
import type { Quirks } from "../../core/endpoint.ts";
import type { ModelDefinition, PriceDefinition } from "../definition.ts";
import { cost, LOOKS, PONDERS, shared, tier } from "./make.ts";

const EFFORTS: Quirks = { efforts: ["low", "medium", "high"] };
const LONG = [204_800, 131_072] as const;

function own(input: number, output: number, cacheRead: number): PriceDefinition {
  return { ...cost(input, output, cacheRead), cacheWrite: 0.375 };
}

export const MINIMAX: readonly ModelDefinition[] = [
  shared(
    "minimax-m3",
    "MiniMax M3",
    [512_000, 128_000],
    LOOKS,
    ["minimax/minimax-m3"],
    [
      {
        at: "minimax",
        model: "MiniMax-M3",
        price: { ...cost(0.3, 1.2, 0.06), tiers: tier(512_000, 0.6, 0.12, 2.4) },
        limits: [1_000_000, 128_000],
      },
      { at: "fireworks", model: "accounts/fireworks/models/minimax-m3", price: cost(0.3, 1.2, 0.06), quirks: EFFORTS },
      { at: "openrouter", model: "minimax/minimax-m3", price: cost(0.3, 1.2, 0.06) },
    ],
  ),
  shared(
    "minimax-m2.7",
    "MiniMax M2.7",
    LONG,
    PONDERS,
    ["minimax/minimax-m2.7"],
    [{ at: "minimax", model: "MiniMax-M2.7", price: own(0.3, 1.2, 0.06) }],
  ),
  shared(
    "minimax-m2.7-highspeed",
    "MiniMax M2.7 Highspeed",
    LONG,
    PONDERS,
    ["minimax/minimax-m2.7-highspeed"],
    [{ at: "minimax", model: "MiniMax-M2.7-highspeed", price: own(0.6, 2.4, 0.06) }],
  ),
  shared(
    "minimax-m2.5",
    "MiniMax M2.5",
    LONG,
    PONDERS,
    ["minimax/minimax-m2.5"],
    [{ at: "minimax", model: "MiniMax-M2.5", price: own(0.3, 1.2, 0.03) }],
  ),
];
