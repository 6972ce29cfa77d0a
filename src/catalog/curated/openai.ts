/**
 * OpenAI's own models, with published prices and limits.
 * Part of the curated list; `make.ts` says how prices are written.
 */
import type { Quirks } from "../../core/endpoint.ts";
import type { ModelDefinition, PriceDefinition } from "../definition.ts";
import { embeddingModel, model, READS, THINKS, tier, WEB_SEARCH } from "./make.ts";

/** Input, cached input, output; OpenAI's models from 5.6 on also bill cache writes, at 1.25 times the input price. */
function gpt(input: number, cacheRead: number, output: number, more: Partial<PriceDefinition> = {}): PriceDefinition {
  return { input, cacheRead, output, webSearch: WEB_SEARCH, ...more };
}

/** The first reasoning models answer 400 to sampling parameters other than their defaults. */
const NO_SAMPLING: Quirks = {
  refuses: ["temperature", "topP", "frequencyPenalty", "presencePenalty", "logprobs", "topLogprobs", "logitBias"],
};

const OPENAI_LONG = 271_999;
const EMBEDDINGS = ["openai-embeddings"] as const;

export const OPENAI: readonly ModelDefinition[] = [
  model("openai", "gpt-4o", "GPT-4o", [128_000, 16_384], READS, gpt(2.5, 1.25, 10)),
  model("openai", "gpt-4o-mini", "GPT-4o mini", [128_000, 16_384], READS, gpt(0.15, 0.075, 0.6)),
  model("openai", "gpt-4.1", "GPT-4.1", [1_047_576, 32_768], READS, gpt(2, 0.5, 8)),
  model("openai", "gpt-4.1-mini", "GPT-4.1 mini", [1_047_576, 32_768], READS, gpt(0.4, 0.1, 1.6)),
  model("openai", "gpt-4.1-nano", "GPT-4.1 nano", [1_047_576, 32_768], READS, gpt(0.1, 0.025, 0.4)),
  model("openai", "o3", "o3", [200_000, 100_000], THINKS, gpt(2, 0.5, 8), { quirks: NO_SAMPLING }),
  model("openai", "o4-mini", "o4-mini", [200_000, 100_000], THINKS, gpt(1.1, 0.275, 4.4), { quirks: NO_SAMPLING }),
  model("openai", "gpt-5", "GPT-5", [400_000, 128_000], THINKS, gpt(1.25, 0.125, 10), { quirks: NO_SAMPLING }),
  model("openai", "gpt-5-mini", "GPT-5 mini", [400_000, 128_000], THINKS, gpt(0.25, 0.025, 2), { quirks: NO_SAMPLING }),
  model("openai", "gpt-5-nano", "GPT-5 nano", [400_000, 128_000], THINKS, gpt(0.05, 0.005, 0.4), {
    quirks: NO_SAMPLING,
  }),
  model("openai", "gpt-5-codex", "GPT-5 Codex", [400_000, 128_000], THINKS, gpt(1.25, 0.125, 10), {
    quirks: NO_SAMPLING,
    dialects: ["openai-responses"],
  }),
  model("openai", "gpt-5.1", "GPT-5.1", [400_000, 128_000], THINKS, gpt(1.25, 0.125, 10)),
  model("openai", "gpt-5.2", "GPT-5.2", [400_000, 128_000], THINKS, gpt(1.75, 0.175, 14)),
  model("openai", "gpt-5.3-codex", "GPT-5.3 Codex", [400_000, 128_000], THINKS, gpt(1.75, 0.175, 14), {
    dialects: ["openai-responses"],
  }),
  model(
    "openai",
    "gpt-5.4",
    "GPT-5.4",
    [1_050_000, 128_000],
    THINKS,
    gpt(2.5, 0.25, 15, { tiers: tier(OPENAI_LONG, 5, 0.5, 22.5) }),
  ),
  model("openai", "gpt-5.4-mini", "GPT-5.4 mini", [400_000, 128_000], THINKS, gpt(0.75, 0.075, 4.5)),
  model("openai", "gpt-5.4-nano", "GPT-5.4 nano", [400_000, 128_000], THINKS, gpt(0.2, 0.02, 1.25)),
  model(
    "openai",
    "gpt-5.5",
    "GPT-5.5",
    [1_000_000, 128_000],
    THINKS,
    gpt(5, 0.5, 30, { tiers: tier(OPENAI_LONG, 10, 1, 45) }),
  ),
  model(
    "openai",
    "gpt-5.6-luna",
    "GPT-5.6 Luna",
    [1_050_000, 128_000],
    THINKS,
    gpt(0.2, 0.02, 1.2, { cacheWrite: 0.25, tiers: tier(OPENAI_LONG, 0.4, 0.04, 1.8, 0.5) }),
  ),
  model(
    "openai",
    "gpt-5.6-terra",
    "GPT-5.6 Terra",
    [1_050_000, 128_000],
    THINKS,
    gpt(2, 0.2, 12, { cacheWrite: 2.5, tiers: tier(OPENAI_LONG, 4, 0.4, 18, 5) }),
  ),
  model(
    "openai",
    "gpt-5.6-sol",
    "GPT-5.6 Sol",
    [1_050_000, 128_000],
    THINKS,
    gpt(4, 0.4, 20, { cacheWrite: 5, tiers: tier(OPENAI_LONG, 8, 0.8, 30, 10) }),
    { aliases: ["gpt-5.6"] },
  ),
  model(
    "openai",
    "gpt-6-luna",
    "GPT-6 Luna",
    [1_050_000, 128_000],
    THINKS,
    gpt(0.1, 0.01, 0.5, { cacheWrite: 0.125, tiers: tier(272_000, 0.2, 0.02, 0.75, 0.25) }),
  ),
  model(
    "openai",
    "gpt-6-sol",
    "GPT-6 Sol",
    [1_050_000, 128_000],
    THINKS,
    gpt(2, 0.2, 10, { cacheWrite: 2.5, tiers: tier(272_000, 4, 0.4, 15, 5) }),
  ),
  model(
    "openai",
    "gpt-6-astra",
    "GPT-6 Astra",
    [1_050_000, 128_000],
    THINKS,
    gpt(10, 1, 50, { cacheWrite: 12.5, tiers: tier(OPENAI_LONG, 20, 2, 75, 25) }),
  ),
  embeddingModel("openai", "text-embedding-3-small", "Text Embedding 3 Small", 8_192, [], { input: 0.02 }, EMBEDDINGS),
  embeddingModel("openai", "text-embedding-3-large", "Text Embedding 3 Large", 8_192, [], { input: 0.13 }, EMBEDDINGS),
  embeddingModel("openai", "text-embedding-ada-002", "Text Embedding Ada 002", 8_192, [], { input: 0.1 }, EMBEDDINGS),
];
