/**
 * Open-weight models whose makers do not serve them themselves, and what only an aggregator has.
 * Part of the curated list; `make.ts` says how prices are written.
 */
import type { Quirks } from "../../core/endpoint.ts";
import type { ModelDefinition } from "../definition.ts";
import { CALLS, cost, LOOKS, loosely, PONDERS, SEES, shared } from "./make.ts";

const GPT_OSS: Quirks = { efforts: ["low", "medium", "high"] };
/**
 * Recorded: asked for `reasoning_effort: default`, thoughts stand in the content between tags. Documented: `parsed` puts them
 * into a field of their own, and there is no effort but `default` and `none`.
 */
const QWEN_AT_GROQ: Quirks = { adds: { reasoning_format: "parsed" }, efforts: ["none"] };
const SHORT = 131_072;

export const OPEN_MODELS: readonly ModelDefinition[] = [
  shared(
    "gpt-oss-120b",
    "gpt-oss-120b",
    [SHORT, 65_536],
    PONDERS,
    ["openai/gpt-oss-120b"],
    [
      { at: "groq", model: "openai/gpt-oss-120b", price: cost(0.15, 0.6, 0.075), quirks: GPT_OSS },
      {
        at: "fireworks",
        model: "accounts/fireworks/models/gpt-oss-120b",
        price: cost(0.15, 0.6, 0.014),
        limits: [SHORT, 32_768],
        quirks: GPT_OSS,
      },
      { at: "together", model: "openai/gpt-oss-120b", price: cost(0.15, 0.6), quirks: GPT_OSS },
      { at: "cerebras", model: "gpt-oss-120b", price: cost(0.35, 0.75), limits: [SHORT, 40_960], quirks: GPT_OSS },
    ],
  ),
  shared(
    "gpt-oss-20b",
    "gpt-oss-20b",
    [SHORT, 65_536],
    PONDERS,
    ["openai/gpt-oss-20b"],
    [
      {
        at: "fireworks",
        model: "accounts/fireworks/models/gpt-oss-20b",
        price: cost(0.07, 0.3, 0.035),
        limits: [SHORT, 32_768],
        quirks: GPT_OSS,
      },
      { at: "groq", model: "openai/gpt-oss-20b", price: cost(0.075, 0.3, 0.0375), quirks: GPT_OSS },
      { at: "together", model: "openai/gpt-oss-20b", price: cost(0.05, 0.2), quirks: GPT_OSS },
    ],
  ),
  shared(
    "llama-3.3-70b",
    "Llama 3.3 70B",
    [SHORT, 32_768],
    CALLS,
    ["llama-3.3-70b-versatile", "meta-llama/llama-3.3-70b-instruct"],
    [
      {
        at: "groq",
        model: "llama-3.3-70b-versatile",
        price: cost(0.59, 0.79),
        capabilities: loosely(CALLS),
      },
      {
        at: "together",
        model: "meta-llama/Llama-3.3-70B-Instruct-Turbo",
        price: cost(0.88, 0.88),
        limits: [SHORT, 8_192],
      },
      { at: "novita", model: "meta-llama/llama-3.3-70b-instruct", price: cost(0.39, 0.39) },
    ],
  ),
  shared(
    "llama-3.1-8b",
    "Llama 3.1 8B",
    [SHORT, SHORT],
    CALLS,
    ["llama-3.1-8b-instant", "meta-llama/llama-3.1-8b-instruct"],
    [
      { at: "groq", model: "llama-3.1-8b-instant", price: cost(0.05, 0.08), capabilities: loosely(CALLS) },
      {
        at: "fireworks",
        model: "accounts/fireworks/models/llama-v3p1-8b-instruct",
        price: cost(0.2, 0.2),
        limits: [131_000, 16_384],
      },
      {
        at: "novita",
        model: "meta-llama/llama-3.1-8b-instruct",
        price: cost(0.05, 0.05),
        limits: [16_384, 16_384],
      },
    ],
  ),
  shared(
    "qwen-2.5-72b",
    "Qwen2.5 72B",
    [32_000, 8_192],
    CALLS,
    ["qwen/qwen-2.5-72b-instruct"],
    [{ at: "novita", model: "qwen/qwen-2.5-72b-instruct", price: cost(0.38, 0.4) }],
  ),
  shared(
    "gemma-4-31b",
    "Gemma 4 31B",
    [262_144, SHORT],
    SEES,
    ["google/gemma-4-31b-it"],
    [
      { at: "together", model: "google/gemma-4-31B-it", price: cost(0.2, 0.5) },
      { at: "cerebras", model: "gemma-4-31b", price: cost(0.99, 1.49), limits: [SHORT, 40_960] },
    ],
  ),
  shared(
    "qwen3.8-27b",
    "Qwen3.8 27B",
    [SHORT, 32_768],
    LOOKS,
    ["qwen/qwen3.8-27b"],
    [
      {
        at: "groq",
        model: "qwen/qwen3.8-27b",
        price: cost(0.8, 4, 0.4),
        limits: [131_042, 16_384],
        quirks: QWEN_AT_GROQ,
      },
      {
        at: "cerebras",
        model: "qwen-3.8-27b",
        price: cost(0.99, 1.49),
        limits: [65_536, 32_768],
        quirks: { efforts: ["none", "low", "medium", "high"] },
      },
    ],
  ),
  shared(
    "qwen3-32b",
    "Qwen3 32B",
    [SHORT, 40_960],
    ["tools", "thinking"],
    ["qwen/qwen3-32b"],
    [{ at: "groq", model: "qwen/qwen3-32b", price: cost(0.29, 0.59), quirks: QWEN_AT_GROQ }],
  ),
  shared(
    "qwen3.7-plus",
    "Qwen3.7 Plus",
    [262_144, 65_536],
    SEES,
    ["qwen/qwen3.7-plus"],
    [
      { at: "fireworks", model: "accounts/fireworks/models/qwen3p7-plus", price: cost(0.4, 1.6, 0.08) },
      { at: "openrouter", model: "qwen/qwen3.7-plus", price: { ...cost(0.4, 1.6, 0.08), cacheWrite: 0.5 } },
    ],
  ),
  shared(
    "qwen3.7-max",
    "Qwen3.7 Max",
    [1_000_000, 65_536],
    CALLS,
    ["qwen/qwen3.7-max"],
    [{ at: "openrouter", model: "qwen/qwen3.7-max", price: { ...cost(1.25, 3.75, 0.25), cacheWrite: 1.5625 } }],
  ),
  shared(
    "qwen3-coder-plus",
    "Qwen3 Coder Plus",
    [1_000_000, 65_536],
    CALLS,
    ["qwen/qwen3-coder-plus"],
    [{ at: "openrouter", model: "qwen/qwen3-coder-plus", price: { ...cost(0.65, 3.25, 0.13), cacheWrite: 0.8125 } }],
  ),
];
