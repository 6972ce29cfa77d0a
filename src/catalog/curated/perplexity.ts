/**
 * Perplexity's own models, with published prices and limits.
 * Part of the curated list; `make.ts` says how prices are written.
 */
import type { ModelDefinition } from "../definition.ts";
import { model } from "./make.ts";

/** The fee for a request depends on how much of the web is read; this is the largest. */
const SONAR_FEE = "0.012";
const PRO_FEE = "0.014";

export const PERPLEXITY: readonly ModelDefinition[] = [
  model("perplexity", "sonar", "Sonar", [128_000, 8_192], ["images", "structured-output"], {
    input: 1,
    output: 1,
    request: SONAR_FEE,
  }),
  model("perplexity", "sonar-pro", "Sonar Pro", [200_000, 8_192], ["images", "structured-output"], {
    input: 3,
    output: 15,
    request: PRO_FEE,
  }),
  model("perplexity", "sonar-reasoning-pro", "Sonar Reasoning Pro", [128_000, 8_192], ["images", "thinking"], {
    input: 2,
    output: 8,
    request: PRO_FEE,
  }),
  model("perplexity", "sonar-deep-research", "Sonar Deep Research", [128_000, 32_768], ["thinking"], {
    input: 2,
    output: 8,
    reasoning: 3,
    webSearch: "0.005",
  }),
];
