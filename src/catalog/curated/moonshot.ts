/**
 * Moonshot's Kimi models, at its own API and where others serve them.
 * Part of the curated list; `make.ts` says how prices are written.
 */
import type { Quirks } from "../../core/endpoint.ts";
import type { ModelDefinition } from "../definition.ts";
import { cost, LOOKS, loosely, shared } from "./make.ts";

/** Documented: its own API fixes these for the newer models, and answers 400 to other values. */
const FIXED: Quirks = { refuses: ["temperature", "topP", "frequencyPenalty", "presencePenalty"] };
const OWN = { at: "moonshot", quirks: FIXED, capabilities: loosely(LOOKS) } as const;
const QUARTER = [262_144, 262_144] as const;

export const MOONSHOT: readonly ModelDefinition[] = [
  shared(
    "kimi-k3",
    "Kimi K3",
    [1_048_576, 1_048_576],
    LOOKS,
    ["moonshot/kimi-k3", "moonshotai/kimi-k3"],
    [
      { ...OWN, model: "kimi-k3", price: cost(3, 15, 0.3) },
      {
        at: "fireworks",
        model: "accounts/fireworks/models/kimi-k3",
        price: cost(3, 15, 0.3),
        limits: [1_040_000, 1_040_000],
      },
      { at: "together", model: "moonshotai/Kimi-K3", price: cost(3, 15, 0.3) },
    ],
  ),
  shared(
    "kimi-k2.7-code",
    "Kimi K2.7 Code",
    QUARTER,
    LOOKS,
    ["moonshot/kimi-k2.7-code", "moonshotai/kimi-k2.7-code"],
    [
      { ...OWN, model: "kimi-k2.7-code", price: cost(0.95, 4, 0.19) },
      { at: "fireworks", model: "accounts/fireworks/models/kimi-k2p7-code", price: cost(0.95, 4, 0.19) },
    ],
  ),
  shared(
    "kimi-k2.7-code-highspeed",
    "Kimi K2.7 Code HighSpeed",
    QUARTER,
    LOOKS,
    ["moonshot/kimi-k2.7-code-highspeed"],
    [{ ...OWN, model: "kimi-k2.7-code-highspeed", price: cost(1.9, 8, 0.38) }],
  ),
  shared(
    "kimi-k2.6",
    "Kimi K2.6",
    QUARTER,
    LOOKS,
    ["moonshot/kimi-k2.6", "moonshotai/kimi-k2.6"],
    [
      { ...OWN, model: "kimi-k2.6", price: cost(0.95, 4, 0.16) },
      { at: "fireworks", model: "accounts/fireworks/models/kimi-k2p6", price: cost(0.95, 4, 0.16) },
      { at: "together", model: "moonshotai/Kimi-K2.6", price: cost(1.2, 4.5, 0.2), limits: [262_144, 131_000] },
    ],
  ),
  shared(
    "kimi-k2.5",
    "Kimi K2.5",
    QUARTER,
    LOOKS,
    ["moonshot/kimi-k2.5", "moonshotai/kimi-k2.5"],
    [
      { ...OWN, model: "kimi-k2.5", price: cost(0.6, 3, 0.1) },
      { at: "fireworks", model: "accounts/fireworks/models/kimi-k2p5", price: cost(0.6, 3, 0.1) },
    ],
  ),
  shared(
    "moonshot-v1-128k",
    "Moonshot V1 128K",
    [131_072, 131_072],
    ["tools"],
    ["moonshot/moonshot-v1-128k"],
    [{ at: "moonshot", model: "moonshot-v1-128k", price: cost(2, 5) }],
  ),
];
