/**
 * The curated catalogue: current models of the providers that Sluice knows, with their published prices and limits.
 * Facts as of November 2026 in US dollars per million tokens; the configuration file replaces or adds to any of it.
 */
import type { Quirks } from "../core/endpoint.ts";
import type { Capability } from "../core/head.ts";
import type { EndpointDefinition, ModelDefinition, PriceDefinition } from "./definition.ts";

const SEES: readonly Capability[] = ["tools", "images", "structured-output"];
const READS: readonly Capability[] = [...SEES, "files"];
const THINKS: readonly Capability[] = [...READS, "thinking"];
const HEARS: readonly Capability[] = [...THINKS, "audio", "video"];

const WEB_SEARCH = "0.01";

/** Input, cached input, output; OpenAI's models from 5.6 on also bill cache writes, at 1.25 times the input price. */
function gpt(input: number, cacheRead: number, output: number, more: Partial<PriceDefinition> = {}): PriceDefinition {
  return { input, cacheRead, output, webSearch: WEB_SEARCH, ...more };
}

/** The rates that hold once a prompt is longer than `above`. */
function tier(
  above: number,
  input: number,
  cacheRead: number,
  output: number,
  cacheWrite?: number,
): PriceDefinition["tiers"] {
  return [{ above, input, cacheRead, output, ...(cacheWrite === undefined ? {} : { cacheWrite }) }];
}

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

type Extra = { aliases?: string[] } & Pick<EndpointDefinition, "dialects" | "quirks">;

/** The first reasoning models answer 400 to sampling parameters other than their defaults. */
const NO_SAMPLING: Quirks = {
  refuses: ["temperature", "topP", "frequencyPenalty", "presencePenalty", "logprobs", "topLogprobs", "logitBias"],
};
/** Claude models before 4.6 know thinking with a budget only, later ones prefer an effort. */
const BUDGET: Quirks = { thinkingForm: "budget" };
const ADAPTIVE: Quirks = { thinkingForm: "adaptive" };

function model(
  provider: string,
  id: string,
  name: string,
  limits: [context: number, maxOutput: number],
  capabilities: readonly Capability[],
  price: PriceDefinition,
  more: Extra = {},
): ModelDefinition {
  return {
    id,
    name,
    aliases: [`${provider}/${id}`, ...(more.aliases ?? [])],
    context: limits[0],
    maxOutput: limits[1],
    capabilities,
    price,
    endpoints: [{ provider, model: id, priority: 1, dialects: more.dialects, quirks: more.quirks }],
  };
}

const OPENAI_LONG = 271_999;

const OPENAI: ModelDefinition[] = [
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
];

const ANTHROPIC: ModelDefinition[] = [
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
    { quirks: ADAPTIVE },
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
  model("anthropic", "claude-opus-4-6", "Claude Opus 4.6", [1_000_000, 128_000], THINKS, claude(5, 25, 0.5, 6.25, 10), {
    quirks: ADAPTIVE,
  }),
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

const GOOGLE_LONG = 200_000;

const GOOGLE: ModelDefinition[] = [
  model("google", "gemini-2.0-flash", "Gemini 2.0 Flash", [1_048_576, 8_192], [...READS, "audio", "video"], {
    input: 0.1,
    cacheRead: 0.025,
    output: 0.4,
    audioInput: 0.7,
  }),
  model("google", "gemini-2.5-flash-lite", "Gemini 2.5 Flash-Lite", [1_048_576, 65_536], HEARS, {
    input: 0.1,
    cacheRead: 0.01,
    output: 0.4,
    audioInput: 0.3,
  }),
  model(
    "google",
    "gemini-2.5-flash",
    "Gemini 2.5 Flash",
    [1_048_576, 65_536],
    HEARS,
    { input: 0.3, cacheRead: 0.03, output: 2.5, audioInput: 1 },
    { aliases: ["gemini-flash-latest"] },
  ),
  model("google", "gemini-2.5-pro", "Gemini 2.5 Pro", [1_048_576, 65_536], HEARS, {
    input: 1.25,
    cacheRead: 0.125,
    output: 10,
    tiers: tier(GOOGLE_LONG, 2.5, 0.25, 15),
  }),
  model("google", "gemini-3-flash-preview", "Gemini 3 Flash Preview", [1_048_576, 65_536], HEARS, {
    input: 0.5,
    cacheRead: 0.05,
    output: 3,
    audioInput: 1,
  }),
  model("google", "gemini-3-pro-preview", "Gemini 3 Pro Preview", [1_048_576, 65_536], HEARS, {
    input: 2,
    cacheRead: 0.2,
    output: 12,
    tiers: tier(GOOGLE_LONG, 4, 0.4, 18),
  }),
  model("google", "gemini-3.1-flash-lite", "Gemini 3.1 Flash-Lite", [1_048_576, 65_536], HEARS, {
    input: 0.25,
    cacheRead: 0.025,
    output: 1.5,
    audioInput: 0.5,
  }),
  model("google", "gemini-3.1-pro-preview", "Gemini 3.1 Pro Preview", [1_048_576, 65_536], HEARS, {
    input: 2,
    cacheRead: 0.2,
    output: 12,
    tiers: tier(GOOGLE_LONG, 4, 0.4, 18),
  }),
  model("google", "gemini-3.5-flash-lite", "Gemini 3.5 Flash-Lite", [1_048_576, 65_536], HEARS, {
    input: 0.3,
    cacheRead: 0.03,
    output: 2.5,
  }),
  model("google", "gemini-3.5-flash", "Gemini 3.5 Flash", [1_048_576, 65_536], HEARS, {
    input: 1.5,
    cacheRead: 0.15,
    output: 9,
  }),
  model("google", "gemini-3.6-flash", "Gemini 3.6 Flash", [1_048_576, 65_536], HEARS, {
    input: 0.75,
    cacheRead: 0.075,
    output: 3.75,
  }),
  model("google", "gemini-3.8-flash", "Gemini 3.8 Flash", [1_048_576, 65_536], HEARS, {
    input: 0.75,
    cacheRead: 0.075,
    output: 3.75,
  }),
];

/** Every curated model. Its endpoint's `provider` is a provider type; the catalogue offers it where one is configured. */
export const CURATED: readonly ModelDefinition[] = [...OPENAI, ...ANTHROPIC, ...GOOGLE];
