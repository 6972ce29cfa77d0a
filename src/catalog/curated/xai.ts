/**
 * xAI's own models, with published prices and limits.
 * Part of the curated list; `make.ts` says how prices are written.
 */
import type { Quirks } from "../../core/endpoint.ts";
import type { Effort } from "../../core/request.ts";
import type { ModelDefinition, PriceDefinition } from "../definition.ts";
import { cost, LOOKS, model, PONDERS, SEES, tier } from "./make.ts";

const LONG = 199_999;
const WEB_SEARCH = "0.005";

/** From 200,000 tokens of prompt on everything costs twice as much. */
function grok(input: number, output: number, cacheRead: number): PriceDefinition {
  return {
    ...cost(input, output, cacheRead),
    webSearch: WEB_SEARCH,
    tiers: tier(LONG, 2 * input, 2 * cacheRead, 2 * output),
  };
}

/** The first of the fourth generation: searches like the later ones, dearer above 128,000 tokens but for what is cached. */
function early(input: number, output: number, cacheRead: number): PriceDefinition {
  return {
    ...cost(input, output, cacheRead),
    webSearch: WEB_SEARCH,
    tiers: [{ above: 128_000, input: 2 * input, output: 2 * output }],
  };
}

/** Documented: models that think answer 400 to these. */
const UNWANTED = ["frequencyPenalty", "presencePenalty", "stop"];
/** They think as they see fit, and answer 400 to an effort. */
const AS_THEY_LIKE: Quirks = { refuses: [...UNWANTED, "reasoning"] };
const MOST: readonly Effort[] = ["low", "medium", "high"];
const GRADED: Quirks = { refuses: UNWANTED, efforts: MOST };

export const XAI: readonly ModelDefinition[] = [
  model("xai", "grok-4.7", "Grok 4.7", [500_000, 500_000], LOOKS, grok(2, 6, 0.5), {
    aliases: ["x-ai/grok-4.7"],
    quirks: { refuses: UNWANTED, efforts: [...MOST, "xhigh"] },
  }),
  model("xai", "grok-4.6", "Grok 4.6", [500_000, 500_000], LOOKS, grok(2, 6, 0.5), {
    aliases: ["x-ai/grok-4.6"],
    quirks: GRADED,
  }),
  model("xai", "grok-4.5", "Grok 4.5", [500_000, 500_000], LOOKS, grok(2, 6, 0.3), {
    aliases: ["x-ai/grok-4.5"],
    quirks: GRADED,
  }),
  model("xai", "grok-4.3", "Grok 4.3", [1_000_000, 30_000], LOOKS, grok(1.25, 2.5, 0.2), {
    aliases: ["x-ai/grok-4.3"],
    quirks: GRADED,
  }),
  model("xai", "grok-4.20", "Grok 4.20", [1_000_000, 30_000], LOOKS, grok(1.25, 2.5, 0.2), {
    aliases: ["x-ai/grok-4.20"],
    quirks: AS_THEY_LIKE,
  }),
  model("xai", "grok-4", "Grok 4", [256_000, 64_000], LOOKS, early(3, 15, 0.75), {
    aliases: ["grok-4-0709", "x-ai/grok-4"],
    quirks: AS_THEY_LIKE,
  }),
  model("xai", "grok-4-fast-reasoning", "Grok 4 Fast", [2_000_000, 30_000], LOOKS, early(0.2, 0.5, 0.05), {
    aliases: ["grok-4-fast", "x-ai/grok-4-fast"],
    quirks: AS_THEY_LIKE,
  }),
  model(
    "xai",
    "grok-4-fast-non-reasoning",
    "Grok 4 Fast (without reasoning)",
    [2_000_000, 30_000],
    SEES,
    early(0.2, 0.5, 0.05),
  ),
  model("xai", "grok-build-0.1", "Grok Build 0.1", [256_000, 30_000], PONDERS, grok(1, 2, 0.2), {
    aliases: ["x-ai/grok-build-0.1"],
    quirks: AS_THEY_LIKE,
  }),
  // Recorded in Chat with tools; it calls them between thoughts.
  model("xai", "grok-code-fast-1", "Grok Code Fast 1", [256_000, 10_000], PONDERS, cost(0.2, 1.5, 0.02), {
    aliases: ["grok-code-fast", "x-ai/grok-code-fast-1"],
    quirks: AS_THEY_LIKE,
  }),
];
