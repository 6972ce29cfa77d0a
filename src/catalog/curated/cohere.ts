/**
 * Cohere's own models, with published prices and limits.
 * Part of the curated list; `make.ts` says how prices are written.
 */
import type { ModelDefinition } from "../definition.ts";
import { CALLS, cost, embeddingModel, model } from "./make.ts";

export const COHERE: readonly ModelDefinition[] = [
  model("cohere", "command-a-03-2025", "Command A", [256_000, 8_192], CALLS, cost(2.5, 10), {
    aliases: ["cohere/command-a"],
  }),
  model("cohere", "command-r-plus-08-2024", "Command R+", [128_000, 4_096], CALLS, cost(2.5, 10)),
  model("cohere", "command-r-08-2024", "Command R", [128_000, 4_096], CALLS, cost(0.15, 0.6)),
  model("cohere", "command-r7b-12-2024", "Command R7B", [128_000, 4_096], CALLS, cost(0.0375, 0.15)),
  embeddingModel("cohere", "embed-v4.0", "Embed 4", 128_000, [], { input: 0.12 }, ["openai-embeddings"]),
];
