/**
 * Models in the form in which Codex reads them from `/v1/models`, so that it knows their windows and stops warning.
 * Codex takes its prompt from here too, so models that it brings an entry for itself are left to it.
 */
import type { Model } from "../core/endpoint.ts";
import type { JsonObject } from "../core/json.ts";

/** Names of models that Codex knows better: with prompts, tools and settings made for them. */
const KNOWN_TO_CODEX = /(?:^|\/)(?:gpt-(?:[5-9]|\d\d)|codex)/;

const LEVELS: readonly JsonObject[] = [
  { effort: "low", description: "Little thinking, quick answers" },
  { effort: "medium", description: "Thinks as long as everyday work needs" },
  { effort: "high", description: "Thinks long about hard problems" },
];

const INSTRUCTIONS = [
  "You are a coding agent that works in the user's terminal, inside their project, through the tools you are given.",
  "",
  "Working:",
  "- Keep going until the task is really done, or until only the user can decide something; then say plainly what it is.",
  "- Look before you change: search the project and read the files in question. Never guess at contents or at results.",
  "- Follow the instructions in the project's own files, such as AGENTS.md, for the folders that they cover.",
  "- Make the smallest change that solves the cause, in the style of the code around it. Touch nothing else.",
  "- Never undo or overwrite changes that are not yours, and never run what destroys work unless you were asked to.",
  "- Run what shows that it works (tests, build, linter) where the project has it, and mend what you broke.",
  "- When several independent things have to be read or run, do so at once where the tools allow it.",
  "",
  "Answering:",
  "- Before a longer piece of work say in a sentence what you are about to do.",
  "- At the end say briefly what you changed, where, and how you checked it. Name files by path, with the line if it helps.",
  "- If something failed or was left out, say so. Do not claim what you did not verify.",
].join("\n");

/** The entries for Codex: of the models that can call tools and that it does not know itself, in the list's order. */
export function codexModels(models: readonly Model[]): JsonObject[] {
  const suitable = models.filter((model) => model.capabilities.has("tools") && !KNOWN_TO_CODEX.test(model.id));
  return suitable.map(codexEntry);
}

/** The fields without which Codex refuses the list, and what the catalogue knows of the model. */
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
