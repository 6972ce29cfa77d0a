/**
 * DeepSeek's models, at its own API and where others serve them.
 * Part of the curated list; `make.ts` says how prices are written.
 */
import type { ModelDefinition } from "../definition.ts";
import { cost, LOOKS, loosely, PONDERS, shared } from "./make.ts";

/** Its own API knows JSON, but no schemas. It charges half of these prices outside its peak hours. */
const FLASH = cost(0.3, 1.2, 0.006);
const MILLION = [1_000_000, 384_000] as const;

export const DEEPSEEK: readonly ModelDefinition[] = [
  shared(
    "deepseek-flash",
    "DeepSeek V4.1 Flash",
    MILLION,
    LOOKS,
    // The names of the models that it took the place of.
    ["deepseek/deepseek-v4.1-flash", "deepseek-chat", "deepseek-reasoner", "deepseek/deepseek-chat"],
    [
      { at: "deepseek", model: "deepseek-flash", price: FLASH, capabilities: loosely(LOOKS) },
      { at: "together", model: "deepseek-ai/DeepSeek-V4.1-Flash", price: cost(0.3, 1.2, 0.006) },
    ],
  ),
  shared(
    "deepseek-v4-flash",
    "DeepSeek V4 Flash",
    MILLION,
    PONDERS,
    ["deepseek/deepseek-v4-flash"],
    [
      // Recorded: images are answered with 400.
      { at: "deepseek", model: "deepseek-v4-flash", price: FLASH, capabilities: loosely(PONDERS) },
      { at: "fireworks", model: "accounts/fireworks/models/deepseek-v4-flash-0731", price: cost(0.14, 0.28, 0.028) },
    ],
  ),
  shared(
    "deepseek-v4-pro",
    "DeepSeek V4 Pro",
    MILLION,
    PONDERS,
    ["deepseek/deepseek-v4-pro"],
    [
      { at: "deepseek", model: "deepseek-v4-pro", price: cost(1.32, 3.96, 0.044), capabilities: loosely(PONDERS) },
      { at: "fireworks", model: "accounts/fireworks/models/deepseek-v4-pro-0813", price: cost(1.32, 3.96, 0.044) },
      { at: "together", model: "deepseek-ai/DeepSeek-V4-Pro-0813", price: cost(1.32, 3.96, 0.13) },
    ],
  ),
  shared(
    "deepseek-v3.2",
    "DeepSeek V3.2",
    [163_840, 65_536],
    PONDERS,
    ["deepseek/deepseek-v3.2"],
    [{ at: "fireworks", model: "accounts/fireworks/models/deepseek-v3p2", price: cost(0.56, 1.68, 0.28) }],
  ),
];
