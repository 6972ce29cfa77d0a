/**
 * The curated catalogue: current models of the providers that Sluice knows, with their published prices and limits.
 * The catalogue offers each where one of its providers is configured; the configuration file replaces or adds to any of it.
 */
import type { ModelDefinition } from "../definition.ts";
import { ANTHROPIC } from "./anthropic.ts";
import { withClouds } from "./clouds.ts";
import { COHERE } from "./cohere.ts";
import { DEEPSEEK } from "./deepseek.ts";
import { GOOGLE } from "./google.ts";
import { MINIMAX } from "./minimax.ts";
import { MISTRAL } from "./mistral.ts";
import { MOONSHOT } from "./moonshot.ts";
import { OPEN_MODELS } from "./open-models.ts";
import { OPENAI } from "./openai.ts";
import { PERPLEXITY } from "./perplexity.ts";
import { XAI } from "./xai.ts";
import { ZAI } from "./zai.ts";

/** The models of those who made the formats. They are what a start without keys shows, simulated. */
export const MODELS_OF_FORMATS: readonly ModelDefinition[] = [...OPENAI, ...ANTHROPIC, ...GOOGLE];

/** Every curated model. Its endpoints' `provider` is a provider type. */
export const CURATED: readonly ModelDefinition[] = [
  ...withClouds(MODELS_OF_FORMATS),
  ...DEEPSEEK,
  ...MISTRAL,
  ...XAI,
  ...MOONSHOT,
  ...ZAI,
  ...MINIMAX,
  ...COHERE,
  ...PERPLEXITY,
  ...OPEN_MODELS,
];
