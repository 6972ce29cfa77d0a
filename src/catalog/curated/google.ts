/**
 * Google's own models, with published prices and limits.
 * Part of the curated list; `make.ts` says how prices are written.
 */
import type { Capability } from "../../core/head.ts";
import type { ModelDefinition } from "../definition.ts";
import { embeddingModel, model, READS, THINKS, tier } from "./make.ts";

const HEARS: readonly Capability[] = [...THINKS, "audio", "video"];
const GOOGLE_LONG = 200_000;
/** Searching the web is billed by the query from Gemini 3 on, before that by the request. Free daily quotas are not reckoned with. */
const BY_QUERY = { webSearch: "0.014" };
const BY_REQUEST = { searchedRequest: "0.035" };
const EMBEDDINGS = ["gemini-embeddings"] as const;

export const GOOGLE: readonly ModelDefinition[] = [
  model("google", "gemini-2.0-flash", "Gemini 2.0 Flash", [1_048_576, 8_192], [...READS, "audio", "video"], {
    ...BY_REQUEST,
    input: 0.1,
    cacheRead: 0.025,
    output: 0.4,
    audioInput: 0.7,
  }),
  model("google", "gemini-2.5-flash-lite", "Gemini 2.5 Flash-Lite", [1_048_576, 65_536], HEARS, {
    ...BY_REQUEST,
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
    { ...BY_REQUEST, input: 0.3, cacheRead: 0.03, output: 2.5, audioInput: 1 },
    { aliases: ["gemini-flash-latest"] },
  ),
  model("google", "gemini-2.5-pro", "Gemini 2.5 Pro", [1_048_576, 65_536], HEARS, {
    ...BY_REQUEST,
    input: 1.25,
    cacheRead: 0.125,
    output: 10,
    tiers: tier(GOOGLE_LONG, 2.5, 0.25, 15),
  }),
  model("google", "gemini-3-flash-preview", "Gemini 3 Flash Preview", [1_048_576, 65_536], HEARS, {
    ...BY_QUERY,
    input: 0.5,
    cacheRead: 0.05,
    output: 3,
    audioInput: 1,
  }),
  model("google", "gemini-3-pro-preview", "Gemini 3 Pro Preview", [1_048_576, 65_536], HEARS, {
    ...BY_QUERY,
    input: 2,
    cacheRead: 0.2,
    output: 12,
    tiers: tier(GOOGLE_LONG, 4, 0.4, 18),
  }),
  model("google", "gemini-3.1-flash-lite", "Gemini 3.1 Flash-Lite", [1_048_576, 65_536], HEARS, {
    ...BY_QUERY,
    input: 0.25,
    cacheRead: 0.025,
    output: 1.5,
    audioInput: 0.5,
  }),
  model("google", "gemini-3.1-pro-preview", "Gemini 3.1 Pro Preview", [1_048_576, 65_536], HEARS, {
    ...BY_QUERY,
    input: 2,
    cacheRead: 0.2,
    output: 12,
    tiers: tier(GOOGLE_LONG, 4, 0.4, 18),
  }),
  model("google", "gemini-3.5-flash-lite", "Gemini 3.5 Flash-Lite", [1_048_576, 65_536], HEARS, {
    ...BY_QUERY,
    input: 0.3,
    cacheRead: 0.03,
    output: 2.5,
  }),
  model("google", "gemini-3.5-flash", "Gemini 3.5 Flash", [1_048_576, 65_536], HEARS, {
    ...BY_QUERY,
    input: 1.5,
    cacheRead: 0.15,
    output: 9,
  }),
  model("google", "gemini-3.6-flash", "Gemini 3.6 Flash", [1_048_576, 65_536], HEARS, {
    ...BY_QUERY,
    input: 0.75,
    cacheRead: 0.075,
    output: 3.75,
  }),
  model("google", "gemini-3.8-flash", "Gemini 3.8 Flash", [1_048_576, 65_536], HEARS, {
    ...BY_QUERY,
    input: 0.75,
    cacheRead: 0.075,
    output: 3.75,
  }),
  embeddingModel("google", "gemini-embedding-001", "Gemini Embedding", 2_048, [], { input: 0.15 }, EMBEDDINGS),
  // It takes video and documents too, but their tokens have prices that no token class here has.
  embeddingModel(
    "google",
    "gemini-embedding-2",
    "Gemini Embedding 2",
    8_192,
    ["images", "audio"],
    { input: 0.2, imageInput: 0.45, audioInput: 6.5 },
    EMBEDDINGS,
  ),
];
