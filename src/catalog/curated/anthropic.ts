/**
 * Anthropic's own models, with published prices and limits.
 * Part of the curated list; `make.ts` says how prices are written.
 */
import type { Quirks } from "../../core/endpoint.ts";
import type { ModelDefinition, PriceDefinition } from "../definition.ts";
import { model, THINKS, WEB_SEARCH } from "./make.ts";

/** Anthropic's scheme: writing the cache costs 1.25 (5 minutes) or 2 times (1 hour) the input price, reading it a tenth. */
function claude(
  input: number,
  output: number,
  cacheRead: number,
  cacheWrite: number,
  cacheWrite1h: number,
): PriceDefinition {
  return { input, output, cacheRead, cacheWrite, cacheWrite1h, webSearch: WEB_SEARCH };
}

/** Claude models before 4.6 know thinking with a budget only, those after it refuse one. At 4.6 both are recorded to work. */
const BUDGET: Quirks = { thinkingForm: "budget" };
const ADAPTIVE: Quirks = { thinkingForm: "adaptive" };

export const ANTHROPIC: readonly ModelDefinition[] = [
  model("anthropic", "claude-haiku-4-5", "Claude Haiku 4.5", [200_000, 64_000], THINKS, claude(1, 5, 0.1, 1.25, 2), {
    quirks: BUDGET,
    aliases: ["claude-haiku-4-5-20251001", "claude-haiku-latest"],
  }),
  model("anthropic", "claude-sonnet-4-0", "Claude Sonnet 4", [200_000, 64_000], THINKS, claude(3, 15, 0.3, 3.75, 6), {
    quirks: BUDGET,
    aliases: ["claude-sonnet-4-20250514"],
  }),
  model("anthropic", "claude-sonnet-4-5", "Claude Sonnet 4.5", [200_000, 64_000], THINKS, claude(3, 15, 0.3, 3.75, 6), {
    quirks: BUDGET,
    aliases: ["claude-sonnet-4-5-20250929"],
  }),
  model(
    "anthropic",
    "claude-sonnet-4-6",
    "Claude Sonnet 4.6",
    [1_000_000, 64_000],
    THINKS,
    claude(3, 15, 0.3, 3.75, 6),
  ),
  model("anthropic", "claude-sonnet-5", "Claude Sonnet 5", [1_000_000, 128_000], THINKS, claude(2, 10, 0.2, 2.5, 4), {
    quirks: ADAPTIVE,
    aliases: ["claude-sonnet-latest"],
  }),
  model("anthropic", "claude-opus-4-1", "Claude Opus 4.1", [200_000, 32_000], THINKS, claude(15, 75, 1.5, 18.75, 30), {
    quirks: BUDGET,
    aliases: ["claude-opus-4-1-20250805"],
  }),
  model("anthropic", "claude-opus-4-5", "Claude Opus 4.5", [200_000, 64_000], THINKS, claude(5, 25, 0.5, 6.25, 10), {
    quirks: BUDGET,
  }),
  model("anthropic", "claude-opus-4-6", "Claude Opus 4.6", [1_000_000, 128_000], THINKS, claude(5, 25, 0.5, 6.25, 10)),
  model("anthropic", "claude-opus-4-7", "Claude Opus 4.7", [1_000_000, 128_000], THINKS, claude(5, 25, 0.5, 6.25, 10), {
    quirks: ADAPTIVE,
  }),
  model("anthropic", "claude-opus-4-8", "Claude Opus 4.8", [1_000_000, 128_000], THINKS, claude(5, 25, 0.5, 6.25, 10), {
    quirks: ADAPTIVE,
  }),
  model("anthropic", "claude-opus-5", "Claude Opus 5", [1_000_000, 128_000], THINKS, claude(5, 25, 0.5, 6.25, 10), {
    quirks: ADAPTIVE,
    aliases: ["claude-opus-latest"],
  }),
  model("anthropic", "claude-fable-5", "Claude Fable 5", [1_000_000, 128_000], THINKS, claude(10, 50, 1, 12.5, 20), {
    quirks: ADAPTIVE,
  }),
];
