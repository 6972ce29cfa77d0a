/**
 * Mistral's own models, with published prices and limits.
 * Part of the curated list; `make.ts` says how prices are written.
 */
import type { Quirks } from "../../core/endpoint.ts";
import type { Capability } from "../../core/head.ts";
import type { ModelDefinition } from "../definition.ts";
import { CALLS, cost, LOOKS, model, PONDERS, SEES } from "./make.ts";

const HEARS: readonly Capability[] = [...CALLS, "audio"];
/** They always think, and answer 422 to a wish about it. */
const ALWAYS: Quirks = {
  refuses: [
    "reasoning",
    "logprobs",
    "topLogprobs",
    "logitBias",
    "seed",
    "endUser",
    "cacheKey",
    "serviceTier",
    "verbosity",
  ],
};

export const MISTRAL: readonly ModelDefinition[] = [
  model("mistral", "mistral-large-latest", "Mistral Large 3", [262_144, 262_144], SEES, cost(0.5, 1.5, 0.05), {
    aliases: ["mistral-large-2512", "mistralai/mistral-large-2512"],
  }),
  model("mistral", "mistral-medium-latest", "Mistral Medium 3.5", [262_144, 262_144], LOOKS, cost(1.5, 7.5, 0.15), {
    aliases: ["mistral-medium-3.5", "mistralai/mistral-medium-3.5"],
  }),
  // Recorded under this name with `reasoning_effort`, which its predecessors refuse.
  model("mistral", "mistral-small-latest", "Mistral Small 4", [256_000, 256_000], LOOKS, cost(0.15, 0.6, 0.015), {
    aliases: ["mistral-small-2603", "mistralai/mistral-small-2603"],
  }),
  model("mistral", "magistral-medium-latest", "Magistral Medium", [128_000, 40_960], PONDERS, cost(2, 5), {
    quirks: ALWAYS,
  }),
  model("mistral", "ministral-14b-latest", "Ministral 3 14B", [262_144, 262_144], SEES, cost(0.2, 0.2, 0.02)),
  model("mistral", "ministral-8b-latest", "Ministral 3 8B", [262_144, 262_144], SEES, cost(0.15, 0.15, 0.015)),
  model("mistral", "ministral-3b-latest", "Ministral 3 3B", [131_072, 131_072], SEES, cost(0.1, 0.1, 0.01)),
  model("mistral", "codestral-latest", "Codestral", [256_000, 256_000], CALLS, cost(0.3, 0.9, 0.03), {
    aliases: ["codestral-2508", "mistralai/codestral-2508"],
  }),
  model("mistral", "devstral-2512", "Devstral 2", [262_144, 262_144], CALLS, cost(0.4, 2, 0.04), {
    aliases: ["mistralai/devstral-2512"],
  }),
  model("mistral", "voxtral-small-latest", "Voxtral Small", [32_768, 32_768], HEARS, cost(0.1, 0.4, 0.01), {
    aliases: ["mistralai/voxtral-small-24b-2507"],
  }),
];
