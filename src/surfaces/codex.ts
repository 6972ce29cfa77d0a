/**
 * Models in the form in which Codex reads them from `/v1/models`, so that it knows their windows and stops warning.
 * Codex takes its prompt from here too, so models that it brings an entry for itself are left to it.
 *
 * Measured with Codex 0.169, which asks for the list where its provider has `auth.command`: an entry without
 * `base_instructions`, or with null, makes it refuse the whole list; an empty text means no prompt at all. Without an entry
 * it falls back to its own prompt, but also to a window of 272,000 tokens: a conversation with a model of 200,000 is then
 * compacted only after it has overflowed. A user's `model_instructions_file` wins over what stands here.
 */
import type { Model } from "../core/endpoint.ts";
import type { JsonObject } from "../core/json.ts";
import { INSTRUCTIONS } from "./codex-instructions.ts";

/** Names of models that Codex knows better: with prompts, tools and settings made for them. */
const KNOWN_TO_CODEX = /(?:^|\/)(?:gpt-(?:[5-9]|\d\d)|codex)/;

const LEVELS: readonly JsonObject[] = [
  { effort: "low", description: "Little thinking, quick answers" },
  { effort: "medium", description: "Thinks as long as everyday work needs" },
  { effort: "high", description: "Thinks long about hard problems" },
];

/** The entries for Codex: of the models that can call tools and that it does not know itself, in the list's order. */
export function codexModels(models: readonly Model[]): JsonObject[] {
  const suitable = models.filter((model) => model.capabilities.has("tools") && !KNOWN_TO_CODEX.test(model.id));
  return suitable.map(codexEntry);
}

/** The fields without which Codex refuses the list, its prompt among them, and what the catalogue knows of the model. */
function codexEntry(model: Model, index: number): JsonObject {
  const thinks = model.capabilities.has("thinking");
  return {
    slug: model.id,
    display_name: model.name,
    description: model.description ?? model.name,
    ...(thinks && { default_reasoning_level: "medium" }),
    supported_reasoning_levels: thinks ? [...LEVELS] : [],
    shell_type: "shell_command",
    visibility: "list",
    supported_in_api: true,
    priority: index,
    availability_nux: null,
    upgrade: null,
    base_instructions: INSTRUCTIONS,
    supports_reasoning_summaries: thinks,
    support_verbosity: false,
    default_verbosity: null,
    apply_patch_tool_type: null,
    truncation_policy: { mode: "tokens", limit: 10_000 },
    supports_parallel_tool_calls: true,
    context_window: model.contextTokens,
    input_modalities: model.capabilities.has("images") ? ["text", "image"] : ["text"],
    experimental_supported_tools: [],
  };
}
