/**
 * Z.ai's GLM models, at its own API and where others serve them.
 * Part of the curated list; `make.ts` says how prices are written.
 */
import type { ModelDefinition } from "../definition.ts";
import { cost, LOOKS, loosely, PONDERS, shared } from "./make.ts";

/** Its own API knows JSON, but no schemas. */
const OWN = { at: "zai", capabilities: loosely(PONDERS) } as const;
const MILLION = [1_000_000, 131_072] as const;
const COMMON = [204_800, 131_072] as const;

export const ZAI: readonly ModelDefinition[] = [
  shared(
    "glm-5.3",
    "GLM-5.3",
    MILLION,
    PONDERS,
    ["zai/glm-5.3", "z-ai/glm-5.3"],
    [
      { ...OWN, model: "glm-5.3", price: cost(1.4, 4.4, 0.26) },
      { at: "fireworks", model: "accounts/fireworks/models/glm-5p3", price: cost(1.4, 4.4, 0.26) },
      { at: "together", model: "zai-org/GLM-5.3", price: cost(1.4, 4.4, 0.26) },
    ],
  ),
  shared(
    "glm-5.3-flash",
    "GLM-5.3 Flash",
    MILLION,
    PONDERS,
    ["zai/glm-5.3-flash", "z-ai/glm-5.3-flash"],
    [
      { ...OWN, model: "glm-5.3-flash", price: cost(0.15, 0.5, 0.03) },
      { at: "fireworks", model: "accounts/fireworks/models/glm-5p3-flash", price: cost(0.15, 0.5, 0.03) },
    ],
  ),
  shared(
    "glm-5.2",
    "GLM-5.2",
    MILLION,
    PONDERS,
    ["zai/glm-5.2", "z-ai/glm-5.2"],
    [
      { ...OWN, model: "glm-5.2", price: cost(1.4, 4.4, 0.26) },
      { at: "fireworks", model: "accounts/fireworks/models/glm-5p2", price: cost(1.4, 4.4, 0.14) },
      { at: "together", model: "zai-org/GLM-5.2", price: cost(1.4, 4.4, 0.26), limits: [262_144, 131_072] },
    ],
  ),
  shared(
    "glm-5-turbo",
    "GLM-5 Turbo",
    [200_000, 131_072],
    PONDERS,
    ["zai/glm-5-turbo", "z-ai/glm-5-turbo"],
    [{ ...OWN, model: "glm-5-turbo", price: cost(1.2, 4, 0.24) }],
  ),
  shared(
    "glm-4.7",
    "GLM-4.7",
    COMMON,
    PONDERS,
    ["zai/glm-4.7", "z-ai/glm-4.7"],
    [
      { ...OWN, model: "glm-4.7", price: cost(0.6, 2.2, 0.11) },
      {
        at: "fireworks",
        model: "accounts/fireworks/models/glm-4p7",
        price: cost(0.6, 2.2),
        limits: [202_752, 131_072],
      },
      // Recorded with `reasoning_effort: none`.
      {
        at: "cerebras",
        model: "zai-glm-4.7",
        price: cost(2.25, 2.75),
        limits: [131_072, 40_000],
        quirks: { efforts: ["none"] },
      },
    ],
  ),
  shared(
    "glm-4.7-flashx",
    "GLM-4.7 FlashX",
    [200_000, 131_072],
    PONDERS,
    ["zai/glm-4.7-flashx"],
    [{ ...OWN, model: "glm-4.7-flashx", price: cost(0.07, 0.4, 0.01) }],
  ),
  // Recorded with an image.
  shared(
    "glm-4.6v",
    "GLM-4.6V",
    [128_000, 32_768],
    [...LOOKS, "video"],
    ["zai/glm-4.6v", "z-ai/glm-4.6v"],
    [{ at: "zai", model: "glm-4.6v", price: cost(0.3, 0.9, 0.05), capabilities: [...loosely(LOOKS), "video"] }],
  ),
  shared(
    "glm-4.5-air",
    "GLM-4.5 Air",
    [131_072, 98_304],
    PONDERS,
    ["zai/glm-4.5-air", "z-ai/glm-4.5-air"],
    [{ ...OWN, model: "glm-4.5-air", price: cost(0.2, 1.1, 0.03) }],
  ),
];
